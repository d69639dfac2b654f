//! A hardware address that is written twice on one network.

use foldhash::HashMap;

use super::Lab;
use crate::{
    model::{Diagnostic, Label, Mac, Span},
    spec::resolve::{links::bridge_label, networks::Network, scope::EndId},
};

/// Whose a hardware address is. A bridge and its ports may share one, as the kernel has it where none is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner<'a> {
    Bridge(&'a Label),
    End(EndId),
}

pub fn check(lab: &Lab<'_>) -> Vec<Diagnostic> {
    let scope = lab.scope;
    let mut written: Vec<(Network, Mac, Owner<'_>, Span)> = Vec::new();
    for (label, bridge) in &scope.file.bridges {
        let network = scope.segment_of_bridge.get(&label.value).map(|segment| lab.networks.of(*segment));
        let mac = bridge.mac.as_ref().zip(network);
        written.extend(mac.map(|(mac, network)| (network, mac.value, Owner::Bridge(label), mac.span)));
    }
    for (index, link) in scope.file.links.iter().enumerate() {
        for (which, end) in link.endpoints.iter().enumerate() {
            let Some((mac, network)) = end.mac.as_ref().zip(lab.networks.of_end((index, which))) else { continue };
            let bridge = bridge_label(end).filter(|label| scope.bridges.contains_key(*label));
            let owner = bridge.map_or(Owner::End((index, which)), Owner::Bridge);
            written.push((network, mac.value, owner, mac.span));
        }
    }
    let mut first: HashMap<(Network, Mac), (Owner<'_>, Span)> = HashMap::default();
    let mut found = Vec::new();
    for (network, mac, owner, span) in written {
        let (holder, at) = *first.entry((network, mac)).or_insert((owner, span));
        if holder != owner {
            let error =
                Diagnostic::error("mac::duplicate", format!("the MAC address {mac} is there twice on one segment"))
                    .at(span, "the second time")
                    .at(at, "the first time")
                    .help("frames for either would reach one of them only: change one, or leave `mac` out");
            found.push(error);
        }
    }
    found
}
