//! The machine's own tools, as a second opinion on what the kernel holds.

use std::{env, process::Command};

/// Runs a script inside the sandbox and yields what it printed.
pub fn sh(script: &str) -> String {
    assert!(env::var_os(crate::sandbox::INSIDE).is_some(), "only in the sandbox");
    let output = Command::new("sh").args(["-ec", script]).output().expect("sh");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
