//! Runs of the binary by the real-kernel tests.

use std::{
    fs,
    process::{Command, Stdio},
};

/// What a run of the binary came to.
pub struct Ran {
    /// The exit code.
    pub code: Option<i32>,
    /// Both outputs, the errors last.
    pub text: String,
}

/// Runs the binary; there is nobody at its standard input.
pub fn netwright(arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_netwright"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the binary that cargo has built");
    let text = [output.stdout, output.stderr].concat();
    Ran { code: output.status.code(), text: String::from_utf8(text).expect("text") }
}

/// Runs the binary, wants that exit code and each of these words.
#[track_caller]
pub fn expect(arguments: &[&str], code: i32, words: &[&str]) -> String {
    let ran = netwright(arguments);
    assert_eq!(ran.code, Some(code), "netwright {arguments:?}:\n{}", ran.text);
    for word in words {
        assert!(ran.text.contains(word), "netwright {arguments:?} does not say `{word}`:\n{}", ran.text);
    }
    ran.text
}

/// A topology in a file of its own on the sandbox's tmpfs.
pub fn file(name: &str, text: &str) -> String {
    let path = format!("/run/{name}.yaml");
    fs::write(&path, text).expect("a tmpfs");
    path
}

/// Applies, and looks whether a second plan is empty.
#[track_caller]
pub fn apply(path: &str) -> String {
    let text = expect(&["apply", path, "-auto-approve"], 0, &["Apply complete!"]);
    expect(&["plan", path, "-detailed-exitcode"], 0, &["No changes."]);
    text
}
