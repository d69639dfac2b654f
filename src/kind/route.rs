//! A static route of one namespace.

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::steps::{Stage, Steps};
use crate::{
    model::{
        Address, Netns, Snapshot, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        mark::{GATEWAY_PROTOCOL, ROUTE_PROTOCOL},
        snapshot::{LinkState, NetnsState, Nexthop, RouteState, RouteType, TABLE_MAIN},
    },
    op::{Op, RouteOp},
};

/// The metric that the kernel gives an IPv6 route that has none.
const DEFAULT_METRIC_V6: u32 = 1024;

/// `rtm_protocol` of what people type: `boot` (ip route without a word) and `static`.
const PROTOCOLS_OF_PEOPLE: [u8; 2] = [3, 4];

/// A route as the file wants it or as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its namespace's name in the file.
    pub label: String,
    /// Its namespace.
    pub netns: Netns,
    /// Where to.
    pub to: IpNet,
    /// The routing table.
    pub table: u32,
    /// The metric, with the kernel's default filled in.
    pub metric: u32,
    /// What it does.
    pub kind: RouteType,
    /// The preferred source address.
    pub src: Option<IpAddr>,
    /// The MTU metric.
    pub mtu: Option<u32>,
    /// The next hops.
    pub hops: Vec<Hop>,
    /// `rtm_protocol`.
    pub protocol: u8,
    /// Whether its next hop is reached by way of another route of the file.
    pub by_route: bool,
}

/// One next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The router.
    pub via: Option<IpAddr>,
    /// The device; `None` where the kernel is left to find it.
    pub dev: Option<String>,
    /// Its share among several.
    pub weight: u16,
    /// Whether the kernel is told to believe that `via` is on the link.
    pub onlink: bool,
}

impl Hop {
    fn describe(&self, alone: bool) -> String {
        let mut text = Vec::new();
        text.extend(self.via.map(|via| format!("via {via}")));
        text.extend(self.dev.as_ref().map(|dev| format!("dev {dev}")));
        if !alone {
            text.push(format!("weight {}", self.weight));
        }
        if self.onlink {
            text.push("onlink".into());
        }
        text.join(" ")
    }

    /// Whether `observed` is what this asks for.
    fn agrees(&self, observed: &Self) -> bool {
        self.via == observed.via
            && self.onlink == observed.onlink
            && self.weight == observed.weight
            && (self.dev.is_none() || self.dev == observed.dev)
    }
}

/// The metric with the kernel's default filled in.
pub fn metric_of(to: &IpNet, metric: Option<u32>) -> u32 {
    match (to, metric) {
        (IpNet::V6(_), None | Some(0)) => DEFAULT_METRIC_V6,
        (_, metric) => metric.unwrap_or(0),
    }
}

/// The part of a route's address after `route.`.
pub fn address_rest(label: &str, to: &IpNet, table: u32, metric: u32) -> String {
    let mut text = match to {
        IpNet::V4(net) if net.prefix_len() == 0 => format!("{label}:default"),
        IpNet::V6(net) if net.prefix_len() == 0 => format!("{label}:default6"),
        net => format!("{label}:{net}"),
    };
    if table != TABLE_MAIN {
        text.push_str(&format!(",table={table}"));
    }
    if metric != metric_of(to, None) {
        text.push_str(&format!(",metric={metric}"));
    }
    text
}

impl Route {
    /// `route.LABEL:TO[,table=N][,metric=N]`.
    pub fn address(&self) -> Address {
        Address::new(KindName::Route, address_rest(&self.label, &self.to, self.table, self.metric))
    }

    /// Static routes in namespaces of ours, whoever put them there, but those that belong to a stranger's device, and
    /// routes of our protocol in the host by devices of ours or under the key of a `wanted` one.
    pub fn observe(
        snapshot: &Snapshot,
        topology: &TopologyName,
        wanted: &[Self],
        memo: &[Address],
        is_ours: &dyn Fn(&Netns, &LinkState) -> bool,
    ) -> Vec<Self> {
        let wanted: HashMap<_, &Self> = wanted.iter().map(|it| ((&it.netns, it.to, it.table, it.metric), it)).collect();
        let memo = memo.iter().filter(|address| address.kind() == KindName::Route).map(Address::rest).collect();
        let mut found = Vec::new();
        for (netns, state) in &snapshot.namespaces {
            let label = state.mark().filter(|mark| mark.topology == *topology).map(|m| m.address.rest().to_owned());
            for route in &state.routes {
                let Some(kind) = route.kind else { continue };
                let like = wanted.get(&(netns, route.to, route.table, route.metric)).copied();
                let ours = match (&label, netns) {
                    (Some(_), _) => {
                        is_static(route.protocol)
                            && (like.is_some()
                                || strangers_device(route, state, &|link| is_ours(netns, link)).is_none())
                    }
                    (None, Netns::Host) => {
                        route.protocol == ROUTE_PROTOCOL
                            && match Self::owner(route, state) {
                                Some(owner) => owner == *topology,
                                None => like.is_some() || in_memo(route, &memo),
                            }
                    }
                    (None, Netns::Named(_)) => false,
                };
                if ours {
                    let label = label.clone().unwrap_or_else(|| "host".into());
                    found.push(Self::from_state(label, netns, state, route, kind, like));
                }
            }
        }
        found
    }

    /// Whose a route is, as its device tells; `None` where it has no device that bears a mark.
    pub fn owner(route: &RouteState, state: &NetnsState) -> Option<TopologyName> {
        let device = |hop: &Nexthop| hop.link.and_then(|index| state.link_at(index));
        route.nexthops.iter().filter_map(device).find_map(LinkState::mark).map(|mark| mark.topology)
    }

    fn from_state(
        label: String,
        netns: &Netns,
        state: &NetnsState,
        route: &RouteState,
        kind: RouteType,
        like: Option<&Self>,
    ) -> Self {
        let hop = |hop: &Nexthop| Hop {
            via: hop.via,
            dev: hop.link.and_then(|index| state.link_at(index)).map(|link| link.name.clone()),
            weight: hop.weight.max(1),
            onlink: hop.onlink,
        };
        let hops = if kind == RouteType::Unicast { route.nexthops.iter().map(hop).collect() } else { Vec::new() };
        Self {
            label,
            netns: netns.clone(),
            to: route.to,
            table: route.table,
            metric: route.metric,
            kind,
            src: route.src.filter(|_| like.is_none_or(|it| it.src.is_some())),
            mtu: route.mtu,
            hops,
            protocol: route.protocol,
            by_route: false,
        }
    }

    /// What differs.
    pub fn compare(before: Option<&Self>, after: Option<&Self>) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.of("to", before.map(|it| it.to), after.map(|it| it.to), |to| to.to_string().into());
        let kind = |it: &Self| (it.kind != RouteType::Unicast).then(|| Value::from(type_name(it.kind)));
        comparison.attribute("type", before.and_then(kind), after.and_then(kind));
        if before.zip(after).is_some_and(|(before, after)| before.agrees_in_hops(after)) {
            comparison.unchanged += usize::from(after.is_some_and(|it| !it.hops.is_empty()));
        } else {
            let hops = |it: &Self| it.describe_hops();
            comparison.attribute("nexthop", before.and_then(hops), after.and_then(hops));
        }
        let src = |it: &Self| it.src.map(|src| Value::from(src.to_string()));
        comparison.attribute("src", before.and_then(src), after.and_then(src));
        let mtu = |it: &Self| it.mtu.map(Value::from);
        comparison.attribute("mtu", before.and_then(mtu), after.and_then(mtu));
        comparison
    }

    fn agrees_in_hops(&self, wanted: &Self) -> bool {
        self.hops.len() == wanted.hops.len()
            && wanted.hops.iter().all(|hop| self.hops.iter().any(|seen| hop.agrees(seen)))
    }

    fn describe_hops(&self) -> Option<Value> {
        match &*self.hops {
            [] => None,
            [hop] => Some(hop.describe(true).into()),
            hops => {
                let mut list: Vec<String> = hops.iter().map(|hop| hop.describe(false)).collect();
                list.sort();
                Some(Value::List(list))
            }
        }
    }

    /// Ops that put it there, in the place of what is there under its key.
    pub fn lower_to(&self, before: Option<&Self>, steps: &mut Steps<'_>) {
        let address = self.address();
        let Some(route) = self.as_op(&address, steps) else { return };
        let stage = if self.by_route { Stage::RouteVia } else { Stage::Route };
        // The kernel replaces a route of the same kind only; another kind goes first. IPv6 multipath is replaced hop by
        // hop, so it goes first too.
        let in_place = before.is_some_and(|before| {
            before.kind == self.kind && (self.to.addr().is_ipv4() || (before.hops.len() <= 1 && self.hops.len() <= 1))
        });
        if let Some(before) = before.filter(|_| !in_place) {
            before.lower_away(steps);
        }
        steps.push(stage, &self.netns, &address, Op::RouteAdd { route, replace: in_place });
    }

    /// Puts it there again after its device has lost it.
    pub fn lower_again(&self, steps: &mut Steps<'_>) {
        let address = self.address();
        let Some(route) = self.as_op(&address, steps) else { return };
        let stage = if self.by_route { Stage::RouteVia } else { Stage::Route };
        steps.push(stage, &self.netns, &address, Op::RouteAdd { route, replace: true });
    }

    /// Ops that remove it.
    pub fn lower_away(&self, steps: &mut Steps<'_>) {
        let address = self.address();
        let state = steps.snapshot.namespaces.get(&self.netns);
        let hop = |hop: &Hop| Nexthop {
            via: hop.via,
            link: hop.dev.as_deref().and_then(|dev| state.and_then(|state| state.link(dev)).map(|link| link.index)),
            weight: hop.weight,
            onlink: hop.onlink,
        };
        let route = self.op_with(self.hops.iter().map(hop).collect());
        steps.push(Stage::WithdrawRoute, &self.netns, &address, Op::RouteDelete { route });
    }

    fn as_op(&self, address: &Address, steps: &mut Steps<'_>) -> Option<RouteOp> {
        let mut nexthops = Vec::with_capacity(self.hops.len());
        for hop in &self.hops {
            let link = match &hop.dev {
                Some(dev) => Some(steps.link(address, &self.netns, dev)?.index),
                None => None,
            };
            nexthops.push(Nexthop { via: hop.via, link, weight: hop.weight, onlink: hop.onlink });
        }
        Some(self.op_with(nexthops))
    }

    fn op_with(&self, nexthops: Vec<Nexthop>) -> RouteOp {
        RouteOp {
            to: self.to,
            table: self.table,
            metric: self.metric,
            protocol: self.protocol,
            kind: self.kind,
            src: self.src,
            mtu: self.mtu,
            nexthops,
        }
    }
}

/// Whether a route in a namespace of ours is for the file to judge: what people and we put there, not what the kernel
/// or a routing daemon did. Gateways judge their own.
pub fn is_static(protocol: u8) -> bool {
    protocol == ROUTE_PROTOCOL || protocol == GATEWAY_PROTOCOL || PROTOCOLS_OF_PEOPLE.contains(&protocol)
}

/// The device of somebody else's that a route of people's leaves by: it belongs to that device, as what a VPN routes into
/// its tunnel does. `None` where any of its devices is ours, and for what bears our protocol.
pub fn strangers_device<'a>(
    route: &RouteState,
    state: &'a NetnsState,
    is_ours: &dyn Fn(&LinkState) -> bool,
) -> Option<&'a LinkState> {
    if !PROTOCOLS_OF_PEOPLE.contains(&route.protocol) {
        return None;
    }
    let mut devices = route.nexthops.iter().filter_map(|hop| state.link_at(hop.link?)).peekable();
    let first = devices.peek().copied()?;
    devices.all(|link| !is_ours(link)).then_some(first)
}

/// A routing protocol by the name that rt_protos of iproute2 gives it.
pub fn protocol_name(protocol: u8) -> String {
    let name = match protocol {
        1 => "redirect",
        2 => "kernel",
        8 => "gated",
        9 => "ra",
        11 => "zebra",
        12 => "bird",
        16 => "dhcp",
        18 => "keepalived",
        42 => "babel",
        99 => "openr",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// A route without a device of ours says by its protocol that it is netwright's; which topology's only the memo tells.
fn in_memo(route: &RouteState, memo: &HashSet<&str>) -> bool {
    memo.contains(&*address_rest("host", &route.to, route.table, route.metric))
}

fn type_name(kind: RouteType) -> &'static str {
    match kind {
        RouteType::Unicast => "unicast",
        RouteType::Blackhole => "blackhole",
        RouteType::Unreachable => "unreachable",
        RouteType::Prohibit => "prohibit",
    }
}
