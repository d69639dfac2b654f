//! A kernel that is a value: it applies every op to a [`Snapshot`], with the errors that the real one would give.

use super::{BatchError, Kernel, KernelError};
use crate::{
    model::snapshot::{ReadRequest, Snapshot},
    op::Batch,
};

/// Holds a state and behaves like a kernel in it.
#[derive(Debug, Clone, Default)]
pub struct Fake {
    /// What it would say if it were read.
    pub state: Snapshot,
}
