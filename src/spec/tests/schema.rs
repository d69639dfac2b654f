//! The JSON Schema takes what the reader takes, and refuses what it refuses.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    super::*,
    TOML, YAML,
    mutation::{apply, edit, samples},
    tree_of,
};
use crate::spec::schema::schema;

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

/// Every object with properties, by where it stands.
fn sections(schema: &Json) -> Vec<(String, Json)> {
    let mut all: Vec<(String, Json)> =
        schema["$defs"].as_object().unwrap().iter().map(|(name, s)| (name.clone(), s.clone())).collect();
    all.push(("File".into(), schema.clone()));
    let is_of_many = |key: &String| matches!(key.as_str(), "for" | "when" | "value");
    all.retain(|(_, it)| it["properties"].as_object().is_some_and(|keys| !keys.keys().all(is_of_many)));
    all
}

#[test]
fn it_is_a_schema_and_takes_the_sample() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
    let validator = validator();
    for (text, format) in [(YAML, Format::Yaml), (TOML, Format::Toml)] {
        let tree = tree_of(text, format).to_json();
        let errors: Vec<String> = validator.iter_errors(&tree).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

#[test]
fn it_takes_and_refuses_what_the_reader_takes_and_refuses() {
    let validator = validator();
    for (text, good) in [
        ("name: a", true),
        ("name: a\nx-y: [1]\n$schema: s\nlinks:", true),
        ("name: a\nnamespaces: { w: { routes: { to: default, dev: x }, addresses: fd00::1/64 } }", true),
        ("name: a\nnamespaces: { w: { sysctls: { net: { ipv4: { ip_forward: true } } } } }", true),
        ("name: a\nlinks: { endpoints: ['a:b fd00::1/64 10.0.0.1/8', c] }", true),
        ("name: a\nlinks: [{ endpoints: [{ bridge: b }, { namespace: n, interface: i }] }]", true),
        ("name: a\nnat: { snat: 10.0.0.0/8, to: '[fd00::1]-[fd00::9]:1-9' }", false),
        ("name: a\nnat: { snat: fd00::/8, to: '[fd00::1]-[fd00::9]:1-9' }", true),
        ("name: a\nport_forwards: [{ listen: '[fd00::1]:80', to: '[fd00::2]:81' }, { listen: 80-81, to: web }]", true),
        ("name: a\nchecks: { from: a, to: 'fd00::1', tcp: 22, expect: blocked }", true),
        (
            "name: a\nvars: { n: 2, t: true }\nnamespaces: { w$i: { for: { i: 1..$n }, when: $t, forwarding: $t } }",
            true,
        ),
        (
            "name: a\nvars: { n: 9000 }\nbridges: { b: { mtu: $n, stp: '${n > 1}', subnets: [{ for: { i: 1..3 }, value: 10.$i.0.0/16 }] } }",
            true,
        ),
        (
            "name: a\nnamespaces: { w: { sysctls: { net.ipv4.e$i: { for: { i: [1, 3..4] }, value: 1 }, net: { when: true, x: 1 } } } }",
            true,
        ),
        ("name: a\nnamespaces: { w: { sysctls: { when: true, net/ipv4/ip_forward: 1.5, kernel.x: } } }", true),
        ("name: a\nnamespaces: { w: { addresses: { for: { i: 1..2 }, value: 10.0.$i.1/24 }, routes: [null] } }", true),
        ("name: a\nnamespaces: { w: { addresses: [null, { when: true, value: 10.0.0.1/24 }] } }", true),
        (
            "name: a\nnamespaces: { w: { forwarding: { when: true, value: true } }, v: { when: true, value: { loopback: true } } }",
            true,
        ),
        (
            "name: a\nlinks: { for: { i: 1..2 }, value: [{ endpoints: ['a:b$i', 'c:b$i'] }, { endpoints: ['a:d$i', 'c:d$i'] }] }",
            true,
        ),
        ("name: a\nlinks: [null, { for: null, when: null, endpoints: [{ for: { i: 1..2 }, value: 'a:e$i' }] }]", true),
        ("name: a\nlinks: { endpoints: [{ for: { i: 1..2 }, namespace: a, interface: e$i }] }", true),
        ("name: a\nlinks: { endpoints: { for: { i: 1..2 }, value: 'a:e$i' } }", true),
        (
            "name: a\nvars: { e: ['a:b', 'a:c'], k: tcp }\nlinks: { endpoints: $e }\nchecks: { from: a, to: 'b:1', $k: true }",
            true,
        ),
        ("name: a\nvars: { k: bridge }\ngateways: { $k: b }", true),
        ("name: a\nnat: { masquerade: 10.0.0.0/8, snat: , to: }\ngateways: { bridge: b, namespace: }", true),
        ("name: a\nvars: { t: blackhole }\nnamespaces: { w: { routes: { to: default, type: $t } } }", true),
        ("name: a\nchecks: [{ from: a, to: 'b:80', ping: false }, { from: a, to: b, ping: true, tcp: false }]", true),
        ("name: a\nchecks: [{ from: a, to: b, ping: false, tcp: 80 }, { from: a, to: 'b:80-80', tcp: 80 }]", true),
        ("name: a\nnamespaces: { w: { for: { i: 1..2 } } }", false),
        ("name: a\nnamespaces: { w: { addresses: { value: 10.0.0.1/24 } } }", false),
        ("name: a\nnamespaces: { w: { sysctls: { kernel.hostname: x } } }", false),
        ("name: a\nnamespaces: { w: { sysctls: { net: { 'a b': 1 } } } }", false),
        ("name: a\nnamespaces: { w: { sysctls: { net: 1 } } }", false),
        ("name: a\nlinks: [{ endpoints: [a, null] }]", false),
        ("name: a\nlinks: [{ endpoints: ['a:1', b] }]", false),
        ("name: a\nlinks: [{ endpoints: ['a:abcdefghijklmnop', b] }]", false),
        ("name: a\nnamespaces: { w: { routes: { to: default } } }", false),
        ("name: a\nnamespaces: { w: { routes: { to: default, via: ~, dev: } } }", false),
        ("name: a\nnamespaces: { w: { routes: { to: default, nexthops: [null] } } }", false),
        ("name: a\nnamespaces: { w: { routes: { to: default, nexthops: { weight: 2 } } } }", false),
        ("name: a\nnamespaces: { w: { routes: { to: default, dev: e, nexthops: { dev: e } } } }", false),
        ("name: a\nnamespaces: { w: { routes: { to: default, type: prohibit, dev: e } } }", false),
        ("name: a\nnamespaces: { w: { routes: { to: default, via: 10.0.0.1, onlink: true } } }", false),
        ("name: a\nchecks: { from: a, to: b, ping: true, tcp: 80 }", false),
        ("name: a\nchecks: { from: a, to: b, ping: false }", false),
        ("name: a\nchecks: { from: a, to: 'b:80', tcp: false }", false),
        ("name: a\nchecks: { from: a, to: 'fd00::1', tcp: true }", false),
        ("name: a\nchecks: { from: a, to: 'b:80', ping: true }", false),
        ("name: a\nport_forwards: { listen: 80, to: web, protocol: [] }", false),
        ("name: a\nport_forwards: { listen: 80, to: web, protocol: [null] }", false),
        ("name: a\nport_forwards: { listen: '70000', to: web }", false),
        ("name: a\nport_forwards: { listen: '[::1]:80', to: web }", false),
        ("name: a\nnat: { dnat: 10.0.0.1, to: '10.0.0.2:80' }", false),
        ("name: a\nnat: { snat: 10.0.0.0/24, to: 10.0.1.0/24 }", false),
        ("name: a\ngateways: { namespace: n }", false),
        ("name: a\nprefix: '-'", false),
        ("name: a\nnamespaces: { w: { addresses: 10.0.0.256/24 } }", false),
        ("name: a\nnamespaces: { w: { addresses: 'fd00::1/129' } }", false),
        ("name: a\nbridges: { b: { mac: '00:00:00:00:00:00' } }", false),
        ("name: a\nbridges: { b: { for: 4 } }", false),
        ("name: a\nvars: { n-1: 4 }", false),
        ("name: a\nvars: { n: { m: 1 } }", false),
        ("", false),
        ("name: A", false),
        ("name: a\nnmae: a", false),
        ("name: a\nnamespaces: [w]", false),
        ("name: a\nnamespaces: { 'w w': {} }", false),
        ("name: a\nnamespaces: { w: { forwarding: 1 } }", false),
        ("name: a\nnamespaces: { w: { addresses: 10.0.0.1 } }", false),
        ("name: a\nbridges: { b: { mtu: 67 } }", false),
        ("name: a\nbridges: { b: { interface: abcdefghijklmnop } }", false),
        ("name: a\nbridges: { b: { mac: '02:00' } }", false),
        ("name: a\nlinks: [{ endpoints: [a] }]", false),
        ("name: a\nlinks: [{ endpoints: [a, { bridge: b, namespace: n, interface: i }] }]", false),
        ("name: a\nlinks: [{ endpoints: [a, { namespace: n }] }]", false),
        ("name: a\ngateways: {}", false),
        ("name: a\ngateways: { bridge: b, interface: i }", false),
        ("name: a\nnat: { masquerade: 10.0.0.0/8, dnat: 10.0.0.1, to: 10.0.0.2 }", false),
        ("name: a\nnat: { snat: 10.0.0.0/8 }", false),
        ("name: a\nport_forwards: { listen: 0, to: web }", false),
        ("name: a\nport_forwards: { listen: 80, to: web, protocol: icmp }", false),
        ("name: a\nchecks: { from: a, to: b, expect: maybe }", false),
    ] {
        let (_, _, diagnostics) = parse(text.as_bytes(), "lab.yaml", Format::Yaml);
        assert_eq!(!diagnostics.has_errors(), good, "{text}: {diagnostics:#?}");
        let tree = tree(text.as_bytes(), "lab.yaml", Format::Yaml).1.map_or(Json::Null, |tree| tree.to_json());
        // What two keys ask of each other's addresses is beyond a schema.
        let beyond = text.contains("[fd00::1]-") && !good;
        assert_eq!(validator.is_valid(&tree), good || beyond, "{text}: {tree}");
    }
}

#[test]
fn every_key_has_a_description_an_example_and_a_default_or_its_words() {
    let schema = schema();
    let mut keys = 0;
    for (section, body) in sections(&schema) {
        let required: Vec<&str> = body["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        for (name, key) in body["properties"].as_object().unwrap() {
            if name == "$schema" {
                continue;
            }
            keys += 1;
            let at = format!("{section}.{name}");
            let description = key["description"].as_str().unwrap_or_default();
            assert!(description.len() > 10 && !description.contains("  "), "{at}: {description:?}");
            let said = key.get("default").is_some() != description.contains("Left out: ");
            assert_eq!(said, !required.contains(&name.as_str()), "{at} says what its absence means");
            let example = &key["examples"][0];
            assert!(!example.is_null(), "{at} has an example");
            let mut alone = key.clone();
            alone["$defs"] = schema["$defs"].clone();
            let validator = jsonschema::draft202012::new(&alone).unwrap();
            assert!(validator.is_valid(example), "{at}: {example}");
            assert!(key.get("default").is_none_or(|default| validator.is_valid(default)), "{at}: {}", key["default"]);
        }
    }
    assert!(keys > 60, "{keys}");
}

#[test]
fn every_example_is_read() {
    let needs: &[(&str, Json)] = &[
        ("Route", json!({ "to": "10.9.0.0/16", "dev": "eth0" })),
        ("Nexthop", json!({ "dev": "eth0" })),
        ("Link", json!({ "endpoints": ["a:eth0", "b"] })),
        ("End", json!({ "namespace": "a", "interface": "eth0" })),
        ("Gateway", json!({ "namespace": "a", "interface": "eth0" })),
        ("PortForward", json!({ "listen": 80, "to": "web" })),
        ("Check", json!({ "from": "web", "to": "db" })),
    ];
    for (section, body) in sections(&schema()).into_iter() {
        for (name, key) in body["properties"].as_object().unwrap() {
            let mut item = needs.iter().find(|(s, _)| *s == section).map_or(json!({}), |(_, item)| item.clone());
            match (section.as_str(), name.as_str()) {
                ("Route", "nexthops" | "type") => item = json!({ "to": "default" }),
                ("End" | "Gateway", "bridge") => item = json!({}),
                ("Nat", "snat" | "dnat") => item = json!({ "to": "203.0.113.9" }),
                ("Nat", "to") => item = json!({ "snat": "192.168.0.0/24" }),
                ("Nat", "out" | "namespace" | "for" | "when") => item = json!({ "masquerade": "192.168.0.0/24" }),
                ("Check", "udp") => item = json!({ "from": "web", "to": "db:53" }),
                _ => {}
            }
            if section == "End" && matches!(name.as_str(), "for" | "when") {
                // A link has two ends, whoever makes them.
                continue;
            }
            if name == "when" {
                item["for"] = json!({ "s": "1..2", "l": "1..2" });
            }
            if name != "$schema" {
                item[name] = key["examples"][0].clone();
            }
            let file = match section.as_str() {
                "File" => item,
                "Namespace" => json!({ "namespaces": { key_of(&item, "a"): item } }),
                "Bridge" => json!({ "bridges": { key_of(&item, "a"): item } }),
                "Route" => json!({ "namespaces": { "a": { "routes": item } } }),
                "Nexthop" => json!({ "namespaces": { "a": { "routes": { "to": "default", "nexthops": item } } } }),
                "Link" => json!({ "links": item }),
                "End" => json!({ "links": { "endpoints": [item, "b"] } }),
                "Gateway" => json!({ "gateways": item }),
                "Nat" => json!({ "nat": item }),
                "PortForward" => json!({ "port_forwards": item }),
                "Check" => json!({ "checks": item }),
                other => panic!("{other} is a new section"),
            };
            let mut file = file;
            if file.get("name").is_none() {
                file["name"] = json!("a");
            }
            let (_, _, mut diagnostics) = parse(file.to_string().as_bytes(), "lab.json", Format::Json);
            diagnostics.0.retain(|found| found.code != "vars::unused" && found.code != "include::unreadable");
            assert_eq!(diagnostics, Diagnostics::default(), "{section}.{name}: {file}");
        }
    }
}

/// The key of an entry, with the variables of its `for` in it.
fn key_of(item: &Json, name: &str) -> String {
    if item.get("for").is_some() { format!("{name}$s-$l") } else { name.to_owned() }
}

/// Whether the reader has nothing against a file, and what the schema finds in it once scalars are what the language takes
/// each for where it stands.
fn agreed(validator: &jsonschema::Validator, bytes: &[u8], from: Format) -> Option<Vec<String>> {
    let (_, file, diagnostics) = parse(bytes, "lab", from);
    if diagnostics.has_errors() || resolve::resolve(&file?).1.has_errors() {
        return None;
    }
    let text = match from {
        Format::Json => String::from_utf8(bytes.to_vec()).unwrap(),
        from => format::convert::convert(bytes, "lab", from, Format::Json).unwrap().text,
    };
    let tree = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    Some(validator.iter_errors(&tree).map(|error| format!("{} {error}", error.instance_path())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_reader_takes_of_damaged_files_the_schema_takes(
        which in 0..4usize,
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(validator);
        let (mut bytes, format) = samples()[which].clone();
        for edit in &edits {
            apply(&mut bytes, edit);
        }
        if let Some(faults) = agreed(&SCHEMA, &bytes, format) {
            prop_assert_eq!(faults, Vec::<String>::new(), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
