//! Text with variables in it: `leaf$l`, `10.0.${2*s+l}.1/24`, `02:00:00:00:00:${i:2x}`. `$$` is a dollar sign.

use super::{
    eval::{Fault, Lookup, eval},
    expr::{self, Expr, wrong},
    value::{Value, name_length},
};
use crate::spec::de::text::Wrong;

/// The widest that a number may be written.
const WIDTH_MAX: usize = 32;

/// What text with variables comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// The text is one variable or expression and nothing else: its value, of its own kind.
    Value(Value),
    /// Text with values in it.
    Text(String),
}

/// Whether text may hold a variable or a `$$`.
pub fn is_template(text: &str) -> bool {
    text.contains('$')
}

/// Gives the names of the variables in a text to `found`, without working anything out: of `${…}` every word.
pub fn names(text: &str, mut found: impl FnMut(&str)) {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        rest = after;
        let inside = match after.strip_prefix('{') {
            Some(inside) => inside.split('}').next(),
            None => after.get(..name_length(after)),
        };
        let words = inside.unwrap_or_default().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.for_each(&mut found);
    }
}

/// Puts in what the variables hold.
pub fn fill(text: &str, scope: &mut dyn Lookup) -> Result<Filled, Fault> {
    let mut parts = Parts { text, at: 0 };
    let mut out = String::with_capacity(text.len());
    let mut faults = None;
    let mut note = |fault: Fault| {
        faults = Some(match faults.take() {
            Some(before) => Fault::and(before, fault),
            None => fault,
        });
    };
    loop {
        match parts.next() {
            Ok(None) => break,
            Ok(Some(Part::Plain(plain))) => out.push_str(plain),
            Ok(Some(Part::Hole(hole))) if hole.is_whole(text) => return eval(&hole.expr, scope).map(Filled::Value),
            Ok(Some(Part::Hole(hole))) => match eval(&hole.expr, scope).and_then(|value| hole.written(&value)) {
                Ok(written) => out.push_str(&written),
                Err(fault) => note(fault),
            },
            // Where the next part begins is not known.
            Err(wrong) => {
                note(wrong.into());
                break;
            }
        }
    }
    faults.map_or(Ok(Filled::Text(out)), Err)
}

enum Part<'t> {
    Plain(&'t str),
    Hole(Hole),
}

/// A place for a value.
struct Hole {
    expr: Expr,
    /// All of it, from the dollar sign to the end.
    range: std::ops::Range<usize>,
    format: Option<Format>,
}

/// How a number is written: `2` digits at least, with zeros in front; `x`, in hexadecimal; `4x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    width: usize,
    hex: bool,
}

impl Hole {
    fn is_whole(&self, text: &str) -> bool {
        self.range == (0..text.len()) && self.format.is_none()
    }

    fn written(&self, value: &Value) -> Result<String, Fault> {
        let error = |message: String| Fault::from(wrong(message, "here", self.range.clone()));
        match (value, self.format) {
            (Value::List(_), _) => Err(error(format!("a list cannot stand within text: `{}`", value.shown()))),
            (_, None) => Ok(value.to_string()),
            (Value::Int(number), Some(Format { hex: true, .. })) if *number < 0 => {
                Err(error(format!("{number} is negative, and has no hexadecimal digits")))
            }
            (Value::Int(number), Some(Format { width, hex: true })) => Ok(format!("{number:0width$x}")),
            (Value::Int(number), Some(Format { width, hex: false })) => Ok(format!("{number:0width$}")),
            (_, Some(_)) => {
                Err(error(format!("only a number has a width or hexadecimal digits, not `{}`", value.shown())))
            }
        }
    }
}

struct Parts<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parts<'t> {
    fn next(&mut self) -> Result<Option<Part<'t>>, Wrong> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let start = self.at;
        let Some(after) = rest.strip_prefix('$') else {
            let plain = rest.get(..rest.find('$').unwrap_or(rest.len())).unwrap_or_default();
            self.at += plain.len();
            return Ok(Some(Part::Plain(plain)));
        };
        let length = name_length(after);
        if after.starts_with('{') {
            return self.braces().map(|hole| Some(Part::Hole(hole)));
        }
        if length > 0 {
            self.at += 1 + length;
            let name = after.get(..length).unwrap_or_default().to_owned();
            let range = start..self.at;
            let expr = Expr { term: expr::Term::Variable(name), range: range.clone() };
            return Ok(Some(Part::Hole(Hole { expr, range, format: None })));
        }
        // `$$` is one dollar sign, and so is one before anything that is no name.
        self.at += 1 + usize::from(after.starts_with('$'));
        Ok(Some(Part::Plain("$")))
    }

    fn braces(&mut self) -> Result<Hole, Wrong> {
        let start = self.at;
        let (expr, end) = expr::part(self.text, start + "${".len())?;
        let rest = self.text.get(end..).unwrap_or_default();
        let (format, end) = match rest.strip_prefix(':') {
            Some(rest) => {
                let length = rest.find('}').unwrap_or(rest.len());
                let format = rest.get(..length).unwrap_or_default();
                let range = end + 1..end + 1 + length;
                (Some(read_format(format).ok_or_else(|| bad_format(format, range.clone()))?), range.end)
            }
            None => (None, end),
        };
        match self.text.get(end..).and_then(|rest| rest.chars().next()) {
            Some('}') => {
                self.at = end + 1;
                Ok(Hole { expr, range: start..self.at, format })
            }
            Some(c) => {
                let message = format!("`{}` stands where an operator or `}}` is expected", c.escape_debug());
                Err(wrong(message, "expected `}`", end..end + c.len_utf8()))
            }
            None => Err(wrong("`${` is not closed", "opened here", start..start + 2).help("close it with `}`")),
        }
    }
}

fn read_format(text: &str) -> Option<Format> {
    let (digits, hex) = match text.strip_suffix('x') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let width = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let valid = digits.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() && width <= WIDTH_MAX;
    valid.then_some(Format { width, hex })
}

fn bad_format(text: &str, range: std::ops::Range<usize>) -> Wrong {
    wrong(format!("`{}` is no way to write a number", text.escape_debug()), "after the colon", range)
        .help("write how many digits it has at least, `x` for hexadecimal, or both: ${i:2}, ${i:x}, ${i:4x}")
}
