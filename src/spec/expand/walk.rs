//! The walk through a tree that puts in what variables hold, and makes what `for` and `when` say of each item and entry.

use serde_json::json;

use super::{
    TakenOut,
    body::{Body, FOR, Rest, WHEN},
    budget::{Budget, NODE_COST},
    copies::Copies,
    env::{self, Env},
    eval::truth,
    expr::{self, Words},
    template::{self, Filled},
    value::Value,
};
use crate::{
    model::{Diagnostic, Span, Spanned, diagnostic::Labelled},
    spec::{
        de::text::Wrong,
        tree::{self, Entry, MapBuilder, Node, Style, duplicate_key},
    },
};

/// How many variables a `for` may have, with those of the `for`s around it.
const VARIABLES_MAX: usize = 32;

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
    /// The names of entries that are not there because their `when` does not hold, with the place of that.
    pub taken_out: TakenOut,
    /// What the `for`s made so far.
    pub budget: Budget,
}

impl Walk {
    /// A walk with these variables.
    pub fn new(env: Env) -> Self {
        let (copies, budget) = (Copies::default(), Budget::default());
        Self { env, copies, lost: false, taken_out: TakenOut::default(), budget }
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
            tree::Value::Map(entries) => tree::Value::Map(self.map(entries.iter(), keys)),
            tree::Value::Null => tree::Value::Null,
            tree::Value::Invalid => tree::Value::Invalid,
        };
        self.spend(NODE_COST);
        Node { span, value }
    }

    /// How often an item or entry is there, where it says so; `keys` are those of the map that it is.
    fn body<'n>(&mut self, node: &'n Node, keys: Keys) -> Option<Body<'n>> {
        let body = Body::of(node, keys)?;
        for found in body.wrong() {
            let labels = found.labels.into_iter().map(|label| Labelled { span: self.here(label.span), ..label });
            let labels = labels.collect();
            self.env.diagnostics.push(Diagnostic { labels, ..found });
        }
        Some(body)
    }

    /// An item of a list: none, one or many.
    pub fn item(&mut self, node: &Node, out: &mut Vec<Node>) {
        if !self.goes_on(node.span) {
            return;
        }
        let Some(body) = self.body(node, Keys::Words) else {
            out.push(self.node(node, Keys::Words));
            return;
        };
        self.each(&body, &mut |walk| match (&body.rest, walk.holds(body.when)) {
            (_, false) => {}
            (rest @ Rest::Map(..), true) => out.push(walk.rest(rest, Keys::Words)),
            (rest @ Rest::Value(_), true) => match walk.rest(rest, Keys::Words) {
                // `value: [a, b]` makes two items each time.
                Node { value: tree::Value::List(items), .. } => out.extend(items),
                made => out.push(made),
            },
        });
    }

    /// The entries of a map.
    fn map<'n>(&mut self, entries: impl Iterator<Item = &'n Entry>, keys: Keys) -> Vec<Entry> {
        let mut made = MapBuilder::default();
        entries.for_each(|entry| self.entry(entry, keys, &mut made));
        made.finish()
    }

    fn entry(&mut self, entry: &Entry, keys: Keys, out: &mut MapBuilder) {
        if !self.goes_on(entry.key.span) {
            return;
        }
        let below = keys.below(&entry.key.value);
        let Some(body) = self.body(&entry.value, below) else {
            if let Some(key) = self.key(&entry.key) {
                let value = self.node(&entry.value, below);
                self.insert(out, key, value);
            }
            return;
        };
        if keys == Keys::Words {
            let mut copies = Vec::new();
            self.each(&body, &mut |walk| {
                if walk.holds(body.when) {
                    copies.push(walk.rest(&body.rest, below));
                }
            });
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
            self.budget.look(entry.key.value.len());
            let what = format!("the copies of `{}` would all have one name", entry.key.value);
            let error = Diagnostic::error("for::name", what)
                .at(self.here(entry.key.span), "the same for every copy")
                .help("put the variable in the name, as in `leaf$l`");
            self.env.diagnostics.push(error);
            self.lost = true;
            return;
        }
        self.each(&body, &mut |walk| {
            if !walk.holds(body.when) {
                walk.take_out(&entry.key, body.when.filter(|_| keys == Keys::Names));
            } else if let Some(key) = walk.key(&entry.key) {
                let value = walk.rest(&body.rest, below);
                walk.insert(out, key, value);
            }
        });
    }

    /// Notes the name that an entry would have had, if `when` took it out.
    fn take_out(&mut self, key: &Spanned<String>, when: Option<&Node>) {
        let Some(when) = when else { return };
        // What is wrong with a name that is not there does not matter.
        let name = match self.env.fill(&key.value) {
            Ok(Filled::Text(name)) => name,
            Ok(Filled::Value(value)) => value.to_string(),
            Err(_) => return,
        };
        self.spend(NODE_COST + name.len());
        self.taken_out.insert(name, self.here(when.span));
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
                let made = self.map(entries.iter().copied(), keys);
                self.spend(NODE_COST);
                Node { span: self.here(node.span), value: tree::Value::Map(made) }
            }
        }
    }

    fn key(&mut self, key: &Spanned<String>) -> Option<Spanned<String>> {
        let span = self.here(key.span);
        self.spend(NODE_COST + key.value.len());
        if !template::is_template(&key.value) {
            return Some(Spanned { value: key.value.clone(), span });
        }
        match self.env.fill(&key.value) {
            Ok(Filled::Text(value)) => {
                self.spend(value.len());
                Some(Spanned { value, span })
            }
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
        self.spend(NODE_COST);
        self.budget.look(scalar.text.len());
        let text = match self.env.fill(&scalar.text) {
            Ok(Filled::Text(text)) => text,
            Ok(Filled::Value(Value::List(items))) => {
                items.iter().for_each(|item| self.spend(NODE_COST + item.cost()));
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

    /// Takes every turn of a body.
    fn each(&mut self, body: &Body<'_>, make: &mut dyn FnMut(&mut Self)) {
        self.budget.look(0);
        let variables = match body.each {
            None => Vec::new(),
            Some(_) if self.budget.stopped => return,
            Some(each) => match self.variables(each) {
                Some(variables) => variables,
                None => {
                    self.lost = true;
                    return;
                }
            },
        };
        let own = self.env.turns.len();
        self.turn(&variables, own, body, make);
    }

    /// The variables of a `for` with where their values come from.
    fn variables<'n>(&mut self, each: &'n Node) -> Option<Vec<(&'n str, &'n Node)>> {
        let tree::Value::Map(entries) = &each.value else {
            let what = format!("a `for` is a map from variables to their values, not {}", each.found());
            let error = Diagnostic::error("for::shape", what).at(self.here(each.span), "no variable");
            let example = self.env.pair(each.span, FOR, &json!({ "l": "1..4" }));
            self.env.diagnostics.push(error.help(format!("write `{example}`, and $l where the number is meant")));
            return None;
        };
        if self.env.turns.len() + entries.len() > VARIABLES_MAX {
            let what = format!("a `for` with those around it has at most {VARIABLES_MAX} variables");
            let error = Diagnostic::error("for::limit", what).at(self.here(each.span), "too many with these");
            self.env.diagnostics.push(error);
            return None;
        }
        for (index, entry) in entries.iter().enumerate() {
            let name = entry.key.value.as_str();
            let around = self.env.turns.iter().any(|(turn, _)| turn == name);
            let before = around || entries.iter().take(index).any(|other| other.key.value == name);
            let judged = env::name_of_variable(name).and_then(|()| match self.env.place(name) {
                None if !before => Ok(()),
                _ => {
                    let wrong = Wrong::new("vars::name", format!("there is a variable `{name}` already"), "again here");
                    Err(wrong.help("give this one another name, so that nobody takes the one for the other"))
                }
            });
            let judged = judged.and_then(|()| match entry.value.value {
                tree::Value::Null => {
                    let wrong = Wrong::new("for::values", format!("`{name}` has no values"), "nothing stands after it");
                    let example = self.env.pair(entry.key.span, name, &json!("1..4"));
                    Err(wrong.help(format!("such as `{example}`; an empty list makes nothing")))
                }
                _ => Ok(()),
            });
            if let Err(wrong) = judged {
                self.env.report(&Node::scalar(entry.key.span, name, Style::Plain), wrong);
                return None;
            }
        }
        Some(entries.iter().map(|entry| (entry.key.value.as_str(), &entry.value)).collect())
    }

    /// Gives the first of `variables` each of its values, and goes on with the rest. The `for`'s own begin at `own`.
    fn turn(&mut self, variables: &[(&str, &Node)], own: usize, body: &Body<'_>, make: &mut dyn FnMut(&mut Self)) {
        let Some(((name, values), rest)) = variables.split_first() else {
            let around = self.env.copy;
            if body.each.is_some() {
                let bindings = self.env.turns.get(own..).unwrap_or_default();
                bindings.iter().for_each(|(_, value)| self.budget.spend(value.cost()));
                self.env.copy = self.copies.add(around, bindings);
            }
            make(self);
            self.env.copy = around;
            return;
        };
        let Some(values) = self.values(values) else {
            self.lost = true;
            return;
        };
        for value in values {
            self.budget.turn();
            if self.is_stopped(body.each.map_or(Span::default(), |each| each.span)) {
                return;
            }
            self.env.turns.push(((*name).to_owned(), value));
            self.turn(rest, own, body, make);
            self.env.turns.pop();
        }
    }

    /// Whether what stands at `place` is still made: once a limit is met no copy is, but all that the file has once.
    fn goes_on(&mut self, place: Span) -> bool {
        !self.is_stopped(place) || self.env.copy == 0
    }

    /// Whether nothing more is made, since a limit was met; says so at `place` where it has just been.
    fn is_stopped(&mut self, place: Span) -> bool {
        if let Some(what) = self.budget.passed() {
            self.lost = true;
            let error = Diagnostic::error("for::limit", what).at(self.here(place), "too many with this one");
            self.env.diagnostics.push(error.help("is a range too long? no network of one machine has that many parts"));
        }
        self.budget.stopped
    }

    /// Whether an item is to be there.
    fn holds(&mut self, when: Option<&Node>) -> bool {
        let Some(node) = when else { return true };
        let verdict = match &node.value {
            tree::Value::Scalar(scalar) => {
                self.budget.look(scalar.text.len());
                expr::whole(&scalar.text, Words::Text).map_err(Into::into).and_then(|expr| truth(&expr, &mut self.env))
            }
            _ => {
                let message = format!("a `when` is true, false or a comparison, not {}", node.found());
                let example = self.env.pair(node.span, WHEN, &json!("$l != 2"));
                Err(Wrong::new("vars::expression", message, "no comparison")
                    .help(format!("such as `{example}`"))
                    .into())
            }
        };
        verdict.unwrap_or_else(|fault| {
            self.lost = true;
            self.env.fault(node, fault);
            false
        })
    }

    fn here(&self, span: Span) -> Span {
        Span { copy: self.env.copy, ..span }
    }

    /// Counts what copies hold. What stands once is bounded by the size of the file.
    fn spend(&mut self, cost: usize) {
        if self.env.copy != 0 {
            self.budget.spend(cost);
        }
    }
}
