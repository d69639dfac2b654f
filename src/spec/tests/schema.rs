//! The JSON Schema takes what the reader takes, and refuses what it refuses.

use serde_json::{Value as Json, json};

use super::{super::*, TOML, YAML, tree_of};
use crate::spec::schema::schema;

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

/// Every object with properties, by where it stands.
fn sections(schema: &Json) -> Vec<(String, Json)> {
    let mut all: Vec<(String, Json)> =
        schema["$defs"].as_object().unwrap().iter().map(|(name, s)| (name.clone(), s.clone())).collect();
    all.push(("File".into(), schema.clone()));
    all.retain(|(_, section)| section.get("properties").is_some());
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
            if name == "$schema" || section == "Several" {
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
    for (section, body) in sections(&schema()).into_iter().filter(|(section, _)| section != "Several") {
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
