//! Which YAML scalars need quotes.

/// Whether a scalar without quotes is text to us, and something else to many a reader, or will be once edited: an IPv6
/// address, `no`, `22:22`, `010`, `1e3`, a `?` that a blank comes to stand behind.
pub fn is_trap(text: &str) -> bool {
    matches!(text, "?" | "-" | ":")
        || is_truth_of_old(text)
        || is_number_of_sorts(text)
        || text.split(' ').any(is_ipv6_like)
}

/// What YAML 1.1 takes for a boolean.
fn is_truth_of_old(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    let one_case = text == word || text == text.to_ascii_uppercase() || text.get(1..) == word.get(1..);
    one_case && matches!(word.as_str(), "yes" | "no" | "on" | "off")
}

/// What some reader takes for a number, and another one for another number or for text.
fn is_number_of_sorts(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let octal_like = unsigned.len() > 1 && unsigned.starts_with('0') && is_digits(unsigned);
    let based = ["0x", "0o", "0b"].iter().any(|base| unsigned.starts_with(base));
    let sixties = unsigned.contains(':') && unsigned.split(':').all(is_digits);
    let exponent = unsigned.contains(['e', 'E']) && unsigned.parse::<f64>().is_ok();
    let underscored = unsigned.contains('_') && is_digits(&unsigned.replace('_', ""));
    let named = matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan");
    octal_like || based || sixties || exponent || underscored || named
}

/// Whether a word looks like an IPv6 address, with or without brackets, port and prefix length, or like a MAC address.
fn is_ipv6_like(word: &str) -> bool {
    let colons = word.bytes().filter(|b| *b == b':').count();
    colons >= 2 && word.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'/' | b'[' | b']' | b'-'))
}

/// The text in double quotes.
pub fn double(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if needs_escape(c) => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether a character cannot be seen, or cannot stand in YAML.
pub fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text as the shortest scalar that every reader takes for text, in brackets or not.
pub fn text(text: &str) -> String {
    if is_plainly_text(text) { text.to_owned() } else { double(text) }
}

/// The same outside of brackets, where commas and braces are characters like others.
pub fn text_in_block(text: &str) -> String {
    let others = text.replace(", ", " ").replace("${", "$").replace('}', "");
    let fits = is_plainly_text(&others) && !text.starts_with('}') && !is_trap(text);
    if fits { text.to_owned() } else { double(text) }
}

/// Whether nothing in a text has a meaning to YAML. Stricter than YAML is.
fn is_plainly_text(text: &str) -> bool {
    let first_fits = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '$' | '.'));
    let last_fits = text.ends_with(|c: char| !c.is_whitespace() && c != ':');
    let inside_fits = text.chars().all(|c| {
        c.is_alphanumeric()
            || matches!(
                c,
                ' ' | '/'
                    | '_'
                    | '$'
                    | '.'
                    | '-'
                    | '+'
                    | '('
                    | ')'
                    | ';'
                    | '\''
                    | '='
                    | '@'
                    | '%'
                    | '<'
                    | '>'
                    | '!'
                    | '*'
                    | '&'
                    | '|'
            )
    });
    first_fits && last_fits && inside_fits && !is_typed(text) && !is_trap(text)
}

/// Whether a scalar without quotes would be taken for nothing, a boolean or a number.
fn is_typed(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    let number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    matches!(word.as_str(), "" | "null" | "true" | "false") || number && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_known() {
        for trap in [
            "no",
            "Yes",
            "OFF",
            "010",
            "22:22",
            "1e3",
            "0x1f",
            "1_000",
            "fd00::1",
            "fd00::1/64",
            "::",
            "2001:db8:0:1:2:3:4:5",
            "web:eth0 fd00::2/64",
            "02:00:00:00:00:01",
            ".inf",
            "-.NaN",
        ] {
            assert!(is_trap(trap), "{trap}");
        }
        for fine in [
            "web",
            "8088",
            "10.0.0.1/24",
            "web:eth0",
            "1.5",
            "-1",
            "true",
            "9000-9010",
            "nOn",
            "1..4",
            "2024",
            "x:y:z",
            "$s",
        ] {
            assert!(!is_trap(fine), "{fine}");
        }
    }

    #[test]
    fn text_is_quoted_where_it_must_be() {
        for plain in [
            "web",
            "10.0.0.1/24",
            "two words",
            "$name-1",
            "1..4",
            "9000-9010",
            "it's",
            "$a != $b",
            "$a || $b && 2 * $c",
        ] {
            assert_eq!(text(plain), plain);
        }
        for quoted in [
            "", "8088", "true", "null", "~", "a: b", "a #b", "- a", "web:80", "[x]", "*a", "1.5", " a", "a ", "no",
            "${s}-1",
        ] {
            assert_eq!(text(quoted), format!("\"{quoted}\""));
        }
        assert_eq!((text("a, b"), text_in_block("a, b")), ("\"a, b\"".to_owned(), "a, b".to_owned()));
        for plain in ["10.0.0.${i+1}/24", "${s}-1", "r${i%n}", "a$}"] {
            assert_eq!(text_in_block(plain), plain);
        }
        for quoted in ["{a", "}a", "a{b", "${a:2}", "a,b", "1, 2,", ", a", "a: b, c"] {
            assert_eq!(text_in_block(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(text("a\n\"b\"\\\u{7f}"), "\"a\\n\\\"b\\\"\\\\\\U0000007F\"");
    }
}
