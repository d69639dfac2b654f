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
