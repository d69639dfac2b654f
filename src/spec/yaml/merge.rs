//! Merge keys.

use crate::{
    model::{Diagnostic, Span, Spanned},
    spec::tree::{Entry, MapBuilder, Node, Value, duplicate_key},
};

/// A map with `<<` in it: what is merged in gives way to what is written out, and stands where the `<<` stood.
#[derive(Default)]
pub struct Merging {
    own: MapBuilder,
    /// How many own entries stood before it, and what it brings.
    merged: Option<(usize, Span, Vec<Entry>)>,
    count: usize,
}

impl Merging {
    /// Adds an entry that is written out.
    pub fn insert(&mut self, key: Spanned<String>, value: Node) -> Result<(), Diagnostic> {
        self.own.insert(key, value)?;
        self.count += 1;
        Ok(())
    }

    /// Adds the entries of the value of a `<<`.
    pub fn merge(&mut self, at: Span, value: Node) -> Result<(), Diagnostic> {
        if let Some((_, first, _)) = &self.merged {
            return Err(duplicate_key("<<", at, Some(*first)).help("write one: `<<: [*a, *b]`"));
        }
        let wrong = |node: &Node| {
            let message = format!("`<<` merges a map, or a list of maps, not {}", node.found());
            Err(Diagnostic::error("type::wrong", message).at(node.span, "not a map"))
        };
        let mut entries = Vec::new();
        match value.value {
            Value::Map(map) => entries = map,
            Value::Null | Value::Invalid => {}
            Value::List(items) => {
                for item in items {
                    match item.value {
                        Value::Map(map) => entries.extend(map),
                        Value::Invalid => {}
                        _ => return wrong(&item),
                    }
                }
            }
            Value::Scalar(_) => return wrong(&value),
        }
        self.merged = Some((self.count, at, entries));
        Ok(())
    }

    /// The entries in their order.
    pub fn finish(self) -> Vec<Entry> {
        let Some((at, _, merged)) = self.merged else { return self.own.finish() };
        let mut taken = MapBuilder::default();
        for entry in merged {
            if !self.own.contains(&entry.key.value) {
                // Of several maps the first wins: a repetition is not an error here.
                let _ = taken.insert(entry.key, entry.value);
            }
        }
        let mut entries = self.own.finish();
        let tail = entries.split_off(at.min(entries.len()));
        entries.extend(taken.finish());
        entries.extend(tail);
        entries
    }
}
