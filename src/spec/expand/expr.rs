//! Expressions: `2*s+l`, `$l != 2`, `role == 'spine'`. From text to a tree; what it comes to is for [`super::eval`].

use std::ops::Range;

use super::value::{integer, name_length};
use crate::spec::de::{meant, text::Wrong};

/// How deep brackets and signs may nest.
const DEPTH_MAX: usize = 32;

/// How many operators an expression may have: each makes its tree one level deeper.
const OPERATORS_MAX: usize = 200;

/// An expression with the bytes of the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub term: Term,
    /// Where it stands in its text.
    pub range: Range<usize>,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A number.
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
    /// Text in quotes.
    Text(String),
    /// A word without quotes, outside of braces: text, unless it looks like a variable that has lost its dollar sign.
    Word(String),
    /// A variable.
    Variable(String),
    /// `-x`.
    Negative(Box<Expr>),
    /// `!x`.
    Not(Box<Expr>),
    /// Two with an operator in between.
    Binary(Operator, Box<Expr>, Box<Expr>),
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`, towards zero
    Divide,
    /// `%`, with the sign of what is divided
    Remainder,
}

use Operator::{And, AtLeast, AtMost, Divide, Equal, Greater, Less, Minus, Or, Plus, Remainder, Times, Unequal};

/// The operators, those that bind least first; of two that begin alike, the longer one stands first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("||", Or)],
    &[("&&", And)],
    &[("==", Equal), ("!=", Unequal), ("<=", AtMost), (">=", AtLeast), ("<", Less), (">", Greater)],
    &[("+", Plus), ("-", Minus)],
    &[("*", Times), ("/", Divide), ("%", Remainder)],
];

/// What a word without a dollar sign means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// A variable: within `${…}`.
    Variables,
    /// Text: in a `when`, outside of braces.
    Text,
}

/// Reads a whole text as one expression.
pub fn whole(text: &str, words: Words) -> Result<Expr, Wrong> {
    let mut parser = Parser { text, at: 0, words, depth: 0, operators: 0 };
    let expr = parser.level(0)?;
    parser.blanks();
    if parser.at < text.len() { Err(parser.unexpected("an operator")) } else { Ok(expr) }
}

/// Reads the expression that begins at byte `at` of `text`, as far as it goes; also says where it ends.
pub fn part(text: &str, at: usize) -> Result<(Expr, usize), Wrong> {
    let mut parser = Parser { text, at, words: Words::Variables, depth: 0, operators: 0 };
    let expr = parser.level(0)?;
    parser.blanks();
    Ok((expr, parser.at))
}

/// Something wrong with the bytes `range` of an expression.
pub fn wrong(message: impl Into<String>, label: impl Into<String>, range: Range<usize>) -> Wrong {
    Wrong::new("vars::expression", message, label).range(range)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    words: Words,
    depth: usize,
    operators: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len();
        }
        there
    }

    fn unexpected(&self, expected: &str) -> Wrong {
        match self.rest().chars().next() {
            None => wrong(format!("the expression ends where {expected} is expected"), "ends here", self.at..self.at),
            Some(c) => {
                let range = self.at..self.at + c.len_utf8();
                let message = format!("`{}` stands where {expected} is expected", c.escape_debug());
                let wrong = wrong(message, format!("expected {expected}"), range);
                match c {
                    '=' => wrong.help("write == to compare"),
                    '&' => wrong.help("write && for and"),
                    '|' => wrong.help("write || for or"),
                    _ => wrong,
                }
            }
        }
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth >= DEPTH_MAX {
            return Err(wrong("the expression nests too deep", "too deep here", self.at..self.at));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    fn level(&mut self, level: usize) -> Result<Expr, Wrong> {
        let Some(operators) = LEVELS.get(level) else { return self.sign() };
        let mut left = self.level(level + 1)?;
        loop {
            self.blanks();
            let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take(sign)) else { return Ok(left) };
            self.operators += 1;
            if self.operators > OPERATORS_MAX {
                let message = format!("the expression has more than {OPERATORS_MAX} operators");
                return Err(
                    wrong(message, "too long here", self.at..self.at).help("give parts of it names under `vars`")
                );
            }
            let right = self.level(level + 1)?;
            let range = left.range.start..right.range.end;
            left = Expr { term: Term::Binary(*operator, Box::new(left), Box::new(right)), range };
        }
    }

    fn sign(&mut self) -> Result<Expr, Wrong> {
        self.blanks();
        let start = self.at;
        let make: fn(Box<Expr>) -> Term = match self.rest().as_bytes() {
            [b'-', ..] => Term::Negative,
            [b'!', ..] => Term::Not,
            _ => return self.atom(),
        };
        self.at += 1;
        let inner = self.deeper(Self::sign)?;
        let range = start..inner.range.end;
        Ok(Expr { term: make(Box::new(inner)), range })
    }

    fn atom(&mut self) -> Result<Expr, Wrong> {
        let start = self.at;
        let term = match self.rest().chars().next() {
            Some('(') => {
                self.at += 1;
                let inner = self.deeper(|parser| parser.level(0))?;
                self.close(")")?;
                inner.term
            }
            Some('$') => self.dollar()?,
            Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
            Some('0'..='9') => self.number()?,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.word(),
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Expr { term, range: start..self.at })
    }

    fn close(&mut self, bracket: &str) -> Result<(), Wrong> {
        self.blanks();
        if self.take(bracket) { Ok(()) } else { Err(self.unexpected(&format!("an operator or `{bracket}`"))) }
    }

    /// `$x` or `${…}`, which mean in an expression what they mean in text.
    fn dollar(&mut self) -> Result<Term, Wrong> {
        self.at += 1;
        if self.take("{") {
            let words = std::mem::replace(&mut self.words, Words::Variables);
            let inner = self.deeper(|parser| parser.level(0))?;
            self.close("}")?;
            self.words = words;
            return Ok(inner.term);
        }
        let length = name_length(self.rest());
        if length == 0 {
            return Err(self.unexpected("a variable's name"));
        }
        let name = self.rest().get(..length).unwrap_or_default().to_owned();
        self.at += length;
        Ok(Term::Variable(name))
    }

    fn quoted(&mut self, quote: char) -> Result<Term, Wrong> {
        let start = self.at;
        let inside = self.text.get(start + 1..).unwrap_or_default();
        let Some(end) = inside.find(quote) else {
            return Err(wrong("a quote is not closed", "opened here", start..start + 1));
        };
        self.at = start + 1 + end + 1;
        Ok(Term::Text(inside.get(..end).unwrap_or_default().to_owned()))
    }

    fn number(&mut self) -> Result<Term, Wrong> {
        let start = self.at;
        let rest = self.rest();
        let digits = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let digits = rest.get(..digits).unwrap_or_default();
        self.at += digits.len();
        match integer(digits) {
            Some(number) => Ok(Term::Int(number)),
            // A word such as `2nd` is text where words are.
            None if self.words == Words::Text => Ok(Term::Word(digits.to_owned())),
            None => {
                let wrong = wrong(format!("`{digits}` is no whole number"), "not a number", start..self.at);
                Err(Wrong { help: meant::advice(digits), ..wrong })
            }
        }
    }

    fn word(&mut self) -> Term {
        // In text a word goes on to the next blank, bracket or operator: `leaf-1`, `10.0.0.1`.
        let ends = |c: char| match self.words {
            Words::Variables => !c.is_ascii_alphanumeric() && c != '_',
            Words::Text => !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.' | ':'),
        };
        let rest = self.rest();
        let word = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        match (word, self.words) {
            ("true", _) => Term::Bool(true),
            ("false", _) => Term::Bool(false),
            (_, Words::Variables) => Term::Variable(word.to_owned()),
            (_, Words::Text) => Term::Word(word.to_owned()),
        }
    }
}
