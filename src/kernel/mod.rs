//! Everything that talks to the Linux kernel.

pub mod error;
pub mod firewall;

pub use error::KernelError;
