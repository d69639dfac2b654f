//! What `list` and `show` say about the topologies on this host.

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use indexmap::IndexMap;
use serde::Serialize;

use crate::{
    model::{Address, TopologyName, address::KindName},
    plan::{AttributeChange, Change, FORMAT_VERSION, Value},
    report::{
        attributes::inline,
        style::{BOLD, CYAN, DIM, GREEN, YELLOW, clean, count, paint, quote},
        table::table,
        words,
    },
};

/// How a topology on this host stands to what was applied last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// A plan would be empty.
    InSync,
    /// A plan would do something.
    Drifted {
        /// To how many resources.
        differences: usize,
    },
    /// It cannot be told.
    Unknown {
        /// Why: a fragment, such as `what was applied is not remembered`.
        why: String,
    },
}

/// One topology that owns something on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its name.
    pub name: TopologyName,
    /// How many resources of each kind it has here.
    pub counts: BTreeMap<KindName, usize>,
    /// Whether they are as they were applied.
    #[serde(flatten)]
    pub state: State,
    /// The file that was applied last.
    pub file: Option<PathBuf>,
}

/// A running lab with everything it owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lab {
    /// What the list says of it.
    #[serde(flatten)]
    pub summary: Summary,
    /// What it owns.
    pub resources: Vec<Resource>,
    /// What others made inside of what it owns: `web: device tun0 is not of this topology`.
    pub foreign: Vec<String>,
}

/// One resource as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// Which.
    pub address: Address,
    /// What it is like.
    pub attributes: IndexMap<Cow<'static, str>, Value>,
}

impl Resource {
    /// What a plan that destroys `change`'s resource knows of it: everything it has.
    pub fn from_delete(change: &Change) -> Self {
        let attribute = |a: &AttributeChange| Some((a.name.clone(), a.before.clone()?));
        Self { address: change.address.clone(), attributes: change.attributes.iter().filter_map(attribute).collect() }
    }
}

/// The topologies as a table.
pub fn list(labs: &[Summary]) -> String {
    if labs.is_empty() {
        return "No topologies. Nothing on this host belongs to netwright.\n".to_owned();
    }
    let rows: Vec<_> = labs.iter().map(|lab| (row(lab), tint(&lab.state))).collect();
    table(["NAME", "NAMESPACES", "BRIDGES", "LINKS", "OTHER", "STATE", "FILE"], &rows)
}

fn row(lab: &Summary) -> [String; 7] {
    let of = |kind| lab.counts.get(&kind).copied().unwrap_or(0);
    let (namespaces, bridges, links) = (of(KindName::Namespace), of(KindName::Bridge), of(KindName::Link));
    let other = lab.counts.values().sum::<usize>() - namespaces - bridges - links;
    [
        lab.name.to_string(),
        namespaces.to_string(),
        bridges.to_string(),
        links.to_string(),
        other.to_string(),
        state(&lab.state),
        file(lab),
    ]
}

fn file(lab: &Summary) -> String {
    lab.file.as_ref().map_or_else(|| "-".to_owned(), |f| clean(&f.display().to_string()).replace('\n', "\\n"))
}

fn state(state: &State) -> String {
    match state {
        State::InSync => "in sync".to_owned(),
        State::Drifted { differences } => format!("drifted ({differences})"),
        State::Unknown { .. } => "unknown".to_owned(),
    }
}

fn tint(state: &State) -> anstyle::Style {
    match state {
        State::InSync => anstyle::Style::new(),
        State::Drifted { .. } | State::Unknown { .. } => YELLOW,
    }
}

/// A running lab: how it stands, what others did in it, and every resource as it is.
pub fn show(lab: &Lab) -> String {
    let summary = &lab.summary;
    let standing = match &summary.state {
        State::InSync => paint(GREEN, "in sync".to_owned()),
        State::Drifted { differences } => {
            let how_much = count(*differences, "resource");
            paint(YELLOW, format!("drifted, {how_much}; `netwright plan` shows what"))
        }
        State::Unknown { why } => paint(YELLOW, format!("unknown: {}", clean(why))),
    };
    let counts: Vec<_> = summary.counts.iter().filter(|(_, n)| **n > 0).map(|(kind, n)| counted(*kind, *n)).collect();
    let mut out = format!("{}: {standing}\n", paint(BOLD, &summary.name));
    out.push_str(&format!("  file: {}\n  owns: {}\n", file(summary), counts.join(", ")));
    for other in &lab.foreign {
        out.push_str(&format!("  {} {}\n", paint(CYAN, "not ours:"), clean(other).replace('\n', " ")));
    }
    for resource in &lab.resources {
        out.push_str(&format!("\n{}\n", paint(DIM, format_args!("# {}:", words::name(&resource.address)))));
        block(resource, &mut out);
    }
    out
}

fn counted(kind: KindName, n: usize) -> String {
    match kind {
        KindName::PortForward => count(n, "port forward"),
        KindName::Nat => count(n, "nat rule"),
        KindName::Namespace
        | KindName::Bridge
        | KindName::Link
        | KindName::Route
        | KindName::Gateway
        | KindName::Firewall => count(n, kind.as_str()),
    }
}

fn block(resource: &Resource, out: &mut String) {
    let address = &resource.address;
    let width = resource.attributes.keys().map(|name| clean(name).chars().count()).max().unwrap_or(0);
    out.push_str(&format!("{} {} {{\n", address.kind(), quote(address.rest())));
    for (name, value) in &resource.attributes {
        out.push_str(&format!("    {:width$} = {}\n", clean(name), written(value)));
    }
    out.push_str("}\n");
}

/// A value: a list of several has a line for each.
fn written(value: &Value) -> String {
    match value {
        Value::List(items) if items.len() > 1 => {
            let lines: String = items.iter().map(|item| format!("        {},\n", quote(item))).collect();
            format!("[\n{lines}    ]")
        }
        other => inline(other),
    }
}

/// The topologies as one JSON document.
pub fn list_json(labs: &[Summary]) -> serde_json::Value {
    serde_json::json!({ "format_version": FORMAT_VERSION, "topologies": labs })
}

/// A running lab as one JSON document.
pub fn show_json(lab: &Lab) -> serde_json::Value {
    let mut document = serde_json::json!({ "format_version": FORMAT_VERSION });
    if let (Some(document), Ok(serde_json::Value::Object(lab))) = (document.as_object_mut(), serde_json::to_value(lab))
    {
        document.extend(lab);
    }
    document
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::{
        model::event::Action,
        report::{
            plan::tests::{attribute, change, number, text},
            style::plain,
        },
    };

    fn summary(name: &str, state: State) -> Summary {
        let counts = [(KindName::Namespace, 12), (KindName::Link, 1), (KindName::Nat, 2), (KindName::Gateway, 1)];
        let file = Some("/srv/labs/web.yaml".into());
        Summary { name: name.parse().unwrap(), counts: counts.into(), state, file }
    }

    fn labs() -> Vec<Summary> {
        let why = "what was applied is not remembered".to_owned();
        vec![
            summary("web-lab", State::InSync),
            summary("db", State::Drifted { differences: 2 }),
            Summary { file: None, ..summary("x", State::Unknown { why }) },
        ]
    }

    fn lab() -> Lab {
        let addresses = Value::List(vec!["192.168.0.2/24".into(), "fd00:10::2/64".into()]);
        let gone = change(
            "link.web:eth0",
            Action::Delete,
            vec![
                attribute("mtu", number(1500), None),
                attribute("peer", text("br0"), None),
                attribute("addresses", Some(addresses), None),
            ],
        );
        let foreign = vec!["web: device tun0 is not of this topology".to_owned()];
        let resources = vec![Resource::from_delete(&gone)];
        Lab { summary: summary("web-lab", State::Drifted { differences: 1 }), resources, foreign }
    }

    #[test]
    fn the_list_is_a_table() {
        insta::assert_snapshot!(plain(&list(&labs())));
        assert_eq!(list(&[]), "No topologies. Nothing on this host belongs to netwright.\n");
    }

    #[test]
    fn the_list_is_a_document() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&list_json(&labs())).unwrap());
    }

    #[test]
    fn a_lab_shows_what_it_owns() {
        insta::assert_snapshot!(plain(&show(&lab())));
    }

    #[test]
    fn a_lab_is_a_document() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&show_json(&lab())).unwrap());
    }
}
