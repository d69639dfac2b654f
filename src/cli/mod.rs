//! One thin file a verb, and what they share: arguments and the operands that name a topology.

pub mod args;
pub mod argv;
pub mod help;
pub mod operand;
pub mod value;
pub mod version;
