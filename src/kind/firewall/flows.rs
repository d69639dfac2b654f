//! Which tracked connections must go when rules change: an established flow keeps its old way, UDP without end.

use super::{
    compare::{Drift, DriftKind},
    input::{Forward, NatKind, NatRule, Protocol},
    names::{ChainKind, own_chain},
    rule::Rule,
};
use crate::{
    model::{
        TopologyName,
        snapshot::{Family, Table, Variant},
    },
    op::FlowMatch,
};

/// The flows that a forward or nat rule as it stands in the file decides about.
pub fn flows_of(nat: &[NatRule], forwards: &[Forward]) -> Vec<FlowMatch> {
    let forwards = forwards.iter().map(|forward| FlowMatch {
        family: forward.family(),
        protocol: Some(forward.protocol.number()),
        destination: forward.listen.map(Into::into),
        ports: Some(forward.ports),
        source: None,
    });
    let nat = nat.iter().map(|rule| {
        let any =
            FlowMatch { family: rule.kind.family(), protocol: None, destination: None, ports: None, source: None };
        match &rule.kind {
            NatKind::Masquerade(range) | NatKind::Snat(range, _) => FlowMatch { source: Some(range.trunc()), ..any },
            NatKind::Dnat(from, _) => FlowMatch { destination: Some(from.trunc()), ..any },
        }
    });
    forwards.chain(nat).collect()
}

/// The flows of every nat rule that comes, goes or moves.
pub fn flows_of_drifts(drifts: &[Drift]) -> Vec<FlowMatch> {
    let changed = drifts.iter().filter(|drift| match drift.kind {
        DriftKind::RuleMissing | DriftKind::RuleExtra | DriftKind::RuleMoved => true,
        DriftKind::ChainMissing | DriftKind::ChainExtra | DriftKind::JumpMissing | DriftKind::JumpExtra => false,
    });
    once(changed.filter_map(|drift| of_rule(drift.family, ChainKind::split(&drift.chain)?.0, &drift.rule)))
}

/// The flows of every live nat rule of the topology: those that its removal changes.
pub fn flows_of_live(topology: &TopologyName, live: &[(Variant, Table)]) -> Vec<FlowMatch> {
    once(live.iter().flat_map(|(_, table)| {
        let ours = table.chains.iter().filter_map(|chain| Some((own_chain(topology, table.name, &chain.name)?, chain)));
        ours.flat_map(move |(kind, chain)| chain.rules.iter().filter_map(move |rule| of_rule(table.family, kind, rule)))
    }))
}

fn once(flows: impl Iterator<Item = FlowMatch>) -> Vec<FlowMatch> {
    let mut seen = Vec::new();
    for flow in flows {
        if !seen.contains(&flow) {
            seen.push(flow);
        }
    }
    seen
}

fn of_rule(family: Family, chain: ChainKind, rule: &str) -> Option<FlowMatch> {
    let rule = Rule::parse(rule);
    // The rules that forwards need in `NW-POST` match flows that the forward's own match finds already.
    if matches!(chain, ChainKind::Raw | ChainKind::Forward) || rule.states.is_some() {
        return None;
    }
    let protocol = match rule.protocol.as_ref().and_then(|protocol| protocol.positive()).map(String::as_str) {
        None => None,
        Some("tcp") => Some(Protocol::Tcp.number()),
        Some("udp") => Some(Protocol::Udp.number()),
        Some(_) => return None,
    };
    let flow = FlowMatch {
        family,
        protocol,
        destination: rule.destination.and_then(|net| net.positive().copied()),
        ports: rule.ports.and_then(|ports| ports.positive().copied()),
        source: rule.source.and_then(|net| net.positive().copied()),
    };
    // Whatever a stranger put there: never everything.
    (flow.destination.is_some() || flow.ports.is_some() || flow.source.is_some()).then_some(flow)
}
