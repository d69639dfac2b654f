//! A value that stands without its quotes: where it begins and ends, which the parser does not know.

use std::ops::Range;

use crate::spec::tree::DEPTH_MAX;

/// What a line of a file may hold at one place of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// A line of its own: `key = value`, or an item of a list that began on a line before.
    Line,
    List,
    Table,
}

/// Goes along a line, from one value to the next, once for all places that are asked for in their order: a line may be as
/// long as a file.
#[derive(Debug, Clone)]
pub struct Line<'t> {
    text: &'t str,
    /// Where the line begins, and where it ends.
    pub range: Range<usize>,
    at: usize,
    /// The lists and tables that were opened on the line.
    within: Vec<Within>,
    /// Where the key or value begins that is being read, blanks in front included.
    start: usize,
    is_value: bool,
    /// Whether nothing but blanks was read of it.
    is_empty: bool,
    /// Whether what follows is a comment or text in quotes without an end.
    is_over: bool,
}

impl<'t> Line<'t> {
    /// The line around `place`.
    pub fn around(text: &'t str, place: usize) -> Self {
        let start = text.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let end = text.get(place..).and_then(|after| after.find('\n')).map_or(text.len(), |at| place + at);
        let (is_value, is_empty, is_over) = (false, true, false);
        Self { text, range: start..end, at: start, within: Vec::new(), start, is_value, is_empty, is_over }
    }

    /// The value without quotes that stands around `place`, which is on the line and not before the one asked for last.
    /// `None` where there is none: a key, a comment, text in quotes.
    pub fn value(&mut self, place: usize) -> Option<Range<usize>> {
        while self.at < place && !self.is_over {
            self.step();
        }
        if self.is_over { None } else { self.clone().ending() }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..self.range.end).unwrap_or_default()
    }

    fn innermost(&self) -> Within {
        self.within.last().copied().unwrap_or(Within::Line)
    }

    fn begin(&mut self, is_value: bool) {
        (self.start, self.is_value, self.is_empty) = (self.at, is_value, true);
    }

    /// Whether a `#` at the place of the walk begins a comment.
    fn may_comment(&self) -> bool {
        self.is_empty || self.text.get(..self.at).is_some_and(|before| before.ends_with([' ', '\t']))
    }

    /// How far the next character goes, with all of `${…}`.
    fn length(&self) -> usize {
        let rest = self.rest();
        match rest.chars().next() {
            Some('$') if rest.starts_with("${") => rest.find('}').map_or(rest.len(), |end| end + 1),
            next => next.map_or(1, char::len_utf8),
        }
    }

    /// Goes on by one character, one text in quotes or one `${…}`.
    fn step(&mut self) {
        let Some(next) = self.rest().chars().next() else {
            self.is_over = true;
            return;
        };
        let (was_empty, within) = (self.is_empty, self.innermost());
        let length = match next {
            '#' if self.may_comment() => None,
            '"' | '\'' if was_empty => quoted_length(self.rest()),
            _ => Some(self.length()),
        };
        let Some(length) = length else {
            self.is_over = true;
            return;
        };
        self.at += length;
        self.is_empty &= next.is_whitespace();
        match next {
            '=' if !self.is_value => self.begin(true),
            '[' | '{' if self.within.len() > DEPTH_MAX => self.is_over = true,
            '[' | '{' if was_empty && (self.is_value || within == Within::List) => {
                self.within.push(if next == '[' { Within::List } else { Within::Table });
                self.begin(next == '[');
            }
            ',' if within != Within::Line => self.begin(within == Within::List),
            // An item of a list that began on a line before.
            ',' if !self.is_value => self.begin(false),
            ']' | '}' if within != Within::Line => _ = self.within.pop(),
            _ => {}
        }
    }

    /// The value that the walk is in, as far as it goes.
    fn ending(mut self) -> Option<Range<usize>> {
        let within = self.innermost();
        while let Some(next) = self.rest().chars().next() {
            let ends = matches!(next, ',' | ']' | '}') && (within != Within::Line || !self.is_value);
            if ends || next == '#' && self.may_comment() {
                break;
            }
            self.is_empty &= next.is_whitespace();
            self.at += self.length();
        }
        let written = self.text.get(self.start..self.at)?;
        let word = written.trim().trim_end_matches(',');
        let start = self.start + (written.len() - written.trim_start().len());
        let is_bare = !word.is_empty() && !word.starts_with(['"', '\'', '[', '{', '=']);
        // A key that nothing follows is no value, but an item of a list may stand alone on its line.
        let alone = within == Within::Line && !word.contains(['=', ' ']) && !word.ends_with(':');
        (is_bare && (self.is_value || alone)).then(|| start..start + word.len())
    }
}

/// The length of the text in quotes with which `rest` begins; `None` where it is not closed.
fn quoted_length(rest: &str) -> Option<usize> {
    let quote = rest.chars().next()?;
    let mut escaped = false;
    let inside = rest.get(1..)?;
    let end = inside.char_indices().find(|(_, c)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && quote == '"' && !escaped;
        closes
    });
    end.map(|(at, _)| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values at the places that a `|` marks.
    fn at(marked: &str) -> Option<String> {
        let place = marked.find('|').unwrap();
        let text = marked.replacen('|', "", 1);
        Line::around(&text, place).value(place).map(|range| text[range].to_owned())
    }

    #[test]
    fn a_value_goes_to_the_end_of_its_line_or_of_its_place_in_a_list() {
        for (marked, expected) in [
            ("name = |lab\n", "lab"),
            ("a = 1\nname = |web lab # x\n", "web lab"),
            ("name = a|#b", "a#b"),
            ("when = $i |!= 2\n", "$i != 2"),
            ("prefix = $|{name}-", "${name}-"),
            ("i = 1.|.3\n", "1..3"),
            ("i = lab|, web\n", "lab, web"),
            ("w = { for = { i = 1.|.3 } }", "1..3"),
            ("w = { a = \"x, = y\", b = |c d, e = 1 }", "c d"),
            ("to = [\"a\", 10.0|.0.1/24, x]", "10.0.0.1/24"),
            ("to = [[1, |a ], 2]", "a"),
            ("to = [\n  |web:eth0,\n  br0\n]", "web:eth0"),
            ("to = [\n  web:eth0, |br0\n]", "br0"),
            ("'a = b' = |c", "c"),
        ] {
            assert_eq!(at(marked).as_deref(), Some(expected), "{marked}");
        }
    }

    #[test]
    fn a_long_line_is_walked_once() {
        let items = "x, \"y\", ".repeat(50_000);
        let text = format!("a = [{items}]");
        let mut line = Line::around(&text, 0);
        let places = text.match_indices('x').map(|(at, _)| at);
        assert_eq!(places.filter(|at| line.value(*at) == Some(*at..at + 1)).count(), 50_000);
        let deep = "a = ".to_owned() + &"[".repeat(1000);
        assert_eq!(Line::around(&deep, 1004).value(1004), None);
    }

    #[test]
    fn what_is_in_quotes_or_no_value_is_none() {
        for marked in
            ["a = \"x|", "a = \"x\" |y", "a |b = 1", "a = # |x", "a = |\n", "a = |", "a|:  b", "= |= 1", "[a.|w$i]"]
        {
            assert_eq!(at(marked), None, "{marked}");
        }
    }
}
