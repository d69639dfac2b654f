//! Desired, observed → the pairs that belong together, and what is to be done about each.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use ipnet::IpNet;

use crate::{
    graph::{Cycle, Graph},
    kind::{
        Both, Pair, Thing, Topology, bridge::Bridge, gateway::Gateway, link::Link, namespace::Namespace, route::Route,
    },
    model::{Address, Netns, TopologyName, change::Comparison, event::Action},
    observe::Observed,
};

/// Resources on both sides, matched by what they are and not by what they are called.
pub fn pairs<'a>(observed: &'a Observed, topology: Option<&'a Topology>) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    let namespaces: Vec<_> = topology.iter().flat_map(|it| &it.namespaces).collect();
    let namespaces = matched(&observed.namespaces, &namespaces, &[NAMESPACE_WAY]);
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
    pairs.extend(matched(&observed.routes, &routes, &[ROUTE_WAY]).into_iter().map(Pair::Route));
    let gateways: Vec<_> = topology.iter().flat_map(|it| &it.gateways).collect();
    let rules: HashMap<&str, _> = observed.gateway_rules.iter().map(|set| (set.address.rest(), set)).collect();
    for both in matched(&observed.gateways, &gateways, &[GATEWAY_WAY]) {
        let rules = both.after.or(both.before).and_then(|gateway| rules.get(&*gateway.name));
        pairs.push(Pair::Gateway(both, rules.copied()));
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

/// A way of knowing what is there by what is wanted.
struct Way<T> {
    /// Two that are alike have one of these in common.
    keys: for<'a> fn(&'a T) -> Vec<Key<'a>>,
    /// Whether the first, which is wanted, is the second.
    is_like: fn(&T, &T) -> bool,
}

/// What things are looked up by.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Netns(&'a Netns),
    Named(&'a Netns, &'a str),
    Between(&'a Netns, &'a Netns),
    Route(&'a Netns, IpNet, u32, u32),
    Gateway(&'a str),
}

const NAMESPACE_WAY: Way<Namespace> = Way { keys: |it| vec![Key::Netns(&it.netns)], is_like: |_, _| true };

/// Bridges are matched by what the file calls them, whose device may get another name, and what is left by the device.
const BRIDGE_WAYS: [Way<Bridge>; 3] = [
    Way { keys: |it| vec![Key::Named(&it.netns, &it.label)], is_like: |a, b| a.device == b.device },
    Way { keys: |it| vec![Key::Named(&it.netns, &it.label)], is_like: |_, _| true },
    Way { keys: |it| vec![Key::Named(&it.netns, &it.device)], is_like: |_, _| true },
];

/// Links are matched by both ends first, so that a link that merely shares an end with a wanted one is not taken for it.
const LINK_WAYS: [Way<Link>; 3] = [
    Way { keys: ends, is_like: |wanted, it| wanted.is_like(it, false) },
    Way { keys: ends, is_like: |wanted, it| wanted.is_like(it, true) },
    Way {
        keys: |it| it.sides().map(|(port, end)| Key::Between(&port.netns, &end.netns)).into_iter().collect(),
        is_like: Link::is_renamed,
    },
];

fn ends(link: &Link) -> Vec<Key<'_>> {
    link.ends.iter().map(|end| Key::Named(&end.netns, &end.device)).collect()
}

const ROUTE_WAY: Way<Route> =
    Way { keys: |it| vec![Key::Route(&it.netns, it.to, it.table, it.metric)], is_like: |_, _| true };

const GATEWAY_WAY: Way<Gateway> = Way { keys: |it| vec![Key::Gateway(&it.name)], is_like: |_, _| true };

/// Pairs what is wanted with what is there: each way of knowing one by the other in turn, for all that is not paired yet.
/// Of several that it may be, it is the first.
fn matched<'a, T>(before: &'a [T], after: &[&'a T], ways: &[Way<T>]) -> Vec<Both<'a, T>> {
    let mut left: Vec<Option<&'a T>> = before.iter().map(Some).collect();
    let mut matches: Vec<Option<&'a T>> = vec![None; after.len()];
    for Way { keys, is_like } in ways {
        let mut places: HashMap<Key<'a>, Vec<usize>> = HashMap::default();
        for (place, it) in left.iter().enumerate().filter_map(|(place, it)| Some((place, (*it)?))) {
            keys(it).into_iter().for_each(|key| places.entry(key).or_default().push(place));
        }
        for (wanted, slot) in after.iter().zip(&mut matches).filter(|(_, slot)| slot.is_none()) {
            let possible = keys(wanted).into_iter().filter_map(|key| places.get(&key)).flatten().copied();
            let place = possible.filter(|place| left[*place].is_some_and(|it| is_like(wanted, it))).min();
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
        let comes = !by_address.is_empty() && pair.sides() == (false, true);
        let olds = if comes { by_address.get_mut(&pair.address()) } else { None };
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

/// The drafts in order: what goes first, in reverse order of need, then what comes or changes. Where nothing does, there is
/// nothing to put in order.
pub fn drafts<'a>(topology: &TopologyName, pairs: Vec<Pair<'a>>, choices: &Choices) -> Result<Vec<Draft<'a>>, Cycle> {
    let mut drafts: Vec<Draft<'a>> = pairs.into_iter().map(|pair| draft(topology, pair, choices)).collect();
    if drafts.iter().all(|draft| draft.action.is_none()) {
        return Ok(drafts);
    }
    let pairs: Vec<Pair<'a>> = drafts.iter().map(|draft| draft.pair).collect();
    let graph = Graph::new(&pairs);
    let order = graph.order(&pairs)?;
    for place in &order {
        pass_on(&graph, *place, &mut drafts);
    }
    let (renewed, gone) = (renewed(&drafts), gone(&drafts));
    let follows = |draft: &Draft<'_>| {
        let followed = follow(&renewed, draft).map(|(action, of)| (action, why_renewed(&drafts[of])));
        followed.or_else(|| lose(&gone, draft).map(|of| (Action::Replace, format!("{} goes", drafts[of].address))))
    };
    let follows: Vec<_> =
        drafts.iter().enumerate().filter_map(|(place, draft)| Some((place, follows(draft)?))).collect();
    for (place, (action, reason)) in follows {
        (drafts[place].action, drafts[place].reason) = (Some(action), Some(reason));
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
    let mut comparison = pair.compare(topology);
    // Else each keeps room for as many attributes as it might have had: a third of what a plan of a thousand creates takes.
    comparison.changes.shrink_to_fit();
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

/// Devices by namespace and name, each with the draft that it is about.
type Devices<'a> = HashMap<(&'a Netns, &'a str), usize>;

/// Names that another device bears afterwards than before.
fn renewed<'a>(drafts: &[Draft<'a>]) -> Devices<'a> {
    let mut renewed = HashMap::default();
    for (place, draft) in drafts.iter().enumerate() {
        let anew = matches!(draft.action, Some(Action::Create | Action::Replace));
        match &draft.pair {
            Pair::Bridge(Both { after: Some(after), .. }) if anew => _ = renewed.insert(after.place(), place),
            Pair::Link(Both { after: Some(after), .. }) if anew => {
                renewed.extend(after.ends.iter().map(|end| (end.place(), place)));
            }
            Pair::Bridge(Both { after: Some(after), before: Some(before) }) if after.device != before.device => {
                renewed.insert(after.place(), place);
            }
            Pair::Link(Both { after: Some(after), before: Some(before) }) => {
                let others = after.ends.iter().filter(|end| before.end_at(&end.netns, &end.device).is_none());
                renewed.extend(others.map(|end| (end.place(), place)));
            }
            _ => {}
        }
    }
    renewed
}

/// Why a name is another device's.
fn why_renewed(draft: &Draft<'_>) -> String {
    let what = match draft.action {
        Some(Action::Create) => "created",
        Some(Action::Replace) => "replaced",
        Some(Action::Update | Action::Delete) | None => "renamed",
    };
    format!("{} is {what}", draft.address)
}

/// What is tied to a device by its name follows the name: a route is made anew by the device that has it then, a port is
/// plugged in again.
fn follow(renewed: &Devices<'_>, draft: &Draft<'_>) -> Option<(Action, usize)> {
    let by = |netns: &Netns, device: &str| renewed.get(&(netns, device)).copied();
    match (&draft.pair, draft.action) {
        (Pair::Route(Both { before: Some(_), after: Some(after) }), None) => {
            let mut hops = after.hops.iter().filter_map(|hop| hop.dev.as_deref());
            Some((Action::Replace, hops.find_map(|dev| by(&after.netns, dev))?))
        }
        (Pair::Link(Both { before: Some(_), after: Some(after) }), None) => {
            let mut ports = after.ends.iter().filter_map(|end| Some((&end.netns, end.bridge.as_deref()?)));
            Some((Action::Update, ports.find_map(|(netns, bridge)| by(netns, bridge))?))
        }
        (Pair::Gateway(Both { before: Some(_), after: Some(after) }, _), None | Some(Action::Update)) => {
            Some((Action::Update, after.members.iter().find_map(|member| by(&member.netns, &member.dev))?))
        }
        _ => None,
    }
}

/// Devices that go; their routes go with them.
fn gone<'a>(drafts: &[Draft<'a>]) -> Devices<'a> {
    let mut gone = HashMap::default();
    for (place, draft) in drafts.iter().enumerate().filter(|(_, draft)| draft.action == Some(Action::Delete)) {
        match &draft.pair {
            Pair::Bridge(Both { before: Some(it), .. }) => _ = gone.insert(it.place(), place),
            Pair::Link(Both { before: Some(it), .. }) => {
                gone.extend(it.ends.iter().map(|end| (end.place(), place)));
            }
            _ => {}
        }
    }
    gone
}

/// A route that stays as it is, but by whose device it is now does not.
fn lose(gone: &Devices<'_>, draft: &Draft<'_>) -> Option<usize> {
    let (Pair::Route(Both { before: Some(before), after: Some(_) }), None) = (&draft.pair, draft.action) else {
        return None;
    };
    let mut devices = before.hops.iter().filter_map(|hop| hop.dev.as_deref());
    devices.find_map(|dev| gone.get(&(&before.netns, dev)).copied())
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
    let given: BTreeSet<Thing<'_>> = kept.iter().flat_map(|place| drafts[*place].pair.gives()).collect();
    let goes_by_a_member = |draft: &Draft<'_>| match &draft.pair {
        Pair::Gateway(Both { before: Some(gateway), .. }, _) if draft.action == Some(Action::Delete) => {
            !is_target(draft) && !given.contains(&Thing::Device(&gateway.netns, &gateway.device))
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
