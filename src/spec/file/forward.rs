//! `port_forwards`.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::{Value as Json, json};

use super::route::mixed;
pub use crate::kind::firewall::Protocol;
use crate::{
    model::{Diagnostic, Label, Span, Spanned},
    spec::{
        address,
        de::{
            Decode, Decoder, Key,
            section::{self, section},
            text::{Text, Wrong},
        },
        schema::{Definitions, pattern, rule, value},
        tree::{Node, Value},
    },
};

section! {
    /// A published port.
    #[derive(Debug)]
    pub struct PortForward as "PortForward": "a port forward", reserved [] {
        /// Where it listens: PORT, PORT-PORT, or ADDRESS:PORT with IPv6 in brackets.
        listen: Spanned<Listen> => "listen" { example: "8088" },
        /// The protocols that are forwarded: `tcp`, `udp` or both.
        protocol: Vec<Spanned<Protocol>> => "protocol" { default: r#"["tcp"]"#, example: r#"["tcp", "udp"]"# },
        /// Where it goes: NAMESPACE:PORT or ADDRESS:PORT, with a range of ports where `listen` has one. Without a port, the
        /// port stays.
        to: Spanned<ForwardTo> => "to" { example: r#""web:80""# },
        /// The namespace that listens.
        namespace: Option<Spanned<Label>> => "namespace" { default: r#""host""#, example: r#""edge""# },
    }
}

/// `PORT`, `PORT-PORT`, `ADDR:PORT[-PORT]`, `[V6]:PORT[-PORT]`; a number or a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The address that it listens on; none for all.
    pub address: Option<IpAddr>,
    /// The first and the last port.
    pub ports: (u16, u16),
}

/// `8080:80`, as Docker writes a forward.
fn two_ports(text: &str, listened: (u16, u16), ports: (u16, u16)) -> Wrong {
    let shown = |(first, last): (u16, u16)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let message = format!("`{text}` is a port of both ends, and `listen` is that of one");
    let help = format!("write {} here, and NAME:{} under `to`", shown(listened), shown(ports));
    Wrong::new("port::invalid", message, "two ports").help(help)
}

impl Text for Listen {
    const WHAT: &'static str = "a port, or ADDRESS:PORT";
    const NUMBERS: bool = true;

    fn read(text: &str, _: &Key) -> Result<Self, Wrong> {
        let cut = address::host_ports(text)?;
        if let Some(ports) = cut.read_ports()? {
            if let Ok(listened) = address::ports(cut.host) {
                return Err(two_ports(text, listened, ports));
            }
            let address = cut.read_ip()?;
            if address == IpAddr::V6(Ipv6Addr::LOCALHOST) {
                let message = "a forward cannot listen on ::1: the kernel has no route_localnet for IPv6";
                return Err(Wrong::new("port::loopback", message, "loopback of IPv6")
                    .shifted(cut.host_at, cut.host.len())
                    .help("127.0.0.1 works, and so does any other IPv6 address of the namespace"));
            }
            return Ok(Self { address: Some(address), ports });
        }
        if cut.is_ip() {
            let shown = if cut.host.contains(':') { format!("[{}]", cut.host) } else { cut.host.to_owned() };
            cut.read_ip()?;
            let message = format!("`{text}` has no port");
            return Err(Wrong::new("port::missing", message, "which port?").help(format!("write \"{shown}:8080\"")));
        }
        Ok(Self { address: None, ports: address::ports(text)? })
    }

    fn schema(_: &Key) -> Json {
        let (v4, v6, ports) = (pattern::v4(), pattern::V6, pattern::ports());
        let mut schema = value::text(
            &format!(r"^(({v4}|\[(?!::1\]){v6}\]):)?{ports}$"),
            "a port, a range of ports, or ADDRESS:PORT",
        );
        schema["type"] = json!(["integer", "string"]);
        schema["minimum"] = 1.into();
        schema["maximum"] = u16::MAX.into();
        schema
    }
}

/// `NS`, `NS:PORT[-PORT]`, `ADDR`, `ADDR:PORT[-PORT]`, `[V6]:PORT[-PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardTo {
    /// Who.
    pub target: Target,
    /// The first and the last port, where they are given.
    pub ports: Option<(u16, u16)>,
}

/// Who a packet is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A namespace, whose address is looked up.
    Namespace(Label),
    /// An address.
    Address(IpAddr),
}

impl Text for ForwardTo {
    const WHAT: &'static str = "a namespace or an address, with a port";

    fn read(text: &str, key: &Key) -> Result<Self, Wrong> {
        let cut = address::host_ports(text)?;
        let target = if cut.is_ip() || cut.host.contains(':') {
            Target::Address(cut.read_ip()?)
        } else {
            let label = Label::read(cut.host, key).map_err(|wrong| wrong.shifted(cut.host_at, cut.host.len()))?;
            Target::Namespace(label)
        };
        Ok(Self { target, ports: cut.read_ports()? })
    }

    fn schema(_: &Key) -> Json {
        let (v6, label, ports) = (pattern::V6, pattern::LABEL, pattern::ports());
        value::text(&format!(r"^((\[{v6}\]|{label})(:{ports})?|{v6})$"), Self::WHAT)
    }
}

impl Decode for PortForward {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let before = cx.found();
        let mut forward: Self = section::decode(node, cx)?;
        if forward.protocol.is_empty() && cx.found() == before {
            match written_protocol(node) {
                Some(empty) => cx.push(
                    Diagnostic::error("forward::protocol", "a port forward without a protocol forwards nothing")
                        .at(empty, "none of them")
                        .help("name `tcp`, `udp` or both, or leave `protocol` out: tcp is the default"),
                ),
                None => forward.protocol.push(Spanned { value: Protocol::Tcp, span: forward.listen.span }),
            }
        }
        check(&forward, cx);
        Some(forward)
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        let reference = section::schema::<Self>(definitions);
        let none = "a port forward without a protocol forwards nothing";
        definitions.rules("PortForward", vec![rule::not_empty("protocol", none)]);
        reference
    }
}

/// Where something is written as the protocols of a forward.
fn written_protocol(forward: &Node) -> Option<Span> {
    let Value::Map(entries) = &forward.value else { return None };
    let protocol = entries.iter().find(|entry| entry.key.value == "protocol")?;
    (protocol.value.value != Value::Null).then_some(protocol.value.span)
}

/// What the keys of one forward ask of each other.
fn check(forward: &PortForward, cx: &mut Decoder<'_>) {
    let PortForward { listen, to, .. } = forward;
    let count = |(first, last): (u16, u16)| u32::from(last) - u32::from(first) + 1;
    if let Some(ports) = to.ports.filter(|ports| count(*ports) != count(listen.ports)) {
        let words = |count: u32| if count == 1 { "1 port".to_owned() } else { format!("{count} ports") };
        let error = Diagnostic::error(
            "port::range",
            format!("the forward listens on {} and goes to {}", words(count(listen.ports)), words(count(ports))),
        );
        let error = error.at(to.span, words(count(ports))).at(listen.span, words(count(listen.ports)));
        cx.push(error.help("write ranges of equal length"));
    }
    if let (Some(from), Target::Address(address)) = (listen.address, &to.target)
        && from.is_ipv4() != address.is_ipv4()
    {
        cx.push(mixed(from, listen.span, *address, to.span));
    }
}
