//! What a file means, and word for word what is said of one that means nothing.

mod addresses;
mod wrong;

use super::*;
use crate::{
    report::diagnostic::{Style, render},
    spec::{self, Format, Source},
};

/// Reads and resolves a file that can at least be read.
fn read(text: &str) -> (Source, Option<Topology>, Diagnostics) {
    let (source, file, diagnostics) = spec::parse(text.as_bytes(), "lab.yaml", Format::Yaml);
    assert!(!diagnostics.has_errors(), "{}", render(&diagnostics, &[source], Style::default()));
    let (topology, diagnostics) = resolve(&file.unwrap(), &Options::default());
    (source, topology, diagnostics)
}

/// What is said of a file, drawn.
fn said(text: &str) -> String {
    let (source, topology, diagnostics) = read(text);
    assert!(topology.is_none(), "taken: {text}");
    render(&diagnostics, &[source], Style::default())
}

/// A file without anything wrong.
fn good(text: &str) -> Topology {
    let (source, topology, diagnostics) = read(text);
    assert_eq!(render(&diagnostics, &[source], Style::default()), "\n");
    topology.unwrap()
}
