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
        snapshot::{Family, FirewallState, Table, TableName, Variant},
    },
    op::{Op, table_key},
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
    pub fn join(&mut self, mut other: Self) {
        if self.netns != other.netns {
            // Rules of two namespaces read alike: a gateway whose bridge moves takes one set away and brings the other.
            self.say_where();
            other.say_where();
        }
        let both = (self.presence, other.presence);
        self.presence = if both.0 == both.1 { both.0 } else { Presence::Differs };
        self.before.extend(other.before);
        self.after.extend(other.after);
        self.unchanged += other.unchanged;
    }

    /// Names the namespace in front of every rule.
    fn say_where(&mut self) {
        for rule in self.before.iter_mut().chain(&mut self.after).filter(|rule| !rule.starts_with("in ")) {
            *rule = format!("in {}: {rule}", self.netns);
        }
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
        let mut comparison = firewall::compare(&composed, wanted, &state.live, state.default_variant);
        comparison.findings.extend(firewall::foreign_policies(&composed, wanted, &state.dropping));
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
        self.lower_to(wanted, state, steps);
    }

    /// Ops that take the rules of some resources away and leave the others' (`destroy -target`).
    pub fn lower_without(&self, going: &dyn Fn(&Address) -> bool, state: &FirewallState, steps: &mut Steps<'_>) {
        let stays = |table: &Table, chain: &str, rule: &str| {
            let mut drifts = self.comparison.drifts.iter();
            drifts.any(|drift| {
                let there = drift.family == table.family && drift.table == table.name && drift.chain == chain;
                there && drift.rule == rule && !going(&drift.address)
            })
        };
        let mut wanted: Vec<Table> = Vec::new();
        for (_, table) in &state.live {
            let mut kept = table.clone();
            for chain in &mut kept.chains {
                let name = chain.name.clone();
                chain.rules.retain(|rule| stays(table, &name, rule));
            }
            kept.chains.retain(|chain| !chain.rules.is_empty() || stays(table, &chain.name, ""));
            if !kept.chains.is_empty() && !wanted.contains(&kept) {
                wanted.push(kept);
            }
        }
        self.lower_to(&wanted, state, steps);
    }

    fn lower_to(&self, wanted: &[Table], state: &FirewallState, steps: &mut Steps<'_>) {
        let address = self.composed.firewall();
        let stage = if wanted.is_empty() { Stage::FirewallRemove } else { Stage::Firewall };
        let scripts = firewall::scripts(&self.composed.topology, wanted, &state.live, state.default_variant);
        // Those that are loaded next to each other are loaded together.
        let (mut borrowed, mut loads, mut given_back) = (Vec::new(), Vec::new(), Vec::new());
        for script in scripts {
            let (variant, family, table) = (script.variant, script.family, script.table);
            let stays = wanted.iter().any(|it| it.family == family && it.name == table);
            let user = self.composed.topology.clone();
            if variant == Variant::Nft && self.netns == Netns::Host {
                if !stays {
                    given_back.push(Op::TableGiveBack { family, table, user });
                } else if self.borrows(family, table, state, steps) {
                    borrowed.push(Op::TableBorrow { family, table, user });
                }
            }
            loads.push(script);
        }
        // The order of tables of one packet filter and family stays.
        loads.sort_by_key(|script| (script.variant, script.family));
        let loads = loads.into_iter().map(firewall::Script::op);
        for op in borrowed.into_iter().chain(loads).chain(given_back) {
            steps.push(stage, &self.netns, &address, op);
        }
        let snapshot = steps.snapshot;
        let addresses = |device: &str| {
            let state = snapshot.namespaces.get(&self.netns);
            let link = state.and_then(|state| Some((state, state.link(device)?)));
            let all = link.into_iter().flat_map(|(state, link)| state.addresses.of(link.index));
            all.map(|it| it.address.addr()).collect()
        };
        let flows = firewall::flows_of_drifts(&self.comparison.drifts, wanted, &addresses);
        if !flows.is_empty() {
            steps.push(Stage::Flows, &self.netns, &address, Op::FlushFlows { flows });
        }
    }
}

impl Filter {
    /// Whether a table of the host is there for netwright's rules alone, and not noted as needed by this topology.
    fn borrows(&self, family: Family, table: TableName, state: &FirewallState, steps: &Steps<'_>) -> bool {
        let live = state.live.iter().any(|(v, t)| *v == Variant::Nft && t.family == family && t.name == table);
        match steps.snapshot.borrowed.get(&table_key(family, table)) {
            Some(record) => !record.users.contains(&self.composed.topology),
            None => !live,
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
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    let table = drift.table.as_str();
    let moved = if drift.kind == DriftKind::RuleMoved { " (out of order)" } else { "" };
    let (chain, rule) = (&drift.chain, &drift.rule);
    match drift.kind {
        DriftKind::ChainMissing | DriftKind::ChainExtra => format!("{tool} -t {table} -N {chain}"),
        // A jump goes before all else, so that a DROP behind it does not meet our traffic.
        DriftKind::JumpMissing | DriftKind::JumpExtra => format!("{tool} -t {table} -I {chain} {rule}"),
        DriftKind::RuleMissing | DriftKind::RuleExtra | DriftKind::RuleMoved => {
            format!("{tool} -t {table} -A {chain} {rule}{moved}")
        }
    }
}
