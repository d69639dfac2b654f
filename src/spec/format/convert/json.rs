//! To JSON.

use super::{Kept, Noted};
use crate::spec::{
    format::{
        json::DIALECT,
        piece::{Body, Form, Item, Items, Kind, Node},
    },
    tree::{Scalar, Style},
};

/// The pieces of a document.
pub fn root(noted: &Noted) -> Node {
    Node::bare(body(noted, 0))
}

fn body(noted: &Noted, depth: usize) -> Body {
    let items = |kind, inner: &[Noted]| {
        let has_parts = inner.iter().any(|one| !one.is_scalar());
        let item = |one: &Noted| Item::new(0, one.key.as_deref().map(string), Node::bare(body(one, depth + 1)));
        let mut items = Items { items: inner.iter().map(item).collect(), ..Items::new(0, kind, Form::Flow) };
        items.form = match depth {
            0 => Form::Tall,
            1 if has_parts => Form::Broken,
            _ => DIALECT.natural_form(&items),
        };
        Body::Items(items)
    };
    match &noted.value {
        Kept::Null => Body::Text("null".to_owned()),
        Kept::Scalar(one) => Body::Text(scalar(one)),
        Kept::List(inner) => items(Kind::List, inner),
        Kept::Map(inner) => items(Kind::Map, inner),
    }
}

fn scalar(scalar: &Scalar) -> String {
    match scalar.style {
        Style::Bool => scalar.text.clone(),
        Style::Number if serde_json::from_str::<serde_json::Number>(&scalar.text).is_ok() => scalar.text.clone(),
        Style::Number | Style::Plain | Style::Text | Style::Date => string(&scalar.text),
    }
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
