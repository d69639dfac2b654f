//! `netwright version`.

use std::env::consts::{ARCH, OS};

use crate::plan::FORMAT_VERSION;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `version` prints on stdout.
pub fn text() -> String {
    format!("netwright {VERSION}\non {OS}_{ARCH}\n")
}

/// What `version -json` prints: one document.
pub fn json() -> serde_json::Value {
    serde_json::json!({
        "netwright_version": VERSION,
        "platform": format!("{OS}_{ARCH}"),
        "plan_format_version": FORMAT_VERSION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_tell_the_same_version() {
        assert!(text().starts_with(&format!("netwright {VERSION}\n")));
        assert_eq!(json()["netwright_version"], VERSION);
    }
}
