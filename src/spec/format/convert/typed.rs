//! YAML's scalars without quotes, as what the language takes each for where it stands.

use foldhash::HashSet;

use super::same::is_whole;
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
    let mut found = with_styles(tree, &|scalar, _| style(scalar));
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
        found = with_styles(tree, &|scalar, span| if no_numbers.contains(&span) { Style::Text } else { style(scalar) });
    }
}

/// What a scalar is by its looks.
fn style(scalar: &Scalar) -> Style {
    match scalar.style {
        Style::Plain if matches!(scalar.text.as_str(), "true" | "false") => Style::Bool,
        Style::Plain if is_whole(&scalar.text) => Style::Number,
        Style::Plain | Style::Date => Style::Text,
        style @ (Style::Text | Style::Number | Style::Bool) => style,
    }
}

fn with_styles(node: &Node, of: &impl Fn(&Scalar, Span) -> Style) -> Node {
    let value = match &node.value {
        Value::Scalar(scalar) => Value::Scalar(Scalar { text: scalar.text.clone(), style: of(scalar, node.span) }),
        Value::List(items) => Value::List(items.iter().map(|item| with_styles(item, of)).collect()),
        Value::Map(entries) => {
            let entry = |entry: &Entry| Entry { key: entry.key.clone(), value: with_styles(&entry.value, of) };
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

/// The tree without what the notation `to` does not tell apart: numbers that are not whole, which the language has none of,
/// may become text, and TOML has the tables of a table after its other keys.
pub fn comparable(tree: &Node, to: Format) -> Node {
    let mut tree = with_styles(tree, &|scalar, _| match style(scalar) {
        Style::Number if !is_whole(&scalar.text) => Style::Text,
        style => style,
    });
    if to == Format::Toml {
        sort(&mut tree);
    }
    tree
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
