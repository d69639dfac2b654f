use std::{fs, path::Path, sync::LazyLock};

use proptest::prelude::*;

use super::{super::*, formatted};
use crate::spec::tests::mutation::{apply, edit, samples};

/// Every topology file of the project that can be read as a tree, with its text.
fn files() -> Vec<(String, String, Format)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("topologies"), root.join("tests")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            match Format::of_path(&path) {
                _ if path.is_dir() => folders.push(path),
                Some(format) => {
                    let Ok(text) = fs::read_to_string(&path) else { continue };
                    if read(text.as_bytes(), &name, format).is_ok() {
                        found.push((name, text, format));
                    }
                }
                None => {}
            }
        }
    }
    assert!(found.len() > 30, "{}", found.len());
    found
}

/// How many comments a text has, told by another reader than the formatter's where there is one.
fn comments(text: &str, format: Format) -> usize {
    match format {
        Format::Json => 0,
        Format::Toml => {
            let tokens = toml_parser::Source::new(text).lex();
            tokens.filter(|token| token.kind() == toml_parser::lexer::TokenKind::Comment).count()
        }
        Format::Yaml => {
            let options = granit_parser::options! { emit_comments: true, max_buffered_comment_events: text.len() };
            let events = granit_parser::Parser::new_from_str_with_options(text, options);
            events.filter(|event| matches!(event, Ok((granit_parser::Event::Comment(..), _)))).count()
        }
    }
}

#[test]
fn every_file_keeps_its_comments_and_stays_once_formatted() {
    for (name, text, format) in files() {
        let once = formatted(&text, format);
        assert_eq!(comments(&once, format), comments(&text.replace('\r', ""), format), "{name}\n{once}");
        assert_eq!(formatted(&once, format), once, "{name}");
    }
}

#[test]
fn every_shipped_lab_is_formatted() {
    let mut count = 0;
    for (name, text, format) in files() {
        if name.starts_with("topologies/") {
            assert_eq!(formatted(&text, format), text, "{name}: run netwright fmt");
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

/// Formats what may be no file at all. A file is refused only for what the reader says.
fn survives(bytes: &[u8], format: Format) {
    match super::super::format(bytes, "lab", format) {
        Ok(once) => {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(comments(&once, format), comments(&plain_ends(&text, format), format), "{text}\n---\n{once}");
        }
        Err(Refused::Unreadable(..)) => {}
        Err(Refused::Unproved(why)) => panic!("{why}\n{}", String::from_utf8_lossy(bytes)),
    }
}

/// A lab with comments wherever one can stand.
const COMMENTED: &str = "\
# head

name: lab # name
x: &x # x
  # in x
  a: |  # text
    one
  b: [1, # one
    2] # two
namespaces:   # all
  # web
  web: {}     # of web
  db:         # of db
    <<: *x
    routes:
    - { to: default, via: fd00::1 } # by
    # below

  # end
links:
- endpoints: [a, # a
     b] # ends

# tail
";

/// A file with comments between whatever comments can stand.
const ODD: &str = r#"name:
  # own line
  b
description:   # remark
  # own line
  text
prefix:   &p # behind anchor
  "x-"
x-a: &a   # behind anchor of map
  k: 1
x-b: &b
  # below anchor of map
  k: 1
x-c:
  &c # behind anchor on own line
  k: 1
x-d:
  - &d # behind anchor of item
    k: 1
  - # behind dash
    k: 1
  - # behind dash of scalar
    s
  - # behind dash of list
    - 1
  -   # two
      # three
      k: 2
x-e: # one
  # two
  { a: 1 }
x-f: !!map   # tag
  k: 1
x-g: [ # open
  1, 2 ]
x-h: { # open
  a: 1 }
x-i:
  - [ # open
     1 ]
x-j: &j # to a scalar
  5
x-k: | # lit
  text
x-l: # before lit
  |
  text
x-m: "multi
   line"   # after multi
x-n:
  # above flow
  [1, 2] # behind
namespaces: # ns
  # first
  web: # web
    # lo
    loopback: true
  ? db   # complex
  : # colon
    loopback: false
  ref: *a # aliased
"#;

/// The topology of a file, and what is said of it.
fn resolved(text: &str, format: Format) -> (Option<crate::kind::Topology>, Vec<String>) {
    let (_, file, diagnostics) = crate::spec::parse(text.as_bytes(), "lab", format);
    let messages = |diagnostics: &Diagnostics| {
        let errors = diagnostics.0.iter().filter(|found| found.severity == crate::model::Severity::Error);
        let mut messages: Vec<String> = errors.map(|found| found.message.clone()).collect();
        messages.sort();
        messages
    };
    if diagnostics.has_errors() {
        return (None, messages(&diagnostics));
    }
    let (topology, more) = crate::spec::resolve::resolve(&file.unwrap());
    (topology, messages(&more))
}

const FORMATS: [Format; 3] = [Format::Yaml, Format::Toml, Format::Json];

/// Converts a text to every notation, and on to every other.
pub fn converts(name: &str, text: &str, from: Format) {
    let convert = |text: &str, from, to| match convert::convert(text.as_bytes(), "lab", from, to) {
        Ok(converted) => converted.text,
        Err(refused) => panic!("{name} from {from:?} to {to:?}: {refused:?}\n{text}"),
    };
    for to in FORMATS {
        let there = convert(text, from, to);
        if to != Format::Json {
            assert_eq!(
                comments(&there, to),
                comments(&plain_ends(text, from), from),
                "{name} to {to:?}\n{text}---\n{there}"
            );
        }
        assert_eq!(formatted(&there, to), there, "{name} to {to:?}");
        for next in FORMATS {
            let on = convert(&there, to, next);
            let again = convert(&on, next, to);
            if next != Format::Json && to != Format::Json {
                assert_eq!(comments(&again, to), comments(&there, to), "{name} to {to:?} to {next:?} and back");
            }
        }
    }
}

#[test]
fn every_file_converts_to_every_notation_and_means_the_same() {
    let mut valid = 0;
    for (name, text, from) in files() {
        converts(&name, &text, from);
        let (wanted, wrong) = resolved(&text, from);
        valid += usize::from(wanted.is_some());
        for to in FORMATS {
            let converted = convert::convert(text.as_bytes(), &name, from, to).unwrap().text;
            let (found, now_wrong) = resolved(&converted, to);
            assert_eq!(found.is_some(), wanted.is_some(), "{name} to {to:?}: {wrong:?} {now_wrong:?}\n{converted}");
            assert_eq!(now_wrong, wrong, "{name} to {to:?}\n{converted}");
            assert_eq!(format!("{found:#?}"), format!("{wanted:#?}"), "{name} to {to:?}\n{converted}");
        }
    }
    assert!(valid > 30, "{valid}");
}

/// Files to damage: those of the project, and some that have everything.
static DAMAGED: LazyLock<Vec<(Vec<u8>, Format)>> = LazyLock::new(|| {
    let odd = [COMMENTED, ODD].map(|text| (text.into(), Format::Yaml));
    let found = files().into_iter().map(|(_, text, format)| (text.into_bytes(), format));
    // Half of all damage is done to the small ones, which have more in less.
    let small: Vec<_> = samples().into_iter().chain(odd).collect();
    let count = found.len() / small.len();
    small.iter().cycle().take(count * small.len()).cloned().chain(found).collect()
});

fn damaged() -> impl Strategy<Value = (Vec<u8>, Format)> {
    (any::<prop::sample::Index>(), prop::collection::vec(edit(), 1..5)).prop_map(|(which, edits)| {
        let (mut bytes, format) = which.get(&DAMAGED).clone();
        edits.iter().for_each(|edit| apply(&mut bytes, edit));
        (bytes, format)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_formatted_or_refused((bytes, format) in damaged()) {
        survives(&bytes, format);
    }

    #[test]
    fn a_damaged_file_is_converted_or_refused((bytes, from) in damaged()) {
        let readable = read(&bytes, "lab", from).is_ok();
        for to in FORMATS {
            match convert::convert(&bytes, "lab", from, to) {
                Err(Refused::Unproved(why)) => panic!("{why}, to {to:?}\n{}", String::from_utf8_lossy(&bytes)),
                Err(Refused::Unreadable(_, found)) => assert!(!readable || found.0.iter().all(|it| it.code == "file::empty")),
                Ok(converted) if to != Format::Json && from != Format::Json => {
                    let text = plain_ends(&String::from_utf8_lossy(&bytes), from);
                    assert_eq!(comments(&converted.text, to), comments(&text, from), "{text}\n---\n{}", converted.text);
                }
                Ok(_) => {}
            }
        }
    }
}
