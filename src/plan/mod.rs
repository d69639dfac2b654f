//! The plan: what differs and what will be done about it, as one value that is shown, stored and run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Address, TopologyName, event::Action};

/// The version of the plan's JSON. The minor part grows with compatible additions.
pub const FORMAT_VERSION: &str = "1.0";

/// An attribute's value as people and machines read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// On or off.
    Bool(bool),
    /// A count, a size.
    Number(u64),
    /// Anything with a text form.
    Text(String),
    /// Several, in an order that means something or is sorted.
    List(Vec<String>),
}

/// One attribute that differs, or that comes or goes with its resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttributeChange {
    /// Its name, such as `mtu` or `web:eth0.addresses`.
    pub name: String,
    /// The value in the kernel; `None` where there is none.
    pub before: Option<Value>,
    /// The value in the file; `None` where it goes.
    pub after: Option<Value>,
    /// Whether the kernel cannot change it in place.
    #[serde(default)]
    pub forces_replacement: bool,
    /// A few words on it, such as `borrowed, given back on destroy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One resource that will not stay as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Which.
    pub address: Address,
    /// What is done to it.
    pub action: Action,
    /// What differs; for creates and deletes everything it has.
    pub attributes: Vec<AttributeChange>,
    /// How many of its attributes stay as they are.
    pub unchanged: usize,
    /// Why, where the attributes do not say it (`link.web:eth0 is replaced`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who notices: what loses carrier, addresses or its route for a moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disrupts: Vec<String>,
}

/// Something that the plan's reader should know, and that may forbid applying it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `error` forbids the apply.
    pub severity: crate::model::Severity,
    /// A stable name, such as `conflict::name_taken`.
    pub code: String,
    /// What, where, why.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// The ordered changes from the observed to the desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// [`FORMAT_VERSION`].
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
