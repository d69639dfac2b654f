//! TOML to the spanned tree, with every error of syntax at once.

mod bare;
mod syntax;

use toml::{
    Spanned as Placed,
    de::{DeInteger, DeTable, DeValue},
};

use self::syntax::Syntax;
use super::tree::{DEPTH_MAX, Entry, Node, Style, Value, duplicate_key, too_deep};
use crate::model::{Diagnostics, Span, Spanned};

/// For how many repeated keys the first place is looked up: each costs a walk.
const LOOKUPS_MAX: usize = 20;

/// Reads a whole document. `None` after an error of syntax; repeated keys are reported and read past.
pub fn read(source: u32, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let (root, mut errors) = DeTable::parse_recoverable(text);
    let mut broken = false;
    let mut syntax = Syntax::new(source, text);
    // The parser tells first what it finds first, which is not what stands first.
    errors.sort_by_key(|error| error.span().map_or(0, |range| range.start));
    for (number, error) in errors.iter().enumerate() {
        let range = error.span().unwrap_or(0..0);
        if error.message() == "duplicate key" {
            let key = text.get(range.clone()).unwrap_or_default();
            let first = if number < LOOKUPS_MAX { first_place(text, root.get_ref(), &range) } else { None };
            let first = first.map(|range| Span::new(source, range));
            super::report(diagnostics, duplicate_key(unquoted(key), Span::new(source, range), first));
        } else {
            broken = true;
            if error.message().contains("recurs") {
                super::report(diagnostics, too_deep(Span::new(source, super::widen(text, range))));
                break;
            }
            if super::is_full(diagnostics) {
                break;
            }
            syntax.error(range, error.message()).into_iter().for_each(|error| super::report(diagnostics, error));
        }
    }
    if broken {
        return None;
    }
    let whole = Span::new(source, 0..text.len());
    let value = table(source, root.get_ref(), 0, diagnostics);
    Some(Node { span: whole, value })
}

fn unquoted(key: &str) -> &str {
    key.trim_matches(['"', '\''])
}

fn table(source: u32, table: &DeTable<'_>, depth: usize, diagnostics: &mut Diagnostics) -> Value {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: Spanned { value: key.get_ref().to_string(), span: Span::new(source, key.span()) },
            value: node(source, value, depth + 1, diagnostics),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key.span);
    Value::Map(entries)
}

fn node(source: u32, value: &Placed<DeValue<'_>>, depth: usize, diagnostics: &mut Diagnostics) -> Node {
    let span = Span::new(source, value.span());
    let value = match value.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) if depth > DEPTH_MAX => {
            super::report(diagnostics, too_deep(span));
            Value::Invalid
        }
        DeValue::Table(inner) => table(source, inner, depth, diagnostics),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(source, item, depth + 1, diagnostics)).collect())
        }
        DeValue::String(text) => return Node::scalar(span, text.as_ref(), Style::Text),
        DeValue::Integer(number) => return Node::scalar(span, decimal(number), Style::Number),
        DeValue::Float(number) => return Node::scalar(span, number.as_str().trim_start_matches('+'), Style::Number),
        DeValue::Boolean(truth) => return Node::scalar(span, truth.to_string(), Style::Bool),
        DeValue::Datetime(date) => return Node::scalar(span, date.to_string(), Style::Date),
    };
    Node { span, value }
}

/// The number in decimal, whatever its notation.
fn decimal(number: &DeInteger<'_>) -> String {
    match i128::from_str_radix(number.as_str(), number.radix()) {
        Ok(value) => value.to_string(),
        Err(_) => number.to_string(),
    }
}

/// Where the key of which `again` is the repetition stood first. The parser knows and does not tell.
fn first_place(text: &str, root: &DeTable<'_>, again: &std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
    let key = unquoted(text.get(again.clone())?);
    let line = text.get(..again.start)?.rfind('\n').map_or(0, |at| at + 1);
    let end = text.get(again.end..)?.find('\n').map_or(text.len(), |at| again.end + at);
    let statement = text.get(line..end)?;
    if statement.trim_start().starts_with('[') {
        // A header that stands twice: the parser forgot the first, so look at what stands before the second.
        let (before, _) = DeTable::parse_recoverable(text.get(..line)?);
        let (header, _) = DeTable::parse_recoverable(statement);
        return same_path(before.get_ref(), header.get_ref(), key);
    }
    if let Some(range) = innermost(root, again.start).and_then(|table| key_of(table, key)) {
        return Some(range);
    }
    let table = latest_header(text, root, again.start).unwrap_or(root);
    let (dotted, _) = DeTable::parse_recoverable(statement);
    same_path(table, dotted.get_ref(), key)
}

fn key_of(table: &DeTable<'_>, key: &str) -> Option<std::ops::Range<usize>> {
    table.iter().find(|(k, _)| k.get_ref() == key).map(|(k, _)| k.span())
}

/// Follows the single path of `path` down `table` to the entry `key`.
fn same_path(table: &DeTable<'_>, path: &DeTable<'_>, key: &str) -> Option<std::ops::Range<usize>> {
    let (step, below) = path.iter().next()?;
    let (found, value) = table.iter().find(|(k, _)| k.get_ref() == step.get_ref())?;
    let deeper = match (inner(value.get_ref()), below.get_ref()) {
        (Some(table), DeValue::Table(path)) => same_path(table, path, key),
        _ => None,
    };
    deeper.or_else(|| (step.get_ref() == key).then(|| found.span()))
}

/// The table, or the last one of an array of tables.
fn inner<'t, 'i>(value: &'t DeValue<'i>) -> Option<&'t DeTable<'i>> {
    match value {
        DeValue::Table(table) => Some(table),
        DeValue::Array(items) => items.last().and_then(|item| inner(item.get_ref())),
        _ => None,
    }
}

/// Every table directly below `table`, with its span.
fn children<'t, 'i>(table: &'t DeTable<'i>) -> impl Iterator<Item = (std::ops::Range<usize>, &'t DeTable<'i>)> {
    table.iter().flat_map(|(_, value)| {
        let mut found = Vec::new();
        collect(value, &mut found);
        found
    })
}

fn collect<'t, 'i>(value: &'t Placed<DeValue<'i>>, found: &mut Vec<(std::ops::Range<usize>, &'t DeTable<'i>)>) {
    match value.get_ref() {
        DeValue::Table(table) => found.push((value.span(), table)),
        DeValue::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// The innermost inline table around a byte.
fn innermost<'t, 'i>(table: &'t DeTable<'i>, at: usize) -> Option<&'t DeTable<'i>> {
    children(table).find_map(|(span, child)| innermost(child, at).or_else(|| span.contains(&at).then_some(child)))
}

/// The table whose header stands last before a byte.
fn latest_header<'t, 'i>(text: &str, table: &'t DeTable<'i>, at: usize) -> Option<&'t DeTable<'i>> {
    let mut tables: Vec<_> = children(table).collect();
    let mut best = None;
    while let Some((span, table)) = tables.pop() {
        tables.extend(children(table));
        let has_header = text.as_bytes().get(span.start) == Some(&b'[');
        if has_header && span.start < at && best.is_none_or(|(start, _)| start < span.start) {
            best = Some((span.start, table));
        }
    }
    best.map(|(_, table)| table)
}
