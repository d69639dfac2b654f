//! A range that is translated on its way out, and nobody in it has a way out.

use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::{Index, Lab};
use crate::{
    model::{Diagnostic, Label, Spanned, snapshot::Family},
    spec::{
        file::{Nat, NatRule},
        resolve::{
            HOST,
            scope::{Interface, What},
        },
    },
};

pub fn check(lab: &Lab<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    let all = lab.scope.interfaces.iter().flat_map(|(label, list)| list.iter().map(move |it| (label, it)));
    let ends = all.filter(|(label, it)| label.as_str() != HOST && !matches!(it.what, What::Loopback));
    let each = ends.flat_map(|(label, it)| it.addresses.iter().map(move |net| (net.addr(), label, it)));
    let mut addresses: Vec<Holder<'_>> = each.collect();
    addresses.sort_by_key(|(address, label, _)| (*address, *label));
    lab.scope.file.nat.iter().filter_map(|rule| one(lab, index, rule, &addresses)).collect()
}

/// An address, and whose it is.
type Holder<'a> = (IpAddr, &'a Label, &'a Interface);

fn one(lab: &Lab<'_>, index: &Index<'_>, rule: &Spanned<Nat>, addresses: &[Holder<'_>]) -> Option<Diagnostic> {
    let (NatRule::Masquerade(range) | NatRule::Snat(range, _)) = &rule.rule else { return None };
    let family = Family::of(range.addr());
    let from = addresses.partition_point(|(address, ..)| *address < range.network());
    let to = addresses.partition_point(|(address, ..)| *address <= range.broadcast());
    let translator = translator(rule);
    // Whoever asks for a published port is on a subnet of the translator, and needs no route beyond it.
    let mut published =
        lab.scope.file.port_forwards.iter().map(|it| it.namespace.as_ref().map_or(HOST, |at| at.as_str()));
    if rule.out.is_some() && published.any(|at| at == translator) {
        return None;
    }
    let inside = addresses.get(from..to)?.iter().filter(|(_, label, _)| label.as_str() != translator);
    let has_way =
        |label: &Label| !lab.scope.gaps.knows_routes(label) || index.routed.contains(&(lab.scope.netns(label), family));
    let (address, label, interface) = inside.clone().next()?;
    if inside.clone().any(|(_, label, _)| has_way(label)) {
        return None;
    }
    let way = interface.segment.and_then(|segment| gateway(index, segment, translator));
    let help = match way {
        Some(way) => {
            format!("add {}, or give them default routes", lab.scope.pair(range.span, "gateways", json!([way])))
        }
        None => "give them default routes, or a gateway on their segment".to_owned(),
    };
    let warning = Diagnostic::warning("gateway::missing", format!("nobody in {} has a way out", range.value))
        .at(range.span, "nothing comes from there")
        .at(interface.span, format!("`{label}`, {address}, has no route beyond its own subnets"));
    Some(warning.help(help))
}

/// The namespace whose rule it is.
pub fn translator(rule: &Nat) -> &str {
    rule.namespace.as_ref().map_or(HOST, |label| label.as_str())
}

/// The gateway that `namespace` could be on a segment, as an item of the file.
pub fn gateway(index: &Index<'_>, segment: usize, namespace: &str) -> Option<Json> {
    let on_segment = index.on_segment.get(&segment)?;
    let (label, interface) = on_segment.iter().find(|(label, _)| label.as_str() == namespace)?;
    match &interface.what {
        What::Bridge(bridge) => Some(json!({ "bridge": bridge.as_str() })),
        What::End(_) => Some(json!({ "namespace": label.as_str(), "interface": interface.name })),
        What::Loopback | What::Port(..) => None,
    }
}
