//! The values that a variable of a `for` takes: those of a range, a list, or a variable that holds one.

use super::{env, value::Value, walk::Walk};
use crate::spec::{
    de::text::Wrong,
    tree::{self, Node},
};

impl Walk {
    /// The values that a variable of a `for` takes.
    pub fn values(&mut self, node: &Node) -> Option<Box<dyn Iterator<Item = Value>>> {
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
        let wrong = match &value {
            Value::List(items) => return Some(Box::new(items.clone().into_iter())),
            Value::Text(text) => match env::range(text) {
                Some(Ok((first, last))) => return Some(Box::new((first..=last).map(Value::Int))),
                Some(Err(wrong)) => wrong,
                None => no_values(&value),
            },
            Value::Int(_) | Value::Bool(_) => no_values(&value),
        };
        self.env.report(node, wrong);
        None
    }

    /// One item of a list of values: itself, or a range that it stands for.
    fn items(&mut self, item: &Node) -> Option<Box<dyn Iterator<Item = Value>>> {
        let is_range = |scalar: &tree::Scalar| scalar.text.contains("..");
        match &item.value {
            tree::Value::Scalar(scalar) if is_range(scalar) => self.values(item),
            _ => {
                let value = self.env.item(item)?;
                self.budget.look(value.cost());
                Some(match value {
                    Value::List(items) => Box::new(items.into_iter()),
                    other => Box::new(std::iter::once(other)),
                })
            }
        }
    }
}

fn no_values(value: &Value) -> Wrong {
    let message = format!("a `for` goes through a range or a list, and this is {}: `{}`", value.kind(), value.shown());
    let wrong = Wrong::new("for::values", message, "neither a range nor a list");
    match value {
        Value::Int(number) => wrong.help(format!("write 1..{number}, or [{number}]")),
        _ => wrong.help(format!("write 1..4, or [{}] for this one alone", value.shown())),
    }
}
