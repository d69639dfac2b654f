//! Small immutable types that every other module may use. Nothing here has an effect.

pub mod address;
pub mod change;
pub mod diagnostic;
pub mod event;
pub mod hash;
pub mod iptables;
pub mod machine;
pub mod mark;
pub mod name;
pub mod raw;
pub mod snapshot;
pub mod socket;

pub use address::Address;
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Span, Spanned};
pub use mark::Mark;
pub use name::{IfName, Label, Mac, Netns, TopologyName};
pub use raw::Raw;
pub use snapshot::Snapshot;
