//! What a file says before anybody knows what it means: scalars, lists and maps, each with its place. The three formats
//! all come down to this.

use foldhash::HashMap;

use crate::model::{Diagnostic, Span, Spanned};

/// How deep lists and maps may nest. The language needs six levels; the limit keeps every walk off the end of the stack.
pub const DEPTH_MAX: usize = 64;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands, without blanks around it.
    pub span: Span,
    /// What was written there.
    pub value: Value,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `null`, `~`.
    Null,
    /// One word, number or text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
    /// What could not be read, and has been reported.
    Invalid,
}

/// A scalar's text and what its notation says of its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Without quotes, escapes resolved; numbers in decimal.
    pub text: String,
    /// What it may be read as.
    pub style: Style,
}

/// What a scalar's notation says of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A YAML scalar without quotes: whatever is wanted where it stands, so that `no` and `22:22` can be text.
    Plain,
    /// Text, by its quotes.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A TOML date or time.
    Date,
}

/// An entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key and its place.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A scalar.
    pub fn scalar(span: Span, text: impl Into<String>, style: Style) -> Self {
        Self { span, value: Value::Scalar(Scalar { text: text.into(), style }) }
    }

    /// What it is, as an error says it: "a list".
    pub fn found(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Invalid => "something unreadable",
            Value::Scalar(scalar) => match scalar.style {
                Style::Number => "a number",
                Style::Bool => "true or false",
                Style::Date => "a date or time",
                Style::Text => "a string",
                Style::Plain if matches!(scalar.text.as_str(), "true" | "false") => "true or false",
                Style::Plain if scalar.text.parse::<f64>().is_ok() => "a number",
                Style::Plain => "a string",
            },
        }
    }

    /// The tree as JSON, plain YAML scalars typed as YAML's core schema types them; what a JSON Schema judges.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null | Value::Invalid => Json::Null,
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|e| (e.key.value.clone(), e.value.to_json())).collect())
            }
            Value::Scalar(Scalar { text, style: Style::Text | Style::Date }) => Json::String(text.clone()),
            Value::Scalar(Scalar { text, .. }) => typed(text).unwrap_or_else(|| Json::String(text.clone())),
        }
    }
}

/// `text` as a JSON boolean or number, where it is one.
fn typed(text: &str) -> Option<serde_json::Value> {
    match text {
        "true" => return Some(true.into()),
        "false" => return Some(false.into()),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.')) {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(serde_json::Value::Number)
}

/// Gathers the entries of a map and refuses a key that it has seen.
#[derive(Default)]
pub struct MapBuilder {
    entries: Vec<Entry>,
    /// The entries by their keys, once there are [`MANY`](Self::MANY).
    places: HashMap<String, usize>,
}

impl MapBuilder {
    /// From so many entries on one is looked up; nearly all maps of a file have a few, which are compared sooner.
    const MANY: usize = 9;

    /// Adds an entry, or says that its key is there already.
    pub fn insert(&mut self, key: Spanned<String>, value: Node) -> Result<(), Diagnostic> {
        if let Some(first) = self.find(&key.value) {
            return Err(duplicate_key(&key.value, key.span, Some(first.key.span)));
        }
        self.entries.push(Entry { key, value });
        let noted = if self.entries.len() == Self::MANY { 0 } else { self.entries.len() - 1 };
        if self.entries.len() >= Self::MANY {
            let entries = self.entries.iter().enumerate().skip(noted);
            self.places.extend(entries.map(|(place, entry)| (entry.key.value.clone(), place)));
        }
        Ok(())
    }

    /// Whether `key` is there.
    pub fn contains(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    fn find(&self, key: &str) -> Option<&Entry> {
        match self.places.is_empty() {
            true => self.entries.iter().find(|entry| entry.key.value == key),
            false => self.places.get(key).and_then(|place| self.entries.get(*place)),
        }
    }

    /// The entries in the order in which they came.
    pub fn finish(self) -> Vec<Entry> {
        self.entries
    }
}

/// The place of a part of a scalar's text in `source`; the whole where escapes or variables stand between the two.
pub fn part(source: &str, node: &Node, range: std::ops::Range<usize>) -> Span {
    let Value::Scalar(scalar) = &node.value else { return node.span };
    let start = node.span.start as usize;
    let written = source.get(node.span.range()).unwrap_or_default();
    let text = scalar.text.as_str();
    // Quotes stand on both sides; an escape makes the source longer still. Only the part is compared: a text may be long.
    let offset = written.len().saturating_sub(text.len()) / 2;
    let quotes = written.get(..offset).is_some_and(|quotes| quotes.bytes().all(|b| matches!(b, b'"' | b'\'')));
    let part = written.get(offset + range.start..offset + range.end);
    // A range that cuts a character is that of another text.
    let same = part.is_some() && part == text.get(range.clone());
    if quotes && same && written.len() == text.len() + 2 * offset {
        node.span.with_range(start + offset + range.start..start + offset + range.end)
    } else {
        node.span
    }
}

/// A key that stands twice in one map.
pub fn duplicate_key(key: &str, again: Span, first: Option<Span>) -> Diagnostic {
    let error = Diagnostic::error("key::duplicate", format!("the key `{}` stands here twice", key.escape_debug()))
        .at(again, "again here")
        .help("keep one of them; what the two hold may have to be merged");
    match first {
        Some(first) => error.at(first, "first here"),
        None => error,
    }
}

/// Lists and maps nested deeper than [`DEPTH_MAX`].
pub fn too_deep(at: Span) -> Diagnostic {
    Diagnostic::error("file::too_deep", format!("lists and maps nest deeper than {DEPTH_MAX} levels"))
        .at(at, "too deep here")
        .help("no topology needs more than a handful of levels; is a bracket or an indent wrong?")
}
