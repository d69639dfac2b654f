//! Where interfaces are, so that none is looked for among all of them: labs have ten thousand.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    nets::NetMap,
    scope::{Interface, What},
};
use crate::model::Label;

/// An interface: its namespace, and its place among those.
#[derive(Debug, Clone)]
pub struct Position {
    pub namespace: Label,
    pub at: usize,
}

/// What is known as interfaces are entered.
#[derive(Debug, Default)]
pub struct Index {
    of_what: HashMap<What, Position>,
    in_namespace: HashMap<Label, Inside>,
}

/// The interfaces of one namespace. Of several with one name the first counts.
#[derive(Debug, Default)]
struct Inside {
    by_name: HashMap<String, usize>,
    by_device: HashMap<String, usize>,
    segments: HashSet<usize>,
}

impl Index {
    /// Takes in the interface that comes to stand at a place.
    pub fn insert(&mut self, namespace: &Label, at: usize, interface: &Interface) {
        if interface.what != What::Loopback {
            self.of_what.insert(interface.what.clone(), Position { namespace: namespace.clone(), at });
        }
        let inside = self.in_namespace.entry(namespace.clone()).or_default();
        inside.by_name.entry(interface.name.clone()).or_insert(at);
        inside.by_device.entry(interface.device.to_string()).or_insert(at);
        inside.segments.extend(interface.segment);
    }

    /// Where a bridge, or an end of a link, is.
    pub fn find(&self, what: &What) -> Option<&Position> {
        self.of_what.get(what)
    }

    /// The place of what the file calls `name`.
    pub fn named(&self, namespace: &Label, name: &str) -> Option<usize> {
        self.in_namespace.get(namespace)?.by_name.get(name).copied()
    }

    /// The place of a device.
    pub fn device(&self, namespace: &Label, device: &str) -> Option<usize> {
        self.in_namespace.get(namespace)?.by_device.get(device).copied()
    }

    /// Whether a namespace is on a segment.
    pub fn is_on(&self, namespace: &Label, segment: usize) -> bool {
        self.in_namespace.get(namespace).is_some_and(|inside| inside.segments.contains(&segment))
    }
}

/// What is known once every address is given.
#[derive(Debug, Default)]
pub struct Settled {
    /// Who is on each segment, in the order in which they were taken in.
    members: HashMap<usize, Vec<Position>>,
    /// Who has an address first, by the order of labels.
    holders: HashMap<IpAddr, Position>,
    /// By which of its interfaces a namespace reaches what is on its own subnets.
    subnets: HashMap<Label, NetMap<usize>>,
}

impl Settled {
    /// Takes in a namespace whose interfaces have all their addresses.
    pub fn insert(&mut self, namespace: &Label, interfaces: &[Interface]) {
        let position = |at| Position { namespace: namespace.clone(), at };
        let mut subnets = NetMap::default();
        for (at, interface) in interfaces.iter().enumerate() {
            if let Some(segment) = interface.segment {
                self.members.entry(segment).or_default().push(position(at));
            }
            for net in &interface.addresses {
                *subnets.entry(net) = at;
                let holder = self.holders.entry(net.addr()).or_insert_with(|| position(at));
                if *namespace < holder.namespace {
                    *holder = position(at);
                }
            }
        }
        self.subnets.insert(namespace.clone(), subnets);
    }

    /// Everyone on a segment.
    pub fn members(&self, segment: usize) -> &[Position] {
        self.members.get(&segment).map_or(&[], Vec::as_slice)
    }

    /// Who has an address.
    pub fn holder(&self, address: IpAddr) -> Option<&Position> {
        self.holders.get(&address)
    }

    /// The place of the interface whose own subnet holds an address: the longest prefix, as the kernel chooses.
    pub fn toward(&self, namespace: &Label, address: IpAddr) -> Option<usize> {
        self.subnets.get(namespace)?.holding(address).next().map(|(_, at)| *at)
    }
}
