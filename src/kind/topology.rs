//! A topology: a file with every name looked up and every rule of the language checked.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use ipnet::IpNet;

use crate::model::{
    Netns, Snapshot, TopologyName,
    snapshot::{NetnsState, Table, TableName, Variant},
};

use super::{
    bridge::Bridge, check::Check, firewall, gateway::Gateway, host::HostSettings, link::Link, made::ByNetns,
    namespace::Namespace, route::Route, sysctl,
};

/// Everything that a file asks for, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// The owner of everything made from it.
    pub name: TopologyName,
    /// What it is for.
    pub description: Option<String>,
    /// What precedes kernel names.
    pub prefix: String,
    /// Namespaces to be made.
    pub namespaces: Vec<Namespace>,
    /// What it borrows of the host; `None` where that is nothing.
    pub host: Option<HostSettings>,
    /// Bridges, ours and external ones.
    pub bridges: Vec<Bridge>,
    /// Veth pairs.
    pub links: Vec<Link>,
    /// Static routes of every namespace.
    pub routes: Vec<Route>,
    /// Gateways.
    pub gateways: Vec<Gateway>,
    /// What the packet filter of each namespace must hold.
    pub firewalls: BTreeMap<Netns, firewall::Input>,
    /// What the packet filter of namespaces with nothing but bridges must hold, should their FORWARD policy be DROP while
    /// bridged frames meet it.
    pub bystanders: BTreeMap<Netns, firewall::Input>,
    /// What `test` proves.
    pub checks: Vec<Check>,
}

impl Topology {
    /// The topology with what only the kernel knows filled in: the addresses of external bridges, by which their
    /// gateways are reached.
    #[must_use]
    pub fn completed(&self, snapshot: &Snapshot) -> Cow<'_, Self> {
        let needs_rules = |netns: &Netns| snapshot.namespaces.get(netns).is_some_and(stops_bridged_frames);
        let is_complete = self.gateways.iter().all(|gateway| !gateway.addresses.is_empty())
            && !self.bystanders.keys().any(needs_rules)
            && snapshot.has_ipv6();
        if is_complete {
            return Cow::Borrowed(self);
        }
        let mut completed = self.clone();
        for gateway in completed.gateways.iter_mut().filter(|gateway| gateway.addresses.is_empty()) {
            gateway.addresses = live_addresses(snapshot, &gateway.netns, &gateway.device);
            let wanted = std::mem::take(&mut gateway.behind);
            gateway.members = wanted.iter().flat_map(|behind| behind.members(&gateway.addresses)).collect();
            gateway.behind = wanted;
        }
        for (netns, input) in &self.bystanders {
            if needs_rules(netns) {
                completed.firewalls.insert(netns.clone(), input.clone());
            }
        }
        if !snapshot.has_ipv6() {
            completed.leave_ipv6();
        }
        Cow::Owned(completed)
    }

    /// Without IPv6 in the kernel, there is nothing to say of how it is set.
    fn leave_ipv6(&mut self) {
        let says = |key: &str| !(key.starts_with("net/ipv6/") && sysctl::is_of_course(key));
        self.namespaces.iter_mut().for_each(|it| it.sysctls.retain(|key, _| says(key)));
        self.host.iter_mut().for_each(|it| it.sysctls.retain(|key, _| says(key)));
        self.host.take_if(|it| it.sysctls.is_empty());
        self.bridges.iter_mut().for_each(|it| it.sysctls.retain(|key, _| says(key)));
        let ends = self.links.iter_mut().flat_map(|link| &mut link.ends).map(|end| &mut end.conf);
        for conf in self.bridges.iter_mut().map(|it| &mut it.conf).chain(ends) {
            (conf.ipv6, conf.accept_dad) = (None, None);
        }
    }

    /// The sysctls that are written in namespaces of the topology, and for bridges in the host too; what is borrowed of the
    /// host is told by its records.
    pub fn sysctls(&self) -> ByNetns {
        let mut all = ByNetns::new();
        let namespaces = self.namespaces.iter().map(|it| (&it.netns, &it.sysctls));
        for (netns, sysctls) in namespaces.chain(self.bridges.iter().map(|it| (&it.netns, &it.sysctls))) {
            all.entry(netns.clone()).or_default().extend(sysctls.keys().cloned());
        }
        all.retain(|_, keys| !keys.is_empty());
        all
    }

    /// Of sysctls that the last apply wrote, those that this topology says nothing of.
    pub fn dropped(&self, written: &ByNetns) -> ByNetns {
        let mut dropped = ByNetns::new();
        for (netns, keys) in written {
            // In most namespaces none but those that follow from other keys are written.
            let keys: BTreeSet<String> = keys.iter().filter(|key| !sysctl::is_decided(key)).cloned().collect();
            if !keys.is_empty() {
                dropped.insert(netns.clone(), keys);
            }
        }
        if !dropped.is_empty() {
            let wanted = self.sysctls();
            dropped.retain(|netns, keys| {
                keys.retain(|key| !wanted.get(netns).is_some_and(|wanted| wanted.contains(key)));
                !keys.is_empty()
            });
        }
        dropped
    }

    /// The topology with what it says nothing of any more as a new namespace has it, on what stays.
    #[must_use]
    pub fn with_defaults(mut self, dropped: &ByNetns, snapshot: &Snapshot) -> Self {
        for (netns, keys) in dropped {
            let Some(state) = snapshot.namespaces.get(netns) else { continue };
            for key in keys {
                // What has gone with its device needs nothing.
                let device = sysctl::interface_of_path(key);
                let there = state.sysctls.get(key).is_some_and(Option::is_some);
                let stays = device.is_none_or(|device| self.keeps(netns, device, state));
                let value = snapshot.fresh.get(&sysctl::of_default(key)).and_then(Option::as_ref);
                let value = value.filter(|_| there && stays);
                let Some(value) = value else { continue };
                let bridge = self.bridges.iter_mut().find(|it| it.netns == *netns && Some(&*it.device) == device);
                let namespace = self.namespaces.iter_mut().find(|it| it.netns == *netns);
                let holder = bridge.map(|it| &mut it.sysctls).or(namespace.map(|it| &mut it.sysctls));
                holder.map(|sysctls| sysctls.insert(key.clone(), value.clone()));
            }
        }
        self
    }

    /// Whether a device that is there stays: as the topology's, or as somebody else's.
    fn keeps(&self, netns: &Netns, device: &str, state: &NetnsState) -> bool {
        self.bridges.iter().any(|it| it.netns == *netns && it.device == device)
            || self.links.iter().any(|it| it.end_at(netns, device).is_some())
            || state.link(device).is_some_and(|link| link.mark().is_none())
    }
}

/// Whether bridged frames meet the packet filter (`br_netfilter`: 1 in every new namespace), and its policy drops them.
pub fn stops_bridged_frames(state: &NetnsState) -> bool {
    let on = |key: &str| state.sysctls.get(key).is_some_and(|value| value.as_deref() == Some("1"));
    let drops = |(_, table): &(Variant, Table)| {
        let forward = table.chain("FORWARD").filter(|_| table.name == TableName::Filter);
        forward.is_some_and(|chain| chain.policy.as_deref() == Some("DROP"))
    };
    BRIDGE_NF.iter().any(|key| on(key)) && state.firewall.live.iter().any(drops)
}

/// The sysctls that lead bridged frames into the packet filter.
pub const BRIDGE_NF: [&str; 2] = ["net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"];

fn live_addresses(snapshot: &Snapshot, netns: &Netns, device: &str) -> Vec<IpNet> {
    let Some(state) = snapshot.namespaces.get(netns) else { return Vec::new() };
    let Some(link) = state.link(device) else { return Vec::new() };
    let addresses = state.addresses.of(link.index).filter(|it| !it.link_local);
    addresses.map(|it| it.address).collect()
}
