//! Routes: those that the run added go, and those that it removed, or that went with a device or an address, come back.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    Place,
    restore::{Ops, Phase},
};
use crate::{
    model::{
        Address, Netns,
        mark::ROUTE_PROTOCOL,
        snapshot::{NetnsState, Nexthop, RouteState, RouteType, TABLE_MAIN},
    },
    op::{LinkChange, LinkRef, Op, RouteOp},
};

/// Of a route that nobody else has.
const METRIC_FOR_A_MOMENT: u32 = 0x6e70_6e70;
/// `RTPROT_KERNEL`: routes that the kernel makes for addresses.
const KERNEL: u8 = 2;

/// Which routes a run may change: those that it adds or removes, and those that come or go with a device or an address.
pub(super) struct Concern<'a> {
    place: &'a Place,
    sources: BTreeSet<IpAddr>,
}

impl<'a> Concern<'a> {
    /// Of a run that is to change what `before` tells.
    pub(super) fn new(place: &'a Place, before: &NetnsState) -> Self {
        let of_touched = before.addresses.iter().filter(|it| place.touches(it.link));
        Self { place, sources: of_touched.map(|it| it.address.addr()).collect() }
    }

    pub(super) fn has(&self, route: &RouteState) -> bool {
        self.place.routes.contains_key(&key(route))
            || route.src.is_some_and(|src| self.sources.contains(&src))
            || route.nexthops.iter().filter_map(|hop| hop.link).any(|index| self.place.is_about(index))
    }
}

/// What is kept of the routes of a namespace: those that the run may change, and those that the routers of these are reached
/// by. A host may have many more.
pub(super) fn of(place: &Place, state: &NetnsState) -> Vec<RouteState> {
    if !place.has_routes() {
        return Vec::new();
    }
    let concern = Concern::new(place, state);
    let (mut kept, others): (Vec<_>, Vec<_>) = state.routes.iter().partition(|route| concern.has(route));
    let devices: BTreeSet<u32> = kept.iter().flat_map(|route| &route.nexthops).filter_map(|hop| hop.link).collect();
    let leads_there = |hop: &Nexthop| hop.via.is_none() && hop.link.is_some_and(|index| devices.contains(&index));
    kept.extend(others.into_iter().filter(|route| route.nexthops.iter().any(leads_there)));
    kept.into_iter().cloned().collect()
}

fn key(route: &RouteState) -> (IpNet, u32, u32) {
    (route.to, route.table, route.metric)
}

pub(super) fn restore(netns: &Netns, place: &Place, before: &NetnsState, now: &NetnsState, ops: &mut Ops) {
    if !place.has_routes() {
        return;
    }
    for route in now.routes.iter().filter(|route| !before.routes.contains(route)) {
        if let (Some(address), Some(route)) = (place.routes.get(&key(route)), asked(route)) {
            ops.push(Phase::RouteRemove, netns, address, Op::RouteDelete { route });
        }
    }
    let Concern { sources, .. } = Concern::new(place, before);
    // The kernel brings its own with their addresses.
    let busy = ops.is_busy(netns);
    let missing = before.routes.iter().filter(|route| !now.routes.contains(route));
    for route in missing.filter(|route| route.protocol != KERNEL || !busy) {
        let Some(address) = place.routes.get(&key(route)).or_else(|| went_along(route, place, &sources)) else {
            continue;
        };
        let direct = route.nexthops.iter().all(|hop| hop.via.is_none());
        let phase = if direct { Phase::Route } else { Phase::RouteVia };
        raise(netns, address, route, before, ops);
        lead_there(netns, address, route, before, ops);
        ops.push(phase, netns, address, Op::RoutePutBack { route: route.clone() });
    }
}

/// A route may lead by way of a router that nothing leads to any more, and the kernel would not take it again like that:
/// something does while it is put back.
fn lead_there(netns: &Netns, address: &Address, route: &RouteState, before: &NetnsState, ops: &mut Ops) {
    for hop in route.nexthops.iter().filter(|hop| !hop.onlink) {
        let (Some(via), Some(link)) = (hop.via, hop.link) else { continue };
        if matches!(via, IpAddr::V6(via) if via.is_unicast_link_local()) {
            continue;
        }
        let near = before.addresses.of(link).any(|it| it.address.contains(&via));
        let by_route = |it: &RouteState| {
            it.to.contains(&via) && it.nexthops.iter().any(|hop| hop.link == Some(link) && hop.via.is_none())
        };
        if near || before.routes.iter().any(by_route) {
            continue;
        }
        let way = RouteOp {
            to: via.into(),
            table: TABLE_MAIN,
            metric: METRIC_FOR_A_MOMENT,
            protocol: ROUTE_PROTOCOL,
            kind: RouteType::Unicast,
            src: None,
            mtu: None,
            nexthops: vec![Nexthop { via: None, link: Some(link), weight: 1, onlink: false }],
        };
        ops.push(Phase::Route, netns, address, Op::RouteAdd { route: way.clone(), replace: true });
        ops.push(Phase::RouteForget, netns, address, Op::RouteDelete { route: way });
    }
}

/// One of several next hops may be dead since its device went down. The kernel takes the route with the device up only; it
/// goes down again when that has been seen.
fn raise(netns: &Netns, address: &Address, route: &RouteState, before: &NetnsState, ops: &mut Ops) {
    let devices = route.nexthops.iter().filter_map(|hop| before.link_at(hop.link?));
    for link in devices.filter(|link| !link.up) {
        let link = LinkRef { index: link.index, name: link.name.clone() };
        let change = LinkChange { up: Some(true), ..LinkChange::default() };
        ops.push(Phase::Up, netns, address, Op::LinkSet { link, change });
    }
}

/// The resource with whose device or address a route goes.
fn went_along<'a>(route: &RouteState, place: &'a Place, sources: &BTreeSet<IpAddr>) -> Option<&'a Address> {
    let by_device = route.nexthops.iter().filter_map(|hop| hop.link).find_map(|index| place.of_device(index));
    let by_source = || {
        let src = route.src.filter(|src| sources.contains(src))?;
        place.addresses.iter().find(|((_, net), _)| net.addr() == src).map(|(_, address)| address)
    };
    by_device.or_else(by_source)
}

/// The route as an op would name it; `None` for what no op adds.
fn asked(route: &RouteState) -> Option<RouteOp> {
    let kind = route.kind?;
    let nexthops = if kind == RouteType::Unicast { route.nexthops.clone() } else { Vec::new() };
    let RouteState { to, table, metric, protocol, src, mtu, .. } = *route;
    Some(RouteOp { to, table, metric, protocol, kind, src, mtu, nexthops })
}
