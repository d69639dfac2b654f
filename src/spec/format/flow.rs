//! Maps and lists in brackets: on one line where it fits, else an item a line.

use super::{
    lines::{Lines, width},
    piece::{Body, Form, Item, Items, Kind, Node, Remark, Trivia},
};

/// The longest line that is made where it can be made shorter, in characters.
pub const WIDTH_MAX: usize = 140;

/// From which length on lists of lists and maps are hard to read on one line, in characters.
const LONG: usize = 100;

/// How deep one level is indented.
pub const STEP: usize = 2;

/// What differs between the notations in how they write brackets.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Between a key and its value.
    pub colon: &'static str,
    /// After the last item of a map or list of several lines.
    pub last_comma: &'static str,
}

impl Dialect {
    /// Adds the lines of `prefix value suffix`, the prefix indented already, what follows its line by `indent`.
    pub fn value(
        self,
        prefix: &str,
        value: &Node,
        (suffix, remark): (&str, Option<&Remark>),
        indent: usize,
        lines: &mut Lines,
    ) {
        let start = joined(prefix, &value.props);
        match &value.body {
            Body::Empty => lines.push(start + suffix, remark),
            Body::Verbatim(text) => lines.push(joined(&start, text) + suffix, remark),
            Body::Text(text) => {
                let mut parts = text.split('\n').peekable();
                let mut line = joined(&start, parts.next().unwrap_or_default());
                while let Some(part) = parts.next() {
                    lines.push(line, None);
                    let blank = part.is_empty() && parts.peek().is_some();
                    line = if blank { String::new() } else { format!("{:1$}{part}", "", indent + STEP) };
                }
                lines.push(line + suffix, remark);
            }
            Body::Block(block) => {
                lines.push(joined(&start, &block.header), remark);
                for line in &block.lines {
                    let indent = if line.is_empty() { 0 } else { indent + STEP };
                    lines.push(format!("{:indent$}{line}", ""), None);
                }
            }
            Body::Items(items) => match self.one_line(items) {
                Some(text) if width(&start) + 1 + width(&text) + width(suffix) <= WIDTH_MAX => {
                    lines.push(joined(&start, &text) + suffix, remark);
                }
                _ => self.tall(&start, items, (suffix, remark), indent, lines),
            },
        }
    }

    /// An item a line.
    fn tall(
        self,
        start: &str,
        items: &Items,
        (suffix, remark): (&str, Option<&Remark>),
        indent: usize,
        lines: &mut Lines,
    ) {
        let (open, close) = brackets(items.kind);
        lines.push(joined(start, open), None);
        let inner = indent + STEP;
        for (number, item) in items.items.iter().enumerate() {
            let lead = item.lead.strip_prefix(&[Trivia::Blank]).filter(|_| number == 0);
            lines.trivia(lead.unwrap_or(&item.lead), inner);
            let comma = if number + 1 < items.items.len() { "," } else { self.last_comma };
            let prefix = format!("{:inner$}{}", "", self.key(item));
            self.value(&prefix, &item.value, (comma, item.remark.as_ref()), inner, lines);
        }
        lines.trivia(&items.tail, inner);
        lines.push(format!("{:indent$}{close}{suffix}", ""), remark);
    }

    /// The key with what separates it from its value.
    fn key(self, item: &Item) -> String {
        match &item.key {
            None => String::new(),
            // The last colon of a key would be taken for the one behind it.
            Some(key) if item.value.is_empty() && !key.ends_with(':') => key.clone(),
            Some(key) => format!("{key}{}", colon_after(key, self.colon)),
        }
    }

    /// A map or list on one line, where nothing in it needs more.
    pub fn one_line(self, items: &Items) -> Option<String> {
        let nested = items.items.iter().any(|item| item.value.items().is_some_and(|inner| !inner.items.is_empty()));
        let stays_tall = match items.form {
            Form::Block | Form::Flow => false,
            Form::Broken => nested,
            Form::Tall => !items.items.is_empty(),
        };
        if stays_tall || !items.tail.is_empty() {
            return None;
        }
        let parts: Option<Vec<String>> = items.items.iter().map(|item| self.one_line_item(item)).collect();
        let (open, close) = brackets(items.kind);
        let inner = parts?.join(", ");
        Some(match items.kind {
            Kind::Map if !inner.is_empty() => format!("{open} {inner} {close}"),
            Kind::Map | Kind::List => format!("{open}{inner}{close}"),
        })
    }

    /// The form in which somebody would write `items`: each part on a line where together they make a long one.
    pub fn natural_form(self, items: &Items) -> Form {
        let parts = items.items.iter().filter(|item| item.value.items().is_some_and(|inner| !inner.items.is_empty()));
        let is_long = || self.one_line(items).is_none_or(|text| width(&text) > LONG);
        if parts.count() > 1 && is_long() { Form::Broken } else { Form::Flow }
    }

    fn one_line_item(self, item: &Item) -> Option<String> {
        let commented = item.lead.iter().any(|one| matches!(one, Trivia::Comment(_)));
        if commented || item.remark.is_some() || item.head.is_some() {
            return None;
        }
        let start = joined(&self.key(item), &item.value.props);
        match &item.value.body {
            Body::Empty => Some(start),
            Body::Text(text) | Body::Verbatim(text) if !text.contains('\n') => Some(joined(&start, text)),
            Body::Text(_) | Body::Verbatim(_) | Body::Block(_) => None,
            Body::Items(items) => Some(joined(&start, &self.one_line(items)?)),
        }
    }
}

impl Node {
    /// Whether nothing at all is written.
    pub fn is_empty(&self) -> bool {
        self.props.is_empty() && self.body == Body::Empty
    }
}

/// An alias as a key takes the colon for a part of its name.
pub fn colon_after<'a>(key: &str, colon: &'a str) -> std::borrow::Cow<'a, str> {
    if key.starts_with('*') { format!(" {colon}").into() } else { colon.into() }
}

/// With a blank between them, where neither is empty.
pub fn joined(start: &str, end: &str) -> String {
    match (start.trim_start().is_empty(), end.is_empty()) {
        (false, false) => format!("{start} {end}"),
        _ => format!("{start}{end}"),
    }
}

fn brackets(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Map => ("{", "}"),
        Kind::List => ("[", "]"),
    }
}
