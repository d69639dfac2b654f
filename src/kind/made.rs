//! What the last apply of a topology made, as far as that is remembered: with it an edit of the file is told from a
//! change by hand. Ownership does not depend on it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Topology;
use crate::model::{Address, Netns};

/// Names of something, by namespace.
pub type ByNetns = BTreeMap<Netns, BTreeSet<String>>;

/// What one apply made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The resources.
    pub addresses: Vec<Address>,
    /// The sysctls that it wrote in namespaces of its own, to set those back that the next file says nothing of.
    #[serde(default)]
    pub sysctls: ByNetns,
    /// The ends of its links that are ports of bridges; `None` where that is not remembered.
    #[serde(default)]
    pub ports: Option<ByNetns>,
    /// The namespaces whose packet filter it may have loaded rules into; `None` where that is not remembered.
    #[serde(default)]
    pub filters: Option<BTreeSet<Netns>>,
}

/// Nothing remembered.
pub static NOTHING: Made = Made { addresses: Vec::new(), sysctls: BTreeMap::new(), ports: None, filters: None };

impl Made {
    /// What an apply of `topology` made, of which these resources are there.
    pub fn of(topology: &Topology, addresses: Vec<Address>) -> Self {
        let mut ports = ByNetns::new();
        for end in topology.links.iter().flat_map(|link| &link.ends).filter(|end| end.bridge.is_some()) {
            ports.entry(end.netns.clone()).or_default().insert(end.device.clone());
        }
        // What bystanders need is found out by looking at the kernel.
        let filters = Some(topology.firewalls.keys().chain(topology.bystanders.keys()).cloned().collect());
        Self { addresses, sysctls: topology.sysctls(), ports: Some(ports), filters }
    }

    /// Whether a device was made as a port of a bridge; `None` where that is not remembered.
    pub fn was_port(&self, netns: &Netns, device: &str) -> Option<bool> {
        self.ports.as_ref().map(|ports| ports.get(netns).is_some_and(|devices| devices.contains(device)))
    }

    /// This with what an apply before it made, of which not all was to be changed.
    #[must_use]
    pub fn beside(mut self, before: &Self) -> Self {
        for (netns, keys) in &before.sysctls {
            self.sysctls.entry(netns.clone()).or_default().extend(keys.iter().cloned());
        }
        if let (Some(ports), Some(old)) = (&mut self.ports, &before.ports) {
            for (netns, devices) in old {
                ports.entry(netns.clone()).or_default().extend(devices.iter().cloned());
            }
        }
        self.filters = self.filters.zip(before.filters.as_ref()).map(|(filters, old)| &filters | old);
        self
    }
}
