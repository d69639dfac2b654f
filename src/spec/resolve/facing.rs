//! What a namespace's interfaces are to its packet filter: who is behind each, and which targets.

use std::{cmp::Reverse, net::IpAddr};

use ipnet::IpNet;

use super::{
    Rules, addresses,
    scope::{EndId, Interface, Scope, What},
};
use crate::{
    kind::{
        firewall::{Beyond, Forward, Input, Interface as Facing, NatKind, NatRule, Role},
        gateway::Gateway,
        route::{Hop, Route, metric_of},
    },
    model::{
        Label, Netns,
        snapshot::{Family, RouteType, TABLE_MAIN},
    },
};

/// What one namespace's packet filter follows from.
pub(super) struct Facts<'a> {
    /// Its nat rules.
    pub nat: Vec<NatRule>,
    /// Its port forwards.
    pub forwards: Vec<Forward>,
    /// The routes of all namespaces.
    pub routes: &'a [Route],
    /// The gateways of all namespaces.
    pub gateways: &'a [Gateway],
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
        let here = |target: &IpNet| seen.iter().any(|(_, subnets)| subnets.iter().any(|net| net.contains(target)));
        let routed: Vec<Routed> =
            targets.iter().filter(|it| !here(it)).flat_map(|target| self.routed(&netns, target)).collect();
        let local = self.served_by_loopback();
        let mut interfaces = Vec::new();
        for (interface, subnets) in &seen {
            let device = interface.device.as_str();
            let beyond: Vec<Beyond> = routed.iter().filter(|it| it.device == device).map(|it| it.beyond).collect();
            let holds = |target: &IpNet| {
                addresses::has_overlap(subnets, target) || beyond.iter().any(|it| it.target == *target)
            };
            let route_localnet = local.iter().any(|target| holds(&IpNet::from(*target)));
            if route_localnet {
                rules.route_localnet.entry(netns.clone()).or_default().push(device.to_owned());
            }
            let gateway = self.gateways.iter().find(|it| it.netns == netns && it.device == device);
            let role = if gateway.is_some() || self.translates(interface, subnets) {
                let gateway = gateway.map(Gateway::address);
                Role::Segment { gateway, members: members_alone(scope, interface), route_localnet }
            } else if targets.iter().any(holds) {
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
        let addresses: Vec<IpAddr> = self.forwards.iter().map(|forward| forward.to).chain(routers).collect();
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
    fn served_by_loopback(&self) -> Vec<IpAddr> {
        let at_loopback = |it: &&Forward| it.to.is_ipv4() && it.listen.is_none_or(|listen| listen.is_loopback());
        self.forwards.iter().filter(at_loopback).map(|it| it.to).collect()
    }

    /// Whether sources behind an interface are translated on their way out by others.
    fn translates(&self, interface: &Interface, subnets: &[IpNet]) -> bool {
        self.nat.iter().any(|rule| match &rule.kind {
            NatKind::Masquerade(range) | NatKind::Snat(range, _) => {
                rule.out.as_ref() != Some(&interface.device) && addresses::has_overlap(subnets, range)
            }
            NatKind::Dnat(..) => false,
        })
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
        let others = interface.segment.map(|segment| scope.on_segment(segment)).unwrap_or_default();
        let another = others.iter().any(|(label, it)| {
            let there = scope.netns(label);
            there != *netns && self.gateways.iter().any(|gw| gw.netns == there && gw.device == it.device.as_str())
        });
        let ranges = self.nat.iter().map(|rule| rule.kind.matched().trunc());
        let mut ways = ranges.flat_map(|range| self.routed(netns, &range));
        another && !ways.any(|way| way.device == interface.device.as_str())
    }

    /// The ways to a target that is on no subnet of the namespace: by the longest route of the file, of several the one with
    /// the lowest metric, by all its next hops.
    fn routed(&self, netns: &Netns, target: &IpNet) -> Vec<Routed> {
        let leads = |route: &&Route| {
            let plain = route.table == TABLE_MAIN && route.kind == RouteType::Unicast;
            route.netns == *netns && plain && route.to.contains(target)
        };
        let hop = |Hop { via, dev, .. }: &Hop| Some((*via, dev.clone()?));
        let written = self.routes.iter().filter(leads);
        let written = written.map(|it| (it.to.trunc(), it.metric, it.hops.iter().filter_map(hop).collect::<Vec<_>>()));
        let members = self.gateways.iter().flat_map(|gateway| &gateway.members);
        let members = members.filter(|member| member.netns == *netns && member.to.contains(target));
        let given = members.map(|it| (it.to, metric_of(&it.to, None), vec![(it.via, it.dev.clone())]));
        let best = written.chain(given).max_by_key(|(to, metric, _)| (to.prefix_len(), Reverse(*metric)));
        let Some((to, _, hops)) = best else { return Vec::new() };
        // By the default route one comes to everyone, who are not all answered past this namespace.
        let network = if to.prefix_len() == 0 { *target } else { to };
        let beyond = Beyond { target: *target, network };
        hops.into_iter().map(|(via, device)| Routed { device, via, beyond }).collect()
    }
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
    let others = scope.on_segment(segment).into_iter().filter(|(_, it)| it.what != interface.what);
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
fn ends_of(scope: &Scope<'_>, label: &Label, targets: &[IpAddr]) -> Vec<EndId> {
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
