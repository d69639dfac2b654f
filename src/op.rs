//! The closed vocabulary of kernel operations. A plan is lowered to these; the executor knows nothing else.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::{
    Address, IfName, Mac, Netns, TopologyName,
    mark::PARK_GROUP,
    snapshot::{AddressState, Borrowed, Family, Nexthop, RouteState, RouteType, TableName, Variant},
};

/// A device that exists, or that an earlier op of the same run makes: its index was read or chosen, so nothing is
/// looked up by name when it is used; the name is for messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkRef {
    /// Its index in the batch's namespace.
    pub index: u32,
    /// Its name when the op runs.
    pub name: String,
}

/// One end of a veth that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEnd {
    /// The index chosen for it, unused in its namespace.
    pub index: u32,
    /// Its name.
    pub name: IfName,
    /// Its hardware address; the kernel makes one up where it is `None`.
    pub mac: Option<Mac>,
    /// Its MTU; the kernel's default (1500) where it is `None`.
    pub mtu: Option<u32>,
}

/// What may be changed of a device that exists. `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkChange {
    /// `IFLA_IFALIAS`; empty removes it.
    pub alias: Option<String>,
    /// `IFLA_GROUP`.
    pub group: Option<u32>,
    /// `IFLA_ADDRESS`.
    pub mac: Option<Mac>,
    /// `IFLA_MTU`.
    pub mtu: Option<u32>,
    /// `IFLA_MASTER`: a bridge's index, or 0 to leave it.
    pub master: Option<u32>,
    /// `IFF_UP`.
    pub up: Option<bool>,
    /// `IFLA_IFNAME`.
    pub rename: Option<IfName>,
    /// `IFLA_BRPORT_MODE`, of a bridge's port.
    pub hairpin: Option<bool>,
    /// `IFLA_INET6_ADDR_GEN_MODE`: whether it gives itself a link-local address when it comes up.
    pub link_local: Option<bool>,
    /// `IFLA_BR_STP_STATE`, of a bridge.
    pub stp: Option<bool>,
    /// `IFLA_BR_AGEING_TIME`, of a bridge, in hundredths of a second.
    pub ageing_time: Option<u32>,
}

/// A route to add or to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOp {
    /// Where to.
    pub to: IpNet,
    /// The routing table.
    pub table: u32,
    /// The priority; 0 lets the kernel take its default (0 for IPv4, 1024 for IPv6).
    pub metric: u32,
    /// `rtm_protocol`.
    pub protocol: u8,
    /// What it does.
    pub kind: RouteType,
    /// The preferred source address.
    pub src: Option<IpAddr>,
    /// The MTU metric.
    pub mtu: Option<u32>,
    /// One next hop, or several; none for blackhole and its like.
    pub nexthops: Vec<Nexthop>,
}

/// The end of a veth that goes because the other one's namespace does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarEnd {
    /// Its index.
    pub index: u32,
    /// That of the other one, in the namespace that goes.
    pub peer: u32,
    /// Whether it is on the host.
    pub on_host: bool,
}

/// One operation in the batch's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Makes the namespace of the batch itself: its `lo` bears the mark before the name becomes visible.
    NetnsCreate {
        /// The alias of its `lo`.
        mark: String,
    },
    /// Takes the name of the batch's namespace away and keeps the namespace itself aside, for `topology`'s run to end.
    NetnsPark {
        /// Whose run it is.
        topology: TopologyName,
        /// The namespace's inode, as the plan saw it: another one that has got the name is somebody else's.
        inode: u64,
    },
    /// Gives a namespace that was kept aside its name back.
    NetnsUnpark {
        /// Whose run had taken it.
        topology: TopologyName,
        /// The namespace's inode.
        inode: u64,
    },
    /// Lets a namespace that was kept aside go; the kernel cleans up behind.
    NetnsDrop {
        /// Whose run it was.
        topology: TopologyName,
        /// The namespace's inode.
        inode: u64,
        /// What goes with it elsewhere; where nobody has looked, that is done before it goes.
        ends: Option<Vec<FarEnd>>,
    },
    /// Removes the batch's namespace at once.
    NetnsDelete,
    /// Makes a bridge, down. Like [`Op::VethCreate`] it puts the device in the group `MARK_GROUP`, since the kernel
    /// takes no alias at creation.
    BridgeCreate {
        /// The index chosen for it.
        index: u32,
        /// Its name.
        name: IfName,
        /// Its hardware address.
        mac: Option<Mac>,
        /// Its MTU.
        mtu: Option<u32>,
        /// Whether STP runs.
        stp: Option<bool>,
        /// In hundredths of a second.
        ageing_time: Option<u32>,
    },
    /// Makes a veth pair in its place, both ends down: `end` in the batch's namespace, `peer` straight in its own.
    VethCreate {
        /// The end in the batch's namespace.
        end: NewEnd,
        /// The other end.
        peer: NewEnd,
        /// The namespace of the other end.
        peer_netns: Netns,
        /// Transmit and receive queues of each end; one where it is `None`, which is what is fastest to make.
        queues: Option<u32>,
    },
    /// Changes a device, all in one message.
    LinkSet {
        /// Which.
        link: LinkRef,
        /// What.
        change: LinkChange,
    },
    /// Raises a bridge of this run's making for the first time, with all ports that it has by then. Its multicast snooping
    /// is off meanwhile, and on again, as every new bridge has it, in the next message of the same `sendmsg`: with it the
    /// kernel goes through all ports for each port, and arms and disarms timers.
    BridgeUp {
        /// Which.
        link: LinkRef,
    },
    /// Makes a bridge's port what it was.
    PortPutBack {
        /// The port.
        link: LinkRef,
        /// Its attributes, by the kernel's numbers for them.
        attributes: BTreeMap<u16, Vec<u8>>,
    },
    /// Deletes a device (of a veth, both ends).
    LinkDelete {
        /// Which.
        link: LinkRef,
    },
    /// Adds an address; an IPv6 one is `nodad`, usable at once.
    AddressAdd {
        /// The device.
        link: LinkRef,
        /// The address with its prefix length.
        address: IpNet,
        /// `IFA_PROTO`: whose it is.
        protocol: u8,
    },
    /// Removes an address.
    AddressDelete {
        /// The device.
        link: LinkRef,
        /// The address with its prefix length.
        address: IpNet,
    },
    /// Gives a device an address that it had, as it was.
    AddressPutBack {
        /// The device.
        link: LinkRef,
        /// The address.
        address: AddressState,
    },
    /// Adds a route; `replace` puts it in the place of the one with the same destination, table and metric.
    RouteAdd {
        /// The route.
        route: RouteOp,
        /// Whether one that is there gives way.
        replace: bool,
    },
    /// Removes a route.
    RouteDelete {
        /// The route.
        route: RouteOp,
    },
    /// Adds a route that was there, as it was, whoever had made it.
    RoutePutBack {
        /// The route.
        route: RouteState,
    },
    /// Writes a sysctl of the batch's namespace.
    SysctlSet {
        /// The key below `/proc/sys`, with slashes.
        key: String,
        /// What to write.
        value: String,
    },
    /// Writes a sysctl of the host for `user`, keeping what was there before for when the last user has gone.
    SysctlBorrow {
        /// The key below `/proc/sys`, with slashes.
        key: String,
        /// What to write.
        value: String,
        /// The value before, as the plan saw it.
        before: String,
        /// Values that the kernel changes along with it, as the plan saw them.
        along: BTreeMap<String, String>,
        /// Who needs it.
        user: TopologyName,
    },
    /// Ends `user`'s need of a borrowed sysctl; the last one puts the value back.
    SysctlGiveBack {
        /// The key below `/proc/sys`, with slashes.
        key: String,
        /// Who needs it no longer.
        user: TopologyName,
    },
    /// Makes `user`'s part in the record of a borrowed value what it was, whatever others have noted there.
    RecordPutBack {
        /// The record's key.
        key: String,
        /// Whose part.
        user: TopologyName,
        /// The record as it was, where there was one.
        record: Option<Borrowed>,
    },
    /// Makes a NIC of the host a port of a bridge for `user`, keeping the master that it had.
    PortBorrow {
        /// The NIC.
        link: LinkRef,
        /// The bridge's index.
        master: u32,
        /// The name of the master before, where it had one.
        before: Option<String>,
        /// Who needs it.
        user: TopologyName,
    },
    /// Gives a borrowed NIC back to the master that it had, or to none.
    PortGiveBack {
        /// The NIC.
        link: LinkRef,
        /// Who needs it no longer.
        user: TopologyName,
    },
    /// Notes that an nf_tables table of the host was not there before `user`'s rules: iptables-nft makes tables and never
    /// removes them.
    TableBorrow {
        /// IPv4 or IPv6.
        family: Family,
        /// The table.
        table: TableName,
        /// Who needs it.
        user: TopologyName,
    },
    /// Ends `user`'s need of such a table; the last one removes it where it holds nothing.
    TableGiveBack {
        /// IPv4 or IPv6.
        family: Family,
        /// The table.
        table: TableName,
        /// Who needs it no longer.
        user: TopologyName,
    },
    /// Removes an nf_tables table of iptables-nft, where it holds nothing.
    TableDrop {
        /// IPv4 or IPv6.
        family: Family,
        /// The table.
        table: TableName,
    },
    /// Feeds a script to `iptables-restore --noflush` of a variant and family: atomic within its one table.
    FirewallLoad {
        /// Which packet filter.
        variant: Variant,
        /// IPv4 or IPv6.
        family: Family,
        /// The table that the script is about.
        table: TableName,
        /// The script, from `*table` to `COMMIT`.
        script: String,
    },
    /// Deletes the tracked connections of forwards and NAT rules that changed, by exact tuple after a dump.
    FlushFlows {
        /// Which flows.
        flows: Vec<FlowMatch>,
    },
}

impl Op {
    /// The indexes of the devices that it makes in a namespace, which its batch runs in.
    pub fn makes(&self, netns: &Netns) -> Vec<u32> {
        match self {
            Self::BridgeCreate { index, .. } => vec![*index],
            Self::VethCreate { end, peer, peer_netns, .. } if peer_netns == netns => vec![end.index, peer.index],
            Self::VethCreate { end, .. } => vec![end.index],
            _ => Vec::new(),
        }
    }

    /// The indexes of devices that it is about, as a message to the kernel.
    pub fn uses(&self) -> Vec<u32> {
        match self {
            Self::LinkSet { link, change } => [Some(link.index), change.master].into_iter().flatten().collect(),
            Self::LinkDelete { link }
            | Self::BridgeUp { link }
            | Self::PortPutBack { link, .. }
            | Self::AddressAdd { link, .. }
            | Self::AddressDelete { link, .. }
            | Self::AddressPutBack { link, .. } => vec![link.index],
            Self::RouteAdd { route, .. } | Self::RouteDelete { route } => {
                route.nexthops.iter().filter_map(|hop| hop.link).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether it sets a device aside, which is how devices go.
    pub fn parks(&self) -> bool {
        matches!(self, Self::LinkSet { change, .. } if change.group == Some(PARK_GROUP))
    }
}

/// The key under which the record of a NIC that is a port is kept.
pub fn port_key(interface: &str) -> String {
    format!("master:{interface}")
}

/// The key under which a table's record is kept.
pub fn table_key(family: Family, table: TableName) -> String {
    let family = match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    };
    format!("table:{family}:{}", table.as_str())
}

/// The table of a key.
pub fn table_of_key(key: &str) -> Option<(Family, TableName)> {
    let tables = [TableName::Raw, TableName::Filter, TableName::Nat].into_iter();
    let mut all = tables.flat_map(|table| [(Family::V4, table), (Family::V6, table)]);
    all.find(|(family, table)| table_key(*family, *table) == key)
}

/// Tracked connections that a changed rule must not keep on their old way. All that it says holds of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlowMatch {
    /// IPv4 or IPv6.
    pub family: Family,
    /// IP protocol number (6 tcp, 17 udp); any where it is `None`.
    pub protocol: Option<u8>,
    /// The original destination lies in it. Where it is `None`: any, but with `ports` only the namespace's own addresses,
    /// since nothing else is forwarded by a bare port.
    pub destination: Option<IpNet>,
    /// The original destination's ports, first and last; any where it is `None`.
    pub ports: Option<(u16, u16)>,
    /// The original source lies in it; any where it is `None`.
    pub source: Option<IpNet>,
    /// What has become of it until now.
    pub so_far: SoFar,
}

/// How a tracked connection is translated. Others than those that a change concerns go on: without its entry, a
/// translated connection is cut off as soon as the far side speaks first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SoFar {
    /// It leads to one of these: by a rule that goes.
    LeadsTo(IpNet),
    /// It leads anywhere but to one of these: a rule comes that sends it there.
    LeadsElsewhere(IpNet),
    /// Its source is another now.
    SourceIsNew,
    /// Its source is another now, between a first and a last address.
    SourceIsIn(Vec<(IpAddr, IpAddr)>),
    /// Its source is still its own, or one of these addresses instead.
    SourceIsOldOr(Vec<IpAddr>),
}

/// An op with the resource that it is done for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The resource whose change it is part of.
    pub address: Address,
    /// What is done.
    pub op: Op,
}

impl Batch {
    /// Whether it has to do with the name of its namespace and nothing else, so that several can be run side by side.
    pub fn is_apart(&self) -> bool {
        matches!(&*self.steps, [Step { op: Op::NetnsPark { .. } | Op::NetnsDrop { .. }, .. }])
    }
}

/// Ops of one namespace that go to the kernel together, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Where they run.
    pub netns: Netns,
    /// What runs, in order.
    pub steps: Vec<Step>,
}
