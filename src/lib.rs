//! netwright keeps a Linux machine's virtual network equal to a file. ARCHITECTURE.md is the map.

pub mod kind;
pub mod model;
pub mod op;
pub mod plan;
pub mod probe;
pub mod report;
pub mod sandbox;
