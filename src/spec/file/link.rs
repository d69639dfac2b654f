//! `links`.

use ipnet::IpNet;
use serde_json::Value as Json;

use super::{End, bridge::MTU};
use crate::{
    model::{Label, Span, Spanned},
    spec::{
        de::{
            Decode, Decoder, Key, NetForm,
            section::{self, section},
        },
        schema::Definitions,
        tree::Node,
    },
};

/// A link: a veth pair between namespaces, or a port of a bridge.
#[derive(Debug)]
pub struct Link {
    /// The whole item.
    pub span: Span,
    /// Its name, for addresses such as `link.uplink`.
    pub name: Option<Spanned<Label>>,
    /// Its two ends.
    pub endpoints: [Spanned<End>; 2],
    /// The MTU of both ends, where an end does not say otherwise.
    pub mtu: Option<Spanned<u32>>,
    /// How many queues each end has.
    pub queues: Option<Spanned<u32>>,
    /// The subnets that both ends get the next free address of.
    pub subnet: Vec<Spanned<IpNet>>,
}

section! {
    /// The keys of a link.
    struct RawLink as "Link": "a link", reserved [] {
        /// Its name: what `-target` and the plan may call it.
        name: Option<Spanned<Label>> => "name" { left_out: "its first end that is no bridge port", example: r#""uplink""# },
        /// Its two ends: "NAMESPACE:INTERFACE" with addresses after it, "BRIDGE", "BRIDGE:INTERFACE", or the long form.
        endpoints: [Spanned<End>; 2] => "endpoints" { example: r#"["web:eth0 192.168.0.4/24", "br0"]"# },
        /// The largest packet of both ends, where an end does not say otherwise.
        mtu: Option<Spanned<u32>> => "mtu" { left_out: "1500", example: "9000", range: MTU },
        /// How many transmit and receive queues each end has.
        queues: Option<Spanned<u32>> => "queues" { left_out: "one, which is fastest to make", example: "1", range: (1, 4096) },
        /// A subnet of which both ends get the next free address, or several, as for both families.
        subnet: Vec<Spanned<IpNet>> => "subnet" {
            default: "[]", example: r#"["10.0.0.2/31", "fd00::2/127"]"#, net: NetForm::Subnet
        },
    }
}

impl Decode for Link {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let RawLink { name, endpoints, mtu, queues, subnet } = section::decode(node, cx)?;
        Some(Self { span: node.span, name, endpoints, mtu, queues, subnet })
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        section::schema::<RawLink>(definitions)
    }
}
