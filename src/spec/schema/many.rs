//! What "many from one" adds to the schema: `for` and `when` on every item and entry, and variables in any key.

use serde_json::{Map, Value as Json, json};

use super::{
    rule,
    value::{SEVERAL, TEMPLATE},
};

/// The definitions, and what they are to every section among `definitions`.
pub fn allow(definitions: &mut Map<String, Json>) {
    for section in definitions.values_mut() {
        let Some(keys) = section.get_mut("properties").and_then(Json::as_object_mut) else { continue };
        // Those of sysctls say it themselves: their keys are names.
        if keys.contains_key("for") {
            continue;
        }
        keys.insert("for".into(), every());
        keys.insert("when".into(), condition());
        section["patternProperties"] = json!({ "[$]": true });
    }
    let value = json!({ "description": "The item, or a list of items." });
    let keys = json!({ "for": every(), "when": condition(), "value": value });
    let words = "What is no map itself, with how often it is there.";
    let why = "say how often it is there with `for`, or whether with `when`";
    let several = json!({
        "description": words, "type": "object", "required": ["value"], "additionalProperties": false, "properties": keys,
        "allOf": [rule::needs(rule::none(&["for", "when"]), "for", why)],
    });
    definitions.insert(SEVERAL.into(), several);
    let words = "Text with variables in it: `$n`, or an expression such as `${2*n+1}`.";
    definitions.insert(TEMPLATE.into(), json!({ "description": words, "type": "string", "pattern": "[$]" }));
}

/// `for`.
pub fn every() -> Json {
    let description = "Makes one for each value of each variable: ranges such as `1..4`, both ends included, or lists. \
                       `$l` stands for the value in the strings of the entry and in its key. Left out: one.";
    let values = json!({
        "type": ["string", "array", "null"], "pattern": "[.][.]|[$]",
        "patternErrorMessage": "expected a range such as 1..4, a list, or a variable that holds one",
        "items": { "type": ["string", "integer", "boolean"] },
    });
    let names = json!({ "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" });
    json!({
        "description": description, "type": ["object", "null"], "propertyNames": names, "additionalProperties": values,
        "examples": [{ "s": "1..2", "l": "1..4" }],
    })
}

/// `when`.
pub fn condition() -> Json {
    json!({
        "description": "Whether it is there at all: true, false, or a comparison of variables.",
        "type": ["boolean", "string", "null"], "default": true, "examples": ["$s != $l"],
    })
}
