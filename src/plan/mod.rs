//! The plan: what differs and what will be done about it, as one value that is shown, stored and run.

mod build;
mod conflicts;
mod disruption;
mod holder;
mod listeners;
mod lower;
mod machine;
mod neighbours;
mod overlap;
pub mod relies;
pub mod saved;
mod shared;
mod sysctls;
#[cfg(test)]
mod testing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::model::change::{AttributeChange, Change, Finding, Value};
use crate::model::{Netns, TopologyName, event::Action};

pub use build::{Inputs, Prepared, build};

/// The code of the finding that a new prefix makes everything anew.
pub const PREFIX_CHANGED: &str = "prefix::changed";

/// The code of the finding that a `-target` or `-replace` names nothing.
pub const TARGET_UNKNOWN: &str = "target::unknown";

/// The code of the finding that this machine's packet filter cannot be used, so that nothing is known of its rules.
pub const FIREWALL_UNUSABLE: &str = "host::firewall";

/// The version of the plan's JSON. The minor part grows with compatible additions.
pub const FORMAT_VERSION: &str = "1.0";

/// The ordered changes from the observed to the desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The version of this form. The minor part grows with compatible additions.
    pub format_version: String,
    /// Whose plan it is.
    #[schemars(with = "String")]
    pub topology: TopologyName,
    /// Whether it was made to remove everything.
    pub destroy: bool,
    /// What will be done, in order.
    pub changes: Vec<Change>,
    /// What was found on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// How many resources come, change and go. A replaced one counts as one that comes and one that goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Come.
    pub add: usize,
    /// Change in place.
    pub change: usize,
    /// Go.
    pub destroy: usize,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The counts of the summary line.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in &self.changes {
            match change.action {
                Action::Create => counts.add += 1,
                Action::Update => counts.change += 1,
                Action::Delete => counts.destroy += 1,
                Action::Replace => {
                    counts.add += 1;
                    counts.destroy += 1;
                }
            }
        }
        counts
    }
}

/// The JSON Schema of a plan, as `show PLAN -json` prints it.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(saved::Shown<'_>).to_value()
}

/// A namespace as the subject of a sentence.
fn place_name(netns: &Netns) -> String {
    match netns {
        Netns::Host => "the host".to_owned(),
        Netns::Named(name) => format!("the namespace `{name}`"),
    }
}
