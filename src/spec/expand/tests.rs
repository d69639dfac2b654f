use std::path::Path;

use super::super::*;
use crate::report::diagnostic::{Style as Drawing, render};

/// A file with others beside it, and what is set of its variables on the command line.
struct Case<'a> {
    files: &'a [(&'a str, &'a str)],
    vars: &'a [(&'a str, &'a str)],
}

fn load_case(case: &Case<'_>, name: Option<&str>) -> Loaded {
    let [(path, text), ..] = case.files else { panic!("no file") };
    let given = |(name, text): &(&str, &str)| ((*name).to_owned(), Given { text: (*text).to_owned(), must: true });
    let fetch = &mut |path: &Path| match case.files.iter().find(|(name, _)| Path::new(name) == path) {
        Some((_, text)) => Ok(text.as_bytes().to_vec()),
        None => Err("no such file or directory".to_owned()),
    };
    let name = name.map(|name| name.parse().unwrap());
    let surroundings = Surroundings { name: name.as_ref(), given: case.vars.iter().map(given).collect(), fetch };
    load(text.as_bytes(), path, Format::of_path(path).unwrap(), surroundings)
}

fn yaml(text: &str) -> Loaded {
    load_case(&Case { files: &[("lab.yaml", text)], vars: &[] }, None)
}

/// What is said of a case, drawn.
fn said(case: &Case<'_>) -> String {
    let mut loaded = load_case(case, None);
    if let Some(file) = &loaded.file {
        loaded.diagnostics.0.extend(resolve::resolve(file).1.0);
    }
    loaded.diagnostics.sort();
    loaded.copies.explain(&mut loaded.diagnostics);
    render(&loaded.diagnostics, &loaded.sources, Drawing::default())
}

/// Everything of a file but its places.
fn shape(loaded: &Loaded) -> String {
    assert!(!loaded.diagnostics.has_errors(), "{:#?}", loaded.diagnostics);
    format!("{:#?}", resolve::resolve(loaded.file.as_ref().unwrap()))
}

#[track_caller]
fn same(short: &str, long: &str) {
    assert_eq!(shape(&yaml(short)), shape(&yaml(long)));
}

#[test]
fn many_are_made_from_one_as_if_written_out() {
    same(
        "name: a\nvars: { n: 2 }\nnamespaces:\n  s$s: { for: { s: 1..$n }, forwarding: true }\n  l$l: { for: { l: 1..$n } }\n\
         links:\n  - { for: { s: 1..2, l: 1..2 }, subnet: '10.0.${2*s+l}.0/31', endpoints: ['s$s:e$l', 'l$l:e$s'] }",
        "name: a\nnamespaces:\n  s1: { forwarding: true }\n  s2: { forwarding: true }\n  l1: {}\n  l2: {}\nlinks:\n\
         \x20 - { subnet: 10.0.3.0/31, endpoints: ['s1:e1', 'l1:e1'] }\n  - { subnet: 10.0.4.0/31, endpoints: ['s1:e2', 'l2:e1'] }\n\
         \x20 - { subnet: 10.0.5.0/31, endpoints: ['s2:e1', 'l1:e2'] }\n  - { subnet: 10.0.6.0/31, endpoints: ['s2:e2', 'l2:e2'] }",
    );
}

#[test]
fn lists_of_words_and_ranges_give_values_and_when_leaves_out() {
    same(
        "name: a\nnamespaces:\n  $x: { for: { x: [web, db, 1..2] }, when: $x != db }\n  lone: { when: false }",
        "name: a\nnamespaces: { web: {}, '1': {}, '2': {} }",
    );
}

#[test]
fn variables_stand_in_any_value_key_and_part_of_it() {
    same(
        "name: a-$who\nvars: { who: b, mtu: 9000, on: true, both: '${who}x' }\nprefix: ${name}-\n\
         namespaces:\n  $both: { forwarding: $on, sysctls: { net.ipv4.tcp_$who: 2 } }\n\
         bridges: { br0: { mtu: $mtu, stp: '${mtu > 1500 && !on || who == \"b\"}', description$$: 1 } }"
            .replace(", description$$: 1", "")
            .as_str(),
        "name: a-b\nprefix: a-b-\nnamespaces:\n  bx: { forwarding: true, sysctls: { net.ipv4.tcp_b: 2 } }\n\
         bridges: { br0: { mtu: 9000, stp: true } }",
    );
}

#[test]
fn numbers_are_written_as_wide_and_in_hexadecimal_as_asked() {
    same(
        "name: a\nnamespaces: { 'n${i:2}': { for: { i: 9..10 } } }\nbridges: { br0: { mac: '02:00:00:00:00:${26:2x}' } }",
        "name: a\nnamespaces: { n09: {}, n10: {} }\nbridges: { br0: { mac: '02:00:00:00:00:1a' } }",
    );
}

#[test]
fn an_item_that_is_no_map_stands_under_value() {
    same(
        "name: a\nbridges:\n  br0:\n    addresses: [{ for: { i: 1..2 }, value: [10.$i.0.1/24, 'fd00:$i::1/64'] }, { when: false, value: 10.9.0.1/24 }]\n\
         namespaces: { w: { sysctls: { net.ipv4.tcp_e$i: { for: { i: 0..1 }, value: 2 } } } }",
        "name: a\nbridges: { br0: { addresses: [10.1.0.1/24, 'fd00:1::1/64', 10.2.0.1/24, 'fd00:2::1/64'] } }\n\
         namespaces: { w: { sysctls: { net.ipv4.tcp_e0: 2, net.ipv4.tcp_e1: 2 } } }",
    );
}

#[test]
fn any_key_may_be_left_out_by_a_when_and_a_list_may_lose_its_items() {
    same(
        "name: a\nvars: { s: false }\ndescription: { when: $s, value: b }\nprefix: { when: '!$s', value: '${name}-' }\nipv6: { when: true, value: false }\n\
         nat: { when: $s, masquerade: 10.0.0.0/8 }\nchecks: { for: { i: 2..1 }, from: w, to: w }\n\
         bridges: { br0: { mtu: { when: $s, value: 1400 }, addresses: { when: '!$s', value: [10.0.0.1/24] }, stp: { when: true, value: true } } }\n\
         namespaces: { w: {}, v: {} }\nlinks:\n  - { mtu: { when: $s, value: 1400 }, endpoints: ['w:e0', br0] }\n\
         \x20 - endpoints: [{ namespace: v, interface: e0, addresses: { when: $s, value: [10.0.0.7/24] } }, br0]\n\
         \x20 - endpoints: [{ namespace: v, interface: e1, addresses: [{ when: $s, value: 10.0.0.8/24 }] }, br0]",
        "name: a\nprefix: a-\nipv6: false\nbridges: { br0: { addresses: [10.0.0.1/24], stp: true } }\nnamespaces: { w: {}, v: {} }\nlinks:\n\
         \x20 - endpoints: ['w:e0', br0]\n  - endpoints: ['v:e0', br0]\n  - endpoints: [{ namespace: v, interface: e1, addresses: [] }, br0]",
    );
    let name = yaml("name: { when: true, value: a }\nprefix: ${name}-");
    assert!(name.diagnostics.0.iter().any(|it| it.message == "`name` must be a topology name, not a map"));
}

#[test]
fn a_list_of_one_may_be_many_and_an_empty_range_makes_nothing() {
    same(
        "name: a\nbridges: { br0: {} }\nnamespaces: { w$i: { for: { i: 1..2 } }, x$i: { for: { i: 1..0 } } }\n\
         links: { for: { i: 1..2 }, endpoints: ['w$i:e0', br0] }\nchecks: { for: { i: 2..1 }, from: w$i, to: w1 }",
        "name: a\nbridges: { br0: {} }\nnamespaces: { w1: {}, w2: {} }\nlinks: [{ endpoints: ['w1:e0', br0] }, { endpoints: ['w2:e0', br0] }]",
    );
}

#[test]
fn a_range_is_one_wherever_it_stands_among_values() {
    same(
        "name: a\nvars: { r: 1..2, m: [4..5, 7], n: [$r, x] }\nnamespaces:\n  a$i: { for: { i: [$r, 9] } }\n  b$i: { for: { i: $m } }\n\
         \x20 c$i: { for: { i: [$m, $n] } }\n  d$j: { for: { i: ['../x'], j: [1] }, when: $i == '../x' }",
        "name: a\nnamespaces: { a1: {}, a2: {}, a9: {}, b4: {}, b5: {}, b7: {}, c4: {}, c5: {}, c7: {}, c1: {}, c2: {}, cx: {}, d1: {} }",
    );
    for values in ["[1..x]", "[$t]", "$l", "$t", "../x"] {
        let loaded = yaml(&format!(
            "name: a\nvars: {{ t: 1..x, l: [$t] }}\nnamespaces: {{ a$i: {{ for: {{ i: {values} }} }} }}"
        ));
        let error = loaded.diagnostics.0.iter().find(|it| it.code == "for::values").unwrap();
        assert_eq!(
            loaded.sources[0].text[error.labels[0].span.range()].trim_matches(['[', ']']),
            values.trim_matches(['[', ']'])
        );
    }
}

#[test]
fn loops_stand_in_loops_and_their_ranges_go_by_those_around() {
    same(
        "name: a\nnamespaces:\n  w$i: { for: { i: 1..2, j: '$i..2' }, when: $j == 2, routes: { for: { k: 1..$i }, to: 10.$i.$k.0/24, dev: lo } }",
        "name: a\nnamespaces:\n  w1: { routes: { to: 10.1.1.0/24, dev: lo } }\n  w2: { routes: [{ to: 10.2.1.0/24, dev: lo }, { to: 10.2.2.0/24, dev: lo }] }",
    );
}

#[test]
fn a_dollar_sign_that_names_nothing_is_one_and_keys_of_others_are_left_alone() {
    let loaded = yaml("name: a\ndescription: 5$ or $5 or $$x\nx-y: { for: $nothing }");
    assert_eq!(loaded.diagnostics, Diagnostics::default());
    assert_eq!(loaded.file.unwrap().description.as_deref(), Some("5$ or $5 or $x"));
}

#[test]
fn a_variable_is_used_wherever_it_is_named() {
    let part = "vars: { i: 1, j: 2 }\ndescription: $i\nnamespaces: { $j: {} }\n";
    let text = "name: a\ninclude: part.yaml\ndescription: x\nvars: { a: 1, b: 1, c: 1, d: false, e: 1, f: 1, gone: 1 }\nx-y: { z: [$a] }\n\
                namespaces:\n  w$k: { for: { k: 2..1 }, sysctls: { net.x.$b: '${2*c}' } }\n  v: { when: $d && $e == 1, description: $f }\n\
                \x20 u: { addresses: [{ when: false, value: 5$$gone }] }\n";
    let loaded = load_case(&Case { files: &[("lab.yaml", text), ("part.yaml", part)], vars: &[] }, None);
    let said: Vec<&str> = loaded.diagnostics.0.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(said, ["nothing uses the variable `gone`"]);
}

#[test]
fn all_three_formats_expand_alike() {
    let yaml =
        "name: a\nvars: { n: 2 }\nnamespaces: { w$i: { for: { i: 1..$n } } }\nbridges: { b: { mtu: '${n*1000}' } }";
    let toml =
        "name = 'a'\nvars = { n = 2 }\n[namespaces.'w$i']\nfor = { i = '1..$n' }\n[bridges.b]\nmtu = '${n*1000}'";
    let json =
        r#"{"name":"a","vars":{"n":2},"namespaces":{"w$i":{"for":{"i":"1..$n"}}},"bridges":{"b":{"mtu":"${n*1000}"}}}"#;
    let of = |name: &str, text: &str| shape(&load_case(&Case { files: &[(name, text)], vars: &[] }, None));
    let all = [of("a.yaml", yaml), of("a.toml", toml), of("a.json", json)];
    assert!(all[0] == all[1] && all[1] == all[2] && all[0].contains("w2") && all[0].contains("2000"), "{}", all[0]);
}

const LAB: &str = "name: lab\ninclude: [parts/hosts.yaml, parts/net.toml]\nvars: { n: 3 }\nlinks: { for: { i: 1..$n }, endpoints: ['h$i:e0', br0] }\n";
const HOSTS: &str = "name: other\ninclude: common.yaml\nvars: { n: 1 }\nnamespaces: { h$i: { for: { i: 1..$n } } }\n";
const NET: &str = "include = ['common.yaml']\n[bridges.br0]\naddresses = ['$net.1/24']\n[[nat]]\nmasquerade = '$net.0/24'\n[[gateways]]\nbridge = 'br0'\n";
const COMMON: &str = "vars: { net: 10.0.0 }\nipv6: false\n";

#[test]
fn files_are_included_once_and_the_including_file_has_the_last_word() {
    let files =
        [("lab.yaml", LAB), ("parts/hosts.yaml", HOSTS), ("parts/net.toml", NET), ("parts/common.yaml", COMMON)];
    let loaded = load_case(&Case { files: &files, vars: &[("net", "10.7.0")] }, None);
    let long = "name: lab\nipv6: false\nnamespaces: { h1: {}, h2: {}, h3: {} }\nbridges: { br0: { addresses: 10.7.0.1/24 } }\n\
                nat: { masquerade: 10.7.0.0/24 }\ngateways: { bridge: br0 }\nlinks: [{ endpoints: ['h1:e0', br0] }, { endpoints: ['h2:e0', br0] }, { endpoints: ['h3:e0', br0] }]";
    assert_eq!(shape(&loaded), shape(&yaml(long)));
    assert_eq!(loaded.vars, [("net".to_owned(), "10.7.0".to_owned())].into());
    let read: Vec<&str> = loaded.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(read, ["lab.yaml", "parts/hosts.yaml", "parts/common.yaml", "parts/net.toml"]);
}

#[test]
fn the_name_of_the_command_line_is_the_name_everywhere() {
    let files = [("lab.yaml", "name: lab\nprefix: ${name}-\nnamespaces: { w: {} }")];
    let loaded = load_case(&Case { files: &files, vars: &[] }, Some("ci-7"));
    let file = loaded.file.unwrap();
    assert_eq!((file.name.as_str(), file.prefix.unwrap().as_str()), ("ci-7", "ci-7-"));
}

#[test]
fn what_is_set_is_of_the_kind_of_the_default() {
    let text = "name: a\nvars: { n: 1, t: x, l: [1, 2], on: false, must: }\n\
                description: '$n $t ${l == l} $on $must'\nnamespaces: { w$i: { for: { i: $l } } }";
    let set = |vars: &[(&str, &str)]| load_case(&Case { files: &[("lab.yaml", text)], vars }, None);
    let loaded = set(&[("n", "2"), ("t", "3"), ("l", "7,8"), ("on", "true"), ("must", "4")]);
    assert_eq!(loaded.file.as_ref().unwrap().description.as_deref(), Some("2 3 true true 4"));
    assert!(loaded.file.unwrap().namespaces.len() == 2 && !loaded.diagnostics.has_errors());
    for bad in [("n", "x"), ("on", "1"), ("l", "x"), ("n", "010")] {
        let codes: Vec<_> = set(&[bad, ("must", "x")]).diagnostics.0.iter().map(|it| it.code).collect();
        assert_eq!(codes, ["vars::kind"], "{bad:?}");
    }
}

#[test]
fn a_runaway_is_stopped() {
    for text in [
        "name: a\nnamespaces: { w$i: { for: { i: 1..9000000000000000000 } } }",
        "name: a\nnamespaces: { w$i: { for: { i: 1..9000000000000000000 }, when: false } }",
        "name: a\nnamespaces: { w$i-$j: { for: { i: 1..99999, j: 1..99999 } } }",
        "name: a\nlinks: { for: { i: 1..9000 }, a: { for: { i2: 1..9000 }, b: { for: { i3: 1..9000 }, c: x } } }",
    ] {
        let loaded = yaml(text);
        let limits = loaded.diagnostics.0.iter().filter(|it| it.code == "for::limit");
        assert_eq!(limits.count(), 1, "{text}");
    }
}

#[test]
fn what_a_runaway_made_before_it_was_stopped_is_not_judged_and_the_rest_is() {
    let text = "name: a\nbridges: { b0: { adresses: x } }\nchecks: [{ form: w }]\n\
                namespaces: { w$i: { for: { i: 1..42949672962 }, mtu: 1 }, v: { lopback: true }, u: { when: 1 } }\n\
                links: [{ for: { i: 1..2 }, endpoints: ['w$i:e0', gone] }, { endpoints: ['w1:e0', 'w2:e0'], mtuu: 9000 }]\n";
    let mut loaded = yaml(text);
    loaded.diagnostics.0.extend(resolve::resolve(loaded.file.as_ref().unwrap()).1.0);
    let said: Vec<&str> = loaded.diagnostics.0.iter().map(|it| it.message.as_str()).collect();
    insta::assert_snapshot!(said.join("\n"));
    assert!(loaded.file.unwrap().namespaces.keys().all(|name| !name.as_str().starts_with("w")));
}

/// Cases whose errors are drawn and read by a person.
macro_rules! drawn {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(said(&Case { files: &[("lab.yaml", $text)], vars: &[] }));
        }
    )*};
}

drawn! {
    variables_in_a_circle: "name: a\nvars: { w: $a, a: $b, b: '$c$c', c: [$a], d: $d }\ndescription: $w\n";
    variables_that_are_wrong: "name: a\nvars: { n: 4, m: $o, o: $m, p: $q, name: x, 1a: 2, must: , f: 1.5, d: { x: 1 } }\n\
        namespaces:\n  w$n: { forwarding: $yes }\n  leaf$l_x: { for: { l: 1..2 } }\n";
    all_that_is_wrong_in_one_scalar: "name: a\nvars: { n: 1, l: [1] }\ndescription: $a-${b + c * a}-$n-$a-$l-${1 / 0}-${x\n\
        namespaces: { w$x-$y: { when: $p != $q && $r }, v: { when: '$n == 1 || $z' } }\n";
    expressions_that_are_wrong: "name: a\nnamespaces:\n  'a${1 +}': {}\n  'b${1 / 0}': {}\n  'c${1': {}\n  'd${x x}': {}\n\
        \x20 'e${\"a\" + 1}': {}\n  'f${9223372036854775807 + 1}': {}\n  'g${1:z}': {}\n  'h${-1:x}': {}\n  'i${08}': {}\n  'j${[1]}': {}\n\
        \x20 'k${((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))}': {}\n";
    whens_that_are_wrong: "name: a\nnamespaces:\n  a$i: { for: { i: 1..2 }, when: $i = 2 }\n  b$i: { for: { i: 1..2 }, when: i == 2 }\n\
        \x20 c: { when: yes }\n  d: { when: [1] }\n  e: { when: 3 }\n  f: { when: 1 < x }\n  g: { when: }\n";
    fors_that_are_wrong: "name: a\nvars: { n: 4 }\nnamespaces:\n  leaf: { for: { l: 1..4 } }\n  a$i: { for: { i: 4 } }\n  b$i: { for: { i: 1..n } }\n\
        \x20 c$i: { for: i }\n  d$i: { for: [1, 2] }\n  e$n: { for: { n: 1..2 } }\n  f$i: { for: { i: 1..2, j: 1..2 } }\n  g$i: { for: { i: a } }\n\
        \x20 h$i: { for: { i: 1..2 }, routes: { for: { i: 1..2 }, to: default } }\n  i$i: { for: { i: [1, 1] } }\n  j$i: { for: { i: } }\n  k: { for: }\n\
        \x20 l: { for: , addresses: [{ for: , value: 10.0.0.1/32 }] }\nlinks: { for: { i: 1..2 }, value: [x] }\n";
    names_that_a_when_took_out: "name: a\nvars: { lan: false }\nbridges: { br0: { when: $lan } }\nnamespaces:\n  w$i: { for: { i: 1..3 }, when: $i != 2 }\n\
        links:\n  - endpoints: ['w1:e0', br0]\n  - { for: { i: 1..3 }, endpoints: ['w$i:e1 10.0.$i.1/24', 'host:e$i 10.0.$i.2/24'] }\nchecks: { from: w2, to: w5 }\n";
    fors_and_whens_that_are_misspelt: "name: a\nnamespaces:\n  w$i: { fro: { i: 1..2 }, sysctls: { net.ipv4.conf: { fox: { rp_filter: 1 } } } }\n  v: { wehn: true }\n\
        links:\n  - { fore: { i: 1..2 }, endpoints: ['w$i:e0 10.0.$i.1/24', 'host:e$i 10.0.$i.2/24'] }\nchecks: { form: { i: 1..2 }, to: w$i }\nnat: { wen: $x }\n";
    what_is_wrong_with_many_copies_is_said_once: "name: a\nbridges: { br0: {} }\nnamespaces: { w$i: { for: { i: 1..3 } } }\nlinks:\n\
        \x20 - { for: { i: 1..3 }, endpoints: ['w$i:eth0', br1] }\n  - { for: { i: 2..3 }, mtu: 1, endpoints: ['w$i:eth0', br0] }\n\
        \x20 - { for: { i: 1..4, j: 1..2 }, endpoints: ['w$i:e$j 10.0.0.1/24', br0] }\n";
}

#[test]
fn help_is_in_the_notation_of_the_file_that_it_is_about() {
    let part = "[namespaces.w]\nloopback = false\n[[links]]\nendpoints = ['w:e0']\n[[links]]\nendpoints = [{ namespace = 'w' }, { bridge = 'br0' }]\n\
                [[gateways]]\n[[namespaces.v.routes]]\nto = 'fd00::/64'\nnexthops = [{ via = 'fd01::1', dev = 'lo' }, { via = 'fd01::1', dev = 'lo' }]\n";
    let text = "name: a\ninclude: part.toml\nbridges: { br0: }\nlinks: [{ endpoints: [x] }]\nchecks: { from: w, to: w, when: [] }\n";
    let files = [("lab.yaml", text), ("part.toml", part)];
    let mut loaded = load_case(&Case { files: &files, vars: &[] }, None);
    loaded.diagnostics.0.extend(resolve::resolve(loaded.file.as_ref().unwrap()).1.0);
    let helps = loaded.diagnostics.0.iter().filter_map(|it| it.help.as_deref());
    insta::assert_snapshot!(helps.collect::<Vec<_>>().join("\n"));
    // On standard input no ending tells the format.
    let (_, _, found) = parse(br#"{"name": "a", "namespaces": {"w$i": {"for": 1}}}"#, "-", Format::Json);
    assert!(found.0[0].help.as_ref().unwrap().contains(r#""for": { "l": "1..4" }"#), "{found:?}");
}

#[test]
fn a_file_that_cannot_be_included_is_one_error() {
    for include in ["gone.yaml", "bad.json", "b.txt", "list.yaml"] {
        let text = format!(
            "include: {include}\nprefix: $site-\nnamespaces: {{ w: {{ mtuu: 1, sysctls: {{ net.a: $m }} }}, $v: {{}} }}\n\
             links:\n  - {{ for: {{ i: 1..$n }}, endpoints: ['w:e$i', br0] }}\n  - {{ endpoints: ['w:e9 10.0.1.1/24', 'v:e1 10.0.1.2/24'] }}\n\
             checks: {{ when: $on, from: q, to: w }}\n"
        );
        let files = [("lab.yaml", text.as_str()), ("bad.json", "{"), ("list.yaml", "[1]")];
        let mut loaded = load_case(&Case { files: &files, vars: &[("x", "1")] }, None);
        loaded.diagnostics.0.extend(resolve::resolve(loaded.file.as_ref().unwrap()).1.0);
        let codes: Vec<_> = loaded.diagnostics.0.iter().map(|it| it.code.split_once("::").unwrap().0).collect();
        // What is wrong beside it is said as well.
        assert!(codes.len() == 2 && codes.contains(&"key"), "{include}: {:?}", loaded.diagnostics);
    }
}

#[test]
fn includes_that_are_wrong() {
    let text = "name: a\ninclude: [gone.yaml, b.txt, a.yaml, bad.yaml, list.json, { x: 1 }, two.yaml, twice.yaml]\nnamespaces: { w: {} }\n";
    let files = [
        ("lab.yaml", text),
        ("a.yaml", "include: ./lab.yaml\nnamespaces: { w: { mtu: 1 } }\nlinks: { endpoints: [x, y] }"),
        ("bad.yaml", "namespaces: [\n"),
        ("list.json", "[1]"),
        ("two.yaml", "ipv6: true"),
        ("twice.yaml", "ipv6: false"),
    ];
    insta::assert_snapshot!(said(&Case { files: &files, vars: &[("nn", "4")] }));
}

#[test]
fn an_error_of_one_copy_is_told_beside_the_warning_of_another() {
    // The kernel takes a next hop that is oneself with IPv4, and refuses it with IPv6.
    let lab = "name: a\nnamespaces:\n  web: { routes: [{ for: { n: [10.9.0.0/16, 'fd09::/64'] }, to: $n, via: 'web:eth0' }] }\n  db: {}\n\
               links: [{ subnet: [10.0.0.0/24, 'fd00::/64'], endpoints: ['web:eth0', 'db:eth0'] }]\n";
    insta::assert_snapshot!(said(&Case { files: &[("lab.yaml", lab)], vars: &[] }));
}
