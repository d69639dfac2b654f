//! What is generated from the code is as fresh as the code, and fits what it is about. `UPDATE_SCHEMAS=1 cargo test
//! --test schemas` writes the files anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "schemas/agree.rs"]
mod agree;
#[expect(dead_code, reason = "the page has more to tell than is asked here")]
#[path = "diagnostics/page.rs"]
mod page;
#[expect(dead_code, reason = "no labs are edited here")]
#[path = "properties/random.rs"]
mod properties;
#[path = "reach/random.rs"]
mod reach;
#[path = "schemas/reference.rs"]
mod reference;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use netwright::{
    diff::Choices,
    kind::{Topology, made::NOTHING},
    model::{Diagnostics, Snapshot},
    plan::{
        self, Inputs, Plan,
        relies::Relied,
        saved::{SavedPlan, Stored},
    },
    spec::{self, Format, Surroundings, resolve},
};
use serde_json::{Value as Json, json};

/// The part of the page of diagnostics whose codes no file shows alone.
const HOST: &str = "On the running host";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a generated file with what it should be, or writes it.
#[track_caller]
fn fresh(path: &str, wanted: &str) {
    let file = root(path);
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&file, wanted).unwrap();
    }
    let has = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        has == wanted,
        "{path} is stale: run UPDATE_SCHEMAS=1 cargo test --test schemas, and commit what it writes"
    );
}

/// The schema of a kind, as the command line prints it.
fn printed(of: &str) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_netwright")).args(["schema", of]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn validator(schema: &Json) -> Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

#[track_caller]
fn assert_valid(validator: &Validator, value: &Json, what: &str) {
    let errors: Vec<String> = validator.iter_errors(value).map(|e| format!("{} {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new(), "{what}");
}

/// Every topology that ships, by path.
fn shipped() -> Vec<(PathBuf, Format)> {
    let files = ["topologies", "topologies/gallery"].map(|folder| fs::read_dir(root(folder)).unwrap());
    let files = files.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = files.filter_map(|path| Some((path.clone(), Format::of_path(&path)?))).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(all.len() > 25, "{all:?}");
    all
}

fn topology(path: &Path, format: Format) -> Topology {
    let fetch = &mut |path: &Path| fs::read(path).map_err(|error| error.to_string());
    let surroundings = Surroundings { name: None, given: BTreeMap::new(), fetch };
    let loaded = spec::load(&fs::read(path).unwrap(), &path.to_string_lossy(), format, surroundings);
    assert_eq!(loaded.diagnostics, Diagnostics::default(), "{}", path.display());
    let (topology, diagnostics) = resolve::resolve(&loaded.file.unwrap());
    assert_eq!(diagnostics, Diagnostics::default(), "{}", path.display());
    topology.unwrap()
}

fn plan_of(topology: &Topology) -> Plan {
    let (snapshot, choices) = (Snapshot::default(), Choices::default());
    let inputs = Inputs {
        name: &topology.name,
        topology: Some(topology),
        snapshot: &snapshot,
        memo: &NOTHING,
        choices: &choices,
    };
    plan::build(&inputs).plan
}

#[test]
fn the_schema_of_topologies_is_fresh() {
    fresh("schemas/topology.schema.json", &printed("topology"));
}

#[test]
fn the_schema_of_plans_is_fresh() {
    fresh("schemas/plan.schema.json", &printed("plan"));
}

#[test]
fn the_reference_is_fresh() {
    fresh("docs/reference.md", &reference::text(&spec::schema()));
}

#[test]
fn every_key_is_in_the_reference() {
    let (schema, text) = (spec::schema(), reference::text(&spec::schema()));
    let sections = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let keys: Vec<&String> = sections.filter_map(|it| it["properties"].as_object()).flat_map(|it| it.keys()).collect();
    assert!(keys.len() > 60, "{keys:?}");
    for key in keys.into_iter().filter(|key| !matches!(key.as_str(), "$schema" | "for" | "when" | "value")) {
        assert!(text.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn every_shipped_topology_fits_the_schema() {
    let validator = validator(&spec::schema());
    for (path, format) in shipped() {
        let (_, tree, _) = spec::tree(&fs::read(&path).unwrap(), &path.to_string_lossy(), format);
        assert_valid(&validator, &tree.unwrap().to_json(), &path.display().to_string());
    }
    assert!(!validator.is_valid(&json!({ "name": "a", "namespace": {} })), "a misspelt key is refused");
    let with_check = |check: Json| validator.is_valid(&json!({ "name": "a", "checks": [check] }));
    assert!(with_check(json!({ "for": { "p": ["tcp", "udp"] }, "from": "a", "to": "b:80", "$p": true })));
    assert!(!with_check(json!({ "from": "a", "to": "b:80", "tpc": true })), "a misspelt key is refused");
}

#[test]
fn every_plan_of_a_shipped_topology_fits_the_schema() {
    let validator = validator(&plan::schema());
    for (path, format) in shipped() {
        let plan = plan_of(&topology(&path, format));
        assert!(!plan.changes.is_empty(), "{}", path.display());
        assert_valid(&validator, &serde_json::to_value(&plan).unwrap(), &path.display().to_string());
    }
}

#[test]
fn a_saved_plan_fits_the_schema_and_a_bad_one_does_not() {
    let validator = validator(&plan::schema());
    let (path, format) = &shipped()[0];
    let text = fs::read_to_string(path).unwrap();
    let (includes, vars) = (Vec::new(), BTreeMap::new());
    let source = Stored { path: path.clone(), format: format.as_str().into(), text, includes, vars };
    let plan = plan_of(&topology(path, *format));
    let relied = r#"{"by": "link.a:b", "thing": "device", "netns": "host", "name": "br0", "was": {"index": "4"}}"#;
    let relied: Relied = serde_json::from_str(relied).unwrap();
    let saved = SavedPlan::new(plan, source, Choices::default(), vec![relied]).unwrap();
    let value = serde_json::to_value(&saved).unwrap();
    assert_valid(&validator, &value, "a saved plan");
    for (at, bad) in [
        ("/changes/0/action", json!("burn")),
        ("/changes/0/address", json!(7)),
        ("/destroy", json!("no")),
        ("/relies_on/0/thing", json!("moon")),
    ] {
        let mut broken = value.clone();
        *broken.pointer_mut(at).unwrap() = bad;
        assert!(!validator.is_valid(&broken), "{at}");
    }
}
