//! From the spanned tree to typed values, every error collected: one bad value never hides another.

pub mod section;
pub mod suggest;
pub mod text;

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use self::text::{Text, Wrong};
use super::{
    file::Map,
    schema::Definitions,
    tree::{Node, Scalar, Style, Value},
};
use crate::model::{Diagnostic, Diagnostics, Span, Spanned};

/// All facts about one key of the language: what it is called, what it means, what it may hold. Reading, checking and the
/// JSON Schema all go by them.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it stands in a file.
    pub name: &'static str,
    /// What it means: the lines of the field's doc comment.
    pub doc: &'static [&'static str],
    /// What its absence means, as JSON. Empty where `left_out` says it in words, and for a required key.
    pub default: &'static str,
    /// What its absence means, in words.
    pub left_out: &'static str,
    /// A value that it may have, as JSON.
    pub example: &'static str,
    /// The least and the greatest number.
    pub range: (u64, u64),
    /// What an address with a length stands for.
    pub net: NetForm,
    /// A further check of a string.
    pub check: fn(&str) -> Result<(), Wrong>,
}

/// What an address with a prefix length stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetForm {
    /// An interface's address: host bits, and a length that must be there.
    Interface,
    /// A subnet to give addresses from: a length that must be there, and no host bits.
    Subnet,
    /// Whose packets are meant: a bare address is the range of itself, and there are no host bits.
    Range,
}

impl Key {
    /// A key without any facts, to begin from.
    pub const PLAIN: Self = Self {
        name: "",
        doc: &[],
        default: "",
        left_out: "",
        example: "",
        range: (0, u32::MAX as u64),
        net: NetForm::Interface,
        check: |_| Ok(()),
    };

    /// The key as a JSON Schema: that of its values, with what is known of the key.
    fn describe(&self, mut schema: Json) -> Json {
        let mut doc = self.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        if !self.left_out.is_empty() {
            doc = format!("{doc} Left out: {}.", self.left_out);
        }
        if schema.get("$ref").is_some() {
            schema = json!({ "allOf": [schema] });
        }
        if let Json::Object(map) = &mut schema {
            map.insert("description".into(), doc.into());
            if let Ok(default) = serde_json::from_str::<Json>(self.default) {
                map.insert("default".into(), default);
            }
            if let Ok(example) = serde_json::from_str::<Json>(self.example) {
                map.insert("examples".into(), json!([example]));
            }
        }
        schema
    }
}

/// One step from the root of a file to a value.
#[derive(Debug, Clone, Copy)]
pub enum Step<'n> {
    /// Into a map.
    Key(&'n str),
    /// Into a list.
    Item(usize),
}

/// Walks a tree and collects what is wrong with it.
pub struct Decoder<'n> {
    text: &'n str,
    path: Vec<Step<'n>>,
    /// What was found wrong so far.
    pub diagnostics: Diagnostics,
    /// Whether an item or entry was dropped because it could not be read.
    pub lost: bool,
}

impl<'n> Decoder<'n> {
    /// A decoder for the tree that was read from `text`.
    pub fn new(text: &'n str) -> Self {
        Self { text, path: Vec::new(), diagnostics: Diagnostics::default(), lost: false }
    }

    /// Reports something.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// How much was found wrong so far: where it does not grow, a value was read whole.
    pub fn found(&self) -> usize {
        self.diagnostics.0.len()
    }

    /// Runs `f` one step deeper.
    pub fn within<T>(&mut self, step: Step<'n>, f: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = f(self);
        self.path.pop();
        result
    }

    /// Where the walk is, as in `links[2].mtu`.
    pub fn here(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if out.is_empty() => out.push_str(key),
                Step::Key(key) => out.extend([".", key]),
                Step::Item(index) => out.push_str(&format!("[{index}]")),
            }
        }
        if out.is_empty() { "the file".into() } else { format!("`{}`", out.escape_debug()) }
    }

    /// The key that the walk went through last.
    pub fn last_key(&self) -> Option<&'n str> {
        self.path.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Item(_) => None,
        })
    }

    /// Reports a value of a wrong kind.
    pub fn wrong_type(&mut self, node: &Node, expected: &str) {
        self.lost = true;
        if matches!(node.value, Value::Invalid) {
            return;
        }
        let found = node.found();
        let error = Diagnostic::error("type::wrong", format!("{} must be {expected}, not {found}", self.here()))
            .at(self.head(node), format!("expected {expected}"));
        self.push(match self.type_help(node, expected) {
            Some(help) => error.help(help),
            None => error,
        });
    }

    fn type_help(&self, node: &Node, expected: &str) -> Option<String> {
        if let Some(word) = self.bare_address(node) {
            return Some(format!("YAML takes the brackets for a list: quote it, \"{word}\""));
        }
        let Value::Scalar(Scalar { text, style }) = &node.value else { return None };
        let bare = match expected {
            "true or false" => match text.to_lowercase().as_str() {
                "yes" | "on" | "true" | "1" => Some("true"),
                "no" | "off" | "false" | "0" => Some("false"),
                _ => None,
            },
            _ if expected.starts_with("a whole number") && !text.is_empty() => {
                text.bytes().all(|b| b.is_ascii_digit()).then_some(text.trim_start_matches('0'))
            }
            "a string" if matches!(style, Style::Number | Style::Bool | Style::Date) => {
                return Some(format!("put it in quotes: \"{text}\""));
            }
            _ => None,
        };
        bare.map(|bare| format!("write {} without quotes", if bare.is_empty() { "0" } else { bare }))
    }

    /// The text of a list or map that was meant as an IPv6 address in brackets.
    fn bare_address(&self, node: &Node) -> Option<&'n str> {
        let word = self.text.get(node.span.start as usize..node.span.end as usize)?;
        let address = word.strip_prefix('[')?.strip_suffix(']')?;
        let colons = address.bytes().filter(|b| *b == b':').count();
        (colons >= 2 && address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'/'))).then_some(word)
    }

    /// The place of a value, cut to its first line where it has several.
    pub fn head(&self, node: &Node) -> Span {
        let (start, end) = (node.span.start as usize, node.span.end as usize);
        let line = self.text.get(start..end).and_then(|text| text.lines().next()).map_or(0, str::len);
        let first = match &node.value {
            // A TOML file is a map that begins nowhere.
            Value::Map(entries) if self.path.is_empty() => entries.first().map(|e| e.key.span),
            _ => None,
        };
        first.unwrap_or(Span { end: u32::try_from(start + line).unwrap_or(node.span.end), ..node.span })
    }

    /// The place of a part of a scalar's text; the whole where escapes stand between the text and its source.
    pub fn part(&self, node: &Node, range: std::ops::Range<usize>) -> Span {
        let Value::Scalar(scalar) = &node.value else { return node.span };
        let start = node.span.start as usize;
        let written = self.text.get(start..node.span.end as usize).unwrap_or_default();
        let offset = written.find(|c| !matches!(c, '"' | '\'')).unwrap_or(0);
        if written.get(offset..offset + scalar.text.len()) == Some(scalar.text.as_str()) {
            Span::new(node.span.source, start + offset + range.start..start + offset + range.end)
        } else {
            node.span
        }
    }

    /// The text of a value that is written as a string, or as a plain scalar of YAML.
    pub fn string(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(Scalar { text, style: Style::Text | Style::Plain }) => Some(text),
            _ => {
                self.wrong_type(node, expected);
                None
            }
        }
    }

    /// Reports what is wrong with a part of a scalar.
    pub fn wrong(&mut self, node: &Node, wrong: Wrong) {
        self.lost = true;
        let span = wrong.range.map_or(node.span, |range| self.part(node, range));
        let error = Diagnostic::error(wrong.code, wrong.message).at(span, wrong.label);
        self.push(match wrong.help {
            Some(help) => error.help(help),
            None => error,
        });
    }
}

/// A value of the language.
pub trait Decode: Sized {
    /// Reads it; what is wrong is reported, and `None` says that nothing can be used.
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self>;

    /// What the absence of the key means. `None`: it must be there.
    fn absent() -> Option<Self> {
        None
    }

    /// What stands in for a required value once its absence is reported.
    fn stand_in() -> Option<Self> {
        None
    }

    /// Which values it may have.
    fn schema(key: &Key, definitions: &mut Definitions) -> Json;
}

impl<T: Decode> Decode for Option<T> {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        Some(T::decode(node, key, cx))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn schema(key: &Key, definitions: &mut Definitions) -> Json {
        T::schema(key, definitions)
    }
}

impl<T: Decode> Decode for Spanned<T> {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        T::decode(node, key, cx).map(|value| Self { value, span: node.span })
    }

    fn schema(key: &Key, definitions: &mut Definitions) -> Json {
        T::schema(key, definitions)
    }
}

/// A list, whose brackets may be left out where it has one item.
impl<T: Decode> Decode for Vec<T> {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let Value::List(items) = &node.value else {
            return Some(T::decode(node, key, cx).into_iter().collect());
        };
        let mut out = Self::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if item.value != Value::Null {
                out.extend(cx.within(Step::Item(index), |cx| T::decode(item, key, cx)));
            }
        }
        Some(out)
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn schema(key: &Key, definitions: &mut Definitions) -> Json {
        let item = T::schema(key, definitions);
        json!({ "anyOf": [item, { "type": "array", "items": item }] })
    }
}

impl<K: Text + Eq + std::hash::Hash, V: Decode> Decode for Map<K, V> {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            cx.wrong_type(node, &format!("a map from {} to its keys", K::WHAT));
            return None;
        };
        let mut out = Self::with_capacity(entries.len());
        for entry in entries {
            let name = match K::read(&entry.key.value, key) {
                Ok(name) => Some(Spanned { value: name, span: entry.key.span }),
                Err(wrong) => {
                    let at = Node::scalar(entry.key.span, entry.key.value.as_str(), Style::Plain);
                    cx.wrong(&at, wrong);
                    None
                }
            };
            if entry.value.value == Value::Null {
                cx.push(left_out(&entry.key));
                continue;
            }
            let value = cx.within(Step::Key(&entry.key.value), |cx| V::decode(&entry.value, key, cx));
            out.extend(name.zip(value));
        }
        Some(out)
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn schema(key: &Key, definitions: &mut Definitions) -> Json {
        let value = V::schema(key, definitions);
        json!({ "type": "object", "propertyNames": K::schema(key), "additionalProperties": or_null(value) })
    }
}

fn left_out(key: &Spanned<String>) -> Diagnostic {
    Diagnostic::warning("key::left_out", format!("`{}` is left out: nothing stands after it", key.value))
        .at(key.span, "left out")
        .help(format!("write `{}: {{}}` to have it", key.value))
}

impl Decode for bool {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        match &node.value {
            Value::Scalar(Scalar { text, style: Style::Bool | Style::Plain }) if text == "true" => Some(true),
            Value::Scalar(Scalar { text, style: Style::Bool | Style::Plain }) if text == "false" => Some(false),
            _ => {
                cx.wrong_type(node, "true or false");
                None
            }
        }
    }

    fn schema(_: &Key, _: &mut Definitions) -> Json {
        json!({ "type": "boolean" })
    }
}

/// A whole number of the key's range.
fn number<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<u64> {
    let (least, most) = key.range;
    let expected = "a whole number";
    let Value::Scalar(Scalar { text, style: Style::Number | Style::Plain }) = &node.value else {
        cx.wrong_type(node, expected);
        return None;
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        cx.wrong_type(node, expected);
        return None;
    }
    if digits.len() > 1 && digits.starts_with('0') {
        let bare = digits.trim_start_matches('0');
        let wrong = Wrong::new("value::number", format!("{} begins with a zero", cx.here()), "octal or decimal?");
        cx.wrong(node, wrong.help(format!("write {}", if bare.is_empty() { "0" } else { bare })));
        return None;
    }
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Some(number),
        _ => {
            let message = format!("{} must be from {least} to {most}, not {text}", cx.here());
            cx.wrong(node, Wrong::new("value::range", message, "out of range"));
            None
        }
    }
}

/// Unsigned numbers of a key's range.
macro_rules! decode_number {
    ($($number:ty),*) => {$(
        impl Decode for $number {
            fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
                number(node, key, cx).and_then(|n| n.try_into().ok())
            }

            fn schema(key: &Key, _: &mut Definitions) -> Json {
                json!({ "type": "integer", "minimum": key.range.0, "maximum": key.range.1 })
            }
        }
    )*};
}
decode_number!(u16, u32);

impl Decode for String {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let text = cx.string(node, "a string")?;
        match (key.check)(text) {
            Ok(()) => Some(text.to_owned()),
            Err(wrong) => {
                cx.wrong(node, wrong);
                None
            }
        }
    }

    fn schema(_: &Key, _: &mut Definitions) -> Json {
        json!({ "type": "string" })
    }
}

impl<T: Text> Decode for T {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let text = match &node.value {
            Value::Scalar(Scalar { text, style: Style::Number }) if T::NUMBERS => text,
            _ => cx.string(node, T::WHAT)?,
        };
        match T::read(text, key) {
            Ok(value) => Some(value),
            Err(wrong) => {
                cx.wrong(node, wrong);
                None
            }
        }
    }

    fn schema(key: &Key, _: &mut Definitions) -> Json {
        <T as Text>::schema(key)
    }
}

/// `schema`, or nothing: a key without a value counts as left out.
pub fn or_null(schema: Json) -> Json {
    match schema {
        Json::Object(mut map) if map.contains_key("anyOf") => {
            if let Some(Json::Array(options)) = map.get_mut("anyOf") {
                options.push(json!({ "type": "null" }));
            }
            Json::Object(map)
        }
        other => json!({ "anyOf": [other, { "type": "null" }] }),
    }
}

/// Reads the network `text` stands for, by the form that `key` asks for.
impl Text for IpNet {
    const WHAT: &'static str = "an address with its prefix length";

    fn read(text: &str, key: &Key) -> Result<Self, Wrong> {
        super::address::net(text, key.net)
    }

    fn schema(key: &Key) -> Json {
        let length = if key.net == NetForm::Range { "(/[0-9]{1,3})?" } else { "/[0-9]{1,3}" };
        json!({ "type": "string", "pattern": format!("^[0-9A-Fa-f:.]+{length}$") })
    }
}
