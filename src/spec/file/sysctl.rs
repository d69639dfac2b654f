//! `sysctls`: keys with dots or slashes, or nested maps whose keys join by dots.

use serde_json::{Value as Json, json};

use super::Map;
use crate::{
    model::{Span, Spanned},
    spec::{
        de::{Decode, Decoder, Key, Step, meant, text::Wrong},
        schema::{Definitions, many, value},
        tree::{Entry, Node, Scalar, Style, Value, duplicate_key},
    },
};

impl Decode for Map<String, Spanned<String>> {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            cx.wrong_type(node, "a map from sysctls to their values", None);
            return None;
        };
        let mut out = Self::default();
        collect("", entries, cx, &mut out);
        Some(out)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        if definitions.begin(BELOW) {
            definitions.finish(BELOW, below());
            definitions.finish(WHOLE, whole());
        }
        value::several(value::reference(WHOLE))
    }
}

/// The definition of all sysctls, and of those below a part of their name.
const WHOLE: &str = "Sysctls";
const BELOW: &str = "SysctlsBelow";

/// Sysctls by their names, all of them below `net`.
fn whole() -> Json {
    let mut net = json!({ "type": ["object", "string", "null"], "pattern": "[$]" });
    let other = "only sysctls below `net` can be set, by the names that `sysctl -a` shows";
    nested(&mut net);
    json!({
        "type": ["object", "null"],
        "properties": { "for": many::every(), "when": many::condition() },
        "patternProperties": { "^net$": net, "^net([./][A-Za-z0-9_@-]+)+$|[$]": one() },
        "additionalProperties": { "type": "null", "errorMessage": other },
    })
}

/// Sysctls by what is left of their names.
fn below() -> Json {
    let names = value::text("^[A-Za-z0-9_@-]+([./][A-Za-z0-9_@-]+)*$", "the name of a sysctl");
    json!({
        "type": "object",
        "propertyNames": names,
        "properties": { "for": many::every(), "when": many::condition() },
        "additionalProperties": one(),
    })
}

/// The value of a sysctl, or sysctls below the key.
fn one() -> Json {
    let mut value = value::text(r"^[^\u0000-\u001F\u007F-\u009F]*$", "one line, with spaces between numbers");
    value["type"] = json!(["number", "string", "boolean", "object", "null"]);
    nested(&mut value);
    value
}

/// Lets a map stand for a value.
fn nested(value: &mut Json) {
    value["if"] = json!({ "type": "object" });
    value["then"] = value::several(value::reference(BELOW));
}

fn collect<'n>(above: &str, entries: &'n [Entry], cx: &mut Decoder<'n>, out: &mut Map<String, Spanned<String>>) {
    for entry in entries {
        let key = if above.is_empty() { entry.key.value.clone() } else { format!("{above}.{}", entry.key.value) };
        cx.within(Step::Key(&entry.key.value), |cx| match &entry.value.value {
            Value::Null => {}
            Value::Map(below) => collect(&key, below, cx, out),
            _ => {
                let value = value(&entry.value, cx);
                if let (Some(value), true) = (value, is_key(&key, entry, cx)) {
                    add(key, entry.key.span, value, cx, out);
                }
            }
        });
    }
}

fn add(key: String, span: Span, value: Spanned<String>, cx: &mut Decoder<'_>, out: &mut Map<String, Spanned<String>>) {
    let key = Spanned { value: key, span };
    match out.get_key_value(&key) {
        // The same sysctl as `a.b` and as `b` under `a`.
        Some((first, _)) => cx.push(duplicate_key(&key.value, span, Some(first.span))),
        None => {
            out.insert(key, value);
        }
    }
}

/// What is written into the sysctl's file.
fn value(node: &Node, cx: &mut Decoder<'_>) -> Option<Spanned<String>> {
    let Value::Scalar(Scalar { text, style }) = &node.value else {
        cx.wrong_type(node, "a number, true, false or a string", None);
        return None;
    };
    if text.chars().any(char::is_control) {
        let message = format!("{} holds a tab, a line break or another control character", cx.here());
        let wrong = Wrong::new("value::sysctl", message, "one line, without tabs");
        cx.wrong(node, wrong.help("where the kernel prints tabs between numbers, it takes spaces"));
        return None;
    }
    let text = match (style, text.as_str()) {
        (Style::Date, _) => {
            cx.wrong_type(node, "a number, true, false or a string", None);
            return None;
        }
        (Style::Bool | Style::Plain, "true") => "1",
        (Style::Bool | Style::Plain, "false") => "0",
        (Style::Plain | Style::Number, text) if let Some(help) = trap(text) => {
            let message = format!("{} is {text}, which the kernel takes for something else or not at all", cx.here());
            cx.wrong(node, Wrong::new("value::sysctl", message, "what is meant?").help(help));
            return None;
        }
        (_, text) => text,
    };
    Some(Spanned { value: text.to_owned(), span: node.span })
}

/// How to write a value whose meaning depends on whom one asks: `yes`, `010`, `1e3`. In quotes it is written as it stands.
fn trap(text: &str) -> Option<String> {
    let is_plain = matches!(text, "0" | "1");
    let meant = meant::truth(text).filter(|_| !is_plain).map(|truth| format!("write {truth}"));
    meant
        .or_else(|| meant::advice(text))
        .map(|help| format!("{help}, or put it in quotes to have it written as it stands"))
}

/// Whether `key` names a file below /proc/sys/net and nothing else.
fn is_key(key: &str, entry: &Entry, cx: &mut Decoder<'_>) -> bool {
    let shown = key.escape_debug();
    let letters = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@'));
    let parts = key.split(['.', '/']);
    let (message, help) = if !letters || parts.clone().any(str::is_empty) {
        (format!("`{shown}` is not the name of a sysctl"), "write it as `sysctl -a` does: net.ipv4.ip_forward")
    } else if parts.clone().next() != Some("net") || parts.count() < 2 {
        (
            format!("the sysctl `{shown}` belongs to the whole machine, not to a namespace"),
            "only those below net can be set",
        )
    } else {
        return true;
    };
    let at = Node::scalar(entry.key.span, entry.key.value.as_str(), Style::Plain);
    cx.wrong(&at, Wrong::new("name::sysctl", message, "this key").help(help));
    false
}
