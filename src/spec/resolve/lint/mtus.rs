//! MTUs that differ on one network: what is too large for the way is dropped there, and nobody is told.

use std::{collections::BTreeMap, fmt};

use super::Lab;
use crate::{
    model::{Diagnostic, Label, Span, Spanned},
    spec::{
        file,
        resolve::{
            links::bridge_label,
            mtu,
            networks::Network,
            scope::{Scope, What},
        },
    },
};

/// A device with its MTU.
#[derive(Debug, Clone, Copy)]
struct Device<'a> {
    /// Whose it is: a namespace, or the bridge that it is a port of; `None` for a bridge itself.
    of: Option<&'a Label>,
    name: &'a str,
    mtu: u32,
    span: Span,
    by_default: bool,
}

/// The device that sends the largest packets on a network, and the one that takes the least.
#[derive(Debug, Default)]
struct Extremes<'a> {
    sends: Option<Device<'a>>,
    takes: Option<Device<'a>>,
}

impl<'a> Extremes<'a> {
    fn add(&mut self, device: Device<'a>, sends: bool) {
        if sends && self.sends.is_none_or(|most| device.mtu > most.mtu) {
            self.sends = Some(device);
        }
        if self.takes.is_none_or(|least| device.mtu < least.mtu) {
            self.takes = Some(device);
        }
    }
}

impl fmt::Display for Device<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Some(label) => write!(f, "{label}:{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

pub fn check(lab: &Lab<'_>) -> Vec<Diagnostic> {
    let mut networks: BTreeMap<Network, Extremes<'_>> = BTreeMap::new();
    let all = lab.scope.interfaces.iter().flat_map(|(label, list)| list.iter().map(move |it| (label, it)));
    let up = all.filter(|(_, it)| it.up);
    let (ends, ports): (Vec<_>, Vec<_>) = up.partition(|(_, it)| matches!(it.what, What::End(_)));
    // Of an end and a port that take as little, the end is named.
    for (label, interface) in ends.into_iter().chain(ports) {
        let (What::End(id) | What::Port(id, _)) = &interface.what else { continue };
        let link = lab.scope.file.links.get(id.0);
        let end = link.and_then(|link| Some((link, link.endpoints.get(id.1)?)));
        let (Some((link, end)), Some(network)) = (end, lab.networks.of_end(*id)) else { continue };
        let written = end.mtu.as_ref().or(link.mtu.as_ref());
        let device = Device {
            of: match &interface.what {
                What::Port(_, bridge) => Some(bridge),
                What::End(_) | What::Bridge(_) | What::Loopback => Some(label),
            },
            name: &interface.name,
            mtu: mtu::of_end(link, end),
            span: written.map_or(interface.span, |mtu| mtu.span),
            by_default: written.is_none(),
        };
        networks.entry(network).or_default().add(device, matches!(interface.what, What::End(_)));
    }
    let mut least_of_ports = BTreeMap::new();
    for link in &lab.scope.file.links {
        for end in &link.endpoints {
            let Some(bridge) = bridge_label(end) else { continue };
            let mtu = mtu::of_end(link, end);
            least_of_ports.entry(bridge).and_modify(|least: &mut u32| *least = mtu.min(*least)).or_insert(mtu);
        }
    }
    for (label, bridge) in &lab.scope.file.bridges {
        let segment = lab.scope.segment_of_bridge.get(&label.value).map(|segment| lab.networks.of(*segment));
        let (Some(network), Some(device)) = (segment, of_bridge(lab.scope, label, bridge, &least_of_ports)) else {
            continue;
        };
        // A bridge passes on what its ports take, whatever its own MTU: that is for what it sends itself.
        networks.entry(network).or_default().add(device, true);
    }
    networks.into_values().filter_map(warning).collect()
}

/// A bridge that has addresses, so that it sends itself.
fn of_bridge<'a>(
    scope: &Scope<'_>,
    label: &'a Spanned<Label>,
    bridge: &file::Bridge,
    least_of_ports: &BTreeMap<&Label, u32>,
) -> Option<Device<'a>> {
    let is_up = bridge.up.as_ref().is_none_or(|up| up.value);
    let speaks = is_up && bridge.addresses.as_ref().is_some_and(|list| !list.is_empty());
    let written = bridge.mtu.as_ref();
    let known = bridge.ports.is_empty() && scope.gaps.knows(label);
    let mtu = match written {
        Some(mtu) => mtu.value,
        None if known => *least_of_ports.get(&label.value)?,
        None => return None,
    };
    let span = written.map_or(label.span, |mtu| mtu.span);
    speaks.then(|| Device { of: None, name: label.as_str(), mtu, span, by_default: written.is_none() })
}

fn warning(extremes: Extremes<'_>) -> Option<Diagnostic> {
    let (sends, takes) = (extremes.sends?, extremes.takes?);
    if sends.mtu <= takes.mtu {
        return None;
    }
    let by_default = |device: &Device<'_>| if device.by_default { " by default" } else { "" };
    let what = format!("MTUs differ on one segment: `{}` has {}, and `{}` has {}", sends, sends.mtu, takes, takes.mtu);
    let warning = Diagnostic::warning("mtu::differs", what)
        .at(takes.span, format!("takes {} bytes{}", takes.mtu, by_default(&takes)))
        .at(sends.span, format!("sends up to {}{}", sends.mtu, by_default(&sends)))
        .help("larger packets are dropped on the way without a word: give every end of the segment, and every port, one `mtu`");
    Some(warning)
}
