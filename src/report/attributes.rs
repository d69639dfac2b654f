//! The inside of a block: one resource's attributes as they were, as they will be, or as both.

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use crate::{
    plan::{AttributeChange, Change, Value},
    report::style::{DIM, GREEN, RED, YELLOW, clean, count, paint, quote},
};

/// How many unchanged elements of a list are shown on each side of a changed one.
const CONTEXT: usize = 3;
const INDENT: &str = "      ";

/// The attributes of `change`, their names padded to one width, and how many are not shown.
pub fn block(change: &Change, out: &mut String) {
    let width = change.attributes.iter().map(|a| clean(&a.name).chars().count()).max().unwrap_or(0);
    for attribute in &change.attributes {
        line(attribute, width, out);
    }
    if change.unchanged > 0 {
        let hidden = count(change.unchanged, "unchanged attribute");
        out.push_str(&format!("{INDENT}  {}\n", paint(DIM, format_args!("# ({hidden} hidden)"))));
    }
}

/// One attribute: a line, or several for a list.
fn line(attribute: &AttributeChange, width: usize, out: &mut String) {
    let (symbol, value) = match (&attribute.before, &attribute.after) {
        (None, None) => return,
        (None, Some(after)) => (Some(Symbol::Plus), whole(after, Symbol::Plus)),
        (Some(before), None) => (Some(Symbol::Minus), whole(before, Symbol::Minus)),
        (Some(before), Some(after)) if before == after => (None, inline(after)),
        (Some(Value::List(before)), Some(Value::List(after))) => (Some(Symbol::Tilde), difference(before, after)),
        (Some(before), Some(after)) => {
            let arrow = paint(YELLOW, "->");
            (Some(Symbol::Tilde), format!("{} {arrow} {}", inline(before), inline(after)))
        }
    };
    let symbol = symbol.map_or_else(|| " ".to_owned(), Symbol::painted);
    out.push_str(&format!("{INDENT}{symbol} {:width$} = {value}{}\n", clean(&attribute.name), comment(attribute)));
}

/// What follows the value: why it matters.
fn comment(attribute: &AttributeChange) -> String {
    let note = attribute.note.as_deref().map(clean).unwrap_or_default().replace('\n', " ");
    match (attribute.forces_replacement, note.is_empty()) {
        (false, true) => String::new(),
        (false, false) => format!(" {}", paint(DIM, format_args!("# {note}"))),
        (true, true) => format!(" {}", paint(RED, "# forces replacement")),
        (true, false) => format!(" {}{}", paint(RED, "# forces replacement"), paint(DIM, format_args!("; {note}"))),
    }
}

/// What stands before an attribute or an element.
#[derive(Debug, Clone, Copy)]
enum Symbol {
    Plus,
    Tilde,
    Minus,
}

impl Symbol {
    fn painted(self) -> String {
        match self {
            Self::Plus => paint(GREEN, "+"),
            Self::Tilde => paint(YELLOW, "~"),
            Self::Minus => paint(RED, "-"),
        }
    }
}

/// A value on one line.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => quote(text),
        Value::List(items) => format!("[{}]", items.iter().map(|i| quote(i)).collect::<Vec<_>>().join(", ")),
    }
}

/// A value that comes or goes whole.
fn whole(value: &Value, symbol: Symbol) -> String {
    match value {
        Value::List(items) if !items.is_empty() => {
            brackets(|out| items.iter().for_each(|item| element(Some(symbol), item, out)))
        }
        other => inline(other),
    }
}

/// Two lists as one, its elements marked.
fn difference(before: &[String], after: &[String]) -> String {
    brackets(|out| {
        let operations = capture_diff_slices(Algorithm::Myers, before, after);
        let mut shown = 0;
        for group in group_diff_ops(operations, CONTEXT) {
            if let Some(first) = group.first() {
                hidden(first.old_range().start - shown, out);
            }
            for operation in &group {
                elements(operation, before, after, out);
                shown = operation.old_range().end;
            }
        }
        hidden(before.len() - shown, out);
    })
}

/// The elements of one run of a diff: what goes before what comes.
fn elements(operation: &DiffOp, before: &[String], after: &[String], out: &mut String) {
    let (old, new) = (&before[operation.old_range()], &after[operation.new_range()]);
    if let DiffOp::Equal { .. } = operation {
        old.iter().for_each(|item| element(None, item, out));
        return;
    }
    old.iter().for_each(|item| element(Some(Symbol::Minus), item, out));
    new.iter().for_each(|item| element(Some(Symbol::Plus), item, out));
}

fn brackets(fill: impl FnOnce(&mut String)) -> String {
    let mut out = String::from("[\n");
    fill(&mut out);
    out.push_str(&format!("{INDENT}  ]"));
    out
}

fn element(symbol: Option<Symbol>, item: &str, out: &mut String) {
    let symbol = symbol.map_or_else(|| " ".to_owned(), Symbol::painted);
    out.push_str(&format!("{INDENT}    {symbol} {},\n", quote(item)));
}

fn hidden(elements: usize, out: &mut String) {
    if elements > 0 {
        let hidden = count(elements, "unchanged element");
        out.push_str(&format!("{INDENT}      {}\n", paint(DIM, format_args!("# ({hidden} hidden)"))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::plain;

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|i| (*i).to_owned()).collect()
    }

    #[test]
    fn a_long_list_shows_what_changed_and_its_neighbours() {
        let before: Vec<String> = (0..20).map(|n| format!("10.0.{n}.1/24")).collect();
        let mut after = before.clone();
        after[10] = "10.9.0.1/24".to_owned();
        after.push("10.0.20.1/24".to_owned());
        insta::assert_snapshot!(plain(&difference(&before, &after)), @r#"
        [
                    # (7 unchanged elements hidden)
                    "10.0.7.1/24",
                    "10.0.8.1/24",
                    "10.0.9.1/24",
                  - "10.0.10.1/24",
                  + "10.9.0.1/24",
                    "10.0.11.1/24",
                    "10.0.12.1/24",
                    "10.0.13.1/24",
                    # (3 unchanged elements hidden)
                    "10.0.17.1/24",
                    "10.0.18.1/24",
                    "10.0.19.1/24",
                  + "10.0.20.1/24",
                ]
        "#);
    }

    #[test]
    fn the_end_of_a_list_is_counted_too() {
        let before = texts(&["a", "b", "c", "d", "e", "f"]);
        let shown = plain(&difference(&before, &before[1..]));
        assert!(shown.contains("- \"a\"") && shown.contains("# (2 unchanged elements hidden)"), "{shown}");
    }

    #[test]
    fn a_value_on_one_line_is_written_as_in_the_language() {
        assert_eq!(inline(&Value::Bool(true)), "true");
        assert_eq!(inline(&Value::Number(1500)), "1500");
        assert_eq!(inline(&Value::Text("4096\t6".into())), r#""4096\t6""#);
        assert_eq!(inline(&Value::List(texts(&["a", "b"]))), r#"["a", "b"]"#);
        assert_eq!(plain(&whole(&Value::List(Vec::new()), Symbol::Plus)), "[]");
    }
}
