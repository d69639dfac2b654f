//! The words that the text and the JSON share, as Terraform words them.

use std::time::Duration;

use crate::{
    model::{Address, event::Action},
    plan::Counts,
    report::style::clean,
};

/// What the person asked for: it decides how the end is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `apply`.
    Apply,
    /// `destroy`, and `apply -destroy`.
    Destroy,
}

impl Operation {
    /// What the person reads when they did not say yes.
    pub fn cancelled(self) -> &'static str {
        match self {
            Self::Apply => "Apply cancelled.",
            Self::Destroy => "Destroy cancelled.",
        }
    }

    /// The last line of a run that went well.
    pub fn complete(self, counts: Counts) -> String {
        let Counts { add, change, destroy } = counts;
        match self {
            Self::Apply => {
                format!("Apply complete! Resources: {add} added, {change} changed, {destroy} destroyed.")
            }
            Self::Destroy => format!("Destroy complete! Resources: {destroy} destroyed."),
        }
    }

    /// As JSON names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Destroy => "destroy",
        }
    }
}

/// The summary of a plan: `Plan: 3 to add, 1 to change, 0 to destroy.`
pub fn summary(counts: Counts) -> String {
    let Counts { add, change, destroy } = counts;
    format!("Plan: {add} to add, {change} to change, {destroy} to destroy.")
}

/// `link.web:eth0: Creating...`
pub fn started(address: &Address, action: Action) -> String {
    let doing = match action {
        Action::Create => "Creating...",
        Action::Update => "Modifying...",
        Action::Replace => "Replacing...",
        Action::Delete => "Destroying...",
    };
    format!("{}: {doing}", name(address))
}

/// `link.web:eth0: Still creating... [10s elapsed]`
pub fn still(address: &Address, action: Action, elapsed: Duration) -> String {
    let doing = match action {
        Action::Create => "creating",
        Action::Update => "modifying",
        Action::Replace => "replacing",
        Action::Delete => "destroying",
    };
    format!("{}: Still {doing}... [{}s elapsed]", name(address), elapsed.as_secs())
}

/// `link.web:eth0: Creation complete after 0s`
pub fn done(address: &Address, action: Action, elapsed: Duration) -> String {
    format!("{}: {} complete after {}s", name(address), deed(action), elapsed.as_secs())
}

/// `link.web:eth0: Creation errored after 0s`
pub fn errored(address: &Address, action: Action, elapsed: Duration) -> String {
    format!("{}: {} errored after {}s", name(address), deed(action), elapsed.as_secs())
}

/// What an action is called as a noun.
fn deed(action: Action) -> &'static str {
    match action {
        Action::Create => "Creation",
        Action::Update => "Modifications",
        Action::Replace => "Replacement",
        Action::Delete => "Destruction",
    }
}

/// What failed, where: the headline of an error.
pub fn failure(address: &Address, action: Action) -> String {
    let doing = match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "destroy",
    };
    format!("failed to {doing} {}", name(address))
}

/// An action as the JSON lines name it.
pub fn action(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
    }
}

/// An address as it may be shown.
pub fn name(address: &Address) -> String {
    clean(&address.to_string()).into_owned()
}

/// What becomes of what a run could not bring to an end.
pub const GOES_ON: &str = "it is noted what was changed: the next apply or destroy of the topology goes on from there";

/// A time as it is said with `ago`.
pub fn ago(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// How many resources are named before the rest is counted.
const NAMED: usize = 8;

/// What was taken back of a run that did not come to its end, and what could not be.
pub fn rolled_back(resources: &[Address], operations: usize, left: &[(Address, String)]) -> String {
    let mut text = rolled_back_in_short(operations, left.len());
    if !resources.is_empty() {
        let mut names: Vec<String> = resources.iter().take(NAMED).map(ToString::to_string).collect();
        let more = resources.len().saturating_sub(NAMED);
        names.extend((more > 0).then(|| format!("{more} more")));
        text.push_str(&format!("\n  undone: {}", names.join(", ")));
    }
    for (address, why) in left {
        text.push_str(&format!("\n  not undone: {address}: {why}"));
    }
    text.push('\n');
    text
}

/// The first line of it.
pub fn rolled_back_in_short(operations: usize, left: usize) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    match (operations, left) {
        (0, 0) => "Rolled back: nothing had been done.".to_owned(),
        (_, 0) => {
            let operations = count(operations, "operation");
            format!("Rolled back: the network is as it was before the run ({operations} to undo it).")
        }
        (_, _) => {
            format!(
                "Rolled back in part ({} to undo the run), but for {}:",
                count(operations, "operation"),
                count(left, "thing")
            )
        }
    }
}

/// What a saved plan is answered with when the kernel has moved on.
pub const STALE: &str = "Saved plan is stale";
/// Why, and what to do.
pub const STALE_HELP: &str = "the network has changed since this plan was made, so what would run is not what was \
                              approved; make a new plan with `netwright plan -out`";

/// Why `-json` without an approval does nothing.
pub const JSON_CANNOT_ASK: &str = "with -json there is nobody to be asked; add -auto-approve, or apply a plan that was \
                                   saved with `netwright plan -out`";

/// What follows a plan that was not saved.
pub const NOT_SAVED: &str = "Note: You didn't use the -out option to save this plan, so netwright can't guarantee to \
                             take exactly these actions if you run \"netwright apply\" now.";

/// What follows a plan that was saved at `path`.
pub fn saved(path: &str) -> String {
    let path = clean(path);
    format!(
        "\nSaved the plan to: {path}\n\nTo perform exactly these actions, run the following command to apply:\n    \
         netwright apply \"{path}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_an_apply_are_terraforms() {
        let link: Address = "link.web:eth0".parse().unwrap();
        let second = Duration::from_millis(1900);
        let lines = [
            started(&link, Action::Create),
            done(&link, Action::Create, Duration::ZERO),
            done(&link, Action::Update, second),
            done(&link, Action::Replace, second),
            done(&link, Action::Delete, second),
            still(&link, Action::Delete, Duration::from_secs(10)),
            errored(&link, Action::Update, second),
        ];
        assert_eq!(
            lines,
            [
                "link.web:eth0: Creating...",
                "link.web:eth0: Creation complete after 0s",
                "link.web:eth0: Modifications complete after 1s",
                "link.web:eth0: Replacement complete after 1s",
                "link.web:eth0: Destruction complete after 1s",
                "link.web:eth0: Still destroying... [10s elapsed]",
                "link.web:eth0: Modifications errored after 1s",
            ]
        );
    }

    #[test]
    fn the_last_line_says_what_was_done() {
        let counts = Counts { add: 3, change: 1, destroy: 0 };
        assert_eq!(Operation::Apply.complete(counts), "Apply complete! Resources: 3 added, 1 changed, 0 destroyed.");
        let counts = Counts { destroy: 3, ..Counts::default() };
        assert_eq!(Operation::Destroy.complete(counts), "Destroy complete! Resources: 3 destroyed.");
    }
}
