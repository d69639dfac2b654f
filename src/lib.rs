//! netwright keeps a Linux machine's virtual network equal to a file. ARCHITECTURE.md is the map.

pub mod cli;
pub mod diff;
pub mod exec;
pub mod graph;
pub mod kernel;
pub mod kind;
pub mod model;
pub mod observe;
pub mod op;
pub mod plan;
pub mod probe;
pub mod report;
pub mod sandbox;
pub mod spec;
pub mod undo;
