//! The JSON lines of plan, apply and destroy: one object a line, in the shape of Terraform's machine-readable UI, so
//! that what reads those reads these.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value, json};

use crate::{
    model::{
        Address, Diagnostic, Severity,
        event::{Action, Event},
    },
    plan::{Change, Counts, Finding, Plan},
    report::{
        plan::{has_errors, reversed},
        time::rfc3339,
        words::{self, Operation},
    },
};

/// The version of the lines. The minor part grows with compatible additions.
pub const UI_VERSION: &str = "1.0";

/// Writes the lines. Every line is flushed, since whoever reads them waits for it.
pub struct Lines<W> {
    out: W,
    clock: fn() -> SystemTime,
    /// When the changes that run now began.
    running: BTreeMap<Address, SystemTime>,
}

impl<W: Write> Lines<W> {
    /// Lines with the wall clock's time, to `out`.
    pub fn new(out: W) -> Self {
        Self::with_clock(out, SystemTime::now)
    }

    /// Lines with the time of `clock`.
    pub fn with_clock(out: W, clock: fn() -> SystemTime) -> Self {
        Self { out, clock, running: BTreeMap::new() }
    }

    /// The first line: who speaks.
    pub fn version(&mut self) -> io::Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let message = format!("netwright {version}");
        self.line("info", &message, "version", json!({ "netwright": version, "ui": UI_VERSION }))
    }

    /// What a plan would do: a line a change, the summary unless an error forbids it all, and what was found on the way.
    pub fn plan(&mut self, plan: &Plan) -> io::Result<()> {
        for change in &plan.changes {
            let planned = words::action(change.action);
            let message = format!("{}: Plan to {planned}", change.address);
            self.line("info", &message, "planned_change", json!({ "change": described(change) }))?;
        }
        if !has_errors(plan) {
            self.summary(&words::summary(plan.counts()), plan.counts(), "plan")?;
        }
        self.findings(&plan.findings)
    }

    /// What has happened to the kernel since the last apply, given as the plan that would undo it; nothing is planned.
    pub fn drift(&mut self, plan: &Plan) -> io::Result<()> {
        for change in plan.changes.iter().map(reversed) {
            let message = format!("{}: Drift detected ({})", change.address, words::action(change.action));
            self.line("info", &message, "resource_drift", json!({ "change": described(&change) }))?;
        }
        self.summary(&words::summary(Counts::default()), Counts::default(), "plan")?;
        self.findings(&plan.findings)
    }

    /// Something that happened while the plan runs.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Start { address, action } => {
                self.running.insert(address.clone(), (self.clock)());
                let hook = hook(address, *action, None);
                self.line("info", &words::started(address, *action), "apply_start", hook)
            }
            Event::Done { address, action, elapsed } => {
                self.running.remove(address);
                let hook = hook(address, *action, Some(*elapsed));
                self.line("info", &words::done(address, *action, *elapsed), "apply_complete", hook)
            }
            Event::Failed { address, action, message } => {
                let started = self.running.remove(address);
                let elapsed = started.and_then(|s| (self.clock)().duration_since(s).ok()).unwrap_or_default();
                let hook = hook(address, *action, Some(elapsed));
                self.line("error", &words::errored(address, *action, elapsed), "apply_errored", hook)?;
                let summary = words::failure(address, *action);
                let body = json!({ "detail": message, "address": address });
                self.diagnostic(Severity::Error, &summary, body)
            }
            Event::RolledBack { resources, operations, left } => {
                let left: Vec<Value> =
                    left.iter().map(|(address, why)| json!({ "address": address, "reason": why })).collect();
                let level = if left.is_empty() { "info" } else { "error" };
                let body = json!({ "resources": resources, "operations": operations, "left": left });
                let message = words::rolled_back_in_short(*operations, left.len());
                self.line(level, &message, "rollback_complete", json!({ "rollback": body }))
            }
            Event::Note(note) => self.note(note),
        }
    }

    /// A change that takes its time.
    pub fn progress(&mut self, address: &Address, action: Action, elapsed: Duration) -> io::Result<()> {
        let hook = hook(address, action, Some(elapsed));
        self.line("info", &words::still(address, action, elapsed), "apply_progress", hook)
    }

    /// The end of a run that went well.
    pub fn complete(&mut self, operation: Operation, counts: Counts) -> io::Result<()> {
        self.summary(&operation.complete(counts), counts, operation.as_str())?;
        self.line("info", "Outputs: 0", "outputs", json!({ "outputs": {} }))
    }

    /// What was found while planning.
    pub fn findings(&mut self, findings: &[Finding]) -> io::Result<()> {
        for found in findings {
            let body = json!({ "detail": found.help.as_deref().unwrap_or(""), "code": found.code });
            self.diagnostic(found.severity, &found.message, body)?;
        }
        Ok(())
    }

    /// A diagnostic whose place in a file is not shown.
    pub fn note(&mut self, note: &Diagnostic) -> io::Result<()> {
        let body = json!({ "detail": note.help.as_deref().unwrap_or(""), "code": note.code });
        self.diagnostic(note.severity, &note.message, body)
    }

    /// A diagnostic: `summary` is its headline, the fields of the object `body` (`detail`, `code`, `address`, `range`)
    /// say more.
    pub fn diagnostic(&mut self, severity: Severity, summary: &str, body: Value) -> io::Result<()> {
        let (level, word) = match severity {
            Severity::Error => ("error", "Error"),
            Severity::Warning => ("warn", "Warning"),
        };
        let mut diagnostic = json!({ "severity": severity, "summary": summary });
        append(&mut diagnostic, body);
        self.line(level, &format!("{word}: {summary}"), "diagnostic", json!({ "diagnostic": diagnostic }))
    }

    fn summary(&mut self, message: &str, counts: Counts, operation: &str) -> io::Result<()> {
        let Counts { add, change, destroy } = counts;
        let changes = json!({ "add": add, "change": change, "remove": destroy, "operation": operation });
        self.line("info", message, "change_summary", json!({ "changes": changes }))
    }

    fn line(&mut self, level: &str, message: &str, kind: &str, body: Value) -> io::Result<()> {
        let mut line = json!({
            "@level": level,
            "@message": message,
            "@module": "netwright",
            "@timestamp": rfc3339((self.clock)()),
        });
        append(&mut line, body);
        append(&mut line, json!({ "type": kind }));
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}

/// Moves the fields of the object `more` to the end of the object `to`.
fn append(to: &mut Value, more: Value) {
    if let (Value::Object(to), Value::Object(more)) = (to, more) {
        to.extend(more);
    }
}

fn resource(address: &Address) -> Value {
    json!({ "addr": address, "resource_type": address.kind(), "resource_name": address.rest() })
}

/// A change: what Terraform's lines hold, and the attributes.
fn described(change: &Change) -> Value {
    let mut described = Map::new();
    described.insert("resource".into(), resource(&change.address));
    described.insert("action".into(), words::action(change.action).into());
    if let Some(reason) = &change.reason {
        described.insert("reason".into(), reason.as_str().into());
    }
    described.insert("attributes".into(), json!(change.attributes));
    if !change.disrupts.is_empty() {
        described.insert("disrupts".into(), json!(change.disrupts));
    }
    Value::Object(described)
}

fn hook(address: &Address, action: Action, elapsed: Option<Duration>) -> Value {
    let mut hook = json!({ "resource": resource(address), "action": words::action(action) });
    if let Some(elapsed) = elapsed {
        append(&mut hook, json!({ "elapsed_seconds": elapsed.as_secs() }));
    }
    json!({ "hook": hook })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::{
        plan::FORMAT_VERSION,
        report::plan::tests::{attribute, change, number, plan, text},
    };

    fn noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_793_880_000)
    }

    fn written(write: impl FnOnce(&mut Lines<&mut Vec<u8>>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Lines::with_clock(&mut out, noon)).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn a_plan() -> Plan {
        let mut plan = plan(vec![
            change("bridge.br0", Action::Create, vec![attribute("mtu", None, number(1500))]),
            Change {
                reason: Some("bridge.br0 is replaced".into()),
                disrupts: vec!["web:eth0 loses carrier".into()],
                ..change("link.web:eth0", Action::Replace, vec![attribute("master", text("br1"), text("br0"))])
            },
        ]);
        plan.findings.push(Finding {
            severity: Severity::Warning,
            code: "host::ipv6_ra".into(),
            message: "host would lose its IPv6 default route".into(),
            help: Some("set accept_ra=2".into()),
        });
        plan
    }

    #[test]
    fn a_plan_is_a_line_a_change() {
        let lines = written(|lines| {
            lines.version()?;
            lines.plan(&a_plan())
        });
        insta::assert_snapshot!(lines.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    }

    #[test]
    fn drift_is_what_has_happened() {
        let lines = written(|lines| lines.drift(&a_plan()));
        insta::assert_snapshot!(lines);
    }

    #[test]
    fn a_run_is_a_line_an_event() {
        let link: Address = "link.web:eth0".parse().unwrap();
        let lines = written(|lines| {
            let address = link.clone();
            lines.event(&Event::Start { address, action: Action::Create })?;
            lines.progress(&link, Action::Create, Duration::from_secs(10))?;
            let (address, elapsed) = (link.clone(), Duration::from_secs(11));
            lines.event(&Event::Done { address, action: Action::Create, elapsed })?;
            let (address, message) = (link.clone(), "RTM_NEWLINK web:eth0: file exists".to_owned());
            lines.event(&Event::Failed { address, action: Action::Delete, message })?;
            lines.event(&Event::Note(Diagnostic::warning("lab::foreign", "tun0 is left alone")))?;
            lines.complete(Operation::Apply, Counts { add: 3, change: 1, destroy: 0 })
        });
        insta::assert_snapshot!(lines);
    }

    #[test]
    fn a_plan_that_met_an_error_has_no_summary() {
        let mut plan = a_plan();
        plan.findings[0].severity = Severity::Error;
        let lines = written(|lines| lines.plan(&plan));
        assert!(lines.contains(r#""@level":"error""#) && !lines.contains("change_summary"), "{lines}");
    }

    #[test]
    fn every_line_is_one_object_with_the_four_keys() {
        for line in written(|lines| lines.plan(&a_plan())).lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            for key in ["@level", "@message", "@module", "@timestamp", "type"] {
                assert!(value[key].is_string(), "{key} of {line}");
            }
        }
    }

    #[test]
    fn the_plans_own_document_reads_back() {
        let plan = a_plan();
        let document = serde_json::to_value(&plan).unwrap();
        assert_eq!(document["format_version"], FORMAT_VERSION);
        assert_eq!(serde_json::from_value::<Plan>(document).unwrap(), plan);
    }
}
