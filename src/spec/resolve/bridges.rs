//! Bridges: where they live, and what of them follows from the rest of the file.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{
    Rules, mtu, namespaces,
    scope::{Interface, Scope, Segment, What},
};
use crate::{
    kind::{
        addresses::Addresses,
        bridge::{Bridge, DEFAULT_AGEING_TIME},
    },
    model::{Diagnostic, Label, Mac, Spanned, hash::stable_hash, snapshot::Family},
    spec::file,
};

/// A bridge whose names are known.
#[derive(Debug)]
pub struct Entered {
    label: Label,
    namespace: Label,
    device: String,
}

/// Enters every bridge's device and segment.
pub fn enter(scope: &mut Scope<'_>) -> Vec<Entered> {
    let file = scope.file;
    let mut entered = Vec::new();
    for (label, bridge) in &file.bridges {
        let namespace = match &bridge.namespace {
            Some(name) => scope.namespace(name),
            None => Some(Scope::host()),
        };
        let Some(namespace) = namespace else {
            scope.gaps.concern(label);
            bridge.namespace.iter().for_each(|name| scope.concern_meant(name));
            continue;
        };
        let external = bridge.external.as_ref().is_some_and(|it| it.value);
        if external {
            refuse_changes(scope, label, bridge);
        }
        let (name, span) = match &bridge.interface {
            Some(name) => (name.as_str().to_owned(), name.span),
            None => (label.as_str().to_owned(), label.span),
        };
        let device = if external {
            name.parse().map_err(|reason| bad_device(scope, &name, span, &reason)).ok()
        } else {
            scope.device(&namespace, &name, span)
        };
        let Some(device) = device else {
            scope.gaps.concern(label);
            scope.gaps.concern(&namespace);
            continue;
        };
        let own = bridge.addresses.iter().flatten().map(|net| net.value);
        let subnets = subnets(bridge);
        scope.segments.push(Segment { bridge: Some(label.value.clone()), subnets, external });
        let segment = scope.segments.len() - 1;
        scope.segment_of_bridge.insert(label.value.clone(), segment);
        let interface = Interface {
            name: name.clone(),
            device: device.clone(),
            addresses: own.collect(),
            unmanaged: bridge.addresses.as_ref().is_none_or(Vec::is_empty),
            up: bridge.up.as_ref().is_none_or(|it| it.value),
            what: What::Bridge(label.value.clone()),
            segment: Some(segment),
            span,
        };
        scope.enter(&namespace, interface);
        entered.push(Entered { label: label.value.clone(), namespace, device: device.to_string() });
    }
    entered
}

/// Where automatic addresses come from: the bridge's own subnets, and its pools. A single address beside a subnet, as a
/// service may have one, is no subnet that others could be in.
fn subnets(bridge: &file::Bridge) -> Vec<Spanned<IpNet>> {
    let is_single = |net: &IpNet| net.prefix_len() == net.max_prefix_len();
    let own = bridge.addresses.iter().flatten();
    let all = own.clone().chain(bridge.subnets.iter().flatten());
    let wide: Vec<Family> = all.filter(|net| !is_single(net)).map(|net| Family::of(net.addr())).collect();
    let own = own.filter(|net| !is_single(net) || !wide.contains(&Family::of(net.addr())));
    Segment::subnets(own.chain(bridge.subnets.iter().flatten()).copied())
}

fn bad_device(scope: &mut Scope<'_>, name: &str, span: crate::model::Span, reason: &dyn std::fmt::Display) {
    scope.error(
        Diagnostic::error("name::interface", format!("the interface name `{name}` {reason}"))
            .at(span, "this name")
            .help("give the device's name with `interface`"),
    );
}

/// An external bridge is never changed, so what would change it contradicts the word.
fn refuse_changes(scope: &mut Scope<'_>, label: &Spanned<Label>, bridge: &file::Bridge) {
    let written = [
        ("addresses", bridge.addresses.as_ref().and_then(|list| list.first()).map(|it| it.span)),
        ("ports", bridge.ports.first().map(|it| it.span)),
        ("mtu", bridge.mtu.as_ref().map(|it| it.span)),
        ("mac", bridge.mac.as_ref().map(|it| it.span)),
        ("stp", bridge.stp.as_ref().map(|it| it.span)),
        ("ageing_time", bridge.ageing_time.as_ref().map(|it| it.span)),
        ("up", bridge.up.as_ref().map(|it| it.span)),
    ];
    for (key, span) in written.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        scope.error(
            Diagnostic::error(
                "bridge::external",
                format!("`{key}` would change the external bridge `{}`", label.value),
            )
            .at(span, "not for an external bridge")
            .help("an external bridge is somebody else's: members may be plugged in, nothing else of it is touched"),
        );
    }
}

/// The resources. External bridges are none: nothing of them is ours.
pub fn build(scope: &Scope<'_>, entered: &[Entered], rules: &Rules) -> Vec<Bridge> {
    let mut built = Vec::new();
    for Entered { label, namespace, device } in entered {
        let Some(bridge) = scope.bridge_spec(label) else { continue };
        let netns = scope.netns(namespace);
        let addresses = Addresses::wanted(bridge.addresses.iter().flatten().map(|net| net.value));
        let mut sysctls = BTreeMap::new();
        if rules.ignore_ra.get(&netns).is_some_and(|devices| devices.contains(device)) {
            sysctls.insert(format!("net/ipv6/conf/{device}/accept_ra"), "0".to_owned());
        }
        built.push(Bridge {
            label: label.to_string(),
            netns,
            device: device.clone(),
            prefix: if *namespace == Scope::host() { scope.prefix.clone() } else { String::new() },
            external: bridge.external.as_ref().is_some_and(|it| it.value),
            up: bridge.up.as_ref().is_none_or(|it| it.value),
            mtu: mtu::of_bridge(scope, label, bridge),
            mac: Some(bridge.mac.as_ref().map_or_else(|| stable_mac(scope, label.as_str()), |mac| mac.value)),
            stp: bridge.stp.as_ref().is_some_and(|it| it.value),
            ageing_time: bridge.ageing_time.as_ref().map_or(DEFAULT_AGEING_TIME, |it| it.value.saturating_mul(100)),
            addresses,
            ports: bridge.ports.iter().map(|port| port.to_string()).collect(),
            sysctls,
            index: 0,
            conf: namespaces::conf_of(scope, rules, namespace, device),
        });
    }
    built
}

/// A hardware address that a device of the lab keeps from run to run: locally administered, unicast, from the names.
pub fn stable_mac(scope: &Scope<'_>, what: &str) -> Mac {
    let hash = stable_hash(format!("{}/{}{what}", scope.name, scope.prefix).as_bytes());
    let [.., a, b, c, d, e] = hash.to_be_bytes();
    Mac([0x02, a, b, c, d, e])
}
