//! A case is a folder below `tests/fixtures`, and a new one needs no code:
//!
//! - `topology.yaml` is what is wanted, and `case.yaml` what the command line says beside it (`replace`, `targets`); or
//!   there is no topology, and `case.yaml` says what to `destroy`;
//! - `machine.yaml` is a snapshot of the machine before anything is made (left out: an empty one), `before.yaml` a
//!   topology that was applied there, and `damage.yaml` ops that were done to it since: each of the three may be left out;
//! - `plan.txt` is what the user reads, `ops.txt` what will run.
//!
//! What is planned without an error is run too, and the next plan must be empty. `UPDATE_FIXTURES=1` writes the last two.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/lab.rs"]
mod lab;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use lab::Lab;
use netwright::{
    diff::Choices,
    kernel::{Kernel, fake::Fake},
    kind::Topology,
    model::{Address, Netns, Snapshot, TopologyName},
    op::{Batch, Op, Step},
    plan::Prepared,
    report::plan::{View, findings, has_errors, render},
};
use serde::Deserialize;
use serde_json::Value;

const TOPOLOGY: &str = "topology.yaml";
const CASE: &str = "case.yaml";
const MACHINE: &str = "machine.yaml";
const BEFORE: &str = "before.yaml";
const DAMAGE: &str = "damage.yaml";
const PLAN: &str = "plan.txt";
const OPS: &str = "ops.txt";

/// What the command line says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    destroy: Option<TopologyName>,
    replace: Vec<Address>,
    targets: Vec<Address>,
}

/// Something that was done behind the tool's back. A device is told by its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Blow {
    r#in: Netns,
    #[serde(rename = "do")]
    op: Value,
}

fn optional<T: for<'a> Deserialize<'a>>(folder: &Path, name: &str) -> Result<Option<T>, String> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
    serde_yaml::from_str(&text).map(Some).map_err(|error| format!("{name}: {error}"))
}

fn topology(folder: &Path, name: &str) -> Result<Option<Topology>, String> {
    match fs::read_to_string(folder.join(name)) {
        Ok(text) => lab::topology(&text, name).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Fills in the indexes of devices that are told by name: `link` and `master`, and `dev` of a next hop.
fn number(fake: &Fake, netns: &Netns, value: &mut Value) -> Result<(), String> {
    let index = |name: &str| {
        let there = fake.state.namespaces.get(netns).and_then(|state| state.link(name));
        there.map(|link| link.index).ok_or_else(|| format!("{netns} has no device `{name}`"))
    };
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                match (value.as_str().map(str::to_owned), key.as_str()) {
                    (Some(name), "link") => *value = serde_json::json!({ "index": index(&name)?, "name": name }),
                    (Some(name), "master") => *value = index(&name)?.into(),
                    _ => number(fake, netns, value)?,
                }
            }
            if let Some(name) = object.remove("dev") {
                object.insert("link".into(), index(name.as_str().unwrap_or_default())?.into());
            }
            Ok(())
        }
        Value::Array(list) => list.iter_mut().try_for_each(|value| number(fake, netns, value)),
        _ => Ok(()),
    }
}

fn inflict(fake: &mut Fake, blows: Vec<Blow>) -> Result<(), String> {
    for blow in blows {
        let mut value = blow.op;
        number(fake, &blow.r#in, &mut value)?;
        let op: Op = serde_json::from_value(value.clone()).map_err(|error| format!("{DAMAGE}: {error} in {value}"))?;
        let steps = vec![Step { address: "link.x".parse().unwrap(), op }];
        fake.run(&Batch { netns: blow.r#in, steps }).map_err(|error| format!("{DAMAGE}: {error}"))?;
    }
    Ok(())
}

/// The machine as the plan finds it.
fn scene(folder: &Path) -> Result<Lab, String> {
    let fake = match optional::<Snapshot>(folder, MACHINE)? {
        Some(snapshot) => Fake::new(snapshot),
        None => Fake::empty(),
    };
    let mut lab = Lab::new(fake);
    if let Some(before) = topology(folder, BEFORE)? {
        lab.apply(&before.name.clone(), Some(&before)).map_err(|why| format!("{BEFORE}: {why}"))?;
    }
    inflict(&mut lab.fake, optional(folder, DAMAGE)?.unwrap_or_default())?;
    Ok(lab)
}

/// What the user reads and what would run.
fn run(folder: &Path) -> Result<(String, String), String> {
    let case: Case = optional(folder, CASE)?.unwrap_or_default();
    let wanted = topology(folder, TOPOLOGY)?;
    let name = match (&case.destroy, &wanted) {
        (Some(name), None) => name.clone(),
        (None, Some(wanted)) => wanted.name.clone(),
        (Some(_), Some(_)) => return Err(format!("there are both {TOPOLOGY} and `destroy`")),
        (None, None) => return Err(format!("{TOPOLOGY} is missing")),
    };
    let mut lab = scene(folder)?;
    let choices = Choices { replace: case.replace, targets: case.targets };
    let prepared = lab.plan(&name, wanted.as_ref(), &choices);
    if !has_errors(&prepared.plan) {
        lab.apply_with(&name, wanted.as_ref(), &choices)?;
        let rest = Choices { replace: Vec::new(), targets: choices.targets };
        let left = lab.plan(&name, wanted.as_ref(), &rest);
        if !left.plan.is_empty() {
            return Err(format!("the next plan is not empty:\n{}", shown(&left)));
        }
    }
    Ok((shown(&prepared), ops(&prepared)))
}

fn shown(prepared: &Prepared) -> String {
    let text = render(&prepared.plan, View::Changes) + &findings(&prepared.plan.findings);
    anstream::adapter::strip_str(&text).to_string()
}

fn ops(prepared: &Prepared) -> String {
    let mut text = String::new();
    for (title, batches) in [("", &prepared.batches), ("then ", &prepared.ends)] {
        for (netns, step) in batches.iter().flat_map(|batch| batch.steps.iter().map(move |step| (&batch.netns, step))) {
            text += &format!("{title}{netns}: {} | {}\n", step.address, lab::words(&step.op));
        }
    }
    text
}

fn check(folder: &Path) -> Result<(), String> {
    let known = BTreeSet::from([TOPOLOGY, CASE, MACHINE, BEFORE, DAMAGE, PLAN, OPS]);
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !known.contains(name.as_str()) {
            return Err(format!("`{name}` is no file of a case"));
        }
    }
    let (plan, ops) = run(folder)?;
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(folder.join(PLAN), plan).unwrap();
        fs::write(folder.join(OPS), ops).unwrap();
        return Ok(());
    }
    for (name, now) in [(PLAN, plan), (OPS, ops)] {
        let expected = fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
        if expected != now {
            let diff = similar::TextDiff::from_lines(&expected, &now);
            return Err(format!("{}", diff.unified_diff().header(name, "now")));
        }
    }
    Ok(())
}

#[test]
fn every_case_is_planned_as_it_should_be() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty(), "no case in {}", root.display());
    let failures: Vec<String> = folders
        .iter()
        .filter_map(|folder| Some(format!("{}: {}", folder.file_name()?.display(), check(folder).err()?)))
        .collect();
    assert!(failures.is_empty(), "{}\n(UPDATE_FIXTURES=1 writes what is planned now)", failures.join("\n"));
}
