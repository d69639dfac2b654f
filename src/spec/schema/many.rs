//! What "many from one" adds to the schema: `for` and `when` on every item and entry, and variables in any key and in place
//! of any value.

use serde_json::{Map, Value as Json, json};

/// The definition of a value with variables in it.
const TEMPLATE: &str = "Template";
/// The definition of an item that says how often it is there, and is no map itself.
const SEVERAL: &str = "Several";

/// The definitions, and what they are to every section among `definitions`. `root` is the schema of the whole file.
pub fn allow(root: &mut Map<String, Json>, definitions: &mut Map<String, Json>) {
    for (name, section) in definitions.iter_mut() {
        variables_in(section);
        if let Json::Object(section) = section
            && section.contains_key("properties")
        {
            section.insert("patternProperties".into(), json!({ "[$]": true }));
        }
        // A link has two ends, whoever makes it.
        if name == "End" {
            continue;
        }
        if let Some(Json::Object(keys)) = section.get_mut("properties") {
            keys.insert("for".into(), every());
            keys.insert("when".into(), condition());
        }
    }
    if let Some(properties) = root.get_mut("properties").and_then(Json::as_object_mut) {
        for (_, key) in properties.iter_mut().filter(|(name, _)| !matches!(name.as_str(), "vars" | "include")) {
            variables_in(key);
        }
    }
    let value = json!({ "description": "The item, or a list of items." });
    let keys = json!({ "for": every(), "when": condition(), "value": value });
    let words = "An item that is no map itself, with how often it is there.";
    let several = json!({
        "description": words, "type": "object", "required": ["value"], "additionalProperties": false, "properties": keys,
    });
    definitions.insert(SEVERAL.into(), several);
    let words = "Text with variables in it: `$n`, or an expression such as `${2*n+1}`.";
    definitions.insert(TEMPLATE.into(), json!({ "description": words, "type": "string", "pattern": "[$]" }));
}

fn every() -> Json {
    let description = "Makes one for each value of each variable: ranges such as `1..4`, both ends included, or lists. \
                       `$l` stands for the value in the strings of the entry and in its key. Left out: one.";
    let values = json!({ "anyOf": [
        { "type": "string", "pattern": "[.][.]|[$]" },
        { "type": "array", "items": { "type": ["string", "integer", "boolean"] } },
        { "type": "null" },
    ] });
    let names = json!({ "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" });
    json!({
        "description": description, "type": "object", "propertyNames": names, "additionalProperties": values,
        "examples": [{ "s": "1..2", "l": "1..4" }],
    })
}

fn condition() -> Json {
    json!({
        "description": "Whether it is there at all: true, false, or a comparison of variables.",
        "type": ["boolean", "string"], "default": true, "examples": ["$s != $l"],
    })
}

/// Lets variables stand where a schema takes one value.
fn variables_in(schema: &mut Json) {
    let Json::Object(map) = schema else { return };
    for inner in ["anyOf", "allOf"] {
        map.get_mut(inner).and_then(Json::as_array_mut).into_iter().flatten().for_each(variables_in);
    }
    if let Some(Json::Object(keys)) = map.get_mut("properties") {
        keys.iter_mut().for_each(|(_, key)| variables_in(key));
    }
    map.get_mut("additionalProperties").into_iter().for_each(variables_in);
    map.get_mut("propertyNames").into_iter().for_each(variables_in);
    if let Some(items) = map.get_mut("items") {
        variables_in(items);
        // The sections have a `for` of their own.
        if items.get("$ref").is_none() {
            let item = items.take();
            *items = json!({ "anyOf": [item, reference(SEVERAL)] });
        }
    }
    if let Some(Json::String(pattern)) = map.get_mut("pattern") {
        pattern.push_str("|[$]");
    } else if map.contains_key("enum") || matches!(map.get("type"), Some(Json::String(kind)) if is_bare(kind)) {
        beside(map);
    }
}

/// Whether values of a type are written without quotes.
fn is_bare(kind: &str) -> bool {
    matches!(kind, "integer" | "boolean")
}

/// Puts a value with variables beside what a schema takes; what it says about itself stays with the whole.
fn beside(map: &mut Map<String, Json>) {
    let (words, rules): (Map<_, _>, Map<_, _>) = std::mem::take(map)
        .into_iter()
        .partition(|(key, _)| matches!(key.as_str(), "description" | "default" | "examples"));
    map.insert("anyOf".into(), json!([rules, reference(TEMPLATE)]));
    map.extend(words);
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}
