//! The lines of the output, with the comments at their ends.

use super::piece::{Remark, Trivia};

/// A line that is being made.
#[derive(Debug)]
pub struct Line {
    /// What stands on it, indented.
    pub text: String,
    /// The comment at its end.
    pub remark: Option<Remark>,
}

/// The lines of a document, or of a part of it.
#[derive(Debug, Default)]
pub struct Lines(pub Vec<Line>);

impl Lines {
    /// Adds a line, with a comment at its end.
    pub fn push(&mut self, text: impl Into<String>, remark: Option<&Remark>) {
        self.0.push(Line { text: text.into(), remark: remark.cloned() });
    }

    /// Adds blank lines and comments; no blank line where nothing is above, or one is already.
    pub fn trivia(&mut self, trivia: &[Trivia], indent: usize) {
        for one in trivia {
            match one {
                Trivia::Blank if self.0.last().is_none_or(|line| line.text.is_empty()) => {}
                Trivia::Blank => self.push("", None),
                Trivia::Comment(text) => self.push(format!("{:indent$}{text}", ""), None),
            }
        }
    }

    /// The text, with one line break at its end.
    pub fn finish(mut self) -> String {
        align(&mut self.0);
        let mut text = String::new();
        for line in &self.0 {
            text.push_str(&line.text);
            if let Some(remark) = &line.remark {
                let gap = remark.column.map_or(1, |column| column.saturating_sub(ends(&line.text))).max(1);
                text.extend(std::iter::repeat_n(' ', gap));
                text.push_str(&remark.text);
            }
            text.push('\n');
        }
        text
    }
}

/// How wide a text is, in characters.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

/// Neighbouring comments that shared a column, and not by chance, keep it, or move right together where a line has
/// grown past it. Others stand one blank after their line.
fn align(lines: &mut [Line]) {
    let mut remarked: Vec<&mut Line> = lines.iter_mut().filter(|line| line.remark.is_some()).collect();
    let column = |line: &&mut Line| line.remark.as_ref().and_then(|remark| remark.column);
    let mut rest = remarked.as_mut_slice();
    while let Some(first) = rest.first() {
        let shared = column(first);
        let together = rest.iter().take_while(|line| column(line) == shared).count().max(1);
        let (group, after) = rest.split_at_mut(together);
        let least = group.iter().map(|line| ends(&line.text)).max().unwrap_or_default() + 1;
        let on_purpose = group.iter().any(|line| line.remark.as_ref().is_some_and(|remark| remark.spaced));
        let place = shared.filter(|_| together > 1 && on_purpose).map(|column| column.max(least));
        for line in group {
            if let Some(remark) = &mut line.remark {
                remark.column = place;
            }
        }
        rest = after;
    }
}

/// The column after the last character of what may be several lines.
fn ends(text: &str) -> usize {
    width(text.rsplit('\n').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that had a comment each behind another text.
    fn aligned(lines: &[(&str, &str)]) -> String {
        let mut out = Lines::default();
        for &(before, text) in lines {
            out.push(text, Some(&Remark::behind(before, "# x")));
        }
        out.finish()
    }

    #[test]
    fn comments_that_share_a_column_keep_sharing_one() {
        assert_eq!(aligned(&[("a: 1    ", "a: 1"), ("bb: 2   ", "bb: 2")]), "a: 1    # x\nbb: 2   # x\n");
        assert_eq!(aligned(&[("a: 1  ", "a: 1"), ("bb: 2 ", "bb: \"2\"")]), "a: 1    # x\nbb: \"2\" # x\n");
        assert_eq!(aligned(&[("a: 1    ", "a: 1"), ("bb: 2     ", "bb: 2")]), "a: 1 # x\nbb: 2 # x\n");
        assert_eq!(aligned(&[("a: 1 ", "a: 1"), ("b: 2 ", "b: 22")]), "a: 1 # x\nb: 22 # x\n");
    }
}
