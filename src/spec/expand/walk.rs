//! The walk through a tree that puts in what variables hold, and makes what `for` and `when` say of each item and entry.

use super::{
    body::{Body, FOR, Rest, WHEN},
    budget::Budget,
    copies::Copies,
    env::Env,
    template::{self, Filled},
    value::Value,
};
use crate::{
    model::{Diagnostic, Span, Spanned},
    spec::{
        de::text::Wrong,
        tree::{self, Entry, MapBuilder, Node, Style, duplicate_key},
    },
};

/// What the keys of a map are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Names that the file gives: of namespaces, of bridges. Every copy has its own.
    Names,
    /// Parts of the names of sysctls, which nest. Every copy has its own.
    Sysctls,
    /// Words of the language. Copies under one of them are a list.
    Words,
}

impl Keys {
    /// What the keys of the map below an entry are.
    fn below(self, key: &str) -> Self {
        match self {
            Self::Words if key == "sysctls" => Self::Sysctls,
            Self::Names | Self::Words => Self::Words,
            Self::Sysctls => Self::Sysctls,
        }
    }
}

/// Walks one file after the other.
pub struct Walk {
    /// The variables, and what was found wrong.
    pub env: Env,
    /// The copies made so far.
    pub copies: Copies,
    /// Whether an item or entry is not there because of an error.
    pub lost: bool,
    /// How much more may be made.
    pub(super) budget: Budget,
}

impl Walk {
    /// A walk with these variables.
    pub fn new(env: Env) -> Self {
        Self { env, copies: Copies::default(), lost: false, budget: Budget::default() }
    }

    /// A value with everything put in; a map is taken as it is, without a `for` of its own.
    pub fn node(&mut self, node: &Node, keys: Keys) -> Node {
        let span = self.here(node.span);
        let value = match &node.value {
            tree::Value::Scalar(scalar) if template::is_template(&scalar.text) => return self.scalar(node, scalar),
            tree::Value::Scalar(scalar) => {
                self.spend(scalar.text.len());
                tree::Value::Scalar(scalar.clone())
            }
            tree::Value::List(items) => {
                let mut made = Vec::with_capacity(items.len());
                items.iter().for_each(|item| self.item(item, &mut made));
                tree::Value::List(made)
            }
            tree::Value::Map(entries) => tree::Value::Map(self.map(entries, keys)),
            tree::Value::Null => tree::Value::Null,
            tree::Value::Invalid => tree::Value::Invalid,
        };
        self.spend(0);
        Node { span, value }
    }

    /// An item of a list: none, one or many.
    pub fn item(&mut self, node: &Node, out: &mut Vec<Node>) {
        let Some(body) = Body::of(node) else {
            out.push(self.node(node, Keys::Words));
            return;
        };
        self.each(&body, &mut |walk| match (&body.rest, walk.rest(&body.rest, Keys::Words)) {
            // `value: [a, b]` makes two items each time.
            (Rest::Value(_), Node { value: tree::Value::List(items), .. }) => out.extend(items),
            (_, made) => out.push(made),
        });
    }

    /// The entries of a map.
    pub fn map(&mut self, entries: &[Entry], keys: Keys) -> Vec<Entry> {
        let mut made = MapBuilder::default();
        for entry in entries {
            self.entry(entry, keys, &mut made);
        }
        made.finish()
    }

    fn entry(&mut self, entry: &Entry, keys: Keys, out: &mut MapBuilder) {
        let below = keys.below(&entry.key.value);
        let Some(body) = Body::of(&entry.value) else {
            if let Some(key) = self.key(&entry.key) {
                let value = self.node(&entry.value, below);
                self.insert(out, key, value);
            }
            return;
        };
        if keys == Keys::Words {
            let mut copies = Vec::new();
            self.each(&body, &mut |walk| copies.push(walk.rest(&body.rest, below)));
            let value = match body.each {
                None => copies.pop(),
                Some(_) => Some(Node { span: self.here(entry.value.span), value: tree::Value::List(copies) }),
            };
            if let (Some(key), Some(value)) = (self.key(&entry.key), value) {
                self.insert(out, key, value);
            }
            return;
        }
        if body.each.is_some() && !template::is_template(&entry.key.value) {
            let what = format!("the copies of `{}` would all have one name", entry.key.value);
            let error = Diagnostic::error("for::name", what)
                .at(self.here(entry.key.span), "the same for every copy")
                .help("put the variable in the name, as in `leaf$l`");
            self.env.diagnostics.push(error);
            self.lost = true;
            return;
        }
        self.each(&body, &mut |walk| {
            if let Some(key) = walk.key(&entry.key) {
                let value = walk.rest(&body.rest, below);
                walk.insert(out, key, value);
            }
        });
    }

    fn insert(&mut self, out: &mut MapBuilder, key: Spanned<String>, value: Node) {
        let (name, again) = (key.value.clone(), key.span);
        if let Err(first) = out.insert(key, value) {
            let first = first.labels.get(1).map(|label| label.span);
            let error = duplicate_key(&name, again, first);
            let help = "every copy needs a name of its own: put each variable of its `for` in it";
            self.env.diagnostics.push(if again.copy == 0 { error } else { error.help(help) });
            self.lost = true;
        }
    }

    fn rest(&mut self, rest: &Rest<'_>, keys: Keys) -> Node {
        match rest {
            Rest::Value(node) => self.node(node, keys),
            Rest::Map(node, entries) => {
                let mut made = MapBuilder::default();
                for entry in entries.iter().filter(|entry| !matches!(entry.key.value.as_str(), FOR | WHEN)) {
                    self.entry(entry, keys, &mut made);
                }
                self.spend(0);
                Node { span: self.here(node.span), value: tree::Value::Map(made.finish()) }
            }
        }
    }

    fn key(&mut self, key: &Spanned<String>) -> Option<Spanned<String>> {
        let span = self.here(key.span);
        self.spend(key.value.len());
        if !template::is_template(&key.value) {
            return Some(Spanned { value: key.value.clone(), span });
        }
        match self.env.fill(&key.value) {
            Ok(Filled::Text(value)) => Some(Spanned { value, span }),
            Ok(Filled::Value(Value::List(_))) => {
                let wrong = Wrong::new("vars::value", "a list cannot be a name", "a list");
                self.fault(&Node::scalar(key.span, key.value.as_str(), Style::Plain), wrong.into())
            }
            Ok(Filled::Value(value)) => Some(Spanned { value: value.to_string(), span }),
            Err(fault) => self.fault(&Node::scalar(key.span, key.value.as_str(), Style::Plain), fault),
        }
    }

    fn fault<T>(&mut self, node: &Node, fault: super::eval::Fault) -> Option<T> {
        self.lost = true;
        self.env.fault(node, fault);
        None
    }

    /// A scalar with variables in it. What comes of it is read as a word without quotes: a number where one is wanted, else text.
    fn scalar(&mut self, node: &Node, scalar: &tree::Scalar) -> Node {
        let span = self.here(node.span);
        let text = match self.env.fill(&scalar.text) {
            Ok(Filled::Text(text)) => text,
            Ok(Filled::Value(Value::List(items))) => {
                self.budget.spend(items.len(), 0);
                let items = items.iter().map(|item| Node::scalar(span, item.to_string(), Style::Plain)).collect();
                return Node { span, value: tree::Value::List(items) };
            }
            Ok(Filled::Value(value)) => value.to_string(),
            Err(fault) => {
                self.env.fault(node, fault);
                return Node { span, value: tree::Value::Invalid };
            }
        };
        self.spend(text.len());
        Node::scalar(span, text, Style::Plain)
    }

    pub(super) fn here(&self, span: Span) -> Span {
        Span { copy: self.env.copy, ..span }
    }

    /// Counts what copies hold.
    fn spend(&mut self, text: usize) {
        if self.env.copy != 0 {
            self.budget.spend(1, text);
        }
    }
}
