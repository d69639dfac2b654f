//! What can go wrong below the line.

use std::{fmt, io};

/// One thing that the kernel, or a tool that stands for it, did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    what: String,
    why: String,
}

impl KernelError {
    /// A system call that failed.
    pub fn io(what: impl Into<String>, err: io::Error) -> Self {
        Self { what: what.into(), why: err.to_string() }
    }

    /// Something that failed for a reason that is no errno.
    pub fn message(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for KernelError {}
