//! `namespaces.KEY.routes`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value as Json;

use super::bridge::MTU;
use crate::{
    model::{Diagnostic, IfName, Label, Span, Spanned, snapshot::RouteType},
    spec::{
        address,
        de::{
            Decode, Decoder, Key, NetForm,
            section::{self, section},
            text::{Text, Wrong},
        },
        schema::{Definitions, pattern, rule, value},
        tree::Node,
    },
};

section! {
    /// A static route.
    #[derive(Debug)]
    pub struct Route as "Route": "a route", reserved [] {
        /// Where it leads: `default`, a network, or one address.
        to: Spanned<Destination> => "to" { example: r#""10.9.0.0/16""# },
        /// The router: its address, or `NAMESPACE:INTERFACE` for the address of that end.
        via: Option<Spanned<Via>> => "via" { left_out: "straight to the device", example: r#""192.168.0.254""# },
        /// The device that it leaves by.
        dev: Option<Spanned<IfName>> => "dev" { left_out: "the one that reaches `via`", example: r#""eth0""# },
        /// The address that packets of our own carry as their source.
        src: Option<Spanned<IpAddr>> => "src" { left_out: "the kernel's choice", example: r#""10.255.0.2""# },
        /// Of two routes to one network, the lower metric counts.
        metric: Option<Spanned<u32>> => "metric" { left_out: "the kernel's: 0, and 1024 for IPv6", example: "100" },
        /// The number of its routing table.
        table: Option<Spanned<u32>> => "table" { default: "254", example: "100", range: (1, u32::MAX as u64) },
        /// Whether `via` is taken as reachable on `dev` though no subnet says so.
        onlink: Option<Spanned<bool>> => "onlink" { default: "false", example: "true" },
        /// The largest packet that it carries, in bytes.
        mtu: Option<Spanned<u32>> => "mtu" { left_out: "that of the device", example: "1400", range: MTU },
        /// Several routers that share the load.
        nexthops: Option<Spanned<Vec<Nexthop>>> => "nexthops" {
            left_out: "the one of `via` and `dev`",
            example: r#"[{ "via": "192.168.0.1", "weight": 2 }, { "via": "192.168.0.254" }]"#
        },
        /// What becomes of its packets: `unicast` sends them on, the others drop them, silently or with a refusal.
        kind: Option<Spanned<RouteType>> => "type" { default: r#""unicast""#, example: r#""blackhole""# },
    }

    /// One of several routers of a route.
    #[derive(Debug)]
    pub struct Nexthop as "Nexthop": "a next hop", reserved [] {
        /// The router: its address, or `NAMESPACE:INTERFACE` for the address of that end.
        via: Option<Spanned<Via>> => "via" { left_out: "straight to the device", example: r#""192.168.0.1""# },
        /// The device that it leaves by.
        dev: Option<Spanned<IfName>> => "dev" { left_out: "the one that reaches `via`", example: r#""eth0""# },
        /// Its share of the load, beside those of the others.
        weight: Option<Spanned<u16>> => "weight" { default: "1", example: "2", range: (1, 256) },
        /// Whether `via` is taken as reachable on `dev` though no subnet says so.
        onlink: Option<Spanned<bool>> => "onlink" { default: "false", example: "true" },
    }
}

/// `to: default | CIDR` (a bare address is a /32 or /128).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Everything that no other route names.
    Default,
    /// A network.
    Net(IpNet),
}

impl Text for Destination {
    const WHAT: &'static str = "`default`, a network or an address";

    fn read(text: &str, _: &Key) -> Result<Self, Wrong> {
        if text == "default" {
            return Ok(Self::Default);
        }
        let read = address::net(text, NetForm::Range).map(Self::Net);
        // A word was meant as a word.
        let word = !text.contains(['.', ':', '/']) && text.starts_with(|c: char| c.is_ascii_alphabetic());
        read.map_err(|wrong| if word { wrong.help("write a network such as 10.9.0.0/16, or `default`") } else { wrong })
    }

    fn schema(_: &Key) -> Json {
        value::text(&format!("^(default|{})$", pattern::range()), Self::WHAT)
    }
}

/// A router's address, or `NAMESPACE:INTERFACE` for the address of that end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// An address.
    Address(IpAddr),
    /// The address of an end.
    End(Label, IfName),
}

impl Text for Via {
    const WHAT: &'static str = "an address or NAMESPACE:INTERFACE";

    fn read(text: &str, key: &Key) -> Result<Self, Wrong> {
        let colons = text.bytes().filter(|b| *b == b':').count();
        if address::looks_like_ip(text) || colons > 1 || text.parse::<IpAddr>().is_ok() {
            return address::ip(text).map(Self::Address);
        }
        let Some((namespace, interface)) = text.split_once(':') else {
            let message = format!("`{}` is neither an address nor NAMESPACE:INTERFACE", text.escape_debug());
            let wrong = Wrong::new("value::via", message, "no router");
            return Err(wrong.help("write 192.168.0.254, or edge:lan0 for the address of that end"));
        };
        let label = Label::read(namespace, key).map_err(|wrong| wrong.shifted(0, namespace.len()))?;
        let at = namespace.len() + 1;
        let interface = IfName::read(interface, key).map_err(|wrong| wrong.shifted(at, interface.len()))?;
        Ok(Self::End(label, interface))
    }

    fn schema(_: &Key) -> Json {
        let (ip, label, interface) = (pattern::ip(), pattern::LABEL, pattern::IF_NAME);
        value::text(&format!("^({ip}|{label}:{interface})$"), Self::WHAT)
    }
}

impl Decode for Nexthop {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let before = cx.found();
        let hop: Self = section::decode(node, cx)?;
        if hop.via.is_none() && hop.dev.is_none() && cx.found() == before {
            let place = cx.head(node);
            cx.push(leads_nowhere("a next hop").at(place, "no way out"));
        } else if cx.found() == before {
            onlink(hop.onlink, hop.dev.is_some(), cx);
        }
        Some(hop)
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        let reference = section::schema::<Self>(definitions);
        definitions.rules(
            "Nexthop",
            vec![
                rule::needs(rule::none(&["via", "dev"]), "via", LEADS_NOWHERE),
                rule::needs(rule::all([rule::is("onlink", &[true.into()]), rule::none(&["dev"])]), "dev", ONLINK),
            ],
        );
        reference
    }
}

impl Decode for Route {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let before = cx.found();
        let route: Self = section::decode(node, cx)?;
        if cx.found() == before {
            check(&route, cx.head(node), cx);
        }
        Some(route)
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        let reference = section::schema::<Self>(definitions);
        let drops = || rule::is("type", &["blackhole".into(), "unreachable".into(), "prohibit".into()]);
        let needs_none = |way| {
            rule::refuses(
                rule::all([drops(), rule::given(way)]),
                way,
                "a route that drops its packets needs no way out",
            )
        };
        let sends = rule::any([rule::none(&["type"]), rule::is("type", &["unicast".into()])]);
        let either = "a route has either `via` and `dev`, or `nexthops`";
        let onlink = rule::all([rule::is("onlink", &[true.into()]), rule::none(&["dev", "nexthops"])]);
        definitions.rules(
            "Route",
            vec![
                needs_none("via"),
                needs_none("dev"),
                needs_none("nexthops"),
                rule::needs(rule::all([sends, rule::none(&["via", "dev", "nexthops"])]), "via", LEADS_NOWHERE),
                rule::not_both("via", "nexthops", either),
                rule::not_both("dev", "nexthops", either),
                rule::not_empty("nexthops", "a route without next hops leads nowhere"),
                rule::needs(onlink, "dev", ONLINK),
            ],
        );
        reference
    }
}

/// What an editor says of a route or next hop without a way out, and of one that is `onlink` of no device.
const LEADS_NOWHERE: &str = "name the router with `via`, or the device with `dev`";
const ONLINK: &str = "`onlink` takes the next hop as reachable on `dev`, which is not there";

fn leads_nowhere(what: &str) -> Diagnostic {
    Diagnostic::error("route::nowhere", format!("{what} says neither `via` nor `dev`"))
        .help("name the router with `via`, or the device with `dev`")
}

/// What the keys of one route ask of each other.
fn check(route: &Route, place: Span, cx: &mut Decoder<'_>) {
    let single = [route.via.as_ref().map(|v| v.span), route.dev.as_ref().map(|d| d.span)];
    let single = single.into_iter().flatten().next();
    let several = route.nexthops.as_ref();
    let dropped = route.kind.as_ref().filter(|kind| kind.value != RouteType::Unicast);
    match (dropped, single, several) {
        (Some(kind), ..) => {
            if let Some(way) = single.or(several.map(|hops| hops.span)) {
                let error = Diagnostic::error("route::conflict", "a route that drops its packets needs no way out");
                cx.push(error.at(way, "no use here").at(kind.span, "since it drops").help("take one of the two away"));
            }
        }
        (None, Some(one), Some(hops)) => {
            let error = Diagnostic::error("route::conflict", "a route has either `via` and `dev`, or `nexthops`");
            cx.push(error.at(one, "one way").at(hops.span, "several ways").help("move it into `nexthops`"));
        }
        (None, None, Some(hops)) if hops.is_empty() => {
            cx.push(leads_nowhere("a route without next hops").at(hops.span, "empty"));
        }
        (None, None, None) => cx.push(leads_nowhere("the route").at(place, "no way out")),
        (None, None, Some(_)) | (None, Some(_), None) => {}
    }
    if route.nexthops.is_none() {
        onlink(route.onlink, route.dev.is_some(), cx);
    }
    families(route, cx);
}

/// `onlink` says of a device that it reaches the next hop, and the kernel wants to be told of which.
fn onlink(onlink: Option<Spanned<bool>>, has_device: bool, cx: &mut Decoder<'_>) {
    if let Some(onlink) = onlink.filter(|onlink| onlink.value && !has_device) {
        let error =
            Diagnostic::error("route::onlink", "`onlink` takes the next hop as reachable on `dev`, which is not there");
        cx.push(error.at(onlink.span, "on which device?").help("name the device with `dev`, or leave `onlink` out"));
    }
}

/// All addresses of one route are of one family.
fn families(route: &Route, cx: &mut Decoder<'_>) {
    let hops = route.nexthops.iter().flat_map(|hops| hops.iter()).filter_map(|hop| hop.via.as_ref());
    let vias = route.via.iter().chain(hops).filter_map(|via| match &via.value {
        Via::Address(address) => Some((*address, via.span)),
        Via::End(..) => None,
    });
    let to = match route.to.value {
        Destination::Net(net) => Some((net.addr(), route.to.span)),
        Destination::Default => None,
    };
    let src = route.src.as_ref().map(|src| (src.value, src.span));
    let mut all = to.into_iter().chain(vias).chain(src);
    let Some((first, first_at)) = all.next() else { return };
    if let Some((other, at)) = all.find(|(other, _)| other.is_ipv4() != first.is_ipv4()) {
        cx.push(mixed(first, first_at, other, at));
    }
}

/// Two addresses of which one is IPv4 and the other IPv6.
pub fn mixed(first: IpAddr, first_at: Span, other: IpAddr, other_at: Span) -> Diagnostic {
    let family = |address: IpAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
    Diagnostic::error(
        "address::family",
        format!("{other} is {}, beside {first}, which is {}", family(other), family(first)),
    )
    .at(other_at, family(other))
    .at(first_at, family(first))
    .help("both must be of one family")
}
