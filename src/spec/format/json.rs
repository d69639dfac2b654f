//! JSON, two blanks a level, scalars and keys as they are written.

use super::{
    flow::Dialect,
    lines::Lines,
    piece::{Body, Form, Item, Items, Kind, Node},
};
use crate::{
    model::Span,
    spec::tree::{self, Value},
};

/// How brackets are written.
pub const DIALECT: Dialect = Dialect { colon: ":", last_comma: "" };

/// A document that was read from `text`, laid out.
pub fn format(text: &str, root: &tree::Node) -> String {
    let mut root = node(text, root);
    // A file of one line is hard to edit, however short it is.
    if let Body::Items(items) = &mut root.body {
        items.form = Form::Tall;
    }
    print(&root)
}

/// The text of a document.
pub fn print(root: &Node) -> String {
    let mut lines = Lines::default();
    DIALECT.value("", root, ("", None), 0, &mut lines);
    lines.finish()
}

fn node(text: &str, node: &tree::Node) -> Node {
    let slice = |span: Span| text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let items = |kind, items: Vec<Item>| {
        let first = items.first().map_or(0, |item| item.at);
        let at = node.span.start as usize;
        let broken = text.get(at..first.max(at)).is_some_and(|gap| gap.contains('\n'));
        let form = if broken { Form::Broken } else { Form::Flow };
        Body::Items(Items { items, ..Items::new(at, kind, form) })
    };
    Node::bare(match &node.value {
        Value::Null | Value::Scalar(_) | Value::Invalid => Body::Text(slice(node.span).to_owned()),
        Value::List(list) => items(
            Kind::List,
            list.iter().map(|item| Item::new(item.span.start as usize, None, self::node(text, item))).collect(),
        ),
        Value::Map(map) => {
            let entry = |entry: &tree::Entry| {
                let key = slice(entry.key.span).to_owned();
                Item::new(entry.key.span.start as usize, Some(key), self::node(text, &entry.value))
            };
            items(Kind::Map, map.iter().map(entry).collect())
        }
    })
}
