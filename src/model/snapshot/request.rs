//! What a plan wants to be told of the kernel.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    super::{Netns, machine::Trial, socket::Ports},
    firewall::Table,
};

/// What of the kernel a plan needs to see beside links, addresses and routes, which are always read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRequest {
    /// Sysctls by namespace: keys below `/proc/sys` with slashes, such as `net/ipv4/ip_forward`. A part that is `*`
    /// stands for every device.
    pub sysctls: BTreeMap<Netns, BTreeSet<String>>,
    /// The firewall rules that are wanted, so that the reader can have this kernel's own tools print them the way
    /// they print the live ones, which also proves that the kernel supports them.
    pub firewalls: BTreeMap<Netns, Vec<Table>>,
    /// The namespaces whose live packet filter is wanted, which takes processes to read; all of them where it is `None`.
    pub filters: Option<BTreeSet<Netns>>,
    /// Ports, by namespace, of which it is asked who listens there.
    pub ports: BTreeMap<Netns, BTreeSet<Ports>>,
    /// What is to be tried out beside.
    pub trial: Trial,
    /// Whether everything is wanted as it is, to be put back if need be: messages kept as they came, and devices that a
    /// run has set aside among the others.
    pub whole: bool,
    /// Namespaces of which every sysctl that is asked for is wanted. In others it is left out whether new devices speak IPv6
    /// where all that are there do: it stands in a file alone, and reading that is an eighth of reading a namespace.
    pub exact: BTreeSet<Netns>,
    /// Of these namespaces, where they are wanted as a whole, only the devices with these indexes, with their addresses and
    /// the routes by them.
    pub devices: BTreeMap<Netns, BTreeSet<u32>>,
    /// The namespaces that are wanted beside the host, and how far; all that have a name, and all of them, where it is
    /// `None`.
    pub places: Option<BTreeMap<Netns, Depth>>,
}

impl ReadRequest {
    /// Whether every sysctl is wanted that is asked for of a namespace.
    pub fn is_exact(&self, netns: &Netns) -> bool {
        *netns == Netns::Host || self.exact.contains(netns)
    }

    /// How far a namespace is read, where it is.
    pub fn depth(&self, netns: &Netns) -> Option<Depth> {
        match &self.places {
            None => Some(Depth::Whole),
            Some(places) => places.get(netns).copied().or((*netns == Netns::Host).then_some(Depth::Inode)),
        }
    }
}

/// How far a namespace is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Which one it is.
    Inode,
    /// And its devices, of which `lo` tells whose it is.
    Links,
    /// All that is asked for.
    Whole,
}

/// How much of a namespace is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// The devices with these indexes, with their addresses and the routes by them: see [`ReadRequest::devices`].
    Devices(BTreeSet<u32>),
}
