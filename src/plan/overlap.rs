//! Subnets of the topology on the host that the host reaches another way already. What lies inside namespaces alone is in
//! nobody's way.

use std::collections::BTreeSet;

use foldhash::HashMap;
use ipnet::IpNet;

use super::holder;
use crate::{
    kind::{Topology, addresses::Addresses, route::Route},
    model::{
        Diagnostic, Netns, Snapshot, TopologyName,
        snapshot::{LinkState, NetnsState, RouteState, TABLE_MAIN},
    },
    observe::Observed,
};

/// Every subnet of the topology's that overlaps a network of somebody else's: one of the two is cut off.
pub fn find(name: &TopologyName, topology: &Topology, snapshot: &Snapshot, observed: &Observed) -> Vec<Diagnostic> {
    let Some(host) = snapshot.namespaces.get(&Netns::Host) else { return Vec::new() };
    let ours = wanted(topology);
    if ours.is_empty() {
        return Vec::new();
    }
    let theirs = foreign(host, name, &observed.routes);
    let mut found = Vec::new();
    let mut said = BTreeSet::new();
    for our in &ours {
        for their in theirs.iter().filter(|their| our.meets(their)) {
            if said.insert((our.net, their.net, &*their.link.name)) {
                found.push(diagnostic(our, their));
            }
        }
    }
    found
}

/// A subnet that the host is to reach.
struct Ours<'a> {
    /// As the file has it, host bits and all.
    net: IpNet,
    /// The device that it comes on; `None` for that of a route.
    device: Option<&'a str>,
    /// The table of its route.
    table: u32,
}

/// A network that the host reaches already.
struct Theirs<'a> {
    net: IpNet,
    link: &'a LinkState,
    reach: Reach,
}

/// How the host comes by a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// By a route of that table.
    Route(u32),
    /// By a device that has an address there, and no route while it is down.
    Down,
    /// It is an address of the host's own.
    Own,
}

impl Ours<'_> {
    fn meets(&self, their: &Theirs<'_>) -> bool {
        let net = self.net.trunc();
        let overlaps = their.net.contains(&net) || net.contains(&their.net);
        // Of two routes in two tables `ip rule` says which one counts, of two with one destination the metric does.
        let counts = self.device.is_some() || (their.reach == Reach::Route(self.table) && their.net != net);
        overlaps && counts && self.device != Some(&*their.link.name)
    }
}

fn wanted(topology: &Topology) -> Vec<Ours<'_>> {
    let bridges = topology.bridges.iter().filter(|it| !it.external && it.netns == Netns::Host);
    let bridges = bridges.map(|it| (&*it.device, &it.addresses));
    let ends = topology.links.iter().flat_map(|link| &link.ends).filter(|end| end.netns == Netns::Host);
    let ends = ends.map(|end| (&*end.device, &end.addresses));
    let nets = |(device, addresses): (_, &'_ Addresses)| {
        let nets: Vec<IpNet> = addresses.iter().copied().filter(is_one_place).collect();
        nets.into_iter().map(move |net| Ours { net, device: Some(device), table: TABLE_MAIN })
    };
    let routes = topology.routes.iter().filter(|it| it.netns == Netns::Host && is_one_place(&it.to));
    let routes = routes.map(|it| Ours { net: it.to, device: None, table: it.table });
    bridges.chain(ends).flat_map(nets).chain(routes).collect()
}

/// Networks that the host reaches by what is not this topology's.
fn foreign<'a>(host: &'a NetnsState, name: &TopologyName, own_routes: &[Route]) -> Vec<Theirs<'a>> {
    let links: HashMap<u32, &LinkState> = host.links.iter().map(|link| (link.index, link)).collect();
    // What is behind a VRF has tables of its own, and nothing of the host's gets there.
    let is_vrf = |link: &LinkState| link.kind.as_deref() == Some("vrf");
    let apart = |link: &LinkState| {
        is_vrf(link) || link.master.and_then(|master| links.get(&master)).is_some_and(|master| is_vrf(master))
    };
    let theirs = |index: u32| {
        let link = links.get(&index).copied()?;
        let ours = link.is_of(name);
        (!ours && !apart(link)).then_some(link)
    };
    let own = own_routes.iter().filter(|it| it.netns == Netns::Host);
    let own: BTreeSet<(IpNet, u32, u32)> = own.map(|it| (it.to, it.table, it.metric)).collect();
    let ours = |route: &RouteState| own.contains(&(route.to, route.table, route.metric));
    let mut networks = Vec::new();
    for route in host.routes.iter().filter(|route| is_one_place(&route.to) && !ours(route)) {
        let links = route.nexthops.iter().filter_map(|hop| theirs(hop.link?));
        networks.extend(links.map(|link| Theirs { net: route.to, link, reach: Reach::Route(route.table) }));
    }
    let routed: BTreeSet<(IpNet, u32)> = networks.iter().map(|it: &Theirs<'_>| (it.net, it.link.index)).collect();
    for state in host.addresses.iter().filter(|state| is_one_place(&state.address)) {
        let net = state.address.trunc();
        let Some(link) = theirs(state.link).filter(|link| !routed.contains(&(net, link.index))) else { continue };
        let alone = net.prefix_len() == net.max_prefix_len();
        if alone || !link.up {
            networks.push(Theirs { net, link, reach: if alone { Reach::Own } else { Reach::Down } });
        }
    }
    networks
}

/// Whether a network is a place of its own: not everywhere, not the same on every link. A VPN that takes all routes often
/// takes them in parts (0.0.0.0/1 and 128.0.0.0/1; ::/3, 2000::/4, fc00::/7), which stand for the default route, and no
/// network is that large.
fn is_one_place(net: &IpNet) -> bool {
    const LARGEST_V4: u8 = 2;
    const LARGEST_V6: u8 = 8;
    match net {
        IpNet::V4(net) => net.prefix_len() >= LARGEST_V4 && !net.addr().is_loopback(),
        IpNet::V6(net) => {
            let link_local = net.addr().is_unicast_link_local();
            net.prefix_len() >= LARGEST_V6 && !link_local && !net.addr().is_loopback() && !net.addr().is_multicast()
        }
    }
}

fn diagnostic(our: &Ours<'_>, their: &Theirs<'_>) -> Diagnostic {
    let net = our.net.trunc();
    let (other, by) = (their.net, &their.link.name);
    let subject = match our.device {
        Some(device) => format!("{} on `{device}`", our.net),
        None => format!("the host's route to {}", our.net),
    };
    let holder = holder::of_device(their.link);
    let who = holder.as_ref().map(|holder| format!(", {}", holder.who)).unwrap_or_default();
    let what = match their.reach {
        Reach::Own => format!("{subject} takes in {}, which the host has itself on `{by}`{who}", other.addr()),
        Reach::Down => format!("{subject} overlaps {other}, which is on `{by}`{who}, though that is down now"),
        Reach::Route(TABLE_MAIN) => format!("{subject} overlaps {other}, which the host reaches by `{by}`{who}"),
        Reach::Route(table) => {
            format!("{subject} overlaps {other}, which the host reaches by `{by}`{who} (table {table})")
        }
    };
    let why = match their.reach {
        Reach::Own => "the host answers for that address itself".to_owned(),
        Reach::Down => format!("once it is up, what is behind `{by}` or this lab is cut off"),
        Reach::Route(table) if table != TABLE_MAIN && our.device.is_some() => {
            format!("where `ip rule` asks that table first, what is for this lab leaves by `{by}`")
        }
        Reach::Route(_) if other == net => {
            format!("the host goes one of the two ways: what is behind `{by}` or this lab is cut off")
        }
        Reach::Route(_) if other.contains(&net) => {
            format!("what is behind `{by}` in {net} is cut off while this lab is up")
        }
        Reach::Route(_) => format!("what the host sends there leaves by `{by}` and not into this lab"),
    };
    let instead = if our.device.is_some() { "take another subnet" } else { "write a narrower route" };
    let more = holder.and_then(|holder| holder.more).map(|more| format!("; {more}")).unwrap_or_default();
    Diagnostic::warning("conflict::overlap", what).help(format!("{why}; {instead}{more}"))
}

#[cfg(test)]
#[path = "overlap_tests.rs"]
mod tests;
