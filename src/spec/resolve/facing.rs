//! What a namespace's interfaces are to its packet filter: who is behind each, and which targets.

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::{
    Rules,
    nets::NetMap,
    scope::{EndId, Interface, Scope, What},
    ways::Ways,
};
use crate::{
    kind::{
        firewall::{Beyond, Forward, Input, Interface as Facing, NatKind, NatRule, Role},
        gateway::Gateway,
    },
    model::{IfName, Label, Netns, snapshot::Family},
};

/// What one namespace's packet filter follows from.
pub(super) struct Facts<'a> {
    /// Its nat rules.
    pub nat: Vec<NatRule>,
    /// Its port forwards.
    pub forwards: Vec<Forward>,
    /// The routes and gateways of all namespaces.
    pub ways: &'a Ways<'a>,
}

/// A target that a further router leads to.
struct Routed {
    device: String,
    via: Option<IpAddr>,
    beyond: Beyond,
}

impl Facts<'_> {
    /// What `label`'s packet filter must do; what follows for its devices goes into `rules`.
    pub fn input(self, scope: &Scope<'_>, label: &Label, rules: &mut Rules) -> Input {
        let netns = scope.netns(label);
        let targets = self.targets();
        let seen = scope.of(label).iter().filter(|it| !matches!(it.what, What::Loopback | What::Port(..)));
        let seen: Vec<(&Interface, Vec<IpNet>)> = seen.map(|it| (it, subnets_of(scope, it))).collect();
        let own: NetMap<()> = seen.iter().flat_map(|(_, subnets)| subnets).collect();
        let elsewhere = targets.iter().filter(|target| own.around(**target).next().is_none());
        let routed: Vec<Routed> = elsewhere.flat_map(|target| self.routed(&netns, target)).collect();
        let mut beyond: HashMap<&str, Vec<Beyond>> = HashMap::default();
        for it in &routed {
            beyond.entry(&it.device).or_default().push(it.beyond);
        }
        let all: NetMap<()> = targets.iter().collect();
        let local: NetMap<()> = self.served_by_loopback().collect();
        let sources = self.sources();
        let mut interfaces = Vec::new();
        for (interface, subnets) in &seen {
            let device = interface.device.as_str();
            let beyond = beyond.remove(device).unwrap_or_default();
            let holds_one_of = |targets: &NetMap<()>| {
                subnets.iter().any(|net| targets.overlaps(net)) || beyond.iter().any(|it| targets.contains(&it.target))
            };
            let route_localnet = holds_one_of(&local);
            if route_localnet {
                rules.route_localnet.entry(netns.clone()).or_default().insert(device.to_owned());
            }
            let gateway = self.ways.gateway(&netns, device);
            let role = if gateway.is_some() || translates(&sources, interface, subnets) {
                let gateway = gateway.map(Gateway::address);
                Role::Segment { gateway, members: members_alone(scope, interface), route_localnet }
            } else if holds_one_of(&all) {
                Role::Target { members: members_alone(scope, interface), route_localnet }
            } else if self.is_bystander(scope, &netns, interface) {
                Role::Bystander
            } else {
                Role::Outer
            };
            let (name, switches) = (interface.device.clone(), switches(scope, interface));
            interfaces.push(Facing { name, subnets: subnets.clone(), beyond, switches, role });
        }
        // A port needs hairpin where the target, or the router that leads to it, is behind it.
        let routers = routed.iter().filter_map(|it| it.via);
        let addresses: HashSet<IpAddr> = self.forwards.iter().map(|forward| forward.to).chain(routers).collect();
        rules.hairpin.extend(ends_of(scope, label, &addresses));
        let (topology, namespace) = (scope.name.clone(), label.to_string());
        Input { topology, namespace, interfaces, nat: self.nat, forwards: self.forwards }
    }

    /// Where forwards and dnat rules lead.
    fn targets(&self) -> Vec<IpNet> {
        let dnats = self.nat.iter().filter_map(|rule| match &rule.kind {
            NatKind::Dnat(_, to) => Some(to.trunc()),
            NatKind::Masquerade(_) | NatKind::Snat(..) => None,
        });
        self.forwards.iter().map(|forward| IpNet::from(forward.to)).chain(dnats).collect()
    }

    /// 127.0.0.1 is served for every IPv4 forward that listens there: a bare one, or one on a loopback address.
    fn served_by_loopback(&self) -> impl Iterator<Item = IpNet> {
        let at_loopback = |it: &&Forward| it.to.is_ipv4() && it.listen.is_none_or(|listen| listen.is_loopback());
        self.forwards.iter().filter(at_loopback).map(|it| IpNet::from(it.to))
    }

    /// The sources that are translated, by the interface that they leave by.
    fn sources(&self) -> HashMap<Option<&IfName>, NetMap<()>> {
        let mut sources: HashMap<_, NetMap<()>> = HashMap::default();
        for rule in &self.nat {
            match &rule.kind {
                NatKind::Masquerade(range) | NatKind::Snat(range, _) => {
                    sources.entry(rule.out.as_ref()).or_default().entry(range);
                }
                NatKind::Dnat(..) => {}
            }
        }
        sources
    }

    /// Whether an interface is a bridge of ours that another namespace routes for. Where this one is on the segment itself,
    /// it may route for it too: then another gateway there tells, and that nothing that is translated comes from behind it.
    fn is_bystander(&self, scope: &Scope<'_>, netns: &Netns, interface: &Interface) -> bool {
        if !scope.is_own_bridge(interface) {
            return false;
        }
        if interface.addresses.is_empty() {
            return true;
        }
        let mut others = interface.segment.into_iter().flat_map(|segment| scope.on_segment(segment));
        let another = others.any(|(label, it)| {
            let there = scope.netns(label);
            there != *netns && self.ways.gateway(&there, it.device.as_str()).is_some()
        });
        let ranges = self.nat.iter().map(|rule| rule.kind.matched().trunc());
        let mut ways = ranges.flat_map(|range| self.routed(netns, &range));
        another && !ways.any(|way| way.device == interface.device.as_str())
    }

    /// The ways to a target that is on no subnet of the namespace: by the longest route of the file, of several the one with
    /// the lowest metric, by all its next hops.
    fn routed(&self, netns: &Netns, target: &IpNet) -> Vec<Routed> {
        let Some((to, way)) = self.ways.to(netns, target) else { return Vec::new() };
        // By the default route one comes to everyone, who are not all answered past this namespace.
        let network = if to.prefix_len() == 0 { *target } else { to };
        let beyond = Beyond { target: *target, network };
        way.hops.iter().map(|(via, device)| Routed { device: (*device).to_owned(), via: *via, beyond }).collect()
    }
}

/// Whether sources behind an interface are translated on their way out by others.
fn translates(sources: &HashMap<Option<&IfName>, NetMap<()>>, interface: &Interface, subnets: &[IpNet]) -> bool {
    let others = sources.iter().filter(|(out, _)| **out != Some(&interface.device));
    others.map(|(_, ranges)| ranges).any(|ranges| subnets.iter().any(|net| ranges.overlaps(net)))
}

/// The subnets of an interface: of its own addresses, or of its members' where it is an external bridge.
fn subnets_of(scope: &Scope<'_>, interface: &Interface) -> Vec<IpNet> {
    let mut subnets: Vec<IpNet> = interface.addresses.iter().map(IpNet::trunc).collect();
    if scope.is_external(interface) {
        subnets.extend(members_of(scope, interface).into_iter().map(|net| net.trunc()));
    }
    subnets.sort();
    subnets.dedup();
    subnets
}

/// The addresses of everyone else on an interface's segment.
fn members_of(scope: &Scope<'_>, interface: &Interface) -> Vec<IpNet> {
    let Some(segment) = interface.segment else { return Vec::new() };
    let others = scope.on_segment(segment).filter(|(_, it)| it.what != interface.what);
    others.flat_map(|(_, it)| it.addresses.clone()).collect()
}

/// On an external bridge only the lab's members pass.
fn members_alone(scope: &Scope<'_>, interface: &Interface) -> Option<Vec<IpAddr>> {
    scope.is_external(interface).then(|| members_of(scope, interface).iter().map(IpNet::addr).collect())
}

/// The families that the members of a bridge of ours speak.
fn switches(scope: &Scope<'_>, interface: &Interface) -> Vec<Family> {
    if !scope.is_own_bridge(interface) {
        return Vec::new();
    }
    let mut families: Vec<Family> = members_of(scope, interface).iter().map(|net| Family::of(net.addr())).collect();
    families.sort();
    families.dedup();
    families
}

/// The link ends that have one of these addresses on a segment of `label`'s bridges: their ports need hairpin.
fn ends_of(scope: &Scope<'_>, label: &Label, targets: &HashSet<IpAddr>) -> Vec<EndId> {
    let mut ends = Vec::new();
    for bridge in scope.of(label).iter().filter(|it| matches!(it.what, What::Bridge(_))) {
        let Some(segment) = bridge.segment else { continue };
        for (_, interface) in scope.on_segment(segment) {
            let hit = interface.addresses.iter().any(|net| targets.contains(&net.addr()));
            if let (What::End(id), true) = (&interface.what, hit) {
                ends.push(*id);
            }
        }
    }
    ends
}
