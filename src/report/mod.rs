//! The only place that formats for people or machines.

pub mod addresses;
pub mod attributes;
pub mod checks;
pub mod confirm;
pub mod diagnostic;
pub mod json;
mod lines;
pub mod plan;
pub mod progress;
pub mod show;
pub mod stale;
pub mod style;
pub mod table;
pub mod time;
pub mod words;
