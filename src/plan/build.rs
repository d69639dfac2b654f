//! Topology and snapshot → the plan and the batches that carry it out. Pure: the same two give the same plan.

use std::{borrow::Cow, collections::BTreeSet};

use foldhash::HashSet;

use super::{Change, FORMAT_VERSION, Finding, Plan, conflicts, lower, machine, shared};
use crate::{
    diff::{self, Choices, Draft},
    kind::{Pair, Topology, firewall::foreign_jumps, made::Made, rules::Filter, sysctl},
    model::{Address, Diagnostic, Netns, Snapshot, TopologyName, address::KindName, event::Action},
    observe,
    op::{Batch, Op},
};

/// A plan with what carries it out.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What is shown and stored.
    pub plan: Plan,
    /// The addresses of what is there of the topology.
    pub there: Vec<Address>,
    /// What is run.
    pub batches: Vec<Batch>,
    /// What is run at the end, when all of that went well: what has been set aside goes.
    pub ends: Vec<Batch>,
    /// Namespaces of which more has to be known for it than what was read ([`ReadRequest::exact`]).
    pub unsure: BTreeSet<Netns>,
}

/// What a plan is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// Whose plan it is.
    pub name: &'a TopologyName,
    /// What is wanted; `None` to remove everything.
    pub topology: Option<&'a Topology>,
    /// What the kernel said.
    pub snapshot: &'a Snapshot,
    /// What the last apply left, where that is remembered.
    pub memo: &'a Made,
    /// What the command line wants beside.
    pub choices: &'a Choices,
}

/// Makes the plan.
pub fn build(inputs: &Inputs<'_>) -> Prepared {
    let completed = inputs.topology.map(|topology| topology.completed(inputs.snapshot));
    let completed = completed.map(|topology| {
        let dropped = topology.dropped(&inputs.memo.sysctls);
        if dropped.is_empty() {
            topology
        } else {
            Cow::Owned(topology.into_owned().with_defaults(&dropped, inputs.snapshot))
        }
    });
    let topology = completed.as_deref();
    let observed = observe::observe(inputs.snapshot, inputs.name, topology, inputs.memo);
    let mut findings = conflicts::find(inputs, topology, &observed);
    findings
        .extend(topology.iter().flat_map(|topology| shared::find(inputs.name, topology, inputs.snapshot, &observed)));
    let unusable = topology.iter().flat_map(|topology| machine::firewalls(topology, inputs.snapshot));
    findings.extend(unusable.map(|diagnostic| Finding::from(&diagnostic)));
    for filter in &observed.filters {
        findings.extend(filter.comparison.findings.iter().map(Finding::from));
        findings.extend(jumps_into(filter, inputs).iter().map(Finding::from));
    }
    let pairs = diff::pairs(&observed, topology);
    let there = pairs.iter().filter(|pair| pair.is_there()).map(Pair::address).collect();
    findings.extend(unknown_targets(&pairs, inputs.choices));
    let drafts = match diff::drafts(inputs.name, pairs, inputs.choices) {
        Ok(drafts) => drafts,
        Err(cycle) => {
            findings.push(Finding::from(&Diagnostic::error("graph::cycle", cycle.to_string())));
            Vec::new()
        }
    };
    let lowered = lower::lower(inputs, &observed, &drafts);
    // That an external bridge is not there has been said, and so has it of a NIC; that of each member would follow.
    let bridges = topology.iter().flat_map(|it| &it.bridges);
    let said: Vec<(&Netns, &str)> = bridges
        .flat_map(|bridge| {
            let external = bridge.external.then_some(&*bridge.device);
            external.into_iter().chain(bridge.ports.iter().map(String::as_str)).map(|device| (&bridge.netns, device))
        })
        .collect();
    let unsaid = lowered.missing.iter().filter(|(_, netns, device)| !said.contains(&(netns, device)));
    findings.extend(unsaid.map(missing));
    findings.extend(machine::find(inputs.snapshot, &lowered.batches).iter().map(Finding::from));
    findings.dedup();
    let plan = Plan {
        format_version: FORMAT_VERSION.to_owned(),
        topology: inputs.name.clone(),
        destroy: inputs.topology.is_none(),
        changes: drafts.into_iter().filter_map(|draft| change(draft, inputs.snapshot)).collect(),
        findings,
    };
    let unsure = unsure(inputs, &lowered.batches);
    Prepared { plan, there, batches: lowered.batches, ends: lowered.ends, unsure }
}

/// Namespaces that get devices of which it was not read what they will have.
fn unsure(inputs: &Inputs<'_>, batches: &[Batch]) -> BTreeSet<Netns> {
    if batches.is_empty() {
        return BTreeSet::new();
    }
    let is_left_out = |netns: &&Netns| {
        let state = inputs.snapshot.namespaces.get(*netns);
        state.is_some_and(|state| !state.sysctls.contains_key(sysctl::DISABLE_V6_FOR_NEW))
    };
    let of_topology = inputs.topology.iter().flat_map(|it| &it.namespaces).map(|it| &it.netns);
    let asked: HashSet<&Netns> = of_topology.filter(is_left_out).collect();
    let steps = batches.iter().flat_map(|batch| batch.steps.iter().map(|step| (&batch.netns, &step.op)));
    let get = steps.flat_map(|(netns, op)| match op {
        Op::VethCreate { peer_netns, .. } => vec![netns, peer_netns],
        Op::BridgeCreate { .. } => vec![netns],
        _ => Vec::new(),
    });
    get.filter(|netns| asked.contains(netns)).cloned().collect()
}

/// Jumps of others to chains of ours that are to go: the kernel keeps a chain that somebody jumps to.
fn jumps_into(filter: &Filter, inputs: &Inputs<'_>) -> Vec<Diagnostic> {
    let state = inputs.snapshot.namespaces.get(&filter.netns);
    match state {
        Some(state) if filter.composed.tables.is_empty() => foreign_jumps(inputs.name, &state.firewall.live),
        Some(_) | None => Vec::new(),
    }
}

fn change(draft: Draft<'_>, snapshot: &Snapshot) -> Option<Change> {
    let action = draft.action?;
    let disrupts = super::disruption::of(&draft, action, snapshot);
    Some(Change {
        address: draft.address,
        action,
        attributes: draft.comparison.changes,
        unchanged: draft.comparison.unchanged,
        reason: draft.reason,
        disrupts,
    })
}

fn missing((address, netns, device): &(Address, Netns, String)) -> Finding {
    let error = Diagnostic::error(
        "conflict::no_device",
        format!("{address} needs the device `{device}` in `{netns}`, which is not there"),
    )
    .help("create it first, or write the name of one that exists");
    Finding::from(&error)
}

fn unknown_targets(pairs: &[Pair<'_>], choices: &Choices) -> Vec<Finding> {
    let known = |address: &&Address| {
        pairs.iter().any(|pair| pair.address() == **address || diff::other_names(pair).contains(*address))
    };
    let unknown = choices.targets.iter().chain(&choices.replace).filter(|address| !known(address));
    let error = |address: &Address| {
        Diagnostic::error(super::TARGET_UNKNOWN, format!("there is no resource {address}"))
            .help("`netwright plan` without it lists what differs, and `netwright show` what is there, by address")
    };
    let host = Address::new(KindName::Namespace, "host");
    let whole = choices.replace.iter().find(|address| **address == host).map(|_| {
        let help = "its settings are borrowed, and each is written where it differs";
        Diagnostic::error("target::host", "the host cannot be made anew").help(help)
    });
    unknown.map(&error).chain(whole).map(|error| Finding::from(&error)).collect()
}

/// Whether an action takes away what is there.
pub(super) fn removes(action: Action) -> bool {
    matches!(action, Action::Delete | Action::Replace)
}
