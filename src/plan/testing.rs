//! What the tests of findings have in common.

use crate::{
    kind::{Topology, made::Made},
    model::{Diagnostic, Snapshot},
    observe::{self, Observed},
    spec::{self, Format, resolve},
};

/// A topology from its text.
pub fn topology(text: &str) -> Topology {
    let (_, file, wrong) = spec::parse(text.as_bytes(), "lab.yaml", Format::Yaml);
    let (topology, more) = resolve::resolve(&file.unwrap());
    topology.unwrap_or_else(|| panic!("{wrong:?} {more:?}"))
}

/// What is there of it.
pub fn observed(topology: &Topology, snapshot: &Snapshot) -> Observed {
    observe::observe(snapshot, &topology.name, Some(topology), &Made::default())
}

/// Findings as they are read.
pub fn texts(found: &[Diagnostic]) -> Vec<String> {
    let text = |it: &Diagnostic| {
        format!("{:?} {}: {}\n{}", it.severity, it.code, it.message, it.help.as_deref().unwrap_or_default())
    };
    found.iter().map(text).collect()
}
