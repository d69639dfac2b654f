//! Text to a spanned tree to typed values: every diagnostic about a topology file is made here.

pub mod address;
pub mod de;
pub mod expand;
pub mod file;
pub mod format;
pub mod json;
mod notation;
pub mod reach;
pub mod resolve;
pub mod schema;
pub mod text;
pub mod toml;
pub mod tree;
pub mod yaml;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::Range, path::Path};

use self::{
    de::{Decode, Decoder, Key},
    tree::{Node, Value},
};
use crate::model::{Diagnostic, Diagnostics, Severity, diagnostic::ERRORS_MAX};
use foldhash::HashSet;

pub use expand::{Copies, Given, Surroundings};
pub use schema::schema;

/// A file that was read: what diagnostics point into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path, as it was given.
    pub name: String,
    /// Its text, without a byte order mark.
    pub text: String,
    /// How it is written.
    pub format: Format,
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

/// The longest message or advice, in characters: what is named in it may be as long as the file.
const WORDS_MAX: usize = 600;

/// Adds a diagnostic, unless there are too many. Warnings never keep an error out.
fn report(diagnostics: &mut Diagnostics, diagnostic: Diagnostic) {
    if diagnostic.severity == Severity::Error && !is_full(diagnostics) || diagnostics.0.len() < ERRORS_MAX {
        diagnostics.push(diagnostic);
    }
}

/// Whether no more is added: what is only there to word an error may be left out then.
fn is_full(diagnostics: &Diagnostics) -> bool {
    diagnostics.0.len() >= 2 * ERRORS_MAX
}

/// Cuts what nobody can read, drops what is said twice, as an alias repeats what is wrong with the value that it stands for,
/// and puts the rest in order.
fn tidy(diagnostics: &mut Diagnostics) {
    let more = diagnostics.0.iter().filter(|d| d.severity == Severity::Error).count() >= ERRORS_MAX;
    for diagnostic in &mut diagnostics.0 {
        shorten(&mut diagnostic.message);
        diagnostic.help.as_mut().map(shorten);
    }
    let mut seen = HashSet::default();
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

/// A topology as it is written, with all that it includes.
#[derive(Debug)]
pub struct Loaded {
    /// The file and those that it includes: what places point into.
    pub sources: Vec<Source>,
    /// The file, also beside errors, as far as it could be read ([`file::File::lost`]), so that more can be found wrong
    /// with it in the same run; nobody may act on it then.
    pub file: Option<file::File>,
    /// The copies that `for` made, to be named in what is said about them.
    pub copies: Copies,
    /// What of the variables given beside the file was used.
    pub vars: BTreeMap<String, String>,
    /// What was found wrong.
    pub diagnostics: Diagnostics,
}

/// Reads a file and what it includes.
pub fn load(bytes: &[u8], name: &str, format: Format, surroundings: Surroundings<'_>) -> Loaded {
    let (source, tree, mut diagnostics) = read_tree(0, bytes, name, format);
    let Some(tree) = tree else {
        tidy(&mut diagnostics);
        let (copies, vars) = (Copies::default(), BTreeMap::new());
        return Loaded { sources: vec![source], file: None, copies, vars, diagnostics };
    };
    let name_given = surroundings.name.cloned();
    let expanded = expand::expand(source, tree, surroundings);
    diagnostics.0.extend(expanded.diagnostics.0);
    let mut decoder = Decoder::new(&expanded.sources);
    decoder.read_past(&diagnostics);
    // What is not there may have been the one under whose name something is looked up.
    decoder.unread |= expanded.lost;
    decoder.names_unread |= expanded.lost;
    decoder.misses_files = expanded.misses_files;
    let mut file = file::File::decode(&expanded.root, &Key::PLAIN, &mut decoder);
    if let Some(file) = &mut file {
        file.name.value = name_given.unwrap_or_else(|| file.name.value.clone());
        file.taken_out = expanded.taken_out;
    }
    diagnostics.0.extend(decoder.diagnostics.finish());
    tidy(&mut diagnostics);
    Loaded { file, sources: expanded.sources, copies: expanded.copies, vars: expanded.vars, diagnostics }
}

/// Reads a file that includes no others.
pub fn parse(bytes: &[u8], name: &str, format: Format) -> (Source, Option<file::File>, Diagnostics) {
    let fetch = &mut |_: &Path| Err("nothing can be included here".to_owned());
    let loaded = load(bytes, name, format, Surroundings { name: None, given: BTreeMap::new(), fetch });
    let Loaded { sources, file, copies, mut diagnostics, .. } = loaded;
    copies.explain(&mut diagnostics);
    let source = sources.into_iter().next();
    (source.unwrap_or_else(|| Source { name: name.to_owned(), text: String::new(), format }), file, diagnostics)
}

/// The tree of a file, before anything is known of its meaning.
pub fn tree(bytes: &[u8], name: &str, format: Format) -> (Source, Option<Node>, Diagnostics) {
    read_tree(0, bytes, name, format)
}

/// The tree of the file that is source number `index`.
fn read_tree(index: u32, bytes: &[u8], name: &str, format: Format) -> (Source, Option<Node>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let (text, judged) = text::decode(bytes, name, index);
    let source = Source { name: name.to_owned(), text, format };
    if let Err(error) = judged {
        diagnostics.push(error);
        return (source, None, diagnostics);
    }
    let tree = match format {
        Format::Toml => toml::read(index, &source.text, &mut diagnostics),
        Format::Yaml => yaml::read(index, &source.text, &mut diagnostics),
        Format::Json => json::read(index, &source.text, &mut diagnostics),
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
