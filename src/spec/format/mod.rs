//! Text to the same text, laid out: comments, order and meaning are kept. What cannot be proved to be kept is not done.

pub mod convert;
pub mod flow;
pub mod json;
pub mod lines;
pub mod piece;
pub mod toml;
pub mod yaml;

mod same;

#[cfg(test)]
mod tests;

use super::{
    Format, Source,
    tree::{Node, Value},
};
use crate::model::Diagnostics;

/// Why a file is left as it is.
#[derive(Debug)]
pub enum Refused {
    /// It cannot be read: what is wrong with it.
    Unreadable(Source, Diagnostics),
    /// What would be written is not what was read: a mistake of ours.
    Unproved(String),
}

/// The text of a file, laid out: two blanks a level, one blank around what is written, at most one blank line, and everything else as
/// its author wrote it. A file that is laid out already comes back byte for byte.
pub fn format(bytes: &[u8], name: &str, format: Format) -> Result<String, Refused> {
    let (text, tree) = read(bytes, name, format)?;
    let once = lay_out(&text, &tree, format).ok_or_else(|| unproved(name, "its comments cannot be told"))?;
    proved(&tree, once, name, format)
}

/// The text of a file with plain line ends, and its tree.
fn read(bytes: &[u8], name: &str, format: Format) -> Result<(String, Node), Refused> {
    let (source, tree, diagnostics) = super::tree(bytes, name, format);
    if diagnostics.has_errors() {
        return Err(Refused::Unreadable(source, diagnostics));
    }
    if !matches!(&tree, Some(Node { value: Value::Map(_), .. })) {
        // Any text is YAML of some sort; one that is no map is not meant to be a topology.
        let (source, _, diagnostics) = super::parse(bytes, name, format);
        return Err(Refused::Unreadable(source, diagnostics));
    }
    let text = plain_ends(&source.text, format);
    if text == source.text {
        return tree.map(|tree| (text, tree)).ok_or_else(|| unproved(name, "it has no value"));
    }
    match reread(&text, name, format) {
        Some(tree) => Ok((text, tree)),
        None => Err(unproved(name, "its line ends cannot be changed")),
    }
}

/// The text with line feeds for line ends.
fn plain_ends(text: &str, format: Format) -> String {
    let text = text.replace("\r\n", "\n");
    match format {
        Format::Yaml => text.replace('\r', "\n"),
        Format::Toml | Format::Json => text,
    }
}

fn reread(text: &str, name: &str, format: Format) -> Option<Node> {
    let (_, tree, diagnostics) = super::tree(text.as_bytes(), name, format);
    tree.filter(|_| !diagnostics.has_errors())
}

fn lay_out(text: &str, tree: &Node, format: Format) -> Option<String> {
    match format {
        Format::Yaml => yaml::format(text),
        Format::Toml => toml::format(text),
        Format::Json => Some(json::format(text, tree)),
    }
}

/// The text, once it is certain that it says what the tree says and that laying it out again changes nothing.
fn proved(tree: &Node, text: String, name: &str, format: Format) -> Result<String, Refused> {
    let Some(again) = reread(&text, name, format) else {
        return Err(unproved(name, "what would be written cannot be read"));
    };
    if !same::nodes(tree, &again) {
        return Err(unproved(name, "what would be written says something else"));
    }
    match lay_out(&text, &again, format) {
        Some(twice) if twice == text => Ok(text),
        _ => Err(unproved(name, "what would be written is not laid out yet")),
    }
}

fn unproved(name: &str, why: &str) -> Refused {
    Refused::Unproved(format!(
        "{name} is left as it is, since {why}: this is a mistake of netwright's, please report it"
    ))
}
