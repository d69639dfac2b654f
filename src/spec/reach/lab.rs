//! The model: namespaces with their interfaces, segments and routing tables, looked up by maps.

mod build;

use std::{collections::BTreeMap, net::IpAddr};

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::{sysctls::OfDevice, table::Table};
use crate::{
    kind::{
        Topology,
        firewall::{self, Input},
    },
    model::{Netns, snapshot::Family},
};

/// The data plane of a lab, as far as its file tells.
#[derive(Debug)]
pub struct Lab<'t> {
    pub(super) nodes: Vec<Node<'t>>,
    pub(super) interfaces: Vec<Interface<'t>>,
    by_netns: HashMap<&'t Netns, usize>,
    by_label: HashMap<&'t str, usize>,
    by_device: HashMap<(usize, &'t str), usize>,
    /// By the interface that stands for a segment.
    segments: HashMap<usize, Segment>,
    /// Who has an address on a segment.
    neighbours: HashMap<(usize, IpAddr), usize>,
    /// Who has an address, wherever.
    holders: HashMap<IpAddr, Vec<usize>>,
    /// An interface of a namespace on a segment.
    members: HashMap<(usize, usize), usize>,
    /// What an interface is to the packet filter of its namespace.
    facing: HashMap<(usize, &'t str), &'t firewall::Interface>,
}

/// A namespace.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub netns: &'t Netns,
    pub label: &'t str,
    /// Whether it is the host, which has more than the file knows.
    pub host: bool,
    /// Whether it may have routes and addresses that the file does not know.
    pub open: bool,
    /// The same, for IPv6 alone.
    pub open_v6: bool,
    /// Whether something may drop what the model lets pass.
    pub closes: bool,
    /// Whether its `lo` is up.
    pub loopback: bool,
    /// Whether it speaks IPv6.
    pub v6: bool,
    /// Whether it forwards, of each family; of the host: whether it surely does.
    pub forwards: [bool; 2],
    /// Whether it answers no pings, of each family.
    pub mute: [bool; 2],
    /// What the file writes into its sysctls.
    pub sysctls: Option<&'t BTreeMap<String, String>>,
    /// Its interfaces, `lo` among them.
    pub interfaces: Vec<usize>,
    /// Its addresses with their interfaces.
    pub addresses: HashMap<IpAddr, usize>,
    /// The networks of its interfaces that are not to be up.
    pub down: Vec<(IpNet, usize)>,
    /// First and last addresses of its subnets, which may be no one's but everyone's.
    pub edges: HashSet<IpAddr>,
    /// Its routes, of each family.
    pub tables: [Table<'t>; 2],
    /// Its nat rules and port forwards.
    pub rules: Option<&'t Input>,
}

/// A device: `lo`, a bridge, or an end of a link that is no bridge's port.
#[derive(Debug)]
pub(super) struct Interface<'t> {
    pub node: usize,
    pub device: &'t str,
    pub addresses: Vec<IpNet>,
    /// Whether its addresses are left to others.
    pub unmanaged: bool,
    pub up: bool,
    /// Whether the other end of its wire is up too.
    pub carrier: bool,
    /// What its sysctls make of what comes in by it.
    pub incoming: OfDevice,
    /// The interface that stands for its segment.
    pub segment: usize,
}

/// Interfaces that reach each other without a router.
#[derive(Debug, Clone, Default)]
struct Segment {
    /// The bridges that it is made of.
    bridges: Vec<usize>,
    /// Whether somebody may be on it whom the file does not know, or with an address that it does not know.
    open: bool,
    /// Whether it has ports that the file has not made.
    foreign: bool,
    /// Whether frames pass the host.
    host: bool,
}

/// Who is found at an address on a segment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Neighbour {
    /// This interface; whether it has the address itself or only its namespace does.
    At { interface: usize, exact: bool },
    /// Nobody.
    Nobody,
    /// It depends.
    Unknown,
}

/// More holders of one address than this are not looked through.
const HOLDERS_MAX: usize = 8;

/// The place of a family in what there is for each.
pub(super) fn slot(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

impl<'t> Lab<'t> {
    /// The model of a topology.
    pub fn new(topology: &'t Topology) -> Self {
        build::build(topology)
    }

    pub(super) fn node_of(&self, netns: &Netns) -> Option<usize> {
        self.by_netns.get(netns).copied()
    }

    pub(super) fn interface_of(&self, node: usize, device: &str) -> Option<usize> {
        self.by_device.get(&(node, device)).copied()
    }

    pub(super) fn facing(&self, node: usize, device: &str) -> Option<&'t firewall::Interface> {
        self.facing.get(&(node, device)).copied()
    }

    /// Whether an address is the node's own; 127.0.0.0/8 and ::1 are while its `lo` is up.
    pub(super) fn is_local(&self, node: &Node<'_>, address: IpAddr) -> bool {
        node.addresses.contains_key(&address) || (node.loopback && address.is_loopback())
    }

    /// Whether the frames of an interface pass what is not the lab's own.
    pub(super) fn is_doubtful(&self, interface: &Interface<'_>) -> bool {
        self.segments.get(&interface.segment).is_none_or(|segment| segment.open || segment.host)
    }

    /// The bridges that frames from one interface to another pass, those that are one of the two left out.
    pub(super) fn switches(&self, from: usize, to: usize) -> impl Iterator<Item = &Interface<'t>> {
        let segment = self.interfaces.get(from).and_then(|it| self.segments.get(&it.segment));
        let bridges = segment.map_or(&[][..], |segment| &segment.bridges);
        bridges.iter().filter(move |it| **it != from && **it != to).filter_map(|it| self.interfaces.get(*it))
    }

    /// Who answers for an address on an interface's segment.
    pub(super) fn neighbour(&self, from: &Interface<'_>, address: IpAddr) -> Neighbour {
        let segment = from.segment;
        if let Some(interface) = self.neighbours.get(&(segment, address)) {
            return Neighbour::At { interface: *interface, exact: true };
        }
        let open = self.segments.get(&segment).is_none_or(|segment| segment.open);
        // Every router of a subnet answers for its first IPv6 address.
        let anycast = address.is_ipv6() && from.addresses.iter().any(|net| net.network() == address);
        if open || anycast {
            return Neighbour::Unknown;
        }
        // A namespace answers ARP for each of its addresses by each of its interfaces; neighbour discovery is strict.
        let holders = self.holders.get(&address).map_or(&[][..], Vec::as_slice);
        if address.is_ipv6() {
            return Neighbour::Nobody;
        }
        if holders.len() > HOLDERS_MAX {
            return Neighbour::Unknown;
        }
        let mut near = holders.iter().filter_map(|holder| {
            let node = self.interfaces.get(*holder)?.node;
            self.members.get(&(segment, node)).filter(|_| node != from.node).copied()
        });
        near.next().map_or(Neighbour::Nobody, |interface| Neighbour::At { interface, exact: false })
    }

    /// The sources that the kernel may take for what leaves by an interface towards a next hop.
    pub(super) fn sources(&self, interface: &Interface<'_>, next: IpAddr) -> Vec<IpAddr> {
        if interface.unmanaged {
            return Vec::new();
        }
        let of_family = |net: &&IpNet| net.addr().is_ipv4() == next.is_ipv4() && !is_link_local(net.addr());
        let own: Vec<&IpNet> = interface.addresses.iter().filter(of_family).collect();
        let near = own.iter().filter(|net| net.contains(&next)).map(|net| net.addr());
        let near: Vec<IpAddr> = near.collect();
        if !near.is_empty() {
            return near;
        }
        if !own.is_empty() {
            return own.into_iter().map(IpNet::addr).collect();
        }
        let others = self.nodes.get(interface.node).map_or(&[][..], |node| &node.interfaces);
        let others = others.iter().filter_map(|it| self.interfaces.get(*it)).filter(|it| it.up);
        others.flat_map(|it| &it.addresses).filter(of_family).map(IpNet::addr).filter(|it| !it.is_loopback()).collect()
    }
}

impl Lab<'_> {
    /// Whether a namespace has an interface beside its `lo`.
    pub(super) fn is_connected(&self, label: &str) -> bool {
        let node = self.by_label.get(label).and_then(|node| self.nodes.get(*node));
        node.is_some_and(|node| node.interfaces.len() > 1)
    }

    /// Somebody else who has an address.
    pub(super) fn other_with(&self, address: IpAddr, label: &str) -> Option<&str> {
        let holders = self.holders.get(&address)?.iter().filter_map(|it| self.interfaces.get(*it));
        let mut labels = holders.filter_map(|it| self.nodes.get(it.node)).map(|node| node.label);
        labels.find(|other| *other != label)
    }

    /// Whether anybody in the file has an address.
    pub(super) fn is_held(&self, address: IpAddr) -> bool {
        self.holders.contains_key(&address)
    }

    /// The subnet in which somebody has an address, where it is more than the address.
    pub(super) fn subnet_of(&self, address: IpAddr) -> Option<IpNet> {
        let holder = self.interfaces.get(*self.holders.get(&address)?.first()?)?;
        let net = holder.addresses.iter().find(|net| net.addr() == address)?;
        (net.prefix_len() < net.max_prefix_len()).then(|| net.trunc())
    }
}

/// fe80::/10.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
