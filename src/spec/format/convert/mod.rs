//! From one notation to another: the tree says what is meant, the pieces of the source say where its comments stand, and both together
//! are written as somebody would write them in the other notation.

mod json;
mod noted;
mod notes;
mod sysctls;
mod toml;
mod typed;
mod yaml;

use self::noted::{Kept, Noted};
use super::{Format, Refused, same, toml::print as toml_printer, yaml::print as yaml_printer};
use crate::{
    model::{Diagnostic, Diagnostics, Span},
    spec::{
        Source,
        tree::{Node, Value},
    },
};

/// A file in another notation.
#[derive(Debug)]
pub struct Converted {
    /// Its text.
    pub text: String,
    /// What could not be said in it.
    pub warnings: Vec<Diagnostic>,
    /// What the warnings point into.
    pub source: Source,
}

/// The text of a file in the notation `to`. To its own it is [laid out](super::format) and nothing else.
pub fn convert(bytes: &[u8], name: &str, from: Format, to: Format) -> Result<Converted, Refused> {
    let (text, read) = super::read(bytes, name, from)?;
    let source = Source { name: name.to_owned(), text, format: from };
    if from == to {
        return Ok(Converted { text: super::format(bytes, name, from)?, warnings: Vec::new(), source });
    }
    let mut warnings = Vec::new();
    let mut tree = typed::typed(&source.text, &read);
    if from == Format::Toml {
        sysctls::joined(&mut tree);
    }
    if to == Format::Toml {
        typed::without_nulls(&mut tree, &mut warnings);
        if matches!(&tree.value, Value::Map(entries) if entries.is_empty()) {
            return Err(nothing(source, name, tree.span));
        }
    }
    let notes = notes::notes(&source.text, from).ok_or_else(|| super::unproved(name, "its comments cannot be told"))?;
    let noted = noted::noted(&tree, notes);
    let text = match to {
        Format::Yaml => yaml_printer::print(&yaml::document(noted)),
        Format::Toml => toml_printer::print(&toml::document(noted)),
        Format::Json => {
            warnings.extend(without_comments(&noted));
            super::json::print(&json::root(&noted))
        }
    };
    let text = proved(&tree, text, name, to)?;
    Ok(Converted { text, warnings, source })
}

/// A file of which nothing can be said in TOML.
fn nothing(source: Source, name: &str, at: Span) -> Refused {
    let error = Diagnostic::error("file::empty", format!("`{name}` says nothing that TOML can say"))
        .at(at, "nothing here has a value")
        .help("a topology needs at least `name`");
    Refused::Unreadable(source, Diagnostics(vec![error]))
}

/// Says that comments do not come along.
fn without_comments(noted: &Noted) -> Option<Diagnostic> {
    let count = noted.comments();
    let comments = if count == 1 { "1 comment is".to_owned() } else { format!("{count} comments are") };
    (count > 0).then(|| Diagnostic::warning("convert::comments", format!("JSON has no comments: {comments} left out")))
}

/// The text, once it is certain that it says what the tree says and that it is laid out.
fn proved(tree: &Node, text: String, name: &str, to: Format) -> Result<String, Refused> {
    let Some(again) = super::reread(&text, name, to) else {
        return Err(super::unproved(name, "what would be written cannot be read"));
    };
    if !same::nodes(&typed::comparable(tree, to), &typed::comparable(&again, to)) {
        return Err(super::unproved(name, "what would be written says something else"));
    }
    super::proved(&again, text, name, to)
}
