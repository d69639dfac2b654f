//! Faults in random labs, random edits between them and random damage to what they made, on the fake kernel: an op fails
//! anywhere, or the process is killed there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "properties/cases.rs"]
mod cases;
#[path = "properties/damage.rs"]
mod damage;
#[path = "common/faulty.rs"]
mod faulty;
#[path = "common/lab.rs"]
mod lab;
#[expect(dead_code, reason = "compared is all of it here, see `all_of`")]
#[path = "properties/machine.rs"]
mod machine;
#[path = "properties/random.rs"]
mod random;

use cases::{cases, config, name, read, script};
use faulty::{Fault, Faulty};
use lab::Lab;
use netwright::{
    diff::Choices,
    exec::rollback::roll_back,
    kernel::{Kernel, fake::Fake},
    kind::Topology,
    model::{
        Address, Snapshot,
        snapshot::{NetnsState, ReadRequest},
    },
    plan::Prepared,
    report::plan::has_errors,
    undo::{Baseline, Scope},
};
use proptest::prelude::*;

proptest! {
    // Every op of a case is tried, which takes as long as some fifty cases of other properties.
    #![proptest_config(config(cases().div_ceil(50)))]

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
    let (was, is) = all_of(&lab.fake, &back.fake);
    if was != is || !undone.is_whole() {
        let diff = similar::TextDiff::from_lines(format!("{was:#?}"), format!("{is:#?}")).unified_diff().to_string();
        return Err(format!(
            "back from {fails_at} of the next: {undone:#?}\n{diff}\nkilled:\n{}next:\n{}",
            script(killed),
            script(&prepared)
        ));
    }
    // It does not.
    half.apply(&name(), next)?;
    half.fake.release(&name(), None).unwrap();
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
    let (was, is) = all_of(&lab.fake, &fake);
    if was == is && undone.is_whole() {
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(format!("{was:#?}"), format!("{is:#?}")).unified_diff().to_string();
    Err(format!("{:?}\n{undone:#?}\n{diff}\n{}", failed.failures, script(prepared)))
}

/// Puts what the kernel keeps in no order that counts into one.
fn in_order(state: &mut NetnsState) {
    state.addresses.sort_by_key(|it| (it.link, it.address.addr().is_ipv6().then_some(it.address)));
    state.routes.sort_by_key(|it| (it.to, it.table, it.metric, it.protocol));
    state.firewall.live.sort_by_key(|(variant, table)| (*variant, table.family, table.name));
    for (_, table) in &mut state.firewall.live {
        table.chains.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// Everything that each of two holds, also of sysctls that only one of them has ever written.
fn all_of(one: &Fake, other: &Fake) -> (Snapshot, Snapshot) {
    let mut request = ReadRequest { whole: true, ..ReadRequest::default() };
    for (netns, state) in one.state.namespaces.iter().chain(&other.state.namespaces) {
        request.sysctls.entry(netns.clone()).or_default().extend(state.sysctls.keys().cloned());
    }
    let all = |fake: &Fake| {
        let mut seen = fake.read(&request).unwrap();
        for state in seen.namespaces.values_mut() {
            in_order(state);
            state.firewall.default_variant = None;
        }
        seen
    };
    (all(one), all(other))
}
