//! Where the lines of a text begin, and how many characters stand before a byte: counted once, asked for every label.

/// How many bytes lie between two counts. A file may be one line.
const STEP: usize = 1024;

/// The lines of a text.
#[derive(Debug)]
pub struct Lines {
    /// The first byte of each line.
    starts: Vec<usize>,
    /// How many characters begin before each [`STEP`]th byte.
    chars: Vec<usize>,
}

impl Lines {
    /// Counts.
    pub fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        let mut before = 0;
        let chars = text.as_bytes().chunks(STEP).map(|chunk| {
            let here = before;
            before += chars_in(chunk);
            here
        });
        Self { starts: std::iter::once(0).chain(breaks).collect(), chars: chars.collect() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// The number of the line of a byte, from 0.
    pub fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// Where a line of `text` begins and ends, its line break left out.
    pub fn bounds(&self, text: &str, line: usize) -> (usize, usize) {
        let start = self.starts.get(line).copied().unwrap_or(text.len());
        let end = self.starts.get(line + 1).map_or(text.len(), |next| next - 1);
        (start, end)
    }

    /// Line and column of a byte of `text`, both counted from 1; of one past its end, where it ends.
    pub fn position(&self, text: &str, at: usize) -> (usize, usize) {
        let at = text.floor_char_boundary(at);
        let line = self.line(at);
        let (start, _) = self.bounds(text, line);
        (line + 1, self.chars(text, at) - self.chars(text, start) + 1)
    }

    /// How many characters of `text` begin before a byte.
    fn chars(&self, text: &str, at: usize) -> usize {
        let step = at / STEP;
        let counted = self.chars.get(step).copied();
        let rest = text.as_bytes().get(step * STEP..at).unwrap_or_default();
        // A text that ends where a step does has no count there.
        counted.map_or_else(|| text.chars().count(), |counted| counted + chars_in(rest))
    }
}

/// How many characters begin in some bytes of UTF-8.
fn chars_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| !matches!(b, 0x80..=0xbf)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_that_of_a_count_from_the_beginning() {
        let short = "äbc\n\n  €uro\nend".to_owned();
        let long = format!("a\n{}\n{}", "é".repeat(3 * STEP), "x".repeat(STEP - 3));
        let whole = "z".repeat(2 * STEP);
        for text in [String::new(), short, long, whole] {
            let lines = Lines::new(&text);
            for at in (0..text.len() + 3).step_by(if text.len() > STEP { 7 } else { 1 }).chain([text.len()]) {
                let before = &text[..text.floor_char_boundary(at)];
                let start = before.rfind('\n').map_or(0, |at| at + 1);
                let expected = (before.matches('\n').count() + 1, before[start..].chars().count() + 1);
                assert_eq!(lines.position(&text, at), expected, "{at} of {} bytes", text.len());
            }
        }
    }
}
