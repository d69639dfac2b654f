//! What nat rules, port forwards and a namespace's firewall are in the kernel: rules of our own chains, and the jumps
//! to them. Which rules those are is composed in [`super::firewall`]; here they become resources that a plan can count.

use std::collections::BTreeMap;

use super::{
    firewall::{self, Composed, Drift, DriftKind, Input, Presence},
    steps::{Stage, Steps},
};
use crate::{
    model::{
        Address, Netns, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        snapshot::{FirewallState, TableName},
    },
    op::Op,
};

/// The rules of one resource, where they differ and where they do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// The resource.
    pub address: Address,
    /// The namespace that they are in.
    pub netns: Netns,
    /// Whether any, all or none of it is live.
    pub presence: Presence,
    /// Rules that are live and should not be, or not there.
    pub before: Vec<String>,
    /// Rules that should be live and are not, or not there.
    pub after: Vec<String>,
    /// How many are as they should be.
    pub unchanged: usize,
}

impl RuleSet {
    /// Whether this is the namespace's firewall itself: chains and jumps.
    pub fn is_whole(&self) -> bool {
        self.address.kind() == KindName::Firewall
    }

    /// Whether the kernel and the file have it.
    pub fn sides(&self) -> (bool, bool) {
        match self.presence {
            Presence::Absent => (false, true),
            Presence::Same | Presence::Differs => (true, true),
            Presence::Unwanted => (true, false),
        }
    }

    /// Takes in what turns out to be of the same resource: a gateway whose device has another name now.
    pub fn join(&mut self, other: Self) {
        let both = (self.presence, other.presence);
        self.presence = if both.0 == both.1 { both.0 } else { Presence::Differs };
        self.before.extend(other.before);
        self.after.extend(other.after);
        self.unchanged += other.unchanged;
    }

    /// What differs.
    pub fn compare(&self) -> Comparison {
        let mut comparison = Comparison { unchanged: self.unchanged, ..Comparison::default() };
        let list = |rules: &[String]| (!rules.is_empty()).then(|| Value::List(rules.to_vec()));
        comparison.attribute("rules", list(&self.before), list(&self.after));
        comparison
    }
}

/// The packet filter of one namespace, compared.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The namespace.
    pub netns: Netns,
    /// What is wanted.
    pub composed: Composed,
    /// How the live rules differ.
    pub comparison: firewall::Comparison,
}

impl Filter {
    /// Compares what `input` asks for (nothing, where there is none) with what is live in the namespace called `label`.
    pub fn compare(
        topology: &TopologyName,
        label: &str,
        netns: &Netns,
        input: Option<&Input>,
        state: &FirewallState,
    ) -> Self {
        let composed = match input {
            Some(input) => firewall::compose(input),
            None => Composed::nothing(topology.clone(), label),
        };
        let wanted: &[_] = if state.wanted.is_empty() { &composed.tables } else { &state.wanted };
        let comparison = firewall::compare(&composed, wanted, &state.live, state.default_variant);
        Self { netns: netns.clone(), composed, comparison }
    }

    /// Its resources.
    pub fn rule_sets(&self) -> Vec<RuleSet> {
        let mut by_address: BTreeMap<&Address, Vec<&Drift>> = BTreeMap::new();
        for drift in &self.comparison.drifts {
            by_address.entry(&drift.address).or_default().push(drift);
        }
        let mut sets = Vec::new();
        for (address, counted) in &self.comparison.resources {
            let drifts = by_address.get(address).map_or(&[][..], Vec::as_slice);
            let text = |wanted: fn(DriftKind) -> bool| {
                drifts.iter().filter(|drift| wanted(drift.kind)).map(|drift| describe(drift)).collect::<Vec<_>>()
            };
            sets.push(RuleSet {
                address: address.clone(),
                netns: self.netns.clone(),
                presence: counted.presence(),
                before: text(is_before),
                after: text(is_after),
                unchanged: counted.wanted.saturating_sub(counted.missing + counted.moved),
            });
        }
        sets
    }

    /// Ops that make the live rules the wanted ones.
    pub fn lower(&self, state: &FirewallState, steps: &mut Steps<'_>) {
        let wanted: &[_] = if state.wanted.is_empty() { &self.composed.tables } else { &state.wanted };
        let address = self.composed.firewall();
        let stage = if self.composed.tables.is_empty() { Stage::FirewallRemove } else { Stage::Firewall };
        for script in firewall::scripts(&self.composed.topology, wanted, &state.live, state.default_variant) {
            steps.push(stage, &self.netns, &address, script.op());
        }
        let flows = firewall::flows_of_drifts(&self.comparison.drifts);
        if !flows.is_empty() {
            steps.push(Stage::Flows, &self.netns, &address, Op::FlushFlows { flows });
        }
    }
}

fn is_before(kind: DriftKind) -> bool {
    match kind {
        DriftKind::ChainExtra | DriftKind::JumpExtra | DriftKind::RuleExtra | DriftKind::RuleMoved => true,
        DriftKind::ChainMissing | DriftKind::JumpMissing | DriftKind::RuleMissing => false,
    }
}

fn is_after(kind: DriftKind) -> bool {
    match kind {
        DriftKind::ChainMissing | DriftKind::JumpMissing | DriftKind::RuleMissing => true,
        DriftKind::ChainExtra | DriftKind::JumpExtra | DriftKind::RuleExtra | DriftKind::RuleMoved => false,
    }
}

/// A rule with where it is, as an engineer would type it.
fn describe(drift: &Drift) -> String {
    let tool = match drift.family {
        crate::model::snapshot::Family::V4 => "",
        crate::model::snapshot::Family::V6 => "ip6 ",
    };
    let table = match drift.table {
        TableName::Raw => "raw",
        TableName::Filter => "filter",
        TableName::Nat => "nat",
    };
    let moved = if drift.kind == DriftKind::RuleMoved { " (out of order)" } else { "" };
    match drift.rule.is_empty() {
        true => format!("{tool}{table} :{}", drift.chain),
        false => format!("{tool}{table} -A {} {}{moved}", drift.chain, drift.rule),
    }
}
