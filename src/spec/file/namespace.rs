//! `namespaces.KEY`.

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use super::{Map, Route};
use crate::{
    model::Spanned,
    spec::{
        de::{
            Decode, Decoder, Key,
            section::{self, Section, section},
        },
        schema::{Definitions, rule, value},
        tree::Node,
    },
};

section! {
    /// `namespaces.KEY`; `host` is a key like the others.
    #[derive(Debug, Default)]
    pub struct Namespace as "Namespace": "a namespace", reserved ["attach", "hosts", "dns"] {
        /// Whether its `lo` is up.
        loopback: Option<Spanned<bool>> => "loopback" { default: "true", example: "false" },
        /// Addresses on its `lo`, beside 127.0.0.1 and ::1.
        addresses: Option<Vec<Spanned<IpNet>>> => "addresses" {
            left_out: "none of ours", example: r#"["10.255.0.2/32"]"#
        },
        /// Whether it passes packets on, as a router does: net.ipv4.ip_forward and net.ipv6.conf.all.forwarding.
        forwarding: Option<Spanned<bool>> => "forwarding" {
            left_out: "only where a gateway, nat or port forward needs it", example: "true"
        },
        /// Its static routes.
        routes: Vec<Spanned<Route>> => "routes" {
            default: "[]", example: r#"[{ "to": "10.9.0.0/16", "via": "192.168.0.254" }]"#
        },
        /// Kernel settings below `net`; keys with dots or slashes, or nested maps. Values are numbers, booleans or strings.
        sysctls: Map<String, Spanned<String>> => "sysctls" {
            default: "{}", example: r#"{ "net.ipv4.conf.all.rp_filter": 2 }"#
        },
    }
}

impl Decode for Namespace {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        section::decode(node, cx)
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        section::schema::<Self>(definitions)
    }

    /// The host is there already, and takes little.
    fn exceptions() -> Option<Json> {
        let takes = "the host takes `routes`, `sysctls` and `forwarding: true`";
        let off = rule::is("forwarding", &[false.into()]);
        let rules = [
            rule::refuses(rule::given("addresses"), "addresses", takes),
            rule::refuses(rule::given("loopback"), "loopback", takes),
            rule::refuses(off, "forwarding", takes),
        ];
        let mut host = value::several(value::reference(Self::NAME));
        host["description"] = "The namespace that the tool runs in, which is always there.".into();
        host["allOf"] = rules.to_vec().into();
        Some(json!({ "host": host }))
    }
}
