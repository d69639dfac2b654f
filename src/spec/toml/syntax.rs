//! What is wrong with text that is no TOML, one error for one slip: of a value without quotes the parser makes several.

use std::ops::Range;

use super::bare::Line;
use crate::{
    model::{Diagnostic, Span},
    spec::{de::meant, widen},
};

/// How far into a line it is looked for a key with a colon, in bytes.
const LONGEST_KEY: usize = 200;

/// Words what the parser finds, in the order of the file.
pub struct Syntax<'t> {
    source: u32,
    text: &'t str,
    /// The line of the last error.
    line: Line<'t>,
    /// Where the last thing ends that was said to be wrong.
    said: usize,
    /// Whether it was said that a key has a colon after it.
    colon: bool,
}

impl<'t> Syntax<'t> {
    /// For source number `source`.
    pub fn new(source: u32, text: &'t str) -> Self {
        Self { source, text, line: Line::around(text, 0), said: 0, colon: false }
    }

    /// What the parser says of a place that is not before the last one, or `None` where it follows from what was said before.
    pub fn error(&mut self, range: Range<usize>, message: &str) -> Option<Diagnostic> {
        let range = widen(self.text, range);
        if range.start < self.said {
            return None;
        }
        if range.start > self.line.range.end {
            self.line = Line::around(self.text, range.start);
        }
        if message.starts_with("string values must be quoted") && range.is_empty() {
            let help = "write one, or take the key away: without it the default holds";
            return Some(self.at(range, "a value is missing").help(help));
        }
        if let Some(colon) = self.colon_after_key() {
            return colon;
        }
        if message.starts_with("key with no value") && self.said > self.line.range.start {
            return None;
        }
        let of_value = ["string values", "invalid ", "unexpected ", "`_` may"].iter().any(|it| message.starts_with(it));
        if let Some(value) = self.line.value(range.start).filter(|_| of_value) {
            return Some(self.bare(value, message));
        }
        if message.starts_with("invalid unquoted key") {
            return Some(self.unquoted(self.key(&range), "the key "));
        }
        Some(self.at(range, message))
    }

    /// A value that only text can be, or a number in a notation that TOML has not.
    fn bare(&mut self, value: Range<usize>, message: &str) -> Diagnostic {
        let word = self.text.get(value.clone()).unwrap_or_default();
        let number = meant::advice(word).filter(|_| !message.starts_with("string values"));
        if let Some(help) = number {
            return self.at(value, message).help(help);
        }
        self.unquoted(value, "")
    }

    fn unquoted(&mut self, range: Range<usize>, what: &str) -> Diagnostic {
        let word = self.text.get(range.clone()).unwrap_or_default();
        let error = self.at(range, &format!("{what}`{}` stands without quotes", word.escape_debug()));
        match (meant::truth(word).filter(|_| what.is_empty()), quote(word)) {
            (Some(truth), Some(quoted)) => error.help(format!("write {truth}, or {quoted} where it is text")),
            (_, Some(quoted)) => error.help(format!("write {quoted}")),
            (_, None) => error.help("put it in quotes"),
        }
    }

    fn at(&mut self, range: Range<usize>, message: &str) -> Diagnostic {
        self.said = range.end.max(range.start + 1);
        let error = Diagnostic::error("file::syntax", format!("this is not TOML: {message}"));
        error.at(Span::new(self.source, range), "here")
    }

    /// `name: lab`, as YAML has it; it is said once of a file.
    fn colon_after_key(&mut self) -> Option<Option<Diagnostic>> {
        let Range { start, end } = self.line.range;
        let line = self.text.get(start..self.text.floor_char_boundary(end.min(start + LONGEST_KEY)))?;
        let (key, _) =
            line.split_once(':').filter(|(key, _)| !key.trim().is_empty() && !key.contains(['=', '"', '\'']))?;
        let after = line.get(key.len() + 1..)?;
        let ends_key = after.is_empty() || after.starts_with(' ');
        let bare_key =
            key.trim().trim_start_matches("- ").bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !ends_key || !bare_key {
            return None;
        }
        if std::mem::replace(&mut self.colon, true) {
            return Some(None);
        }
        let place = start + key.len();
        let error = self.at(place..place + 1, &format!("a colon stands after the key `{}`", key.trim()));
        Some(Some(
            error.help(format!("write `{} = …`; if the file is YAML, name it .yaml or give -format yaml", key.trim())),
        ))
    }

    /// The whole key around a place.
    fn key(&self, range: &Range<usize>) -> Range<usize> {
        let ends =
            |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '.' | '[' | ']' | '{' | '}' | ',' | '"' | '\'');
        let before = self.text.get(..range.start).unwrap_or_default();
        let start = before.rfind(ends).map_or(0, |at| at + 1);
        let after = self.text.get(range.start..).unwrap_or_default();
        start..range.start + after.find(ends).unwrap_or(after.len()).max(range.len())
    }
}

/// A text in quotes; `None` where it would need escapes.
fn quote(word: &str) -> Option<String> {
    match (word.contains(['"', '\\']), word.contains('\'')) {
        (false, _) => Some(format!("\"{word}\"")),
        (true, false) => Some(format!("'{word}'")),
        (true, true) => None,
    }
}
