//! The promises of the engine for random topologies, random edits between them, and random damage to what they made.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "properties/damage.rs"]
mod damage;
#[path = "common/faulty.rs"]
mod faulty;
#[path = "common/lab.rs"]
mod lab;
#[path = "properties/machine.rs"]
mod machine;
#[path = "properties/random.rs"]
mod random;

use std::collections::HashMap;

use faulty::{Fault, Faulty};
use lab::Lab;
use netwright::{
    diff::Choices,
    exec::rollback::roll_back,
    kernel::Kernel,
    kind::Topology,
    model::{Address, TopologyName, address::KindName, event::Action},
    plan::Prepared,
    report::plan::has_errors,
    undo::{Baseline, Scope},
};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};

fn name() -> TopologyName {
    "lab".parse().unwrap()
}

/// Enough for every run of the suite; more with PROPTEST_CASES.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        // Damage that a lab has no place for is drawn again.
        max_global_rejects: cases * 4,
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..Config::default()
    }
}

/// A topology from a gene, by way of the language; one that the language refuses is passed over.
fn read(gene: &random::Gene) -> Result<(String, Topology), TestCaseError> {
    let text = serde_json::to_string_pretty(&random::emit(gene)).unwrap();
    match lab::topology(&text, "lab.json") {
        Ok(topology) => Ok((text, topology)),
        Err(why) => Err(TestCaseError::reject(why)),
    }
}

fn apply(lab: &mut Lab, topology: &Topology, context: &str) -> Result<(), TestCaseError> {
    let ran = lab.apply(&name(), Some(topology)).map_err(|why| TestCaseError::fail(format!("{context}: {why}")))?;
    check_order(&ran, topology)?;
    let left = lab.plan(&name(), Some(topology), &Choices::default());
    prop_assert!(left.plan.is_empty(), "{context} left: {:#?}\nafter {}", left.plan.changes, script(&ran));
    prop_assert!(left.batches.is_empty(), "{context}: ops of an empty plan: {:#?}", left.batches);
    Ok(())
}

fn destroy(lab: &mut Lab) -> Result<(), TestCaseError> {
    lab.apply(&name(), None).map_err(|why| TestCaseError::fail(format!("destroy: {why}")))?;
    let left = lab.plan(&name(), None, &Choices::default());
    prop_assert!(left.plan.is_empty(), "destroy left: {:#?}", left.plan.changes);
    Ok(())
}

fn script(ran: &Prepared) -> String {
    let mut text = String::new();
    for batch in ran.batches.iter().chain(&ran.ends) {
        for step in &batch.steps {
            text.push_str(&format!("{} {}: {}\n", batch.netns, step.address, lab::words(&step.op)));
        }
    }
    text
}

/// What is needed is made before what needs it, and removed after it: in the plan, and in what runs.
fn check_order(ran: &Prepared, topology: &Topology) -> Result<(), TestCaseError> {
    let mut first: HashMap<&Address, usize> = HashMap::new();
    for (place, step) in ran.batches.iter().flat_map(|batch| &batch.steps).enumerate() {
        first.entry(&step.address).or_insert(place);
    }
    let planned: HashMap<&Address, (usize, Action)> =
        ran.plan.changes.iter().enumerate().map(|(at, change)| (&change.address, (at, change.action))).collect();
    for link in &topology.links {
        let mut needs: Vec<Address> = Vec::new();
        for end in &link.ends {
            needs.extend(topology.namespaces.iter().filter(|it| it.netns == end.netns).map(|it| it.address()));
            let bridge =
                topology.bridges.iter().find(|it| it.netns == end.netns && Some(&it.device) == end.bridge.as_ref());
            needs.extend(bridge.map(|it| it.address()));
        }
        for need in needs {
            let (Some((a, Action::Create)), Some((b, Action::Create))) =
                (planned.get(&need), planned.get(&link.address()))
            else {
                continue;
            };
            prop_assert!(a < b, "{need} is planned after {}", link.address());
            let (a, b) = (first.get(&need), first.get(&link.address()));
            prop_assert!(a < b, "{need} is made after {}: {}", link.address(), script(ran));
        }
    }
    let rank = |address: &Address| match address.kind() {
        KindName::Namespace => 0,
        KindName::Bridge => 1,
        KindName::Link => 2,
        KindName::Route | KindName::Gateway | KindName::Nat | KindName::PortForward | KindName::Firewall => 3,
    };
    let deleted: Vec<&Address> = ran
        .plan
        .changes
        .iter()
        .filter(|change| change.action == Action::Delete)
        .map(|change| &change.address)
        .collect();
    for (place, address) in deleted.iter().enumerate() {
        if address.kind() == KindName::Namespace {
            let later: Vec<_> =
                deleted[place..].iter().filter(|it| rank(it) > 0 && it.rest().starts_with(address.rest())).collect();
            prop_assert!(later.is_empty(), "{address} is deleted before {later:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(cases()))]

    #[test]
    fn a_second_plan_is_empty_and_destroy_leaves_no_trace(gene in random::gene()) {
        let (text, topology) = read(&gene)?;
        let before = machine::with_foreigners();
        let mut lab = Lab::new(before.clone());
        apply(&mut lab, &topology, &text)?;
        destroy(&mut lab)?;
        machine::assert_same(&before, &lab.fake)?;
    }

    #[test]
    fn every_edit_arrives(from in random::gene(), other in random::gene(), mask in any::<u64>()) {
        let to = random::mix(&from, &other, mask);
        let (one, first) = read(&from)?;
        let (two, second) = read(&to)?;
        let before = machine::with_foreigners();
        let mut lab = Lab::new(before.clone());
        apply(&mut lab, &first, &one)?;
        apply(&mut lab, &second, &format!("{one}\n->\n{two}"))?;
        destroy(&mut lab)?;
        machine::assert_same(&before, &lab.fake)?;
    }

    #[test]
    fn every_damage_shows_and_is_repaired(
        gene in random::gene(),
        damage in prop::collection::vec(any::<damage::Damage>(), 1..4),
    ) {
        let (text, topology) = read(&gene)?;
        let before = machine::with_foreigners();
        let mut lab = Lab::new(before.clone());
        apply(&mut lab, &topology, &text)?;
        let mut done = Vec::new();
        for one in &damage {
            if damage.len() > 1 || done.is_empty() {
                done.extend(damage::inflict(&mut lab.fake, &topology, one));
            }
        }
        prop_assume!(!done.is_empty());
        let plan = lab.plan(&name(), Some(&topology), &Choices::default());
        prop_assert!(done.len() > 1 || !plan.plan.is_empty(), "{done:?} does not show in\n{text}");
        apply(&mut lab, &topology, &format!("{text}\ndamaged: {done:?}"))?;
        destroy(&mut lab)?;
        machine::assert_same(&before, &lab.fake)?;
    }

    #[test]
    fn what_is_asked_to_be_replaced_is_made_anew(gene in random::gene(), which in any::<prop::sample::Index>()) {
        let (text, topology) = read(&gene)?;
        let before = machine::with_foreigners();
        let mut lab = Lab::new(before.clone());
        let made = lab.plan(&name(), Some(&topology), &Choices::default());
        apply(&mut lab, &topology, &text)?;
        // The host is nobody's to make anew.
        let all = made.plan.changes.iter().map(|change| change.address.clone());
        let replaceable: Vec<Address> = all.filter(|address| address.to_string() != "namespace.host").collect();
        prop_assume!(!replaceable.is_empty());
        let address = which.get(&replaceable).clone();
        let choices = Choices { replace: vec![address.clone()], targets: Vec::new() };
        lab.apply_with(&name(), Some(&topology), &choices)
            .map_err(|why| TestCaseError::fail(format!("{text}\n-replace={address}: {why}")))?;
        let left = lab.plan(&name(), Some(&topology), &Choices::default());
        prop_assert!(left.plan.is_empty(), "{text}\n-replace={address} left: {:#?}", left.plan.changes);
        destroy(&mut lab)?;
        machine::assert_same(&before, &lab.fake)?;
    }

    #[test]
    fn a_run_that_fails_anywhere_leaves_no_trace(
        from in random::gene(),
        other in random::gene(),
        mask in any::<u64>(),
        damage in prop::collection::vec(any::<damage::Damage>(), 0..3),
        replaced in prop::option::of(any::<prop::sample::Index>()),
        gone in prop::bool::weighted(0.2),
    ) {
        let (one, first) = read(&from)?;
        let (two, second) = read(&random::mix(&from, &other, mask))?;
        let mut lab = Lab::new(machine::with_foreigners());
        let made = lab.apply(&name(), Some(&first)).map_err(|why| TestCaseError::fail(format!("{one}: {why}")))?;
        for one in &damage {
            damage::inflict(&mut lab.fake, &first, one);
        }
        let all = made.plan.changes.iter().map(|change| &change.address);
        let replaceable: Vec<&Address> = all.filter(|it| it.to_string() != "namespace.host").collect();
        let replaced = replaced.filter(|_| !gone && !replaceable.is_empty());
        let replace = replaced.into_iter().map(|which| (*which.get(&replaceable)).clone()).collect();
        let choices = Choices { replace, targets: Vec::new() };
        let prepared = lab.plan(&name(), (!gone).then_some(&second), &choices);
        prop_assume!(!has_errors(&prepared.plan));
        let steps = prepared.batches.iter().map(|batch| batch.steps.len()).sum();
        for at in 0..steps {
            for fault in [Fault::Before, Fault::After] {
                fails(&lab, &prepared, at, fault)
                    .map_err(|why| TestCaseError::fail(format!("{one}\n->\n{two}\n{:?} {fault:?} {at} of {steps}:\n{why}", choices.replace)))?;
            }
        }
    }

    #[test]
    fn a_killed_run_is_gone_on_from(
        from in random::gene(),
        other in random::gene(),
        mask in any::<u64>(),
        gone in any::<bool>(),
        next in 0..3,
        fails_at in any::<prop::sample::Index>(),
    ) {
        let (one, first) = read(&from)?;
        let (two, second) = read(&random::mix(&from, &other, mask))?;
        let before = machine::with_foreigners();
        let mut lab = Lab::new(before);
        lab.apply(&name(), Some(&first)).map_err(|why| TestCaseError::fail(format!("{one}: {why}")))?;
        let killed = lab.plan(&name(), (!gone).then_some(&second), &Choices::default());
        prop_assume!(!has_errors(&killed.plan));
        let next = [Some(&first), Some(&second), None][next as usize];
        let steps: usize = killed.batches.iter().map(|batch| batch.steps.len()).sum();
        for at in 0..steps {
            goes_on(&lab, &killed, at, next, fails_at.index(40))
                .map_err(|why| TestCaseError::fail(format!("{one}\n->\n{two}\nkilled at {at} of {steps} (gone: {gone}), then {:?}:\n{why}", next.map(|it| it == &first))))?;
        }
    }
}

/// One run of a plan up to an op at which the process is killed.
fn is_killed(lab: &mut Lab, prepared: &Prepared, at: usize) {
    let mut faulty = Faulty::new(&mut lab.fake, at, Fault::Before);
    let _ = prepared.batches.iter().find_map(|batch| faulty.run(batch).err());
    lab.fake.sweep().unwrap();
}

fn baseline(lab: &Lab, prepared: &Prepared) -> Baseline {
    let scope = Scope::of(&prepared.batches);
    let seen = lab.fake.read(&scope.request()).unwrap();
    Baseline::new(name(), scope, &seen)
}

/// A run is killed at an op; the next one, whatever it wants, comes to its end, or leads back to before both.
fn goes_on(lab: &Lab, killed: &Prepared, at: usize, next: Option<&Topology>, fails_at: usize) -> Result<(), String> {
    let mut half = lab.clone();
    let older = baseline(lab, killed);
    is_killed(&mut half, killed, at);
    let prepared = half.plan(&name(), next, &Choices::default());
    if has_errors(&prepared.plan) {
        return Err(format!("the next plan has errors: {:#?}", prepared.plan.findings));
    }
    // It fails.
    let mut back = half.clone();
    let both = baseline(&back, &prepared).after(older);
    is_killed(&mut back, &prepared, fails_at);
    let undone = roll_back(&mut back.fake, &both);
    let (was, is) = machine::all_of(&lab.fake, &back.fake);
    if was != is || !undone.is_whole() {
        let diff = similar::TextDiff::from_lines(&format!("{was:#?}"), &format!("{is:#?}")).unified_diff().to_string();
        return Err(format!(
            "back from {fails_at} of the next: {undone:#?}\n{diff}\nkilled:\n{}next:\n{}",
            script(killed),
            script(&prepared)
        ));
    }
    // It does not.
    half.apply(&name(), next)?;
    half.fake.release(&name()).unwrap();
    let left = half.plan(&name(), next, &Choices::default());
    if left.plan.is_empty() {
        return Ok(());
    }
    Err(format!(
        "left: {:#?}",
        left.plan.changes.iter().map(|it| (it.action, &it.address, &it.attributes)).collect::<Vec<_>>()
    ) + &format!("\nkilled:\n{}next:\n{}", script(killed), script(&prepared)))
}

/// Runs a plan in which one op fails, goes back, and says what is not as before.
fn fails(lab: &Lab, prepared: &Prepared, at: usize, fault: Fault) -> Result<(), String> {
    let mut fake = lab.fake.clone();
    let baseline = baseline(lab, prepared);
    // As the journal keeps it.
    let text = serde_json::to_string(&baseline).unwrap();
    let baseline: Baseline = serde_json::from_str(&text).unwrap();
    let mut faulty = Faulty::new(&mut fake, at, fault);
    let failed = prepared.batches.iter().find_map(|batch| faulty.run(batch).err());
    let failed = failed.ok_or("nothing failed")?;
    let undone = roll_back(&mut faulty, &baseline);
    let (was, is) = machine::all_of(&lab.fake, &fake);
    if was == is && undone.is_whole() {
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(&format!("{was:#?}"), &format!("{is:#?}")).unified_diff().to_string();
    Err(format!("{:?}\n{undone:#?}\n{diff}\n{}", failed.failures, script(prepared)))
}
