//! The codes that the sources have: words `"area::what"` outside of tests.

use std::{collections::BTreeMap, fs, path::Path};

/// Every code, with a file that has it.
pub fn codes() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut codes = BTreeMap::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(root).unwrap().display().to_string();
                codes.extend(in_text(shipped(&path, &text)).map(|code| (code.to_owned(), name.clone())));
            }
        }
    }
    codes
}

/// A file's text without its tests.
fn shipped<'t>(path: &Path, text: &'t str) -> &'t str {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_test = stem == "tests" || stem.ends_with("_tests") || path.components().any(|it| it.as_os_str() == "tests");
    match text.find("#[cfg(test)]\nmod tests {") {
        _ if is_test => "",
        Some(tests) => text.get(..tests).unwrap_or_default(),
        None => text,
    }
}

/// The codes in a text.
fn in_text(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|word| is_code(word))
}

fn is_code(word: &str) -> bool {
    word.split_once("::").is_some_and(|(area, what)| {
        let letters = |text: &str, others: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || others.contains(c))
        };
        letters(area, "") && letters(what, "_0123456789")
    })
}
