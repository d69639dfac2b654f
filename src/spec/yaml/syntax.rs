//! The errors of the YAML parser in words that somebody who does not know its grammar can act on.

use granit_parser::{ErrorKind, ScanError};

use crate::model::{Diagnostic, Span};

/// The longest `[address]:port-port`, in bytes.
const ADDRESS_MAX: usize = 64;

/// The error at byte `at`, with the advice that most often helps.
pub fn describe(error: &ScanError, text: &str, at: usize, source: u32) -> Diagnostic {
    let (message, help) = words(error.kind());
    let message = message.map_or_else(|| error.info(), str::to_owned);
    let diagnostic = Diagnostic::error("file::syntax", format!("this is not YAML: {message}"))
        .at(Span::new(source, crate::spec::widen(text, at..at + 1)), "here");
    if let Some(address) = unquoted_address(text, at) {
        return diagnostic.help(format!("an IPv6 address like this needs quotes in YAML: \"{address}\""));
    }
    if is_expression(text, at) {
        return diagnostic.help("within `{ }` and `[ ]`, a value with `${…}` in it needs quotes in YAML");
    }
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// Whether the bracket of a `${` stands at byte `at`.
fn is_expression(text: &str, at: usize) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with('{')) && text.get(..at).is_some_and(|it| it.ends_with('$'))
}

/// What is wrong and what to do, where we can say it better than the parser.
fn words(kind: &ErrorKind) -> (Option<&'static str>, Option<&'static str>) {
    let indent = Some("is the line indented like its neighbours? is text with `: `, `#` or a bracket in quotes?");
    match kind {
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation | ErrorKind::TabNotAllowed => {
            (Some("a tab stands where YAML takes spaces only"), Some("indent with spaces"))
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            (Some("this does not continue the list or map that it stands in"), indent)
        }
        ErrorKind::MappingValueNotAllowed => (Some("a `:` stands where no key can be"), indent),
        ErrorKind::MappingKeyNotAllowed => (Some("a key stands where none can be"), indent),
        ErrorKind::SimpleKeyExpected => {
            (Some("a line of a map has no `:`"), Some("write `key: value`, with a blank after the colon"))
        }
        ErrorKind::InvalidIndentation => (Some("the line's indent fits nothing above it"), indent),
        ErrorKind::ExpectedFlowMappingSeparator => {
            (Some("`,` or `}` is expected"), Some("is a bracket, a comma or a quote missing?"))
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            (Some("`,` or `]` is expected"), Some("is a bracket, a comma or a quote missing?"))
        }
        ErrorKind::UnclosedQuotedScalar => (Some("a quote is not closed"), Some("close the string")),
        ErrorKind::UnclosedFlowCollection { .. } => (Some("a bracket is not closed"), Some("close it")),
        ErrorKind::UnexpectedCharacter { character: '@' | '`' | '%' } => {
            (None, Some("text that begins with this character needs quotes"))
        }
        _ => (None, None),
    }
}

/// The IPv6 address, with its brackets and port, that stands around byte `at` without quotes.
fn unquoted_address(text: &str, at: usize) -> Option<&str> {
    let part = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '[' | ']' | '/' | '-');
    let before = text.get(..at)?;
    let start = at - before.len() + before.trim_end_matches(part).len();
    let after = text.get(at..)?;
    let end = at + after.len() - after.trim_start_matches(part).len();
    let word = text.get(start..end)?;
    let colons = word.bytes().filter(|b| *b == b':').count();
    (colons >= 2 && word.len() <= ADDRESS_MAX).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_quotes_is_found_from_any_byte_of_it() {
        let text = "to: [fd00::3]:80 # x";
        for at in 4..=16 {
            assert_eq!(unquoted_address(text, at), Some("[fd00::3]:80"), "{at}");
        }
        assert_eq!(unquoted_address(text, 18), None);
        assert_eq!(unquoted_address("a: b\n c: d", 7), None);
    }
}
