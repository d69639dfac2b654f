//! How the general kinds of values are read: what may be absent, lists, maps, numbers, strings.

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use super::{
    Decode, Decoder, Key, NetForm, Step, meant,
    text::{Text, Wrong},
};
use crate::{
    model::{Diagnostic, Spanned},
    spec::{
        address,
        file::Map,
        schema::{Definitions, pattern, value},
        tree::{Node, Scalar, Style, Value},
    },
};

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
        cx.item(node.span, |cx| T::decode(node, key, cx)).map(|value| Self { value, span: node.span })
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
                out.extend(cx.enter(Step::Item(index), item.span, |cx| T::decode(item, key, cx)));
            }
        }
        Some(out)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn schema(key: &Key, definitions: &mut Definitions) -> Json {
        value::list(T::schema(key, definitions))
    }
}

impl<K: Text + Eq + std::hash::Hash, V: Decode> Decode for Map<K, V> {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            let help = as_map(node, cx);
            cx.wrong_type(node, &format!("a map by {}", K::WHAT.trim_start_matches("a ")), help);
            return None;
        };
        let mut out = Self::with_capacity_and_hasher(entries.len(), Default::default());
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
                let help = format!("write {} to have it", cx.pair(&entry.key.value, json!({})));
                cx.push(left_out(&entry.key).help(help));
                continue;
            }
            let value = cx.enter(Step::Key(&entry.key.value), entry.key.span, |cx| V::decode(&entry.value, key, cx));
            out.extend(name.zip(value));
        }
        Some(out)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn schema(key: &Key, definitions: &mut Definitions) -> Json {
        let mut map = value::by_name(K::schema(key), V::schema(key, definitions));
        if let Some(exceptions) = V::exceptions() {
            map["properties"] = exceptions;
        }
        map
    }
}

/// How to write a list of names as a map.
fn as_map(node: &Node, cx: &Decoder<'_>) -> Option<String> {
    let Value::List(items) = &node.value else { return None };
    let Value::Scalar(Scalar { text, .. }) = &items.first()?.value else { return None };
    Some(format!("write {} for each, without the brackets of a list", cx.pair(text, json!({}))))
}

/// A key with nothing after it.
pub fn left_out(key: &Spanned<String>) -> Diagnostic {
    Diagnostic::warning("key::left_out", format!("`{}` is left out: nothing stands after it", key.value))
        .at(key.span, "left out")
}

impl Decode for bool {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        match &node.value {
            Value::Scalar(Scalar { text, style: Style::Bool | Style::Plain }) if text == "true" => Some(true),
            Value::Scalar(Scalar { text, style: Style::Bool | Style::Plain }) if text == "false" => Some(false),
            _ => {
                cx.wrong_type(node, "true or false", truth(node));
                None
            }
        }
    }

    fn schema(_: &Key, _: &mut Definitions) -> Json {
        value::bare("boolean", "true or false")
    }
}

/// How to write the boolean that a scalar was meant to be.
fn truth(node: &Node) -> Option<String> {
    let Value::Scalar(Scalar { text, .. }) = &node.value else { return None };
    match text.as_str() {
        "true" | "false" => Some(format!("write {text} without quotes")),
        _ => meant::truth(text).map(|truth| format!("write {truth}")),
    }
}

/// A whole number of the key's range.
fn number<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<u64> {
    let (least, most) = key.range;
    let expected = "a whole number";
    let Value::Scalar(Scalar { text, style: Style::Number | Style::Plain }) = &node.value else {
        cx.wrong_type(node, expected, unquoted_number(node));
        return None;
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let help = meant::advice(text);
        match text.parse::<f64>() {
            Ok(_) => {
                let message = format!("{} must be {expected}, not {text}", cx.here());
                let wrong = Wrong::new("type::wrong", message, format!("expected {expected}"));
                cx.wrong(node, Wrong { help, ..wrong });
            }
            Err(_) => cx.wrong_type(node, expected, help),
        }
        return None;
    }
    if meant::begins_with_zero(digits) {
        let wrong = Wrong::new("value::number", format!("{} begins with a zero", cx.here()), "octal or decimal?");
        cx.wrong(node, Wrong { help: meant::advice(digits), ..wrong });
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

/// What to do about a number that stands in quotes.
fn unquoted_number(node: &Node) -> Option<String> {
    let Value::Scalar(Scalar { text, style: Style::Text }) = &node.value else { return None };
    let number = text.trim().parse::<u64>().ok()?;
    Some(format!("write {number} without quotes"))
}

/// Unsigned numbers of a key's range.
macro_rules! decode_number {
    ($($number:ty),*) => {$(
        impl Decode for $number {
            fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
                number(node, key, cx).and_then(|n| n.try_into().ok())
            }

            fn schema(key: &Key, _: &mut Definitions) -> Json {
                let mut schema = value::bare("integer", "a whole number");
                schema["minimum"] = key.range.0.into();
                schema["maximum"] = key.range.1.into();
                schema
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

    fn schema(key: &Key, _: &mut Definitions) -> Json {
        if key.pattern.is_empty() {
            json!({ "type": "string" })
        } else {
            value::text(key.pattern, "what a name can begin with")
        }
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

/// Reads the network `text` stands for, by the form that `key` asks for.
impl Text for IpNet {
    const WHAT: &'static str = "an address with its prefix length";

    fn read(text: &str, key: &Key) -> Result<Self, Wrong> {
        address::net(text, key.net)
    }

    fn schema(key: &Key) -> Json {
        match key.net {
            NetForm::Interface => {
                value::text(&pattern::whole(&pattern::net()), "an address with its length, such as 10.0.0.1/24")
            }
            NetForm::Subnet => value::text(&pattern::whole(&pattern::net()), "a subnet such as 10.0.0.0/24"),
            NetForm::Range => {
                value::text(&pattern::whole(&pattern::range()), "an address or a range such as 10.0.0.0/24")
            }
        }
    }
}
