//! The lines of the output, with the comments at their ends.

use foldhash::HashMap;

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

/// How often columns are looked at anew before all comments stand right behind their lines.
const ROUNDS_MAX: usize = 16;

/// Comments that share a column, and not by chance, keep it: neighbours move right together where a line has grown past it,
/// and a single one keeps it where another of the file stands in it too. Others stand one blank after their line.
fn align(lines: &mut [Line]) {
    let mut places: Vec<Place> = lines.iter().filter_map(Place::of).collect();
    // Where one moves away, those that stood in its column may stand there for no reason any more.
    let settled = (0..ROUNDS_MAX).any(|_| {
        let before = places.clone();
        settle(&mut places);
        places == before
    });
    let remarks = lines.iter_mut().filter_map(|line| line.remark.as_mut());
    for (remark, place) in remarks.zip(places) {
        remark.column = Some(place.column).filter(|_| settled);
    }
}

/// Where a comment stands at the end of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The column after the line's text.
    end: usize,
    /// The column of the comment.
    column: usize,
    /// Whether its author put it there.
    spaced: bool,
    /// Whether it stood there behind another line.
    moved: bool,
}

impl Place {
    fn of(line: &Line) -> Option<Self> {
        let remark = line.remark.as_ref()?;
        let end = ends(&line.text);
        Some(Self { end, column: remark.column.unwrap_or(end + 1), spaced: remark.spaced, moved: remark.moved })
    }

    fn put(&mut self, column: usize) {
        self.column = column;
        self.moved = false;
        self.spaced = column > self.end + 1;
    }
}

/// Gives every comment its column, by the columns that they have.
fn settle(places: &mut [Place]) {
    let mut sharers: HashMap<usize, usize> = HashMap::default();
    for place in places.iter().filter(|place| place.spaced) {
        *sharers.entry(place.column).or_default() += 1;
    }
    for group in places.chunk_by_mut(|one, next| one.column == next.column) {
        let column = group.first().map_or(0, |place| place.column);
        let least = group.iter().map(|place| place.end).max().unwrap_or_default() + 1;
        let on_purpose = group.iter().any(|place| place.spaced);
        let moved = group.iter().any(|place| place.moved);
        let is_shared =
            group.len() > 1 || !moved && column >= least && sharers.get(&column).is_some_and(|count| *count > 1);
        for place in group {
            place.put(if on_purpose && is_shared {
                if moved { least } else { column.max(least) }
            } else {
                place.end + 1
            });
        }
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
        let apart = [("a: 1    ", "a: 1"), ("b: 2 ", "b: 2"), ("c: 3    ", "c: 3")];
        assert_eq!(aligned(&apart), "a: 1    # x\nb: 2 # x\nc: 3    # x\n");
        assert_eq!(aligned(&[("a: 1 ", "a: 1"), ("b: 2 ", "b: 22")]), "a: 1 # x\nb: 22 # x\n");
    }
}
