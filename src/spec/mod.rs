//! Text → spanned tree → Topology.

pub mod file;
pub mod resolve;
