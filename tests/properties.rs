//! The promises of the engine for random topologies, random edits between them, and random damage to what they made.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "properties/cases.rs"]
mod cases;
#[path = "properties/damage.rs"]
mod damage;
#[path = "common/lab.rs"]
mod lab;
#[path = "properties/machine.rs"]
mod machine;
#[path = "properties/random.rs"]
mod random;
#[path = "properties/saved.rs"]
mod saved;

use std::collections::{BTreeMap, HashMap};

use cases::{cases, config, name, read, script};
use lab::Lab;
use netwright::{
    diff::Choices,
    kernel::Kernel,
    kind::Topology,
    model::Snapshot,
    model::{Address, address::KindName, event::Action},
    observe,
    plan::{
        Prepared, relies,
        saved::{Difference, SavedPlan, Stored},
    },
};
use proptest::prelude::*;

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

/// A plan as `plan -out` saves it.
fn save(lab: &Lab, topology: Option<&Topology>) -> (SavedPlan, Prepared) {
    let prepared = lab.plan(&name(), topology, &Choices::default());
    let relied = relies::of(&name(), topology, &prepared, &look(lab, topology));
    let source = Stored {
        path: "-".into(),
        format: "json".into(),
        text: String::new(),
        includes: Vec::new(),
        vars: BTreeMap::new(),
    };
    (SavedPlan::new(prepared.plan.clone(), source, Choices::default(), relied).unwrap(), prepared)
}

fn look(lab: &Lab, topology: Option<&Topology>) -> Snapshot {
    lab.fake.read(&observe::request(topology)).unwrap()
}

/// In what a saved plan is stale.
fn stale(lab: &Lab, topology: Option<&Topology>, saved: &SavedPlan) -> Vec<Difference> {
    let now = lab.plan(&name(), topology, &Choices::default());
    saved.differences(&now.plan, &look(lab, topology))
}

/// A lab as it is, and what is wanted of it next: another one, itself with something to do, or nothing.
fn next(kind: u8, second: &Topology) -> Option<&Topology> {
    (!kind.is_multiple_of(4)).then_some(second)
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
    fn what_is_unrelated_makes_no_plan_stale(
        from in random::gene(), other in random::gene(), mask in any::<u64>(), kind in any::<u8>(),
        events in prop::collection::vec(saved::event(), 1..5),
    ) {
        let (one, first) = read(&from)?;
        let (two, second) = read(&random::mix(&from, &other, mask))?;
        let mut lab = Lab::new(machine::with_foreigners());
        if kind % 3 != 0 {
            apply(&mut lab, &first, &one)?;
        }
        let wanted = next(kind, &second);
        let (saved, prepared) = save(&lab, wanted);
        prop_assume!(!netwright::report::plan::has_errors(&prepared.plan));
        let told: Vec<String> = events
            .into_iter()
            .filter_map(|event| saved::elsewhere(&mut lab.fake, &saved.relies_on, &prepared, event))
            .collect();
        let differences = stale(&lab, wanted, &saved);
        prop_assert!(
            differences.is_empty(),
            "{told:?}\n{}\nin {one}\n->\n{two}",
            netwright::report::stale::refusal(&differences)
        );
        let ran = lab.apply(&name(), wanted).map_err(|why| TestCaseError::fail(format!("{told:?}: {why}")))?;
        prop_assert_eq!(ran.plan.changes, saved.plan.changes, "what ran is not what was approved");
    }

    #[test]
    fn what_a_plan_relies_on_makes_it_stale(
        from in random::gene(), other in random::gene(), mask in any::<u64>(), kind in any::<u8>(),
        event in saved::event(),
    ) {
        let (one, first) = read(&from)?;
        let (two, second) = read(&random::mix(&from, &other, mask))?;
        let mut lab = Lab::new(machine::with_foreigners());
        if kind % 3 != 0 {
            apply(&mut lab, &first, &one)?;
        }
        let wanted = next(kind, &second);
        let (saved, prepared) = save(&lab, wanted);
        prop_assume!(!netwright::report::plan::has_errors(&prepared.plan));
        let told = saved::here(&mut lab.fake, &saved.relies_on, event);
        prop_assume!(told.is_some());
        let differences = stale(&lab, wanted, &saved);
        prop_assert!(!differences.is_empty(), "{told:?}\nin {one}\n->\n{two}");
    }

    #[test]
    fn what_is_done_to_the_lab_makes_its_plan_stale(
        from in random::gene(), other in random::gene(), mask in any::<u64>(), kind in any::<u8>(),
        damage in any::<damage::Damage>(),
    ) {
        let (one, first) = read(&from)?;
        let (two, second) = read(&random::mix(&from, &other, mask))?;
        let mut lab = Lab::new(machine::with_foreigners());
        apply(&mut lab, &first, &one)?;
        let wanted = next(kind, &second);
        let (saved, prepared) = save(&lab, wanted);
        prop_assume!(!netwright::report::plan::has_errors(&prepared.plan));
        let done = damage::inflict(&mut lab.fake, &first, &damage);
        prop_assume!(done.is_some());
        prop_assume!(!done.as_ref().is_some_and(|done| saved::is_nobodys(done, wanted)));
        let differences = stale(&lab, wanted, &saved);
        prop_assert!(!differences.is_empty(), "{done:?}\nin {one}\n->\n{two}\n{}", script(&prepared));
    }
}
