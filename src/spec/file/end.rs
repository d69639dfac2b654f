//! One end of a link.

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use super::bridge::MTU;
use crate::{
    model::{Diagnostic, IfName, Label, Mac, Spanned},
    spec::{
        address,
        de::{
            Decode, Decoder, Key, NetForm, Step,
            section::{self, section},
            text::{Text, Wrong},
        },
        schema::{Definitions, pattern, rule, value},
        tree::{Node, Scalar, Style, Value},
    },
};

/// One end: `"NS:IF [ADDR…]"`, `"BRIDGE"`, `"BRIDGE:IF"` or the long form. The short form cannot tell a namespace from a
/// bridge; whoever resolves names can.
#[derive(Debug)]
pub struct End {
    /// Where it is.
    pub place: Place,
    /// Its device's name.
    pub interface: Option<Spanned<IfName>>,
    /// Its addresses; an empty list asks for none.
    pub addresses: Option<Vec<Spanned<IpNet>>>,
    /// Its hardware address.
    pub mac: Option<Spanned<Mac>>,
    /// Its MTU.
    pub mtu: Option<Spanned<u32>>,
    /// Whether it is up.
    pub up: Option<Spanned<bool>>,
}

/// Where an end is.
#[derive(Debug)]
pub enum Place {
    /// The short form: the first word of `NAME`, `NAME:IF`.
    Named(Spanned<Label>),
    /// `{ namespace: … }`.
    Namespace(Spanned<Label>),
    /// `{ bridge: … }`.
    Bridge(Spanned<Label>),
}

section! {
    /// The long form of an end.
    struct RawEnd as "End": "an end of a link", reserved [] {
        /// The namespace that it is in; either this or `bridge`.
        namespace: Option<Spanned<Label>> => "namespace" { left_out: "it is a port of `bridge`", example: r#""db""# },
        /// The bridge that it is a port of.
        bridge: Option<Spanned<Label>> => "bridge" { left_out: "it is in `namespace`", example: r#""br0""# },
        /// The name of its device.
        interface: Option<Spanned<IfName>> => "interface" {
            left_out: "made up for a port of a bridge, as NAMESPACE-INTERFACE of the other end", example: r#""eth0""#
        },
        /// Its addresses; an empty list asks for none.
        addresses: Option<Vec<Spanned<IpNet>>> => "addresses" {
            left_out: "the next free address of each subnet of the segment", example: r#"["192.168.0.3/24"]"#
        },
        /// Its hardware address.
        mac: Option<Spanned<Mac>> => "mac" { left_out: "one made from the names, always the same", example: r#""02:00:00:00:00:03""# },
        /// The largest packet that it carries, in bytes.
        mtu: Option<Spanned<u32>> => "mtu" { left_out: "that of the link", example: "4500", range: MTU },
        /// Whether it is up.
        up: Option<Spanned<bool>> => "up" { default: "true", example: "false" },
    }
}

/// Both ends of a link.
impl Decode for [Spanned<End>; 2] {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let Value::List(items) = &node.value else {
            cx.wrong_type(node, "a list of two ends", None);
            return None;
        };
        let mut ends = Vec::new();
        for (index, item) in items.iter().enumerate() {
            ends.push(cx.within(Step::Item(index), |cx| Spanned::<End>::decode(item, key, cx)));
        }
        if ends.len() != 2 {
            let place = cx.head(node);
            let found = match ends.len() {
                0 => "is none".to_owned(),
                1 => "is one".to_owned(),
                count => format!("are {count}"),
            };
            let error = Diagnostic::error("link::ends", format!("a link has two ends, and here {found}"));
            let help = format!("write {}, one link for each pair", cx.pair("endpoints", json!(["web:eth0", "br0"])));
            cx.push(error.at(place, "not two").help(help));
            return None;
        }
        let mut ends = ends.into_iter().flatten();
        Some([ends.next()?, ends.next()?])
    }

    fn schema(key: &Key, definitions: &mut Definitions) -> Json {
        let several = json!({ "type": "object", "required": ["value"] });
        let end =
            json!({ "if": several, "then": value::reference(value::SEVERAL), "else": End::schema(key, definitions) });
        let made = json!({ "type": "object", "anyOf": [{ "required": ["for"] }, { "required": ["when"] }] });
        json!({
            "type": ["array", "string", "object"], "items": end, "pattern": "[$]",
            "patternErrorMessage": "expected a list of two ends",
            "allOf": [
                { "if": { "type": "object" }, "then": value::reference(value::SEVERAL) },
                { "if": { "contains": made }, "else": { "minItems": 2, "maxItems": 2 } },
            ],
        })
    }
}

impl Decode for End {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        match &node.value {
            Value::Scalar(Scalar { text, style: Style::Text | Style::Plain }) => short(text, node, key, cx),
            Value::Map(_) => long(node, cx),
            _ => {
                cx.wrong_type(node, "an end: \"NAMESPACE:INTERFACE\", \"BRIDGE\" or a map", None);
                None
            }
        }
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        let long = section::schema::<RawEnd>(definitions);
        let lone = rule::all([rule::given("namespace"), rule::none(&["interface"])]);
        let place = "an end is in a `namespace`, or a port of a `bridge`";
        definitions.rules(
            "End",
            vec![
                rule::not_both("namespace", "bridge", "an end is in a namespace or a port of a bridge, not both"),
                rule::needs(rule::none(&["namespace", "bridge"]), "namespace", place),
                rule::needs(lone, "interface", "an end in a namespace needs the key `interface`"),
            ],
        );
        definitions.set("End", "type", "object".into());
        let (label, interface, net) = (pattern::LABEL, pattern::IF_NAME, pattern::net());
        let short = format!(r"^\s*{label}(:{interface})?(\s+{net})*\s*$");
        let mut end = value::text(&short, "NAMESPACE:INTERFACE with its addresses, BRIDGE, BRIDGE:INTERFACE or a map");
        end["type"] = json!(["string", "object"]);
        end["if"] = json!({ "type": "object" });
        end["then"] = long;
        end
    }
}

fn long<'n>(node: &'n Node, cx: &mut Decoder<'n>) -> Option<End> {
    let before = cx.found();
    let mut raw: RawEnd = section::decode(node, cx)?;
    let place = match (raw.namespace.take(), raw.bridge.take()) {
        (Some(namespace), None) => Place::Namespace(namespace),
        (None, Some(bridge)) => Place::Bridge(bridge),
        (Some(namespace), Some(bridge)) => {
            let error = Diagnostic::error("link::place", "an end is in a namespace or a port of a bridge, not both");
            cx.push(error.at(bridge.span, "a bridge").at(namespace.span, "and a namespace").help("take one away"));
            return None;
        }
        (None, None) => {
            if cx.found() == before {
                let error = Diagnostic::error("link::place", "an end says neither `namespace` nor `bridge`");
                let place = cx.head(node);
                let help = format!("write {} or {}", cx.pair("namespace", "web"), cx.pair("bridge", "br0"));
                cx.push(error.at(place, "where is it?").help(help));
            }
            return None;
        }
    };
    let RawEnd { interface, addresses, mac, mtu, up, .. } = raw;
    if let (Place::Namespace(_), None, true) = (&place, &interface, cx.found() == before) {
        let error = Diagnostic::error("key::missing", "an end in a namespace needs the key `interface`");
        let place = cx.head(node);
        let help = format!("such as {}", cx.pair("interface", "eth0"));
        cx.push(error.at(place, "no `interface` here").help(help));
    }
    Some(End { place, interface, addresses, mac, mtu, up })
}

/// The words of a text, each with its first byte.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(char::is_whitespace).filter_map(move |word| {
        let start = at;
        at += word.len() + text.get(at + word.len()..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((start, word))
    })
}

fn short(text: &str, node: &Node, key: &Key, cx: &mut Decoder<'_>) -> Option<End> {
    let mut words = words(text);
    let Some((at, first)) = words.next() else {
        cx.wrong(node, Wrong::new("link::place", "an end is empty", "where is it?").help("write NAMESPACE:INTERFACE"));
        return None;
    };
    let place = first_word(at, first, node, key, cx);
    let mut addresses = Vec::new();
    for (at, word) in words {
        match address::net(word, NetForm::Interface) {
            Ok(net) => addresses.push(Spanned { value: net, span: cx.part(node, at..at + word.len()) }),
            Err(wrong) => cx.wrong(node, wrong.shifted(at, word.len())),
        }
    }
    let (place, interface) = place?;
    let addresses = if addresses.is_empty() { None } else { Some(addresses) };
    Some(End { place: Place::Named(place), interface, addresses, mac: None, mtu: None, up: None })
}

/// `NAME` or `NAME:IF`.
fn first_word(
    at: usize,
    word: &str,
    node: &Node,
    key: &Key,
    cx: &mut Decoder<'_>,
) -> Option<(Spanned<Label>, Option<Spanned<IfName>>)> {
    let (name, interface) = match word.split_once(':') {
        Some((name, interface)) => (name, Some((at + name.len() + 1, interface))),
        None => (word, None),
    };
    let label = part::<Label>(at, name, node, key, cx);
    let interface = match interface {
        Some((at, interface)) => Some(part::<IfName>(at, interface, node, key, cx)?),
        None => None,
    };
    Some((label?, interface))
}

/// Reads a part of a scalar that begins at byte `at` of its text.
fn part<T: Text>(at: usize, text: &str, node: &Node, key: &Key, cx: &mut Decoder<'_>) -> Option<Spanned<T>> {
    match T::read(text, key) {
        Ok(value) => Some(Spanned { value, span: cx.part(node, at..at + text.len()) }),
        Err(wrong) => {
            cx.wrong(node, wrong.shifted(at, text.len()));
            None
        }
    }
}
