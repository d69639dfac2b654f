//! Text to a spanned tree to typed values: every diagnostic about a topology file is made here.

pub mod address;
pub mod de;
pub mod file;
pub mod json;
mod notation;
pub mod resolve;
pub mod schema;
pub mod text;
pub mod toml;
pub mod tree;
pub mod yaml;

#[cfg(test)]
mod tests;

use std::{collections::HashSet, ops::Range, path::Path};

use self::{
    de::{Decode, Decoder, Key},
    tree::{Node, Value},
};
use crate::model::{Diagnostic, Diagnostics, Severity};

pub use schema::schema;

/// A file that was read: what diagnostics point into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path, as it was given.
    pub name: String,
    /// Its text, without a byte order mark.
    pub text: String,
}

/// The notation of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// Its name, which is also its file ending.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }

    /// By the ending of a path; `None` where it says nothing.
    pub fn of_path(path: impl AsRef<Path>) -> Option<Self> {
        let ending = path.as_ref().extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// How many diagnostics are kept, about: a file of junk has millions, and nobody reads them.
const ERRORS_MAX: usize = 1000;

/// The longest message or advice, in characters: what is named in it may be as long as the file.
const WORDS_MAX: usize = 600;

/// Adds a diagnostic, unless there are too many. Warnings never keep an error out.
fn report(diagnostics: &mut Diagnostics, diagnostic: Diagnostic) {
    let room = match diagnostic.severity {
        Severity::Warning => ERRORS_MAX,
        Severity::Error => 2 * ERRORS_MAX,
    };
    if diagnostics.0.len() < room {
        diagnostics.push(diagnostic);
    }
}

/// Cuts what nobody can read, drops what an alias repeats of the value that it stands for, and puts the rest in order.
fn tidy(diagnostics: &mut Diagnostics) {
    let more = diagnostics.0.iter().filter(|d| d.severity == Severity::Error).count() >= ERRORS_MAX;
    for diagnostic in &mut diagnostics.0 {
        shorten(&mut diagnostic.message);
        diagnostic.help.as_mut().map(shorten);
    }
    let mut seen = HashSet::new();
    diagnostics.0.retain(|diagnostic| seen.insert(diagnostic.clone()));
    diagnostics.sort();
    if more {
        let error = Diagnostic::error("file::many", "the file has more errors than are listed here");
        diagnostics.push(error.help("is this the right file, and the right format?"));
    }
}

fn shorten(words: &mut String) {
    if let Some((end, _)) = words.char_indices().nth(WORDS_MAX) {
        words.truncate(end);
        words.push('…');
    }
}

/// Reads a file that is the only source of its topology. The file is there also beside errors, as far as it could be read
/// ([`file::File::lost`]), so that more can be found wrong with it in the same run; nobody may act on it then.
pub fn parse(bytes: &[u8], name: &str, format: Format) -> (Source, Option<file::File>, Diagnostics) {
    let (source, tree, mut diagnostics) = tree(bytes, name, format);
    let file = tree.and_then(|tree| {
        let mut decoder = Decoder::new(&source.text, format);
        decoder.read_past(&diagnostics);
        let file = file::File::decode(&tree, &Key::PLAIN, &mut decoder);
        diagnostics.0.append(&mut decoder.diagnostics.0);
        file
    });
    tidy(&mut diagnostics);
    (source, file, diagnostics)
}

/// The tree of a file, before anything is known of its meaning.
pub fn tree(bytes: &[u8], name: &str, format: Format) -> (Source, Option<Node>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let (text, judged) = text::decode(bytes, name, 0);
    let source = Source { name: name.to_owned(), text };
    if let Err(error) = judged {
        diagnostics.push(error);
        return (source, None, diagnostics);
    }
    let tree = match format {
        Format::Toml => toml::read(0, &source.text, &mut diagnostics),
        Format::Yaml => yaml::read(0, &source.text, &mut diagnostics),
        Format::Json => json::read(0, &source.text, &mut diagnostics),
    };
    let says_nothing = match &tree {
        None => true,
        Some(node) => {
            matches!(&node.value, Value::Null) || matches!(&node.value, Value::Map(entries) if entries.is_empty())
        }
    };
    if says_nothing && !diagnostics.has_errors() {
        diagnostics.push(text::empty(name));
        return (source, None, diagnostics);
    }
    (source, tree, diagnostics)
}

/// The range widened to whole characters of `text`, and cut to its end.
fn widen(text: &str, range: Range<usize>) -> Range<usize> {
    let end = range.end.max(range.start).min(text.len());
    text.floor_char_boundary(range.start.min(text.len()))..text.ceil_char_boundary(end)
}
