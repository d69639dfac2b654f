//! What keys of one map ask of each other: conditions, and what must be where they hold. A rule says why in `errorMessage`,
//! which editors show; a key without a value counts as left out.

use serde_json::{Value as Json, json};

/// The key is there and has a value.
pub fn given(key: &str) -> Json {
    json!({ "required": [key], "properties": { key: { "not": { "type": "null" } } } })
}

/// The key has one of these values, as written: variables are none of them.
pub fn is(key: &str, values: &[Json]) -> Json {
    json!({ "required": [key], "properties": { key: { "enum": values } } })
}

/// The key's string matches a pattern, and has no variables in it.
pub fn matches(key: &str, pattern: &str) -> Json {
    let texts = json!({ "type": "string", "pattern": pattern, "not": { "pattern": "[$]" } });
    json!({ "required": [key], "properties": { key: texts } })
}

/// None of the keys is there, nor any that variables may make one of them.
pub fn none(keys: &[&str]) -> Json {
    let there: Vec<Json> = keys.iter().map(|key| given(key)).collect();
    all([json!({ "not": { "anyOf": there } }), no_variables()])
}

/// No key has variables in it.
pub fn no_variables() -> Json {
    json!({ "propertyNames": { "pattern": "^[^$]*$" } })
}

/// All of the conditions hold.
pub fn all<const N: usize>(conditions: [Json; N]) -> Json {
    json!({ "allOf": conditions.to_vec() })
}

/// Any of the conditions holds.
pub fn any<const N: usize>(conditions: [Json; N]) -> Json {
    json!({ "anyOf": conditions.to_vec() })
}

/// Where the condition holds, which takes it for given, a key must not be there.
pub fn refuses(condition: Json, key: &str, why: &str) -> Json {
    json!({ "if": condition, "then": { "properties": { key: false }, "errorMessage": why } })
}

/// The two keys are not there together; the second is blamed.
pub fn not_both(one: &str, other: &str, why: &str) -> Json {
    refuses(all([given(one), given(other)]), other, why)
}

/// Where the condition holds, a key must be there.
pub fn needs(condition: Json, key: &str, why: &str) -> Json {
    let mut there = given(key);
    there["errorMessage"] = why.into();
    json!({ "if": condition, "then": there })
}

/// Where there is a list under the key, it has an item that is not null.
pub fn not_empty(key: &str, why: &str) -> Json {
    let list = json!({ "contains": { "not": { "type": "null" } }, "errorMessage": why });
    json!({ "properties": { key: { "if": { "type": "array" }, "then": list } } })
}
