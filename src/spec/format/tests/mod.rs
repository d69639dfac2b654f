//! Every file that there is, and every file that there might be, through the formatter.

mod convert;
mod files;
mod json;
mod random;
mod toml;
mod yaml;

use super::*;

fn formatted(text: &str, format: Format) -> String {
    match super::format(text.as_bytes(), "lab", format) {
        Ok(text) => text,
        Err(refused) => panic!("{refused:?}\n{text}"),
    }
}

/// Checks what a text becomes, and that this stays as it is.
fn becomes(text: &str, wanted: &str, format: Format) {
    let found = formatted(text, format);
    assert_eq!(found, wanted, "\n{found}");
    assert_eq!(formatted(&found, format), wanted);
}
