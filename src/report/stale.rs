//! Why a saved plan may not be run any more, and what a plan relies on, in words.

use crate::{
    kind::bridge,
    model::{Address, Netns, event::Action},
    plan::{
        AttributeChange, Change, Value,
        relies::{Fact, Relied, Thing},
        saved::Difference,
    },
    report::{
        attributes::inline,
        style::{clean, quote},
        words,
    },
};

/// How many resources the first line names.
const NAMED: usize = 5;
/// How many lines tell what has happened.
const LINES: usize = 12;
/// How many elements of a list are told of.
const ELEMENTS: usize = 3;

/// The refusal of a saved plan: for which resources, what has happened, and what to do.
pub fn refusal(differences: &[Difference]) -> String {
    let mut addresses: Vec<&Address> = differences.iter().filter_map(Difference::address).collect();
    addresses.sort();
    addresses.dedup();
    let names: Vec<String> = addresses.iter().take(NAMED).map(|address| words::name(address)).collect();
    let mut names = names.join(", ");
    if addresses.len() > NAMED {
        names.push_str(&format!(" and {} more", addresses.len() - NAMED));
    }
    let all: Vec<String> = differences.iter().flat_map(lines).collect();
    let mut told: Vec<String> =
        all.iter().take(LINES).map(|line| format!("  {}\n", clean(line).replace('\n', " "))).collect();
    if all.len() > LINES {
        told.push(format!("  … and {} more\n", all.len() - LINES));
    }
    let head = if names.is_empty() {
        "something stands in its way".to_owned()
    } else {
        format!("things have changed for {names}")
    };
    format!("{}: {head}\n\n{}\n{}", words::STALE, told.concat(), words::STALE_HELP)
}

fn lines(difference: &Difference) -> Vec<String> {
    match difference {
        Difference::Change { then, now } => match (then, now) {
            (Some(then), Some(now)) if then.action == now.action => changed(then, now),
            (Some(then), now) => {
                vec![format!("{}: was to be {}, and {}", then.address, deed(then.action), is_now(then, now.as_ref()))]
            }
            (None, Some(now)) => vec![format!("{}: {}", now.address, beside(now))],
            (None, None) => Vec::new(),
        },
        Difference::Relied { relied, fact, now } => {
            vec![format!("{}: {}", relied.by, happened(relied, *fact, now.as_deref()))]
        }
        Difference::Found(finding) => vec![format!("{} [{}]", finding.message, finding.code)],
    }
}

fn deed(action: Action) -> &'static str {
    match action {
        Action::Create => "created",
        Action::Update => "updated in-place",
        Action::Replace => "replaced",
        Action::Delete => "destroyed",
    }
}

/// What has become of a change that was planned.
fn is_now(then: &Change, now: Option<&Change>) -> String {
    match (then.action, now) {
        (_, Some(now)) if then.action == Action::Create => {
            format!("is there by now: it would be {}", deed(now.action))
        }
        (_, Some(now)) if now.action == Action::Create => "is not there any more: it would be created".to_owned(),
        (_, Some(now)) => format!("would be {} now", deed(now.action)),
        (Action::Create, None) => "is there by now".to_owned(),
        (Action::Update | Action::Replace, None) => "is as it should be by now".to_owned(),
        (Action::Delete, None) => "is not there any more".to_owned(),
    }
}

/// A change that was not planned.
fn beside(now: &Change) -> String {
    let would = deed(now.action);
    match now.action {
        Action::Create | Action::Delete => format!("was not to be {would}, and would be now"),
        Action::Update | Action::Replace => {
            let parts: Vec<String> = now.attributes.iter().filter_map(drifted).take(ELEMENTS).collect();
            let why = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
            format!("was as it should be, and would be {would} now{why}")
        }
    }
}

/// An attribute that is not as the topology wants it, of a resource that was as it should be.
fn drifted(attribute: &AttributeChange) -> Option<String> {
    let (before, after) = (attribute.before.as_ref(), attribute.after.as_ref());
    (before != after).then(|| became(&attribute.name, after, before))
}

/// One change, planned twice: in what the two differ.
fn changed(then: &Change, now: &Change) -> Vec<String> {
    let address = &then.address;
    let of = |change: &Change, name: &str| change.attributes.iter().find(|it| it.name == name).cloned();
    let mut lines = Vec::new();
    for was in &then.attributes {
        let text = match of(now, &was.name) {
            None => Some(became(&was.name, was.before.as_ref(), was.after.as_ref())),
            Some(is) => apart(was, &is),
        };
        lines.extend(text.map(|text| format!("{address}: {text}")));
    }
    for is in now.attributes.iter().filter(|it| of(then, &it.name).is_none()) {
        lines.extend(drifted(is).map(|text| format!("{address}: {text}")));
    }
    let reason = |change: &Change| change.reason.clone().unwrap_or_else(|| "by itself".to_owned());
    if lines.is_empty() && now.reason != then.reason {
        lines.push(format!("{address}: would be {} ({}), not ({})", deed(now.action), reason(now), reason(then)));
    }
    if lines.is_empty() && now.disrupts != then.disrupts {
        let who = |change: &Change| match &*change.disrupts {
            [] => "nobody notices".to_owned(),
            all => all.join(", "),
        };
        lines.push(format!("{address}: who notices is not who it was: {}; was: {}", who(now), who(then)));
    }
    if lines.is_empty() {
        lines.push(format!("{address}: it has other attributes than then"));
    }
    lines
}

/// One attribute, planned twice: how the two differ.
fn apart(was: &AttributeChange, is: &AttributeChange) -> Option<String> {
    let name = &was.name;
    let text = if is.before != was.before {
        became(name, was.before.as_ref(), is.before.as_ref())
    } else if is.after != was.after {
        format!("`{name}` would become {}, was to become {}", shown(is.after.as_ref()), shown(was.after.as_ref()))
    } else if is.note != was.note {
        format!("`{name}` is no more what it was")
    } else {
        return None;
    };
    let note = is.note.as_ref().filter(|_| is.note != was.note).map(|note| format!(" ({note})"));
    Some(text + &note.unwrap_or_default())
}

/// An attribute that is another than it was.
fn became(name: &str, was: Option<&Value>, is: Option<&Value>) -> String {
    if let (Some(Value::List(was)), Some(Value::List(is))) = (was, is) {
        let (new, gone) = (but(is, was), but(was, is));
        match (new.is_empty(), gone.is_empty()) {
            (false, true) => return format!("`{name}` has {} too", few(&new)),
            (true, false) => return format!("`{name}` has {} no more", few(&gone)),
            (false, false) => return format!("`{name}` has {}, had {}", few(&new), few(&gone)),
            (true, true) => return format!("`{name}` is in another order"),
        }
    }
    format!("`{name}` is {}, was {}", shown(is), shown(was))
}

/// The elements of one list that the other has not.
fn but<'a>(one: &'a [String], other: &[String]) -> Vec<&'a str> {
    one.iter().filter(|it| !other.contains(it)).map(String::as_str).collect()
}

fn few(items: &[&str]) -> String {
    let text: Vec<String> = items.iter().take(ELEMENTS).map(|item| quote(item)).collect();
    let more = items.len().saturating_sub(ELEMENTS);
    if more > 0 { format!("{} and {more} more", text.join(", ")) } else { text.join(", ") }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "not there".to_owned(),
        Some(Value::List(items)) => few(&items.iter().map(String::as_str).collect::<Vec<_>>()),
        Some(value) => inline(value),
    }
}

/// What has happened to something that the plan relies on.
fn happened(relied: &Relied, fact: Fact, is: Option<&str>) -> String {
    let was = relied.was.get(&fact).map(String::as_str);
    let (thing, subject) = (&relied.thing, subject(relied));
    let (had, has) = (was.unwrap_or("none"), is.unwrap_or("none"));
    match (thing, fact) {
        (_, Fact::Boot) => "the machine has been started anew since then".to_owned(),
        (Thing::Host, _) => "the plan was made in another network namespace than this one".to_owned(),
        (Thing::Device { .. } | Thing::Namespace { .. }, _) if is.is_none() => {
            format!("{subject} is not there any more")
        }
        (_, Fact::Identity) => format!("{subject} is another one than then"),
        (_, Fact::Index) => format!("{subject} is another one than then (index {has}, was {had})"),
        (_, Fact::Kind) => format!("{subject} is another one than then (a {has} device, was a {had} one)"),
        (_, Fact::Up) => {
            let word = |up: &str| if up == "true" { "up" } else { "down" };
            format!("{subject} is {}, was {}", word(has), word(had))
        }
        (_, Fact::Strangers) => {
            let list = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
            format!("{subject}, which goes with all that is in it, holds {} of others; held {}", list(has), list(had))
        }
        (Thing::Setting { .. }, _) => format!("{subject} is {has}, was {had}"),
        (_, Fact::Before) => format!("what is to be put back of {subject} is {}, was {}", quote(has), quote(had)),
        (_, Fact::Users) => format!("{subject} is needed by {has}, was by {had}"),
        (Thing::Source { .. }, Fact::By) => match is {
            Some(is) => format!("{subject} is on `{is}`, was on `{had}`"),
            None => format!("{subject} is not there any more, was on `{had}`"),
        },
        (_, Fact::By) => match is {
            Some(is) => format!("{subject} is reached by `{is}`, was by `{had}`"),
            None => format!("{subject} is not reached any more, was by `{had}`"),
        },
        (_, Fact::Default) => format!("{subject} is {has}, was {had}"),
        (_, Fact::Beside) => {
            let list = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
            format!("beside {subject}, rules are in use by {}, were by {}", list(has), list(had))
        }
        (_, Fact::Stops) if has == "true" => {
            format!("{subject} drops bridged frames by its FORWARD policy, and did not")
        }
        (_, Fact::Stops) => format!("{subject} does not drop bridged frames any more"),
        (
            _,
            Fact::Mtu
            | Fact::Mac
            | Fact::Master
            | Fact::Alias
            | Fact::Addresses
            | Fact::Hairpin
            | Fact::Stp
            | Fact::AgeingTime
            | Fact::Value,
        ) => {
            let text = |value: &str| if value.is_empty() { "nothing".to_owned() } else { value.to_owned() };
            format!("{subject}: `{}` is {}, was {}", attribute(fact), text(has), text(had))
        }
    }
}

/// An attribute as the topology calls it.
fn attribute(fact: Fact) -> &'static str {
    match fact {
        Fact::Mtu => "mtu",
        Fact::Mac => "mac",
        Fact::Master => "bridge",
        Fact::Alias => "alias",
        Fact::Addresses => "addresses",
        Fact::Hairpin => "hairpin flag",
        Fact::Stp => "stp",
        Fact::AgeingTime => "ageing_time",
        Fact::Boot
        | Fact::Identity
        | Fact::Index
        | Fact::Kind
        | Fact::Up
        | Fact::Strangers
        | Fact::Value
        | Fact::Before
        | Fact::Users
        | Fact::By
        | Fact::Default
        | Fact::Beside
        | Fact::Stops => "state",
    }
}

/// A thing as the subject of a sentence.
fn subject(relied: &Relied) -> String {
    let of = |netns: &Netns| match netns {
        Netns::Host => "the host".to_owned(),
        Netns::Named(name) => format!("the namespace `{name}`"),
    };
    match &relied.thing {
        Thing::Host => "the host".to_owned(),
        Thing::Namespace { netns } => of(netns),
        Thing::Device { netns, name } => {
            let is_bridge = relied.was.get(&Fact::Kind).is_some_and(|kind| kind == bridge::KIND);
            let noun = if is_bridge { "bridge" } else { "device" };
            format!("the {noun} `{name}` in `{netns}`")
        }
        Thing::Setting { netns, key } => format!("`{}` of {}", key.replace('/', "."), of(netns)),
        Thing::Record { key } => match key.strip_prefix("master:") {
            Some(nic) => format!("the port `{nic}` of the host"),
            None => format!("`{}` of the host", key.replace('/', ".")),
        },
        Thing::Way { netns, to, .. } => format!("{to} from {}", of(netns)),
        Thing::Source { netns, address } => format!("the address {address} of {}", of(netns)),
        Thing::PacketFilter { netns } => format!("the packet filter of {}", of(netns)),
    }
}

/// What of others a plan relies on: the part of it that its reader cannot see in its changes.
pub fn relied_on(relied: &[Relied]) -> String {
    let foreign: Vec<&Relied> = relied.iter().filter(|it| it.foreign).collect();
    let line = |it: &&Relied| {
        let fact = |fact: Fact| it.was.get(&fact).map(String::as_str);
        let how = match (fact(Fact::Index), fact(Fact::By)) {
            (Some(index), _) => format!(" (index {index})"),
            (None, Some(by)) if matches!(it.thing, Thing::Source { .. }) => format!(" on `{by}`"),
            (None, Some(by)) => format!(" by `{by}`"),
            (None, None) => String::new(),
        };
        let text = format!("  {}: {}{how}", it.by, subject(it));
        format!("{}\n", clean(&text).replace('\n', " "))
    };
    let lines: String = foreign.iter().take(LINES).map(line).collect();
    match foreign.len() {
        0 => String::new(),
        many if many > LINES => format!("\n{TITLE}\n{lines}  … and {} more\n", many - LINES),
        _ => format!("\n{TITLE}\n{lines}"),
    }
}

const TITLE: &str = "It relies on what is somebody else's, and is refused where that is another by then:";

#[cfg(test)]
#[path = "stale_tests.rs"]
mod tests;
