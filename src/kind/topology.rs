//! A topology: a file with every name looked up and every rule of the language checked.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::model::{
    Netns, Snapshot, TopologyName,
    snapshot::{NetnsState, Table, TableName, Variant},
};

use super::{
    bridge::Bridge, check::Check, firewall, gateway::Gateway, host::HostSettings, link::Link, namespace::Namespace,
    route::Route,
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
    pub fn completed(&self, snapshot: &Snapshot) -> Self {
        let mut completed = self.clone();
        for gateway in completed.gateways.iter_mut().filter(|gateway| gateway.addresses.is_empty()) {
            gateway.addresses = live_addresses(snapshot, &gateway.netns, &gateway.device);
            let wanted = std::mem::take(&mut gateway.behind);
            gateway.members = wanted.iter().flat_map(|behind| behind.members(&gateway.addresses)).collect();
            gateway.behind = wanted;
        }
        for (netns, input) in &self.bystanders {
            let needs = snapshot.namespaces.get(netns).is_some_and(stops_bridged_frames);
            if needs {
                completed.firewalls.insert(netns.clone(), input.clone());
            }
        }
        completed
    }
}

/// Whether bridged frames meet the packet filter (`br_netfilter`: 1 in every new namespace), and its policy drops them.
fn stops_bridged_frames(state: &NetnsState) -> bool {
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
    let addresses = state.addresses.iter().filter(|it| it.link == link.index && !it.link_local);
    addresses.map(|it| it.address).collect()
}
