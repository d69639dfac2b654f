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

/// The forwards of the topology, each with what is to be said, that a rule of another topology, of Docker or of anybody else leads elsewhere. It
/// is an error for a forward that is still to be made, and a warning for one that is there.
pub(super) fn taken_ports(
    composed: &Composed,
    live: &[(Variant, Table)],
    is_missing: impl Fn(&Address) -> bool,
) -> Vec<(Address, Diagnostic)> {
    let ours = publications(composed);
    if ours.is_empty() {
        return Vec::new();
    }
    let mut findings: Vec<(Address, Diagnostic)> = Vec::new();
    for (variant, table) in live.iter().filter(|(_, table)| table.name == TableName::Nat) {
        for way in [Way::Direct, Way::Jump] {
            for (chain, text, rule) in foreign_rules(composed, table, way) {
                for (_, our, address) in
                    ours.iter().filter(|(family, our, _)| *family == table.family && meet(our, &rule))
                {
                    // Where a jump leads, a rule may have said so itself.
                    if way == Way::Jump && findings.iter().any(|(found, _)| found == address) {
                        continue;
                    }
                    let certain = !rule.unknown && !is_narrow(&rule) && way == Way::Direct;
                    let severity = if certain && is_missing(address) { Severity::Error } else { Severity::Warning };
                    let found = finding(composed, (*variant, table.family), chain, text, our, (address, severity));
                    findings.push((address.clone(), found));
                }
            }
        }
    }
    findings
}

/// How a rule gives packets another destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Itself.
    Direct,
    /// By a chain that it sends them to.
    Jump,
}

/// The rules of others that name ports and give packets to those another destination.
fn foreign_rules<'a>(composed: &Composed, table: &'a Table, way: Way) -> Vec<(&'a Chain, &'a String, Rule)> {
    let foreign = |chain: &&Chain| own_chain(&composed.topology, table.name, &chain.name).is_none();
    let rules = table.chains.iter().filter(foreign).flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)));
    let with_ports = rules.filter(|(_, text)| text.contains("--dport"));
    let parsed = with_ports.map(|(chain, text)| (chain, text, Rule::parse(text)));
    let leads = |rule: &Rule| match (way, rule.target.as_deref()) {
        (_, None) => false,
        (Way::Direct, Some(target)) => is_new_destination(target),
        (Way::Jump, Some(target)) => leads_away(table, target, DEPTH),
    };
    parsed.filter(|(_, _, rule)| leads(rule)).collect()
}

/// How far jumps are followed: a Kubernetes service is three deep.
const DEPTH: usize = 5;

fn leads_away(table: &Table, chain: &str, depth: usize) -> bool {
    let Some(chain) = table.chain(chain).filter(|_| depth > 0) else { return false };
    let target = |rule: &String| Rule::parse(rule).target;
    let mut targets = chain.rules.iter().filter_map(target);
    targets.any(|target| is_new_destination(&target) || leads_away(table, &target, depth - 1))
}

fn is_new_destination(target: &str) -> bool {
    matches!(target, "DNAT" | "REDIRECT")
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
    let Some(ours_ports) = ports(ours) else { return false };
    let touches = |(first, last): (u16, u16)| ours_ports.0 <= last && first <= ours_ports.1;
    let same_place = match (&ours.destination, &theirs.destination) {
        (Some(ours), Some(theirs)) => overlap(&ours.value, &theirs.value) != theirs.not,
        (None, _) | (_, None) => true,
    };
    let same_port = ports(theirs).into_iter().chain(theirs.several_ports.iter().copied()).any(touches);
    protocol(ours) == protocol(theirs) && same_port && same_place
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
        None if chain.name.starts_with("KUBE-") => "Kubernetes".to_owned(),
        None if chain.name.starts_with("CNI-") => "a CNI plugin (Kubernetes, Podman)".to_owned(),
        None if chain.name.starts_with("NETAVARK-") => "Podman".to_owned(),
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
