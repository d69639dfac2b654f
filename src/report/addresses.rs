//! The addresses of a topology: who has what.

use anstyle::Style;
use serde_json::{Value, json};

use super::{
    style::{DIM, clean},
    table::table,
};
use crate::spec::resolve::Held;

/// The addresses as a table.
pub fn text(held: &[Held]) -> String {
    let row = |it: &Held| {
        let segment = it.segment.as_deref().unwrap_or("-");
        let given = if it.automatic { "automatic" } else { "the file" };
        let cells = [&it.namespace, &it.interface, &it.address.to_string(), segment, given];
        (cells.map(|cell| clean(cell).into_owned()), if it.automatic { Style::new() } else { DIM })
    };
    let rows: Vec<_> = held.iter().map(row).collect();
    table(["NAMESPACE", "INTERFACE", "ADDRESS", "ON", "GIVEN BY"], &rows)
}

/// The addresses of one topology, for machines.
pub fn json(topology: &str, held: &[Held]) -> Vec<Value> {
    let one = |it: &Held| {
        json!({
            "topology": topology, "namespace": it.namespace, "interface": it.interface, "address": it.address.to_string(),
            "segment": it.segment, "automatic": it.automatic,
        })
    };
    held.iter().map(one).collect()
}
