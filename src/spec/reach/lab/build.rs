//! From a topology to the model.

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::{
    super::{
        sysctls::{self, OfDevice},
        table::{Entry, Table, Way},
    },
    Interface, Lab, Node, Segment, is_link_local, slot,
};
use crate::{
    kind::{
        Topology,
        addresses::Addresses,
        bridge::Bridge,
        gateway::Gateway,
        link::End,
        namespace::Namespace,
        route::{Route, metric_of},
        sysctl::{FORWARD_V4, FORWARD_V6},
    },
    model::{
        Netns,
        snapshot::{Family, TABLE_MAIN},
    },
};

/// The host's place among the nodes.
const HOST: usize = 0;

/// The metric of the kernel's own IPv6 routes to the subnets of interfaces.
const CONNECTED_METRIC_V6: u32 = 256;

pub(super) fn build(topology: &Topology) -> Lab<'_> {
    let namespaces = topology.namespaces.len() + 1;
    // Of links between bridges there are less.
    let interfaces = namespaces + topology.bridges.len() + 2 * topology.links.len();
    let mut lab = Lab {
        nodes: vec![host(topology)],
        interfaces: Vec::with_capacity(interfaces),
        by_netns: with_room(namespaces),
        by_label: with_room(namespaces),
        by_device: with_room(interfaces),
        segments: with_room(topology.bridges.len() + topology.links.len()),
        neighbours: with_room(interfaces),
        holders: with_room(interfaces),
        members: with_room(interfaces),
        facing: HashMap::default(),
    };
    lab.by_netns.insert(&Netns::Host, HOST);
    for namespace in &topology.namespaces {
        add_namespace(&mut lab, topology, namespace);
    }
    for bridge in &topology.bridges {
        add_bridge(&mut lab, bridge);
    }
    let mut joined = Joined::new(&topology.bridges);
    for link in &topology.links {
        if let [one, other] = link.ends.as_slice() {
            add_link(&mut lab, &mut joined, one, other);
        }
    }
    settle_segments(&mut lab, &mut joined, topology);
    enter_addresses(&mut lab);
    add_connected(&mut lab);
    for (place, route) in topology.routes.iter().enumerate() {
        add_route(&mut lab, place, route);
    }
    for (place, gateway) in topology.gateways.iter().enumerate() {
        add_gateway(&mut lab, place, gateway);
    }
    lab.nodes.iter_mut().flat_map(|node| &mut node.tables).for_each(Table::settle);
    for (netns, input) in topology.firewalls.iter().chain(&topology.bystanders) {
        if let Some(node) = lab.by_netns.get(netns).copied() {
            lab.facing.extend(input.interfaces.iter().map(|it| ((node, it.name.as_str()), it)));
        }
    }
    lab
}

/// A map that need not grow.
fn with_room<K, V>(entries: usize) -> HashMap<K, V> {
    HashMap::with_capacity_and_hasher(entries, Default::default())
}

fn plain<'t>(netns: &'t Netns, label: &'t str) -> Node<'t> {
    Node {
        netns,
        label,
        host: false,
        open: false,
        open_v6: false,
        closes: false,
        loopback: true,
        v6: true,
        forwards: [false; 2],
        mute: [false; 2],
        sysctls: None,
        interfaces: Vec::new(),
        addresses: HashMap::default(),
        down: Vec::new(),
        edges: HashSet::default(),
        tables: [Table::default(), Table::default()],
        rules: None,
    }
}

fn host(topology: &Topology) -> Node<'_> {
    let on = |key: &str| {
        let sysctls = topology.host.as_ref().map(|host| &host.sysctls);
        sysctls.and_then(|sysctls| sysctls.get(key)).is_some_and(|value| value != "0")
    };
    let forwards = [on(FORWARD_V4), on(FORWARD_V6)];
    let open = topology.host.as_ref().is_some_and(|host| sysctls::effect(&host.sysctls).opens);
    let rules = topology.firewalls.get(&Netns::Host);
    Node { host: true, closes: true, open, forwards, rules, ..plain(&Netns::Host, "host") }
}

fn add_namespace<'t>(lab: &mut Lab<'t>, topology: &'t Topology, namespace: &'t Namespace) {
    let effect = sysctls::effect(&namespace.sysctls);
    let on = |key: &str| namespace.sysctls.get(key).is_some_and(|value| value != "0");
    let node = lab.nodes.len();
    lab.by_netns.insert(&namespace.netns, node);
    lab.by_label.insert(&namespace.label, node);
    lab.nodes.push(Node {
        open: effect.opens,
        open_v6: effect.opens_v6,
        closes: effect.closes,
        loopback: namespace.loopback,
        v6: !effect.v6_off,
        forwards: [on(FORWARD_V4), on(FORWARD_V6)],
        mute: effect.mute,
        sysctls: Some(&namespace.sysctls),
        rules: topology.firewalls.get(&namespace.netns),
        ..plain(&namespace.netns, &namespace.label)
    });
    // A daemon may give it addresses, but what is on `lo` opens no way by itself.
    let lo = add_interface(lab, node, "lo", &namespace.addresses, namespace.loopback);
    if let Some(lo) = lab.interfaces.get_mut(lo) {
        lo.unmanaged = false;
    }
}

fn add_interface<'t>(lab: &mut Lab<'t>, node: usize, device: &'t str, addresses: &Addresses, up: bool) -> usize {
    let place = lab.interfaces.len();
    let sysctls = lab.nodes.get(node).and_then(|node| node.sysctls);
    lab.interfaces.push(Interface {
        node,
        device,
        addresses: addresses.iter().copied().collect(),
        unmanaged: addresses.is_empty(),
        up,
        carrier: true,
        incoming: sysctls.map_or_else(OfDevice::default, |it| sysctls::of_device(it, device)),
        segment: place,
    });
    lab.by_device.insert((node, device), place);
    if let Some(node) = lab.nodes.get_mut(node) {
        node.interfaces.push(place);
    }
    place
}

fn add_bridge<'t>(lab: &mut Lab<'t>, bridge: &'t Bridge) {
    let Some(node) = lab.by_netns.get(&bridge.netns).copied() else { return };
    let place = add_interface(lab, node, &bridge.device, &bridge.addresses, bridge.up);
    if let Some(interface) = lab.interfaces.get_mut(place) {
        // Until a port of it has one.
        interface.carrier = bridge.external || !bridge.ports.is_empty();
    }
}

/// Which interfaces are joined to one segment.
struct Joined<'t> {
    parents: HashMap<usize, usize>,
    /// The bridges by where they are, so that a port's is found; those that are down pass nothing.
    bridges: HashMap<(&'t Netns, &'t str), bool>,
}

impl<'t> Joined<'t> {
    fn new(bridges: &'t [Bridge]) -> Self {
        let up = bridges.iter().map(|it| ((&it.netns, it.device.as_str()), it.up));
        Self { parents: HashMap::default(), bridges: up.collect() }
    }

    /// The interface that stands for the segment of one.
    fn root(&mut self, mut place: usize) -> usize {
        while let Some(parent) = self.parents.get(&place).copied() {
            if let Some(above) = self.parents.get(&parent).copied() {
                self.parents.insert(place, above);
            }
            place = parent;
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            self.parents.insert(one, other);
        }
    }
}

/// What an end of a link leads into: the interface that it is, or the bridge that it is a port of.
fn add_end<'t>(lab: &mut Lab<'t>, end: &'t End) -> Option<usize> {
    let node = lab.by_netns.get(&end.netns).copied()?;
    match &end.bridge {
        Some(bridge) => lab.interface_of(node, bridge),
        None => Some(add_interface(lab, node, &end.device, &end.addresses, end.up)),
    }
}

fn add_link<'t>(lab: &mut Lab<'t>, joined: &mut Joined<'t>, one: &'t End, other: &'t End) {
    let places = [add_end(lab, one), add_end(lab, other)];
    let [Some(a), Some(b)] = places else { return };
    let carrier = one.up && other.up;
    for (end, place) in [(one, a), (other, b)] {
        let Some(interface) = lab.interfaces.get_mut(place) else { continue };
        match &end.bridge {
            Some(_) => interface.carrier |= carrier,
            None => interface.carrier = carrier,
        }
    }
    let passes = |end: &End| {
        let Some(bridge) = end.bridge.as_deref() else { return true };
        joined.bridges.get(&(&end.netns, bridge)).copied().unwrap_or(true)
    };
    if carrier && passes(one) && passes(other) {
        joined.join(a, b);
    }
}

fn settle_segments(lab: &mut Lab<'_>, joined: &mut Joined<'_>, topology: &Topology) {
    for interface in lab.interfaces.iter().filter(|it| it.unmanaged && it.up) {
        // The host has more than the file knows anyway.
        if let Some(node) = lab.nodes.get_mut(interface.node).filter(|node| !node.host) {
            node.open = true;
        }
    }
    for place in 0..lab.interfaces.len() {
        let root = joined.root(place);
        let Some(interface) = lab.interfaces.get_mut(place) else { continue };
        interface.segment = root;
        let node = interface.node;
        lab.members.insert((root, node), place);
        let segment: &mut Segment = lab.segments.entry(root).or_default();
        // By any of its interfaces a namespace answers for all that it has, and for others where a sysctl says so.
        let open = lab.nodes.get(node).is_some_and(|node| node.open);
        segment.open |= interface.up && (interface.unmanaged || open);
    }
    for bridge in &topology.bridges {
        let Some(node) = lab.by_netns.get(&bridge.netns).copied() else { continue };
        let Some(place) = lab.interface_of(node, &bridge.device) else { continue };
        let Some(interface) = lab.interfaces.get(place) else { continue };
        let segment = lab.segments.entry(interface.segment).or_default();
        segment.bridges.push(place);
        let foreign = bridge.external || !bridge.ports.is_empty();
        segment.open |= foreign;
        segment.foreign |= foreign;
        segment.host |= bridge.netns == Netns::Host;
    }
    // Where others are, a router of theirs may tell of itself and of prefixes.
    for interface in &lab.interfaces {
        let foreign = lab.segments.get(&interface.segment).is_some_and(|segment| segment.foreign);
        if let Some(node) = lab.nodes.get_mut(interface.node) {
            node.open_v6 |= foreign;
        }
    }
}

fn enter_addresses(lab: &mut Lab<'_>) {
    for (place, interface) in lab.interfaces.iter().enumerate() {
        let Some(node) = lab.nodes.get_mut(interface.node) else { continue };
        for net in &interface.addresses {
            node.addresses.insert(net.addr(), place);
            lab.holders.entry(net.addr()).or_default().push(place);
            if interface.up && !is_link_local(net.addr()) {
                lab.neighbours.insert((interface.segment, net.addr()), place);
            }
            if !interface.up {
                node.down.push((net.trunc(), place));
            }
            if net.max_prefix_len() - net.prefix_len() > 1 {
                node.edges.extend([net.network(), net.broadcast()]);
            }
        }
    }
}

fn add_connected(lab: &mut Lab<'_>) {
    for (place, interface) in lab.interfaces.iter().enumerate() {
        let Some(node) = lab.nodes.get_mut(interface.node) else { continue };
        // Of one subnet there is one route, however many addresses.
        let mut nets: Vec<IpNet> = interface.addresses.iter().map(IpNet::trunc).collect();
        nets.sort();
        nets.dedup();
        for net in nets.into_iter().filter(|net| interface.up && net.prefix_len() < net.max_prefix_len()) {
            let family = Family::of(net.addr());
            let metric = if family == Family::V6 { CONNECTED_METRIC_V6 } else { 0 };
            if let Some(table) = node.tables.get_mut(slot(family)) {
                table.add(net, Entry { metric, way: Way::Connected(place) });
            }
        }
    }
}

fn add_route<'t>(lab: &mut Lab<'t>, place: usize, route: &'t Route) {
    let node = lab.by_netns.get(&route.netns).copied().and_then(|node| lab.nodes.get_mut(node));
    let Some(node) = node else { return };
    if route.table != TABLE_MAIN {
        // Whoever fills another table has rules that lead to it.
        node.open = true;
        return;
    }
    if let Some(table) = node.tables.get_mut(slot(Family::of(route.to.addr()))) {
        table.add(route.to, Entry { metric: route.metric, way: Way::Static(place, route) });
    }
}

fn add_gateway(lab: &mut Lab<'_>, place: usize, gateway: &Gateway) {
    for member in &gateway.members {
        let Some(node) = lab.by_netns.get(&member.netns).copied() else { continue };
        let (Some(via), Some(interface)) = (member.via, lab.interface_of(node, &member.dev)) else { continue };
        let metric = metric_of(&member.to, None);
        let table = lab.nodes.get_mut(node).and_then(|node| node.tables.get_mut(slot(Family::of(via))));
        if let Some(table) = table {
            table.add(member.to, Entry { metric, way: Way::Gateway { place, via, interface } });
        }
    }
    // By an external bridge, whose addresses only the kernel knows.
    for behind in gateway.behind.iter().filter(|_| gateway.addresses.is_empty()) {
        if let Some(node) = lab.by_netns.get(&behind.netns).copied().and_then(|node| lab.nodes.get_mut(node)) {
            node.open = true;
        }
    }
}
