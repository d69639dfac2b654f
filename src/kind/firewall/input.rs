//! What one namespace's packet filter must do for a topology: names looked up, addresses given.

use std::net::IpAddr;

pub use crate::model::socket::Protocol;
use crate::model::{
    Address, IfName, TopologyName,
    snapshot::Family,
    socket::{Listener, Ports},
};
use ipnet::IpNet;

/// Everything that the rules of one namespace follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Whose rules they are.
    pub topology: TopologyName,
    /// How the file calls the namespace: `host`, `edge`.
    pub namespace: String,
    /// The topology's interfaces in this namespace, bridges included, in file order. What is left out is taken for an
    /// interface without addresses of its own.
    pub interfaces: Vec<Interface>,
    /// In file order.
    pub nat: Vec<NatRule>,
    /// In file order; one per protocol and family.
    pub forwards: Vec<Forward>,
}

/// A device of the namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name in the kernel.
    pub name: IfName,
    /// The subnets of its own addresses here.
    pub subnets: Vec<IpNet>,
    /// Targets of forwards and dnat rules that a further router on it leads to.
    pub beyond: Vec<Beyond>,
    /// Of a bridge of ours: the families that its members speak. With bridge-nf what its ports send to each other meets
    /// the packet filter.
    pub switches: Vec<Family>,
    /// What is behind it.
    pub role: Role,
}

/// A target behind a further router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beyond {
    /// The target.
    pub target: IpNet,
    /// Whom that router leads to as well: the destination of the route, or the target alone where that is the default.
    pub network: IpNet,
}

/// What an interface is to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Behind it are those whom this namespace routes for: a gateway's segment, or one that a nat range lies in.
    Segment {
        /// The gateway that it is; `None` where only nat makes it a segment.
        gateway: Option<Address>,
        /// Of an external bridge: the addresses of the lab's members, who alone are let pass. `None`: everyone is ours.
        members: Option<Vec<IpAddr>>,
        /// Whether `route_localnet` is on for it, so that 127.0.0.1 must be shielded.
        route_localnet: bool,
    },
    /// Behind it are targets of forwards or dnat rules, and nobody else whom this namespace routes for.
    Target {
        /// Of an external bridge: the addresses of the lab's members.
        members: Option<Vec<IpAddr>>,
        /// Whether `route_localnet` is on for it.
        route_localnet: bool,
    },
    /// A bridge of ours that this namespace switches for, while another one routes for it. With bridge-nf its frames meet
    /// connection tracking before they come back routed.
    Bystander,
    /// The way to the rest of the world, or to nobody whom rules concern.
    Outer,
}

/// One entry of `nat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatRule {
    /// Its address, see [`nat_rest`].
    pub address: Address,
    /// What it does.
    pub kind: NatKind,
    /// The interface by which packets must leave; means nothing for dnat.
    pub out: Option<IfName>,
}

/// What a nat rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatKind {
    /// Sources in the range get the address of the interface by which they leave.
    Masquerade(IpNet),
    /// Sources in the range get these.
    Snat(IpNet, SnatTo),
    /// A destination for a destination: addresses, or prefixes of one length.
    Dnat(IpNet, IpNet),
}

impl NatKind {
    /// The word of the language.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Masquerade(_) => "masquerade",
            Self::Snat(..) => "snat",
            Self::Dnat(..) => "dnat",
        }
    }

    /// What it applies to: the range of sources, or the destination.
    pub fn matched(&self) -> IpNet {
        match self {
            Self::Masquerade(range) | Self::Snat(range, _) | Self::Dnat(range, _) => *range,
        }
    }

    /// Its family.
    pub fn family(&self) -> Family {
        Family::of(self.matched().addr())
    }
}

/// The new sources of a snat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnatTo {
    /// The first address.
    pub first: IpAddr,
    /// The last; the same for a single one.
    pub last: IpAddr,
    /// The ports to take, for what has ports.
    pub ports: Option<(u16, u16)>,
}

/// One published port or range of them, of one protocol and one family (that of `to`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Its address, see [`forward_rest`]. A bare `listen` that serves both families is two forwards with one address.
    pub address: Address,
    /// The address listened on; `None` for every address of the namespace (`8088`, `0.0.0.0:8088`, `[::]:8088`).
    pub listen: Option<IpAddr>,
    /// The protocol.
    pub protocol: Protocol,
    /// First and last port listened on.
    pub ports: (u16, u16),
    /// The target.
    pub to: IpAddr,
    /// First and last port there; as many as are listened on.
    pub to_ports: (u16, u16),
}

impl Forward {
    /// The family that it serves.
    pub fn family(&self) -> Family {
        Family::of(self.to)
    }

    /// The ports listened on.
    pub fn listened(&self) -> Ports {
        let (first, last) = self.ports;
        Ports { protocol: self.protocol, first, last }
    }

    /// Whether it is for an address of its namespace.
    pub fn serves(&self, address: IpAddr) -> bool {
        let listened = self.listen.is_none_or(|listen| listen.is_unspecified() || listen == address);
        listened && self.family() == Family::of(address)
    }

    /// Whether it takes packets that a socket waits for. What a forward for every address takes of loopback's is what
    /// starts here, and IPv6's loopback it leaves alone.
    pub fn takes_from(&self, listener: &Listener) -> bool {
        let served = match (self.listen, listener.address) {
            (_, address) if address.is_unspecified() => true,
            (Some(listen), address) => listen == address,
            (None, address) => !(address.is_ipv6() && address.is_loopback()),
        };
        served && listener.serves(self.family()) && self.listened().contains(listener.protocol, listener.port)
    }
}

/// The part of a nat rule's address after `nat.`: `host:masquerade:192.168.0.0/24`. A single address is a /32 or /128.
pub fn nat_rest(namespace: &str, kind: &str, matched: IpNet) -> String {
    format!("{namespace}:{kind}:{}", matched.trunc())
}

/// The part of a forward's address after `port_forward.`: `host:tcp:8088`, `host:udp:9000-9010@203.0.113.5`.
pub fn forward_rest(namespace: &str, protocol: Protocol, ports: (u16, u16), listen: Option<IpAddr>) -> String {
    let at = listen.map(|address| format!("@{address}")).unwrap_or_default();
    format!("{namespace}:{}:{}{at}", protocol.as_str(), port_range(ports, '-'))
}

/// `80`, or `80-90` with that separator.
pub(super) fn port_range((first, last): (u16, u16), separator: char) -> String {
    if first == last { first.to_string() } else { format!("{first}{separator}{last}") }
}
