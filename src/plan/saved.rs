//! A plan on its way from `plan -out` to `apply`: with the topology that it was made from, so that it can be made again
//! from the kernel as it is then. Where that gives other changes, the kernel has moved on and the plan is stale.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::{
    diff::Choices,
    model::{Address, Mark, Snapshot, TopologyName},
};

/// A topology as it was read, to be read again: the one form in which it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stored {
    /// The file that it came from; `-` for standard input.
    pub path: PathBuf,
    /// `toml`, `yaml` or `json`.
    pub format: String,
    /// Its text.
    pub text: String,
    /// The files that it includes, in the order in which they are read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub includes: Vec<Included>,
    /// What was set in place of its variables' defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
}

/// A file that another one includes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Included {
    /// Where it was.
    pub path: PathBuf,
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
    /// What of the topology was there.
    #[serde(default)]
    pub stamp: Stamp,
}

/// Which of a topology's namespaces and devices are there, by numbers that another one in the same place does not have: a
/// plan is about these and not about what looks like them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(BTreeMap<String, (Address, u64)>);

impl Stamp {
    /// Of the topology called `name`.
    pub fn of(name: &TopologyName, snapshot: &Snapshot) -> Self {
        let mut seen = BTreeMap::new();
        let ours = |mark: Option<Mark>| mark.filter(|mark| mark.topology == *name).map(|mark| mark.address);
        for (netns, state) in &snapshot.namespaces {
            seen.extend(ours(state.mark()).map(|address| (netns.to_string(), (address, state.inode))));
            for link in state.links.iter().filter(|link| link.name != "lo") {
                let place = format!("{netns}/{}", link.name);
                seen.extend(ours(link.mark()).map(|address| (place, (address, u64::from(link.index)))));
            }
        }
        Self(seen)
    }

    /// The resources that are not the same ones in both.
    fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Address> + 'a {
        let not_in = |a: &'a Self, b: &'a Self| a.0.iter().filter(|(place, it)| b.0.get(*place) != Some(*it));
        not_in(self, other).chain(not_in(other, self)).map(|(_, (address, _))| address.clone())
    }
}

impl SavedPlan {
    /// The resources in which a plan made now differs from this one; none where it may be run.
    pub fn moved(&self, now: &Plan, stamp: &Stamp) -> Vec<Address> {
        let mut moved: Vec<Address> = self.stamp.differing(stamp).collect();
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
