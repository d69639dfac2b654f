//! `namespaces.KEY`.

use ipnet::IpNet;

use super::{Map, Route};
use crate::{
    model::Spanned,
    spec::de::section::{plain_section, section},
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
plain_section!(Namespace);
