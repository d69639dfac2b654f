//! Colours, and text from outside made safe for a terminal. Everything here writes colours; `anstream` takes them out
//! again for `-no-color`, `NO_COLOR`, a pipe or a file.

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter},
};

use anstyle::{AnsiColor, Style};

use crate::model::event::Action;

/// What comes.
pub const GREEN: Style = AnsiColor::Green.on_default();
/// What changes.
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
/// What goes, and errors.
pub const RED: Style = AnsiColor::Red.on_default();
/// Notes.
pub const CYAN: Style = AnsiColor::Cyan.on_default();
/// Headings.
pub const BOLD: Style = Style::new().bold();
/// What is there for completeness.
pub const DIM: Style = Style::new().dimmed();

/// Says for the whole program, once and before anything is printed, that there are to be no colours (`-no-color`).
pub fn without_colours() {
    anstream::ColorChoice::Never.write_global();
}

/// `text` in `style`.
pub fn paint<T: Display>(style: Style, text: T) -> Painted<T> {
    Painted { style, text }
}

/// A text in a style.
#[derive(Debug, Clone, Copy)]
pub struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { style, text } = self;
        write!(f, "{style}{text}{style:#}")
    }
}

/// The symbol of an action, three columns wide and coloured as Terraform colours it.
pub fn symbol(action: Action) -> String {
    match action {
        Action::Create => format!("  {}", paint(GREEN, "+")),
        Action::Update => format!("  {}", paint(YELLOW, "~")),
        Action::Delete => format!("  {}", paint(RED, "-")),
        Action::Replace => format!("{}/{}", paint(RED, "-"), paint(GREEN, "+")),
    }
}

/// `text` without what a terminal would obey: the kernel takes an escape character in a device's name or alias, and
/// foreign ones are quoted in messages.
pub fn clean(text: &str) -> Cow<'_, str> {
    if is_printable(text) || !text.contains(|c| is_unsafe(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => safe.push(c),
            c => push_escaped(&mut safe, c),
        }
    }
    Cow::Owned(safe)
}

/// `text` in double quotes, with the escapes of Terraform's language.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    push_quoted(&mut quoted, text);
    quoted
}

/// The same at the end of another text.
pub fn push_quoted(quoted: &mut String, text: &str) {
    quoted.push('"');
    if is_printable(text) && !text.contains(['"', '\\']) {
        quoted.push_str(text);
    } else {
        for c in text.chars() {
            match c {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                c => push_escaped(quoted, c),
            }
        }
    }
    quoted.push('"');
}

/// Whether it is of printable ASCII alone, as nearly all is.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Control characters, and the marks that turn the direction of writing.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_escaped(text: &mut String, c: char) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        c if is_unsafe(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => text.push(c),
    }
}

/// `1 link`, `2 links`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Rendered text without its colours: what a test compares.
#[cfg(test)]
pub fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_the_kernel_reaches_the_terminal_as_a_command() {
        assert_eq!(clean("br0"), "br0");
        assert_eq!(clean("a\nb"), "a\nb");
        assert_eq!(clean("eth\u{1b}[2J0\t"), "eth\\u001b[2J0\\t");
        assert_eq!(clean("a\u{202e}b"), "a\\u202eb");
        assert_eq!(quote("a \"b\"\\\n4\t5\u{7}"), r#""a \"b\"\\\n4\t5\u0007""#);
        assert_eq!(quote("é"), "\"é\"");
    }
}
