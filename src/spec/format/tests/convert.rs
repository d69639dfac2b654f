use super::Format;
use crate::spec::format::convert::convert;

/// Converts, and hands back the text and the warnings.
fn converted(text: &str, from: Format, to: Format) -> (String, Vec<String>) {
    match convert(text.as_bytes(), "lab", from, to) {
        Ok(converted) => (converted.text, converted.warnings.into_iter().map(|warning| warning.message).collect()),
        Err(refused) => panic!("{refused:?}\n{text}"),
    }
}

const YAML: &str = r#"# yaml-language-server: $schema=../x.json
#
# A lab.

name: lab   # its name
links:      # all links
  # to web
  - endpoints: ["web:eth0 192.168.0.2/24", br0] # first
  - { endpoints: ["db:eth0", br0], mtu: 9000 } # second
  # no more
description: for "all"

# everybody
namespaces:
  web: {}
  db: # the data
    addresses: [10.255.0.2/32, "fd00::2/128"]
    routes:
      # out
      - { to: default, via: 192.168.0.1 }
    sysctls: { net.ipv4.conf.all.rp_filter: 2 }
  cache:
port_forwards:
  - { listen: 8088, to: "web:80" }
  - { listen: 9000-9010, to: web }
# end
"#;

#[test]
fn yaml_to_toml() {
    let (text, warnings) = converted(YAML, Format::Yaml, Format::Toml);
    insta::assert_snapshot!(text);
    assert_eq!(warnings, ["`cache` is left out: TOML cannot say that nothing stands there"]);
}

#[test]
fn yaml_to_json() {
    let (text, warnings) = converted(YAML, Format::Yaml, Format::Json);
    insta::assert_snapshot!(text);
    assert_eq!(warnings, ["JSON has no comments: 13 comments are left out"]);
}

#[test]
fn yaml_to_toml_to_yaml() {
    let (toml, _) = converted(YAML, Format::Yaml, Format::Toml);
    let (yaml, warnings) = converted(&toml, Format::Toml, Format::Yaml);
    insta::assert_snapshot!(yaml);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn a_comment_outlives_what_it_stood_at() {
    let above = converted("name: lab\n\n# of nothing\n\nx-nothing:\n", Format::Yaml, Format::Toml).0;
    assert_eq!(above, "name = \"lab\"\n\n# of nothing\n");
    let anchor = converted("&x # of all\n# of the name\nname: lab\n", Format::Yaml, Format::Toml).0;
    assert_eq!(anchor, "# of all\n# of the name\nname = \"lab\"\n");
}

#[test]
fn a_scalar_is_what_its_place_can_read() {
    let yaml = "name: 123\ndescription: true\nipv6: true\nnamespaces:\n  10: { sysctls: { a.b: 1, c.d: on } }\nbridges: { br: {} }\n\
                links:\n  - { endpoints: [10:eth0, br], mtu: 1400 }\nport_forwards:\n  - { listen: 8088, to: 10, namespace: 10 }\n\
                x-any: [010, 1e3, 1.5, 22:22, no, -5, 99999999999999999999]\n";
    let (toml, _) = converted(yaml, Format::Yaml, Format::Toml);
    insta::assert_snapshot!(toml);
    let (json, _) = converted(&toml, Format::Toml, Format::Json);
    assert_eq!(converted(yaml, Format::Yaml, Format::Json).0.len(), json.len());
}

#[test]
fn anchors_are_written_out() {
    let yaml = "name: x\nx-all: &all # shared\n  loopback: true # here\n  # tail\nnamespaces:\n  # of a\n  a: *all # as shared\n  b:\n    # merged\n    <<: *all # and\n    forwarding: true # more\n";
    insta::assert_snapshot!(converted(yaml, Format::Yaml, Format::Toml).0);
}

#[test]
fn a_file_in_its_own_notation_is_laid_out() {
    assert_eq!(converted("name:   x # y\n", Format::Yaml, Format::Yaml).0, "name: x # y\n");
}

#[test]
fn many_scalars_are_all_told_apart() {
    let checks: String = (0..3000).map(|_| "  - { from: 10, to: 11, ping: true }\n").collect();
    let yaml = format!("name: x\nnamespaces: {{ 10: {{}}, 11: {{}} }}\nchecks:\n{checks}");
    let (json, _) = converted(&yaml, Format::Yaml, Format::Json);
    assert_eq!(json.matches("\"from\": \"10\", \"to\": \"11\"").count(), 3000);
}

#[test]
fn what_the_language_would_not_take_keeps_its_kind_all_the_same() {
    let text = "description = true\nname = \"8088\"\nx-y = \"true\"\n";
    let (written, _) = converted(text, Format::Toml, Format::Yaml);
    assert_eq!(written, "description: true\nname: \"8088\"\nx-y: \"true\"\n");
}

#[test]
fn numbers_keep_their_meaning_from_notation_to_notation() {
    let yaml = "name: x\nnamespaces:\n  a: { sysctls: { net.a: -0, net.b: \"1_000\", net.c: 1.5, net.d: \"1e3\" } }\nx-any:\n  \
                - [-0, 1.5, -1.5, 1e3, 1e300, 0.1, 007, +5, 1_000, 0o17, .inf, 99999999999999999999]\n  - { a: -0.0, b: \"1.5\" }\n";
    let (toml, _) = converted(yaml, Format::Yaml, Format::Toml);
    let (json, _) = converted(yaml, Format::Yaml, Format::Json);
    let (back, _) = converted(&toml, Format::Toml, Format::Yaml);
    insta::assert_snapshot!(format!("{toml}---\n{json}---\n{back}"));
    let odd = "name = \"x\"\nx-any = [-0, +5, 1_000, 0o17, 0xff, 0b11, 1e3, 1_0.5, +1.5, inf, -nan, -0.0, 6.26e-34]\n";
    let (yaml, _) = converted(odd, Format::Toml, Format::Yaml);
    let (json, _) = converted(odd, Format::Toml, Format::Json);
    insta::assert_snapshot!(format!("{yaml}---\n{json}"));
    let odd = r#"{ "name": "x", "bridges": { "b": { "mtu": -0, "up": 1e3 } }, "x-any": [-0, 1e3, 1E+2, 1.50, -0.0, 1e-7, 99999999999999999999] }"#;
    let (yaml, _) = converted(odd, Format::Json, Format::Yaml);
    let (toml, _) = converted(odd, Format::Json, Format::Toml);
    insta::assert_snapshot!(format!("{yaml}---\n{toml}"));
}

#[test]
fn comments_in_a_column_stand_in_one_in_the_other_notation() {
    let yaml = "name: x # the name\nvars:\n  leaves: 4        # how many\n  of: leaves       # of what\n  n: 1 # single\nchecks:\n  \
                - { from: a, to: b }                   # one\n  - { from: a, to: b, ping: true }       # two\n";
    let (toml, _) = converted(yaml, Format::Yaml, Format::Toml);
    let (back, _) = converted(&toml, Format::Toml, Format::Yaml);
    insta::assert_snapshot!(format!("{toml}---\n{back}"));
}

#[test]
fn a_file_of_which_toml_can_say_nothing_is_refused() {
    for (text, from) in [("web:\n", Format::Yaml), ("{}", Format::Json), ("a: ~\nb:\n", Format::Yaml)] {
        let refused = convert(text.as_bytes(), "lab", from, Format::Toml);
        let found = match refused {
            Err(super::Refused::Unreadable(_, found)) => found.0,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(found.iter().map(|it| it.code).collect::<Vec<_>>(), ["file::empty"], "{text}");
    }
}

#[test]
fn sysctls_of_toml_are_written_by_their_whole_names() {
    let toml = "name = \"x\"\n[namespaces.a.sysctls]\n# forwards\nnet.ipv4.ip_forward = 1 # v4\nnet.ipv6.conf.all.forwarding = 1\n\
                \"net.core.somaxconn\" = 9\n[namespaces.b.sysctls.net.ipv4] # four\nip_forward = 0\n[namespaces.c.sysctls]\n\
                \"net.a\" = 1\nnet.a = 2\n[namespaces.d.sysctls.net]\nwhen = true\nx = 1\n";
    insta::assert_snapshot!(converted(toml, Format::Toml, Format::Yaml).0);
}

#[test]
fn a_hint_for_editors_without_a_schema_stays_a_comment() {
    let (toml, _) = converted("# yaml-language-server: $schema=\nname: x\n", Format::Yaml, Format::Toml);
    assert_eq!(toml, "# yaml-language-server: $schema=\nname = \"x\"\n");
}

#[test]
fn blank_lines_at_the_end_are_nobodys() {
    for to in [Format::Yaml, Format::Json] {
        converted("name = \"a\"\n\n", Format::Toml, to);
    }
    assert_eq!(converted("name: a\n\n", Format::Yaml, Format::Toml).0, "name = \"a\"\n");
}
