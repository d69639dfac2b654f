//! What happens while a plan runs or a lab is tested, as data for the reporter.

use std::time::Duration;

use super::Address;
use super::diagnostic::Diagnostic;

/// What is done to a resource.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made: `+`.
    Create,
    /// It is changed in its place: `~`.
    Update,
    /// It is removed and made anew: `-/+`.
    Replace,
    /// It is removed: `-`.
    Delete,
}

/// Something that happened during a run.
#[derive(Debug, Clone)]
pub enum Event {
    /// The change of a resource begins.
    Start {
        /// Which.
        address: Address,
        /// What is done to it.
        action: Action,
    },
    /// All ops of a resource are done.
    Done {
        /// Which.
        address: Address,
        /// What was done to it.
        action: Action,
        /// Since its start.
        elapsed: Duration,
    },
    /// An op of a resource failed.
    Failed {
        /// Which.
        address: Address,
        /// What was being done to it.
        action: Action,
        /// What the kernel said.
        message: String,
    },
    /// What was done before something failed, or was stopped, has been taken back.
    RolledBack {
        /// The resources that this was about.
        resources: Vec<Address>,
        /// How many operations it took.
        operations: usize,
        /// What could not be taken back, and why.
        left: Vec<(Address, String)>,
    },
    /// Something that the user should know.
    Note(Diagnostic),
}
