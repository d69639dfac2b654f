use std::{fs, path::Path};

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_formatted_or_refused(which in 0..4usize, edits in prop::collection::vec(edit(), 1..5)) {
        let commented = (COMMENTED.into(), Format::Yaml);
        let (mut bytes, format) = samples().into_iter().chain([commented]).nth(which).unwrap();
        for edit in &edits {
            apply(&mut bytes, edit);
        }
        survives(&bytes, format);
    }
}
