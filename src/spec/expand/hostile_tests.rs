//! Files that would grow without end, nest without end, or are broken where they are included: refused with a place, in
//! bounded time and memory.

use std::{collections::BTreeSet, path::Path};

use super::super::*;
use crate::report::diagnostic::{Style, render};

/// The first of `files` with the others beside it.
fn load_files(files: &[(&str, &[u8])]) -> Loaded {
    let [(path, bytes), ..] = files else { panic!("no file") };
    let fetch = &mut |path: &Path| match files.iter().find(|(name, _)| Path::new(name) == path) {
        Some((_, bytes)) => Ok(bytes.to_vec()),
        None => Err("no such file or directory".to_owned()),
    };
    let surroundings = Surroundings { name: None, given: BTreeMap::new(), fetch };
    let mut loaded = load(bytes, path, Format::of_path(path).unwrap(), surroundings);
    loaded.copies.explain(&mut loaded.diagnostics);
    for diagnostic in &loaded.diagnostics.0 {
        assert!(diagnostic.code == "file::many" || !diagnostic.labels.is_empty(), "no place: {diagnostic:?}");
        assert!(diagnostic.message.len() < 3 * WORDS_MAX, "long: {diagnostic:?}");
        for label in &diagnostic.labels {
            assert!(label.text.len() < 3 * WORDS_MAX, "long: {diagnostic:?}");
            assert!(
                loaded.sources[label.span.source as usize].text.get(label.span.range()).is_some(),
                "{diagnostic:?}"
            );
        }
    }
    loaded
}

/// The codes of what is wrong with a YAML file, each once.
fn codes(text: &str) -> Vec<&'static str> {
    let codes: BTreeSet<_> =
        load_files(&[("lab.yaml", text.as_bytes())]).diagnostics.0.iter().map(|it| it.code).collect();
    codes.into_iter().collect()
}

/// Variables `a0` to `a{count - 1}`, each as `text` says with the number of the one before it.
fn ladder(first: &str, count: usize, text: impl Fn(usize) -> String) -> String {
    let rest: String = (1..count).map(|n| format!("  a{n}: {}\n", text(n - 1))).collect();
    format!("name: a\nvars:\n  a0: {first}\n{rest}")
}

/// A text of a mebibyte.
fn long() -> String {
    "x".repeat(1 << 20)
}

#[test]
fn variables_that_double_themselves_are_stopped() {
    let lists = ladder("[1, 2]", 60, |n| format!("[$a{n}, $a{n}]"));
    assert_eq!(codes(&format!("{lists}namespaces: {{ w$i: {{ for: {{ i: $a59 }} }} }}")), ["vars::limit"]);
    let texts = ladder("xxxxxxxxxx", 40, |n| format!("$a{n}$a{n}$a{n}$a{n}"));
    assert_eq!(codes(&format!("{texts}description: $a39")), ["vars::limit"]);
}

#[test]
fn a_long_variable_that_is_used_again_and_again_is_stopped() {
    let uses = |entry: &str| {
        let entries: String = (0..1000).map(|n| format!("  w{n}: {entry}\n")).collect();
        format!(
            "name: a\nvars:\n  big: {}\n  many: [{}]\nnamespaces:\n{entries}",
            long(),
            vec!["1"; 100_000].join(", ")
        )
    };
    for entry in
        ["{ loopback: $big }", "{ when: $big == $big }", "{ when: $many == $many }", "{ when: '${many == many}' }"]
    {
        assert!(codes(&uses(entry)).contains(&"vars::limit"), "{entry}");
    }
}

#[test]
fn what_is_wrong_with_a_long_value_is_said_in_few_words() {
    let vars = format!("name: a\nvars:\n  big: {}\n  many: [{}]\n", long(), vec!["1"; 10_000].join(", "));
    for wrong in [
        "namespaces: { w: { when: $big } }",
        "namespaces: { w: { when: $many } }",
        "description: x$many",
        "description: '${big:2}'",
        "namespaces: { w$i: { for: { i: $big } } }",
        "namespaces: { w$i: { for: { i: 1..$big } } }",
        "namespaces: { w$i: { for: { x: [$big], i: 1..2 }, mtu: $y } }",
        "namespaces: { w: { when: $undefined$big } }",
    ] {
        assert_ne!(codes(&format!("{vars}{wrong}")), [""; 0], "{wrong}");
    }
}

#[test]
fn variables_that_are_made_of_others_without_end_are_stopped() {
    let chain = |count: usize| {
        let back = (0..count).map(|n| format!("  a{n}: $a{}\n", n + 1)).collect::<String>();
        format!("name: a\ndescription: $a0\nvars:\n{back}  a{count}: x\nnamespaces: {{ w: {{}} }}")
    };
    assert_eq!(codes(&chain(60)), [""; 0]);
    assert_eq!(codes(&chain(10_000)), ["vars::limit"]);
    let lists = ladder("[1]", 10_000, |n| format!("[$a{n}]"));
    assert_eq!(codes(&format!("{lists}namespaces: {{ w$i: {{ for: {{ i: $a9999 }} }} }}")), ["vars::limit"]);
}

#[test]
fn a_list_in_a_list_gives_its_items_where_it_is_a_variable_and_is_refused_where_it_is_not() {
    let text = |values: &str| {
        format!("name: a\nvars: {{ a: [x, y], b: [$a, z, $a] }}\nnamespaces: {{ w$i: {{ for: {{ i: {values} }} }} }}")
    };
    let names = |values: &str| {
        let loaded = load_files(&[("lab.yaml", text(values).as_bytes())]);
        loaded.file.unwrap().namespaces.keys().map(|key| key.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("[$a, 1..2]"), ["wx", "wy", "w1", "w2"]);
    assert_eq!(codes(&text("$b")), ["key::duplicate"]);
    assert_eq!(names("$b"), ["wx", "wy", "wz"]);
    assert_eq!(codes(&text("[[1, 2], $a]")), ["vars::value"]);
    assert_eq!(codes("name: a\nvars: { a: [[1]] }\ndescription: ${a == a}"), ["vars::value"]);
}

#[test]
fn expressions_and_loops_that_are_too_long_are_refused() {
    for operator in ["+", "&&", "==", "*"] {
        let text = vec!["1"; 10_000].join(operator);
        assert_eq!(codes(&format!("name: a\ndescription: ${{{text}}}")), ["vars::expression"], "{operator}");
        assert_eq!(codes(&format!("name: a\nnamespaces: {{ w: {{ when: '{text}' }} }}")), ["vars::expression"]);
    }
    let most = vec!["1"; 201].join("+");
    assert_eq!(codes(&format!("name: a\nnamespaces: {{ w: {{ sysctls: {{ net.a: '${{{most}}}' }} }} }}")), [""; 0]);
    let variables: Vec<String> = (0..10_000).map(|n| format!("a{n}: [1]")).collect();
    let many =
        |count: usize| format!("name: a\nnamespaces: {{ w$a0: {{ for: {{ {} }} }} }}", variables[..count].join(", "));
    assert_eq!(codes(&many(32)), [""; 0]);
    assert_eq!(codes(&many(33)), ["for::limit"]);
    assert_eq!(codes(&many(10_000)), ["for::limit"]);
    assert_eq!(codes(&format!("name: a\nvars: {{ {}: 1 }}", "n".repeat(65))), ["vars::name"]);
}

#[test]
fn a_loop_that_makes_little_and_reads_much_is_stopped() {
    let long = long();
    for body in [
        format!("for: {{ i: 1..262144 }}, when: \"'{long}' == $i\""),
        format!("for: {{ i: 1..262144 }}, routes: [{{ when: \"'{long}' == $i\" }}]"),
        format!("for: {{ i: 1..262144, j: [{long}], k: 1..0 }}"),
        format!("for: {{ j: [{long}], i: 1..262144 }}, when: false"),
        format!("for: {{ i: 1..262144 }}, loopback: \"${{'{long}' == i}}\""),
        format!("for: {{ i: 1..262144 }}, sysctls: {{ ? {long} : {{ for: {{ j: 1..2 }} }} }}"),
        format!("for: {{ i: 1..262144 }}, sysctls: {{ net.a: {long} }}"),
    ] {
        let found = codes(&format!("name: a\nnamespaces: {{ w$i: {{ {body} }} }}"));
        assert!(found.contains(&"for::limit"), "{found:?}: {}", &body[..100]);
    }
}

#[test]
fn aliases_and_merge_keys_are_taken_before_loops_are() {
    let text = "name: a\nx-many: &many { for: { i: &range [1..2, 4] }, addresses: &two [10.0.0.1/24, 10.0.0.2/24] }\n\
                namespaces:\n  a$i: { <<: *many, loopback: false }\n  b$i: { for: { i: *range }, when: $i > 1, addresses: *two }\n\
                \x20 c$i: { <<: *many, for: { i: [7] } }\n";
    let loaded = load_files(&[("lab.yaml", text.as_bytes())]);
    assert_eq!(loaded.diagnostics, Diagnostics::default());
    let namespaces = loaded.file.unwrap().namespaces;
    assert_eq!(namespaces.keys().map(|key| key.as_str()).collect::<Vec<_>>(), ["a1", "a2", "a4", "b2", "b4", "c7"]);
    assert!(namespaces.values().all(|it| it.addresses.as_ref().is_some_and(|all| all.len() == 2)));

    let bomb = (1..9).fold("x-a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n".to_owned(), |text, n| {
        format!("{text}x-a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
    });
    assert_eq!(codes(&format!("name: a\n{bomb}namespaces: {{ w$i: {{ for: {{ i: *a8 }} }} }}")), ["file::alias_bomb"]);
}

#[test]
fn a_hundred_thousand_keys_and_unknown_variables_are_read() {
    let keys: String = (0..100_000).map(|n| format!("x-{n}: 1\n")).collect();
    assert_eq!(codes(&format!("name: a\ninclude: []\n{keys}")), [""; 0]);
    let names: String = (0..50_000).map(|n| format!("  variable{n}: 1\n")).collect();
    let uses: String = (0..50_000).map(|n| format!("  w{n}: {{ mtu: $varible{n} }}\n")).collect();
    assert!(codes(&format!("name: a\nvars:\n{names}namespaces:\n{uses}")).contains(&"vars::undefined"));
}

#[test]
fn includes_are_bounded_in_number_and_size() {
    let many: Vec<String> = (0..300).map(|n| format!("a{n}.yaml")).collect();
    let text = |count: usize| format!("name: a\ninclude: [{}]\n", many[..count].join(", "));
    let included = |count: usize, part: &str| {
        let text = text(count);
        let parts = many.iter().map(|name| (name.as_str(), part.as_bytes()));
        let files: Vec<_> = std::iter::once(("lab.yaml", text.as_bytes())).chain(parts).collect();
        let loaded = load_files(&files);
        loaded.diagnostics.0.iter().map(|it| it.code).collect::<Vec<_>>()
    };
    assert_eq!(included(256, "links: []"), [""; 0]);
    assert_eq!(included(257, "links: []"), ["include::limit"]);
    assert_eq!(included(300, "links: []"), ["include::limit"]);
    assert_eq!(included(3, &format!("links: []\nx-a: {}", "x".repeat(2 << 20))), [""; 0]);
    assert_eq!(included(5, &format!("links: []\nx-a: {}", "x".repeat(2 << 20))), ["include::limit"]);
    let missing = load_files(&[("lab.yaml", text(300).as_bytes())]).diagnostics.0;
    assert_eq!(missing.iter().filter(|it| it.code == "include::limit").count(), 1);
}

#[test]
fn files_nest_by_includes_as_deep_as_there_may_be_files() {
    let names: Vec<String> = (0..300).map(|n| format!("a{n}.yaml")).collect();
    let texts: Vec<String> = (1..=300).map(|n| format!("name: a\ninclude: a{n}.yaml\n")).collect();
    let files: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    assert_eq!(load_files(&files).diagnostics.0.iter().map(|it| it.code).collect::<Vec<_>>(), ["include::limit"]);
}

#[test]
fn a_place_in_text_that_variables_made_is_no_place_in_the_file() {
    // What the `$$` comes to is shorter than what is written, and would end within the last letter.
    assert_eq!(codes("name: a\nnamespaces: { w$i: { for: { i: '..$$$Ѱ' } } }"), ["for::values"]);
    assert_eq!(codes("name: a\nvars: { n: é }\nnamespaces: { w$i: { for: { i: '$n..$nÄ' } } }"), ["for::values"]);
}

/// What is said of a file that includes these.
fn included(files: &[(&str, &[u8])]) -> String {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let text = format!("name: a\ninclude: [{}]\nnamespaces: {{ w: {{}} }}\n", names.join(", "));
    let mut all = vec![("lab.yaml", text.as_bytes())];
    all.extend(files);
    let loaded = load_files(&all);
    render(&loaded.diagnostics, &loaded.sources, Style::default())
}

#[test]
fn an_included_file_with_marks_and_line_endings_is_read() {
    let files: [(&str, &[u8]); 3] = [
        ("bom.yaml", b"\xef\xbb\xbfbridges:\r\n  b$i: { for: { i: 1..2 } }\r\n"),
        ("bom.toml", b"\xef\xbb\xbf[namespaces.t]\r\nloopback = true\r\n"),
        ("bom.json", b"\xef\xbb\xbf{\r\n\t\"namespaces\": { \"j\": {} }\r\n}\r\n"),
    ];
    assert_eq!(included(&files), "\n");
}

#[test]
fn what_is_wrong_with_an_included_file_is_shown_in_it() {
    let deep = format!("x-a: {}", "[".repeat(1000));
    let files: [(&str, &[u8]); 9] = [
        ("latin1.yaml", b"description: caf\xe9\n"),
        ("utf16.json", b"\xff\xfe{\0}\0"),
        ("binary.toml", b"\x7fELF\x02\x01\x01\0\0\0\x03\0>\0"),
        ("tab.yaml", b"namespaces:\n\tx: {}\n"),
        ("twice.toml", b"[namespaces.y]\nloopback = true\nloopback = false\n"),
        ("twice.json", b"{\"bridges\": {\"z\": {}, \"z\": {}}}"),
        ("same.yaml", b"vars: { n: w }\nnamespaces:\n  $n: {}\n  u$i: { for: { i: [1, 1] } }\n"),
        ("deep.yaml", deep.as_bytes()),
        ("empty.toml", b"\r\n"),
    ];
    insta::assert_snapshot!(included(&files));
}
