//! The shape of a topology file, as written: spans kept, names not looked up yet. One data model for TOML, YAML and JSON.

use std::net::IpAddr;

use indexmap::IndexMap;
use ipnet::IpNet;

use crate::{
    kind::{check::Expect, firewall::Protocol},
    model::{IfName, Label, Mac, Spanned, TopologyName, snapshot::RouteType},
};

/// Entries of a map in the order of the file, keys with their places. `KEY:` with nothing after it is left out.
pub type Map<K, V> = IndexMap<Spanned<K>, V>;

/// A whole file.
#[derive(Debug)]
pub struct File {
    pub name: Spanned<TopologyName>,
    pub description: Option<String>,
    pub prefix: Option<Spanned<String>>,
    pub ipv6: Option<bool>,
    pub namespaces: Map<Label, Namespace>,
    pub bridges: Map<Label, Bridge>,
    pub links: Vec<Link>,
    pub gateways: Vec<Gateway>,
    pub nat: Vec<Spanned<Nat>>,
    pub port_forwards: Vec<Spanned<PortForward>>,
    pub checks: Vec<Spanned<Check>>,
}

/// `namespaces.KEY`; `host` is a key like the others.
#[derive(Debug, Default)]
pub struct Namespace {
    pub loopback: Option<Spanned<bool>>,
    pub addresses: Option<Vec<Spanned<IpNet>>>,
    pub forwarding: Option<Spanned<bool>>,
    pub routes: Vec<Spanned<Route>>,
    /// Keys with dots, as written (or with slashes); nested tables joined by dots.
    pub sysctls: Map<String, Spanned<String>>,
}

/// `to: default | CIDR` (a bare address is a /32 or /128).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    Default,
    Net(IpNet),
}

#[derive(Debug)]
pub struct Route {
    pub to: Spanned<Destination>,
    pub via: Option<Spanned<Via>>,
    pub dev: Option<Spanned<IfName>>,
    pub src: Option<Spanned<IpAddr>>,
    pub metric: Option<Spanned<u32>>,
    pub table: Option<Spanned<u32>>,
    pub onlink: Option<Spanned<bool>>,
    pub mtu: Option<Spanned<u32>>,
    pub nexthops: Option<Spanned<Vec<Nexthop>>>,
    pub kind: Option<Spanned<RouteType>>,
}

/// A router's address, or `NAMESPACE:INTERFACE` for the address of that end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    Address(IpAddr),
    End(Label, IfName),
}

#[derive(Debug)]
pub struct Nexthop {
    pub via: Option<Spanned<Via>>,
    pub dev: Option<Spanned<IfName>>,
    pub weight: Option<Spanned<u16>>,
    pub onlink: Option<Spanned<bool>>,
}

#[derive(Debug, Default)]
pub struct Bridge {
    pub namespace: Option<Spanned<Label>>,
    pub interface: Option<Spanned<IfName>>,
    pub addresses: Option<Vec<Spanned<IpNet>>>,
    pub subnets: Option<Vec<Spanned<IpNet>>>,
    pub ports: Vec<Spanned<IfName>>,
    pub mtu: Option<Spanned<u32>>,
    pub mac: Option<Spanned<Mac>>,
    pub stp: Option<Spanned<bool>>,
    pub ageing_time: Option<Spanned<u32>>,
    pub up: Option<Spanned<bool>>,
    pub external: Option<Spanned<bool>>,
}

#[derive(Debug)]
pub struct Link {
    /// The whole item.
    pub span: crate::model::Span,
    pub name: Option<Spanned<Label>>,
    pub endpoints: [Spanned<End>; 2],
    pub mtu: Option<Spanned<u32>>,
    pub queues: Option<Spanned<u32>>,
    pub subnet: Option<Spanned<IpNet>>,
}

/// One end: `"NS:IF [ADDR…]"`, `"BRIDGE"`, `"BRIDGE:IF"` or the long form. The short form cannot tell a namespace from a
/// bridge; whoever resolves names can.
#[derive(Debug)]
pub struct End {
    pub place: Place,
    pub interface: Option<Spanned<IfName>>,
    pub addresses: Option<Vec<Spanned<IpNet>>>,
    pub mac: Option<Spanned<Mac>>,
    pub mtu: Option<Spanned<u32>>,
    pub up: Option<Spanned<bool>>,
}

#[derive(Debug)]
pub enum Place {
    /// The short form: the first word of `NAME`, `NAME:IF`.
    Named(Spanned<Label>),
    /// `{ namespace: … }`.
    Namespace(Spanned<Label>),
    /// `{ bridge: … }`.
    Bridge(Spanned<Label>),
}

#[derive(Debug)]
pub struct Gateway {
    pub span: crate::model::Span,
    pub at: GatewayAt,
    pub members: Option<Vec<Spanned<Label>>>,
}

#[derive(Debug)]
pub enum GatewayAt {
    Bridge(Spanned<Label>),
    Interface(Spanned<Label>, Spanned<IfName>),
}

#[derive(Debug)]
pub struct Nat {
    pub rule: NatRule,
    pub out: Option<Spanned<IfName>>,
    pub namespace: Option<Spanned<Label>>,
}

/// Exactly one of the keys `masquerade`, `snat`, `dnat`.
#[derive(Debug)]
pub enum NatRule {
    Masquerade(Spanned<IpNet>),
    Snat(Spanned<IpNet>, Spanned<SnatTo>),
    /// An address for an address, a prefix for a prefix of the same length.
    Dnat(Spanned<IpNet>, Spanned<IpNet>),
}

/// `ADDR`, `ADDR-ADDR`, either with `:PORT-PORT` (IPv6 in brackets then).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnatTo {
    pub first: IpAddr,
    pub last: IpAddr,
    pub ports: Option<(u16, u16)>,
}

#[derive(Debug)]
pub struct PortForward {
    pub listen: Spanned<Listen>,
    pub protocol: Vec<Spanned<Protocol>>,
    pub to: Spanned<ForwardTo>,
    pub namespace: Option<Spanned<Label>>,
}


/// `PORT`, `PORT-PORT`, `ADDR:PORT[-PORT]`, `[V6]:PORT[-PORT]`; a number or a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub address: Option<IpAddr>,
    pub ports: (u16, u16),
}

/// `NS`, `NS:PORT[-PORT]`, `ADDR:PORT[-PORT]`, `[V6]:PORT[-PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardTo {
    pub target: Target,
    pub ports: Option<(u16, u16)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Namespace(Label),
    Address(IpAddr),
}

/// At most one of `ping: true`, `tcp: true | PORT`, `udp: true | PORT`.
#[derive(Debug)]
pub struct Check {
    pub from: Spanned<Label>,
    /// `NS`, `NS:PORT`, `ADDR`, `ADDR:PORT`.
    pub to: Spanned<ForwardTo>,
    pub probe: Option<Spanned<CheckProbe>>,
    pub expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckProbe {
    Ping,
    Tcp(Option<u16>),
    Udp(Option<u16>),
}
