//! A whole file at a time: the three formats, and what is said of bad ones.

mod bad;
pub mod mutation;
mod schema;
mod traps;

use super::*;
use crate::report::diagnostic::{Style, render};

const YAML: &str = r#"
# yaml-language-server: $schema=../schemas/topology.schema.json
name: web-lab
description: what it is for
prefix: ""
ipv6: true
x-common: &common { loopback: true }

namespaces:
  web: {}
  cache: {}
  db:
    <<: *common
    addresses: [10.255.0.2/32]
    routes:
      - { to: 10.9.0.0/16, via: 192.168.0.254 }
      - { to: 10.8.0.0/16, via: "edge:lan0" }
      - { to: 10.7.0.0/16, nexthops: [{ via: 192.168.0.1, weight: 2 }, { via: 192.168.0.254 }] }
      - { to: 10.6.0.0/16, type: blackhole }
    sysctls: { net.ipv4.conf.all.rp_filter: 2 }
  edge:
    forwarding: true
bridges:
  br0:
    addresses: [192.168.0.1/24, "fd00:10::1/64"]
    mac: 02:00:00:00:00:01
  docker0:
    external: true
links:
  - endpoints: ["web:eth0", br0]
  - endpoints: ["cache:eth0 192.168.0.4/24", br0]
  - endpoints:
      - { namespace: db, interface: eth0, addresses: [192.168.0.3/24], mac: "02:00:00:00:00:03", mtu: 4500, up: true }
      - { bridge: br0, interface: db-port }
    mtu: 9000
    queues: 1
  - name: uplink
    subnet: 10.0.0.2/31
    endpoints: ["edge:wan0", "host:edge-wan"]
gateways:
  - bridge: br0
  - { namespace: edge, interface: lan0, members: web }
nat:
  - masquerade: 192.168.0.0/24
  - { snat: 192.168.0.0/24, to: 203.0.113.5, out: eth0 }
  - { dnat: 203.0.113.7, to: 192.168.0.3 }
port_forwards:
  - { listen: 8088, to: "web:80" }
  - { listen: "203.0.113.5:5353", protocol: [tcp, udp], to: "db:53", namespace: edge }
  - { listen: 9000-9010, to: "db:9000-9010" }
  - { listen: 81, to: "[fd00:10::3]:80" }
checks:
  - { from: web, to: db, ping: true }
  - { from: host, to: "127.0.0.1:8088", tcp: true }
  - { from: db, to: 198.51.100.7, ping: true, expect: blocked }
"#;

const TOML: &str = r#"
name = "web-lab"
description = "what it is for"
prefix = ""
ipv6 = true

[x-common]
loopback = true

[namespaces.web]
[namespaces.cache]
[namespaces.db]
loopback = true
addresses = ["10.255.0.2/32"]
routes = [
  { to = "10.9.0.0/16", via = "192.168.0.254" },
  { to = "10.8.0.0/16", via = "edge:lan0" },
  {
    to = "10.7.0.0/16", # an inline table over several lines
    nexthops = [{ via = "192.168.0.1", weight = 2 }, { via = "192.168.0.254" }],
  },
  { to = "10.6.0.0/16", type = "blackhole" },
]
[namespaces.db.sysctls]
"net.ipv4.conf.all.rp_filter" = 2
[namespaces.edge]
forwarding = true

[bridges.br0]
addresses = ["192.168.0.1/24", "fd00:10::1/64"]
mac = "02:00:00:00:00:01"
[bridges.docker0]
external = true

[[links]]
endpoints = ["web:eth0", "br0"]
[[links]]
endpoints = ["cache:eth0 192.168.0.4/24", "br0"]
[[links]]
endpoints = [
  { namespace = "db", interface = "eth0", addresses = ["192.168.0.3/24"], mac = "02:00:00:00:00:03", mtu = 4500, up = true },
  { bridge = "br0", interface = "db-port" },
]
mtu = 9000
queues = 1
[[links]]
name = "uplink"
subnet = "10.0.0.2/31"
endpoints = ["edge:wan0", "host:edge-wan"]

[[gateways]]
bridge = "br0"
[[gateways]]
namespace = "edge"
interface = "lan0"
members = "web"

[[nat]]
masquerade = "192.168.0.0/24"
[[nat]]
snat = "192.168.0.0/24"
to = "203.0.113.5"
out = "eth0"
[[nat]]
dnat = "203.0.113.7"
to = "192.168.0.3"

[[port_forwards]]
listen = 8088
to = "web:80"
[[port_forwards]]
listen = "203.0.113.5:5353"
protocol = ["tcp", "udp"]
to = "db:53"
namespace = "edge"
[[port_forwards]]
listen = "9000-9010"
to = "db:9000-9010"
[[port_forwards]]
listen = 81
to = "[fd00:10::3]:80"

[[checks]]
from = "web"
to = "db"
ping = true
[[checks]]
from = "host"
to = "127.0.0.1:8088"
tcp = true
[[checks]]
from = "db"
to = "198.51.100.7"
ping = true
expect = "blocked"
"#;

/// The errors of a text, drawn.
fn errors(text: impl AsRef<[u8]>, format: Format) -> String {
    let name = match format {
        Format::Toml => "lab.toml",
        Format::Yaml => "lab.yaml",
        Format::Json => "lab.json",
    };
    let (source, _, diagnostics) = parse(text.as_ref(), name, format);
    assert!(diagnostics.has_errors(), "taken: {:?}", String::from_utf8_lossy(text.as_ref()));
    render(&diagnostics, &[source], Style::default())
}

/// A file without anything wrong.
fn good(text: &str, format: Format) -> (Source, file::File) {
    let (source, file, diagnostics) = parse(text.as_bytes(), "lab", format);
    assert_eq!(render(&diagnostics, std::slice::from_ref(&source), Style::default()), "\n");
    let file = file.unwrap();
    assert!(file.lost.is_nothing());
    (source, file)
}

/// What a file says, without its notation and the places where it says it.
fn meaning(file: &file::File) -> String {
    let mut out = String::new();
    let text = format!("{file:#?}");
    let mut skipped = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if skipped.is_none() && line.trim_start().starts_with("span: Span {") {
            skipped = Some(indent);
        }
        if skipped.is_none() && !matches!(line.trim(), "Yaml," | "Toml," | "Json,") {
            out.extend([line, "\n"]);
        }
        if skipped == Some(indent) && line.trim_start() == "}," {
            skipped = None;
        }
    }
    out
}

fn tree_of(text: &str, format: Format) -> Node {
    let (_, tree, diagnostics) = tree(text.as_bytes(), "lab", format);
    assert_eq!(diagnostics, Diagnostics::default());
    tree.unwrap()
}

#[test]
fn the_three_formats_say_the_same() {
    let yaml = tree_of(YAML, Format::Yaml).to_json();
    let toml = tree_of(TOML, Format::Toml).to_json();
    assert_eq!(yaml, toml);
    let text = serde_json::to_string_pretty(&yaml).unwrap();
    assert_eq!(tree_of(&text, Format::Json).to_json(), yaml);

    let (_, file) = good(YAML, Format::Yaml);
    assert_eq!(meaning(&file), meaning(&good(TOML, Format::Toml).1));
    assert_eq!(meaning(&file), meaning(&good(&text, Format::Json).1));
    assert_eq!(file.links.len(), 4);
    assert_eq!(file.namespaces.keys().map(|k| k.as_str()).collect::<Vec<_>>(), ["web", "cache", "db", "edge"]);
}

#[test]
fn plain_yaml_scalars_are_typed_by_their_target() {
    let text = "name: 007\ndescription: no\nnamespaces: { 22: {}, true: { addresses: 10.0.0.1/8 }, 0x10: {} }\n\
                links: [{ name: 010, endpoints: [22:eth0, on:eth0] }]\n";
    let (_, file) = good(text, Format::Yaml);
    assert_eq!(file.name.as_str(), "007");
    assert_eq!(file.description.as_deref(), Some("no"));
    assert_eq!(file.namespaces.keys().map(|k| k.as_str()).collect::<Vec<_>>(), ["22", "true", "0x10"]);
    assert_eq!(file.links[0].name.as_ref().unwrap().as_str(), "010");
}

#[test]
fn a_list_of_one_needs_no_brackets_and_null_is_left_out() {
    let text = "name: a\ndescription: ~\nnamespaces:\n  web: { addresses: 10.0.0.1/24, routes: { to: default, dev: lo }, forwarding: }\n\
                links:\nnat: { masquerade: 10.0.0.0/8 }\nport_forwards: [{ listen: 1, to: web, protocol: udp }, ~]\n";
    let (_, file) = good(text, Format::Yaml);
    let web = &file.namespaces[0];
    assert_eq!(web.addresses.as_ref().map(Vec::len), Some(1));
    assert_eq!(web.routes.len(), 1);
    assert!(web.forwarding.is_none() && file.description.is_none() && file.links.is_empty());
    assert_eq!(file.nat.len(), 1);
    assert_eq!(file.port_forwards.len(), 1);
    assert_eq!(file.port_forwards[0].protocol[0].value, file::Protocol::Udp);
}

#[test]
fn an_entry_without_a_value_is_left_out_and_said_so() {
    let text = "name: a\nnamespaces:\n  web:\n  db: {}\n";
    let (_, file, diagnostics) = parse(text.as_bytes(), "lab.yaml", Format::Yaml);
    assert_eq!(file.unwrap().namespaces.len(), 1);
    assert!(!diagnostics.has_errors());
    assert_eq!(diagnostics.0[0].code, "key::left_out");
}

#[test]
fn spans_reach_into_strings() {
    let text = "name: a\nlinks:\n  - endpoints: ['web:eth0  10.0.0.4/24', \"a\\x62:e0\"]\n  - endpoints: [web:eth1 fd00::1/64, b]\n";
    let (source, file) = good(text, Format::Yaml);
    let slice = |span: crate::model::Span| &source.text[span.start as usize..span.end as usize];
    let spans = |link: usize, end: usize| {
        let end = &file.links[link].endpoints[end];
        let file::Place::Named(label) = &end.place else { panic!("{end:?}") };
        let interface = end.interface.as_ref().map(|i| slice(i.span));
        let addresses: Vec<_> = end.addresses.iter().flatten().map(|a| slice(a.span)).collect();
        (slice(label.span), interface, addresses)
    };
    assert_eq!(spans(0, 0), ("web", Some("eth0"), vec!["10.0.0.4/24"]));
    // An escape stands between the text and its source: the whole is named.
    assert_eq!(spans(0, 1), (r#""a\x62:e0""#, Some(r#""a\x62:e0""#), vec![]));
    assert_eq!(spans(1, 0), ("web", Some("eth1"), vec!["fd00::1/64"]));
    assert_eq!(slice(file.links[1].span), "endpoints: [web:eth1 fd00::1/64, b]");
}

#[test]
fn order_is_by_place_in_the_file() {
    let text = "name = 'a'\n[namespaces.z]\n[bridges.y]\n[namespaces.b]\n[[links]]\nendpoints=['z:e','y']\n[namespaces.a]\n[[links]]\nendpoints=['a:e','y']\n";
    let (_, file) = good(text, Format::Toml);
    assert_eq!(file.namespaces.keys().map(|k| k.as_str()).collect::<Vec<_>>(), ["z", "b", "a"]);
    assert!(matches!(&file.links[1].endpoints[0].place, file::Place::Named(label) if label.as_str() == "a"));
    let yaml = "name: a\nx: &m { c: {}, z: {} }\nnamespaces: { z: {}, <<: *m, b: {} }\n".replace("x:", "x-m:");
    let (_, file) = good(&yaml, Format::Yaml);
    assert_eq!(file.namespaces.keys().map(|k| k.as_str()).collect::<Vec<_>>(), ["z", "c", "b"]);
}

#[test]
fn sysctls_join_by_dots_and_take_numbers_booleans_and_strings() {
    let yaml = "name: a\nnamespaces: { w: { sysctls: { net.ipv4: { ip_forward: true, tcp_rmem: 1 2 3 }, net/ipv6/x: '010' } } }\n";
    let toml = "name = 'a'\n[namespaces.w.sysctls.net.ipv4]\nip_forward = true\ntcp_rmem = '1 2 3'\n[namespaces.w.sysctls]\n\"net/ipv6/x\" = '010'\n";
    for (text, format) in [(yaml, Format::Yaml), (toml, Format::Toml)] {
        let (_, file) = good(text, format);
        let mut sysctls: Vec<_> = file.namespaces[0].sysctls.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        sysctls.sort_unstable();
        assert_eq!(sysctls, [("net.ipv4.ip_forward", "1"), ("net.ipv4.tcp_rmem", "1 2 3"), ("net/ipv6/x", "010")]);
    }
}

#[test]
fn marks_and_line_endings_change_nothing() {
    let (_, plain) = good(YAML, Format::Yaml);
    for (text, format) in [(YAML, Format::Yaml), (TOML, Format::Toml)] {
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        assert_eq!(meaning(&good(&windows, format).1), meaning(&plain));
    }
    let json = format!("\u{feff}{}", serde_json::to_string_pretty(&tree_of(YAML, Format::Yaml).to_json()).unwrap());
    assert_eq!(meaning(&good(&json.replace('\n', "\r\n"), Format::Json).1), meaning(&plain));
}

#[test]
fn another_reader_of_yaml_sees_the_same() {
    for text in
        [YAML, "a: |\n  x\n  y\nb: >-\n  x\n  y\nc: 'it''s'\nd: \"\\t\u{e9}\"\ne: &e [1, -2, true, ~, x y]\nf: *e\n"]
    {
        let other: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
        let mut other = other;
        other.apply_merge().unwrap();
        assert_eq!(tree_of(text, Format::Yaml).to_json(), serde_json::to_value(&other).unwrap());
    }
}

#[test]
fn what_can_be_read_is_there_beside_errors() {
    let text = "nam: a\nnamespaces: { web: { addresses: [10.0.0.1, 10.0.0.2/24] }, 'b ad': {} }\nlinks: [{ endpoints: [x] }, { endpoints: [web:e, b], mtu: x }]\n";
    let (_, file, diagnostics) = parse(text.as_bytes(), "lab.yaml", Format::Yaml);
    let file = file.unwrap();
    assert!(!file.lost.is_nothing());
    assert_eq!(file.name.as_str(), "unnamed");
    assert_eq!(file.namespaces[0].addresses.as_ref().unwrap().len(), 1);
    assert_eq!((file.links.len(), file.links[0].mtu.is_none()), (1, true));
    let codes: Vec<_> = diagnostics.0.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["key::unknown", "address::length", "name::label", "link::ends", "type::wrong"]);
}

#[test]
fn a_format_is_told_by_the_ending() {
    assert_eq!(Format::of_path("a/b.YML"), Some(Format::Yaml));
    assert_eq!(Format::of_path("b.toml"), Some(Format::Toml));
    assert_eq!(Format::of_path("b.json"), Some(Format::Json));
    assert_eq!(Format::of_path("-"), None);
    assert_eq!(Format::of_path("yaml"), None);
}
