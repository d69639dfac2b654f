//! How each format writes a key with its value, so that help shows it as it can be written in the file that it is about.

use serde_json::Value as Json;

use super::Format;

impl Format {
    /// `key` with `value`: `key: value`, `key = value` or `"key": value`.
    pub fn pair(self, key: &str, value: &Json) -> String {
        format!("{}{}{}", self.key(key), self.between(), self.value(value))
    }

    fn between(self) -> &'static str {
        match self {
            Self::Toml => " = ",
            Self::Yaml | Self::Json => ": ",
        }
    }

    fn key(self, key: &str) -> String {
        let is_bare = match self {
            Self::Toml => !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')),
            Self::Yaml => is_plain(key),
            Self::Json => false,
        };
        if is_bare { key.to_owned() } else { quoted(key) }
    }

    fn value(self, value: &Json) -> String {
        match value {
            Json::String(text) if self == Self::Yaml && is_plain(text) => text.clone(),
            Json::String(text) => quoted(text),
            Json::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.value(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Json::Object(entries) if entries.is_empty() => "{}".to_owned(),
            Json::Object(entries) => {
                let pairs: Vec<String> = entries.iter().map(|(key, value)| self.pair(key, value)).collect();
                format!("{{ {} }}", pairs.join(", "))
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
        }
    }
}

/// Whether YAML takes a text for what it is without quotes, wherever it stands.
fn is_plain(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'));
    let word = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let typed = text.parse::<f64>().is_ok() || matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    letters && word && !typed
}

/// In double quotes, with the escapes that all three formats have.
fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_format_has_its_own_notation() {
        let pair = |key: &str, value: &Json| [Format::Yaml, Format::Toml, Format::Json].map(|it| it.pair(key, value));
        for (key, value, expected) in [
            ("stp", json!(true), ["stp: true", "stp = true", r#""stp": true"#]),
            ("mtu", json!(1400), ["mtu: 1400", "mtu = 1400", r#""mtu": 1400"#]),
            ("bridge", json!("br0"), ["bridge: br0", r#"bridge = "br0""#, r#""bridge": "br0""#]),
            ("to", json!("web:80"), [r#"to: "web:80""#, r#"to = "web:80""#, r#""to": "web:80""#]),
            ("name", json!("7"), [r#"name: "7""#, r#"name = "7""#, r#""name": "7""#]),
            ("a.b", json!({}), ["a.b: {}", r#""a.b" = {}"#, r#""a.b": {}"#]),
            (
                "links",
                json!([{ "endpoints": ["web:eth0", "br0"] }]),
                [
                    r#"links: [{ endpoints: ["web:eth0", br0] }]"#,
                    r#"links = [{ endpoints = ["web:eth0", "br0"] }]"#,
                    r#""links": [{ "endpoints": ["web:eth0", "br0"] }]"#,
                ],
            ),
        ] {
            assert_eq!(pair(key, &value), expected);
        }
    }
}
