//! The reference of the language: a preamble by hand, and a table for each section from the JSON Schema.

use serde_json::{Map, Value as Json};

/// The sections, in the order of reading: the schema's name, the heading, what is said above the table.
const SECTIONS: [(&str, &str, &str); 11] = [
    ("", "The file", "Keys that begin with `x-` are ignored, so that other programs and YAML anchors have a place."),
    (
        "Namespace",
        "A namespace",
        "`namespaces.NAME`. The entry `host` takes `forwarding: true`, `routes` and `sysctls` only.",
    ),
    ("Bridge", "A bridge", "`bridges.NAME`."),
    ("Link", "A link", "An item of `links`."),
    ("End", "An end of a link", "An item of `endpoints`, in its long form."),
    ("Route", "A route", "An item of `routes`."),
    ("Nexthop", "A next hop", "An item of `nexthops`."),
    ("Gateway", "A gateway", "An item of `gateways`."),
    ("Nat", "A nat rule", "An item of `nat`: exactly one of `masquerade`, `snat` and `dnat`."),
    ("PortForward", "A port forward", "An item of `port_forwards`."),
    ("Check", "A check", "An item of `checks`."),
];

/// The whole reference.
pub fn text(schema: &Json) -> String {
    let mut out = include_str!("preamble.md").to_owned();
    let defined = schema["$defs"].as_object().map_or(0, |all| all.values().filter(|it| is_section(it)).count());
    assert_eq!(defined + 1, SECTIONS.len(), "a section is new or gone");
    for (name, heading, words) in SECTIONS {
        let section = if name.is_empty() { schema } else { &schema["$defs"][name] };
        out.push_str(&format!("\n### {heading}\n\n{words}\n\n"));
        out.push_str("| key | takes | left out | such as | meaning |\n| --- | --- | --- | --- | --- |\n");
        let required: Vec<&str> =
            section["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        for (key, facts) in section["properties"].as_object().into_iter().flatten() {
            // What every item takes is said once, in the preamble.
            if !matches!(key.as_str(), "$schema" | "for" | "when") {
                out.push_str(&row(key, facts, required.contains(&key.as_str())));
            }
        }
    }
    out
}

fn is_section(schema: &Json) -> bool {
    let is_of_many = |key: &str| matches!(key, "for" | "when" | "value");
    schema["properties"].as_object().is_some_and(|keys| keys.keys().any(|key| !is_of_many(key)))
}

fn row(key: &str, facts: &Json, required: bool) -> String {
    let description = facts["description"].as_str().unwrap_or_default();
    let (meaning, left_out) = description.split_once(" Left out: ").unwrap_or((description, ""));
    let left_out = match facts.get("default") {
        _ if required => "required".to_owned(),
        Some(default) => code(default),
        None => left_out.trim_end_matches('.').to_owned(),
    };
    let cells = [format!("`{key}`"), takes(facts), left_out, code(&facts["examples"][0]), meaning.to_owned()];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

fn code(value: &Json) -> String {
    format!("`{value}`")
}

/// What a value may be, in words.
fn takes(schema: &Json) -> String {
    let Some(map) = schema.as_object() else { return "anything".into() };
    if let Some(title) = map.get("title").and_then(Json::as_str) {
        return title.to_owned();
    }
    if let Some(name) = map.get("$ref").and_then(Json::as_str) {
        let name = name.rsplit('/').next().unwrap_or_default();
        return match SECTIONS.iter().find(|(section, ..)| *section == name) {
            Some((_, heading, _)) => {
                format!("[{}](#{})", heading.to_lowercase(), heading.to_lowercase().replace(' ', "-"))
            }
            None => "a map from sysctls to values".into(),
        };
    }
    // What makes several of it is said once, in the preamble.
    if let Some(one) = map.get("else") {
        return takes(one);
    }
    match map.get("anyOf").and_then(Json::as_array) {
        Some(all) => {
            let kinds: Vec<&Json> = all.iter().filter(|it| it["type"] != "null" && !is_of_many(it)).collect();
            alternatives(&kinds)
        }
        None => plain(map),
    }
}

/// Whether a schema is there for `for`, `when` and variables, which any value may be written with.
fn is_of_many(schema: &Json) -> bool {
    schema["$ref"].as_str().is_some_and(|name| name.ends_with("/Template") || name.ends_with("/Several"))
}

/// A list of one needs no brackets, so that "T or a list of T" is a list.
fn alternatives(kinds: &[&Json]) -> String {
    let mut words: Vec<String> = Vec::new();
    for kind in kinds.iter().map(|kind| takes(kind)) {
        words.retain(|other| kind != list_of(other));
        if !words.contains(&kind) {
            words.push(kind);
        }
    }
    words.join(", or ")
}

fn list_of(kind: &str) -> String {
    match kind {
        "a string" => "a list of strings".into(),
        kind => format!("a list, each {kind}"),
    }
}

fn plain(map: &Map<String, Json>) -> String {
    if let Some(values) = map.get("enum").and_then(Json::as_array) {
        return values.iter().filter_map(Json::as_str).map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
    }
    let number = || match (map.get("minimum"), map.get("maximum")) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "a number".into(),
    };
    let is_text = map.get("pattern").is_some_and(|pattern| pattern != "[$]");
    match (types(map).as_slice(), map.get("items")) {
        (["array", "string", ..], Some(items)) if is_pair(map) => format!("two, each {}", takes(items)),
        (_, Some(items)) => list_of(&takes(items)),
        (["boolean", "integer", ..], _) => format!("`true`, `false`, or {}", number()),
        (["boolean", ..], _) => "`true`, `false`".into(),
        (["integer", ..], _) if is_text => format!("{}, or a string", number()),
        (["integer", ..], _) => number(),
        (["string", "object"], _) if !is_of_many(&map["then"]) => format!("a string, or {}", takes(&map["then"])),
        (["string", ..], _) => "a string".into(),
        (["object", ..], _) => match map.get("additionalProperties") {
            Some(values) => format!("a map from names to {}", takes(values)),
            None => "a map".into(),
        },
        _ => "a value".into(),
    }
}

/// The types that a value may have.
fn types(map: &Map<String, Json>) -> Vec<&str> {
    match map.get("type") {
        Some(Json::Array(types)) => types.iter().filter_map(Json::as_str).collect(),
        one => one.and_then(Json::as_str).into_iter().collect(),
    }
}

/// Whether a list has two items.
fn is_pair(map: &Map<String, Json>) -> bool {
    let parts = map.get("allOf").and_then(Json::as_array).into_iter().flatten();
    parts.into_iter().any(|part| part["else"]["maxItems"] == 2)
}
