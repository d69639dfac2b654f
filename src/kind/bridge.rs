//! A bridge: ours, or an external one that members may be plugged into and that is otherwise left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    addresses::{Addresses, Holder},
    conf::Conf,
    rename,
    steps::{Stage, Steps},
};
use crate::{
    model::{
        Address, IfName, Mac, Mark, Netns, Snapshot, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        mark::MARK_GROUP,
        snapshot::{LinkState, NetnsState},
    },
    op::{LinkChange, LinkRef, Op, port_key},
};

/// How long a bridge remembers where an address is, unless told otherwise: 300 s, in hundredths of a second.
pub const DEFAULT_AGEING_TIME: u32 = 30_000;

/// The `IFLA_INFO_KIND` of a bridge.
pub const KIND: &str = "bridge";

/// A bridge as the file wants it or as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Its name in the file.
    pub label: String,
    /// Where it lives.
    pub netns: Netns,
    /// Its device's name in the kernel.
    pub device: String,
    /// Wanted: what precedes the name of its device.
    pub prefix: String,
    /// Whether it is somebody else's.
    pub external: bool,
    /// Whether it is administratively up.
    pub up: bool,
    /// Its MTU; `None` where it follows ports that are not ours.
    pub mtu: Option<u32>,
    /// Its hardware address, stable unless the file says otherwise.
    pub mac: Option<Mac>,
    /// Whether the spanning tree protocol runs.
    pub stp: bool,
    /// In hundredths of a second.
    pub ageing_time: u32,
    /// Its addresses.
    pub addresses: Addresses,
    /// Existing devices that become its ports, and are given back as they were.
    pub ports: BTreeSet<String>,
    /// Sysctls of its device that IPv6 needs, by path.
    pub sysctls: BTreeMap<String, String>,
    /// Observed: its index.
    pub index: u32,
    /// Its own settings of IPv4 and IPv6.
    pub conf: Conf,
}

impl Bridge {
    /// Where it is: its namespace and device name.
    pub fn place(&self) -> (&Netns, &str) {
        (&self.netns, &self.device)
    }

    /// `bridge.LABEL`.
    pub fn address(&self) -> Address {
        Address::new(KindName::Bridge, &*self.label)
    }

    /// The bridges that bear `topology`'s mark, and those that stand where `wanted` ones should in a namespace of ours.
    pub fn observe(snapshot: &Snapshot, topology: &TopologyName, wanted: &[Self]) -> Vec<Self> {
        let mut found = Vec::new();
        for (netns, state) in &snapshot.namespaces {
            for link in state.links.iter().filter(|link| link.kind.as_deref() == Some(KIND)) {
                let like = wanted.iter().find(|it| !it.external && it.netns == *netns && it.device == link.name);
                if let Some(label) = label_of(link, state, topology, like) {
                    found.push(Self::from_state(&label, netns, state, link, like, snapshot, topology));
                }
            }
        }
        found
    }

    fn from_state(
        label: &str,
        netns: &Netns,
        state: &NetnsState,
        link: &LinkState,
        like: Option<&Self>,
        snapshot: &Snapshot,
        topology: &TopologyName,
    ) -> Self {
        let bridge = link.bridge.clone().unwrap_or_default();
        let borrowed = |port: &&LinkState| {
            let record = snapshot.borrowed.get(&format!("master:{}", port.name));
            like.is_some_and(|it| it.ports.contains(&port.name))
                || (*netns == Netns::Host && record.is_some_and(|it| it.users.contains(topology)))
        };
        let ports = state.links.iter().filter(|port| port.master == Some(link.index)).filter(borrowed);
        let sysctls = like.iter().flat_map(|it| it.sysctls.keys());
        let sysctls = sysctls.filter_map(|key| Some((key.clone(), state.sysctls.get(key)?.clone()?)));
        Self {
            label: label.to_owned(),
            netns: netns.clone(),
            device: link.name.clone(),
            prefix: String::new(),
            external: false,
            up: link.up,
            mtu: Some(link.mtu),
            mac: link.mac,
            stp: bridge.stp,
            ageing_time: bridge.ageing_time,
            addresses: Addresses::observed(state, link.index, like.map(|it| &it.addresses)),
            ports: ports.map(|port| port.name.clone()).collect(),
            sysctls: sysctls.collect(),
            index: link.index,
            conf: Conf::observed(state, link),
        }
    }

    /// What differs.
    pub fn compare<'a>(before: Option<&'a Self>, after: Option<&'a Self>) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.identity("name", before.map(|it| &*it.label), after.map(|it| &*it.label), false);
        let netns = |it: &Self| Value::from(it.netns.as_str());
        comparison.forcing("namespace", before.map(netns), after.map(netns));
        let device = |it: &Self| Value::from(&*it.device);
        match before.zip(after).is_some_and(|(before, after)| before.has_another_prefix(after)) {
            true => comparison.forcing("interface", before.map(device), after.map(device)),
            false => comparison.attribute("interface", before.map(device), after.map(device)),
        }
        comparison.attribute("up", before.map(|it| it.up.into()), after.map(|it| it.up.into()));
        if after.is_none_or(|it| it.mtu.is_some()) {
            let mtu = |it: &Self| it.mtu.map(Value::from);
            comparison.attribute("mtu", before.and_then(mtu), after.and_then(mtu));
        }
        if after.is_none_or(|it| it.mac.is_some()) {
            let mac = |it: &Self| it.mac.map(|mac| Value::Text(mac.to_string()));
            comparison.attribute("mac", before.and_then(mac), after.and_then(mac));
        }
        comparison.attribute("stp", before.map(|it| it.stp.into()), after.map(|it| it.stp.into()));
        let ageing = |it: &Self| Value::Text(format!("{} s", f64::from(it.ageing_time) / 100.0));
        comparison.attribute("ageing_time", before.map(ageing), after.map(ageing));
        let addresses = |it: Option<&'a Self>| it.map(|it| &it.addresses);
        Addresses::compare(addresses(before), addresses(after), "addresses", &mut comparison);
        let ports = |it: &Self| {
            let ports: Vec<String> = it.ports.iter().cloned().collect();
            (!ports.is_empty()).then_some(Value::List(ports))
        };
        comparison.attribute("ports", before.and_then(ports), after.and_then(ports));
        for (path, value) in after.iter().flat_map(|it| &it.sysctls) {
            let old = before.and_then(|it| it.sysctls.get(path));
            let key = super::sysctl::key_of_path(path);
            comparison.attribute(key, old.map(|old| Value::from(&**old)), Some(Value::from(&**value)));
        }
        Conf::compare(before.map(|it| &it.conf), after.map(|it| &it.conf), str::to_owned, &mut comparison);
        comparison
    }

    /// Whether its device's name says that it was made under another prefix than `after` is: then all is made anew.
    fn has_another_prefix(&self, after: &Self) -> bool {
        match &*after.prefix {
            "" => self.device != after.device && self.device.ends_with(&after.device),
            prefix => !self.device.starts_with(prefix),
        }
    }

    /// Ops that make it or bring it from `before` to this.
    pub fn lower_to(&self, before: Option<&Self>, steps: &mut Steps<'_>) {
        let address = self.address();
        let Some(link) = steps.link(&address, &self.netns, &self.device) else { return };
        match before {
            None => self.lower_create(&link, steps),
            Some(before) => self.lower_update(before, &link, steps),
        }
        let falls = before.is_some_and(|it| it.up) && !self.up;
        let holder = Holder { address: &address, netns: &self.netns, link: &link, stage: Stage::BridgeUp, falls };
        self.addresses.lower(before.map(|it| &it.addresses), &holder, steps);
        self.lower_ports(before, &link, steps);
        let names = (before.map_or(&*self.device, |it| &*it.device), &*self.device);
        self.conf.lower(names, before.map(|it| &it.conf), (&self.netns, &address), steps);
        for (path, value) in &self.sysctls {
            if before.and_then(|it| it.sysctls.get(path)) != Some(value) {
                let op = Op::SysctlSet { key: path.clone(), value: value.clone() };
                // Before it goes up: `accept_dad` means nothing afterwards.
                let stage = if before.is_none() { Stage::Configure } else { Stage::LinkSysctl };
                steps.push(stage, &self.netns, &address, op);
            }
        }
    }

    fn lower_create(&self, link: &LinkRef, steps: &mut Steps<'_>) {
        let address = self.address();
        let Ok(name) = self.device.parse::<IfName>() else { return };
        let create = Op::BridgeCreate {
            index: link.index,
            name,
            mac: self.mac,
            mtu: self.mtu,
            stp: Some(self.stp),
            ageing_time: Some(self.ageing_time),
        };
        steps.push(Stage::Bridge, &self.netns, &address, create);
        let mark = Mark::new(steps.topology, &address).to_string();
        let marked = LinkChange { alias: Some(mark), group: Some(0), ..LinkChange::default() };
        steps.push(Stage::Bridge, &self.netns, &address, Op::LinkSet { link: link.clone(), change: marked });
        if self.up {
            steps.push(Stage::BridgeUp, &self.netns, &address, Op::BridgeUp { link: link.clone() });
        }
    }

    fn lower_update(&self, before: &Self, link: &LinkRef, steps: &mut Steps<'_>) {
        let address = self.address();
        if before.device != self.device {
            rename::lower(&address, &self.netns, link.index, (&before.device, &self.device), steps);
        }
        let change = LinkChange {
            alias: (before.label != self.label).then(|| Mark::new(steps.topology, &address).to_string()),
            group: before.label.is_empty().then_some(0),
            mac: self.mac.filter(|_| before.mac != self.mac),
            mtu: self.mtu.filter(|_| before.mtu != self.mtu),
            up: (before.up != self.up).then_some(self.up),
            stp: (before.stp != self.stp).then_some(self.stp),
            ageing_time: (before.ageing_time != self.ageing_time).then_some(self.ageing_time),
            ..LinkChange::default()
        };
        if change != LinkChange::default() {
            steps.push(Stage::BridgeUp, &self.netns, &address, Op::LinkSet { link: link.clone(), change });
        }
    }

    /// NICs that become ports, and those that are given back.
    fn lower_ports(&self, before: Option<&Self>, bridge: &LinkRef, steps: &mut Steps<'_>) {
        let address = self.address();
        let none = BTreeSet::new();
        let has = before.map_or(&none, |it| &it.ports);
        for name in self.ports.difference(has) {
            let Some(link) = steps.link(&address, &self.netns, name) else { continue };
            let op = match &self.netns {
                Netns::Host => {
                    let host = steps.snapshot.namespaces.get(&Netns::Host);
                    let master = host.and_then(|host| host.link_at(host.link(name)?.master?));
                    // It may be a bridge of ours that is made anew.
                    let before = match steps.snapshot.borrowed.get(&port_key(name)) {
                        Some(record) => record.before.clone(),
                        None => master.map(|master| master.name.clone()),
                    };
                    Op::PortBorrow { link, master: bridge.index, before, user: steps.topology.clone() }
                }
                Netns::Named(_) => {
                    Op::LinkSet { link, change: LinkChange { master: Some(bridge.index), ..LinkChange::default() } }
                }
            };
            steps.push(Stage::Configure, &self.netns, &address, op);
        }
        for name in has.difference(&self.ports) {
            self.lower_port_back(name, steps);
        }
    }

    fn lower_port_back(&self, name: &str, steps: &mut Steps<'_>) {
        let address = self.address();
        let Some(index) = steps.index(&self.netns, name) else { return };
        let link = LinkRef { index, name: name.to_owned() };
        let op = match &self.netns {
            Netns::Host => Op::PortGiveBack { link, user: steps.topology.clone() },
            Netns::Named(_) => Op::LinkSet { link, change: LinkChange { master: Some(0), ..LinkChange::default() } },
        };
        steps.push(Stage::Withdraw, &self.netns, &address, op);
    }

    /// Ops that remove it. With `ports_move`, links that stay are on their way to another bridge: it goes after them.
    pub fn lower_away(&self, ports_move: bool, steps: &mut Steps<'_>) {
        let address = self.address();
        let state = steps.snapshot.namespaces.get(&self.netns);
        let Some(index) = state.and_then(|state| state.link(&self.device)).map(|link| link.index) else { return };
        for name in &self.ports {
            self.lower_port_back(name, steps);
        }
        let link = LinkRef { index, name: self.device.clone() };
        let stage = if ports_move { Stage::BridgeDelete } else { Stage::Unlink };
        steps.push(Stage::DropLink, &self.netns, &address, Op::LinkDelete { link: link.clone() });
        steps.part(stage, &self.netns, &address, link);
    }
}

/// The label of a bridge that is `topology`'s: by its mark, or because it stands where `like` should, in a namespace
/// of ours, which is ours whole, or as one that a run made and was killed before it could mark it.
fn label_of(link: &LinkState, state: &NetnsState, topology: &TopologyName, like: Option<&Bridge>) -> Option<String> {
    match link.mark() {
        Some(mark) if mark.topology == *topology && mark.address.kind() == KindName::Bridge => {
            Some(mark.address.rest().to_owned())
        }
        Some(_) => None,
        None => {
            let inside_ours = state.is_of(topology);
            // An empty label differs from the wanted one, so that the mark is put back.
            ((inside_ours || link.group == MARK_GROUP) && like.is_some()).then(String::new)
        }
    }
}
