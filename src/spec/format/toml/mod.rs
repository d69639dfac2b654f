//! TOML, laid out: statement by statement, from the events of `toml_parser`.
//!
//! `toml_parser` is what `toml` reads with, so both take the same files. `toml_edit` stands on it too, but keeps comments as raw text
//! around values, which would have to be read once more, and writes the dotted keys of one table together, which moves lines.
//! `taplo` has a formatter, knows no TOML 1.1, and brings a syntax tree, a lexer and a schema library along.

pub mod print;
pub mod read;

use super::piece::{Item, Remark, Trivia};

/// A document.
#[derive(Debug, Default)]
pub struct Document {
    /// Its headers and pairs, in order.
    pub statements: Vec<Statement>,
    /// What is left at its end.
    pub tail: Vec<Trivia>,
}

/// What stands on a line of its own, or on several.
#[derive(Debug)]
pub enum Statement {
    /// `[a.b]` or `[[a.b]]`.
    Header(Header),
    /// `a.b = value`.
    Pair(Item),
}

/// `[a.b]` or `[[a.b]]`.
#[derive(Debug)]
pub struct Header {
    /// From where to where it stands.
    pub at: std::ops::Range<usize>,
    /// What stands above it.
    pub lead: Vec<Trivia>,
    /// The text.
    pub text: String,
    /// The comment at the end of its line.
    pub remark: Option<Remark>,
}

/// The text, laid out; `None` where the parser does not take it.
pub fn format(text: &str) -> Option<String> {
    read::read(text).map(|document| print::print(&document))
}
