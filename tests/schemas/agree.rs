//! The schema against the reader: what the reader takes, the schema takes, and of what it refuses the schema refuses what is a
//! matter of shape.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use jsonschema::Validator;
use netwright::{
    model::{Diagnostics, Severity},
    spec::{self, Format, format::convert::convert, resolve},
};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::{
    page::{Example, Page, Verdict},
    properties, reach, root, validator,
};

/// The codes of which the schema refuses every wrong example. What is in none of the lists is about more than the schema sees: other
/// keys' values, other files, the network as a whole.
const BY_SHAPE: &[&str] = &[
    "address::invalid",
    "address::length",
    "address::mac",
    "bridge::external",
    "check::port",
    "check::probe",
    "for::name",
    "for::shape",
    "for::values",
    "forward::protocol",
    "gateway::place",
    "host::not_ours",
    "include::path",
    "key::missing",
    "key::reserved",
    "key::unknown",
    "link::ends",
    "link::place",
    "name::interface",
    "name::label",
    "name::prefix",
    "name::sysctl",
    "name::topology",
    "nat::rule",
    "nat::to",
    "port::invalid",
    "port::loopback",
    "port::missing",
    "route::conflict",
    "route::nowhere",
    "route::onlink",
    "type::wrong",
    "value::number",
    "value::range",
    "value::sysctl",
    "value::unknown",
    "value::via",
    "vars::name",
    "vars::value",
];

/// Codes of which the schema refuses some examples.
const IN_PART: &[&str] = &[];

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| validator(&spec::schema()));

/// A file as JSON, as the language takes each scalar; `None` where it is no tree.
fn as_json(text: &[u8], format: Format) -> Option<Json> {
    let text = match format {
        Format::Json => String::from_utf8(text.to_vec()).ok()?,
        other => convert(text, "lab", other, Format::Json).ok()?.text,
    };
    serde_json::from_str(&text).ok()
}

/// Whether the schema takes a file; where the file is no tree, there is nothing for it to judge.
fn takes(text: &[u8], format: Format) -> Option<Result<(), Vec<String>>> {
    let json = as_json(text, format)?;
    let faults: Vec<String> = SCHEMA.iter_errors(&json).map(|e| format!("{} {e}", e.instance_path())).collect();
    Some(if faults.is_empty() { Ok(()) } else { Err(faults) })
}

fn examples(page: &Page, verdict: Verdict) -> impl Iterator<Item = (&str, &Example)> {
    page.sections().flat_map(move |section| {
        let examples = section.examples.iter().filter(move |it| it.verdict == verdict);
        examples.map(|example| (section.code.as_str(), example))
    })
}

#[test]
fn wrong_examples_are_refused_where_their_shape_is_wrong() {
    let page = Page::read();
    let mut judged: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for (code, example) in examples(&page, Verdict::Wrong) {
        if let Some(verdict) = takes(example.text.as_bytes(), example.format) {
            judged.entry(code).or_default().push(verdict.is_err());
        }
    }
    let whole: Vec<&str> = judged.iter().filter(|(_, all)| all.iter().all(|it| *it)).map(|(code, _)| *code).collect();
    let some = |all: &[bool]| all.contains(&true) && all.contains(&false);
    let part: Vec<&str> = judged.iter().filter(|(_, all)| some(all)).map(|(code, _)| *code).collect();
    assert_eq!(whole, BY_SHAPE, "the codes that the schema refuses by every example");
    assert_eq!(part, IN_PART, "the codes that the schema refuses by some examples");
}

#[test]
fn right_examples_are_taken() {
    let page = Page::read();
    for (_, example) in examples(&page, Verdict::Right) {
        let verdict = takes(example.text.as_bytes(), example.format);
        assert_eq!(verdict, Some(Ok(())), "{}", example.place());
    }
}

/// Whether the reader has nothing against a file but what is missing beside it.
fn is_read(text: &[u8], format: Format) -> bool {
    let no_errors = |found: &Diagnostics| found.0.iter().all(|it| it.severity == Severity::Warning);
    let (_, file, found) = spec::parse(text, "lab", format);
    no_errors(&found) && file.is_some_and(|file| no_errors(&resolve::resolve(&file).1))
}

#[test]
fn every_file_that_is_read_is_taken() {
    let mut folders = vec![root("topologies"), root("tests")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match Format::of_path(&path) {
                _ if path.is_dir() => folders.push(path),
                Some(format) => count += usize::from(check(&path, format)),
                None => {}
            }
        }
    }
    assert!(count > 40, "{count}");
}

/// Whether a file is one that the reader takes.
fn check(path: &Path, format: Format) -> bool {
    let text = fs::read(path).unwrap();
    let read = is_read(&text, format);
    if read {
        assert_eq!(takes(&text, format), Some(Ok(())), "{}", path.display());
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_random_lab_is_taken(gene in properties::gene(), seed in any::<u64>()) {
            for text in [properties::emit(&gene).to_string(), reach::lab(seed)] {
            if is_read(text.as_bytes(), Format::Json) {
                prop_assert_eq!(takes(text.as_bytes(), Format::Json), Some(Ok(())), "{}", text);
            }
        }
    }
}
