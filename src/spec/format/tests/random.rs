//! Trees that nobody would write.

use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::{super::*, files::converts, formatted};

/// Strings and keys that mean something somewhere.
const WORDS: &[&str] = &[
    "",
    " ",
    "a",
    "web",
    "no",
    "true",
    "null",
    "~",
    "8088",
    "010",
    "1e3",
    "1.5",
    "-1",
    "22:22",
    "fd00::1",
    "[fd00::1]:80",
    "10.0.0.1/24",
    "a: b",
    "a #b",
    "# a",
    "- a",
    "-",
    "?",
    "? a",
    ":",
    "a:",
    "{a}",
    "[a",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "'a'",
    "\"a\"",
    "\\",
    "a\\n",
    "a\nb",
    "a\n",
    "\na",
    "a\n\nb\n",
    " a\nb",
    "a \nb",
    "a\n b",
    "a\tb",
    "\ta",
    "a\r\nb",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "é",
    "日本",
    "$s",
    "${2*s+1}",
    "leaf$l",
    "a, b",
    "a,b",
    "1, 2",
    "<<",
    "=",
    "x-y",
    "---",
    "...",
    "--- a",
    "'''",
    "\"\"\"",
    "0x1F",
    "1_000",
    ".inf",
    "1979-05-27",
    "a.b",
    "net.ipv4.ip_forward",
    "12:30:45",
    "yes",
    "on",
    "OFF",
    "True",
    "two words",
    "\u{1F600}",
    "a  b",
    "\u{0}",
    "\u{1b}[0m",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::from),
        2 => any::<i64>().prop_map(Json::from),
        1 => (0..99i32).prop_map(Json::from),
        1 => (-1000..1000i32).prop_map(|n| Json::from(f64::from(n) / 8.0)),
        1 => prop_oneof![Just(-0.0), proptest::num::f64::NORMAL].prop_map(Json::from),
        5 => word().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((word(), inner), 0..5)
                .prop_map(|entries| Json::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn file() -> impl Strategy<Value = Json> {
    let key = prop_oneof![4 => word(), 1 => Just("x-any".to_owned())];
    prop::collection::vec((key, value()), 1..6).prop_map(|entries| Json::Object(entries.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_formatted_and_converted(tree in file(), pretty in any::<bool>()) {
        // Where only nulls are left, TOML has nothing to say at all.
        let tree = match tree {
            Json::Object(mut map) => { map.insert("name".into(), "lab".into()); Json::Object(map) }
            other => other,
        };
        let text = if pretty { format!("{tree:#}") } else { tree.to_string() };
        formatted(&text, Format::Json);
        converts("lab", &text, Format::Json);
    }
}
