//! Bad files, and word for word what is said of them.

use super::{super::*, errors};

/// One snapshot a case.
macro_rules! bad {
    ($($name:ident: $format:ident, $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), errors($text, Format::$format));
        }
    )*};
}

bad! {
    an_empty_file: Yaml, "";
    a_file_of_comments: Yaml, "# nothing\n---\n";
    an_empty_toml_file: Toml, "\n# nothing\n";
    an_empty_json_object: Json, "{}";
    a_binary_file: Toml, b"\x7fELF\x02\x01\x01\0\0\0\x03\0>\0\xff\xfe\x90";
    a_utf16_file: Yaml, b"\xff\xfen\0a\0";
    not_utf8: Yaml, b"name: a\ndescription: \"caf\xe9\"\n";
    an_escape_sequence: Yaml, "name: \"a\u{202e}\\e[31m\"\n\"\\e]0;x\": 1\n";
    a_wrong_type: Yaml, "name: a\nbridges:\n  br0: { mtu: big, stp: yes, ageing_time: \"60\" }\nnamespaces: [web]\nlinks: 5\n";
    a_wrong_type_in_toml: Toml, "name = 5\ndescription = 2020-01-01\n[namespaces]\nweb = 1\n[bridges.b]\nmtu = 1.5\nup = 1\n";
    an_unknown_key: Yaml, "name: a\nnamespaces:\n  web: { adresses: [10.0.0.1/24], colour: red }\nbridge: {}\n";
    a_misspelled_required_key: Yaml, "name: a\nlinks:\n  - endpoint: [a:b, c]\n";
    missing_keys: Yaml, "links:\n  - name: x\n  - endpoints:\nport_forwards:\n  - listen: 80\n";
    reserved_keys: Yaml, "name: a\nmoved: { n: 4 }\nhosts: true\nfirewall: x\nfirewall_backend: nft\nfor: { l: 1..4 }\nnamespaces:\n  web: { attach: { pid: 1 }, dns: {}, hosts: true }\n";
    a_long_interface_name: Yaml, "name: a\nlinks:\n  - endpoints: [\"web:abcdefghijklmnop 10.0.0.1/24\", br0]\n";
    onlink_without_a_device: Yaml, "name: a\nnamespaces:\n  w:\n    routes:\n      - { to: default, via: 10.0.0.1, onlink: true }\n      - { to: 10.9.0.0/16, nexthops: [{ via: 10.0.0.1, onlink: true }, { via: 10.0.0.2, dev: eth0, onlink: true }] }\n      - { to: 10.8.0.0/16, via: 10.0.0.1, onlink: false }\n";
    no_protocol: Yaml, "name: a\nport_forwards:\n  - { listen: 80, to: \"10.0.0.1:80\", protocol: [] }\n  - { listen: 81, to: \"10.0.0.1:80\", protocol: }\n";
    checks_that_ask_in_no_way: Yaml, "name: a\nchecks:\n  - { from: host, to: 10.0.0.1, ping: false }\n  - { from: host, to: \"10.0.0.1:80\", tcp: false }\n  - { from: host, to: \"10.0.0.1:80\", ping: false }\n  - { from: host, to: 10.0.0.1, tcp: false }\n  - { from: host, to: \"10.0.0.1:80\", tcp: false, udp: true }\n";
    help_in_the_notation_of_toml: Toml, "nam = 'x'\nnamespaces = ['web']\n[[links]]\nendpoints = ['a:b']\n[[links]]\nendpoints = [{ mtu = 1500 }, { namespace = 'a' }]\n[[gateways]]\n[[nat]]\nsnat = '10.0.0.0/8'\n[[port_forwards]]\nlisten = 80\n[[checks]]\nfrom = 'a'\nto = '10.0.0.1:80'\nping = true\n";
    help_in_the_notation_of_json: Json, "{ \"nam\": 1, \"links\": [{}], \"gateways\": [{}], \"bridges\": { \"b\": null } }";
    bad_macs: Yaml, "name: a\nbridges:\n  a: { mac: '01:00:5e:00:00:01' }\n  b: { mac: '00:00:00:00:00:00' }\n  c: { mac: '02:00:00:00:00:0A' }\n";
    bad_names: Toml, "name = 'Web Lab'\n[namespaces.'a/b']\n[namespaces.'']\n[bridges.b]\ninterface = '42'\nmac = '2:0:0:0:0:1'\n";
    bad_addresses: Yaml, "name: a\nnamespaces:\n  w:\n    addresses: [10.0.0.300/24, 10.0.0.1/33, 10.0.0.1, \"fd00::1::2/64\", 10.0.0.1/255.255.255.0, 224.0.0.1/4]\n    routes: [{ to: 10.0.0.1/8, dev: x }, { to: fd00::/8, via: 10.0.0.1 }]\n";
    an_address_of_the_other_family: Yaml, "name: a\nnat:\n  - { snat: 192.168.0.0/24, to: \"fd00::1\" }\nport_forwards:\n  - { listen: \"10.0.0.1:80\", to: \"[fd00::1]:80\" }\n";
    addresses_without_quotes: Yaml, "name: a\nnamespaces:\n  w: { routes: [{ to: default, via: [fd00::1] }] }\n  v: { addresses: [fd00::] }\n";
    a_listen_address_without_quotes: Yaml, "name: a\nport_forwards:\n  - listen: [fd00::3]:80\n    to: web\n";
    a_route_to_an_address_without_quotes: Yaml, "name: a\nnamespaces: { w: { routes: [{ to: fd00::, dev: x }] } }\n";
    an_expression_without_quotes: Yaml, "name: a\nlinks:\n  - { subnet: 10.0.${2*l}.0/31, endpoints: [\"a:b\", c] }\n";
    an_expression_without_quotes_in_a_list: Yaml, "name: a\nbridges:\n  b: { subnets: [${net}/24] }\n";
    duplicate_keys_in_yaml: Yaml, "name: a\nnamespaces:\n  web: {}\n  db: {}\n  web: {}\nname: b\n";
    duplicate_keys_in_json: Json, r#"{"name": "a", "bridges": {"b": {"mtu": 1500, "mtu": 9000}}}"#;
    duplicate_keys_in_toml: Toml, "name = 'a'\n[namespaces.web]\nloopback = true\n[bridges.b]\n[namespaces.web]\nloopback = false\nloopback = true\n[[nat]]\nmasquerade = '10.0.0.0/8'\nmasquerade = '10.0.0.0/8'\n";
    a_sysctl_said_twice: Yaml, "name: a\nnamespaces: { w: { sysctls: { net.ipv4.ip_forward: 1, net: { ipv4.ip_forward: 0 } } } }\n";
    bad_sysctls: Yaml, "name: a\nnamespaces: { w: { sysctls: { kernel.hostname: x, net.., net.core.somaxconn: [1], \"net/../../x\": 1, net.a: \"1\\n2\" } } }\n";
    an_alias_of_itself: Yaml, "name: a\nx-a: &a { b: [1, *a] }\n";
    an_unknown_alias: Yaml, "name: a\nx-web: &common {}\nnamespaces: { web: *comon }\n";
    an_alias_bomb: Yaml, bomb();
    deep_nesting_in_yaml: Yaml, format!("name: a\nx-a: {}", "[".repeat(100_000));
    deep_blocks_in_yaml: Yaml, deep_blocks();
    deep_nesting_through_aliases: Yaml, alias_ladder();
    deep_nesting_in_json: Json, format!("{{\"x-a\": {}", "[".repeat(100_000));
    deep_nesting_in_toml: Toml, format!("x-a = {}", "[".repeat(100_000));
    deep_keys_in_toml: Toml, format!("{}a = 1", "x-a.".repeat(1000));
    several_documents: Yaml, "name: a\n---\nname: b\n---\nname: c\n";
    a_tab: Yaml, "name: a\nnamespaces:\n\tweb: {}\n";
    a_tag: Yaml, "name: !secret a\nnamespaces: !!python/object {}\n";
    a_merge_of_a_word: Yaml, "name: a\nnamespaces: { w: { <<: x } }\n";
    a_list_as_a_key: Yaml, "name: a\nnamespaces:\n  ? [web]\n  : {}\n";
    a_root_that_is_a_list: Json, "[1]";
    many_errors_in_toml: Toml, "name = web\n[namespaces.web]\nmtu = \n[namespaces.db\nx = 'a\n";
    values_without_quotes_in_toml: Toml, "name = tcp\nipv6 = no\nprefix = ${name}-\n[namespaces.w$i]\nfor = { i = 1..3, j = [a, 10.0.0.1] }\nwhen = $i != 2 # x\nmtu = 010\n\
        [[checks]]\nto = [\n  infra,\n  True, # x\n]\nx = \"a\" b\ny = it's \"so\"\nz = \"a\n";
    yaml_that_is_called_toml: Toml, "name: lab\nnamespaces:\n  web: {}\nlinks:\n  - endpoints: [\"web:eth0\", br0]\n";
    a_comment_in_json: Json, "{\n  // a lab\n  \"name\": \"a\"\n}";
    bad_links: Yaml, "name: a\nlinks:\n  - [a, b]\n  - endpoints: [a:b]\n  - endpoints: a:b\n  - endpoints: [{ namespace: a, bridge: b }, {}]\n  - endpoints: [{ namespace: a }, \" \"]\n";
    bad_routes: Yaml, "name: a\nnamespaces:\n  w:\n    routes:\n      - { to: defualt, dev: x }\n      - { to: 10.0.0.0/8 }\n      - { to: 10.0.0.0/8, via: 10.0.0.1, nexthops: [{ dev: x }] }\n      - { to: 10.0.0.0/8, type: blackhole, dev: x }\n      - { to: 10.0.0.0/8, nexthops: [] }\n      - { to: 10.0.0.0/8, nexthops: [{ weight: 300, dev: x }, { weight: 1 }] }\n      - { to: 10.0.0.0/8, via: edge, metric: -1, table: 0, type: blackole }\n";
    bad_gateways: Yaml, "name: a\ngateways:\n  - {}\n  - { bridge: b, interface: x }\n  - { namespace: n }\n";
    bad_nat: Yaml, "name: a\nnat:\n  - {}\n  - { masquerade: 10.0.0.0/8, snat: 10.0.0.0/8, to: 10.0.0.1 }\n  - { masquerade: 10.0.0.0/8, to: 10.0.0.1 }\n  - { snat: 10.0.0.0/8, to: 10.1.0.0/16 }\n  - { dnat: 10.0.0.1, to: 10.1.0.0/16 }\n  - { dnat: 10.0.0.1, to: \"10.1.0.0:80\" }\n  - { snat: 10.0.0.0/8, to: 10.0.0.9-10.0.0.1 }\n  - { dnat: 10.0.0.1 }\n";
    bad_port_forwards: Yaml, "name: a\nport_forwards:\n  - { listen: 80880, to: web }\n  - { listen: 90-80, to: web }\n  - { listen: 80-90, to: \"web:1-2\" }\n  - { listen: \"[::1]:80\", to: web }\n  - { listen: 10.0.0.1, to: \"web:\" }\n  - { listen: 80, to: 192.168.0.300, protocol: [tcp, icmp] }\n";
    bad_checks: Yaml, "name: a\nchecks:\n  - { from: web, to: db, ping: true, tcp: 22 }\n  - { from: web, to: db, tcp: true }\n  - { from: web, to: \"db:80\", ping: true, expect: reachble }\n  - { from: web, to: \"db:80-90\" }\n  - { from: web, to: \"db:80\", udp: 81 }\n  - { from: web, to: db, tcp: 0 }\n";
    a_long_line: Json, format!("{{\"name\": \"a\", \"description\": \"{}\", \"bridges\": {{\"b\": {{\"mtu\": \"x\"}}}}, \"x-y\": \"{}\"}}", "d".repeat(5000), "e".repeat(5000));
}

/// Nine words to the ninth power.
fn bomb() -> String {
    let mut text = String::from("name: a\nx-a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..9 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("x-a{level}: &a{level} [{below}]\n"));
    }
    text
}

fn deep_blocks() -> String {
    let mut text = String::from("name: a\n");
    for level in 0..200 {
        text.push_str(&format!("{}x-a:\n", " ".repeat(level)));
    }
    text
}

/// Each step holds the one before.
fn alias_ladder() -> String {
    let mut text = String::from("name: a\nx-a0: &a0 [1]\n");
    for level in 1..200 {
        text.push_str(&format!("x-a{level}: &a{level} [*a{}]\n", level - 1));
    }
    text
}

#[test]
fn a_file_that_is_too_large_is_refused_and_one_of_eight_mebibytes_is_read() {
    let huge = vec![b'#'; text::SIZE_MAX + 1];
    let (_, file, diagnostics) = parse(&huge, "lab.yaml", Format::Yaml);
    assert!(file.is_none());
    assert_eq!(diagnostics.0[0].message, "`lab.yaml` has 9 MiB; at most 8 MiB are read");

    let mut full = String::from("{\"name\": \"a\", \"description\": \"");
    full.push_str(&"x".repeat(text::SIZE_MAX - full.len() - 2));
    full.push_str("\"}");
    assert_eq!(full.len(), text::SIZE_MAX);
    for format in [Format::Json, Format::Yaml] {
        let (_, file, diagnostics) = parse(full.as_bytes(), "lab", format);
        assert!(!diagnostics.has_errors());
        assert!(file.is_some_and(|file| file.description.is_some_and(|text| text.len() > 8_000_000)));
    }
}

#[test]
fn a_file_of_junk_says_that_there_is_more_and_warnings_hide_no_error() {
    let (_, _, diagnostics) = parse("k: 1\n".repeat(5000).as_bytes(), "lab.yaml", Format::Yaml);
    assert!((1000..5000).contains(&diagnostics.0.len()), "{}", diagnostics.0.len());
    assert_eq!(diagnostics.0.last().unwrap().code, "file::many");

    let nulls: String = (0..3000).map(|n| format!("  w{n}:\n")).collect();
    let warned = format!("name: a\nnamespaces:\n{nulls}");
    assert!(!parse(warned.as_bytes(), "lab.yaml", Format::Yaml).2.has_errors());
    let (_, _, diagnostics) = parse(format!("{warned}links: 5\n").as_bytes(), "lab.yaml", Format::Yaml);
    assert_eq!(diagnostics.0.iter().filter(|d| d.code == "type::wrong").count(), 1);
}

#[test]
fn what_is_named_is_cut_where_it_is_long() {
    let long = format!("name: {}", "A".repeat(100_000));
    let (_, _, diagnostics) = parse(long.as_bytes(), "lab.yaml", Format::Yaml);
    assert!(diagnostics.0[0].message.len() < 700);
}

#[test]
fn machines_get_lines_columns_and_bytes() {
    let text = "name: a\nx-é: é\nbridges: { é: 1 }\n";
    let (source, _, diagnostics) = parse(text.as_bytes(), "lab.yaml", Format::Yaml);
    let json = crate::report::diagnostic::json(&diagnostics, &[source]);
    assert_eq!(
        serde_json::to_value(&json[0]).unwrap(),
        serde_json::json!({
            "severity": "error",
            "code": "name::label",
            "message": "the name `é` must begin with a letter, a digit or `_`, not `é`",
            "labels": [{ "file": "lab.yaml", "line": 3, "column": 12, "start": 28, "end": 30, "text": "not a name" }],
        })
    );
}
