//! The JSON Schema of the language, from the same tables by which files are read.

pub mod many;
pub mod pattern;
pub mod rule;
pub mod value;

use serde_json::{Map, Value as Json, json};

use super::{
    de::{Decode, Key},
    file::File,
};

/// The named parts of a schema, gathered while it is built.
#[derive(Default)]
pub struct Definitions(Map<String, Json>);

impl Definitions {
    /// Takes up a name; false where it is there already.
    pub fn begin(&mut self, name: &str) -> bool {
        let new = !self.0.contains_key(name);
        if new {
            self.0.insert(name.to_owned(), Json::Null);
        }
        new
    }

    /// Gives a name its schema.
    pub fn finish(&mut self, name: &str, schema: Json) {
        self.0.insert(name.to_owned(), schema);
    }

    /// Adds to the schema of a section what its keys ask of each other.
    pub fn rules(&mut self, name: &str, rules: Vec<Json>) {
        self.set(name, "allOf", rules.into());
    }

    /// Says something of a definition in other words than its table of keys does.
    pub fn set(&mut self, name: &str, keyword: &str, value: Json) {
        if let Some(Json::Object(schema)) = self.0.get_mut(name) {
            schema.insert(keyword.to_owned(), value);
        }
    }
}

/// The JSON Schema of a topology file.
pub fn schema() -> Json {
    let mut definitions = Definitions::default();
    // The root is a definition like the others, so it is built by the way and taken out again.
    let _ = File::schema(&Key::PLAIN, &mut definitions);
    let mut whole = Map::new();
    whole.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    whole.insert("title".into(), "netwright topology".into());
    whole.insert("description".into(), "The virtual network of a Linux machine: a whole lab in one file.".into());
    if let Some(Json::Object(file)) = definitions.0.remove("File") {
        whole.extend(file);
        whole.insert("type".into(), "object".into());
    }
    many::allow(&mut definitions.0);
    if let Some(Json::Object(properties)) = whole.get_mut("properties") {
        let description = "Which schema editors check this file against.";
        properties.insert("$schema".into(), json!({ "type": "string", "description": description }));
    }
    whole.insert("patternProperties".into(), json!({ "^x-": true }));
    whole.insert("$defs".into(), Json::Object(definitions.0));
    Json::Object(whole)
}
