//! What the kernel said: the observed state as a plain value that can be printed, saved and written by hand in a test.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use foldhash::HashSet;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    Mac, Mark, Netns, Raw, TopologyName,
    machine::{Lack, RefusedValue},
    mark::PARK_GROUP,
    socket::Listener,
};

mod addresses;
mod firewall;
mod links;
mod listed;
mod renew;
mod request;

pub use addresses::Addresses;
pub use firewall::*;
pub use links::Links;
pub use request::{Depth, Extent, ReadRequest};

/// One reading of the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Which boot of the machine it was; `None` where the reader does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The host, and every namespace bound under `/run/netns`.
    pub namespaces: BTreeMap<Netns, NetnsState>,
    /// The packet filter of namespaces that rules were asked for and that are not there yet: what their tools will be, and
    /// how those print the wanted rules.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub to_come: BTreeMap<Netns, FirewallState>,
    /// Host settings that topologies have borrowed, by sysctl key or `master:IFACE`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub borrowed: BTreeMap<String, Borrowed>,
    /// Files under `/run/netns` that are no namespace (left behind by a crash or a reboot).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stale_netns: Vec<String>,
    /// Names under `/run/netns` of namespaces that are there by another one, with which they are: `ip netns attach`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, Netns>,
    /// What a namespace that has just been made has of the sysctls that were asked for; `None` where it has no such key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fresh: BTreeMap<String, Option<String>>,
    /// What of the trial the kernel did not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedValue>,
    /// What this machine does not do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<Lack>,
    /// How many network namespaces its user may make, all in all (`user.max_net_namespaces`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_limit: Option<u64>,
}

impl Snapshot {
    /// Whether this kernel has IPv6.
    pub fn has_ipv6(&self) -> bool {
        !self.lacks.contains(&Lack::Ipv6)
    }

    /// Whether runs have set devices aside that are still there.
    pub fn has_parked(&self) -> bool {
        self.namespaces.values().any(|state| !state.parked.is_empty())
    }

    /// The packet filter of a namespace, also of one that is not there yet.
    pub fn firewall(&self, netns: &Netns) -> Option<&FirewallState> {
        let live = self.namespaces.get(netns).map(|state| &state.firewall);
        live.or_else(|| self.to_come.get(netns))
    }
}

/// A value of the host that topologies changed, and what it was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Borrowed {
    /// The value before the first of them; `None` where a NIC had no master.
    pub before: Option<String>,
    /// Values that the kernel changes along with it (writing `ip_forward` overwrites every interface's `forwarding`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub along: BTreeMap<String, String>,
    /// The topologies that need it now.
    pub users: BTreeSet<TopologyName>,
}

/// One network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetnsState {
    /// The inode of the namespace, by which two names are known to be one; 0 where the reader does not say.
    #[serde(skip_serializing_if = "is_zero")]
    pub inode: u64,
    /// Which namespace it is, until the next boot: a number that no other one gets; `None` where the reader does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<u64>,
    /// Its devices, by index.
    pub links: Links,
    /// Devices that a run has set aside: as good as gone, but their indexes are taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<LinkState>,
    /// Their addresses.
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    pub addresses: Addresses,
    /// Routes of every table but `local`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteState>,
    /// The sysctls that were asked for; `None` where this kernel has no such key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, Option<String>>,
    /// The packet filter's tables that are in use or were asked for.
    #[serde(skip_serializing_if = "FirewallState::is_empty")]
    pub firewall: FirewallState,
    /// Who listens on the ports that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
}

fn is_zero(inode: &u64) -> bool {
    *inode == 0
}

impl NetnsState {
    /// The device called `name`.
    pub fn link(&self, name: &str) -> Option<&LinkState> {
        self.links.named(name)
    }

    /// The device with that index.
    pub fn link_at(&self, index: u32) -> Option<&LinkState> {
        self.links.at(index)
    }

    /// Puts devices that a run has set aside out of sight, with what goes when they go.
    pub fn hide_parked(&mut self) {
        // Without a mark of ours somebody has a use of his own for that number.
        self.hide(|link| link.group == PARK_GROUP && link.mark().is_some());
    }

    /// Puts devices out of sight that are as good as gone, with what goes when they go.
    pub fn hide(&mut self, is_gone: impl Fn(&LinkState) -> bool) {
        if !self.links.iter().any(&is_gone) {
            return;
        }
        let (gone, links): (Vec<_>, Vec<_>) = std::mem::take(&mut self.links).into_iter().partition(is_gone);
        self.links = links.into();
        self.parked.extend(gone);
        let hidden: HashSet<u32> = self.parked.iter().map(|link| link.index).collect();
        let is_there = |index: &u32| !hidden.contains(index);
        self.addresses.retain(|address| is_there(&address.link));
        self.routes.retain(|route| {
            let mut devices = route.nexthops.iter().filter_map(|hop| hop.link).peekable();
            devices.peek().is_none() || devices.any(|index| is_there(&index))
        });
        // Its sysctls are those of whoever gets its name.
        for (key, value) in &mut self.sysctls {
            let mut parts = key.split('/').skip(2);
            let of_device = matches!(parts.next(), Some("conf" | "neigh"));
            if of_device && parts.next().is_some_and(|name| self.parked.iter().any(|link| link.name == name)) {
                *value = None;
            }
        }
        self.free_ports();
    }

    /// A port of a bridge that goes is none.
    fn free_ports(&mut self) {
        if self.parked.is_empty() {
            return;
        }
        let hidden: HashSet<u32> = self.parked.iter().map(|link| link.index).collect();
        for link in &mut self.links {
            if link.master.is_some_and(|master| hidden.contains(&master)) {
                (link.master, link.port) = (None, None);
            }
        }
    }

    /// Who owns the namespace: the mark that its `lo` bears.
    pub fn mark(&self) -> Option<Mark> {
        self.link("lo")?.mark()
    }

    /// Whether it is that topology's.
    pub fn is_of(&self, topology: &TopologyName) -> bool {
        self.link("lo").is_some_and(|lo| lo.is_of(topology))
    }
}

/// One network device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// Its index in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Other names that it goes by (`ip link property add altname`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altnames: Vec<String>,
    /// `IFLA_INFO_KIND`, such as `veth` or `bridge`; `None` for a physical device and for `lo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its hardware address, where it has one of six bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it is administratively up (`IFF_UP`).
    pub up: bool,
    /// Whether it has carrier (`IFF_LOWER_UP`).
    #[serde(default)]
    pub carrier: bool,
    /// The index of the bridge (or other device) that it is a port of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<u32>,
    /// The other end of a veth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// Its alias, which holds our mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Its group.
    #[serde(default)]
    pub group: u32,
    /// What only a bridge has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<BridgeState>,
    /// What only a bridge's port has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortState>,
    /// Number of transmit queues.
    #[serde(default)]
    pub queues: u32,
    /// Whether IPv4 routes 127.0.0.0/8 by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub route_localnet: bool,
    /// Whether IPv4 forwards what comes in by it; `None` where the reader does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<bool>,
    /// Whether it speaks IPv6; `None` where the reader does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<bool>,
    /// Whether its IPv6 addresses wait until nobody else was found to have them (`accept_dad`); `None` where the reader does
    /// not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_dad: Option<bool>,
}

impl LinkState {
    /// Our mark, where it bears one.
    pub fn mark(&self) -> Option<Mark> {
        self.alias.as_deref().and_then(Mark::parse)
    }

    /// Whether it bears a mark of that topology.
    pub fn is_of(&self, topology: &TopologyName) -> bool {
        self.alias.as_deref().is_some_and(|alias| Mark::is_of(alias, topology))
    }
}

/// The other end of a veth, as this end tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its index in its own namespace (`IFLA_LINK`).
    pub index: u32,
    /// Its namespace; `None` where the reader cannot say which of those that it saw it is.
    pub netns: Option<Netns>,
}

/// A bridge's own attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeState {
    /// Whether the spanning tree protocol runs.
    pub stp: bool,
    /// How long a learned address is kept, in hundredths of a second (the kernel's USER_HZ).
    pub ageing_time: u32,
}

/// A bridge port's own attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortState {
    /// Whether a frame may leave by the port that it came in by.
    pub hairpin: bool,
    /// What else a port may be told, by the kernel's numbers for it (`IFLA_BRPORT_…`), where everything was wanted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rest: BTreeMap<u16, Vec<u8>>,
}

/// One address of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressState {
    /// The device's index.
    pub link: u32,
    /// The address with its prefix length, host bits kept.
    pub address: IpNet,
    /// Whether it has a limited lifetime: given by DHCP or by a router's advertisement.
    #[serde(default)]
    pub dynamic: bool,
    /// Whether its scope is the link (fe80::/10, 169.254.0.0/16 as the kernel tags it).
    #[serde(default)]
    pub link_local: bool,
    /// Whether duplicate address detection is off for it (`IFA_F_NODAD`).
    #[serde(default)]
    pub nodad: bool,
    /// Whether duplicate address detection found another holder (`IFA_F_DADFAILED`).
    #[serde(default)]
    pub dad_failed: bool,
    /// `IFA_PROTO`: who gave it.
    #[serde(default)]
    pub protocol: u8,
    /// `IFA_LABEL` of an IPv4 address, where everything was wanted. A device that is renamed numbers those of all its addresses
    /// but the first: `eth0:2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// As the kernel told it, where everything was wanted.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub raw: Raw,
}

/// What a route does with a packet.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RouteType {
    /// Sends it on.
    #[default]
    Unicast,
    /// Drops it silently.
    Blackhole,
    /// Drops it and says "host unreachable".
    Unreachable,
    /// Drops it and says "administratively prohibited".
    Prohibit,
}

/// The routing table `main`.
pub const TABLE_MAIN: u32 = 254;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteState {
    /// Where to; `0.0.0.0/0` or `::/0` for a default route.
    pub to: IpNet,
    /// The routing table.
    pub table: u32,
    /// The priority; 0 for none (IPv4), 1024 is IPv6's default.
    pub metric: u32,
    /// `rtm_protocol`: who put it there.
    pub protocol: u8,
    /// What it does; `None` for types we never make (local, multicast …).
    pub kind: Option<RouteType>,
    /// The preferred source address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<IpAddr>,
    /// The MTU metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The next hops: one, or several of a multipath route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nexthops: Vec<Nexthop>,
    /// As the kernel told it, where everything was wanted.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub raw: Raw,
}

/// One next hop.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Nexthop {
    /// The router's address; `None` for what is on the link itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// The device's index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<u32>,
    /// Its share among several, from 1.
    pub weight: u16,
    /// Whether the kernel was told to believe that `via` is on the link.
    #[serde(default)]
    pub onlink: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, alias: Option<&str>) -> LinkState {
        LinkState {
            index,
            name: name.into(),
            group: PARK_GROUP,
            alias: alias.map(str::to_owned),
            ..LinkState::default()
        }
    }

    /// A static route to what a device leads to.
    pub(super) fn route_by(to: &str, link: u32) -> RouteState {
        RouteState {
            to: to.parse().unwrap(),
            table: TABLE_MAIN,
            metric: 0,
            protocol: 4,
            kind: Some(RouteType::Unicast),
            src: None,
            mtu: None,
            nexthops: vec![Nexthop { via: None, link: Some(link), weight: 1, onlink: false }],
            raw: Raw::default(),
        }
    }

    #[test]
    fn what_a_run_has_set_aside_is_out_of_sight_and_nobody_elses_is() {
        let ours = link(7, "br0", Some("netwright:lab/bridge.br0"));
        let mut port = LinkState { group: 0, master: Some(7), ..link(8, "eth0", None) };
        port.port = Some(PortState::default());
        let sysctls = [("net/ipv4/conf/br0/rp_filter", "1"), ("net/ipv4/conf/eth0/rp_filter", "2")];
        let route = |link| route_by("10.9.0.0/16", link);
        let mut state = NetnsState {
            links: vec![ours.clone(), port, link(9, "theirs", Some("uplink"))].into(),
            routes: vec![route(7), route(8)],
            sysctls: sysctls.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).into(),
            ..NetnsState::default()
        };
        state.hide_parked();
        let names: Vec<&str> = state.links.iter().map(|link| &*link.name).collect();
        assert_eq!((names, &state.parked), (vec!["eth0", "theirs"], &vec![ours]));
        assert_eq!((state.links[0].master, &state.links[0].port), (None, &None));
        assert_eq!(state.routes, [route(8)]);
        assert_eq!(state.sysctls["net/ipv4/conf/br0/rp_filter"], None);
        assert_eq!(state.sysctls["net/ipv4/conf/eth0/rp_filter"].as_deref(), Some("2"));
    }
}
