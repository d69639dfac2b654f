//! To YAML: sections as blocks, what is short in brackets.

use super::{
    Kept, Noted, same,
    typed::{is_long, written},
};
use crate::spec::{
    format::{
        lines::width,
        piece::{Block, Body, Form, Item, Items, Kind, Node, Trivia},
        yaml::{Document, print::DIALECT, quote},
    },
    tree::{Scalar, Style},
};

/// The longest map that is put in brackets, in characters.
const SHORT_MAX: usize = 110;

/// The longest list in a map that is put in brackets with it.
const SHORT_LIST_MAX: usize = 40;

/// The pieces of a document.
pub fn document(noted: Noted) -> Document {
    let mut root = item(noted, Place::Root);
    let tail = match &mut root.value.body {
        Body::Items(items) if items.form == Form::Block => {
            space(&mut items.items);
            Vec::new()
        }
        Body::Items(items) => std::mem::take(&mut items.tail),
        _ => Vec::new(),
    };
    root.lead.iter_mut().for_each(editor_hint);
    if let Body::Items(items) = &mut root.value.body
        && let Some(first) = items.items.first_mut()
    {
        first.lead.iter_mut().for_each(editor_hint);
    }
    Document { prologue: Vec::new(), directives: Vec::new(), marked: false, root, tail }
}

/// What tells an editor of the schema, in YAML's words.
fn editor_hint(trivia: &mut Trivia) {
    if let Trivia::Comment(text) = trivia
        && let Some(schema) = text.strip_prefix("#:schema ")
    {
        *text = format!("# yaml-language-server: $schema={schema}");
    }
}

/// A blank line before and after every section.
fn space(items: &mut [Item]) {
    let mut above_is_section = false;
    for (number, item) in items.iter_mut().enumerate() {
        let is_section = item.value.items().is_some_and(|items| items.form == Form::Block);
        let commented = item.lead.contains(&Trivia::Blank);
        if number > 0 && (is_section || above_is_section || commented) {
            item.lead.insert(0, Trivia::Blank);
        }
        above_is_section = is_section;
    }
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the whole file.
    Root,
    /// In the map that is the whole file.
    Section,
    /// In a map below that.
    Entry,
    /// In a list.
    Item,
    /// In brackets.
    Brackets,
}

fn item(noted: Noted, place: Place) -> Item {
    let is_block = place != Place::Brackets && is_block(&noted, place);
    let form = if is_block { Form::Block } else { Form::Flow };
    let inner_place = match (place, is_block, &noted.value) {
        (_, false, _) => Place::Brackets,
        (Place::Root, true, Kept::Map(_)) => Place::Section,
        (_, true, Kept::List(_)) => Place::Item,
        (_, true, _) => Place::Entry,
    };
    let items = |kind, inner: Vec<Noted>, tail| {
        let items = inner.into_iter().map(|one| item(one, inner_place)).collect();
        Body::Items(Items { items, tail, ..Items::new(0, kind, form) })
    };
    let body = match noted.value {
        // A key alone says it; an item needs the word.
        Kept::Null if noted.key.is_some() => Body::Empty,
        Kept::Null => Body::Text("null".to_owned()),
        Kept::Scalar(one) => scalar(&one, place),
        Kept::List(inner) => items(Kind::List, inner, noted.tail),
        Kept::Map(inner) => items(Kind::Map, inner, noted.tail),
    };
    let mut item = Item::new(0, noted.key.as_deref().map(quote::text), Node::bare(body));
    item.lead = noted.lead;
    if is_block && item.key.is_some() {
        item.head = noted.remark;
    } else if is_block {
        item.lead.extend(noted.remark.map(|remark| Trivia::Comment(remark.text)));
        hoist(&mut item);
    } else {
        item.remark = noted.remark;
    }
    item
}

/// Takes what stands above the first item of a list's block item above that item's dash.
fn hoist(item: &mut Item) {
    if let Body::Items(items) = &mut item.value.body
        && let Some(first) = items.items.first_mut()
    {
        item.lead.append(&mut first.lead);
    }
}

/// Whether a value is laid out by indentation.
fn is_block(noted: &Noted, place: Place) -> bool {
    match &noted.value {
        Kept::Null | Kept::Scalar(_) => false,
        Kept::List(inner) | Kept::Map(inner) if inner.is_empty() => place == Place::Root && !noted.tail.is_empty(),
        Kept::List(_) => match place {
            Place::Root => true,
            Place::Brackets => false,
            Place::Section | Place::Entry | Place::Item => {
                !noted.is_list_of_scalars() || noted.comments_within() > 0 || length(noted) > SHORT_MAX
            }
        },
        Kept::Map(inner) => match place {
            Place::Section if noted.key.as_deref() == Some("vars") => !is_short(noted),
            Place::Root | Place::Section => true,
            Place::Entry => !is_short(noted),
            Place::Item => inner.len() == 1 || !is_short(noted),
            Place::Brackets => false,
        },
    }
}

/// Whether a map has no parts but short ones and a `for`, and no comments within.
fn is_short(noted: &Noted) -> bool {
    let is_short =
        |one: &Noted| one.is_scalar() || one.is_for() || one.is_list_of_scalars() && length(one) <= SHORT_LIST_MAX;
    let parts = noted.is_for() || noted.comments_within() == 0 && noted.inner().iter().all(is_short);
    parts && length(noted) <= SHORT_MAX
}

/// How long a map or list in brackets is, where it fits on a line at all.
fn length(noted: &Noted) -> usize {
    DIALECT.one_line(&flow(noted)).map_or(usize::MAX, |text| width(&text))
}

/// A map or list in brackets, to see how long it would be.
fn flow(noted: &Noted) -> Items {
    let kind = if matches!(noted.value, Kept::List(_)) { Kind::List } else { Kind::Map };
    let body = |one: &Noted| match &one.value {
        Kept::Scalar(one) => scalar(one, Place::Brackets),
        Kept::Null => Body::Empty,
        Kept::List(_) | Kept::Map(_) => Body::Items(flow(one)),
    };
    let items = noted.inner().iter();
    let items = items.map(|one| Item::new(0, one.key.as_deref().map(quote::text), Node::bare(body(one)))).collect();
    Items { items, ..Items::new(0, kind, Form::Flow) }
}

fn scalar(scalar: &Scalar, place: Place) -> Body {
    match scalar.style {
        Style::Bool => Body::Text(scalar.text.clone()),
        Style::Number if !quote::is_trap(&scalar.text) => Body::Text(scalar.text.clone()),
        Style::Number if let Some(fraction) = same::fraction(&scalar.text).filter(|it| !is_long(*it)) => {
            Body::Text(written(fraction))
        }
        Style::Text | Style::Plain | Style::Date if place != Place::Brackets && reads_as_block(&scalar.text) => {
            let header = if scalar.text.ends_with('\n') { "|" } else { "|-" };
            Body::Block(Block { header: header.to_owned(), lines: scalar.text.lines().map(str::to_owned).collect() })
        }
        Style::Number | Style::Text | Style::Plain | Style::Date if place == Place::Brackets => {
            Body::Text(quote::text(&scalar.text))
        }
        Style::Number | Style::Text | Style::Plain | Style::Date => Body::Text(quote::text_in_block(&scalar.text)),
    }
}

/// Whether a text of several lines can stand as they are.
fn reads_as_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    let printable = text.chars().all(|c| c == '\n' || !quote::needs_escape(c));
    let whole = |line: &str| line.is_empty() || !line.starts_with([' ', '\t']) && !line.ends_with([' ', '\t']);
    lines.contains('\n')
        && printable
        && !lines.starts_with('\n')
        && !lines.ends_with('\n')
        && lines.split('\n').all(whole)
}
