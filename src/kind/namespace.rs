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
        snapshot::NetnsState,
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

/// Addresses of a device that a file may judge: not those that come by themselves.
pub(super) fn judged_addresses(state: &NetnsState, link: u32) -> BTreeSet<IpNet> {
    let comes_by_itself = |net: &IpNet| net.addr().is_loopback();
    let addresses = state.addresses.iter().filter(|a| a.link == link && !a.dynamic && !a.link_local);
    addresses.map(|a| a.address).filter(|net| !comes_by_itself(net)).collect()
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

    /// The namespaces that bear `topology`'s mark.
    pub fn observe(snapshot: &Snapshot, topology: &TopologyName) -> Vec<Self> {
        let seen = snapshot.namespaces.iter().filter_map(|(netns, state)| {
            let mark = state.mark()?;
            let ours = mark.topology == *topology && mark.address.kind() == KindName::Namespace;
            ours.then(|| Self::from_state(mark.address.rest(), netns, state))
        });
        seen.collect()
    }

    fn from_state(label: &str, netns: &Netns, state: &NetnsState) -> Self {
        let lo = state.link("lo");
        let sysctls = state.sysctls.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        Self {
            label: label.to_owned(),
            netns: netns.clone(),
            loopback: lo.is_some_and(|lo| lo.up),
            addresses: lo.map(|lo| judged_addresses(state, lo.index)),
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
            for (path, value) in after.sysctls.iter().filter(|(path, _)| !is_forwarding(path)) {
                let old = before.and_then(|it| it.sysctls.get(path));
                let old = old.map(|old| Value::Text(sysctl::normal(old)));
                comparison.attribute(sysctl::key_of_path(path), old, Some(Value::Text(sysctl::normal(value))));
            }
        }
        comparison
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
        for (path, value) in &self.sysctls {
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

/// Ops from the addresses `has` to `wanted`. Where one goes, those that stay are given again: removing a primary IPv4
/// address takes its subnet's secondary ones along (unless `promote_secondaries` is set).
pub(super) fn lower_addresses(
    address: &Address,
    netns: &Netns,
    link: &LinkRef,
    has: &BTreeSet<IpNet>,
    wanted: &BTreeSet<IpNet>,
    stage: Stage,
    steps: &mut Steps<'_>,
) {
    for gone in has.difference(wanted) {
        let op = Op::AddressDelete { link: link.clone(), address: *gone };
        steps.push(Stage::Withdraw, netns, address, op);
    }
    let takes_others_along = has.difference(wanted).any(|net| net.addr().is_ipv4());
    for net in wanted {
        let stays = has.contains(net);
        if !stays || (takes_others_along && net.addr().is_ipv4()) {
            let stage = if net.addr().is_ipv6() { Stage::AddressV6.max(stage) } else { stage };
            steps.push(stage, netns, address, Op::AddressAdd { link: link.clone(), address: *net });
        }
    }
}
