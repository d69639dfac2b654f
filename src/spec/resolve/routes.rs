//! Routes: next hops looked up, devices found.

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{HOST, names, nets::NetMap, scope::Scope, segments::is_link_local};
use crate::{
    kind::route::{Hop, Route, metric_of},
    model::{
        Diagnostic, IfName, Label, Netns, Span, Spanned,
        mark::ROUTE_PROTOCOL,
        snapshot::{Family, RouteType, TABLE_MAIN},
    },
    spec::file::{self, Destination, Via},
};

/// The routes of every namespace, and of each how it is written.
pub fn resolve<'f>(scope: &mut Scope<'f>) -> (Vec<Route>, Vec<&'f file::Route>) {
    let file = scope.file;
    let (mut routes, mut all_written) = (Vec::new(), Vec::new());
    for (label, spec) in &file.namespaces {
        let others = Others::new(&spec.routes);
        let mut seen: HashMap<(IpNet, u32, u32), Span> = HashMap::default();
        for written in &spec.routes {
            let Some(route) = one(scope, label, written, &others) else {
                scope.gaps.drop_route(label);
                continue;
            };
            let key = (route.to, route.table, route.metric);
            if let Some(first) = seen.get(&key) {
                let what = format!("`{label}` has two routes to {}", route.to);
                let error = Diagnostic::error("route::duplicate", what)
                    .at(written.to.span, "the second one")
                    .at(*first, "the first one")
                    .help("give one of them another `metric`, or make them one with `nexthops`");
                scope.error(error);
                continue;
            }
            seen.insert(key, written.to.span);
            routes.push(route);
            all_written.push(&written.value);
        }
    }
    (routes, all_written)
}

/// The routes of one namespace, to find those that lead to an address; a default route leads to none in particular.
struct Others<'f>(NetMap<Vec<(usize, &'f Spanned<file::Route>)>>);

impl<'f> Others<'f> {
    fn new(all: &'f [Spanned<file::Route>]) -> Self {
        let mut nets: NetMap<Vec<_>> = NetMap::default();
        for (place, route) in all.iter().enumerate() {
            if let Destination::Net(net) = route.to.value
                && net.prefix_len() > 0
            {
                nets.entry(&net).push((place, route));
            }
        }
        Self(nets)
    }

    /// Those but `written` that lead to `address`, each with its place in the file.
    fn covering(
        &self,
        written: &file::Route,
        address: IpAddr,
    ) -> impl Iterator<Item = &(usize, &'f Spanned<file::Route>)> {
        let all = self.0.holding(address).flat_map(|(_, routes)| routes);
        all.filter(move |(_, it)| !std::ptr::eq(&it.value, written))
    }
}

fn one(scope: &mut Scope<'_>, label: &Label, written: &Spanned<file::Route>, others: &Others<'_>) -> Option<Route> {
    if scope.gaps.tear(written.span) {
        // What it clashes by may be what is lost.
        names::of_route(scope, written);
        return None;
    }
    let kind = written.kind.as_ref().map_or(RouteType::Unicast, |kind| kind.value);
    let hops = match (&written.nexthops, kind) {
        // That they have no next hop, and the others one, has been seen to where the file was read.
        (_, RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit) => Vec::new(),
        (Some(list), RouteType::Unicast) => {
            let each = list.value.iter().map(|hop| {
                let onlink = hop.onlink.as_ref().is_some_and(|onlink| onlink.value);
                let to = Towards { via: hop.via.as_ref(), dev: hop.dev.as_ref(), onlink };
                let (mut resolved, by_route) = resolve_hop(scope, label, written, &to, others)?;
                resolved.weight = hop.weight.as_ref().map_or(1, |weight| weight.value);
                Some((resolved, by_route))
            });
            // All of them are looked up, so that all that is wrong is told.
            let each: Vec<Option<(Hop, bool)>> = each.collect();
            let hops: Vec<(Hop, bool)> = each.into_iter().collect::<Option<_>>()?;
            refuse_twice(scope, list, &hops)?;
            hops
        }
        (None, RouteType::Unicast) => {
            let onlink = written.onlink.as_ref().is_some_and(|onlink| onlink.value);
            let to = Towards { via: written.via.as_ref(), dev: written.dev.as_ref(), onlink };
            vec![resolve_hop(scope, label, written, &to, others)?]
        }
    };
    let to = destination(scope, written, &hops)?;
    refuse_down(scope, label, written, &hops)?;
    refuse_mixed(scope, written, &to, &hops)?;
    refuse_bare_devices(scope, written, &to)?;
    let table = written.table.as_ref().map_or(TABLE_MAIN, |table| table.value);
    refuse_local(scope, written)?;
    refuse_source(scope, label, written)?;
    let metric = metric_of(&to, written.metric.as_ref().map(|metric| metric.value));
    let by_route = hops.iter().any(|(_, by_route)| *by_route);
    Some(Route {
        label: label.to_string(),
        netns: scope.netns(label),
        to,
        table,
        metric,
        kind,
        src: written.src.as_ref().map(|src| src.value),
        mtu: written.mtu.as_ref().map(|mtu| mtu.value),
        hops: hops.into_iter().map(|(hop, _)| hop).collect(),
        protocol: ROUTE_PROTOCOL,
        by_route,
    })
}

/// Where a next hop is an end, its family is known once the end is looked up.
fn refuse_mixed(scope: &mut Scope<'_>, written: &file::Route, to: &IpNet, hops: &[(Hop, bool)]) -> Option<()> {
    let several = written.nexthops.iter().flat_map(|hops| &hops.value).map(|hop| hop.via.as_ref());
    let places = written.via.iter().map(Some).chain(several);
    let vias = hops.iter().zip(places).filter_map(|((hop, _), place)| Some((hop.via?, place?.span)));
    let other = vias.into_iter().find(|(via, _)| Family::of(*via) != Family::of(to.addr()));
    let Some((via, span)) = other else { return Some(()) };
    let error = Diagnostic::error("address::family", format!("the route to {to} goes by {via}, of the other family"))
        .at(span, "IPv4 and IPv6 do not mix here")
        .at(written.to.span, format!("is {to}"))
        .help("write a route for each family");
    scope.error(error);
    None
}

/// The table of the kernel's own routes to itself.
const TABLE_LOCAL: u32 = 255;

fn refuse_local(scope: &mut Scope<'_>, written: &file::Route) -> Option<()> {
    let table = written.table.as_ref().filter(|table| table.value == TABLE_LOCAL);
    let Some(table) = table else { return Some(()) };
    scope.error(
        Diagnostic::error("route::local", "table 255 is the kernel's own (`local`)")
            .at(table.span, "not for routes of a file")
            .help("take another number, or 254 (`main`), which is the default"),
    );
    None
}

/// The kernel takes as source what its namespace has; where interfaces are left to others, that is not known here.
fn refuse_source(scope: &mut Scope<'_>, label: &Label, written: &file::Route) -> Option<()> {
    let Some(src) = &written.src else { return Some(()) };
    let has = scope.of(label).iter().any(|it| it.addresses.iter().any(|net| net.addr() == src.value));
    if has || !scope.knows_subnets(label) || src.value.is_loopback() {
        return Some(());
    }
    scope.error(
        Diagnostic::error("route::src", format!("`{label}` does not have the address {}", src.value))
            .at(src.span, "not an address of it")
            .help("`src` is the source of what it sends: give the address to one of its interfaces"),
    );
    None
}

/// IPv6 refuses a next hop that is there twice (`EEXIST`); IPv4 takes it as one of twice the weight.
fn refuse_twice(scope: &mut Scope<'_>, list: &[file::Nexthop], hops: &[(Hop, bool)]) -> Option<()> {
    let mut seen: HashMap<(IpAddr, Option<&str>), Span> = HashMap::default();
    for (written, (hop, _)) in list.iter().zip(hops) {
        let Some((via, place)) = hop.via.zip(written.via.as_ref()).filter(|(via, _)| via.is_ipv6()) else { continue };
        if let Some(first) = seen.insert((via, hop.dev.as_deref()), place.span) {
            let error = Diagnostic::error("route::nexthop_twice", format!("the next hop {via} is there twice"));
            let error = error.at(place.span, "the second time").at(first, "the first time");
            scope.error(error.help(format!(
                "the kernel takes it once: for twice its share write {}",
                scope.pair(place.span, "weight", 2)
            )));
            return None;
        }
    }
    Some(())
}

/// Of several next hops of an IPv6 route each has an address: the kernel says "Device only routes can not be added for IPv6
/// using the multipath API".
fn refuse_bare_devices(scope: &mut Scope<'_>, written: &file::Route, to: &IpNet) -> Option<()> {
    let several = written.nexthops.as_ref().map(|hops| hops.value.as_slice()).filter(|hops| hops.len() > 1);
    let mut bare = several.into_iter().flatten().filter(|hop| hop.via.is_none()).filter_map(|hop| hop.dev.as_ref());
    let Some(dev) = bare.next().filter(|_| to.addr().is_ipv6()) else { return Some(()) };
    let what = format!("`{dev}` alone cannot be one of several next hops of an IPv6 route");
    let error = Diagnostic::error("route::nexthop_device", what)
        .at(dev.span, "has no `via`")
        .at(written.to.span, format!("is {to}"))
        .help("the kernel wants the address of a router in each of them: add `via`, or write a route of its own with another `metric`");
    scope.error(error);
    None
}

/// The kernel takes no route by a device that is down.
fn refuse_down(scope: &mut Scope<'_>, label: &Label, written: &file::Route, hops: &[(Hop, bool)]) -> Option<()> {
    let is_down = |device: &str| scope.at_device(label, device).is_some_and(|it| !it.up);
    let Some(device) = hops.iter().find_map(|(hop, _)| hop.dev.clone().filter(|device| is_down(device))) else {
        return Some(());
    };
    let span = written.via.as_ref().map(|via| via.span).or(written.dev.as_ref().map(|dev| dev.span));
    let span = span.unwrap_or(written.to.span);
    let off = scope.pair(span, if device == "lo" { "loopback" } else { "up" }, false);
    let error = Diagnostic::error("route::down", format!("this route leaves by `{device}`, which is to be down"))
        .at(span, "the kernel takes no route by a device that is down")
        .help(format!("remove the route, or the {off} of `{device}`"));
    scope.error(error);
    None
}

fn destination(scope: &mut Scope<'_>, written: &file::Route, hops: &[(Hop, bool)]) -> Option<IpNet> {
    let to = match written.to.value {
        Destination::Net(net) => net.trunc(),
        Destination::Default => {
            let by_hop = hops.iter().find_map(|(hop, _)| hop.via);
            match by_hop.or(written.src.as_ref().map(|src| src.value)) {
                Some(IpAddr::V6(_)) => IpNet::V6(Ipv6Net::default()),
                Some(IpAddr::V4(_)) | None => IpNet::V4(Ipv4Net::default()),
            }
        }
    };
    if let Some(off) = scope.ipv6_off().filter(|_| to.addr().is_ipv6()) {
        let error = Diagnostic::error("address::ipv6_off", format!("{to} is IPv6, which this lab turns off"))
            .at(written.to.span, "an IPv6 route")
            .at(off, "turned off here")
            .help(format!("remove {}, or the route", scope.pair(off, "ipv6", false)));
        scope.error(error);
        return None;
    }
    Some(to)
}

/// A next hop as it is written.
struct Towards<'a> {
    via: Option<&'a Spanned<Via>>,
    dev: Option<&'a Spanned<IfName>>,
    onlink: bool,
}

/// A next hop, and whether it is reached by way of another route of the file.
fn resolve_hop(
    scope: &mut Scope<'_>,
    label: &Label,
    written: &file::Route,
    to: &Towards<'_>,
    others: &Others<'_>,
) -> Option<(Hop, bool)> {
    let Towards { via, dev, onlink } = *to;
    let family = match written.to.value {
        Destination::Net(net) => Some(Family::of(net.addr())),
        Destination::Default => None,
    };
    // Both are looked up, so that of both it is told what is wrong.
    let via_address = via.map(|via| address_of(scope, label, via, family));
    let named = dev.map(|dev| device_of(scope, label, dev));
    let (via_address, named) = (transposed(via_address)?, transposed(named)?);
    let mut hop = Hop { via: via_address, dev: named, weight: 1, onlink };
    let Some(address) = via_address else { return Some((hop, false)) };
    if let (Some(device), Some(via)) = (&hop.dev, via) {
        let by_route = reached_by(scope, label, others.covering(written, address), device);
        if !by_route && !onlink {
            check_on_link(scope, label, device, address, via.span)?;
        }
        return Some((hop, by_route));
    }
    if let Some(interface) = scope.toward(label, address) {
        hop.dev = Some(interface.device.to_string());
        return Some((hop, false));
    }
    let span = via.map_or(written.to.span, |via| via.span);
    if let Some((_, covering)) = others.covering(written, address).min_by_key(|(place, _)| place) {
        return by_another(scope, label, hop, covering, span);
    }
    if !scope.knows_subnets(label) {
        return Some((hop, false));
    }
    let nets: Vec<String> =
        scope.of(label).iter().flat_map(|it| &it.addresses).map(|net| net.trunc().to_string()).collect();
    let help = if is_link_local(&IpNet::from(address)) {
        "a link-local address may be on each of its segments: say by `dev` which is meant".to_owned()
    } else if nets.is_empty() {
        format!("`{label}` has no address outside its lo; give an end of it one")
    } else {
        format!("`{label}` is on {}", nets.join(", "))
    };
    let error =
        Diagnostic::error("route::nexthop_unreachable", format!("the next hop {address} is on no subnet of `{label}`"))
            .at(span, "not reachable from here")
            .help(help);
    scope.error(error);
    None
}

/// What is written, if it is known.
fn transposed<T>(written: Option<Option<T>>) -> Option<Option<T>> {
    written.map_or(Some(None), |known| known.map(Some))
}

/// Whether one of the routes to an address, which leads straight to `device`, is the way to it.
fn reached_by<'r, 'f: 'r>(
    scope: &Scope<'_>,
    label: &Label,
    covering: impl Iterator<Item = &'r (usize, &'f Spanned<file::Route>)>,
    device: &str,
) -> bool {
    let straight = covering.filter(|(_, it)| it.via.is_none());
    let mut devices = straight.filter_map(|(_, it)| it.dev.as_ref());
    devices.any(|dev| scope.interface(label, dev.as_str()).map_or(dev.as_str(), |it| it.device.as_str()) == device)
}

/// A next hop with a device has to be on a subnet of that device, as far as the file tells them all.
fn check_on_link(scope: &mut Scope<'_>, label: &Label, device: &str, address: IpAddr, span: Span) -> Option<()> {
    let local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let interface = scope.at_device(label, device);
    let known = scope.gaps.knows_written_routes(label) && !local;
    let Some(interface) = interface.filter(|it| !it.unmanaged && known) else { return Some(()) };
    if interface.addresses.iter().any(|net| net.contains(&address)) {
        return Some(());
    }
    let nets: Vec<String> = interface.addresses.iter().map(|net| net.trunc().to_string()).collect();
    let what = format!("the next hop {address} is on no subnet of `{}`", interface.name);
    let error =
        Diagnostic::error("route::nexthop_unreachable", what).at(span, "not reachable by that device").help(format!(
            "it is on {}; {} makes the kernel believe otherwise",
            nets.join(", "),
            scope.pair(span, "onlink", true)
        ));
    scope.error(error);
    None
}

/// The kernel takes a next hop that another route leads to only where that route is a link's own, without a next hop.
fn by_another(
    scope: &mut Scope<'_>,
    label: &Label,
    mut hop: Hop,
    covering: &Spanned<file::Route>,
    span: Span,
) -> Option<(Hop, bool)> {
    if let (None, Some(dev)) = (&covering.via, &covering.dev) {
        hop.dev = Some(device_of(scope, label, dev)?);
        return Some((hop, true));
    }
    let what = "the next hop is reached by way of another router, which the kernel does not take";
    let error = Diagnostic::error("route::recursive", what)
        .at(span, "this next hop")
        .at(covering.to.span, "is led on by this route")
        .help(format!(
            "write the router that is on a subnet of the namespace, or use `dev` with {}",
            scope.pair(span, "onlink", true)
        ));
    scope.error(error);
    None
}

fn address_of(scope: &mut Scope<'_>, label: &Label, via: &Spanned<Via>, family: Option<Family>) -> Option<IpAddr> {
    let (namespace, interface) = match &via.value {
        Via::Address(address) => return Some(*address),
        Via::End(namespace, interface) => (namespace, interface),
    };
    let namespace = scope.namespace(&Spanned { value: namespace.clone(), span: via.span })?;
    let Some(found) = scope.interface(&namespace, interface.as_str()) else {
        scope.no_interface(&namespace, interface.as_str(), via.span);
        return None;
    };
    let addresses = found.addresses.iter().map(IpNet::addr);
    let fitting: Vec<IpAddr> = addresses.filter(|it| family.is_none_or(|family| Family::of(*it) == family)).collect();
    let near = fitting.iter().find(|address| scope.toward(label, **address).is_some());
    match near.or(fitting.first()) {
        Some(address) => Some(*address),
        None if !scope.gaps.knows(&namespace) => None,
        None => {
            let kind = match family {
                Some(Family::V4) => "IPv4 address",
                Some(Family::V6) => "IPv6 address",
                None => "address",
            };
            let error =
                Diagnostic::error("address::none", format!("`{namespace}:{interface}` has no {kind} in the file"))
                    .at(via.span, format!("no {kind} to send to"))
                    .help("give that end one, or write the router's address here");
            scope.error(error);
            None
        }
    }
}

fn device_of(scope: &mut Scope<'_>, label: &Label, dev: &Spanned<IfName>) -> Option<String> {
    if let Some(interface) = scope.interface(label, dev.as_str()) {
        return Some(interface.device.to_string());
    }
    if label.as_str() == HOST {
        return Some(dev.to_string());
    }
    scope.no_interface(label, dev.as_str(), dev.span);
    None
}

/// Who has a default route of a family in the file, of whatever metric: a gateway gives it none then. One in another table
/// is for packets of its own.
pub fn defaults(routes: &[Route]) -> HashSet<(&Netns, Family)> {
    let defaults = routes.iter().filter(|it| it.to.prefix_len() == 0 && it.table == TABLE_MAIN);
    defaults.map(|it| (&it.netns, Family::of(it.to.addr()))).collect()
}
