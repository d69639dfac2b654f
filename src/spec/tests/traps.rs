//! Words that mean something else to other readers of YAML: each is what its author meant, or refused with what to write.

use super::{super::*, good};

/// Words that some reader of YAML takes for no text.
const WORDS: &[&str] = &[
    "no",
    "yes",
    "on",
    "off",
    "y",
    "n",
    "True",
    "FALSE",
    "true",
    "22:22",
    "1:30",
    "190:20:30",
    "010",
    "0o10",
    "0x1F",
    "0b1",
    "1e3",
    "1_000",
    ".5",
    "5.",
    "1.0",
    "+1",
    "-0",
    "00",
    "=",
    "<<",
    ".inf",
    ".nan",
    "2020-01-01",
    "2020-01-01T00:00:00Z",
];

/// Every message about a file, with its help.
fn said(text: &str, format: Format) -> String {
    let (_, _, diagnostics) = parse(text.as_bytes(), "lab", format);
    let all =
        diagnostics.0.iter().map(|it| format!("{}: {} [{}]", it.code, it.message, it.help.as_deref().unwrap_or("-")));
    all.collect::<Vec<_>>().join("; ")
}

/// What is said of each word where `file` has it.
fn of_each(words: &[&str], format: Format, file: impl Fn(&str) -> String) -> String {
    words.iter().map(|word| format!("{word:<20} {}\n", said(&file(word), format))).collect()
}

#[test]
fn text_is_what_is_written() {
    for word in WORDS {
        let (_, file) = good(&format!("name: a\ndescription: {word}\n"), Format::Yaml);
        assert_eq!(file.description.as_deref(), Some(*word));
    }
}

#[test]
fn names_are_what_is_written() {
    let is_name = |word: &&&str| word.starts_with(|c: char| c.is_ascii_alphanumeric()) && !word.contains([':', '=']);
    let names: Vec<&str> = WORDS.iter().filter(is_name).copied().collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let text = format!(
            "name: a\nnamespaces: {{ {name}: {{}}, w: {{}} }}\nbridges: {{ b: {{ interface: e{name}, namespace: {name} }} }}\n\
             links: [{{ name: {name}, endpoints: [{name}:e0, w:e0] }}]\nchecks: {{ from: {name}, to: w }}"
        );
        let (_, file) = good(&text, Format::Yaml);
        assert_eq!(file.namespaces.keys().next().unwrap().as_str(), name);
        assert_eq!(file.links[0].name.as_ref().unwrap().as_str(), name);
        assert_eq!(file.bridges.values().next().unwrap().interface.as_ref().unwrap().as_str(), format!("e{name}"));
        assert_eq!(file.checks[0].from.as_str(), name);
    }
}

#[test]
fn values_of_variables_are_what_is_written() {
    for word in WORDS.iter().filter(|word| !matches!(**word, "-0")) {
        let (_, file) = good(&format!("name: a\nvars: {{ v: {word} }}\ndescription: x$v\n"), Format::Yaml);
        assert_eq!(file.description, Some(format!("x{word}")));
    }
}

#[test]
fn what_says_nothing_is_left_out() {
    for word in ["~", "null", "Null", "NULL", ""] {
        let text = format!(
            "name: a\ndescription: {word}\nbridges:\n  b:\n    mtu: {word}\n    stp: {word}\n    mac: {word}\n"
        );
        let (_, file) = good(&text, Format::Yaml);
        let bridge = file.bridges.values().next().unwrap();
        assert!(file.description.is_none() && bridge.mtu.is_none() && bridge.mac.is_none() && bridge.stp.is_none());
    }
    let (_, file) = good("name: a\ndescription: 'null'\n", Format::Yaml);
    assert_eq!(file.description.as_deref(), Some("null"));
}

#[test]
fn numbers_of_toml_are_those_of_toml() {
    for number in ["1500", "1_500", "0x5DC", "0o2734", "0b10111011100", "+1500"] {
        let (_, file) = good(&format!("name = 'a'\n[bridges.b]\nmtu = {number}\n"), Format::Toml);
        assert_eq!(file.bridges.values().next().unwrap().mtu.as_ref().map(|mtu| u64::from(mtu.value)), Some(1500));
    }
}

#[test]
fn what_no_number_can_be_is_refused_with_what_to_write() {
    let numbers = of_each(WORDS, Format::Yaml, |word| format!("name: a\nbridges: {{ b: {{ mtu: {word} }} }}"));
    let json = of_each(&["1e3", "1500.0", "1.5", "\"1500\""], Format::Json, |word| {
        format!(r#"{{"name": "a", "bridges": {{"b": {{"mtu": {word}}}}}}}"#)
    });
    let toml = of_each(&["1e3", "1500.0", "inf", "2020-01-01", "'1500'"], Format::Toml, |word| {
        format!("name = 'a'\n[bridges.b]\nmtu = {word}\n")
    });
    insta::assert_snapshot!(format!("{numbers}\nJSON\n{json}\nTOML\n{toml}"));
}

#[test]
fn what_is_neither_true_nor_false_is_refused_with_what_to_write() {
    let words: Vec<&str> = WORDS.iter().filter(|word| **word != "true").copied().collect();
    let mut all = of_each(&words, Format::Yaml, |word| format!("name: a\nbridges: {{ b: {{ stp: {word} }} }}"));
    all +=
        &of_each(&["'true'", "\"no\""], Format::Yaml, |word| format!("name: a\nbridges: {{ b: {{ stp: {word} }} }}"));
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_no_port_is_refused_with_what_to_write() {
    let listen = of_each(WORDS, Format::Yaml, |word| format!("name: a\nport_forwards: {{ listen: {word}, to: w }}"));
    let ranges = of_each(&["80:8080", "80-90:80-90", "1_000-2_000", "'010'"], Format::Yaml, |word| {
        format!("name: a\nport_forwards: {{ listen: {word}, to: w }}")
    });
    let checks = of_each(&["no", "22:22", "010", "1e3", "'80'", "'web'"], Format::Yaml, |word| {
        format!("name: a\nchecks: {{ from: w, to: v, tcp: {word} }}")
    });
    insta::assert_snapshot!(format!("{listen}\n{ranges}\nchecks\n{checks}"));
}

#[test]
fn what_a_sysctl_would_be_is_asked_where_it_is_not_certain() {
    let file = |value: &str| format!("name: a\nnamespaces: {{ w: {{ sysctls: {{ net.a: {value} }} }} }}");
    let value = |text: &str| {
        let (_, file) = good(&file(text), Format::Yaml);
        file.namespaces[0].sysctls.values().next().unwrap().value.clone()
    };
    for (written, set) in [
        ("0", "0"),
        ("1", "1"),
        ("true", "1"),
        ("false", "0"),
        ("-1", "-1"),
        ("cubic", "cubic"),
        ("4096 87380 6291456", "4096 87380 6291456"),
    ] {
        assert_eq!(value(written), set);
    }
    // In quotes it is written as it stands.
    for word in WORDS {
        assert_eq!(value(&format!("'{word}'")), *word);
    }
    let asked: Vec<&str> = WORDS.iter().filter(|word| **word != "true").copied().collect();
    insta::assert_snapshot!(of_each(&asked, Format::Yaml, file));
}

#[test]
fn conditions_compare_what_can_be_equal() {
    let words = [
        "no",
        "Yes",
        "on",
        "True",
        "010",
        "$n",
        "$n == 010",
        "$n == 1e3",
        "$n == 0x2",
        "$n == '2'",
        "$t == 3",
        "$n == $t",
        "$n != two",
        "$on == yes",
        "$on == 'true'",
        "$on == web",
        "${n + 010}",
        "${n > t}",
        "$n > 1_0",
    ];
    insta::assert_snapshot!(of_each(&words, Format::Yaml, |word| {
        format!(
            "name: a\nvars: {{ n: 2, t: '3', on: true }}\ndescription: $n $t $on\nnamespaces: {{ w: {{ when: \"{word}\" }} }}"
        )
    }));
}
