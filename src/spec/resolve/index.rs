//! Where interfaces are, so that none is looked for among all of them: labs have ten thousand namespaces, and some have a
//! namespace with ten thousand interfaces.

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};

use super::{
    nets::NetMap,
    scope::{EndId, Interface, What},
};
use crate::model::Label;

/// Up to so many things of a namespace are looked through one by one, which takes less time than to make a map of them.
const FEW: usize = 8;

/// An interface: its namespace by number, and its place among those.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    pub namespace: usize,
    pub at: usize,
}

/// What is known as interfaces are entered.
#[derive(Debug, Default)]
pub struct Index {
    bridges: HashMap<Label, Position>,
    ends: HashMap<EndId, Position>,
    /// The namespaces with more than a few interfaces.
    crowded: HashMap<usize, Crowd>,
}

/// The interfaces of one namespace. Of several with one name the first counts.
#[derive(Debug, Default)]
struct Crowd {
    by_name: HashMap<String, usize>,
    by_device: HashMap<String, usize>,
    segments: HashSet<usize>,
}

impl Crowd {
    fn insert(&mut self, at: usize, interface: &Interface) {
        self.by_name.entry(interface.name.clone()).or_insert(at);
        self.by_device.entry(interface.device.to_string()).or_insert(at);
        self.segments.extend(interface.segment);
    }
}

impl Index {
    /// Takes in the last of the interfaces of a namespace.
    pub fn insert(&mut self, namespace: usize, interfaces: &[Interface]) {
        let Some((last, before)) = interfaces.split_last() else { return };
        let position = Position { namespace, at: before.len() };
        match &last.what {
            What::Loopback => {}
            What::Bridge(label) => _ = self.bridges.insert(label.clone(), position),
            What::End(id) | What::Port(id, _) => _ = self.ends.insert(*id, position),
        }
        if interfaces.len() > FEW {
            let crowd = self.crowded.entry(namespace).or_insert_with(|| {
                let mut crowd = Crowd::default();
                before.iter().enumerate().for_each(|(at, it)| crowd.insert(at, it));
                crowd
            });
            crowd.insert(before.len(), last);
        }
    }

    /// Where a bridge is, or an end of a link, be it a bridge's port or not.
    pub fn find(&self, what: &What) -> Option<Position> {
        match what {
            What::Loopback => None,
            What::Bridge(label) => self.bridges.get(label).copied(),
            What::End(id) | What::Port(id, _) => self.ends.get(id).copied(),
        }
    }

    /// The place of what the file calls `name`, among all of a namespace.
    pub fn named(&self, (namespace, all): (usize, &[Interface]), name: &str) -> Option<usize> {
        match self.crowded.get(&namespace) {
            Some(crowd) => crowd.by_name.get(name).copied(),
            None => all.iter().position(|it| it.name == name),
        }
    }

    /// The place of a device.
    pub fn device(&self, (namespace, all): (usize, &[Interface]), device: &str) -> Option<usize> {
        match self.crowded.get(&namespace) {
            Some(crowd) => crowd.by_device.get(device).copied(),
            None => all.iter().position(|it| it.device.as_str() == device),
        }
    }

    /// Whether a namespace is on a segment.
    pub fn is_on(&self, (namespace, all): (usize, &[Interface]), segment: usize) -> bool {
        match self.crowded.get(&namespace) {
            Some(crowd) => crowd.segments.contains(&segment),
            None => all.iter().any(|it| it.segment == Some(segment)),
        }
    }
}

/// What is known once every address is given.
#[derive(Debug, Default)]
pub struct Settled {
    /// Who is on each segment, in the order in which they were taken in.
    members: Vec<Vec<Position>>,
    /// Who has an address, the first that was taken in.
    holders: HashMap<IpAddr, Position>,
    /// Who has an address that several namespaces have, in the order in which they were taken in.
    shared: HashMap<IpAddr, Vec<Position>>,
    /// Of namespaces with more than a few subnets, the interface that each of them is on.
    subnets: HashMap<usize, NetMap<usize>>,
}

impl Settled {
    /// Takes in a namespace whose interfaces have all their addresses.
    pub fn insert(&mut self, namespace: usize, interfaces: &[Interface]) {
        let position = |at| Position { namespace, at };
        for (at, interface) in interfaces.iter().enumerate() {
            if let Some(segment) = interface.segment {
                if self.members.len() <= segment {
                    self.members.resize_with(segment + 1, Vec::new);
                }
                self.members[segment].push(position(at));
            }
            for net in &interface.addresses {
                let holder = self.holders.entry(net.addr()).or_insert_with(|| position(at));
                if namespace == holder.namespace {
                    continue;
                }
                self.shared.entry(net.addr()).or_insert_with(|| vec![*holder]).push(position(at));
            }
        }
        if !are_few(interfaces) {
            let mut subnets = NetMap::default();
            for (at, interface) in interfaces.iter().enumerate() {
                interface.addresses.iter().for_each(|net| *subnets.entry(net) = at);
            }
            self.subnets.insert(namespace, subnets);
        }
    }

    /// Everyone on a segment.
    pub fn members(&self, segment: usize) -> &[Position] {
        self.members.get(segment).map_or(&[], Vec::as_slice)
    }

    /// Everyone who has an address.
    pub fn holders(&self, address: IpAddr) -> &[Position] {
        let one = || self.holders.get(&address).map_or(&[][..], std::slice::from_ref);
        self.shared.get(&address).map_or_else(one, Vec::as_slice)
    }

    /// By which of all interfaces of a namespace it reaches what is on its own subnets: the place of the one whose subnet holds
    /// an address, with the longest prefix, as the kernel chooses.
    pub fn toward(&self, (namespace, all): (usize, &[Interface]), address: IpAddr) -> Option<usize> {
        if let Some(subnets) = self.subnets.get(&namespace) {
            return subnets.holding(address).next().map(|(_, at)| *at);
        }
        let nets = all.iter().enumerate().flat_map(|(at, it)| it.addresses.iter().map(move |net| (net, at)));
        let holding = nets.filter(|(net, _)| net.contains(&address));
        holding.max_by_key(|(net, _)| net.prefix_len()).map(|(_, at)| at)
    }
}

/// Whether a namespace has few addresses.
fn are_few(interfaces: &[Interface]) -> bool {
    interfaces.iter().map(|it| it.addresses.len()).sum::<usize>() <= FEW
}
