//! YAML's scalars without quotes, as what the language takes each for where it stands.

use foldhash::HashSet;

use super::same::{fraction, is_whole};
use crate::{
    model::{Diagnostic, Severity, Span},
    spec::{
        Format, Source,
        de::{Decode, Decoder, Key},
        file::File,
        tree::{Entry, Node, Scalar, Style, Value},
    },
};

/// The tree of `text`, each scalar in it a number, a boolean or a string. What could be either is what the language can
/// read there: `listen: 8088` is a number, and `name: 8088` is a string.
pub fn typed(text: &str, tree: &Node) -> Node {
    let mut found = with_styles(tree, &|scalar, _, place| style(scalar, place));
    if found == *tree {
        return found;
    }
    let before = errors(text, tree);
    let mut no_numbers: HashSet<Span> = HashSet::default();
    loop {
        let known = no_numbers.len();
        no_numbers.extend(errors(text, &found).difference(&before));
        // Of very many errors only some are told at a time.
        if no_numbers.len() == known {
            return found;
        }
        found = with_styles(tree, &|scalar, span, place| match no_numbers.contains(&span) {
            true => Style::Text,
            false => style(scalar, place),
        });
    }
}

/// For whom a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// For the language, which has whole numbers only.
    Ours,
    /// For another program: below a key that begins with `x-`.
    Others,
}

/// What a scalar is by its looks.
fn style(scalar: &Scalar, place: Place) -> Style {
    match scalar.style {
        Style::Plain if place == Place::Others && fraction(&scalar.text).is_some() => Style::Number,
        Style::Plain if matches!(scalar.text.as_str(), "true" | "false") => Style::Bool,
        Style::Plain if is_whole(&scalar.text) => Style::Number,
        // As text it is what it was, also where TOML takes the sign from a zero.
        Style::Number if place == Place::Ours && scalar.text == "-0" => Style::Text,
        Style::Plain | Style::Date => Style::Text,
        style @ (Style::Text | Style::Number | Style::Bool) => style,
    }
}

/// The tree of a whole file, with the styles that `of` gives to its scalars.
fn with_styles(root: &Node, of: &impl Fn(&Scalar, Span, Place) -> Style) -> Node {
    with_scalars(root, &|scalar, span, place| Scalar { text: scalar.text.clone(), style: of(scalar, span, place) })
}

/// The tree of a whole file, with other scalars.
fn with_scalars(root: &Node, of: &impl Fn(&Scalar, Span, Place) -> Scalar) -> Node {
    let place = |key: &str| if key.starts_with("x-") { Place::Others } else { Place::Ours };
    let entry = |it: &Entry| Entry { key: it.key.clone(), value: below(&it.value, place(&it.key.value), of) };
    match &root.value {
        Value::Map(entries) => Node { span: root.span, value: Value::Map(entries.iter().map(entry).collect()) },
        Value::Null | Value::Scalar(_) | Value::List(_) | Value::Invalid => below(root, Place::Ours, of),
    }
}

fn below(node: &Node, place: Place, of: &impl Fn(&Scalar, Span, Place) -> Scalar) -> Node {
    let value = match &node.value {
        Value::Scalar(scalar) => Value::Scalar(of(scalar, node.span, place)),
        Value::List(items) => Value::List(items.iter().map(|item| below(item, place, of)).collect()),
        Value::Map(entries) => {
            let entry = |entry: &Entry| Entry { key: entry.key.clone(), value: below(&entry.value, place, of) };
            Value::Map(entries.iter().map(entry).collect())
        }
        Value::Null => Value::Null,
        Value::Invalid => Value::Invalid,
    };
    Node { span: node.span, value }
}

/// Where the language finds something wrong.
fn errors(text: &str, tree: &Node) -> HashSet<Span> {
    let sources = [Source { name: String::new(), text: text.to_owned(), format: Format::Toml }];
    let mut decoder = Decoder::new(&sources);
    drop(File::decode(tree, &Key::PLAIN, &mut decoder));
    let found = decoder.diagnostics.finish();
    let errors = found.iter().filter(|found| found.severity == Severity::Error);
    errors.flat_map(|error| &error.labels).map(|label| label.span).collect()
}

/// Takes out what means nothing, and says so: TOML has no word for it.
pub fn without_nulls(node: &mut Node, warnings: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::Map(entries) => {
            entries.retain_mut(|entry| {
                without_nulls(&mut entry.value, warnings);
                let is_null = entry.value.value == Value::Null;
                if is_null {
                    warnings.push(left_out(&format!("`{}`", entry.key.value.escape_debug()), entry.key.span));
                }
                !is_null
            });
        }
        Value::List(items) => {
            items.retain_mut(|item| {
                without_nulls(item, warnings);
                let is_null = item.value == Value::Null;
                if is_null {
                    warnings.push(left_out("an item", item.span));
                }
                !is_null
            });
        }
        Value::Null | Value::Scalar(_) | Value::Invalid => {}
    }
}

fn left_out(what: &str, at: Span) -> Diagnostic {
    Diagnostic::warning("convert::nothing", format!("{what} is left out: TOML cannot say that nothing stands there"))
        .at(at, "nothing stands here")
        .help("it means nothing in YAML and JSON either")
}

/// The tree without what the notation `to` does not tell apart: in how many digits a fraction is written, and fractions from
/// text where the language stands, which has none; and TOML has the tables of a table after its other keys.
pub fn comparable(tree: &Node, to: Format) -> Node {
    let mut tree = with_scalars(tree, &|scalar, _, place| {
        let text = scalar.text.clone();
        let is_number = matches!(scalar.style, Style::Number | Style::Plain);
        match (fraction(&text).filter(|_| is_number), place) {
            // YAML is not given what some of its readers take for text.
            (Some(fraction), _) if to == Format::Yaml && is_long(fraction) => Scalar { text, style: Style::Text },
            (Some(fraction), Place::Others) => Scalar { text: written(fraction), style: Style::Number },
            (Some(fraction), Place::Ours) => Scalar { text: written(fraction), style: Style::Text },
            (None, place) => match style(scalar, place) {
                Style::Number if !is_whole(&text) => Scalar { text, style: Style::Text },
                style => Scalar { text, style },
            },
        }
    });
    if to == Format::Toml {
        sort(&mut tree);
    }
    tree
}

/// A fraction in the shortest way that tells it from a whole number.
pub fn written(fraction: f64) -> String {
    format!("{fraction:?}")
}

/// Whether a fraction is so large or small that it is written with an exponent.
pub fn is_long(fraction: f64) -> bool {
    written(fraction).contains('e')
}

fn sort(node: &mut Node) {
    match &mut node.value {
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| sort(&mut entry.value));
            entries.sort_by(|one, other| one.key.value.cmp(&other.key.value));
        }
        Value::List(items) => items.iter_mut().for_each(sort),
        Value::Null | Value::Scalar(_) | Value::Invalid => {}
    }
}
