//! Wanted tables against live ones: what is missing, what is too much, and whose it is.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    compose::Composed,
    foreign::foreign_verdicts,
    names::{ChainKind, own_chain, own_jump},
    owner::owner_of,
    script::{find, has_ours, place},
    taken::taken_ports,
};
use crate::model::{
    Address, Diagnostic,
    iptables::is_builtin,
    snapshot::{Chain, Family, Table, TableName, Variant},
};

/// How a live table differs from the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DriftKind {
    /// A chain of ours is not there.
    ChainMissing,
    /// A chain of ours is there, and not wanted.
    ChainExtra,
    /// A jump is not there.
    JumpMissing,
    /// A jump of ours is there, and not wanted, or is there twice.
    JumpExtra,
    /// A rule is not there.
    RuleMissing,
    /// A rule is in one of our chains, and not wanted.
    RuleExtra,
    /// A rule is there, but not in its order.
    RuleMoved,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What it is.
    pub kind: DriftKind,
    /// The resource that it is about.
    pub address: Address,
    /// In which packet filter.
    pub variant: Variant,
    /// IPv4 or IPv6.
    pub family: Family,
    /// In which table.
    pub table: TableName,
    /// In which chain.
    pub chain: String,
    /// The rule as the tools print it; empty for a chain.
    pub rule: String,
}

/// How much of one resource is live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceDrift {
    /// How many rules (for `firewall.NS` chains and jumps too) are wanted.
    pub wanted: usize,
    /// How many of them are missing.
    pub missing: usize,
    /// How many are there that are not wanted.
    pub extra: usize,
    /// How many are not in their order.
    pub moved: usize,
}

/// What a resource's rules amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Wanted, and nothing of it is live.
    Absent,
    /// As wanted.
    Same,
    /// Wanted, and live with differences.
    Differs,
    /// Live, and not wanted.
    Unwanted,
}

impl ResourceDrift {
    /// What it amounts to.
    pub fn presence(&self) -> Presence {
        match self {
            Self { wanted: 0, .. } => Presence::Unwanted,
            Self { missing: 0, extra: 0, moved: 0, .. } => Presence::Same,
            Self { wanted, missing, extra: 0, .. } if wanted == missing => Presence::Absent,
            _ => Presence::Differs,
        }
    }
}

/// The whole comparison of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Every difference.
    pub drifts: Vec<Drift>,
    /// Every resource that has wanted or live rules.
    pub resources: BTreeMap<Address, ResourceDrift>,
    /// Foreign rules that undo what ours do: warnings, since they are not ours to change; and ports that somebody else
    /// publishes, which is an error where our forward is still to be made.
    pub findings: Vec<Diagnostic>,
    /// The forwards whose ports somebody else's rules publish: said in the findings.
    pub published: BTreeSet<Address>,
}

impl Comparison {
    /// Whether the live tables are as wanted.
    pub fn is_same(&self) -> bool {
        self.drifts.is_empty()
    }

    fn want(&mut self, address: Address) {
        self.resources.entry(address).or_default().wanted += 1;
    }

    fn drift(&mut self, drift: Drift) {
        let resource = self.resources.entry(drift.address.clone()).or_default();
        match drift.kind {
            DriftKind::ChainMissing | DriftKind::JumpMissing | DriftKind::RuleMissing => resource.missing += 1,
            DriftKind::ChainExtra | DriftKind::JumpExtra | DriftKind::RuleExtra => resource.extra += 1,
            DriftKind::RuleMoved => resource.moved += 1,
        }
        self.drifts.push(drift);
    }
}

/// Compares. `canonical` is `composed.tables` as this machine's tools print them.
pub fn compare(
    composed: &Composed,
    canonical: &[Table],
    live: &[(Variant, Table)],
    default_variant: Option<Variant>,
) -> Comparison {
    let mut comparison = Comparison::default();
    let placed = place(&composed.topology, canonical, live, default_variant);
    for (variant, table) in &placed {
        let scene = Scene { composed, variant: *variant, family: table.family, table: table.name };
        scene.compare(table, find(live, *variant, table.family, table.name), &mut comparison);
    }
    for (variant, table) in live.iter().filter(|(_, table)| has_ours(&composed.topology, table)) {
        if !placed.iter().any(|(v, t)| v == variant && t.family == table.family && t.name == table.name) {
            let scene = Scene { composed, variant: *variant, family: table.family, table: table.name };
            let nothing = Table { family: table.family, name: table.name, chains: Vec::new() };
            scene.compare(&nothing, Some(table), &mut comparison);
        }
    }
    comparison.findings = foreign_verdicts(composed, canonical, live);
    let is_missing = |address: &Address| comparison.resources.get(address).is_some_and(|drift| drift.missing > 0);
    for (address, finding) in taken_ports(composed, live, is_missing) {
        comparison.published.insert(address);
        comparison.findings.push(finding);
    }
    comparison
}

/// The table that is being compared.
struct Scene<'a> {
    composed: &'a Composed,
    variant: Variant,
    family: Family,
    table: TableName,
}

impl Scene<'_> {
    fn compare(&self, wanted: &Table, live: Option<&Table>, comparison: &mut Comparison) {
        for chain in &wanted.chains {
            let there = live.and_then(|table| table.chain(&chain.name));
            match own_chain(&self.composed.topology, self.table, &chain.name) {
                Some(kind) => self.compare_chain(kind, chain, there, comparison),
                None => self.compare_jumps(chain, there, comparison),
            }
        }
        for chain in live.into_iter().flat_map(|table| &table.chains) {
            let wanted = wanted.chain(&chain.name);
            match own_chain(&self.composed.topology, self.table, &chain.name) {
                Some(kind) if wanted.is_none() => self.extra_chain(kind, chain, comparison),
                Some(_) => {}
                None => self.extra_jumps(chain, wanted, comparison),
            }
        }
    }

    fn compare_chain(&self, kind: ChainKind, wanted: &Chain, live: Option<&Chain>, comparison: &mut Comparison) {
        comparison.want(self.composed.firewall());
        for index in 0..wanted.rules.len() {
            comparison.want(self.composed.owner(self.family, kind, index));
        }
        if live.is_none() {
            let address = self.composed.firewall();
            comparison.drift(self.drift(DriftKind::ChainMissing, address, &wanted.name, ""));
        }
        let there = live.map_or(&[][..], |live| live.rules.as_slice());
        let (missing, extra) = differences(&wanted.rules, there);
        // What is on both sides has only changed its place.
        let mut displaced: HashMap<&str, usize> = HashMap::default();
        for index in &extra {
            *displaced.entry(&there[*index]).or_default() += 1;
        }
        let mut moved: HashMap<&str, usize> = HashMap::default();
        for index in missing {
            let rule = wanted.rules[index].as_str();
            let address = self.composed.owner(self.family, kind, index);
            let kind = match displaced.get_mut(rule).filter(|count| **count > 0) {
                Some(count) => {
                    *count -= 1;
                    *moved.entry(rule).or_default() += 1;
                    DriftKind::RuleMoved
                }
                None => DriftKind::RuleMissing,
            };
            comparison.drift(self.drift(kind, address, &wanted.name, rule));
        }
        for index in extra {
            let rule = there[index].as_str();
            match moved.get_mut(rule).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => comparison.drift(self.extra_rule(kind, &wanted.name, rule)),
            }
        }
    }

    fn compare_jumps(&self, wanted: &Chain, live: Option<&Chain>, comparison: &mut Comparison) {
        let ours = wanted.rules.iter().filter(|rule| own_jump(&self.composed.topology, self.table, rule));
        for rule in ours {
            comparison.want(self.composed.firewall());
            if live.is_none_or(|live| !live.rules.contains(rule)) {
                let address = self.composed.firewall();
                comparison.drift(self.drift(DriftKind::JumpMissing, address, &wanted.name, rule));
            }
        }
    }

    fn extra_jumps(&self, live: &Chain, wanted: Option<&Chain>, comparison: &mut Comparison) {
        for (place, rule) in live.rules.iter().enumerate() {
            if !own_jump(&self.composed.topology, self.table, rule) {
                continue;
            }
            let wanted = is_builtin(&live.name) && wanted.is_some_and(|wanted| wanted.rules.contains(rule));
            if !wanted || live.rules[..place].contains(rule) {
                let address = self.composed.firewall();
                comparison.drift(self.drift(DriftKind::JumpExtra, address, &live.name, rule));
            }
        }
    }

    fn extra_chain(&self, kind: ChainKind, live: &Chain, comparison: &mut Comparison) {
        comparison.drift(self.drift(DriftKind::ChainExtra, self.composed.firewall(), &live.name, ""));
        for rule in &live.rules {
            comparison.drift(self.extra_rule(kind, &live.name, rule));
        }
    }

    fn extra_rule(&self, kind: ChainKind, chain: &str, rule: &str) -> Drift {
        let owner = owner_of(self.family, kind, rule);
        let address = owner.map_or_else(|| self.composed.firewall(), |owner| owner.address(self.composed));
        self.drift(DriftKind::RuleExtra, address, chain, rule)
    }

    fn drift(&self, kind: DriftKind, address: Address, chain: &str, rule: &str) -> Drift {
        let Self { variant, family, table, .. } = *self;
        Drift { kind, address, variant, family, table, chain: chain.to_owned(), rule: rule.to_owned() }
    }
}

/// The places of what only `wanted` has and of what only `live` has, by the longest part that they share.
fn differences(wanted: &[String], live: &[String]) -> (Vec<usize>, Vec<usize>) {
    let (mut missing, mut extra) = (Vec::new(), Vec::new());
    if wanted == live {
        return (missing, extra);
    }
    for op in capture_diff_slices(Algorithm::Myers, wanted, live) {
        if !matches!(op, DiffOp::Equal { .. }) {
            missing.extend(op.old_range());
            extra.extend(op.new_range());
        }
    }
    (missing, extra)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
