//! The shape of a topology file, as written: spans kept, names not looked up yet. One data model for TOML, YAML and JSON.
//!
//! Each section is declared once, with the description, default and example of every key; from that it is read, and the
//! JSON Schema is made.

mod bridge;
mod check;
mod end;
mod forward;
mod gateway;
mod link;
mod lost;
mod namespace;
mod nat;
mod route;
mod sysctl;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use self::lost::Defined;
pub use self::{
    bridge::Bridge,
    check::{Check, CheckProbe},
    end::{End, Place},
    forward::{ForwardTo, Listen, PortForward, Protocol, Target},
    gateway::{Gateway, GatewayAt},
    link::Link,
    lost::Lost,
    namespace::Namespace,
    nat::{Nat, NatRule, SnatTo},
    route::{Destination, Nexthop, Route, Via},
};
use super::{
    Format,
    de::{
        Decode, Decoder, Key,
        section::{self, Section, section},
        text::Wrong,
    },
    expand::TakenOut,
    schema::Definitions,
    tree::{Entry, Node, Value},
};
use crate::model::{Label, Span, Spanned, TopologyName, diagnostic::ERRORS_MAX};

/// Entries of a map in the order of the file, keys with their places. `KEY:` with nothing after it is left out.
pub type Map<K, V> = IndexMap<Spanned<K>, V, foldhash::fast::RandomState>;

/// What stands for the name of a topology that has none, or one that is no name.
pub const UNNAMED: &str = "unnamed";

/// What a prefix may be.
const PREFIX: &str = "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,62})?$";

/// A whole file.
#[derive(Debug)]
pub struct File {
    /// The owner of everything that is made from this file. [`UNNAMED`] where the file gives none, which is an error.
    pub name: Spanned<TopologyName>,
    /// What the lab is for.
    pub description: Option<String>,
    /// What is put before kernel names; `${name}` in it stands for the topology's name.
    pub prefix: Option<Spanned<String>>,
    /// Whether IPv6 is on in the lab's namespaces.
    pub ipv6: Option<Spanned<bool>>,
    /// `namespaces`.
    pub namespaces: Map<Label, Namespace>,
    /// `bridges`.
    pub bridges: Map<Label, Bridge>,
    /// `links`.
    pub links: Vec<Link>,
    /// `gateways`.
    pub gateways: Vec<Gateway>,
    /// `nat`, in its order.
    pub nat: Vec<Spanned<Nat>>,
    /// `port_forwards`.
    pub port_forwards: Vec<Spanned<PortForward>>,
    /// `checks`.
    pub checks: Vec<Spanned<Check>>,
    /// The notation of the file and of each that it includes.
    formats: Vec<Format>,
    /// What could not be read, which has been reported.
    pub lost: Lost,
    /// Namespaces and bridges that would be there if their `when` held.
    pub taken_out: TakenOut,
}

impl File {
    /// A key with its value as the file at `at` would write it, for help.
    pub fn pair(&self, at: Span, key: &str, value: &Json) -> String {
        format!("`{}`", self.formats.get(at.source as usize).copied().unwrap_or(Format::Yaml).pair(key, value))
    }
}

section! {
    /// The keys of a whole file.
    #[expect(dead_code, reason = "`vars` and `include` are in the table for the schema; the tree that is read has them no more")]
    struct RawFile as "File": "a topology", reserved [
        "moved", "hosts", "firewall", "firewall_backend"
    ] {
        /// The name of the topology, which owns everything made from this file: 1 to 32 of a-z, 0-9 and `-`.
        name: Needed<Spanned<TopologyName>> => "name" { example: r#""web-lab""# },
        /// What the lab is for.
        description: Option<String> => "description" { left_out: "nothing", example: r#""two web servers behind a router""# },
        /// Variables with their defaults, for `$n` or `${2*n+1}` in any string and key of the file. `-var n=4` and the
        /// environment's NETWRIGHT_VAR_n set others; one without a default must be set so.
        vars: Expanded<Variables> => "vars" { default: "{}", example: r#"{ "leaves": 4, "site": "lab", "racks": ["a", "b"] }"# },
        /// Other files, by their paths from the folder of this one. Their namespaces, bridges and lists come before those of this
        /// file; of everything else, and of `vars`, what this file says holds.
        include: Expanded<Paths> => "include" { default: "[]", example: r#"["base.yaml"]"# },
        /// What is put before the names of the namespaces and host devices that are made. `${name}` in it stands for the
        /// topology's name, so that a second copy of a lab can run beside the first.
        prefix: Option<Spanned<String>> => "prefix" { default: r#""""#, example: r#""${name}-""#, check: prefix, pattern: PREFIX },
        /// Whether IPv6 is on in the namespaces of the lab, and on its devices in the host. A bridge with a thousand ports keeps
        /// the kernel busy with it.
        ipv6: Option<Spanned<bool>> => "ipv6" { default: "true", example: "false" },
        /// The network namespaces, by name. `host` is always there, the one that the tool runs in; it may be written to
        /// give it routes, sysctls and forwarding.
        namespaces: Map<Label, Namespace> => "namespaces" {
            default: "{}", example: r#"{ "web": {}, "db": { "addresses": ["10.255.0.2/32"] } }"#
        },
        /// The bridges, by name. Namespaces and bridges share one space of names.
        bridges: Map<Label, Bridge> => "bridges" {
            default: "{}", example: r#"{ "br0": { "addresses": ["192.168.0.1/24"] } }"#
        },
        /// The links: each has two ends, of which each is an interface of a namespace or a port of a bridge.
        links: Vec<Link> => "links" { default: "[]", example: r#"[{ "endpoints": ["web:eth0", "br0"] }]"# },
        /// Bridges, or interfaces of routers, that are the way out for everyone on their segment.
        gateways: Vec<Gateway> => "gateways" { default: "[]", example: r#"[{ "bridge": "br0" }]"# },
        /// Rules that rewrite addresses, in their order.
        nat: Vec<Spanned<Nat>> => "nat" { default: "[]", example: r#"[{ "masquerade": "192.168.0.0/24" }]"# },
        /// Ports that are published.
        port_forwards: Vec<Spanned<PortForward>> => "port_forwards" {
            default: "[]", example: r#"[{ "listen": 8088, "to": "web:80" }]"#
        },
        /// What `netwright test` proves on the running lab.
        checks: Vec<Spanned<Check>> => "checks" {
            default: "[]", example: r#"[{ "from": "web", "to": "db", "ping": true }]"#
        },
    }
}

/// What stands in the tree no more where the file is read: it has been expanded.
#[derive(Debug)]
struct Expanded<T>(std::marker::PhantomData<T>);

/// A shape of values that only the schema tells.
trait Shape {
    fn schema() -> Json;
}

/// Variables with their defaults.
#[derive(Debug)]
struct Variables;

impl Shape for Variables {
    fn schema() -> Json {
        let one = json!({ "type": ["string", "integer", "boolean"] });
        let any = json!({ "type": ["string", "integer", "boolean", "array", "null"], "items": one });
        let names = json!({ "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": { "const": "name" } });
        let title = "a map from names to values, or lists of values";
        json!({ "title": title, "type": "object", "propertyNames": names, "additionalProperties": any })
    }
}

/// Paths of files.
#[derive(Debug)]
struct Paths;

impl Shape for Paths {
    fn schema() -> Json {
        json!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

impl<T: Shape> Decode for Expanded<T> {
    fn decode<'n>(_: &'n Node, _: &Key, _: &mut Decoder<'n>) -> Option<Self> {
        Self::absent()
    }

    fn absent() -> Option<Self> {
        Some(Self(std::marker::PhantomData))
    }

    fn schema(_: &Key, _: &mut Definitions) -> Json {
        T::schema()
    }
}

/// A required value without which the rest can still be read.
#[derive(Debug)]
struct Needed<T>(Option<T>);

impl<T: Decode> Decode for Needed<T> {
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        Some(Self(T::decode(node, key, cx)))
    }

    fn stand_in() -> Option<Self> {
        Some(Self(None))
    }

    fn schema(key: &Key, definitions: &mut Definitions) -> Json {
        T::schema(key, definitions)
    }
}

impl Decode for File {
    fn decode<'n>(node: &'n Node, _: &Key, cx: &mut Decoder<'n>) -> Option<Self> {
        let raw: RawFile = section::decode(node, cx)?;
        let name = match raw.name.0 {
            Some(name) => name,
            None => Spanned { value: UNNAMED.parse().ok()?, span: cx.head(node) },
        };
        let all_names = !cx.names_unread
            && !names_may_be_elsewhere(node)
            && is_whole(node, "namespaces", |label| raw.namespaces.contains_key(label))
            && is_whole(node, "bridges", |label| raw.bridges.contains_key(label));
        let is_namespace = |label: &Label| {
            *label == Label::host()
                || raw.namespaces.contains_key(&Spanned { value: label.clone(), span: Span::default() })
        };
        // Of a file that is full of them the names are not known, and with them nothing.
        let unknown = section::unknown_keys::<RawFile>(node).take(ERRORS_MAX).map(|(_, meant)| meant).collect();
        let defined = Defined { all_names, namespaces: &is_namespace, bridges: &raw.bridges, unknown };
        let lost = lost::lost(node, &defined, cx);
        Some(Self {
            name,
            description: raw.description,
            prefix: raw.prefix,
            ipv6: raw.ipv6,
            namespaces: raw.namespaces,
            bridges: raw.bridges,
            links: raw.links,
            gateways: raw.gateways,
            nat: raw.nat,
            port_forwards: raw.port_forwards,
            checks: raw.checks,
            formats: cx.formats(),
            lost,
            taken_out: TakenOut::default(),
        })
    }

    fn schema(_: &Key, definitions: &mut Definitions) -> Json {
        section::schema::<RawFile>(definitions)
    }
}

/// Whether a key that is none may be the one under which names are defined: by mistake, or in another file.
fn names_may_be_elsewhere(file: &Node) -> bool {
    let is = |it: &Entry, key: &str| it.key.value == key;
    let has = |key: &str| matches!(&file.value, Value::Map(entries) if entries.iter().any(|it| is(it, key)));
    // Of a file that is full of unknown keys nothing can be told.
    section::unknown_keys::<RawFile>(file).enumerate().any(|(number, (key, meant))| match meant {
        _ if number >= ERRORS_MAX => true,
        Some(meant) => matches!(meant, "namespaces" | "bridges"),
        None if RawFile::RESERVED.contains(&key) => false,
        None => !(has("namespaces") && has("bridges")),
    })
}

/// Whether all entries of the map `key` could be read, but those whose name is none: nothing can mean them.
fn is_whole(file: &Node, key: &str, read: impl Fn(&Spanned<Label>) -> bool) -> bool {
    let Value::Map(entries) = &file.value else { return false };
    let known = |name: &str| name.parse().map_or(true, |value| read(&Spanned { value, span: Span::default() }));
    match entries.iter().find(|entry| entry.key.value == key).map(|entry| &entry.value.value) {
        Some(Value::Map(entries)) => entries.iter().all(|entry| known(&entry.key.value)),
        Some(Value::Null) | None => true,
        Some(_) => false,
    }
}

/// A prefix must be able to begin a name.
fn prefix(text: &str) -> Result<(), Wrong> {
    match text.parse::<Label>() {
        Err(error) if !text.is_empty() => {
            let message = format!("the prefix `{}` {error}", text.escape_debug());
            Err(Wrong::new("name::prefix", message, "not a prefix"))
        }
        _ => Ok(()),
    }
}
