//! A topology: a file with every name looked up and every rule of the language checked.

use std::collections::BTreeMap;

use crate::model::{Netns, TopologyName};

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
    /// What `test` proves.
    pub checks: Vec<Check>,
}
