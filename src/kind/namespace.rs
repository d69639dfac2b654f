//! A network namespace of ours, whole: its `lo`, its addresses there, its sysctls.

use std::collections::BTreeMap;

use foldhash::HashMap;

use super::{
    addresses::{Addresses, Holder},
    steps::{Stage, Steps},
    sysctl,
};
use crate::{
    model::{
        Address, Mark, Netns, Snapshot, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        snapshot::{NetnsState, Peer},
    },
    op::{FarEnd, LinkChange, LinkRef, Op},
};

/// The index of `lo` in every namespace.
const LOOPBACK: u32 = 1;

/// A namespace as the file wants it or as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name in the file.
    pub label: String,
    /// Its name in the kernel.
    pub netns: Netns,
    /// Whether `lo` is up.
    pub loopback: bool,
    /// Addresses on `lo` beside 127.0.0.1 and ::1.
    pub addresses: Addresses,
    /// Sysctls by path below `/proc/sys`, those of forwarding among them.
    pub sysctls: BTreeMap<String, String>,
}

impl Namespace {
    /// `namespace.LABEL`.
    pub fn address(&self) -> Address {
        Address::new(KindName::Namespace, &*self.label)
    }

    /// The namespaces that bear `topology`'s mark; `wanted` tells which addresses the file names.
    pub fn observe(snapshot: &Snapshot, topology: &TopologyName, wanted: &[Self]) -> Vec<Self> {
        let wanted: HashMap<&Netns, &Self> = wanted.iter().map(|it| (&it.netns, it)).collect();
        let seen = snapshot.namespaces.iter().filter_map(|(netns, state)| {
            let mark = state.mark()?;
            let ours = mark.topology == *topology && mark.address.kind() == KindName::Namespace;
            let like = wanted.get(netns).copied();
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
            addresses: Addresses::observed(state, LOOPBACK, like.map(|it| &it.addresses)),
            sysctls: sysctls.collect(),
        }
    }

    /// What differs.
    pub fn compare<'a>(before: Option<&'a Self>, after: Option<&'a Self>) -> Comparison {
        let mut comparison = Comparison::default();
        let label = |it: &'a Self| &*it.label;
        comparison.identity("name", before.map(label), after.map(label), false);
        let netns = |it: &'a Self| it.netns.as_str();
        comparison.identity("netns", before.map(netns), after.map(netns), true);
        let loopback = |it: &Self| Value::from(it.loopback);
        comparison.attribute("loopback", before.map(loopback), after.map(loopback));
        let addresses = |it: Option<&'a Self>| it.map(|it| &it.addresses);
        Addresses::compare(addresses(before), addresses(after), "addresses", &mut comparison);
        comparison.attribute("forwarding", before.and_then(Self::forwarding), after.and_then(Self::forwarding));
        if let Some(after) = after {
            for (path, value) in after.wanted_sysctls(before).iter().filter(|(path, _)| !is_forwarding(path)) {
                let old = before.and_then(|it| it.sysctls.get(path));
                let old = old.map(|old| Value::Text(sysctl::normal(old)));
                comparison.attribute(sysctl::key_of_path(path), old, Some(Value::Text(sysctl::normal(value))));
            }
        } else if let Some(before) = before {
            let is_on =
                |(path, value): &(&String, &String)| sysctl::DISABLE_V6.contains(&path.as_str()) && *value == "0";
            for (path, value) in before.sysctls.iter().filter(|it| !is_forwarding(it.0) && !is_on(it)) {
                comparison.attribute(sysctl::key_of_path(path), Some(Value::Text(sysctl::normal(value))), None);
            }
        }
        comparison
    }

    /// What is to be set: where the file does not turn IPv6 off (any more), it is turned on again.
    fn wanted_sysctls(&self, before: Option<&Self>) -> BTreeMap<String, String> {
        // Where the file writes either, the other is as the kernel makes it then.
        let written = sysctl::DISABLE_V6.iter().any(|key| self.sysctls.contains_key(*key));
        let is_off = |key: &&str| before.and_then(|it| it.sysctls.get(*key)).is_some_and(|value| value == "1");
        let is_off = |key: &&str| !written && is_off(key);
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
        let is_same = |path: &str, value: &str| {
            let old = before.and_then(|it| it.sysctls.get(path));
            old.is_some_and(|old| sysctl::normal(old) == sysctl::normal(value))
        };
        let wanted = self.wanted_sysctls(before);
        for (path, value, again) in sysctl::in_order(&wanted, &is_same) {
            if is_same(path, value) && !again {
                continue;
            }
            let stage = if sysctl::interface_of_path(path).is_some() { Stage::LinkSysctl } else { Stage::Sysctl };
            let op = Op::SysctlSet { key: path.clone(), value: value.clone() };
            steps.push(stage, &self.netns, &address, op);
        }
        if before.is_some_and(|it| it.loopback) != self.loopback {
            lo.up = Some(self.loopback);
        }
        let link = LinkRef { index: LOOPBACK, name: "lo".into() };
        if lo != LinkChange::default() {
            steps.push(Stage::Link, &self.netns, &address, Op::LinkSet { link: link.clone(), change: lo });
        }
        let falls = before.is_some_and(|it| it.loopback) && !self.loopback;
        let holder = Holder { address: &address, netns: &self.netns, link: &link, stage: Stage::Link, falls };
        self.addresses.lower(before.map(|it| &it.addresses), &holder, steps);
    }

    /// Ops that remove it.
    pub fn lower_away(&self, steps: &mut Steps<'_>) {
        let state = steps.snapshot.namespaces.get(&self.netns);
        let inode = state.map_or(0, |state| state.inode);
        let ends = state.map(|state| far_ends(&self.netns, state));
        let topology = steps.topology.clone();
        let park = Op::NetnsPark { topology: topology.clone(), inode };
        steps.push(Stage::NetnsPark, &self.netns, &self.address(), park);
        steps.push(Stage::DropNetns, &self.netns, &self.address(), Op::NetnsDrop { topology, inode, ends });
    }
}

/// The ends of veths that lead into a namespace from elsewhere.
fn far_ends(netns: &Netns, state: &NetnsState) -> Vec<FarEnd> {
    let all = state.links.iter().chain(&state.parked).filter_map(|link| Some((link.index, link.peer.as_ref()?)));
    let outward = all.filter(|(_, peer)| peer.netns.as_ref() != Some(netns));
    let end = |(index, peer): (u32, &Peer)| FarEnd {
        index: peer.index,
        peer: index,
        on_host: peer.netns == Some(Netns::Host),
    };
    outward.map(end).collect()
}

fn is_forwarding(path: &str) -> bool {
    matches!(path, sysctl::FORWARD_V4 | sysctl::FORWARD_V6)
}
