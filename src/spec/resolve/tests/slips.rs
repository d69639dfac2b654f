//! One slip is one error: each value, key and name of a lab is spoilt in turn, and nothing is said but of that.

use super::read_any;
use crate::{
    model::Span,
    spec::{
        self, Format,
        tree::{Node, Value},
    },
};

/// A lab with something of everything, and with nothing that would be right by chance alone.
const LAB: &str = r#"name: lab
description: d
prefix: ""
ipv6: true
namespaces:
  web: {}
  cache: {}
  app: { loopback: true }
  db:
    addresses: [10.255.0.2/32]
    routes:
      - { to: 10.9.0.0/16, via: 192.168.0.6, metric: 5 }
      - { to: 10.9.0.0/16, via: "edge:lan0", metric: 6, src: 192.168.0.3 }
      - { to: 10.7.0.0/16, nexthops: [{ via: 192.168.0.6, weight: 2 }, { via: 192.168.0.1 }] }
      - { to: 10.6.0.0/16, type: blackhole }
      - { to: 10.5.0.0/16, dev: eth0, table: 100 }
    sysctls: { net.ipv4.conf.all.rp_filter: 2 }
  edge:
    forwarding: true
    routes: [{ to: default, via: 10.0.0.3 }]
  behind: {}
  hub: {}
  leaf: { routes: [{ to: 10.5.0.0/16, via: "hub:lan0" }] }
bridges:
  br0: { addresses: [192.168.0.1/24, "fd00:10::1/64"], mac: "02:00:00:00:00:01" }
  inner: { namespace: edge, addresses: [10.3.0.1/24], interface: in0 }
  pool: { namespace: hub, subnets: [10.8.0.0/24] }
links:
  - endpoints: ["web:eth0", br0]
  - endpoints: ["cache:eth0 192.168.0.4/24", br0]
  - { endpoints: ["app:eth0 192.168.0.9/24 fd00:10::9/64", "br0:app0"] }
  - endpoints:
      - { namespace: db, interface: eth0, addresses: [192.168.0.3/24], mac: "02:00:00:00:00:03", mtu: 1500, up: true }
      - { bridge: br0, interface: db-port }
    queues: 1
  - endpoints: ["edge:lan0 192.168.0.6/24", br0]
  - endpoints: ["behind:eth0 10.3.0.2/24", inner]
  - name: uplink
    subnet: 10.0.0.2/31
    endpoints: ["edge:wan0", "host:edge-wan"]
  - { subnet: 10.4.0.0/24, endpoints: ["hub:lan0", "leaf:eth0"] }
  - endpoints: ["cache:eth1", pool]
  - endpoints: ["app:eth1", pool]
gateways:
  - bridge: br0
  - { bridge: inner, members: [behind] }
  - { namespace: hub, interface: lan0 }
nat:
  - masquerade: 192.168.0.0/24
  - { snat: 10.3.0.0/24, to: 192.168.0.6, out: lan0, namespace: edge }
  - { dnat: 203.0.113.7, to: 192.168.0.3 }
port_forwards:
  - { listen: 8088, to: "web:80" }
  - { listen: "203.0.113.5:5353", protocol: [tcp, udp], to: "behind:53", namespace: edge }
  - { listen: 9000-9010, to: "db:9000-9010" }
  - { listen: 81, to: "[fd00:10::9]:80" }
  - { listen: 82, to: "leaf:80", namespace: hub }
checks:
  - { from: web, to: db, ping: true }
  - { from: host, to: "127.0.0.1:8088", tcp: true }
  - { from: behind, to: edge, expect: reachable }
  - { from: leaf, to: hub }
  - { from: hub, to: app }
"#;

fn scalars(node: &Node, found: &mut Vec<Span>) {
    match &node.value {
        Value::Scalar(_) => found.push(node.span),
        Value::List(items) => items.iter().for_each(|item| scalars(item, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| scalars(&entry.value, found)),
        Value::Null | Value::Invalid => {}
    }
}

/// The keys of the language: not the names that namespaces and bridges are given.
fn keys(node: &Node, found: &mut Vec<Span>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| keys(item, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| {
            found.push(entry.key.span);
            match (&entry.value.value, entry.key.value.as_str()) {
                (Value::Map(named), "namespaces" | "bridges") => named.iter().for_each(|it| keys(&it.value, found)),
                _ => keys(&entry.value, found),
            }
        }),
        Value::Scalar(_) | Value::Null | Value::Invalid => {}
    }
}

/// Spoils each place by each of the slips, and lists those of which more than one thing is said.
fn follow_ups(places: &[Span], slips: &[&str], most: usize) -> Vec<String> {
    let mut found = Vec::new();
    for place in places {
        for slip in slips {
            let mut text = LAB.to_owned();
            let range = place.start as usize..place.end as usize;
            let before = LAB[range.clone()].to_owned();
            text.replace_range(range, slip);
            let said: Vec<String> =
                read_any(&text).0.into_iter().map(|it| format!("{}: {}", it.code, it.message)).collect();
            if said.len() > most {
                found.push(format!("{before} -> {slip}: {said:#?}"));
            }
        }
    }
    found
}

/// The places of values where a namespace or bridge is named.
fn references() -> Vec<Span> {
    let names = ["web", "cache", "app", "db", "edge", "behind", "br0", "inner", "hub", "leaf", "pool"];
    let mut places = Vec::new();
    scalars(&tree(), &mut places);
    let named = places.into_iter().filter_map(|place| {
        let text = LAB[place.start as usize..place.end as usize].trim_start_matches('"');
        let start = place.end as usize - text.len();
        let end = text.find([':', ' ', '"']).unwrap_or(text.len());
        names.contains(&&text[..end]).then(|| Span::new(0, start..start + end))
    });
    named.collect()
}

fn tree() -> Node {
    spec::tree(LAB.as_bytes(), "lab.yaml", Format::Yaml).1.unwrap()
}

#[test]
fn the_lab_is_right() {
    super::good(LAB);
}

#[test]
fn a_value_that_cannot_be_read_is_one_error() {
    let mut places = Vec::new();
    scalars(&tree(), &mut places);
    let found = follow_ups(&places, &["[[]]", "'!'", "{zzz: 1}", "10.4.0.0/33", "10.4.0.300/24"], 1);
    assert!(found.is_empty(), "{}: {}", found.len(), found.join("\n"));
}

#[test]
fn a_name_that_is_nobodys_is_one_error() {
    let references = references();
    assert_eq!(references.len(), 42);
    let mut found = follow_ups(&references, &["zzzzzzzz"], 1);
    for place in references {
        let name = &LAB[place.start as usize..place.end as usize];
        // A letter too few, too many, and two that changed places.
        let short = &name[..name.len() - 1];
        let swapped = format!("{}{}{}", &name[1..2], &name[..1], &name[2..]);
        found.extend(follow_ups(&[place], &[short, &format!("{name}x"), &swapped], 1));
    }
    assert!(found.is_empty(), "{}: {}", found.len(), found.join("\n"));
}

#[test]
fn a_key_that_is_none_is_one_error_and_the_one_that_lacks() {
    let mut places = Vec::new();
    keys(&tree(), &mut places);
    let found = follow_ups(&places, &["zzzzzzzz", "'!'"], 2);
    assert!(found.is_empty(), "{}: {}", found.len(), found.join("\n"));
}
