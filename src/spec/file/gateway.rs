//! `gateways`.

use serde_json::Value as Json;

use crate::{
    model::{Diagnostic, IfName, Label, Span, Spanned},
    spec::{
        de::{
            Decode, Decoder, Key,
            section::{self, section},
        },
        schema::{Definitions, rule},
        tree::Node,
    },
};

/// A way out for everyone on a segment.
#[derive(Debug)]
pub struct Gateway {
    /// The whole item.
    pub span: Span,
    /// What it is.
    pub at: GatewayAt,
    /// Whom it serves, where not everyone on the segment.
    pub members: Option<Vec<Spanned<Label>>>,
}

/// What a gateway is.
#[derive(Debug)]
pub enum GatewayAt {
    /// A bridge that has addresses.
    Bridge(Spanned<Label>),
    /// An interface of a router.
    Interface(Spanned<Label>, Spanned<IfName>),
}

section! {
    /// The keys of a gateway.
    struct RawGateway as "Gateway": "a gateway", reserved [] {
        /// The bridge whose addresses are the way out; either this, or `namespace` and `interface`.
        bridge: Option<Spanned<Label>> => "bridge" { left_out: "an interface of `namespace`", example: r#""br0""# },
        /// The router whose interface is the way out.
        namespace: Option<Spanned<Label>> => "namespace" { left_out: "the one of `bridge`", example: r#""edge""# },
        /// The interface of the router on the segment.
        interface: Option<Spanned<IfName>> => "interface" { left_out: "that of `bridge`", example: r#""lan0""# },
        /// The namespaces that get a default route by it.
        members: Option<Vec<Spanned<Label>>> => "members" { left_out: "everyone on the segment", example: r#"["web"]"# },
    }
}

impl Decode for Gateway {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let before = cx.found();
        let raw: RawGateway = cx.item(node.span, |cx| section::decode(node, cx))?;
        let at = match (raw.bridge, raw.namespace, raw.interface) {
            (Some(bridge), None, None) => GatewayAt::Bridge(bridge),
            (None, Some(namespace), Some(interface)) => GatewayAt::Interface(namespace, interface),
            (bridge, namespace, interface) => {
                let spans = [bridge.map(|b| b.span), namespace.map(|n| n.span), interface.map(|i| i.span)];
                // Where a key could not be read, that has been said, and this would follow from it.
                if cx.found() == before {
                    let place = cx.head(node);
                    cx.push(neither(place, spans, cx));
                }
                return None;
            }
        };
        Some(Self { span: node.span, at, members: raw.members })
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        let reference = section::schema::<RawGateway>(definitions);
        let either = "a gateway is a `bridge`, or an `interface` of a `namespace`";
        let alone = |one, other| rule::all([rule::given(one), rule::none(&[other, "bridge"])]);
        definitions.rules(
            "Gateway",
            vec![
                rule::not_both("bridge", "namespace", either),
                rule::not_both("bridge", "interface", either),
                rule::needs(rule::none(&["bridge", "namespace", "interface"]), "bridge", either),
                rule::needs(alone("namespace", "interface"), "interface", either),
                rule::needs(alone("interface", "namespace"), "namespace", either),
            ],
        );
        reference
    }
}

fn neither(place: Span, given: [Option<Span>; 3], cx: &Decoder<'_>) -> Diagnostic {
    let error = Diagnostic::error("gateway::place", "a gateway is a bridge, or an interface of a namespace");
    let mut given = given.into_iter().flatten().peekable();
    let error = match given.peek() {
        None => error.at(place, "says neither"),
        Some(_) => given.fold(error, |error, span| error.at(span, "given")),
    };
    let (bridge, namespace) = (cx.pair("bridge", "br0"), cx.pair("namespace", "edge"));
    error.help(format!("write {bridge}, or {namespace} with {}", cx.pair("interface", "lan0")))
}
