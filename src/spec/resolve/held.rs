//! Who has which address, for people who look for one that is free, or for what was given automatically.

use ipnet::IpNet;

use crate::{
    kind::{Topology, addresses::Addresses, link::Link},
    model::{Label, Span, Spanned},
    spec::file::File,
};

/// One address of the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The namespace, as the file calls it.
    pub namespace: String,
    /// The interface, as the file calls it.
    pub interface: String,
    /// The address.
    pub address: IpNet,
    /// What it is reachable on: a bridge or a link; `None` on a loopback.
    pub segment: Option<String>,
    /// Whether it was given automatically, and stands nowhere in the file.
    pub automatic: bool,
}

/// Every address of a file without errors and of the topology that it gives: bridges first, then links in the file's order, then
/// loopbacks.
pub fn held(file: &File, topology: &Topology) -> Vec<Held> {
    let mut all = Vec::new();
    for bridge in &topology.bridges {
        let label = bridge.label.parse::<Label>().map(|value| Spanned { value, span: Span::default() });
        let spec = label.ok().and_then(|label| file.bridges.get(&label));
        let namespace = spec.and_then(|spec| spec.namespace.as_ref()).map_or("host", |name| name.as_str());
        all.extend(listed(&bridge.addresses).map(|address| Held {
            namespace: namespace.to_owned(),
            interface:
                spec.and_then(|spec| spec.interface.as_ref()).map_or(&*bridge.label, |it| it.as_str()).to_owned(),
            address,
            segment: Some(bridge.label.clone()),
            automatic: false,
        }));
    }
    for (link, written) in topology.links.iter().zip(&file.links) {
        for (index, (end, written)) in link.ends.iter().zip(&written.endpoints).enumerate() {
            let (namespace, interface) = end.label.split_once(':').unwrap_or((&end.label, ""));
            all.extend(listed(&end.addresses).map(|address| Held {
                namespace: namespace.to_owned(),
                interface: interface.to_owned(),
                address,
                segment: Some(segment(link, index)),
                automatic: written.addresses.is_none(),
            }));
        }
    }
    for namespace in &topology.namespaces {
        all.extend(listed(&namespace.addresses).map(|address| Held {
            namespace: namespace.label.clone(),
            interface: "lo".to_owned(),
            address,
            segment: None,
            automatic: false,
        }));
    }
    all
}

/// What an end is on: the bridge that the other end is a port of, else the link itself.
fn segment(link: &Link, end: usize) -> String {
    let other = link.ends.get(1 - end.min(1)).filter(|other| other.bridge.is_some());
    let bridge = other.and_then(|other| other.label.split(':').next());
    bridge.map_or_else(|| format!("link {}", link.name), str::to_owned)
}

fn listed(addresses: &Addresses) -> impl Iterator<Item = IpNet> {
    match addresses {
        Addresses::Exactly(listed) => listed.iter().copied().collect::<Vec<_>>(),
        Addresses::LeftToOthers | Addresses::Seen { .. } => Vec::new(),
    }
    .into_iter()
}
