//! YAML, laid out. No library rewrites YAML with its comments, so this is ours: the parser's events and comments become
//! [pieces](super::piece) (`read`, `scalar`), which are printed (`print`).

pub mod print;
pub mod quote;
pub mod read;
mod scalar;

use super::piece::{Item, Trivia};

/// A document.
#[derive(Debug)]
pub struct Document {
    /// Comments before `---`.
    pub prologue: Vec<Trivia>,
    /// Directives, such as `%YAML 1.2`.
    pub directives: Vec<String>,
    /// Whether it begins with `---`.
    pub marked: bool,
    /// Its value.
    pub root: Item,
    /// What is left at its end.
    pub tail: Vec<Trivia>,
}

/// The text, laid out; `None` where the parser does not take it.
pub fn format(text: &str) -> Option<String> {
    read::read(text).map(|document| print::print(&document))
}
