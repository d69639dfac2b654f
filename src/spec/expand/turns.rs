//! The turns that `for` takes and `when` leaves out.

use serde_json::json;

use super::{
    body::{Body, FOR, WHEN},
    budget::Turn,
    env,
    eval::truth,
    expr::{self, Words},
    value::Value,
    walk::Walk,
};
use crate::{
    model::{Diagnostic, Span},
    spec::{
        de::text::Wrong,
        tree::{self, Node, Style},
    },
};

impl Walk {
    /// Takes every turn of a body for which its `when` holds.
    pub(super) fn each(&mut self, body: &Body<'_>, make: &mut dyn FnMut(&mut Self)) {
        let variables = match body.each {
            None => Vec::new(),
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
                self.env.copy = self.copies.add(around, self.env.turns.get(own..).unwrap_or_default());
            }
            if self.holds(body.when) {
                make(self);
            }
            self.env.copy = around;
            return;
        };
        let Some(values) = self.values(values) else {
            self.lost = true;
            return;
        };
        for value in values {
            if self.is_stopped(body) {
                return;
            }
            self.env.turns.push(((*name).to_owned(), value));
            self.turn(rest, own, body, make);
            self.env.turns.pop();
        }
    }

    /// Whether no turn is left for this body.
    fn is_stopped(&mut self, body: &Body<'_>) -> bool {
        let what = match self.budget.turn() {
            Turn::Taken => return false,
            Turn::Stopped => return true,
            Turn::Refused(what) => what,
        };
        self.lost = true;
        let place = body.each.map_or(Span::default(), |each| self.here(each.span));
        let error = Diagnostic::error("for::limit", what).at(place, "too many with this one");
        self.env.diagnostics.push(error.help("is a range too long? no network of one machine has that many parts"));
        true
    }

    /// The values that a variable of a `for` takes.
    fn values(&mut self, node: &Node) -> Option<Box<dyn Iterator<Item = Value>>> {
        match &node.value {
            tree::Value::Null => return Some(Box::new(std::iter::empty())),
            tree::Value::List(items) => {
                let lists: Vec<_> = items.iter().map(|item| self.items(item)).collect();
                let lists: Vec<_> = lists.into_iter().collect::<Option<_>>()?;
                return Some(Box::new(lists.into_iter().flatten()));
            }
            tree::Value::Scalar(_) | tree::Value::Map(_) | tree::Value::Invalid => {}
        }
        let value = self.env.value(node)?;
        let wrong = match &value {
            Value::List(items) => return Some(Box::new(items.clone().into_iter())),
            Value::Text(text) => match env::range(text) {
                Some(Ok((first, last))) => return Some(Box::new((first..=last).map(Value::Int))),
                Some(Err(wrong)) => wrong,
                None => no_values(&value),
            },
            Value::Int(_) | Value::Bool(_) => no_values(&value),
        };
        self.env.report(node, Wrong { code: "for::values", ..wrong });
        None
    }

    /// One item of a list of values: itself, or a range that it stands for.
    fn items(&mut self, item: &Node) -> Option<Box<dyn Iterator<Item = Value>>> {
        let is_range = |scalar: &tree::Scalar| scalar.text.contains("..");
        match &item.value {
            tree::Value::Scalar(scalar) if is_range(scalar) => self.values(item),
            _ => self.env.value(item).map(|value| match value {
                Value::List(items) => Box::new(items.into_iter()) as Box<dyn Iterator<Item = Value>>,
                other => Box::new(std::iter::once(other)),
            }),
        }
    }

    /// Whether an item is to be there.
    fn holds(&mut self, when: Option<&Node>) -> bool {
        let Some(node) = when else { return true };
        let verdict = match &node.value {
            tree::Value::Scalar(scalar) => {
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
}

fn no_values(value: &Value) -> Wrong {
    let message = format!("a `for` goes through a range or a list, and this is {}: `{value}`", value.kind());
    let wrong = Wrong::new("for::values", message, "neither a range nor a list");
    match value {
        Value::Int(number) => wrong.help(format!("write 1..{number}, or [{number}]")),
        _ => wrong.help(format!("write 1..4, or [{value}] for this one alone")),
    }
}
