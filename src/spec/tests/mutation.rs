//! No input makes the reader panic, and every diagnostic points into its file.

use proptest::prelude::*;

use super::{super::*, TOML, YAML, tree_of};
use crate::report::diagnostic::{Style, json, render};

/// Reads it, draws what is wrong, and checks that every place is one.
fn survives(bytes: &[u8], format: Format) {
    let (source, _, diagnostics) = parse(bytes, "lab", format);
    for diagnostic in &diagnostics.0 {
        for label in &diagnostic.labels {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(source.text.get(start..end).is_some(), "{diagnostic:?} is outside of {:?}", source.text);
        }
    }
    let sources = [source];
    let drawn = render(&diagnostics, &sources, Style::default());
    assert!(!drawn.contains("Failed to read contents"), "{drawn}");
    assert_eq!(json(&diagnostics, &sources).len(), diagnostics.0.len());
}

/// A file of many from one.
const MANY: &str = r#"
name: many
vars: { n: 3, roles: [a, b], on: true, mtu: "${n * 1000}" }
prefix: ${name}-
namespaces:
  s$s: { for: { s: 1..2 }, forwarding: $on }
  l$l: { for: { l: [1..2, 3] }, when: $l != 2 && $on, sysctls: { net.ipv4.conf.e$i.rp_filter: { for: { i: 1..2 }, value: 1 } } }
links:
  - { for: { s: 1..2, l: "$s..$n" }, subnet: "10.$s.${l:2x}.0/31", mtu: $mtu, endpoints: ["s$s:e$l", "l$l:e$s"] }
"#;

pub fn samples() -> [(Vec<u8>, Format); 4] {
    let json = serde_json::to_string_pretty(&tree_of(YAML, Format::Yaml).to_json()).unwrap();
    [(YAML.into(), Format::Yaml), (TOML.into(), Format::Toml), (json.into(), Format::Json), (MANY.into(), Format::Yaml)]
}

/// Pieces that mean something to one of the formats or to the language.
const PIECES: &[&str] = &[
    "",
    "$",
    "${",
    "${n+1}",
    "1..3",
    "for: { i: 1..3 }\n",
    "when: $n > 1\n",
    "vars: { n: 2 }\n",
    "value: ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\n",
    "\r",
    "\t",
    "\0",
    ": ",
    ":",
    ",",
    "-",
    "- ",
    "#",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "---\n",
    "é",
    "\u{feff}",
    "|\n",
    ">-\n",
    "? ",
    "[[",
    "]]",
    "=",
    "\"\"\"",
    "\\",
    "\\u00",
    "\\ud800",
    "1e999",
    "-1",
    "0x1",
    "99999999999999999999",
    "null",
    "~",
    "true",
    "fd00::1",
    "[::1]:80",
    "10.0.0.1/33",
    "%",
    "\u{202e}",
    "for: 1",
    "\n  ",
];

#[derive(Debug, Clone)]
pub enum Edit {
    Insert(usize, usize),
    Delete(usize, usize),
    Swap(usize, u8),
    Copy(usize, usize, usize),
}

pub fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<usize>(), 0..PIECES.len()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<usize>(), 1..40usize).prop_map(|(at, len)| Edit::Delete(at, len)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Edit::Swap(at, byte)),
        (any::<usize>(), 1..60usize, any::<usize>()).prop_map(|(from, len, to)| Edit::Copy(from, len, to)),
    ]
}

pub fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    let at = |n: usize, bytes: &[u8]| n % (bytes.len() + 1);
    match edit {
        Edit::Insert(n, piece) => {
            let at = at(*n, bytes);
            bytes.splice(at..at, PIECES[*piece].bytes());
        }
        Edit::Delete(n, len) => {
            let start = at(*n, bytes);
            bytes.drain(start..(start + len).min(bytes.len()));
        }
        Edit::Swap(n, byte) => {
            if let Some(place) = (!bytes.is_empty()).then(|| n % bytes.len()) {
                bytes[place] = *byte;
            }
        }
        Edit::Copy(from, len, to) => {
            let start = at(*from, bytes);
            let part = bytes[start..(start + len).min(bytes.len())].to_vec();
            let to = at(*to, bytes);
            bytes.splice(to..to, part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_an_error_and_no_panic(which in 0..4usize, edits in prop::collection::vec(edit(), 1..6)) {
        let (mut bytes, format) = samples()[which].clone();
        for edit in &edits {
            apply(&mut bytes, edit);
        }
        survives(&bytes, format);
    }

    #[test]
    fn any_heap_of_pieces_is_no_panic(pieces in prop::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            survives(text.as_bytes(), format);
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_no_panic() {
    for (bytes, format) in samples() {
        for end in 0..bytes.len() {
            let (source, _, diagnostics) = parse(&bytes[..end], "lab", format);
            for label in diagnostics.0.iter().flat_map(|diagnostic| &diagnostic.labels) {
                assert!(source.text.get(label.span.start as usize..label.span.end as usize).is_some());
            }
        }
    }
}
