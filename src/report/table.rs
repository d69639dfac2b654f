//! Tables: a head, and rows whose cells stand under each other.

use anstyle::Style;

use super::style::{BOLD, paint};

/// Draws a table, each row in its style.
pub fn table<const N: usize>(head: [&str; N], rows: &[([String; N], Style)]) -> String {
    let head = (head.map(str::to_owned), BOLD);
    let all: Vec<_> = std::iter::once(&head).chain(rows).collect();
    let mut widths = [0; N];
    for (cells, _) in &all {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| -> String {
        widths.iter().zip(cells).map(|(width, cell)| format!("{cell:width$}  ", width = *width)).collect()
    };
    all.iter().map(|(cells, style)| format!("{}\n", paint(*style, line(cells).trim_end()))).collect()
}
