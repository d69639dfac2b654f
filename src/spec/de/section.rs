//! Maps with fixed keys: a struct of the file's shape, how it is read and its JSON Schema, all from one table.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::{Decode, Decoder, Key, Step, suggest};
use crate::{
    model::Diagnostic,
    spec::{
        schema::{Definitions, value},
        tree::{Entry, Node, Value},
    },
};

/// A map with fixed keys.
pub trait Section: Sized {
    /// Its name in the schema.
    const NAME: &'static str;
    /// What it is, with its article.
    const WHAT: &'static str;
    /// Keys that are refused by name until a later version has them.
    const RESERVED: &'static [&'static str];
    /// Its keys, in the order in which they are documented.
    const KEYS: &'static [Key];

    /// Reads every key, reports every error, and only then gives up.
    fn read<'n>(fields: &Fields<'n>, cx: &mut Decoder<'n>) -> Option<Self>;

    /// The schema of every key, and which are required.
    fn properties(definitions: &mut Definitions) -> Vec<(&'static Key, Json, bool)>;
}

/// The entries of a map that is being read.
pub struct Fields<'n> {
    node: &'n Node,
    entries: &'n [Entry],
    /// Keys that an unknown key was probably meant to be.
    meant: Vec<&'static str>,
    what: &'static str,
}

impl<'n> Fields<'n> {
    /// The value of `key`.
    pub fn take<T: Decode>(&self, key: &Key, cx: &mut Decoder<'n>) -> Option<T> {
        let entry = self.entries.iter().find(|entry| entry.key.value == key.name);
        match entry {
            Some(entry) if entry.value.value != Value::Null => {
                cx.enter(Step::Key(&entry.key.value), entry.key.span, |cx| T::decode(&entry.value, key, cx))
            }
            _ => T::absent().or_else(|| {
                match self.meant.contains(&key.name) || cx.may_be_elsewhere() {
                    true => cx.lose(),
                    false => cx.push(self.missing(key, entry, cx)),
                }
                T::stand_in()
            }),
        }
    }

    fn missing(&self, key: &Key, entry: Option<&Entry>, cx: &Decoder<'n>) -> Diagnostic {
        let place = match entry {
            Some(entry) => entry.key.span,
            None => cx.head(self.node),
        };
        let message = match entry {
            Some(_) => format!("`{}` has no value, and {} needs one", key.name, self.what),
            None => format!("{} needs the key `{}`", self.what, key.name),
        };
        let example = serde_json::from_str(key.example).unwrap_or(Json::Null);
        let help = format!("such as {}", cx.pair(key.name, example));
        Diagnostic::error("key::missing", message).at(place, format!("no `{}` here", key.name)).help(help)
    }
}

/// Reads a map with fixed keys.
pub fn decode<'n, S: Section>(node: &'n Node, cx: &mut Decoder<'n>) -> Option<S> {
    let Value::Map(entries) = &node.value else {
        cx.wrong_type(node, &format!("a map with the keys of {}", S::WHAT), None);
        return None;
    };
    let mut fields = Fields { node, entries, meant: Vec::new(), what: S::WHAT };
    for entry in entries {
        if !is_key::<S>(entry) && !cx.is_full() {
            let (error, meant) = unknown::<S>(entry);
            cx.push(error);
            fields.meant.extend(meant);
        }
    }
    S::read(&fields, cx)
}

/// The keys of a map that are none of a section, with those that were probably meant.
pub fn unknown_keys<S: Section>(node: &Node) -> impl Iterator<Item = (&str, Option<&'static str>)> {
    let entries = if let Value::Map(entries) = &node.value { entries.as_slice() } else { &[] };
    let others = entries.iter().filter(|entry| !is_key::<S>(entry));
    others.map(|entry| (entry.key.value.as_str(), unknown::<S>(entry).1))
}

fn is_key<S: Section>(entry: &Entry) -> bool {
    let name = entry.key.value.as_str();
    let extension = is_file::<S>() && (name.starts_with("x-") || name == "$schema");
    extension || S::KEYS.iter().any(|key| key.name == name)
}

/// Whether a section is the whole file, which may hold keys for others.
fn is_file<S: Section>() -> bool {
    S::NAME == "File"
}

fn unknown<S: Section>(entry: &Entry) -> (Diagnostic, Option<&'static str>) {
    let name = entry.key.value.as_str();
    if S::RESERVED.contains(&name) {
        let error = Diagnostic::error("key::reserved", format!("`{name}` is not supported by this version yet"))
            .at(entry.key.span, "reserved for a later version")
            .help("take it away, or use a version that has it");
        return (error, None);
    }
    let keys: Vec<&'static str> = S::KEYS.iter().map(|key| key.name).collect();
    // Every item may say how often it is there.
    let everywhere = ["for", "when"].into_iter().filter(|_| !is_file::<S>());
    let meant = suggest::nearest(name, keys.iter().copied().chain(everywhere));
    let expected = format!("{} takes {}", S::WHAT, suggest::all_of(&keys));
    let help = match meant {
        // Everywhere else they have been acted on.
        _ if matches!(name, "for" | "when") => format!("`{name}` goes into an item of a list, or an entry by name"),
        Some(near) => format!("did you mean `{near}`? {expected}"),
        None => expected,
    };
    let error = Diagnostic::error("key::unknown", format!("{} has no key `{}`", S::WHAT, name.escape_debug()))
        .at(entry.key.span, "unknown key")
        .help(help);
    (error, meant)
}

/// The schema of a map with fixed keys, kept among the definitions; what is returned refers to it.
pub fn schema<S: Section>(definitions: &mut Definitions) -> Json {
    if definitions.begin(S::NAME) {
        let properties = S::properties(definitions);
        let mut object = JsonMap::new();
        let mut required = Vec::new();
        for (key, schema, needed) in properties {
            let schema = if value::is_scalar(&schema) { value::several(schema) } else { schema };
            let schema = if needed { schema } else { value::or_null(schema) };
            object.insert(key.name.into(), key.describe(schema));
            if needed {
                required.push(Json::from(key.name));
            }
        }
        // An item or entry that is null is left out.
        let mut whole = json!({ "type": ["object", "null"], "properties": object, "additionalProperties": false });
        if !required.is_empty() {
            whole["required"] = required.into();
        }
        definitions.finish(S::NAME, whole);
    }
    json!({ "$ref": format!("#/$defs/{}", S::NAME) })
}

/// Declares maps with fixed keys: `field: Type => ["key"] { facts of Key }`; the doc comment of a field is the key's
/// description in the schema and the reference.
macro_rules! section {
    ($(
        $(#[$attribute:meta])*
        $visible:vis struct $name:ident as $schema:literal: $what:literal, reserved [$($reserved:literal),*] {
            $(
                $(#[doc = $doc:literal])*
                $field:ident: $type:ty => $key:literal { $($fact:ident: $value:expr),* $(,)? },
            )*
        }
    )*) => {$(
        $(#[$attribute])*
        $visible struct $name {
            $($(#[doc = $doc])* pub $field: $type,)*
        }

        impl $crate::spec::de::section::Section for $name {
            const NAME: &'static str = $schema;
            const WHAT: &'static str = $what;
            const RESERVED: &'static [&'static str] = &[$($reserved),*];
            const KEYS: &'static [$crate::spec::de::Key] = &[$($crate::spec::de::Key {
                name: $key,
                doc: &[$($doc),*],
                $($fact: $value,)*
                ..$crate::spec::de::Key::PLAIN
            }),*];

            fn read<'n>(
                fields: &$crate::spec::de::section::Fields<'n>,
                cx: &mut $crate::spec::de::Decoder<'n>,
            ) -> Option<Self> {
                let mut keys = Self::KEYS.iter();
                $(let $field: Option<$type> = keys.next().and_then(|key| fields.take(key, cx));)*
                Some(Self { $($field: $field?),* })
            }

            fn properties(
                definitions: &mut $crate::spec::schema::Definitions,
            ) -> Vec<(&'static $crate::spec::de::Key, serde_json::Value, bool)> {
                let mut keys = Self::KEYS.iter();
                let mut properties = Vec::new();
                $(
                    if let Some(key) = keys.next() {
                        let schema = <$type as $crate::spec::de::Decode>::schema(key, definitions);
                        let required = <$type as $crate::spec::de::Decode>::absent().is_none();
                        properties.push((key, schema, required));
                    }
                )*
                properties
            }
        }
    )*};
}

pub(crate) use section;
