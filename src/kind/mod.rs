//! One file a resource kind, and the registry.

pub mod check;
pub mod firewall;
