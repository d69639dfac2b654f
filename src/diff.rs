//! Desired, observed → the pairs that belong together, and what is to be done about each.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;

use crate::{
    graph::{Cycle, Graph},
    kind::{Both, Pair, Thing, Topology, bridge::Bridge, link::Link},
    model::{Address, Netns, TopologyName, change::Comparison, event::Action},
    observe::Observed,
};

/// Resources on both sides, matched by what they are and not by what they are called.
pub fn pairs<'a>(observed: &'a Observed, topology: Option<&'a Topology>) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    let namespaces: Vec<_> = topology.iter().flat_map(|it| &it.namespaces).collect();
    let namespaces = matched(&observed.namespaces, &namespaces, &[|a, b| a.netns == b.netns]);
    pairs.extend(namespaces.into_iter().map(Pair::Namespace));
    let host = topology.and_then(|it| it.host.as_ref());
    if observed.host.is_some() || host.is_some() {
        pairs.push(Pair::Host(Both { before: observed.host.as_ref(), after: host }));
    }
    let bridges: Vec<_> = topology.iter().flat_map(|it| &it.bridges).filter(|it| !it.external).collect();
    pairs.extend(matched(&observed.bridges, &bridges, &BRIDGE_WAYS).into_iter().map(Pair::Bridge));
    let links: Vec<_> = topology.iter().flat_map(|it| &it.links).collect();
    pairs.extend(matched(&observed.links, &links, &LINK_WAYS).into_iter().map(Pair::Link));
    let routes: Vec<_> = topology.iter().flat_map(|it| &it.routes).collect();
    let routes = matched(&observed.routes, &routes, &[|a, b| a.same_key(&b.netns, &b.to, b.table, b.metric)]);
    pairs.extend(routes.into_iter().map(Pair::Route));
    let gateways: Vec<_> = topology.iter().flat_map(|it| &it.gateways).collect();
    for both in matched(&observed.gateways, &gateways, &[|a, b| a.name == b.name]) {
        let gateway = both.after.or(both.before);
        let mut sets = observed.gateway_rules.iter();
        let rules = sets.find(|set| gateway.is_some_and(|gateway| set.address.rest() == gateway.name));
        pairs.push(Pair::Gateway(both, rules));
    }
    pairs.extend(observed.rule_sets.iter().map(Pair::Rules));
    rejoin(pairs)
}

/// Whether everything that a topology wants can be made, each thing after what it needs, as far as the file alone tells.
pub fn check_order(topology: &Topology) -> Result<(), Cycle> {
    let nothing = Observed::default();
    let pairs = pairs(&nothing, Some(topology));
    Graph::new(&pairs).order(&pairs).map(|_| ())
}

/// Bridges are matched by what the file calls them, whose device may get another name, and what is left by the device.
const BRIDGE_WAYS: [fn(&Bridge, &Bridge) -> bool; 3] = [
    |a, b| a.netns == b.netns && a.device == b.device && a.label == b.label,
    |a, b| a.netns == b.netns && a.label == b.label,
    |a, b| a.netns == b.netns && a.device == b.device,
];

/// Links are matched by both ends first, so that a link that merely shares an end with a wanted one is not taken for it.
const LINK_WAYS: [fn(&Link, &Link) -> bool; 3] =
    [|wanted, it| wanted.is_like(it, false), |wanted, it| wanted.is_like(it, true), Link::is_renamed];

/// Pairs what is wanted with what is there: each way of knowing one by the other in turn, for all that is not paired yet.
fn matched<'a, T>(before: &'a [T], after: &[&'a T], ways: &[fn(&T, &T) -> bool]) -> Vec<Both<'a, T>> {
    let mut left: Vec<Option<&'a T>> = before.iter().map(Some).collect();
    let mut matches: Vec<Option<&'a T>> = vec![None; after.len()];
    for is_like in ways {
        for (wanted, slot) in after.iter().zip(&mut matches).filter(|(_, slot)| slot.is_none()) {
            let place = left.iter().position(|it| it.is_some_and(|it| is_like(wanted, it)));
            *slot = place.and_then(|place| left[place].take());
        }
    }
    let both = after.iter().zip(matches).map(|(after, before)| Both { before, after: Some(*after) });
    both.chain(left.into_iter().flatten().map(|before| Both { before: Some(before), after: None })).collect()
}

/// One address that goes as one thing and comes as another is one resource that is replaced. What a killed run had not
/// come to remove is there beside the new one, under the same address, and each of them goes.
fn rejoin(pairs: Vec<Pair<'_>>) -> Vec<Pair<'_>> {
    let mut joined: Vec<Pair<'_>> = Vec::with_capacity(pairs.len());
    let (gone, rest): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|pair| pair.sides() == (true, false));
    let mut by_address: BTreeMap<Address, Vec<Pair<'_>>> = BTreeMap::new();
    for pair in gone {
        by_address.entry(pair.address()).or_default().push(pair);
    }
    for pair in rest {
        let olds = if pair.sides() == (false, true) { by_address.get_mut(&pair.address()) } else { None };
        let pair = match (pair, olds.and_then(Vec::pop)) {
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
    joined.extend(by_address.into_values().flatten());
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
    /// `-target`: these and what they need (to destroy: and what needs them), nothing else. Empty: everything.
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
    let (renewed, gone) = (renewed(&drafts), gone(&drafts));
    drafts.iter_mut().for_each(|draft| follow(&renewed, draft));
    drafts.iter_mut().for_each(|draft| lose(&gone, draft));
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
    let asked = choices.replace.iter().any(|it| *it == address || other_names(&pair).contains(it));
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

/// A namespace that is made anew takes all that is in it along.
fn pass_on(graph: &Graph, place: usize, drafts: &mut [Draft<'_>]) {
    if drafts[place].action != Some(Action::Replace) || !matches!(drafts[place].pair, Pair::Namespace(_)) {
        return;
    }
    let reason = format!("{} is replaced", drafts[place].address);
    for next in graph.dependents(place) {
        let draft = &mut drafts[next];
        match (&draft.pair, draft.action) {
            (_, Some(Action::Create | Action::Delete | Action::Replace)) | (Pair::Gateway(..), _) => {}
            (Pair::Bridge(_) | Pair::Link(_) | Pair::Route(_) | Pair::Rules(_), _) => {
                draft.action = Some(Action::Replace);
                draft.reason = Some(reason.clone());
            }
            (Pair::Namespace(_) | Pair::Host(_), _) => {}
        }
    }
}

/// Names of devices that another device bears afterwards than before, with why.
fn renewed(drafts: &[Draft<'_>]) -> HashMap<(Netns, String), String> {
    let mut renewed = HashMap::default();
    for draft in drafts {
        let anew = match draft.action {
            Some(Action::Create) => Some(format!("{} is created", draft.address)),
            Some(Action::Replace) => Some(format!("{} is replaced", draft.address)),
            Some(Action::Update | Action::Delete) | None => None,
        };
        match (&draft.pair, anew) {
            (Pair::Bridge(Both { after: Some(after), .. }), Some(why)) => {
                renewed.insert((after.netns.clone(), after.device.clone()), why);
            }
            (Pair::Link(Both { after: Some(after), .. }), Some(why)) => {
                renewed.extend(after.ends.iter().map(|end| ((end.netns.clone(), end.device.clone()), why.clone())));
            }
            (Pair::Bridge(Both { after: Some(after), before: Some(before) }), None)
                if after.device != before.device =>
            {
                let why = format!("{} is renamed", draft.address);
                renewed.insert((after.netns.clone(), after.device.clone()), why);
            }
            (Pair::Link(Both { after: Some(after), before: Some(before) }), None) => {
                let others = after.ends.iter().filter(|end| before.end_at(&end.netns, &end.device).is_none());
                let why = format!("{} is renamed", draft.address);
                renewed.extend(others.map(|end| ((end.netns.clone(), end.device.clone()), why.clone())));
            }
            _ => {}
        }
    }
    renewed
}

/// What is tied to a device by its name follows the name: a route is made anew by the device that has it then, a port is
/// plugged in again.
fn follow(renewed: &HashMap<(Netns, String), String>, draft: &mut Draft<'_>) {
    let why = |netns: &Netns, device: &str| renewed.get(&(netns.clone(), device.to_owned())).cloned();
    let (action, reason) = match (&draft.pair, draft.action) {
        (Pair::Route(Both { before: Some(_), after: Some(after) }), None) => {
            let mut hops = after.hops.iter().filter_map(|hop| hop.dev.as_deref());
            (Action::Replace, hops.find_map(|dev| why(&after.netns, dev)))
        }
        (Pair::Link(Both { before: Some(_), after: Some(after) }), None) => {
            let mut ports = after.ends.iter().filter_map(|end| Some((&end.netns, end.bridge.as_deref()?)));
            (Action::Update, ports.find_map(|(netns, bridge)| why(netns, bridge)))
        }
        (Pair::Gateway(Both { before: Some(_), after: Some(after) }, _), None | Some(Action::Update)) => {
            (Action::Update, after.members.iter().find_map(|member| why(&member.netns, &member.dev)))
        }
        _ => return,
    };
    if reason.is_some() {
        draft.action = Some(action);
        draft.reason = reason;
    }
}

/// Devices that go, with why; their routes go with them.
fn gone(drafts: &[Draft<'_>]) -> HashMap<(Netns, String), String> {
    let mut gone = HashMap::default();
    for draft in drafts.iter().filter(|draft| draft.action == Some(Action::Delete)) {
        let why = format!("{} goes", draft.address);
        match &draft.pair {
            Pair::Bridge(Both { before: Some(it), .. }) => _ = gone.insert((it.netns.clone(), it.device.clone()), why),
            Pair::Link(Both { before: Some(it), .. }) => {
                gone.extend(it.ends.iter().map(|end| ((end.netns.clone(), end.device.clone()), why.clone())));
            }
            _ => {}
        }
    }
    gone
}

/// A route that stays as it is, but by whose device it is now does not.
fn lose(gone: &HashMap<(Netns, String), String>, draft: &mut Draft<'_>) {
    if let (Pair::Route(Both { before: Some(before), after: Some(_) }), None) = (&draft.pair, draft.action) {
        let mut devices = before.hops.iter().filter_map(|hop| hop.dev.as_deref());
        let why = devices.find_map(|dev| gone.get(&(before.netns.clone(), dev.to_owned())));
        if let Some(why) = why {
            (draft.action, draft.reason) = (Some(Action::Replace), Some(why.clone()));
        }
    }
}

/// With `-target`, the targets and what they need; of those that go, what needs them.
fn kept(graph: &Graph, drafts: &[Draft<'_>], choices: &Choices) -> BTreeSet<usize> {
    if choices.targets.is_empty() {
        return (0..drafts.len()).collect();
    }
    let is_target = |draft: &Draft<'_>| {
        choices.targets.iter().any(|target| *target == draft.address || other_names(&draft.pair).contains(target))
    };
    let targets = (0..drafts.len()).filter(|place| is_target(&drafts[*place]));
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    for place in targets {
        // What goes takes along what needs it, and needs nothing itself.
        match drafts[place].action {
            Some(Action::Delete) => kept.extend(graph.needing(place)),
            Some(Action::Replace) => kept.extend(graph.needing(place).into_iter().chain(graph.needed_by(place))),
            Some(Action::Create | Action::Update) | None => kept.extend(graph.needed_by(place)),
        }
    }
    // A gateway does not go because a member does: what it holds on to is its own device.
    let given: BTreeSet<Thing> = kept.iter().flat_map(|place| drafts[*place].pair.gives()).collect();
    let goes_by_a_member = |draft: &Draft<'_>| match &draft.pair {
        Pair::Gateway(Both { before: Some(gateway), .. }, _) if draft.action == Some(Action::Delete) => {
            !is_target(draft) && !given.contains(&Thing::Device(gateway.netns.clone(), gateway.device.clone()))
        }
        _ => false,
    };
    kept.into_iter().filter(|place| !goes_by_a_member(&drafts[*place])).collect()
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
