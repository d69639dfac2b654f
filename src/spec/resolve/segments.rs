//! What cannot be, or can hardly be meant, of bridges and subnets as a whole.

use foldhash::HashMap;
use ipnet::IpNet;

use super::scope::{Scope, What};
use crate::model::{Diagnostic, Label, Span};

/// Loops of bridges, ports that cannot be ports, and subnets of one namespace that overlap.
pub fn check(scope: &mut Scope<'_>) {
    let mut found = loops(scope);
    found.extend(ports(scope));
    found.extend(overlaps(scope));
    found.into_iter().for_each(|diagnostic| scope.error(diagnostic));
}

/// Frames go round a loop of bridges for ever, unless the spanning tree protocol cuts it.
fn loops(scope: &Scope<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut roots: HashMap<&Label, &Label> = HashMap::default();
    for link in &scope.file.links {
        let ends = link.endpoints.iter();
        let mut ends = ends
            .filter_map(|end| super::links::bridge_label(&end.value))
            .filter(|label| scope.bridges.contains_key(*label));
        let (Some(a), Some(b)) = (ends.next(), ends.next()) else { continue };
        // A bridge that speaks STP cuts every loop that it is in: those that do not pass its frames on.
        let cuts = |bridge: &Label| stp(scope, bridge) || !scope.gaps.knows(bridge);
        let is_down = link.endpoints.iter().any(|end| end.up.as_ref().is_some_and(|up| !up.value));
        if is_down || cuts(a) || cuts(b) {
            continue;
        }
        let help = "take one link away, or turn `stp` on for a bridge of the loop";
        if a == b {
            let what = format!("both ends of this link are ports of the bridge `{a}`");
            let error = Diagnostic::error("bridge::loop", what).at(link.span, "frames would go round for ever");
            found.push(error.help(help));
            continue;
        }
        let (a, b) = (root(&mut roots, a), root(&mut roots, b));
        if a == b {
            let what = "this link closes a loop of bridges";
            let warning = Diagnostic::warning("bridge::loop", what).at(link.span, "frames go round it for ever");
            found.push(warning.help(help));
        } else {
            roots.insert(a, b);
        }
    }
    found
}

/// The bridge that stands for all that are joined to one. The way to it is halved for whoever comes next.
fn root<'a>(roots: &mut HashMap<&'a Label, &'a Label>, mut label: &'a Label) -> &'a Label {
    while let Some(next) = roots.get(label).copied() {
        if let Some(after) = roots.get(next).copied() {
            roots.insert(label, after);
        }
        label = next;
    }
    label
}

/// Whether a bridge speaks the spanning tree protocol, or may: somebody else's is not known.
fn stp(scope: &Scope<'_>, label: &Label) -> bool {
    let is_on = |it: &Option<crate::model::Spanned<bool>>| it.as_ref().is_some_and(|it| it.value);
    scope.bridge_spec(label).is_some_and(|bridge| is_on(&bridge.stp) || is_on(&bridge.external))
}

/// `ports` names devices that are there already, each for one bridge.
fn ports(scope: &Scope<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut seen: HashMap<(Label, &str), Span> = HashMap::default();
    for bridge in scope.file.bridges.values() {
        let namespace = bridge.namespace.as_ref().map_or_else(Scope::host, |it| it.value.clone());
        for port in &bridge.ports {
            let name = port.value.as_str();
            let made = scope.at_device(&namespace, name);
            let error = |what: String| Diagnostic::error("bridge::port", what).at(port.span, "not a port");
            match made.map(|it| &it.what) {
                _ if name == "lo" => {
                    let help = "`ports` takes devices that speak Ethernet";
                    found.push(error("`lo` cannot be a port of a bridge".into()).help(help));
                }
                Some(What::End(_) | What::Port(..)) => {
                    let help = "write the bridge as an end of that link, and its device as the `interface` of that end";
                    found.push(error(format!("`{name}` is made by a link of this file")).help(help));
                }
                Some(What::Bridge(_)) => {
                    let ends = scope.pair(port.span, "endpoints", vec!["BRIDGE", "BRIDGE"]);
                    let help = format!("join two bridges by a link: {ends}");
                    found.push(error(format!("`{name}` is a bridge of this file")).help(help));
                }
                Some(What::Loopback) | None => {}
            }
            if let Some(first) = seen.insert((namespace.clone(), name), port.span) {
                let error = Diagnostic::error("bridge::port_twice", format!("`{name}` is to be a port twice"))
                    .at(port.span, "the second time")
                    .at(first, "the first time");
                found.push(error.help("a device is a port of one bridge"));
            }
        }
    }
    found
}

/// Of two interfaces of a namespace with overlapping subnets, the kernel reaches what is on one only.
fn overlaps(scope: &Scope<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for label in scope.namespaces.keys() {
        let of = |(at, it): (usize, &'_ super::scope::Interface)| {
            let nets = it.addresses.iter().filter(|net| net.prefix_len() < net.max_prefix_len() && !is_link_local(net));
            nets.map(|net| (net.trunc(), at)).collect::<Vec<_>>()
        };
        let interfaces = scope.of(label);
        let mut nets: Vec<(IpNet, usize)> = interfaces.iter().enumerate().flat_map(of).collect();
        // Sorted, a network comes right before those within it.
        nets.sort();
        let mut outer: Option<(IpNet, usize)> = None;
        for (net, at) in nets {
            match outer.filter(|(outer, _)| outer.contains(&net)) {
                Some((around, holder)) if holder != at => {
                    let (one, other) = (&interfaces[at], &interfaces[holder]);
                    if one.segment.is_some() && one.segment == other.segment {
                        // By either it is the same neighbours.
                        continue;
                    }
                    let what = format!(
                        "the subnet {net} of `{}` overlaps {around} of `{}` in `{label}`",
                        one.name, other.name
                    );
                    let warning = Diagnostic::warning("address::overlap", what)
                        .at(one.span, net.to_string())
                        .at(other.span, around.to_string());
                    let help = match net == around {
                        true => "the kernel reaches what is on one of them only; take another subnet",
                        false => {
                            "neighbours on the wider one take what is on the narrower one for theirs, and ask for it in \
                             vain; take another subnet"
                        }
                    };
                    found.push(warning.help(help));
                }
                Some(_) => {}
                None => outer = Some((net, at)),
            }
        }
    }
    found
}

/// Whether an address is of use on its own link only.
pub fn is_link_local(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.addr().segments()[0] & 0xffc0 == 0xfe80)
}
