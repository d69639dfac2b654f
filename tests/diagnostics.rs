//! docs/diagnostics.md lists every code of a diagnostic, and its examples do what the page says of them.
//!
//! A new code is a section of the page: its name as a heading, `**Error.**` or `**Warning.**` with what it means, an example that
//! is wrong and one that is right. What fails here says what to write, and where.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "diagnostics/inputs.rs"]
mod inputs;
#[path = "diagnostics/page.rs"]
mod page;
#[path = "diagnostics/sources.rs"]
mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use inputs::{AMONG_OTHERS, IN_CODE, PLACELESS};
use netwright::{
    model::{Diagnostic, Diagnostics, Severity},
    report::diagnostic::{Style, render},
    spec::{Format, Given, Source, Surroundings, format::convert::convert, load, resolve},
};
use page::{Example, PAGE, Page, Section, Verdict};

/// The part of the page whose codes no file shows alone: they have a sentence and no examples.
const HOST: &str = "On the running host";

/// What was said of an example.
struct Said {
    sources: Vec<Source>,
    diagnostics: Diagnostics,
}

impl Said {
    fn drawn(&self) -> String {
        let first = self.diagnostics.0.iter().take(5).cloned().collect();
        render(&Diagnostics(first), &self.sources, Style::default())
    }
}

/// Reads a file as `validate` does; `beside` are those that it may include.
fn read(bytes: &[u8], name: &str, beside: &[(String, String)], vars: &[(String, String)]) -> Said {
    let given = |(name, text): &(String, String)| (name.clone(), Given { text: text.clone(), must: true });
    let fetch = &mut |path: &Path| match beside.iter().find(|(name, _)| Path::new(name) == path) {
        Some((_, text)) => Ok(text.as_bytes().to_vec()),
        None => Err("no such file or directory".to_owned()),
    };
    let surroundings = Surroundings { name: None, given: vars.iter().map(given).collect(), fetch };
    let mut loaded = load(bytes, name, Format::of_path(name).unwrap(), surroundings);
    if let Some(file) = &loaded.file {
        loaded.diagnostics.0.extend(resolve::resolve(file).1.0);
    }
    loaded.diagnostics.sort();
    loaded.copies.explain(&mut loaded.diagnostics);
    Said { sources: loaded.sources, diagnostics: loaded.diagnostics }
}

/// What is said of an example, and of its way into another notation where it names one.
fn judge(example: &Example) -> Said {
    let mut beside = example.beside.clone();
    beside.push((example.name(), example.text.clone()));
    let mut said = read(example.text.as_bytes(), &example.name(), &beside, &example.vars);
    if let Some(to) = example.to {
        match convert(example.text.as_bytes(), &example.name(), example.format, to) {
            Ok(converted) => said.diagnostics.0.extend(converted.warnings),
            Err(refused) => panic!("{}: {refused:?}", example.place()),
        }
    }
    said
}

/// Everything that is wrong with a wrong example of `section`, which must be of its code and nothing else.
fn faults_of_wrong(section: &Section, place: &str, said: &Said) -> Vec<String> {
    let code = &section.code;
    let (own, others): (Vec<_>, Vec<_>) = said.diagnostics.0.iter().partition(|it| it.code == code);
    let mut faults = Vec::new();
    if own.is_empty() {
        faults.push(format!("{place}: the wrong example of `{code}` does not give it, but:\n{}", said.drawn()));
    }
    let alone = AMONG_OTHERS.iter().all(|(other, _)| other != code);
    if alone && others.iter().any(|it| it.severity == Severity::Error) {
        faults.push(format!("{place}: the wrong example of `{code}` gives other errors too:\n{}", said.drawn()));
    }
    for found in own.iter().filter(|it| !section.severities.contains(&it.severity)) {
        faults.push(format!("{place}: `{code}` is given as {:?}, and the page does not say so", found.severity));
    }
    for found in own {
        faults.extend(misplaced(found, &said.sources).map(|what| format!("{place}: `{code}` {what}")));
    }
    faults
}

/// What is wrong with the places of a diagnostic.
fn misplaced(found: &Diagnostic, sources: &[Source]) -> Option<String> {
    if found.labels.is_empty() != PLACELESS.iter().any(|(code, _)| *code == found.code) {
        return Some("has labels where PLACELESS says that it has none, or the other way about".to_owned());
    }
    let bad = found.labels.iter().find(|label| {
        let text = sources.get(label.span.source as usize).map(|source| &source.text);
        text.and_then(|text| text.get(label.span.range())).is_none() || label.text.is_empty()
    });
    bad.map(|label| format!("has a label that points past the text, or says nothing: {label:?}"))
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_page_has_every_code_of_the_sources_and_no_other() {
    let (page, codes) = (Page::read(), sources::codes());
    assert!(codes.len() > 100, "{codes:?}");
    let listed: BTreeSet<&str> = page.sections().map(|section| section.code.as_str()).collect();
    let missing = codes.iter().filter(|(code, _)| !listed.contains(code.as_str()));
    let mut faults: Vec<String> = missing.map(|(code, file)| page.ask_for(code, file)).collect();
    let gone = listed.iter().filter(|code| !codes.contains_key(**code));
    faults.extend(gone.map(|code| format!("{PAGE} has `{code}`, which no source has any more: take its section away")));
    assert_none(&faults);
}

#[test]
fn sections_are_in_order_and_each_says_what_it_means() {
    let page = Page::read();
    let mut faults = Vec::new();
    let mut seen = BTreeMap::new();
    for part in &page.parts {
        for (section, next) in part.sections.iter().zip(part.sections.iter().skip(1)) {
            if section.code >= next.code {
                faults.push(format!("{PAGE}:{}: `{}` stands before `{}`", next.line, next.code, section.code));
            }
        }
        for section in &part.sections {
            let place = format!("{PAGE}:{}: `{}`", section.line, section.code);
            if let Some(first) = seen.insert(&section.code, section.line) {
                faults.push(format!("{place} stands in line {first} already"));
            }
            if section.severities.is_empty() || section.prose.len() < 30 {
                faults.push(format!(
                    "{place} does not begin with **Error.**, **Warning.** or **Error or warning.** and what it means"
                ));
            }
            faults.extend(unfit_examples(section, part.title == HOST).map(|what| format!("{place} {what}")));
        }
    }
    for (code, why, _) in IN_CODE {
        if !seen.contains_key(&(*code).to_owned()) || why.is_empty() {
            faults.push(format!("IN_CODE has `{code}`, which the page has not, or no reason for it"));
        }
    }
    assert_none(&faults);
}

/// What is wrong with how many examples a section has.
fn unfit_examples(section: &Section, on_host: bool) -> Option<String> {
    let has = |verdict| section.examples.iter().any(|it| it.verdict == verdict);
    let in_code = IN_CODE.iter().any(|(code, ..)| *code == section.code);
    match (has(Verdict::Wrong), has(Verdict::Right)) {
        (false, false) if on_host || in_code => None,
        _ if on_host => Some(format!("has examples: that belongs into another part than \"{HOST}\"")),
        _ if in_code => {
            Some("has examples, and its input in IN_CODE of tests/diagnostics/inputs.rs as well".to_owned())
        }
        (true, true) => None,
        _ => Some("needs an example that is wrong (```yaml wrong) and one that is right (```yaml right)".to_owned()),
    }
}

#[test]
fn wrong_examples_give_their_code_and_no_other_error() {
    let page = Page::read();
    let mut faults = Vec::new();
    for section in page.sections() {
        let mut severities = BTreeSet::new();
        let wrong = section.examples.iter().filter(|it| it.verdict == Verdict::Wrong);
        let mut all: Vec<_> = wrong.map(|example| (example.place(), judge(example))).collect();
        let in_code = IN_CODE.iter().filter(|(code, ..)| *code == section.code);
        all.extend(in_code.map(|(code, _, input)| (format!("the input of `{code}`"), input().read())));
        for (place, said) in &all {
            faults.extend(faults_of_wrong(section, place, said));
            severities.extend(said.diagnostics.0.iter().filter(|it| it.code == section.code).map(|it| it.severity));
        }
        if !all.is_empty() && severities != section.severities {
            let (page, found) = (&section.severities, severities);
            faults.push(format!("{PAGE}: `{}` is {page:?} by the page, and {found:?} by its examples", section.code));
        }
    }
    assert_none(&faults);
}

#[test]
fn right_examples_give_nothing() {
    let page = Page::read();
    let right = page.sections().flat_map(|section| &section.examples).filter(|it| it.verdict == Verdict::Right);
    let judged: Vec<_> = right.map(|example| (example.place(), judge(example))).collect();
    assert!(judged.len() > 100, "{}", judged.len());
    let bad = judged.iter().filter(|(_, said)| !said.diagnostics.0.is_empty());
    let faults: Vec<String> = bad.map(|(place, said)| format!("{place}: this is right?\n{}", said.drawn())).collect();
    assert_none(&faults);
}

#[test]
fn a_code_that_is_not_on_the_page_is_asked_for_with_what_to_write() {
    let asked = Page::read().ask_for("address::lost", "src/spec/resolve/addresses.rs");
    assert!(asked.contains("### `address::lost`\n\n**Error.** ") && asked.contains("```yaml wrong\n"), "{asked}");
    assert!(asked.contains("before `address::mac`"), "{asked}");
}
