//! Desired, observed → the pairs that belong together, and what is to be done about each.

use std::collections::BTreeSet;

use crate::{
    graph::{Cycle, Graph},
    kind::{Both, Pair, Topology, gateway::Gateway, link::Link},
    model::{Address, TopologyName, change::Comparison, event::Action},
    observe::Observed,
};

/// Resources on both sides, matched by what they are and not by what they are called.
pub fn pairs<'a>(observed: &'a Observed, topology: Option<&'a Topology>) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    let namespaces = topology.map_or(&[][..], |it| &it.namespaces);
    matched(&observed.namespaces, namespaces, |a, b| a.netns == b.netns, |both| pairs.push(Pair::Namespace(both)));
    let host = topology.and_then(|it| it.host.as_ref());
    if observed.host.is_some() || host.is_some() {
        pairs.push(Pair::Host(Both { before: observed.host.as_ref(), after: host }));
    }
    let bridges: Vec<_> = topology.iter().flat_map(|it| &it.bridges).filter(|it| !it.external).collect();
    let same_bridge = |a: &&_, b: &&_| same_device(a, b);
    let seen: Vec<_> = observed.bridges.iter().collect();
    matched_refs(&seen, &bridges, same_bridge, |both| pairs.push(Pair::Bridge(both)));
    links(&observed.links, topology.map_or(&[], |it| &it.links), &mut pairs);
    let routes = topology.map_or(&[][..], |it| &it.routes);
    matched(
        &observed.routes,
        routes,
        |a, b| a.same_key(&b.netns, &b.to, b.table, b.metric),
        |both| pairs.push(Pair::Route(both)),
    );
    let gateways = topology.map_or(&[][..], |it| &it.gateways);
    let rules = |both: &Both<'a, Gateway>| {
        let gateway = both.after.or(both.before)?;
        observed.gateway_rules.iter().find(|set| set.address.rest() == gateway.name)
    };
    matched(
        &observed.gateways,
        gateways,
        |a, b| a.name == b.name,
        |both| pairs.push(Pair::Gateway(both, rules(&both))),
    );
    pairs.extend(observed.rule_sets.iter().map(Pair::Rules));
    rejoin(pairs)
}

fn same_device(a: &crate::kind::bridge::Bridge, b: &crate::kind::bridge::Bridge) -> bool {
    a.netns == b.netns && a.device == b.device
}

fn matched<'a, T>(before: &'a [T], after: &'a [T], same: impl Fn(&T, &T) -> bool, mut found: impl FnMut(Both<'a, T>)) {
    let before: Vec<&T> = before.iter().collect();
    let after: Vec<&T> = after.iter().collect();
    matched_refs(&before, &after, |a, b| same(a, b), &mut found);
}

fn matched_refs<'a, T>(
    before: &[&'a T],
    after: &[&'a T],
    same: impl Fn(&&T, &&T) -> bool,
    mut found: impl FnMut(Both<'a, T>),
) {
    let mut left: Vec<Option<&'a T>> = before.iter().copied().map(Some).collect();
    for wanted in after {
        let place = left.iter().position(|it| it.as_ref().is_some_and(|it| same(it, wanted)));
        let before = place.and_then(|place| left[place].take());
        found(Both { before, after: Some(wanted) });
    }
    for before in left.into_iter().flatten() {
        found(Both { before: Some(before), after: None });
    }
}

/// Links are matched by both ends first, so that a link that merely shares an end with a wanted one is not taken for it.
fn links<'a>(before: &'a [Link], after: &'a [Link], pairs: &mut Vec<Pair<'a>>) {
    let mut left: Vec<Option<&'a Link>> = before.iter().map(Some).collect();
    let mut matches: Vec<Option<&'a Link>> = vec![None; after.len()];
    let ways: [fn(&Link, &Link) -> bool; 3] =
        [|wanted, it| wanted.is_like(it, false), |wanted, it| wanted.is_like(it, true), Link::is_renamed];
    for is_like in ways {
        for (wanted, slot) in after.iter().zip(&mut matches).filter(|(_, slot)| slot.is_none()) {
            let place = left.iter().position(|it| it.is_some_and(|it| is_like(wanted, it)));
            *slot = place.and_then(|place| left[place].take());
        }
    }
    let both = after.iter().zip(matches).map(|(after, before)| Both { before, after: Some(after) });
    pairs.extend(both.map(Pair::Link));
    pairs.extend(left.into_iter().flatten().map(|before| Pair::Link(Both { before: Some(before), after: None })));
}

/// One address that goes as one thing and comes as another is one resource that is replaced.
fn rejoin(pairs: Vec<Pair<'_>>) -> Vec<Pair<'_>> {
    let mut joined: Vec<Pair<'_>> = Vec::with_capacity(pairs.len());
    let (gone, rest): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|pair| pair.sides() == (true, false));
    let mut gone: std::collections::HashMap<Address, Pair<'_>> =
        gone.into_iter().map(|pair| (pair.address(), pair)).collect();
    for pair in rest {
        let old = if pair.sides() == (false, true) { gone.remove(&pair.address()) } else { None };
        let pair = match (pair, old) {
            (Pair::Namespace(new), Some(Pair::Namespace(old))) => {
                Pair::Namespace(Both { before: old.before, after: new.after })
            }
            (Pair::Bridge(new), Some(Pair::Bridge(old))) => Pair::Bridge(Both { before: old.before, after: new.after }),
            (Pair::Link(new), Some(Pair::Link(old))) => Pair::Link(Both { before: old.before, after: new.after }),
            (Pair::Route(new), Some(Pair::Route(old))) => Pair::Route(Both { before: old.before, after: new.after }),
            (pair, old) => {
                joined.extend(old);
                pair
            }
        };
        joined.push(pair);
    }
    let mut left: Vec<_> = gone.into_iter().collect();
    left.sort_by(|(a, _), (b, _)| a.cmp(b));
    joined.extend(left.into_iter().map(|(_, pair)| pair));
    joined
}

/// One resource with what is to be done about it.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Which.
    pub address: Address,
    /// Both sides.
    pub pair: Pair<'a>,
    /// What is done; `None` where it is as it should be.
    pub action: Option<Action>,
    /// What differs.
    pub comparison: Comparison,
    /// Why, where the attributes do not say it.
    pub reason: Option<String>,
}

/// What the command line wants beside the difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Choices {
    /// `-replace`: made anew though they are as they should be.
    pub replace: Vec<Address>,
    /// `-target`: these and what they need, nothing else. Empty: everything.
    pub targets: Vec<Address>,
}

/// The drafts in order: what goes first, in reverse order of need, then what comes or changes.
pub fn drafts<'a>(topology: &TopologyName, pairs: Vec<Pair<'a>>, choices: &Choices) -> Result<Vec<Draft<'a>>, Cycle> {
    let graph = Graph::new(&pairs);
    let order = graph.order(&pairs)?;
    let mut drafts: Vec<Draft<'a>> = pairs.into_iter().map(|pair| draft(topology, pair, choices)).collect();
    for place in &order {
        pass_on(&graph, *place, &mut drafts);
    }
    let kept = kept(&graph, &drafts, choices);
    let mut slots: Vec<Option<Draft<'a>>> = drafts.into_iter().map(Some).collect();
    let goes = |slots: &[Option<Draft<'a>>], place: usize| {
        slots[place].as_ref().is_some_and(|draft| draft.action == Some(Action::Delete))
    };
    let (deletes, others): (Vec<usize>, Vec<usize>) =
        order.into_iter().filter(|place| kept.contains(place)).partition(|place| goes(&slots, *place));
    Ok(deletes.into_iter().rev().chain(others).filter_map(|place| slots[place].take()).collect())
}

fn draft<'a>(topology: &TopologyName, pair: Pair<'a>, choices: &Choices) -> Draft<'a> {
    let comparison = pair.compare(topology);
    let address = pair.address();
    let asked = choices.replace.contains(&address);
    let action = match pair.sides() {
        (false, _) => Some(Action::Create),
        (true, false) => Some(Action::Delete),
        (true, true) if asked || comparison.forces_replacement() => Some(Action::Replace),
        (true, true) if comparison.is_same() => None,
        (true, true) => Some(Action::Update),
    };
    let reason = (asked && action == Some(Action::Replace)).then(|| "asked for by -replace".to_owned());
    Draft { address, pair, action, comparison, reason }
}

/// What is made anew takes its dependents along: a route by a device that is replaced goes with it, a port of a bridge
/// that is replaced is plugged in again.
fn pass_on(graph: &Graph, place: usize, drafts: &mut [Draft<'_>]) {
    if drafts[place].action != Some(Action::Replace) {
        return;
    }
    let reason = format!("{} is replaced", drafts[place].address);
    for next in graph.dependents(place) {
        let draft = &mut drafts[next];
        let takes_along = match (&draft.pair, draft.action) {
            (_, Some(Action::Create | Action::Delete | Action::Replace)) => None,
            (Pair::Route(_), _) => Some(Action::Replace),
            (Pair::Link(_), None) if draft_is_port(draft) => Some(Action::Update),
            (Pair::Link(_) | Pair::Bridge(_), _) => draft.action,
            (Pair::Gateway(..), None) => Some(Action::Update),
            (Pair::Gateway(..) | Pair::Namespace(_) | Pair::Host(_) | Pair::Rules(_), action) => action,
        };
        if takes_along.is_some() && takes_along != draft.action {
            draft.action = takes_along;
            draft.reason = Some(reason.clone());
        }
    }
}

fn draft_is_port(draft: &Draft<'_>) -> bool {
    matches!(&draft.pair, Pair::Link(both) if both.after.is_some_and(|it| it.ends.iter().any(|end| end.bridge.is_some())))
}

/// With `-target`, the targets and what they need.
fn kept(graph: &Graph, drafts: &[Draft<'_>], choices: &Choices) -> BTreeSet<usize> {
    if choices.targets.is_empty() {
        return (0..drafts.len()).collect();
    }
    let is_target = |draft: &Draft<'_>| {
        choices.targets.iter().any(|target| *target == draft.address || other_names(&draft.pair).contains(target))
    };
    let targets = (0..drafts.len()).filter(|place| is_target(&drafts[*place]));
    targets.flat_map(|place| graph.needed_by(place)).collect()
}

/// A link is found by either of its ends too.
pub fn other_names(pair: &Pair<'_>) -> Vec<Address> {
    match pair {
        Pair::Link(both) => {
            let ends = both.after.or(both.before).map_or(&[][..], |it| &it.ends);
            ends.iter().map(|end| Address::new(crate::model::address::KindName::Link, &*end.label)).collect()
        }
        _ => Vec::new(),
    }
}
