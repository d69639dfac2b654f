//! Whether two trees say the same.

use crate::spec::tree::{Node, Scalar, Style, Value};

/// Whether they are alike but for their places, and for quotes around what is text without them too.
pub fn nodes(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Null, Value::Null) | (Value::Invalid, Value::Invalid) => true,
        (Value::Scalar(one), Value::Scalar(other)) => scalars(one, other),
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| nodes(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| one.key.value == other.key.value && nodes(&one.value, &other.value))
        }
        _ => false,
    }
}

fn scalars(one: &Scalar, other: &Scalar) -> bool {
    let style = |scalar: &Scalar| match scalar.style {
        Style::Plain if is_text(&scalar.text) => Style::Text,
        style => style,
    };
    one.text == other.text && style(one) == style(other)
}

/// Whether a YAML scalar without quotes can only be text to the language.
pub fn is_text(plain: &str) -> bool {
    !matches!(plain, "true" | "false") && !is_whole(plain)
}

/// A number that is not whole, as all readers write it: `1.5`, `1e3`, and `-0`, which is no whole number to all of them.
pub fn fraction(plain: &str) -> Option<f64> {
    let is_one = plain.contains(['.', 'e', 'E']) || plain == "-0";
    serde_json::from_str::<serde_json::Number>(plain).ok().filter(|_| is_one)?.as_f64()
}

/// Whether it is a whole number as the language writes one.
pub fn is_whole(plain: &str) -> bool {
    let digits = plain.strip_prefix('-').unwrap_or(plain);
    let zero_first = digits.starts_with('0') && plain != "0";
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !zero_first && plain.parse::<i64>().is_ok()
}
