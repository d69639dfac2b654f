//! A plan as a person reads it, in the words and the layout of Terraform.

use crate::{
    model::{Severity, event::Action},
    plan::{AttributeChange, Change, Finding, PREFIX_CHANGED, Plan},
    report::{
        attributes,
        style::{BOLD, CYAN, GREEN, RED, YELLOW, clean, count, paint, quote, symbol},
        words,
    },
};

/// What a plan is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// What will be done.
    Changes,
    /// What has happened to the kernel since the last apply (`-refresh-only`): the plan that would undo it, read
    /// backwards.
    Drift,
}

/// The plan itself, for stdout. What was found on the way is [`findings`].
pub fn render(plan: &Plan, view: View) -> String {
    let mut out = String::new();
    match view {
        View::Changes if plan.is_empty() => nothing(plan, &mut out),
        View::Changes => changes(plan, &mut out),
        View::Drift if plan.is_empty() => nothing(plan, &mut out),
        View::Drift => drift(plan, &mut out),
    }
    out
}

/// What is said where there is nothing to do. A plan that met an error does not know that.
fn nothing(plan: &Plan, out: &mut String) {
    if has_errors(plan) {
        return;
    }
    let (claim, why) = if plan.destroy {
        ("No objects need to be destroyed.", "Nothing on this host belongs to the topology.")
    } else {
        (
            "The network matches the topology.",
            "netwright has compared the running kernel with the topology and found no differences, so no changes are \
             needed.",
        )
    };
    out.push_str(&format!("{} {}\n\n{why}\n", paint(GREEN.bold(), "No changes."), paint(BOLD, claim)));
}

/// Whether something was found that forbids applying the plan.
pub fn has_errors(plan: &Plan) -> bool {
    plan.findings.iter().any(|f| f.severity == Severity::Error)
}

fn changes(plan: &Plan, out: &mut String) {
    // What makes everything anew is the first thing to know of a plan.
    if let Some(found) = plan.findings.iter().find(|found| found.code == PREFIX_CHANGED) {
        out.push_str(&format!("{} {}\n\n", paint(YELLOW.bold(), "Note:"), paint(BOLD, clean(&found.message))));
    }
    legend(plan, out);
    out.push_str(if has_errors(plan) {
        "\nnetwright planned the following actions, but then encountered a problem:\n"
    } else {
        "\nnetwright will perform the following actions:\n"
    });
    for change in &plan.changes {
        out.push('\n');
        resource(change, Tense::Future, out);
    }
    let summary = words::summary(plan.counts());
    let (head, rest) = summary.split_once(' ').unwrap_or((&summary, ""));
    out.push_str(&format!("\n{} {rest}\n", paint(BOLD, head)));
}

/// What the symbols mean, those that occur.
fn legend(plan: &Plan, out: &mut String) {
    out.push_str(
        "netwright compared the running kernel with the topology and made the following plan. Resource actions are \
         indicated with the following symbols:\n",
    );
    for (action, meaning) in [
        (Action::Create, "create"),
        (Action::Update, "update in-place"),
        (Action::Delete, "destroy"),
        (Action::Replace, "destroy and then create replacement"),
    ] {
        if plan.changes.iter().any(|c| c.action == action) {
            out.push_str(&format!("{} {meaning}\n", symbol(action)));
        }
    }
}

/// The changes that were made outside of netwright.
fn drift(plan: &Plan, out: &mut String) {
    out.push_str(&format!(
        "{} {}\n\nnetwright detected the following changes made outside of netwright since the last \"netwright \
         apply\":\n",
        paint(CYAN.bold(), "Note:"),
        paint(BOLD, "Objects have changed outside of netwright"),
    ));
    for change in &plan.changes {
        out.push('\n');
        resource(&reversed(change), Tense::Past, out);
    }
    out.push_str(
        "\nThis is a refresh-only plan, so netwright will not take any actions to undo these. To undo them, run \
         \"netwright apply\".\n",
    );
}

/// The change that `change` would undo.
pub fn reversed(change: &Change) -> Change {
    let back = |a: &AttributeChange| AttributeChange {
        before: a.after.clone(),
        after: a.before.clone(),
        forces_replacement: false,
        note: None,
        name: a.name.clone(),
    };
    Change {
        action: match change.action {
            Action::Create => Action::Delete,
            Action::Delete => Action::Create,
            // What netwright would make anew has, seen from here, only changed.
            Action::Update | Action::Replace => Action::Update,
        },
        attributes: change.attributes.iter().map(back).collect(),
        address: change.address.clone(),
        unchanged: change.unchanged,
        // Why and at what price it would be undone says nothing of what has happened.
        reason: None,
        disrupts: Vec::new(),
    }
}

/// Whether a change lies ahead or has happened.
#[derive(Debug, Clone, Copy)]
enum Tense {
    Future,
    Past,
}

/// One resource: its headline, why and at what price, and its block.
fn resource(change: &Change, tense: Tense, out: &mut String) {
    let name = words::name(&change.address);
    out.push_str(&format!("{} {}\n", paint(BOLD, format_args!("  # {name}")), fate(change.action, tense)));
    if let Some(reason) = &change.reason {
        out.push_str(&format!("  # (because {})\n", one_line(reason)));
    }
    for victim in &change.disrupts {
        out.push_str(&format!("  # {} {}\n", paint(YELLOW, "disruption:"), one_line(victim)));
    }
    let address = &change.address;
    out.push_str(&format!("{} {} {} {{\n", symbol(change.action), address.kind(), quote(address.rest())));
    attributes::block(change, out);
    out.push_str("    }\n");
}

fn fate(action: Action, tense: Tense) -> String {
    match (tense, action) {
        (Tense::Future, Action::Create) => "will be created".to_owned(),
        (Tense::Future, Action::Update) => "will be updated in-place".to_owned(),
        (Tense::Future, Action::Replace) => format!("must be {}", paint(RED.bold(), "replaced")),
        (Tense::Future, Action::Delete) => format!("will be {}", paint(RED.bold(), "destroyed")),
        (Tense::Past, Action::Create) => "has been created".to_owned(),
        (Tense::Past, Action::Update | Action::Replace) => "has changed".to_owned(),
        (Tense::Past, Action::Delete) => "has been deleted".to_owned(),
    }
}

fn one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// What was found on the way, warnings before errors, for stderr. Empty where nothing was.
pub fn findings(findings: &[Finding]) -> String {
    let mut out = String::new();
    for severity in [Severity::Warning, Severity::Error] {
        for found in findings.iter().filter(|f| f.severity == severity) {
            finding(found, &mut out);
        }
    }
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    if errors > 0 {
        let count = count(errors, "error");
        out.push_str(&format!(
            "{} {}\n",
            paint(RED.bold(), "Planning failed."),
            paint(BOLD, format_args!("This plan cannot be applied: {count}, see above. Nothing was changed."))
        ));
    }
    out
}

fn finding(found: &Finding, out: &mut String) {
    let word = match found.severity {
        Severity::Error => paint(RED.bold(), "Error:"),
        Severity::Warning => paint(YELLOW.bold(), "Warning:"),
    };
    out.push_str(&format!("{word} {} [{}]\n", clean(&found.message), clean(&found.code)));
    if let Some(help) = &found.help {
        out.push_str(&format!("  {} {}\n", paint(CYAN, "help:"), clean(help).replace('\n', "\n  ")));
    }
    out.push('\n');
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
