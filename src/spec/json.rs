//! JSON to the spanned tree: strict, as RFC 8259 has it.

use super::tree::{DEPTH_MAX, MapBuilder, Node, Style, Value, too_deep};
use crate::model::{Diagnostic, Diagnostics, Span, Spanned};

/// Reads a whole document. `None` after an error of syntax; a repeated key is reported and read past.
pub fn read(source: u32, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut reader = Reader { source, text, at: 0, diagnostics };
    match reader.document() {
        Ok(node) => Some(node),
        Err(error) => {
            super::report(reader.diagnostics, *error);
            None
        }
    }
}

struct Reader<'a> {
    source: u32,
    text: &'a str,
    at: usize,
    diagnostics: &'a mut Diagnostics,
}

type Parsed<T> = Result<T, Box<Diagnostic>>;

impl<'a> Reader<'a> {
    fn document(&mut self) -> Parsed<Node> {
        let node = self.value(0)?;
        self.blanks();
        match self.peek() {
            None => Ok(node),
            Some(_) => Err(self.unexpected("the end of the file", Some("a JSON file holds one value"))),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.source, start..self.at)
    }

    fn error(
        &self,
        range: std::ops::Range<usize>,
        message: String,
        label: &str,
        help: Option<&str>,
    ) -> Box<Diagnostic> {
        let error = Diagnostic::error("file::syntax", format!("this is not JSON: {message}"))
            .at(Span::new(self.source, range), label);
        Box::new(match help {
            Some(help) => error.help(help),
            None => error,
        })
    }

    /// An error at the next character.
    fn unexpected(&self, expected: &str, help: Option<&str>) -> Box<Diagnostic> {
        let next = self.peek();
        let len = next.map_or(0, char::len_utf8);
        let found = match next {
            None => "the file ends".to_owned(),
            Some(c) => format!("there is `{}`", c.escape_debug()),
        };
        let help = match next {
            Some('/' | '#') => Some("JSON has no comments; YAML and TOML do"),
            Some('\'') => Some("JSON quotes with \" only"),
            _ => help,
        };
        let message = format!("{found} where {expected} is expected");
        self.error(self.at..self.at + len, message, &format!("expected {expected}"), help)
    }

    fn value(&mut self, depth: usize) -> Parsed<Node> {
        self.blanks();
        let start = self.at;
        let value = match self.peek() {
            Some('{' | '[') if depth >= DEPTH_MAX => {
                return Err(Box::new(too_deep(Span::new(self.source, start..start + 1))));
            }
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => {
                let text = self.string()?;
                return Ok(Node::scalar(self.span(start), text, Style::Text));
            }
            Some('-' | '0'..='9') => {
                let text = self.number()?;
                return Ok(Node::scalar(self.span(start), text, Style::Number));
            }
            Some('a'..='z' | 'A'..='Z') => return self.word(),
            _ => return Err(self.unexpected("a value", None)),
        };
        Ok(Node { span: self.span(start), value })
    }

    fn word(&mut self) -> Parsed<Node> {
        let start = self.at;
        let rest = self.rest();
        let word = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
        self.at += word.len();
        let span = self.span(start);
        match word {
            "true" | "false" => Ok(Node::scalar(span, word, Style::Bool)),
            "null" => Ok(Node { span, value: Value::Null }),
            _ => {
                let message = format!("the word `{word}` stands without quotes");
                Err(self.error(start..self.at, message, "not a JSON value", Some("write strings in double quotes")))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Parsed<Value> {
        self.take('[');
        let mut items = Vec::new();
        self.blanks();
        if self.take(']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.take(']') {
                return Ok(Value::List(items));
            }
            self.comma(']', "`,` or `]`")?;
        }
    }

    fn map(&mut self, depth: usize) -> Parsed<Value> {
        self.take('{');
        let mut map = MapBuilder::default();
        self.blanks();
        if self.take('}') {
            return Ok(Value::Map(map.finish()));
        }
        loop {
            self.blanks();
            let start = self.at;
            if self.peek() != Some('"') {
                return Err(self.unexpected("a key in double quotes", None));
            }
            let key = Spanned { value: self.string()?, span: self.span(start) };
            self.blanks();
            if !self.take(':') {
                return Err(self.unexpected("`:`", None));
            }
            let value = self.value(depth + 1)?;
            if let Err(error) = map.insert(key, value) {
                super::report(self.diagnostics, error);
            }
            self.blanks();
            if self.take('}') {
                return Ok(Value::Map(map.finish()));
            }
            self.comma('}', "`,` or `}`")?;
        }
    }

    /// A comma with something after it.
    fn comma(&mut self, closing: char, expected: &str) -> Parsed<()> {
        let start = self.at;
        if !self.take(',') {
            return Err(self.unexpected(expected, None));
        }
        let end = self.at;
        self.blanks();
        if self.peek() == Some(closing) {
            let message = format!("there is a comma before `{closing}`");
            return Err(self.error(start..end, message, "one comma too many", Some("take the comma away")));
        }
        Ok(())
    }

    fn number(&mut self) -> Parsed<String> {
        let start = self.at;
        let rest = self.rest();
        let word = rest.split(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'a'..='z' | 'A'..='Z')).next();
        let word = word.unwrap_or_default();
        self.at += word.len();
        if is_number(word) {
            return Ok(word.to_owned());
        }
        let message = format!("`{word}` is not a JSON number");
        Err(self.error(start..self.at, message, "not a number", Some("write text in double quotes")))
    }

    fn string(&mut self) -> Parsed<String> {
        let start = self.at;
        self.take('"');
        let mut out = String::new();
        loop {
            let at = self.at;
            let Some(c) = self.peek() else {
                let help = Some("close the string with \"");
                return Err(self.error(start..start + 1, "a string is not closed".into(), "opened here", help));
            };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(out),
                '\\' => out.push(self.escape(at)?),
                '\n' | '\r' => {
                    let help = Some("close the string with \" on its line; a line break inside is written \\n");
                    return Err(self.error(start..at, "a string is not closed".into(), "opened here", help));
                }
                '\0'..='\x1f' => {
                    let message = format!("the control character U+{:04X} stands in a string", c as u32);
                    return Err(self.error(at..self.at, message, "here", Some("write it as an escape, such as \\t")));
                }
                _ => out.push(c),
            }
        }
    }

    /// The character after a backslash that stood at `start`.
    fn escape(&mut self, start: usize) -> Parsed<char> {
        let c = self.peek().unwrap_or('\0');
        self.at += self.peek().map_or(0, char::len_utf8);
        let simple = match c {
            '"' | '\\' | '/' => c,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(start),
            _ => {
                let message = format!("`\\{}` is no escape", c.escape_debug());
                return Err(self.error(start..self.at, message, "not an escape", Some("a backslash is written \\\\")));
            }
        };
        Ok(simple)
    }

    fn unicode(&mut self, start: usize) -> Parsed<char> {
        let first = self.hex4(start)?;
        let code = match first {
            0xD800..=0xDBFF if self.rest().starts_with("\\u") => {
                self.at += 2;
                let second = self.hex4(start)?;
                match second {
                    0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => first,
                }
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| {
            self.error(start..self.at, "half of a surrogate pair stands alone".into(), "not a character", None)
        })
    }

    fn hex4(&mut self, start: usize) -> Parsed<u32> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|d| u32::from_str_radix(d, 16).ok()) else {
            let message = "`\\u` needs four hex digits".to_owned();
            return Err(self.error(start..self.at, message, "not an escape", None));
        };
        self.at += 4;
        Ok(code)
    }
}

/// `-? (0 | [1-9] digits) (. digits)? ([eE] [+-]? digits)?`
fn is_number(word: &str) -> bool {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<serde_json::Value, String> {
        let mut diagnostics = Diagnostics::default();
        match (read(0, text, &mut diagnostics), diagnostics.0.first()) {
            (Some(node), None) => Ok(node.to_json()),
            (_, Some(error)) => Err(error.message.clone()),
            (None, None) => Err("no value and no error".into()),
        }
    }

    #[test]
    fn what_serde_json_reads_is_read_alike() {
        for text in [
            r#"{"a": [1, -2.5, true, false, null], "b": {"c": "x\u0041\n\"\\\/"}, "d": {}, "e": []}"#,
            r#""\ud83d\ude00""#,
            " [ ]\r\n",
        ] {
            assert_eq!(json(text), Ok(serde_json::from_str(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn what_serde_json_refuses_is_refused() {
        for text in [
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "01",
            "1.",
            "-",
            "+1",
            ".5",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\t\"",
            "\"a\nb\"",
            "tru",
            "[1 2]",
            "{\"a\" 1}",
            "1 2",
            "// x\n1",
            "\"\\u12g4\"",
            "NaN",
            "\"\\u00e",
            "",
        ] {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
            assert!(json(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn spans_are_exact() {
        let text = r#"{"é": [1, "x"]}"#;
        let node = read(0, text, &mut Diagnostics::default()).unwrap();
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        let Value::List(items) = &entries[0].value.value else { panic!("{node:?}") };
        let slice = |s: Span| &text[s.start as usize..s.end as usize];
        assert_eq!(slice(node.span), text);
        assert_eq!(slice(entries[0].key.span), "\"é\"");
        assert_eq!(slice(entries[0].value.span), "[1, \"x\"]");
        assert_eq!(slice(items[1].span), "\"x\"");
    }
}
