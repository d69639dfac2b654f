//! What a variable holds.

use std::fmt;

use crate::spec::tree::{Scalar, Style};

/// What a value costs beside its text, and an item of a list beside that, in bytes.
const VALUE_COST: usize = 8;
const ITEM_COST: usize = 24;

/// How much of a text and of a list an error shows.
const SHOWN_CHARS: usize = 60;
const SHOWN_ITEMS: usize = 8;

/// The value of a variable, or of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// Several of these, for a `for` to go through; none of them is a list.
    List(Vec<Self>),
}

impl Value {
    /// What a scalar is taken for, by its notation; `None` for what no variable can hold: fractions and dates.
    pub fn of_scalar(scalar: &Scalar) -> Option<Self> {
        match scalar.style {
            Style::Text => Some(Self::Text(scalar.text.clone())),
            Style::Number => scalar.text.parse().ok().map(Self::Int),
            Style::Bool => Some(Self::Bool(scalar.text == "true")),
            Style::Plain => Some(Self::of_text(&scalar.text)),
            Style::Date => None,
        }
    }

    /// What a word without quotes is taken for. `010` and `1e3` are words: what they mean as numbers depends on whom one asks.
    pub fn of_text(text: &str) -> Self {
        match text {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => integer(text).map_or_else(|| Self::Text(text.to_owned()), Self::Int),
        }
    }

    /// What it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "a number",
            Self::Text(_) => "text",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
        }
    }

    /// What a copy of it costs, in bytes.
    pub fn cost(&self) -> usize {
        match self {
            Self::Int(_) | Self::Bool(_) => VALUE_COST,
            Self::Text(text) => VALUE_COST + text.len(),
            Self::List(items) => VALUE_COST + items.iter().map(|item| ITEM_COST + item.cost()).sum::<usize>(),
        }
    }

    /// It, cut to what an error has room for.
    pub fn shown(&self) -> String {
        match self {
            Self::Int(_) | Self::Bool(_) => self.to_string(),
            Self::Text(text) => shown(text),
            Self::List(items) => {
                let mut shown: Vec<String> = items.iter().take(SHOWN_ITEMS).map(Self::shown).collect();
                if items.len() > SHOWN_ITEMS {
                    shown.push("…".to_owned());
                }
                format!("[{}]", shown.join(", "))
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Bool(truth) => truth.fmt(f),
            // No text has a list in it.
            Self::List(_) => f.write_str(&self.shown()),
        }
    }
}

/// Text, cut to what an error has room for.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A whole number in plain decimal, without a sign of plus or leading zeros.
pub fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Whether `text` can be the name of a variable.
pub fn is_name(text: &str) -> bool {
    name_length(text) == text.len() && !text.is_empty()
}

/// How many bytes at the beginning of `text` are a variable's name.
pub fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbers_only_where_nobody_can_read_them_otherwise() {
        assert_eq!(Value::of_text("4"), Value::Int(4));
        assert_eq!(Value::of_text("-4"), Value::Int(-4));
        assert_eq!(Value::of_text("0"), Value::Int(0));
        assert_eq!(Value::of_text("true"), Value::Bool(true));
        for word in ["010", "1e3", "+4", "0x10", "1_000", "", "-", "99999999999999999999", "no", "22:22", "1.5"] {
            assert_eq!(Value::of_text(word), Value::Text(word.to_owned()));
        }
    }

    #[test]
    fn what_an_error_shows_is_short() {
        let items = vec![Value::Text("é".repeat(100)); 100];
        assert_eq!(Value::List(vec![Value::Int(1), Value::Text("a".to_owned())]).shown(), "[1, a]");
        assert_eq!(Value::List(items.clone()).shown().matches('…').count(), SHOWN_ITEMS + 1);
        assert!(Value::List(items).to_string().len() < 2000);
    }

    #[test]
    fn names_are_letters_digits_and_underscores() {
        for name in ["n", "_x", "a1", "LEAVES"] {
            assert!(is_name(name), "{name}");
        }
        for bad in ["", "1a", "a-b", "a.b", "é"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert_eq!(name_length("l:eth0"), 1);
    }
}
