//! A plan on its way from `plan -out` to `apply`: with the topology that it was made from, so that it can be made again
//! from the kernel as it is then, and with all that it relies on. Where that gives other changes, or what it relies on is
//! not what it was, the kernel has moved on and the plan is stale.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Change, Finding, Plan,
    relies::{Fact, Relied},
};
use crate::{
    diff::Choices,
    kind::host::HostSettings,
    model::{Address, Severity, Snapshot, address::KindName, event::Action, hash::stable_hash},
};

/// The version of the program, which a saved plan is bound to: another one may do other things for the same changes.
pub const NETWRIGHT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A topology as it was read, to be read again: the one form in which it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Which version of the program saved it.
    pub netwright_version: String,
    /// What it was made from.
    pub source: Stored,
    /// What the command line wanted beside.
    pub choices: Choices,
    /// What it relies on.
    pub relies_on: Vec<Relied>,
    /// A sum over all else, by which it shows that somebody edited it. It shields from nobody who means to.
    pub sum: String,
}

/// A saved plan without what it was made from, as `show -json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Plan", description = "The ordered changes from the observed to the desired state.")]
pub struct Shown<'a> {
    /// The plan.
    #[serde(flatten)]
    plan: &'a Plan,
    /// Of a saved plan: which version of the program saved it, which alone applies it.
    #[schemars(default)]
    netwright_version: &'a str,
    /// Of a saved plan: what it relies on.
    #[schemars(default)]
    relies_on: &'a [Relied],
}

/// In what a saved plan and the kernel of now do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A resource is not changed as it was to be: what was to be done, and what would be done now.
    Change {
        /// Then.
        then: Option<Change>,
        /// Now.
        now: Option<Change>,
    },
    /// Something that the plan relies on.
    Relied {
        /// As it was.
        relied: Relied,
        /// What of it is not so any more.
        fact: Fact,
        /// How that is; `None` where it is not there.
        now: Option<String>,
    },
    /// Something stands in the way that did not.
    Found(Finding),
}

impl Difference {
    /// The resource that it is about, where it is about one.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Change { then, now } => then.as_ref().or(now.as_ref()).map(|change| &change.address),
            Self::Relied { relied, .. } => Some(&relied.by),
            Self::Found(_) => None,
        }
    }
}

impl SavedPlan {
    /// A plan to be saved.
    pub fn new(plan: Plan, source: Stored, choices: Choices, relies_on: Vec<Relied>) -> serde_json::Result<Self> {
        let netwright_version = NETWRIGHT_VERSION.to_owned();
        let mut saved = Self { plan, netwright_version, source, choices, relies_on, sum: String::new() };
        saved.sum = saved.summed()?;
        Ok(saved)
    }

    /// What of it is shown.
    pub fn shown(&self) -> Shown<'_> {
        let Self { plan, netwright_version, relies_on, .. } = self;
        Shown { plan, netwright_version, relies_on }
    }

    /// Whether it is what was saved.
    pub fn is_intact(&self) -> serde_json::Result<bool> {
        Ok(self.summed()? == self.sum)
    }

    fn summed(&self) -> serde_json::Result<String> {
        let Self { plan, netwright_version, source, choices, relies_on, sum: _ } = self;
        let text = serde_json::to_string(&(plan, netwright_version, source, choices, relies_on))?;
        Ok(format!("{:016x}", stable_hash(text.as_bytes())))
    }

    /// Whether it may be run: in what it differs from a plan made now, and how what it relies on differs from what was
    /// read after that.
    pub fn differences(&self, now: &Plan, snapshot: &Snapshot) -> Vec<Difference> {
        let changed = self.changed(now);
        let is_said = |by: &Address| changed.iter().any(|it| it.address() == Some(by));
        let mut found = Vec::new();
        for relied in &self.relies_on {
            for (fact, now) in relied.differing(snapshot) {
                let of_its_own = is_setting(fact) || (fact == Fact::Up && !relied.foreign);
                if !(of_its_own && is_said(&relied.by)) {
                    found.push(Difference::Relied { relied: relied.clone(), fact, now });
                }
            }
        }
        found.extend(changed);
        let is_new = |finding: &&Finding| !self.plan.findings.iter().any(|it| same(it, finding));
        let stands = now.findings.iter().filter(is_new).filter(|it| self.concerns(it));
        found.extend(stands.cloned().map(Difference::Found));
        found
    }

    fn changed(&self, now: &Plan) -> Vec<Difference> {
        let (all_then, all_now) = (&self.plan.changes, &now.changes);
        let then: Vec<&Change> =
            all_then.iter().filter(|then| !all_now.iter().any(|now| is_as_approved(then, now))).collect();
        let mut now: Vec<&Change> =
            all_now.iter().filter(|now| !all_then.iter().any(|then| is_as_approved(then, now))).collect();
        let mut changed = Vec::new();
        for then in then {
            // One that goes may have the address of one that comes: an edit of another link takes it over.
            let same = |it: &&Change| it.address == then.address;
            let place = now.iter().position(|it| same(it) && it.action == then.action);
            let now = place.or_else(|| now.iter().position(same)).map(|place| now.remove(place).clone());
            changed.push(Difference::Change { then: Some(then.clone()), now });
        }
        changed.extend(now.into_iter().map(|now| Difference::Change { then: None, now: Some(now.clone()) }));
        changed
    }

    /// Whether a finding is about what this plan does. A warning of what stays as it is concerns nobody who approved this.
    fn concerns(&self, finding: &Finding) -> bool {
        let host = HostSettings::default().address();
        let does = |what: fn(&Change) -> bool| self.plan.changes.iter().any(what);
        match (finding.severity, &*finding.code) {
            (Severity::Error, _) => true,
            (Severity::Warning, "conflict::overlap") => does(brings_addresses),
            (Severity::Warning, code) if code.starts_with("firewall::") => does(brings_rules),
            (Severity::Warning, code) if code.starts_with("host::") => {
                self.plan.changes.iter().any(|it| it.address == host)
            }
            (Severity::Warning, _) => false,
        }
    }
}

/// Whether a change is what was approved. That fewer notice than then is nothing to ask about again.
fn is_as_approved(then: &Change, now: &Change) -> bool {
    let Change { address, action, attributes, unchanged, reason, disrupts } = now;
    (address, action, attributes, unchanged, reason)
        == (&then.address, &then.action, &then.attributes, &then.unchanged, &then.reason)
        && disrupts.iter().all(|it| then.disrupts.contains(it))
}

/// Whether networks are reached that were not, or otherwise than before.
fn brings_addresses(change: &Change) -> bool {
    let anew = matches!(change.action, Action::Create | Action::Replace);
    match change.address.kind() {
        KindName::Bridge | KindName::Link => anew || change.attributes.iter().any(|it| it.name.ends_with("addresses")),
        KindName::Route => change.action != Action::Delete,
        KindName::Namespace | KindName::Gateway | KindName::Nat | KindName::PortForward | KindName::Firewall => false,
    }
}

fn brings_rules(change: &Change) -> bool {
    let rules = [KindName::Gateway, KindName::Nat, KindName::PortForward, KindName::Firewall];
    change.action != Action::Delete && rules.contains(&change.address.kind())
}

/// Whether it tells how a thing is set, which the change of its resource says too where it is about it.
fn is_setting(fact: Fact) -> bool {
    match fact {
        Fact::Mtu
        | Fact::Mac
        | Fact::Master
        | Fact::Alias
        | Fact::Addresses
        | Fact::Hairpin
        | Fact::Stp
        | Fact::AgeingTime
        | Fact::Value
        | Fact::Before
        | Fact::Users => true,
        Fact::Boot
        | Fact::Identity
        | Fact::Index
        | Fact::Kind
        | Fact::Up
        | Fact::Strangers
        | Fact::By
        | Fact::Default
        | Fact::Beside
        | Fact::Stops => false,
    }
}

fn same(one: &Finding, other: &Finding) -> bool {
    one.code == other.code && one.message == other.message
}
