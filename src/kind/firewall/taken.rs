//! Ports that somebody else publishes already: whoever's jump stands first would silently take them from the other.

use std::str::FromStr;

use super::{
    compose::{Composed, overlap},
    foreign::tool,
    names::{ChainKind, own_chain},
    rule::{Match, Rule},
};
use crate::model::{
    Address, Diagnostic, Severity, TopologyName,
    snapshot::{Chain, Family, Table, TableName, Variant},
};

/// The published ports of the topology that a rule of another topology, of Docker or of anybody else leads elsewhere. It
/// is an error for a forward that is still to be made, and a warning for one that is there.
pub(super) fn taken_ports(
    composed: &Composed,
    live: &[(Variant, Table)],
    is_missing: impl Fn(&Address) -> bool,
) -> Vec<Diagnostic> {
    let ours = publications(composed);
    if ours.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (variant, table) in live.iter().filter(|(_, table)| table.name == TableName::Nat) {
        let foreign = |chain: &&Chain| own_chain(&composed.topology, table.name, &chain.name).is_none();
        for chain in table.chains.iter().filter(foreign) {
            for text in chain.rules.iter().filter(|rule| rule.contains("--dport ")) {
                let rule = Rule::parse(text);
                if !matches!(rule.target.as_deref(), Some("DNAT" | "REDIRECT")) {
                    continue;
                }
                for (_, our, address) in
                    ours.iter().filter(|(family, our, _)| *family == table.family && meet(our, &rule))
                {
                    let certain = !rule.unknown && !is_narrow(&rule);
                    let severity = if certain && is_missing(address) { Severity::Error } else { Severity::Warning };
                    findings.push(finding(composed, (*variant, table.family), chain, text, our, (address, severity)));
                }
            }
        }
    }
    findings
}

fn publications(composed: &Composed) -> Vec<(Family, Rule, Address)> {
    let mut all = Vec::new();
    for table in composed.tables.iter().filter(|table| table.name == TableName::Nat) {
        let dnat = |chain: &&Chain| own_chain(&composed.topology, table.name, &chain.name) == Some(ChainKind::Dnat);
        for chain in table.chains.iter().filter(dnat) {
            for (index, rule) in chain.rules.iter().enumerate() {
                let rule = Rule::parse(rule);
                if rule.ports.is_some() {
                    all.push((table.family, rule, composed.owner(table.family, ChainKind::Dnat, index)));
                }
            }
        }
    }
    all
}

/// Whether a rule is for some senders only, so that it need not meet ours.
fn is_narrow(rule: &Rule) -> bool {
    let named = |m: &Option<Match<String>>| m.as_ref().is_some_and(|m| !m.not);
    named(&rule.input) || named(&rule.output) || rule.source.is_some()
}

fn meet(ours: &Rule, theirs: &Rule) -> bool {
    let protocol = |rule: &Rule| rule.protocol.as_ref().and_then(|m| m.positive().cloned());
    let ports = |rule: &Rule| rule.ports.as_ref().and_then(|m| m.positive().copied());
    let (Some(a), Some(b)) = (ports(ours), ports(theirs)) else { return false };
    let same_place = match (&ours.destination, &theirs.destination) {
        (Some(ours), Some(theirs)) => overlap(&ours.value, &theirs.value) != theirs.not,
        (None, _) | (_, None) => true,
    };
    protocol(ours) == protocol(theirs) && a.0 <= b.1 && b.0 <= a.1 && same_place
}

fn finding(
    composed: &Composed,
    (variant, family): (Variant, Family),
    chain: &Chain,
    text: &str,
    our: &Rule,
    (address, severity): (&Address, Severity),
) -> Diagnostic {
    let holder = match ChainKind::split(&chain.name) {
        Some((_, suffix)) => match TopologyName::from_str(suffix) {
            Ok(name) => format!("the topology {name}"),
            Err(_) => format!("the topology of {}", chain.name),
        },
        None if chain.name.starts_with("DOCKER") => "Docker".to_owned(),
        None => format!("the chain {}", chain.name),
    };
    let protocol = our.protocol.as_ref().map_or("", |m| m.value.as_str());
    let message = format!(
        "the port of {address} is published by {holder} already: `{text}` in {} of {} ({}) leads it elsewhere",
        chain.name,
        composed.namespace,
        tool(variant, family)
    );
    let help = format!("let the forward listen on another {protocol} port, or free this one");
    Diagnostic { severity, ..Diagnostic::error("conflict::port_taken", message) }.help(help)
}
