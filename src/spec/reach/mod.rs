//! What the file says of who reaches whom: a static model of a lab's data plane, and the way of a packet through it, there
//! and back.
//!
//! It judges only what the file decides. The host has addresses, routes and rules that no file knows; interfaces whose
//! addresses are left to others, bridges of others and sysctls may open further ways. Whatever may depend on these is
//! [`Verdict::Unknown`], which is never wrong: a false alarm would be worse than silence.

mod lab;
mod rules;
mod spread;
mod sysctls;
mod table;
mod verdict;
mod walk;
mod warn;

#[cfg(test)]
mod tests;

pub use lab::Lab;
pub use rules::translated;
pub use verdict::{By, Direction, Hop, Judgement, Stop, Taker, Trace, Verdict, Why};
pub use warn::warnings;
