//! Bytes to the tree of a YAML file, which can be written as JSON.

#![no_main]

use netwright::spec::Format;
use netwright_fuzz::{is_json, tree};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(tree) = tree(bytes, Format::Yaml) {
        is_json(&tree);
    }
});
