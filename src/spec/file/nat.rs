//! `nat`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value as Json;

use super::route::mixed;
use crate::{
    model::{Diagnostic, IfName, Label, Spanned},
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

/// A rule that rewrites addresses.
#[derive(Debug)]
pub struct Nat {
    /// What it does.
    pub rule: NatRule,
    /// The interface by which packets leave.
    pub out: Option<Spanned<IfName>>,
    /// The namespace that does it.
    pub namespace: Option<Spanned<Label>>,
}

/// Exactly one of the keys `masquerade`, `snat`, `dnat`.
#[derive(Debug)]
pub enum NatRule {
    /// The sources of this range become the address of the interface that they leave by.
    Masquerade(Spanned<IpNet>),
    /// The sources of this range become these.
    Snat(Spanned<IpNet>, Spanned<SnatTo>),
    /// An address for an address, a prefix for a prefix of the same length.
    Dnat(Spanned<IpNet>, Spanned<IpNet>),
}

/// `ADDR`, `ADDR-ADDR`, either with `:PORT-PORT` (IPv6 in brackets then).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnatTo {
    /// The first address.
    pub first: IpAddr,
    /// The last address, which may be the first.
    pub last: IpAddr,
    /// The first and the last port.
    pub ports: Option<(u16, u16)>,
}

section! {
    /// The keys of a nat rule.
    struct RawNat as "Nat": "a nat rule", reserved [] {
        /// The range whose packets leave with the address of the interface that they leave by.
        masquerade: Option<Spanned<IpNet>> => "masquerade" {
            left_out: "the rule is `snat` or `dnat`", example: r#""192.168.0.0/24""#, net: NetForm::Range
        },
        /// The range whose packets leave with the addresses of `to`.
        snat: Option<Spanned<IpNet>> => "snat" {
            left_out: "the rule is `masquerade` or `dnat`", example: r#""192.168.0.0/24""#, net: NetForm::Range
        },
        /// The address or prefix whose packets go to `to` instead.
        dnat: Option<Spanned<IpNet>> => "dnat" {
            left_out: "the rule is `masquerade` or `snat`", example: r#""203.0.113.7""#, net: NetForm::Range
        },
        /// For `snat` an address, or a range ADDR-ADDR, with :PORT-PORT after it; for `dnat` an address or a prefix.
        to: Option<Spanned<To>> => "to" { left_out: "nothing, for `masquerade` alone", example: r#""203.0.113.5""# },
        /// The interface by which the packets leave.
        out: Option<Spanned<IfName>> => "out" {
            left_out: "any but those whose own subnet lies in the range", example: r#""eth0""#
        },
        /// The namespace that does it.
        namespace: Option<Spanned<Label>> => "namespace" { default: r#""host""#, example: r#""edge""# },
    }
}

/// The value of `to`, before it is known whose it is.
#[derive(Debug, Clone)]
enum To {
    Prefix(IpNet),
    Range(SnatTo),
}

impl Text for To {
    const WHAT: &'static str = "an address, a range of addresses or a prefix";

    fn read(text: &str, _: &Key) -> Result<Self, Wrong> {
        if text.contains('/') {
            return address::net(text, NetForm::Range).map(Self::Prefix);
        }
        snat_to(text).map(Self::Range)
    }

    fn schema(_: &Key) -> Json {
        let (v4, v6, ports) = (pattern::v4(), pattern::V6, pattern::ports());
        let narrow = format!("{v4}(-{v4})?(:{ports})?");
        let wide = format!(r"({v6}|\[{v6}\])(-({v6}|\[{v6}\]))?|(\[{v6}\](-\[{v6}\])?|\[{v6}-{v6}\]):{ports}");
        value::text(&format!("^({}|{narrow}|{wide})$", pattern::net()), Self::WHAT)
    }
}

/// Reads `ADDR`, `ADDR-ADDR`, `ADDR:PORTS`, `ADDR-ADDR:PORTS`; IPv6 in brackets, each or both together, before ports.
fn snat_to(text: &str) -> Result<SnatTo, Wrong> {
    let (addresses, ports) = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None if text.bytes().filter(|b| *b == b':').count() == 1 => text.split_at(text.find(':').unwrap_or(text.len())),
        None => (text, ""),
    };
    let ports = match ports.strip_prefix(':') {
        Some(ports) => Some(address::ports(ports).map_err(|w| w.shifted(text.len() - ports.len(), ports.len()))?),
        None if ports.is_empty() => None,
        None => {
            let wrong =
                Wrong::new("address::invalid", format!("`{text}` goes on after its bracket without a colon"), "here");
            return Err(wrong.shifted(addresses.len(), ports.len()));
        }
    };
    let (first, last) = match addresses.split_once('-') {
        Some((first, last)) => (bare(first, 0)?, bare(last, first.len() + 1)?),
        None => bare(addresses, 0).map(|address| (address, address))?,
    };
    if first.is_ipv4() != last.is_ipv4() || first > last {
        let message = format!("`{text}` is not a range of addresses: it runs from {first} to {last}");
        return Err(Wrong::new("address::range", message, "not a range").help("write the lower address first"));
    }
    Ok(SnatTo { first, last, ports })
}

/// An address without the brackets around it.
fn bare(text: &str, at: usize) -> Result<IpAddr, Wrong> {
    let inside = text.strip_prefix('[').unwrap_or(text);
    let cut = text.len() - inside.len();
    let inside = inside.strip_suffix(']').unwrap_or(inside);
    address::ip(inside).map_err(|wrong| wrong.shifted(at + cut, inside.len()))
}

/// What tells a range of addresses, or a port after one.
const SEVERAL: &str = r"-|^[0-9.]+:|\]:";

impl Decode for Nat {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let before = cx.found();
        let raw: RawNat = section::decode(node, cx)?;
        if cx.found() > before {
            // A key was not readable, and what would be said here could follow from that.
            return None;
        }
        match rule(raw.masquerade, raw.snat, raw.dnat, raw.to, cx) {
            Ok(rule) => Some(Self { rule, out: raw.out, namespace: raw.namespace }),
            Err(mut error) => {
                if error.labels.is_empty() {
                    error = error.at(cx.head(node), "this rule");
                }
                cx.push(error);
                None
            }
        }
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        let reference = section::schema::<RawNat>(definitions);
        let one = "a nat rule has exactly one of `masquerade`, `snat` and `dnat`";
        let without_to = |key| rule::all([rule::given(key), rule::none(&["to"])]);
        let to = |key, pattern| rule::all([rule::given(key), rule::matches("to", pattern)]);
        definitions.rules(
            "Nat",
            vec![
                rule::needs(rule::none(&["masquerade", "snat", "dnat"]), "masquerade", one),
                rule::not_both("masquerade", "snat", one),
                rule::not_both("masquerade", "dnat", one),
                rule::not_both("snat", "dnat", one),
                rule::not_both("masquerade", "to", "`masquerade` takes no `to`: it uses the address of the interface"),
                rule::needs(without_to("snat"), "to", "a nat rule with `snat` needs the key `to`"),
                rule::needs(without_to("dnat"), "to", "a nat rule with `dnat` needs the key `to`"),
                rule::refuses(to("snat", "/"), "to", "`snat` becomes an address or a range, not a prefix"),
                rule::refuses(to("dnat", SEVERAL), "to", "`dnat` becomes an address or a prefix, without ports"),
            ],
        );
        reference
    }
}

fn rule(
    masquerade: Option<Spanned<IpNet>>,
    snat: Option<Spanned<IpNet>>,
    dnat: Option<Spanned<IpNet>>,
    to: Option<Spanned<To>>,
    cx: &Decoder<'_>,
) -> Result<NatRule, Diagnostic> {
    match (masquerade, snat, dnat, to) {
        (Some(range), None, None, None) => Ok(NatRule::Masquerade(range)),
        (Some(_), None, None, Some(to)) => {
            Err(Diagnostic::error("nat::to", "`masquerade` takes no `to`: it uses the address of the interface")
                .at(to.span, "no use here")
                .help("write `snat` to choose the address"))
        }
        (None, Some(from), None, Some(to)) => source(from, to),
        (None, None, Some(from), Some(to)) => destination(from, to),
        (None, Some(rule), None, None) | (None, None, Some(rule), None) => {
            Err(Diagnostic::error("key::missing", "a nat rule with `snat` or `dnat` needs the key `to`")
                .at(rule.span, "becomes what?")
                .help(format!("such as {}", cx.pair("to", "203.0.113.5"))))
        }
        (masquerade, snat, dnat, _) => {
            let error = Diagnostic::error("nat::rule", "a nat rule has exactly one of `masquerade`, `snat` and `dnat`")
                .help("write one rule for each");
            let given = [masquerade, snat, dnat].into_iter().flatten();
            Err(given.fold(error, |error, rule| error.at(rule.span, "given")))
        }
    }
}

fn source(from: Spanned<IpNet>, to: Spanned<To>) -> Result<NatRule, Diagnostic> {
    let span = to.span;
    let to = match to.value {
        To::Range(range) => range,
        To::Prefix(net) => {
            let range = format!("{}-{}", net.network(), net.broadcast());
            return Err(Diagnostic::error(
                "nat::to",
                format!("`snat` becomes an address or a range, not the prefix {net}"),
            )
            .at(span, "a prefix")
            .help(format!("write {range}")));
        }
    };
    if from.addr().is_ipv4() != to.first.is_ipv4() {
        return Err(mixed(from.addr(), from.span, to.first, span));
    }
    Ok(NatRule::Snat(from, Spanned { value: to, span }))
}

fn destination(from: Spanned<IpNet>, to: Spanned<To>) -> Result<NatRule, Diagnostic> {
    let span = to.span;
    let to = match to.value {
        To::Prefix(net) => net,
        To::Range(SnatTo { first, last, ports: None }) if first == last => IpNet::from(first),
        To::Range(_) => {
            return Err(Diagnostic::error("nat::to", "`dnat` becomes an address or a prefix, without ports")
                .at(span, "neither")
                .help("for ports write a port forward"));
        }
    };
    if from.addr().is_ipv4() != to.addr().is_ipv4() {
        return Err(mixed(from.addr(), from.span, to.addr(), span));
    }
    if from.prefix_len() != to.prefix_len() {
        let message = format!("`dnat` maps /{} to /{}", from.prefix_len(), to.prefix_len());
        return Err(Diagnostic::error("nat::to", message)
            .at(span, format!("/{}", to.prefix_len()))
            .at(from.span, format!("/{}", from.prefix_len()))
            .help("both must be of one length: an address for an address, a prefix for a prefix"));
    }
    Ok(NatRule::Dnat(from, Spanned { value: to, span }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_with_and_without_range_and_ports() {
        let read = |text| snat_to(text).map(|to| (to.first.to_string(), to.last.to_string(), to.ports));
        let want = |first: &str, last: &str, ports| Ok((first.to_owned(), last.to_owned(), ports));
        assert_eq!(read("203.0.113.5"), want("203.0.113.5", "203.0.113.5", None));
        assert_eq!(read("203.0.113.5-203.0.113.9"), want("203.0.113.5", "203.0.113.9", None));
        assert_eq!(read("203.0.113.5:1-9"), want("203.0.113.5", "203.0.113.5", Some((1, 9))));
        assert_eq!(read("203.0.113.5-203.0.113.9:1-9"), want("203.0.113.5", "203.0.113.9", Some((1, 9))));
        assert_eq!(read("fd00::1-fd00::9"), want("fd00::1", "fd00::9", None));
        assert_eq!(read("[fd00::1]:1-9"), want("fd00::1", "fd00::1", Some((1, 9))));
        assert_eq!(read("[fd00::1]-[fd00::9]:1-9"), want("fd00::1", "fd00::9", Some((1, 9))));
        assert_eq!(read("[fd00::1-fd00::9]:1-9"), want("fd00::1", "fd00::9", Some((1, 9))));
        for bad in ["", "-", "1.2.3.4-", "1.2.3.9-1.2.3.4", "1.2.3.4-fd00::1", "1.2.3.4:0", "[fd00::1]9", "1.2.3.4:"] {
            assert!(snat_to(bad).is_err(), "{bad} was taken");
        }
    }
}
