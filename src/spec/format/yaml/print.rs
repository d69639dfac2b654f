//! Pieces to YAML text.

use super::Document;
use crate::spec::format::{
    flow::{Dialect, STEP, colon_after, joined},
    lines::Lines,
    piece::{Form, Item, Items, Kind, Trivia},
};

/// How brackets are written.
pub const DIALECT: Dialect = Dialect { colon: ":", last_comma: "," };

/// The text of a document.
pub fn print(document: &Document) -> String {
    let mut lines = Lines::default();
    for directive in &document.directives {
        lines.push(directive, None);
    }
    lines.trivia(&document.prologue, 0);
    let root = &document.root;
    let props = &root.value.props;
    if document.marked || !props.is_empty() || !document.directives.is_empty() {
        lines.push(joined("---", if block(root).is_some() { props } else { "" }), root.head.as_ref());
    }
    lines.trivia(&root.lead, 0);
    match block(root) {
        Some(items) => self::items(items, 0, &mut lines),
        None => DIALECT.value("", &root.value, ("", root.remark.as_ref()), 0, &mut lines),
    }
    lines.trivia(&document.tail, 0);
    lines.finish()
}

/// The value of an item that is laid out by indentation.
fn block(item: &Item) -> Option<&Items> {
    item.value.items().filter(|items| items.form == Form::Block)
}

fn items(items: &Items, indent: usize, lines: &mut Lines) {
    for (number, item) in items.items.iter().enumerate() {
        let first = if number == 0 { item.lead.strip_prefix(&[Trivia::Blank]) } else { None };
        lines.trivia(first.unwrap_or(&item.lead), indent);
        match items.kind {
            Kind::Map => entry(item, indent, lines),
            Kind::List => list_item(item, indent, lines),
        }
    }
    lines.trivia(&items.tail, indent);
}

fn entry(item: &Item, indent: usize, lines: &mut Lines) {
    let key = item.key.as_deref().unwrap_or_default();
    let prefix = format!("{:indent$}{key}{}", "", colon_after(key, DIALECT.colon));
    match block(item) {
        Some(inner) => {
            lines.push(joined(&prefix, &item.value.props), item.head.as_ref());
            items(inner, indent + STEP, lines);
        }
        None => DIALECT.value(&prefix, &item.value, ("", item.remark.as_ref()), indent, lines),
    }
}

fn list_item(item: &Item, indent: usize, lines: &mut Lines) {
    let prefix = format!("{:indent$}-", "");
    let Some(inner) = block(item) else {
        return DIALECT.value(&prefix, &item.value, ("", item.remark.as_ref()), indent, lines);
    };
    if !item.value.props.is_empty() {
        lines.push(joined(&prefix, &item.value.props), item.head.as_ref());
        return items(inner, indent + STEP, lines);
    }
    // The first item of the block stands behind the dash.
    let mut below = Lines::default();
    items(inner, indent + STEP, &mut below);
    if let Some(first) = below.0.first_mut() {
        first.text = joined(&prefix, first.text.trim_start());
    }
    lines.0.append(&mut below.0);
}
