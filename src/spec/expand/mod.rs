//! From the tree of a file to the tree that it stands for: other files included, variables put in, and as many of each item
//! as `for` and `when` say. What comes out is written as by hand, and every place in it knows which copy it is.

mod body;
mod budget;
mod copies;
mod env;
mod eval;
mod expr;
mod include;
mod template;
mod value;
mod values;
mod walk;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use foldhash::HashMap;

pub use self::copies::Copies;
use self::{
    env::Env,
    walk::{Keys, Walk},
};
use super::{
    Source,
    tree::{self, Entry, Node},
};
use crate::model::{Diagnostics, Span, TopologyName};

/// What is set in place of a variable's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// As it was written.
    pub text: String,
    /// Whether it is an error that the file has no such variable: on the command line, but not in the environment.
    pub must: bool,
}

/// What a file is read with.
pub struct Surroundings<'a> {
    /// `-name`: the topology's name in place of the file's.
    pub name: Option<&'a TopologyName>,
    /// What is set in place of variables' defaults.
    pub given: BTreeMap<String, Given>,
    /// Reads an included file, or says why not.
    pub fetch: &'a mut Fetch<'a>,
}

/// Reads a file, or says why not.
pub type Fetch<'a> = dyn FnMut(&Path) -> Result<Vec<u8>, String> + 'a;

/// Names of namespaces and bridges that the file has not, because a `when` does not hold, with the place of that.
pub type TakenOut = HashMap<String, Span>;

/// A tree without variables, `for`, `when` and `include`.
pub struct Expanded {
    /// The tree.
    pub root: Node,
    /// The file and all that it includes, in the order of their numbers.
    pub sources: Vec<Source>,
    /// The copies that were made.
    pub copies: Copies,
    /// What was set of what was given.
    pub vars: BTreeMap<String, String>,
    /// Whether items or entries are not there because of errors.
    pub lost: bool,
    /// Whether a file could not be included.
    pub misses_files: bool,
    /// Namespaces and bridges that a `when` took out.
    pub taken_out: TakenOut,
    /// What was found wrong.
    pub diagnostics: Diagnostics,
}

/// Expands the tree of `source`, which was read as source number 0.
pub fn expand(source: Source, root: Node, surroundings: Surroundings<'_>) -> Expanded {
    let Surroundings { name, given, fetch } = surroundings;
    if is_plain(&root) && !given.values().any(|given| given.must) {
        let (copies, vars) = (Copies::default(), BTreeMap::new());
        return Expanded {
            root,
            sources: vec![source],
            copies,
            vars,
            lost: false,
            misses_files: false,
            taken_out: TakenOut::default(),
            diagnostics: Diagnostics::default(),
        };
    }
    let mut walk = Walk::new(Env::new(name.map(TopologyName::as_str), given));
    let whole = include::gather(&mut walk, source, &root, fetch);
    let made = whole.as_ref().map(|whole| tree::Value::Map(top(&mut walk, &whole.entries)));
    let vars = walk.env.finish();
    if walk.env.has_unused() {
        let included = whole.iter().flat_map(|whole| &whole.included).flatten();
        included.for_each(|entry| walk.env.mention(&entry.key.value, &entry.value));
        walk.env.mention("", &root);
        walk.env.warn_of_unused();
    }
    let mut root = Node { span: root.span, value: made.unwrap_or(root.value) };
    if walk.budget.stopped {
        copies::drop_from(&mut root);
    }
    let Walk { env, copies, lost, taken_out, .. } = walk;
    let Env { sources, misses_files, diagnostics, .. } = env;
    let diagnostics = Diagnostics(diagnostics.finish());
    Expanded { root, sources, copies, vars, lost, misses_files, taken_out, diagnostics }
}

/// The entries of the whole file. Of its keys only `namespaces` and `bridges` hold maps by name; what others hold without
/// brackets is a list of one, or a single value, and left out where it is not made.
fn top(walk: &mut Walk, entries: &[Entry]) -> Vec<Entry> {
    let mut made = Vec::with_capacity(entries.len());
    for entry in entries {
        let key = entry.key.value.as_str();
        let value = match (&entry.value.value, key) {
            // The topology's name is a variable itself, and goes by none.
            (tree::Value::Map(_), env::NAME) => entry.value.clone(),
            _ if is_for_others(key) || key == include::VARS => entry.value.clone(),
            (tree::Value::Map(_), "namespaces" | "bridges") => walk.node(&entry.value, Keys::Names),
            (tree::Value::Map(_), _) => {
                let mut items = Vec::new();
                walk.item(&entry.value, &mut items);
                match (items.len(), items.pop()) {
                    (_, None) => continue,
                    (1, Some(item)) => item,
                    (_, last) => {
                        items.extend(last);
                        Node { span: entry.value.span, value: tree::Value::List(items) }
                    }
                }
            }
            _ => walk.node(&entry.value, Keys::Words),
        };
        made.push(Entry { key: entry.key.clone(), value });
    }
    made
}

/// Whether a key of the whole file is none of netwright's.
fn is_for_others(key: &str) -> bool {
    key.starts_with("x-") || key == "$schema"
}

/// Whether nothing in a tree asks to be expanded, as in most files.
fn is_plain(root: &Node) -> bool {
    let asks =
        |key: &str| matches!(key, "for" | "when" | include::INCLUDE | include::VARS) || template::is_template(key);
    match &root.value {
        tree::Value::Scalar(scalar) => !template::is_template(&scalar.text),
        tree::Value::List(items) => items.iter().all(is_plain),
        tree::Value::Map(entries) => entries
            .iter()
            .all(|entry| is_for_others(&entry.key.value) || !asks(&entry.key.value) && is_plain(&entry.value)),
        tree::Value::Null | tree::Value::Invalid => true,
    }
}
