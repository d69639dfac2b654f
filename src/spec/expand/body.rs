//! An item or entry that says how often it is there.

use crate::spec::tree::{self, Entry, Node};

/// The key that makes copies of an item or entry.
pub const FOR: &str = "for";
/// The key that says whether an item or entry is there.
pub const WHEN: &str = "when";
/// The key of an item that is no map itself, beside `for` and `when`.
const VALUE: &str = "value";

/// An item, or the value of an entry, that says how often it is there.
pub struct Body<'n> {
    /// The `for`.
    pub each: Option<&'n Node>,
    /// The `when`.
    pub when: Option<&'n Node>,
    /// What is made.
    pub rest: Rest<'n>,
}

/// An item without what says how often it is there.
pub enum Rest<'n> {
    /// All entries of a map but `for` and `when`.
    Map(&'n Node, &'n [Entry]),
    /// What stands under `value`.
    Value(&'n Node),
}

impl<'n> Body<'n> {
    /// Of a value that has a `for` or a `when`.
    pub fn of(node: &'n Node) -> Option<Self> {
        let tree::Value::Map(entries) = &node.value else { return None };
        let find = |key: &str| entries.iter().find(|entry| entry.key.value == key).map(|entry| &entry.value);
        let (each, when) = (find(FOR), find(WHEN));
        if each.is_none() && when.is_none() {
            return None;
        }
        let keys = entries.len() - usize::from(each.is_some()) - usize::from(when.is_some());
        let rest = match find(VALUE) {
            Some(value) if keys == 1 => Rest::Value(value),
            _ => Rest::Map(node, entries),
        };
        let is_there = |node: &&Node| node.value != tree::Value::Null;
        Some(Self { each: each.filter(is_there), when: when.filter(is_there), rest })
    }
}
