//! The values that a variable of a `for` takes: those of a range, a list, or a variable that holds one.

use super::{env, value::Value, walk::Walk};
use crate::spec::{
    de::text::Wrong,
    tree::{self, Node},
};

/// The values that a variable goes through, made as they are asked for.
type Values = Box<dyn Iterator<Item = Value>>;

impl Walk {
    /// The values that a variable of a `for` takes.
    pub fn values(&mut self, node: &Node) -> Option<Values> {
        match &node.value {
            tree::Value::List(items) => {
                let lists: Vec<_> = items.iter().map(|item| self.items(item)).collect();
                let lists: Vec<_> = lists.into_iter().collect::<Option<_>>()?;
                return Some(Box::new(lists.into_iter().flatten()));
            }
            // It is read again in each turn of the variables before this one, also where it gives no values.
            tree::Value::Scalar(scalar) => self.budget.look(scalar.text.len()),
            tree::Value::Null | tree::Value::Map(_) | tree::Value::Invalid => {}
        }
        let value = self.env.value(node)?;
        let spread = match &value {
            Value::Text(text) if !is_range(text) => Err(no_values(&value)),
            Value::Int(_) | Value::Bool(_) => Err(no_values(&value)),
            Value::Text(_) | Value::List(_) => spread(value),
        };
        self.said(node, spread)
    }

    /// What one item of a list of values stands for.
    fn items(&mut self, item: &Node) -> Option<Values> {
        let value = self.env.item(item)?;
        self.budget.look(value.cost());
        self.said(item, spread(value))
    }

    fn said(&mut self, node: &Node, values: Result<Values, Wrong>) -> Option<Values> {
        values.map_err(|wrong| self.env.report(node, wrong)).ok()
    }
}

/// What an item of a list stands for: a range for its numbers, a list for its items, anything else for itself. That is the
/// same whether it is written there or held by a variable.
fn spread(value: Value) -> Result<Values, Wrong> {
    Ok(match value {
        Value::List(items) => {
            let lists: Vec<Values> = items.into_iter().map(spread).collect::<Result<_, _>>()?;
            Box::new(lists.into_iter().flatten())
        }
        Value::Text(text) if is_range(&text) => {
            let (first, last) = env::range(&text)?;
            Box::new((first..=last).map(Value::Int))
        }
        other => Box::new(std::iter::once(other)),
    })
}

/// Whether text is meant as a range; `../x` is a path.
fn is_range(text: &str) -> bool {
    text.contains("..") && !text.contains('/')
}

fn no_values(value: &Value) -> Wrong {
    let message = format!("a `for` goes through a range or a list, and this is {}: `{}`", value.kind(), value.shown());
    let wrong = Wrong::new("for::values", message, "neither a range nor a list");
    match value {
        Value::Int(number) => wrong.help(format!("write 1..{number}, or [{number}]")),
        _ => wrong.help(format!("write 1..4, or [{}] for this one alone", value.shown())),
    }
}
