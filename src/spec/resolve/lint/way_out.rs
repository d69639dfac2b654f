//! A range that is translated on its way out, and nobody in it has a way out.

use std::net::IpAddr;

use super::{Index, Lab};
use crate::{
    model::{Diagnostic, Label, Span, Spanned, snapshot::Family},
    spec::{
        file::{Nat, NatRule},
        resolve::{HOST, scope::What},
    },
};

pub fn check(lab: &Lab<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    let all = lab.scope.interfaces.iter().flat_map(|(label, list)| list.iter().map(move |it| (label, it)));
    let ends = all.filter(|(label, it)| label.as_str() != HOST && !matches!(it.what, What::Loopback));
    let mut addresses: Vec<(IpAddr, &Label, Span)> =
        ends.flat_map(|(label, it)| it.addresses.iter().map(move |net| (net.addr(), label, it.span))).collect();
    addresses.sort();
    lab.scope.file.nat.iter().filter_map(|rule| one(lab, index, rule, &addresses)).collect()
}

fn one(
    lab: &Lab<'_>,
    index: &Index<'_>,
    rule: &Spanned<Nat>,
    addresses: &[(IpAddr, &Label, Span)],
) -> Option<Diagnostic> {
    let (NatRule::Masquerade(range) | NatRule::Snat(range, _)) = &rule.rule else { return None };
    let family = Family::of(range.addr());
    let from = addresses.partition_point(|(address, ..)| *address < range.network());
    let to = addresses.partition_point(|(address, ..)| *address <= range.broadcast());
    let translator = rule.namespace.as_ref().map_or(HOST, |label| label.as_str());
    let inside = addresses.get(from..to)?.iter().filter(|(_, label, _)| label.as_str() != translator);
    let has_way =
        |label: &Label| !lab.scope.gaps.knows_routes(label) || index.routed.contains(&(lab.scope.netns(label), family));
    let (address, label, span) = inside.clone().next()?;
    if inside.clone().any(|(_, label, _)| has_way(label)) {
        return None;
    }
    let warning = Diagnostic::warning("gateway::missing", format!("nobody in {} has a way out", range.value))
        .at(range.span, "nothing comes from there")
        .at(*span, format!("`{label}`, {address}, has no route beyond its own subnets"))
        .help("make the bridge or interface that they go out by a gateway, or give them default routes");
    Some(warning)
}
