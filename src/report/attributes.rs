//! The inside of a block: one resource's attributes as they were, as they will be, or as both.

use std::sync::LazyLock;

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use crate::{
    plan::{AttributeChange, Change, Value},
    report::style::{DIM, GREEN, RED, YELLOW, clean, count, paint, push_quoted},
};

/// How many unchanged elements of a list are shown on each side of a changed one.
const CONTEXT: usize = 3;
const INDENT: &str = "      ";
const FORCES: &str = "# forces replacement";

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
    match (&attribute.before, &attribute.after) {
        (None, None) => return,
        (None, Some(after)) => {
            head(Symbol::Plus, attribute, width, out);
            whole(after, Symbol::Plus, out);
        }
        (Some(before), None) => {
            head(Symbol::Minus, attribute, width, out);
            whole(before, Symbol::Minus, out);
        }
        (Some(before), Some(after)) if before == after => {
            head(Symbol::Blank, attribute, width, out);
            push_inline(after, out);
        }
        (Some(Value::List(before)), Some(Value::List(after))) => {
            head(Symbol::Tilde, attribute, width, out);
            difference(before, after, out);
        }
        (Some(before), Some(after)) => {
            head(Symbol::Tilde, attribute, width, out);
            push_inline(before, out);
            out.push_str(&format!(" {} ", paint(YELLOW, "->")));
            push_inline(after, out);
        }
    }
    comment(attribute, out);
    out.push('\n');
}

/// What stands before the value.
fn head(symbol: Symbol, attribute: &AttributeChange, width: usize, out: &mut String) {
    out.push_str(INDENT);
    symbol.push_to(out);
    let name = clean(&attribute.name);
    out.extend([" ", &name]);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(name.chars().count())));
    out.push_str(" = ");
}

/// What follows the value: why it matters.
fn comment(attribute: &AttributeChange, out: &mut String) {
    let note = attribute.note.as_deref().map(clean).unwrap_or_default().replace('\n', " ");
    match (attribute.forces_replacement, note.is_empty()) {
        (false, true) => {}
        (false, false) => out.push_str(&format!(" {}", paint(DIM, format_args!("# {note}")))),
        (true, true) => out.push_str(&format!(" {}", paint(RED, FORCES))),
        (true, false) => out.push_str(&format!(" {}{}", paint(RED, FORCES), paint(DIM, format_args!("; {note}")))),
    }
}

/// What stands before an attribute or an element.
#[derive(Debug, Clone, Copy)]
enum Symbol {
    Plus,
    Tilde,
    Minus,
    Blank,
}

impl Symbol {
    fn push_to(self, out: &mut String) {
        static PAINTED: LazyLock<[String; 3]> =
            LazyLock::new(|| [(GREEN, "+"), (YELLOW, "~"), (RED, "-")].map(|(style, it)| paint(style, it).to_string()));
        let [plus, tilde, minus] = &*PAINTED;
        out.push_str(match self {
            Self::Plus => plus,
            Self::Tilde => tilde,
            Self::Minus => minus,
            Self::Blank => " ",
        });
    }
}

/// A value on one line.
pub fn inline(value: &Value) -> String {
    let mut out = String::new();
    push_inline(value, &mut out);
    out
}

fn push_inline(value: &Value, out: &mut String) {
    match value {
        Value::Bool(on) => out.push_str(if *on { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Text(text) => push_quoted(out, text),
        Value::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                push_quoted(out, item);
            }
            out.push(']');
        }
    }
}

/// A value that comes or goes whole.
fn whole(value: &Value, symbol: Symbol, out: &mut String) {
    match value {
        Value::List(items) if !items.is_empty() => {
            brackets(out, |out| items.iter().for_each(|item| element(symbol, item, out)));
        }
        other => push_inline(other, out),
    }
}

/// Two lists as one, its elements marked.
fn difference(before: &[String], after: &[String], out: &mut String) {
    brackets(out, |out| {
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
    });
}

/// The elements of one run of a diff: what goes before what comes.
fn elements(operation: &DiffOp, before: &[String], after: &[String], out: &mut String) {
    let (old, new) = (&before[operation.old_range()], &after[operation.new_range()]);
    if let DiffOp::Equal { .. } = operation {
        old.iter().for_each(|item| element(Symbol::Blank, item, out));
        return;
    }
    old.iter().for_each(|item| element(Symbol::Minus, item, out));
    new.iter().for_each(|item| element(Symbol::Plus, item, out));
}

fn brackets(out: &mut String, fill: impl FnOnce(&mut String)) {
    out.push_str("[\n");
    fill(out);
    out.extend([INDENT, "  ]"]);
}

fn element(symbol: Symbol, item: &str, out: &mut String) {
    out.extend([INDENT, "    "]);
    symbol.push_to(out);
    out.push(' ');
    push_quoted(out, item);
    out.push_str(",\n");
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
        let mut shown = String::new();
        difference(&before, &after, &mut shown);
        insta::assert_snapshot!(plain(&shown), @r#"
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
        let mut shown = String::new();
        difference(&before, &before[1..], &mut shown);
        let shown = plain(&shown);
        assert!(shown.contains("- \"a\"") && shown.contains("# (2 unchanged elements hidden)"), "{shown}");
    }

    #[test]
    fn a_value_on_one_line_is_written_as_in_the_language() {
        assert_eq!(inline(&Value::Bool(true)), "true");
        assert_eq!(inline(&Value::Number(1500)), "1500");
        assert_eq!(inline(&Value::Text("4096\t6".into())), r#""4096\t6""#);
        assert_eq!(inline(&Value::List(texts(&["a", "b"]))), r#"["a", "b"]"#);
        let mut shown = String::new();
        whole(&Value::List(Vec::new()), Symbol::Plus, &mut shown);
        assert_eq!(shown, "[]");
    }
}
