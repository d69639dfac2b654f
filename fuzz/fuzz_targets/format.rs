//! Bytes to a file that is laid out, and to the two other notations. What is refused is left as it is; nothing panics.

#![no_main]

use netwright::spec::{
    Format,
    format::{convert::convert, format},
};
use netwright_fuzz::format_of;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (from, bytes) = format_of(bytes);
    let _ = format(bytes, "lab", from);
    for to in [Format::Yaml, Format::Toml, Format::Json] {
        let _ = convert(bytes, "lab", from, to);
    }
});
