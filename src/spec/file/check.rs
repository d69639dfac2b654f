//! `checks`.

use serde_json::{Value as Json, json};

use super::ForwardTo;
use crate::{
    kind::check::Expect,
    model::{Diagnostic, Label, Spanned},
    spec::{
        address,
        de::{
            Decode, Decoder, Key,
            section::{self, section},
            text::Wrong,
        },
        schema::{Definitions, pattern, rule, value},
        tree::{Node, Scalar, Style, Value},
    },
};

/// At most one of `ping: true`, `tcp: true | PORT`, `udp: true | PORT`.
#[derive(Debug)]
pub struct Check {
    /// The namespace that asks.
    pub from: Spanned<Label>,
    /// `NS`, `NS:PORT`, `ADDR`, `ADDR:PORT`.
    pub to: Spanned<ForwardTo>,
    /// How it asks.
    pub probe: Option<Spanned<CheckProbe>>,
    /// What must come of it.
    pub expect: Expect,
    /// The namespace whose answer it must be.
    pub by: Option<Spanned<Label>>,
}

/// How a check asks, as written. A port given twice is the same twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckProbe {
    /// An ICMP echo.
    Ping,
    /// A connection, to this port or to that of `to`.
    Tcp(Option<u16>),
    /// A datagram and its answer, to this port or to that of `to`.
    Udp(Option<u16>),
}

section! {
    /// The keys of a check.
    struct RawCheck as "Check": "a check", reserved [] {
        /// The namespace that asks.
        from: Spanned<Label> => "from" { example: r#""web""# },
        /// Who is asked: a namespace or an address, with :PORT after it.
        to: Spanned<ForwardTo> => "to" { example: r#""db:5432""# },
        /// Asks with an ICMP echo.
        ping: Option<Spanned<bool>> => "ping" { left_out: "true where there is neither a port nor another probe", example: "true" },
        /// Asks with a TCP connection; `true` for the port of `to`, or a port.
        tcp: Option<Spanned<Port>> => "tcp" { left_out: "true where `to` has a port and there is no other probe", example: "22" },
        /// Asks with a UDP datagram that must be answered; `true` for the port of `to`, or a port.
        udp: Option<Spanned<Port>> => "udp" { left_out: "no", example: "true" },
        /// What must come of it: `blocked` means no answer, or a refusal by the network.
        expect: Option<Expect> => "expect" { default: r#""reachable""#, example: r#""blocked""# },
        /// The namespace that must answer: a file that lets somebody else answer is refused.
        by: Option<Spanned<Label>> => "by" { left_out: "who has the address, or is behind its forward", example: r#""web""# },
    }
}

/// `true`, `false` or a port.
#[derive(Debug, Clone, Copy)]
enum Port {
    Off,
    On,
    Number(u16),
}

impl Decode for Port {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        match &node.value {
            Value::Scalar(Scalar { text, style: Style::Bool | Style::Plain }) if text == "true" => Some(Self::On),
            Value::Scalar(Scalar { text, style: Style::Bool | Style::Plain }) if text == "false" => Some(Self::Off),
            Value::Scalar(Scalar { text, style: Style::Number | Style::Plain }) => match address::port(text) {
                Ok(port) => Some(Self::Number(port)),
                Err(wrong) => {
                    let help = wrong.help.unwrap_or_else(|| "write a port, or true for that of `to`".to_owned());
                    cx.wrong(node, Wrong { help: Some(help), ..wrong });
                    None
                }
            },
            _ => {
                let quoted = matches!(&node.value, Value::Scalar(scalar) if address::port(&scalar.text).is_ok());
                cx.wrong_type(node, "true or a port", quoted.then(|| "write it without quotes".to_owned()));
                None
            }
        }
    }

    fn schema(_: &Key, _: &mut Definitions) -> Json {
        let mut schema = value::bare("boolean", "true or a port");
        schema["type"] = json!(["boolean", "integer", "string"]);
        schema["minimum"] = 1.into();
        schema["maximum"] = u16::MAX.into();
        schema
    }
}

impl Decode for Check {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let RawCheck { from, to, ping, tcp, udp, expect, by } = section::decode(node, cx)?;
        let off = [
            ping.as_ref().filter(|it| !it.value).map(|it| it.span).filter(|_| to.ports.is_none()),
            tcp.as_ref().filter(|it| matches!(it.value, Port::Off)).map(|it| it.span).filter(|_| to.ports.is_some()),
        ];
        let ping = ping.filter(|on| on.value).map(|on| on.map(|_| CheckProbe::Ping));
        let port = |port: Option<Spanned<Port>>, probe: fn(Option<u16>) -> CheckProbe| match port?.map_port() {
            (Port::Off, _) => None,
            (Port::On, span) => Some(Spanned { value: probe(None), span }),
            (Port::Number(number), span) => Some(Spanned { value: probe(Some(number)), span }),
        };
        let probes: Vec<_> =
            [ping, port(tcp, CheckProbe::Tcp), port(udp, CheckProbe::Udp)].into_iter().flatten().collect();
        if let [first, second, ..] = probes.as_slice() {
            let error = Diagnostic::error("check::probe", "a check asks in one way");
            cx.push(error.at(second.span, "another").at(first.span, "one").help("write one check for each"));
        }
        let probe = probes.into_iter().next();
        if let (None, Some(off)) = (&probe, off.into_iter().flatten().next()) {
            let error = Diagnostic::error("check::probe", "this check asks in no way");
            let help = "leave it out, or ask in another way: with `ping`, `tcp` or `udp`";
            cx.push(error.at(off, "turned off, and no other is named").help(help));
        }
        judge_ports(&to, probe, cx);
        Some(Self { from, to, probe, expect: expect.unwrap_or_default(), by })
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        let reference = section::schema::<RawCheck>(definitions);
        definitions.rules("Check", rules());
        reference
    }
}

/// What the schema says of the keys of a check together.
fn rules() -> Vec<Json> {
    let is = |key, value: bool| rule::is(key, &[value.into()]);
    let asks = |key: &str| json!({ "required": [key], "properties": { key: { "not": { "enum": [false, null] } } } });
    let on = |key: &str| {
        let on = json!({ "not": { "anyOf": [{ "enum": [false, null] }, { "type": ["string", "object"] }] } });
        json!({ "required": [key], "properties": { key: on } })
    };
    let has_port = || rule::matches("to", &format!(r"^(\[.*\]|[^:\[]*):{}$", pattern::ports()));
    let has_none = || rule::matches("to", r"^(\[.*\]|[^:\[]*|[^\[]*:[^\[]*:[^\[]*)$");
    let (one, no_port) = ("a check asks in one way: write one check for each", "the check names no port");
    let idle = |key, to: Json, others: [&str; 2]| {
        let others = json!({ "not": { "anyOf": [asks(others[0]), asks(others[1])] } });
        let condition = rule::all([is(key, false), to, others, rule::no_variables()]);
        rule::refuses(condition, key, "this check asks in no way: leave it out, or name another probe")
    };
    vec![
        rule::refuses(rule::all([on("ping"), on("tcp")]), "tcp", one),
        rule::refuses(rule::all([on("ping"), on("udp")]), "udp", one),
        rule::refuses(rule::all([on("tcp"), on("udp")]), "udp", one),
        idle("ping", has_none(), ["tcp", "udp"]),
        idle("tcp", has_port(), ["ping", "udp"]),
        rule::refuses(rule::matches("to", r":([0-9]+)-(?!\1$)[0-9]+$"), "to", "a check asks one port"),
        rule::refuses(rule::all([is("ping", true), has_port()]), "ping", "a ping knows no ports"),
        rule::refuses(rule::all([is("tcp", true), has_none()]), "tcp", no_port),
        rule::refuses(rule::all([is("udp", true), has_none()]), "udp", no_port),
    ]
}

impl Spanned<Port> {
    fn map_port(self) -> (Port, crate::model::Span) {
        (self.value, self.span)
    }
}

/// One port, named once, and only where the probe has one.
fn judge_ports(to: &Spanned<ForwardTo>, probe: Option<Spanned<CheckProbe>>, cx: &mut Decoder<'_>) {
    let error = |message: String| Diagnostic::error("check::port", message);
    if let Some((first, last)) = to.ports.filter(|(first, last)| first != last) {
        let message = format!("a check asks one port, not {first} to {last}");
        cx.push(error(message).at(to.span, "several ports").help("write one check for each port that matters"));
        return;
    }
    let port = to.ports.map(|(port, _)| port);
    let Some(probe) = probe else { return };
    match (probe.value, port) {
        (CheckProbe::Ping, Some(port)) => {
            let error = error(format!("a ping knows no ports, and `to` has port {port}"));
            cx.push(
                error
                    .at(to.span, "has a port")
                    .at(probe.span, "a ping")
                    .help(format!("take the port away, or write {}", cx.pair("tcp", true))),
            );
        }
        (CheckProbe::Tcp(None) | CheckProbe::Udp(None), None) => {
            let error = error("the check names no port".into());
            cx.push(error.at(probe.span, "which port?").help("write it here, or after `to` as NAME:PORT"));
        }
        (CheckProbe::Tcp(Some(here)) | CheckProbe::Udp(Some(here)), Some(there)) if here != there => {
            let error = error(format!("the check names two ports, {here} and {there}"));
            cx.push(error.at(probe.span, "one").at(to.span, "another").help("write one of them"));
        }
        (CheckProbe::Ping, None) | (CheckProbe::Tcp(_) | CheckProbe::Udp(_), _) => {}
    }
}
