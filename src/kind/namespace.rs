//! A network namespace of ours, whole: its `lo`, its addresses there, its sysctls.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{
    steps::{Stage, Steps},
    sysctl,
};
use crate::{
    model::{
        Address, Mark, Netns, Snapshot, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        snapshot::{AddressState, NetnsState},
    },
    op::{LinkChange, LinkRef, Op},
};

/// A namespace as the file wants it or as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name in the file.
    pub label: String,
    /// Its name in the kernel.
    pub netns: Netns,
    /// Whether `lo` is up.
    pub loopback: bool,
    /// Addresses on `lo` beside 127.0.0.1 and ::1; `None` where they are left to others.
    pub addresses: Option<BTreeSet<IpNet>>,
    /// Sysctls by path below `/proc/sys`, those of forwarding among them.
    pub sysctls: BTreeMap<String, String>,
}

/// Addresses of a device that a file may judge: not those that come by themselves, but for those that it names.
pub(super) fn judged_addresses(state: &NetnsState, link: u32, named: Option<&BTreeSet<IpNet>>) -> BTreeSet<IpNet> {
    let comes_by_itself = |it: &&AddressState| it.dynamic || it.link_local || it.address.addr().is_loopback();
    let is_named = |it: &&AddressState| named.is_some_and(|named| named.contains(&it.address));
    let addresses = state.addresses.iter().filter(|it| it.link == link);
    addresses.filter(|it| !comes_by_itself(it) || is_named(it)).map(|it| it.address).collect()
}

/// Addresses as a plan lists them.
pub(super) fn address_list(addresses: &BTreeSet<IpNet>) -> Value {
    Value::List(addresses.iter().map(IpNet::to_string).collect())
}

impl Namespace {
    /// `namespace.LABEL`.
    pub fn address(&self) -> Address {
        Address::new(KindName::Namespace, &*self.label)
    }

    /// The namespaces that bear `topology`'s mark; `wanted` tells which addresses the file names.
    pub fn observe(snapshot: &Snapshot, topology: &TopologyName, wanted: &[Self]) -> Vec<Self> {
        let seen = snapshot.namespaces.iter().filter_map(|(netns, state)| {
            let mark = state.mark()?;
            let ours = mark.topology == *topology && mark.address.kind() == KindName::Namespace;
            let like = wanted.iter().find(|it| it.netns == *netns);
            ours.then(|| Self::from_state(mark.address.rest(), netns, state, like))
        });
        seen.collect()
    }

    fn from_state(label: &str, netns: &Netns, state: &NetnsState, like: Option<&Self>) -> Self {
        let lo = state.link("lo");
        let sysctls = state.sysctls.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        Self {
            label: label.to_owned(),
            netns: netns.clone(),
            loopback: lo.is_some_and(|lo| lo.up),
            addresses: lo.map(|lo| judged_addresses(state, lo.index, like.and_then(|it| it.addresses.as_ref()))),
            sysctls: sysctls.collect(),
        }
    }

    /// What differs.
    pub fn compare(before: Option<&Self>, after: Option<&Self>) -> Comparison {
        let mut comparison = Comparison::default();
        let label = |it: &Self| Value::from(&*it.label);
        comparison.identity("name", before.map(label), after.map(label), false);
        let netns = |it: &Self| Value::from(it.netns.as_str());
        comparison.identity("netns", before.map(netns), after.map(netns), true);
        let loopback = |it: &Self| Value::from(it.loopback);
        comparison.attribute("loopback", before.map(loopback), after.map(loopback));
        if after.is_none_or(|it| it.addresses.is_some()) {
            let addresses = |it: &Self| it.addresses.as_ref().filter(|a| !a.is_empty()).map(address_list);
            comparison.attribute("addresses", before.and_then(addresses), after.and_then(addresses));
        }
        comparison.attribute("forwarding", before.and_then(Self::forwarding), after.and_then(Self::forwarding));
        if let Some(after) = after {
            for (path, value) in after.wanted_sysctls(before).iter().filter(|(path, _)| !is_forwarding(path)) {
                let old = before.and_then(|it| it.sysctls.get(path));
                let old = old.map(|old| Value::Text(sysctl::normal(old)));
                comparison.attribute(sysctl::key_of_path(path), old, Some(Value::Text(sysctl::normal(value))));
            }
        }
        comparison
    }

    /// What is to be set: where the file does not turn IPv6 off (any more), it is turned on again.
    fn wanted_sysctls(&self, before: Option<&Self>) -> BTreeMap<String, String> {
        let is_off = |key: &&str| before.and_then(|it| it.sysctls.get(*key)).is_some_and(|value| value == "1");
        let mut wanted: BTreeMap<String, String> = sysctl::DISABLE_V6
            .iter()
            .filter(|key| is_off(key))
            .map(|key| ((*key).to_owned(), "0".to_owned()))
            .collect();
        wanted.extend(self.sysctls.iter().map(|(key, value)| (key.clone(), value.clone())));
        wanted
    }

    /// Forwarding of both families as one attribute.
    fn forwarding(&self) -> Option<Value> {
        let on = |key| self.sysctls.get(key).map(|value| value != "0");
        match (on(sysctl::FORWARD_V4), on(sysctl::FORWARD_V6)) {
            (None, None) => None,
            (Some(on), None) | (None, Some(on)) => Some(on.into()),
            (Some(v4), Some(v6)) if v4 == v6 => Some(v4.into()),
            (Some(true), _) => Some("IPv4 only".into()),
            (Some(false), _) => Some("IPv6 only".into()),
        }
    }

    /// Ops that make it or bring it from `before` to this.
    pub fn lower_to(&self, before: Option<&Self>, steps: &mut Steps<'_>) {
        let address = self.address();
        let mut lo = LinkChange::default();
        if before.is_none() {
            let mark = Mark::new(steps.topology, &address).to_string();
            steps.push(Stage::NetnsCreate, &self.netns, &address, Op::NetnsCreate { mark });
        } else if before.is_some_and(|it| it.label != self.label) {
            lo.alias = Some(Mark::new(steps.topology, &address).to_string());
        }
        // A new namespace inherits ip_forward from the host, so both ways are written, always.
        for (path, value) in &self.wanted_sysctls(before) {
            if before
                .and_then(|it| it.sysctls.get(path))
                .is_some_and(|old| sysctl::normal(old) == sysctl::normal(value))
            {
                continue;
            }
            let stage = if sysctl::interface_of_path(path).is_some() { Stage::LinkSysctl } else { Stage::Sysctl };
            let op = Op::SysctlSet { key: path.clone(), value: value.clone() };
            steps.push(stage, &self.netns, &address, op);
        }
        if before.is_some_and(|it| it.loopback) != self.loopback {
            lo.up = Some(self.loopback);
        }
        if lo != LinkChange::default() {
            let link = LinkRef { index: 1, name: "lo".into() };
            steps.push(Stage::Link, &self.netns, &address, Op::LinkSet { link, change: lo });
        }
        if let Some(wanted) = &self.addresses {
            let none = BTreeSet::new();
            let has = before.and_then(|it| it.addresses.as_ref()).unwrap_or(&none);
            let link = LinkRef { index: 1, name: "lo".into() };
            lower_addresses(&address, &self.netns, &link, has, wanted, Stage::Link, steps);
            if before.is_some_and(|it| it.loopback) && !self.loopback {
                lower_after_fall(&address, &self.netns, &link, has, wanted, Stage::Link, steps);
            }
        }
    }

    /// Ops that remove it.
    pub fn lower_away(&self, steps: &mut Steps<'_>) {
        steps.push(Stage::NetnsDelete, &self.netns, &self.address(), Op::NetnsDelete);
    }
}

fn is_forwarding(path: &str) -> bool {
    matches!(path, sysctl::FORWARD_V4 | sysctl::FORWARD_V6)
}

/// Ops from the addresses `has` to `wanted`. Where a subnet's primary IPv4 address goes, its others are given again: the
/// kernel takes them along (unless `promote_secondaries` is set).
pub(super) fn lower_addresses(
    address: &Address,
    netns: &Netns,
    link: &LinkRef,
    has: &BTreeSet<IpNet>,
    wanted: &BTreeSet<IpNet>,
    stage: Stage,
    steps: &mut Steps<'_>,
) {
    let state = steps.snapshot.namespaces.get(netns);
    // The kernel tells a primary address before its secondary ones.
    let told = state.map_or(&[][..], |state| &state.addresses).iter().filter(|it| it.link == link.index);
    let told: Vec<IpNet> = told.map(|it| it.address).collect();
    let goes = |net: &IpNet| has.contains(net) && !wanted.contains(net);
    // Addresses go before names change.
    let there = state.and_then(|state| state.link_at(link.index));
    let now = there.map_or_else(|| link.clone(), |there| LinkRef { index: link.index, name: there.name.clone() });
    for gone in told.iter().rev().filter(|net| goes(net)) {
        let op = Op::AddressDelete { link: now.clone(), address: *gone };
        steps.push(Stage::Withdraw, netns, address, op);
    }
    let goes_along = |net: &IpNet| {
        let primary = told.iter().find(|other| other.trunc() == net.trunc());
        net.addr().is_ipv4() && primary.is_some_and(goes)
    };
    for net in wanted {
        if !has.contains(net) || goes_along(net) {
            let stage = if net.addr().is_ipv6() { Stage::AddressV6.max(stage) } else { stage };
            steps.push(stage, netns, address, Op::AddressAdd { link: link.clone(), address: *net });
        }
    }
}

/// Gives a device that goes down its IPv6 addresses again: the kernel takes them from it then (unless
/// `keep_addr_on_down` is set), and gives none back when it goes up.
pub(super) fn lower_after_fall(
    address: &Address,
    netns: &Netns,
    link: &LinkRef,
    has: &BTreeSet<IpNet>,
    wanted: &BTreeSet<IpNet>,
    stage: Stage,
    steps: &mut Steps<'_>,
) {
    for net in wanted.intersection(has).filter(|net| net.addr().is_ipv6()) {
        steps.push(stage, netns, address, Op::AddressAdd { link: link.clone(), address: *net });
    }
}
