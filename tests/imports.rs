//! Imports run one way, as ARCHITECTURE.md draws it, and the pure stages have no effects.

use std::{fs, path::Path};

/// The modules of the crate, each with those that it may import beside itself. A module that is not here fails.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("op", &["model"]),
    ("kind", &["model", "op"]),
    ("spec", &["model", "op", "kind"]),
    ("graph", &["model", "op", "kind"]),
    ("observe", &["model", "op", "kind"]),
    ("diff", &["model", "op", "kind", "graph", "observe"]),
    ("plan", &["model", "op", "kind", "spec", "graph", "observe", "diff"]),
    ("undo", &["model", "op", "kind"]),
    // Effects below this line.
    ("kernel", &["model", "op"]),
    ("report", &["model", "op", "kind", "spec", "plan", "probe"]),
    ("sandbox", &["model"]),
    ("probe", &["model", "kind", "kernel"]),
    ("exec", &["model", "op", "kind", "plan", "undo", "kernel"]),
    ("cli", EVERYTHING),
    ("main", EVERYTHING),
    ("lib", EVERYTHING),
];

const EVERYTHING: &[&str] = &[
    "model", "op", "kind", "spec", "graph", "observe", "diff", "plan", "undo", "kernel", "report", "sandbox", "probe",
    "exec", "cli",
];

/// Plain values in, plain values out.
const PURE: &[&str] = &["model", "op", "kind", "spec", "graph", "observe", "diff", "plan", "undo"];

/// What a pure module never names: effects, clocks and whoever has them.
const EFFECTS: &[&str] = &[
    "tokio",
    "nix",
    "rtnetlink",
    "socket2",
    "std::env",
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
];

/// What has no effect of its own: threads that have ended when their value is there.
const NO_EFFECTS: &[&str] =
    &["std::thread::scope", "std::thread::Builder", "std::thread::Builder::new", "std::thread::available_parallelism"];

/// The one pure place that reads files: those that a topology is made of.
const LOADER: &str = "spec/load.rs";

#[test]
fn imports_run_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &src, &mut files);
    assert!(files.len() > 5, "the sources were not found");
    let found: Vec<String> = files.iter().flat_map(|(name, source)| violations(name, source)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Every source file, by its path below src/.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("src/") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let name = path.strip_prefix(root).expect("below src/").to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(&path).expect("a source file")));
        }
    }
}

/// What a file names that it must not.
fn violations(name: &str, source: &str) -> Vec<String> {
    // Tests may look where they like.
    let is_test = |part: &str| part == "tests" || part.ends_with("tests.rs");
    if name.split('/').any(is_test) {
        return Vec::new();
    }
    let module = name.split('/').next().expect("a path").trim_end_matches(".rs");
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(it, _)| *it == module) else {
        return vec![format!(
            "src/{name}: the module {module} has no place in the order of imports (tests/imports.rs)"
        )];
    };
    // `super` of the crate's own files leaves the module once their depth is used up.
    let depth = name.split('/').count() - usize::from(name.ends_with("/mod.rs"));
    let mut found = Vec::new();
    for path in paths(source) {
        let supers = path.iter().take_while(|it| *it == "super").count();
        if supers >= depth {
            found.push(format!("src/{name}: {} leaves the module: say crate::", path.join("::")));
        }
        if let [root, target, ..] = &path[..]
            && root == "crate"
            && target != module
            && target.starts_with(|c: char| c.is_ascii_lowercase())
            && !allowed.contains(&target.as_str())
        {
            found.push(format!("src/{name}: {module} must not import {target} ({})", path.join("::")));
        }
        let text = path.join("::");
        let effect = EFFECTS.iter().find(|it| text == **it || text.starts_with(&format!("{it}::")));
        let effect = effect.filter(|_| !NO_EFFECTS.contains(&&*text));
        if let Some(effect) = effect.filter(|it| PURE.contains(&module) && !(name == LOADER && **it == "std::fs")) {
            found.push(format!("src/{name}: {module} is pure and must not use {effect} ({text})"));
        }
    }
    found
}

/// Every path that a source names, the trees of `use` written out; up to its tests.
fn paths(source: &str) -> Vec<Vec<String>> {
    let tokens = tokens(source);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]", "mod"].map(str::to_owned)) {
            break;
        }
        if tokens[at] == "use" {
            at = use_tree(&tokens, at + 1, &[], &mut paths);
        } else if is_word(&tokens[at]) && tokens.get(at + 1).is_some_and(|it| it == "::") {
            at = use_tree(&tokens, at, &[], &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads one path, or a tree of them in braces, from `at`; yields where it ends.
fn use_tree(tokens: &[String], mut at: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(at) {
        if token == "{" && tokens.get(at.wrapping_sub(1)).is_some_and(|it| it == "::" || it == "use") {
            at += 1;
            while tokens.get(at).is_some_and(|it| it != "}") {
                let next = use_tree(tokens, at, &path, paths);
                // A comma, or something that is no path (`*`).
                at = if next == at { at + 1 } else { next };
            }
            return at + 1;
        }
        if is_word(token) && tokens.get(at + 1).is_some_and(|it| it == "::") {
            path.push(token.clone());
            at += 2;
        } else if is_word(token) {
            path.push(token.clone());
            at += 1;
            break;
        } else {
            break;
        }
    }
    if path.len() > before.len() {
        paths.push(path);
    }
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Words, `::` and single other characters; comments and string contents left out.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in source.lines().map(code) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if word > 0 { word } else { if rest.starts_with("::") { 2 } else { first.len_utf8() } };
            tokens.push(rest[..length].to_owned());
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// A line without its comment and without what stands in quotes. Good enough for rustfmt's lines: what it mistakes is
/// text, and a text that spells a forbidden path deserves a look.
fn code(line: &str) -> String {
    let mut kept = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => drop(chars.next()),
            '"' => quoted = !quoted,
            '/' if !quoted && chars.peek() == Some(&'/') => break,
            c if !quoted => kept.push(c),
            _ => {}
        }
    }
    kept
}

#[test]
fn what_must_not_be_is_found() {
    let cases = [
        ("model/name.rs", "use crate::op::Op;", "model must not import op"),
        (
            "kind/bridge.rs",
            "use crate::{\n    model::{Mac, Netns},\n    kernel::Kernel,\n};",
            "kind must not import kernel",
        ),
        ("plan/build.rs", "fn f() { crate::exec::run() }", "plan must not import exec"),
        ("kernel/link.rs", "use crate::plan;", "kernel must not import plan"),
        ("exec/mod.rs", "use crate::cli::args;", "exec must not import cli"),
        ("spec/mod.rs", "use std::{collections::BTreeMap, fs};", "must not use std::fs"),
        ("diff.rs", "let now = std::time::Instant::now();", "must not use std::time::Instant"),
        ("graph.rs", "use tokio::sync::mpsc;", "must not use tokio"),
        ("kind/route.rs", "use super::super::kernel;", "leaves the module"),
        ("kind/mod.rs", "use super::kernel;", "leaves the module"),
        ("diff.rs", "use super::kernel;", "leaves the module"),
        ("elsewhere/mod.rs", "", "has no place in the order"),
    ];
    for (name, source, wanted) in cases {
        let found = violations(name, source).join("\n");
        assert!(found.contains(wanted), "{name}: {source}\nwanted: {wanted}\nfound: {found}");
    }
}

#[test]
fn what_may_be_is_left_alone() {
    let cases = [
        ("kind/route.rs", "use super::{namespace, steps::Steps};\nuse crate::{model::Netns, op::Op};"),
        ("op.rs", "//! Like crate::kernel.\nuse crate::model::Mac; // tokio::spawn"),
        ("model/name.rs", "let text = \"crate::kernel::run\";"),
        ("spec/load.rs", "use std::fs;"),
        ("kind/link.rs", "use crate::model::Mac;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}"),
        ("spec/tests/bad.rs", "use std::fs;"),
        ("cli/apply.rs", "use crate::{exec, kernel, plan::Plan};\nuse tokio::runtime;"),
    ];
    for (name, source) in cases {
        assert_eq!(violations(name, source), Vec::<String>::new(), "{name}: {source}");
    }
}
