//! A whole file at a time: the three formats, and what is said of bad ones.

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
    assert!(!file.incomplete);
    (source, file)
}

/// What a file says, without the places where it says it.
fn meaning(file: &file::File) -> String {
    let mut out = String::new();
    let text = format!("{file:#?}");
    let mut skipped = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if skipped.is_none() && line.trim_start().starts_with("span: Span {") {
            skipped = Some(indent);
        }
        if skipped.is_none() {
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
fn scratch() {
    for path in std::fs::read_dir("/tmp/specscratch").unwrap() {
        let path = path.unwrap().path();
        let Some(format) = Format::of_path(&path) else { continue };
        let bytes = std::fs::read(&path).unwrap();
        let (source, _, diagnostics) = parse(&bytes, path.to_str().unwrap(), format);
        println!("{}", render(&diagnostics, &[source], Style::default()));
    }
}
