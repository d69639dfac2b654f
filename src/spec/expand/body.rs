//! An item or entry that says how often it is there, taken apart.

use super::{value::is_name, walk::Keys};
use crate::{
    model::Diagnostic,
    spec::{
        de::{left_out, suggest},
        tree::{self, Entry, Node},
    },
};

/// The keys that say how often an item or entry is there.
pub const FOR: &str = "for";
pub const WHEN: &str = "when";
/// The key of an item that is no map itself, beside `for` and `when`.
const VALUE: &str = "value";

/// An item, or the value of an entry, that says how often it is there.
pub struct Body<'n> {
    /// The variables of its `for`. One with nothing after it is left out.
    pub each: Option<&'n Node>,
    /// Its condition, likewise.
    pub when: Option<&'n Node>,
    /// What is made.
    pub rest: Rest<'n>,
    keys: [Option<&'n Entry>; 2],
}

/// What is made of an item or entry.
pub enum Rest<'n> {
    /// All entries of a map but `for` and `when`.
    Map(&'n Node, Vec<&'n Entry>),
    /// What stands under `value`.
    Value(&'n Node),
}

impl<'n> Body<'n> {
    /// `None` where `node` does not say how often it is there. `keys` are those of the map that it is.
    pub fn of(node: &'n Node, keys: Keys) -> Option<Self> {
        let tree::Value::Map(entries) = &node.value else { return None };
        let find = |key: &str| entries.iter().find(|entry| entry.key.value == key);
        let slip = || entries.iter().find(|entry| keys == Keys::Words && is_slip(entry));
        let (each, when) = (find(FOR).or_else(slip), find(WHEN));
        if each.is_none() && when.is_none() {
            return None;
        }
        let is_own = |entry: &Entry| [each, when].into_iter().flatten().any(|own| std::ptr::eq(own, entry));
        let others: Vec<&Entry> = entries.iter().filter(|entry| !is_own(entry)).collect();
        let rest = match others.as_slice() {
            [value] if value.key.value == VALUE => Rest::Value(&value.value),
            _ => Rest::Map(node, others),
        };
        let written = |entry: Option<&'n Entry>| entry.map(|it| &it.value).filter(|it| it.value != tree::Value::Null);
        Some(Self { each: written(each), when: written(when), rest, keys: [each, when] })
    }

    /// What is wrong with its keys themselves.
    pub fn wrong(&self) -> impl Iterator<Item = Diagnostic> {
        self.keys.iter().flatten().filter_map(|Entry { key, value }| match (key.value.as_str(), &value.value) {
            (FOR, tree::Value::Null) => {
                Some(left_out(key).help("as it is, one is made: say how many, or take the key away"))
            }
            (WHEN, tree::Value::Null) => {
                let help = "as it is, the item is always there: say when it is, or take the key away";
                Some(left_out(key).help(help))
            }
            (FOR | WHEN, _) => None,
            (slip, _) => {
                let error = Diagnostic::error("key::unknown", format!("an item has no key `{}`", slip.escape_debug()));
                Some(error.at(key.span, "unknown key").help(format!("did you mean `{FOR}`?")))
            }
        })
    }
}

/// Whether an entry is a `for` but for its key. It is taken for one, so that nothing is said of variables that it gives.
fn is_slip(entry: &Entry) -> bool {
    let tree::Value::Map(variables) = &entry.value.value else { return false };
    let name_variables = !variables.is_empty() && variables.iter().all(|variable| is_name(&variable.key.value));
    name_variables && suggest::nearest(&entry.key.value, [FOR].into_iter()).is_some()
}
