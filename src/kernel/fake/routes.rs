//! Routes of the fake kernel. The routes that the real one makes for addresses are not modelled, but what they make
//! possible is: a next hop has to lie in the subnet of an address, or behind a route without a gateway.

use std::net::IpAddr;

use nix::errno::Errno;

use crate::{
    model::{
        Raw,
        snapshot::{NetnsState, Nexthop, RouteState, RouteType},
    },
    op::RouteOp,
};

/// What the kernel gives to an IPv6 route without a metric.
const IPV6_METRIC: u32 = 1024;

fn metric(route: &RouteOp) -> u32 {
    if route.metric == 0 && route.to.addr().is_ipv6() { IPV6_METRIC } else { route.metric }
}

pub fn add(state: &mut NetnsState, route: &RouteOp, replace: bool) -> Result<(), Errno> {
    if route.kind == RouteType::Unicast
        && let Some(src) = route.src
        && !state.addresses.iter().any(|address| address.address.addr() == src)
    {
        return Err(Errno::EINVAL);
    }
    if route.kind == RouteType::Unicast && route.nexthops.is_empty() {
        return Err(Errno::ENODEV);
    }
    let nexthops = route.nexthops.iter().map(|hop| settle(state, hop)).collect::<Result<Vec<_>, _>>()?;
    let new = RouteState {
        to: route.to.trunc(),
        table: route.table,
        metric: metric(route),
        protocol: route.protocol,
        kind: Some(route.kind),
        src: route.src,
        mtu: route.mtu,
        nexthops: if route.kind == RouteType::Unicast { nexthops } else { Vec::new() },
        raw: Raw::default(),
    };
    let same = |other: &RouteState| (other.to, other.table, other.metric) == (new.to, new.table, new.metric);
    match state.routes.iter().position(same) {
        Some(_) if !replace => return Err(Errno::EEXIST),
        Some(at) => state.routes[at] = new,
        None => state.routes.push(new),
    }
    Ok(())
}

/// Adds a route as it was, also one of a type that ops do not make.
pub fn put_back(state: &mut NetnsState, route: &RouteState) -> Result<(), Errno> {
    let same = |other: &RouteState| (other.to, other.table, other.metric) == (route.to, route.table, route.metric);
    if state.routes.iter().any(same) {
        return Err(Errno::EEXIST);
    }
    for hop in &route.nexthops {
        settle(state, hop)?;
    }
    state.routes.push(route.clone());
    Ok(())
}

/// The next hop with its device; an error where the kernel would not find it.
fn settle(state: &NetnsState, hop: &Nexthop) -> Result<Nexthop, Errno> {
    let link = match (hop.link, hop.via) {
        (Some(link), _) => link,
        (None, Some(via)) => on_link(state, via).first().copied().ok_or(Errno::ENETUNREACH)?,
        (None, None) => return Err(Errno::ENODEV),
    };
    let device = state.link_at(link).ok_or(Errno::ENODEV)?;
    if !device.up {
        return Err(Errno::ENETDOWN);
    }
    let Some(via) = hop.via else { return Ok(Nexthop { link: Some(link), weight: hop.weight.max(1), ..hop.clone() }) };
    let known = on_link(state, via);
    let local = matches!(via, IpAddr::V6(via) if via.is_unicast_link_local());
    if !known.contains(&link) && !local {
        // Even told that it is on the link, the kernel does not believe it of an IPv6 address that it knows elsewhere.
        let believed = hop.onlink && (via.is_ipv4() || known.is_empty());
        if !believed {
            return Err(Errno::ENETUNREACH);
        }
    }
    Ok(Nexthop { link: Some(link), weight: hop.weight.max(1), ..hop.clone() })
}

/// The devices on whose network an address is.
fn on_link(state: &NetnsState, via: IpAddr) -> Vec<u32> {
    let addresses = state.addresses.iter().filter(|own| own.address.contains(&via)).map(|own| own.link);
    let direct = state.routes.iter().filter(|route| route.kind == Some(RouteType::Unicast) && route.to.contains(&via));
    let hops = direct.flat_map(|route| &route.nexthops).filter(|hop| hop.via.is_none()).filter_map(|hop| hop.link);
    // Of a device that is down the kernel knows no network.
    let is_up = |index: &u32| state.link_at(*index).is_some_and(|link| link.up);
    addresses.chain(hops).filter(is_up).collect()
}

pub fn delete(state: &mut NetnsState, route: &RouteOp) -> Result<(), Errno> {
    let any_metric = metric(route) == 0;
    let matches = |other: &RouteState| {
        other.to == route.to.trunc()
            && other.table == route.table
            && (any_metric || other.metric == metric(route))
            && (route.protocol == 0 || other.protocol == route.protocol)
            // Of IPv6 routes the kernel does not look at the type.
            && (other.kind == Some(route.kind) || route.to.addr().is_ipv6())
            && same_hops(&other.nexthops, &route.nexthops)
    };
    // Where no metric is given the one with the lowest goes.
    let found = state.routes.iter().enumerate().filter(|(_, other)| matches(other));
    let (at, _) = found.min_by_key(|(_, other)| other.metric).ok_or(Errno::ESRCH)?;
    state.routes.remove(at);
    Ok(())
}

/// Whether what is asked for is what is there; what was left open matches anything.
fn same_hops(there: &[Nexthop], asked: &[Nexthop]) -> bool {
    asked.is_empty()
        || (asked.len() == there.len()
            && asked.iter().zip(there).all(|(asked, there)| {
                (asked.via.is_none() || asked.via == there.via) && (asked.link.is_none() || asked.link == there.link)
            }))
}

/// Routes by a device that went down, where none of their next hops is by one that is up.
pub fn link_down(state: &mut NetnsState, link: u32) {
    let lives = |hop: &Nexthop| {
        let up = |index: u32| state.links.iter().any(|it| it.index == index && it.up);
        hop.link.is_none_or(|index| index != link && up(index))
    };
    let by_it = |route: &RouteState| route.nexthops.iter().any(|hop| hop.link == Some(link));
    state.routes.retain(|route| !by_it(route) || route.nexthops.iter().any(lives));
}

/// Next hops by a device that is no more, and the routes that they were all of.
pub fn link_gone(state: &mut NetnsState, link: u32) {
    link_down(state, link);
    for route in &mut state.routes {
        route.nexthops.retain(|hop| hop.link != Some(link));
    }
}

/// IPv4 routes by a device that has lost its last IPv4 address.
pub fn ipv4_gone(state: &mut NetnsState, link: u32) {
    let by_link =
        |route: &RouteState| !route.nexthops.is_empty() && route.nexthops.iter().all(|hop| hop.link == Some(link));
    state.routes.retain(|route| route.to.addr().is_ipv6() || !by_link(route));
}
