//! How values look in the schema. Keywords stand side by side, each for the types that it is about, rather than in alternatives:
//! an editor then says which of them is not met, and not that none of several schemas matches.

use serde_json::{Map, Value as Json, json};

use super::rule;

/// The definition of a word with variables in it.
pub const TEMPLATE: &str = "Template";
/// The definition of what says how often it is there, and is no map itself.
pub const SEVERAL: &str = "Several";

/// A string that matches `pattern`, or has variables in it. `what` it is, with its article.
pub fn text(pattern: &str, what: &str) -> Json {
    let pattern = format!("{pattern}|[$]");
    json!({ "type": "string", "pattern": pattern, "patternErrorMessage": format!("expected {what}") })
}

/// A value without quotes, `integer` or `boolean`, or variables in its place.
pub fn bare(kind: &str, what: &str) -> Json {
    json!({ "type": [kind, "string"], "pattern": "[$]", "patternErrorMessage": format!("expected {what}") })
}

/// One of a few words, or variables in their place.
pub fn words(words: &[&str]) -> Json {
    json!({ "anyOf": [{ "enum": words }, reference(TEMPLATE)] })
}

/// A list, whose brackets may be left out where it has one item. What is null in it is left out.
pub fn list(item: Json) -> Json {
    let items = or_null(several(item.clone()));
    match several(item) {
        Json::Object(mut map) if map.contains_key("type") => {
            takes(&mut map, "array");
            // An editor writes the first for a key that it completes.
            if let Some(Json::Array(types)) = map.get_mut("type") {
                types.rotate_right(1);
            }
            map.insert("items".into(), items);
            Json::Object(map)
        }
        Json::Object(map) if map.contains_key("anyOf") => {
            or(Json::Object(map), json!({ "type": "array", "items": items }))
        }
        section => json!({
            "type": ["array", "object"], "items": items, "if": { "type": "object" }, "then": section,
        }),
    }
}

/// A map from names to sections, each of them possibly several where the name has variables in it.
pub fn by_name(names: Json, section: Json) -> Json {
    let value = several(section);
    let mut one = value.clone();
    one["allOf"] = json!([rule::refuses(rule::given("for"), "for", "put the variable in the name, as in `leaf$l`")]);
    json!({ "type": "object", "propertyNames": names, "patternProperties": { "[$]": value }, "additionalProperties": one })
}

/// The value, or `value` beside a `for` or `when`. A section has those among its own keys, and needs `value` only for lists of it.
pub fn several(schema: Json) -> Json {
    match schema {
        Json::Object(mut map) if map.contains_key("type") => {
            takes(&mut map, "object");
            map.insert("if".into(), json!({ "type": "object" }));
            map.insert("then".into(), reference(SEVERAL));
            Json::Object(map)
        }
        Json::Object(map) if map.contains_key("anyOf") => or(Json::Object(map), reference(SEVERAL)),
        section => json!({
            "if": { "type": "object", "required": ["value"] }, "then": reference(SEVERAL), "else": section,
        }),
    }
}

/// The value, or nothing: a key without a value counts as left out. Sections say that themselves.
pub fn or_null(schema: Json) -> Json {
    match schema {
        Json::Object(mut map) if map.contains_key("type") => {
            takes(&mut map, "null");
            Json::Object(map)
        }
        Json::Object(map) if map.contains_key("anyOf") => or(Json::Object(map), json!({ "type": "null" })),
        section => section,
    }
}

/// Whether a schema is that of one word, number or text.
pub fn is_scalar(schema: &Json) -> bool {
    let is_map = ["/type", "/type/0"].iter().any(|at| schema.pointer(at).is_some_and(|kind| kind == "object"));
    let is_flat = schema.get("type").is_some() && schema.get("items").is_none() && !is_map;
    is_flat || schema.pointer("/anyOf/0/enum").is_some()
}

/// A definition.
pub fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// One more alternative.
fn or(mut schema: Json, other: Json) -> Json {
    if let Some(Json::Array(options)) = schema.get_mut("anyOf")
        && !options.contains(&other)
    {
        options.push(other);
    }
    schema
}

/// Lets values of another type be, which no keyword of the schema is about.
fn takes(map: &mut Map<String, Json>, kind: &str) {
    let types = match map.remove("type") {
        Some(Json::Array(types)) => types,
        one => one.into_iter().collect(),
    };
    let new = (!types.contains(&Json::from(kind))).then(|| Json::from(kind));
    map.insert("type".into(), types.into_iter().chain(new).collect());
}
