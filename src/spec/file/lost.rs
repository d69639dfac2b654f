//! What of a file could not be read, so that nobody is judged by what may stand there.

use foldhash::HashSet;

use super::{Bridge, Map};
use crate::{
    model::{Label, Span, Spanned},
    spec::{
        de::{Decoder, Loss, Step},
        tree::{Node, Scalar, Value},
    },
};

/// What of a file could not be read. All of it has been reported.
#[derive(Debug, Default)]
pub struct Lost {
    /// Whether a namespace or bridge may be defined in what is lost, so that one that is not known need not be undefined.
    pub names: bool,
    /// Whether what is lost may be about any namespace.
    pub everyone: bool,
    /// Namespaces and bridges of which something else than a route is lost, and namespaces of which a link is.
    pub concerned: HashSet<Label>,
    /// Namespaces of which a route is lost, in part or wholly.
    pub routes: HashSet<Label>,
    /// Whether a gateway is.
    pub gateways: bool,
    /// Whether a nat rule or a port forward is.
    pub rules: bool,
    /// Whether a check is.
    pub checks: bool,
    torn: HashSet<Span>,
    is_something: bool,
}

impl Lost {
    /// Whether everything could be read.
    pub fn is_nothing(&self) -> bool {
        !self.is_something
    }

    /// Whether a part of the item that stands at `item` could not be read: it may say something else then.
    pub fn tears(&self, item: Span) -> bool {
        self.torn.contains(&item)
    }

    /// Something may be lost that is about anything.
    fn add_all(&mut self) {
        (self.everyone, self.gateways, self.rules, self.checks) = (true, true, true, true);
    }

    fn add_section(&mut self, section: &str) {
        match section {
            "namespaces" | "bridges" | "links" => self.everyone = true,
            "gateways" => self.gateways = true,
            "nat" | "port_forwards" => self.rules = true,
            "checks" => self.checks = true,
            _ => {}
        }
    }
}

/// What is defined in a file.
pub struct Defined<'a> {
    /// Whether `names` are all.
    pub all_names: bool,
    /// Its namespaces.
    pub namespaces: &'a dyn Fn(&Label) -> bool,
    /// Its bridges.
    pub bridges: &'a Map<Label, Bridge>,
    /// Keys of the file that are none, with what was probably meant.
    pub unknown: Vec<Option<&'static str>>,
}

/// What is lost of the file `root`, by what its reader noted.
pub fn lost(root: &Node, defined: &Defined<'_>, cx: &mut Decoder<'_>) -> Lost {
    let losses = cx.losses();
    let mut lost = Lost { is_something: !losses.is_empty() || cx.unread, torn: cx.torn(), ..Lost::default() };
    if cx.unread || !defined.all_names {
        lost.names = !defined.all_names;
        lost.add_all();
    }
    for meant in &defined.unknown {
        match meant {
            Some(section) => lost.add_section(section),
            None => lost.add_all(),
        }
    }
    for Loss { section, entry, below } in losses {
        let Some(section) = section else { continue };
        match (section, entry) {
            ("namespaces", Some(Step::Key(name))) => add_namespace(&mut lost, name, below),
            ("bridges", Some(Step::Key(name))) => add_bridge(&mut lost, name, defined),
            ("links", Some(Step::Item(index))) => add_link(&mut lost, item(root, "links", index), defined),
            _ => lost.add_section(section),
        }
    }
    lost
}

fn add_namespace(lost: &mut Lost, name: &str, below: Option<&str>) {
    // An entry whose name is none is nobody's.
    let Ok(label) = name.parse() else { return };
    match below {
        Some("routes") => lost.routes.insert(label),
        _ => lost.concerned.insert(label),
    };
}

fn add_bridge(lost: &mut Lost, name: &str, defined: &Defined<'_>) {
    let Ok(label) = name.parse::<Label>() else { return };
    let key = Spanned { value: label.clone(), span: Span::default() };
    match defined.bridges.get(&key).map(|bridge| &bridge.namespace) {
        Some(Some(namespace)) => _ = lost.concerned.insert(namespace.value.clone()),
        Some(None) => _ = lost.concerned.insert(Label::host()),
        None => lost.everyone = true,
    }
    lost.concerned.insert(label);
}

/// A link is about whom its words name; where they name fewer than two, about anyone.
fn add_link(lost: &mut Lost, link: Option<&Node>, defined: &Defined<'_>) {
    let mut words = Vec::new();
    link.into_iter().for_each(|link| collect(link, &mut words));
    let mut ends = 0;
    for word in words {
        let Ok(label) = word.split(':').next().unwrap_or(word).parse::<Label>() else { continue };
        let key = Spanned { value: label, span: Span::default() };
        if (defined.namespaces)(&key.value) {
            lost.concerned.insert(key.value);
            ends += 1;
        } else if defined.bridges.contains_key(&key) {
            ends += 1;
        }
    }
    lost.everyone |= ends < 2;
}

fn collect<'n>(node: &'n Node, words: &mut Vec<&'n str>) {
    match &node.value {
        Value::Scalar(Scalar { text, .. }) => words.extend(text.split_whitespace()),
        Value::List(items) => items.iter().for_each(|item| collect(item, words)),
        // The name of a link names no end of it.
        Value::Map(entries) => {
            let others = entries.iter().filter(|entry| entry.key.value != "name");
            others.for_each(|entry| collect(&entry.value, words));
        }
        Value::Null | Value::Invalid => {}
    }
}

fn item<'n>(root: &'n Node, section: &str, index: usize) -> Option<&'n Node> {
    let Value::Map(entries) = &root.value else { return None };
    let section = entries.iter().find(|entry| entry.key.value == section)?;
    match &section.value.value {
        Value::List(items) => items.get(index),
        _ => None,
    }
}
