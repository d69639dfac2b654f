//! The resource kinds: one file each, and the registry that names them all.
//!
//! A kind's file says everything that varies by kind: what a resource of it is, what it requires, how it is seen in a
//! [`Snapshot`], what of it is compared, and which ops make a difference go away. The registry is [`Resource`]: its
//! matches are exhaustive, so a new kind is a file, a variant here, and what the compiler then asks for.

use crate::model::{Address, Snapshot, TopologyName, change::Comparison};

pub mod bridge;
pub mod check;
pub mod gateway;
pub mod host;
pub mod link;
pub mod namespace;
pub mod route;
pub mod steps;
pub mod sysctl;
pub mod topology;

pub use topology::Topology;

/// One thing that a plan counts, as the file wants it or as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A network namespace of ours.
    Namespace(namespace::Namespace),
    /// What a topology borrows of the host.
    Host(host::HostSettings),
    /// A bridge, ours or external.
    Bridge(bridge::Bridge),
    /// A veth pair.
    Link(link::Link),
    /// A static route.
    Route(route::Route),
    /// A gateway.
    Gateway(gateway::Gateway),
}

impl Resource {
    /// Its address.
    pub fn address(&self) -> Address {
        match self {
            Self::Namespace(it) => it.address(),
            Self::Host(it) => it.address(),
            Self::Bridge(it) => it.address(),
            Self::Link(it) => it.address(),
            Self::Route(it) => it.address(),
            Self::Gateway(it) => it.address(),
        }
    }
}
