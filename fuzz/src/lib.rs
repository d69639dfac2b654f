//! What the targets share: the ways through the reader, and what must hold whatever the bytes are.

use std::{collections::BTreeMap, path::Path};

use netwright::{
    diff::{self, Choices},
    kind::{Topology, made::NOTHING},
    model::{Diagnostics, Snapshot},
    plan::{self, Inputs},
    report::diagnostic::{Style, json, render},
    spec::{self, Format, Given, Source, Surroundings, resolve, tree::Node},
};

/// Reads the tree of a file. Where there is none, it is said why.
pub fn tree(bytes: &[u8], format: Format) -> Option<Node> {
    let (source, tree, diagnostics) = spec::tree(bytes, "lab", format);
    said_in_place(&diagnostics, &[source]);
    assert!(tree.is_some() || diagnostics.has_errors(), "no tree and no error");
    if diagnostics.has_errors() { None } else { tree }
}

/// The format that the first byte says, and the rest.
pub fn format_of(bytes: &[u8]) -> (Format, &[u8]) {
    match bytes.split_first() {
        Some((b't', rest)) => (Format::Toml, rest),
        Some((b'j', rest)) => (Format::Json, rest),
        Some((_, rest)) => (Format::Yaml, rest),
        None => (Format::Yaml, bytes),
    }
}

/// A tree that was read without an error can be written as JSON and read again.
pub fn is_json(tree: &Node) {
    let json = tree.to_json();
    let says_nothing = json.is_null() || json.as_object().is_some_and(|map| map.is_empty());
    assert!(says_nothing || self::tree(json.to_string().as_bytes(), Format::Json).is_some(), "{tree:?}");
}

/// A file, what stands beside it, and what is set on the command line: `TEXT`, then parts that begin with a line such as
/// `=== net.yaml` or `=== -var n=3`.
pub struct Case<'a> {
    format: Format,
    text: &'a [u8],
    files: Vec<(&'a Path, &'a [u8])>,
    given: BTreeMap<String, Given>,
}

/// Begins a part of a case.
const PART: &[u8] = b"\n=== ";

impl<'a> Case<'a> {
    /// Splits bytes, of which the first says the format.
    pub fn new(bytes: &'a [u8]) -> Self {
        let (format, rest) = format_of(bytes);
        let (text, mut rest) = split_at(rest, PART);
        let mut case = Self { format, text, files: Vec::new(), given: BTreeMap::new() };
        while let Some(bytes) = rest {
            let (part, more) = split_at(bytes, PART);
            case.part(part);
            rest = more;
        }
        case
    }

    fn part(&mut self, bytes: &'a [u8]) {
        let (title, text) = split_at(bytes, b"\n");
        let Ok(title) = std::str::from_utf8(title) else { return };
        match title.strip_prefix("-var ").map(|var| var.split_once('=').unwrap_or((var, ""))) {
            Some((name, value)) => {
                self.given.insert(name.to_owned(), Given { text: value.to_owned(), must: true });
            }
            None => self.files.push((Path::new(title), text.unwrap_or_default())),
        }
    }

    /// The whole path: from text to a topology, and from that to a graph and a plan for an empty machine.
    pub fn run(self) {
        let Self { format, text, files, given } = self;
        let fetch = &mut |path: &Path| match files.iter().find(|(name, _)| *name == path) {
            Some((_, bytes)) => Ok(bytes.to_vec()),
            None => Err("no such file or directory".to_owned()),
        };
        let mut loaded = spec::load(text, "lab", format, Surroundings { name: None, given, fetch });
        let mut topology = None;
        if let Some(file) = &loaded.file {
            let (resolved, found) = resolve::resolve(file);
            loaded.diagnostics.0.extend(found.0);
            topology = resolved;
        }
        loaded.diagnostics.sort();
        loaded.copies.explain(&mut loaded.diagnostics);
        said_in_place(&loaded.diagnostics, &loaded.sources);
        if loaded.diagnostics.has_errors() {
            return;
        }
        let topology = topology.expect("a topology, or an error that says why there is none");
        loaded.file.iter().for_each(|file| _ = resolve::held(file, &topology));
        planned(&topology);
    }
}

fn planned(topology: &Topology) {
    if diff::check_order(topology).is_err() {
        return;
    }
    let (snapshot, choices) = (Snapshot::default(), Choices::default());
    let inputs = Inputs {
        name: &topology.name,
        topology: Some(topology),
        snapshot: &snapshot,
        memo: &NOTHING,
        choices: &choices,
    };
    plan::build(&inputs);
}

/// Every place lies within its source, and what is found can be drawn for people and spelled out for machines.
fn said_in_place(diagnostics: &Diagnostics, sources: &[Source]) {
    for diagnostic in &diagnostics.0 {
        for label in &diagnostic.labels {
            let source = sources.get(label.span.source as usize).unwrap_or_else(|| panic!("no source: {diagnostic:?}"));
            assert!(source.text.get(label.span.range()).is_some(), "outside of its source: {diagnostic:?}");
        }
    }
    assert_eq!(json(diagnostics, sources).len(), diagnostics.0.len());
    let drawn = render(diagnostics, sources, Style::default());
    assert!(!drawn.contains("Failed to read contents"), "not drawn: {drawn}");
}

fn split_at<'a>(bytes: &'a [u8], mark: &[u8]) -> (&'a [u8], Option<&'a [u8]>) {
    match bytes.windows(mark.len()).position(|window| window == mark) {
        Some(at) => (&bytes[..at], Some(&bytes[at + mark.len()..])),
        None => (bytes, None),
    }
}
