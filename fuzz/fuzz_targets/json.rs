//! Bytes to the tree of a JSON file, which another reader of JSON reads alike.

#![no_main]

use netwright::spec::Format;
use netwright_fuzz::{is_json, tree};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(tree) = tree(bytes, Format::Json) {
        is_json(&tree);
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let other = serde_json::from_slice::<serde_json::Value>(text);
        // A number that no float can hold is one all the same.
        assert!(
            other.as_ref().is_ok() || other.as_ref().is_err_and(|e| e.to_string().contains("out of range")),
            "{other:?}"
        );
    }
});
