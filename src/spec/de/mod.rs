//! From the spanned tree to typed values, every error collected: one bad value never hides another.

mod decoder;
pub mod meant;
pub mod section;
pub mod suggest;
pub mod text;
mod values;

use serde_json::{Value as Json, json};

use self::text::Wrong;
pub use self::{
    decoder::{Decoder, Loss, Step},
    values::left_out,
};
use super::{schema::Definitions, tree::Node};

/// All facts about one key of the language: what it is called, what it means, what it may hold. Reading, checking and the
/// JSON Schema all go by them.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it stands in a file.
    pub name: &'static str,
    /// What it means: the lines of the field's doc comment.
    pub doc: &'static [&'static str],
    /// What its absence means, as JSON. Empty where `left_out` says it in words, and for a required key.
    pub default: &'static str,
    /// What its absence means, in words.
    pub left_out: &'static str,
    /// A value that it may have, as JSON.
    pub example: &'static str,
    /// The least and the greatest number.
    pub range: (u64, u64),
    /// What an address with a length stands for.
    pub net: NetForm,
    /// A further check of a string.
    pub check: fn(&str) -> Result<(), Wrong>,
    /// What that check takes, for the schema. Empty where there is none.
    pub pattern: &'static str,
}

/// What an address with a prefix length stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetForm {
    /// An interface's address: host bits, and a length that must be there.
    Interface,
    /// A subnet to give addresses from: a length that must be there, and no host bits.
    Subnet,
    /// Whose packets are meant: a bare address is the range of itself, and there are no host bits.
    Range,
}

impl Key {
    /// A key without any facts, to begin from.
    pub const PLAIN: Self = Self {
        name: "",
        doc: &[],
        default: "",
        left_out: "",
        example: "",
        range: (0, u32::MAX as u64),
        net: NetForm::Interface,
        check: |_| Ok(()),
        pattern: "",
    };

    /// The key as a JSON Schema: that of its values, with what is known of the key.
    fn describe(&self, mut schema: Json) -> Json {
        let mut doc = self.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        if !self.left_out.is_empty() {
            doc = format!("{doc} Left out: {}.", self.left_out);
        }
        if schema.get("$ref").is_some() {
            schema = json!({ "allOf": [schema] });
        }
        if let Json::Object(map) = &mut schema {
            map.insert("description".into(), doc.into());
            if let Ok(default) = serde_json::from_str::<Json>(self.default) {
                map.insert("default".into(), default);
            }
            if let Ok(example) = serde_json::from_str::<Json>(self.example) {
                map.insert("examples".into(), json!([example]));
            }
        }
        schema
    }
}

/// A value of the language.
pub trait Decode: Sized {
    /// Reads it; what is wrong is reported, and `None` says that nothing can be used.
    fn decode<'n>(node: &'n Node, key: &Key, cx: &mut Decoder<'n>) -> Option<Self>;

    /// What the absence of the key means. `None`: it must be there.
    fn absent() -> Option<Self> {
        None
    }

    /// What stands in for a required value once its absence is reported.
    fn stand_in() -> Option<Self> {
        None
    }

    /// Which values it may have.
    fn schema(key: &Key, definitions: &mut Definitions) -> Json;

    /// The schemas of entries by name that are not like the others.
    fn exceptions() -> Option<Json> {
        None
    }
}
