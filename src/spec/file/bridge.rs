//! `bridges.KEY`.

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use crate::{
    model::{IfName, Label, Mac, Spanned},
    spec::{
        de::{
            Decode, Decoder, Key, NetForm,
            section::{self, Section, section},
        },
        schema::{Definitions, rule},
        tree::Node,
    },
};

/// What an MTU of a veth or a bridge may be.
pub const MTU: (u64, u64) = (68, 65535);

section! {
    /// `bridges.KEY`.
    #[derive(Debug, Default)]
    pub struct Bridge as "Bridge": "a bridge", reserved [] {
        /// The namespace that it lives in.
        namespace: Option<Spanned<Label>> => "namespace" { default: r#""host""#, example: r#""edge""# },
        /// The name of its device.
        interface: Option<Spanned<IfName>> => "interface" { left_out: "its name in the file", example: r#""lan0""# },
        /// Its addresses. Their subnets are the segment's, from which ends without addresses get theirs.
        addresses: Option<Vec<Spanned<IpNet>>> => "addresses" {
            left_out: "none of ours", example: r#"["192.168.0.1/24", "fd00:10::1/64"]"#
        },
        /// A pool for automatic addresses, where the bridge has no address of its own.
        subnets: Option<Vec<Spanned<IpNet>>> => "subnets" {
            left_out: "those of its addresses", example: r#"["10.1.0.0/24"]"#, net: NetForm::Subnet
        },
        /// Existing devices of its namespace that become ports, and are given back as they were.
        ports: Vec<Spanned<IfName>> => "ports" { default: "[]", example: r#"["eth1"]"# },
        /// The largest packet that it carries, in bytes.
        mtu: Option<Spanned<u32>> => "mtu" { left_out: "the least of its ports', 1500 without any", example: "9000", range: MTU },
        /// Its hardware address.
        mac: Option<Spanned<Mac>> => "mac" { left_out: "one made from the names, always the same", example: r#""02:00:00:00:00:01""# },
        /// Whether it speaks the spanning tree protocol.
        stp: Option<Spanned<bool>> => "stp" { default: "false", example: "true" },
        /// After how many seconds it forgets an address that it has learned.
        ageing_time: Option<Spanned<u32>> => "ageing_time" { default: "300", example: "60", range: (0, 42_949_672) },
        /// Whether it is up.
        up: Option<Spanned<bool>> => "up" { default: "true", example: "false" },
        /// Whether it exists already and is another's: members may be plugged in, nothing else of it is touched.
        external: Option<Spanned<bool>> => "external" { default: "false", example: "true" },
    }
}

impl Decode for Bridge {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        section::decode(node, cx)
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        let reference = section::schema::<Self>(definitions);
        let changes = ["addresses", "ports", "mtu", "mac", "stp", "ageing_time", "up"].map(|key| {
            let why = format!("`{key}` would change an external bridge, which is somebody else's");
            // An empty list changes nothing.
            let some = json!({ "properties": { key: { "not": { "maxItems": 0, "type": "array" } } } });
            let external = rule::is("external", &[true.into()]);
            rule::refuses(rule::all([external, rule::given(key), some]), key, &why)
        });
        definitions.rules(Self::NAME, changes.to_vec());
        reference
    }
}
