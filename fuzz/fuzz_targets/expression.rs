//! An expression, a text with variables, and the values of a `for`: whatever the bytes are, in a small file around them.

#![no_main]

use netwright_fuzz::Case;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let quoted = serde_json::Value::from(text);
    let file = format!(
        r#"j{{"name": "a", "vars": {{"n": 3, "t": "x", "on": true, "all": [1, "a"], "it": {quoted}}},
            "description": {quoted},
            "namespaces": {{"w$i": {{"for": {{"i": {quoted}}}, "when": {quoted}}}, "v$it": {{}}}}}}"#
    );
    Case::new(file.as_bytes()).run();
});
