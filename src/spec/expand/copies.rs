//! The copies that `for` makes of one part of a file: which is which, so that an error can say in which of them it is.

use super::value::Value;
use crate::{
    model::{Diagnostics, diagnostic::Gathered},
    spec::tree::{self, Node},
};

/// All copies of a file, by the number that their spans bear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies(Vec<Made>);

/// One turn of a `for`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    /// The copy that the `for` stands in; 0 for none.
    within: u32,
    bindings: Vec<(String, Value)>,
}

impl Copies {
    /// Enters one more copy, made within copy `within`.
    pub fn add(&mut self, within: u32, bindings: &[(String, Value)]) -> u32 {
        self.0.push(Made { within, bindings: bindings.to_vec() });
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// What the variables of a copy hold: `s = 1, l = 2`.
    fn words(&self, copy: u32) -> String {
        let mut bindings = Vec::new();
        let mut next = copy;
        while let Some(made) = next.checked_sub(1).and_then(|index| self.0.get(index as usize)) {
            bindings.extend(made.bindings.iter().rev().map(|(name, value)| format!("{name} = {}", value.shown())));
            next = made.within;
        }
        bindings.reverse();
        bindings.join(", ")
    }

    /// Says in the labels which copy they are about, and makes one of what is wrong with many copies alike.
    pub fn explain(&self, diagnostics: &mut Diagnostics) {
        if self.0.is_empty() {
            return;
        }
        let mut gathered = Gathered::default();
        std::mem::take(&mut diagnostics.0).into_iter().for_each(|found| gathered.push(found));
        diagnostics.0 = gathered.finish();
        for found in &mut diagnostics.0 {
            let mut more = match found.others {
                0 => String::new(),
                1 => ", and in another copy".to_owned(),
                others => format!(", and in {others} more copies"),
            };
            for label in &mut found.labels {
                let words = self.words(label.span.copy);
                if !words.is_empty() {
                    label.text = format!("{} (where {words}{})", label.text, std::mem::take(&mut more));
                }
            }
        }
    }
}

/// Takes all copies away, and leaves what the file has once. Of a `for` that met a limit only some are there: nothing can be
/// told by them.
pub fn drop_from(node: &mut Node) {
    match &mut node.value {
        tree::Value::List(items) => {
            items.retain(|item| item.span.copy == 0);
            items.iter_mut().for_each(drop_from);
        }
        tree::Value::Map(entries) => {
            entries.retain(|entry| entry.key.span.copy == 0);
            entries.iter_mut().for_each(|entry| drop_from(&mut entry.value));
        }
        tree::Value::Null | tree::Value::Scalar(_) | tree::Value::Invalid => {}
    }
}
