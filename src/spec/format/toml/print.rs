//! Pieces to TOML text.

use super::{Document, Statement};
use crate::spec::format::{flow::Dialect, lines::Lines};

/// How brackets are written.
pub const DIALECT: Dialect = Dialect { colon: " =", last_comma: "," };

/// The text of a document.
pub fn print(document: &Document) -> String {
    let mut lines = Lines::default();
    for statement in &document.statements {
        match statement {
            Statement::Header(header) => {
                lines.trivia(&header.lead, 0);
                lines.push(&header.text, header.remark.as_ref());
            }
            Statement::Pair(pair) => {
                lines.trivia(&pair.lead, 0);
                let prefix = format!("{}{}", pair.key.as_deref().unwrap_or_default(), DIALECT.colon);
                DIALECT.value(&prefix, &pair.value, ("", pair.remark.as_ref()), 0, &mut lines);
            }
        }
    }
    lines.trivia(&document.tail, 0);
    lines.finish()
}
