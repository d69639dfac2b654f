//! A plan on its way from `plan -out` to `apply`: with the topology that it was made from, so that it can be made again
//! from the kernel as it is then. Where that gives other changes, the kernel has moved on and the plan is stale.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::{diff::Choices, model::Address};

/// A topology as it was read, to be read again: the one form in which it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stored {
    /// The file that it came from; `-` for standard input.
    pub path: PathBuf,
    /// `toml`, `yaml` or `json`.
    pub format: String,
    /// Its text.
    pub text: String,
}

/// A saved plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// What it was made from.
    pub source: Stored,
    /// What the command line wanted beside.
    pub choices: Choices,
}

impl SavedPlan {
    /// The resources in which a plan made now differs from this one; none where it may be run.
    pub fn moved(&self, now: &Plan) -> Vec<Address> {
        let mut moved: Vec<Address> = Vec::new();
        for change in self.plan.changes.iter().filter(|change| !now.changes.contains(change)) {
            moved.push(change.address.clone());
        }
        for change in now.changes.iter().filter(|change| !self.plan.changes.contains(change)) {
            moved.push(change.address.clone());
        }
        moved.sort();
        moved.dedup();
        moved
    }
}
