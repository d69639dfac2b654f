//! Every point of a lab's life.

use std::{collections::BTreeMap, env, fmt, os::unix::process::ExitStatusExt, thread, time::Duration};

use crate::{
    kernel::Fault,
    run::{Deed, Order},
    state::State,
};

/// What was tried of one lab.
#[derive(Debug, Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.0 {
            writeln!(f, "{what}: {count}")?;
        }
        writeln!(f, "all: {}", self.0.values().sum::<usize>())
    }
}

/// Of how many points one is taken.
fn stride() -> usize {
    env::var("FAULTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Tries every point of the lab's life.
pub fn prove(file: &str) {
    let mut lab = Lab { file, tally: Tally::default(), failed: Vec::new(), after: BTreeMap::new() };
    for deed in [Deed::Apply, Deed::Update, Deed::Destroy] {
        lab.done(deed);
        State::settled();
        lab.after.insert(deed, State::take_without_made_up());
    }
    for deed in [Deed::Apply, Deed::Update, Deed::Replace, Deed::Destroy] {
        lab.failures(deed);
        lab.ways_back(deed);
        lab.kills(deed);
    }
    println!("points of {file}\n{}", lab.tally);
    assert!(lab.failed.is_empty(), "{} points of {file} failed:\n{}", lab.failed.len(), lab.failed.join("\n"));
    assert!(lab.tally.0.values().sum::<usize>() > 20, "too few points were tried");
}

struct Lab<'a> {
    file: &'a str,
    tally: Tally,
    failed: Vec<String>,
    /// What the kernel holds after a deed.
    after: BTreeMap<Deed, State>,
}

impl Lab<'_> {
    fn order(&self, deed: Deed) -> Order {
        Order::new(self.file, deed)
    }

    /// Does it without a fault, and counts operations.
    fn done(&self, deed: Deed) -> usize {
        self.order(deed).carry_out().unwrap_or_else(|(failure, _)| panic!("{deed:?} without a fault: {failure:?}"))
    }

    /// Brings the kernel to where the deed begins.
    fn set_up(&self, deed: Deed) {
        match deed {
            Deed::Apply => _ = self.done(Deed::Destroy),
            Deed::Update | Deed::Replace | Deed::Destroy => _ = self.done(Deed::Apply),
        }
    }

    /// How many operations the deed takes; afterwards the kernel is where it begins.
    fn operations(&self, deed: Deed) -> usize {
        self.set_up(deed);
        let operations = self.done(deed);
        self.set_up(deed);
        operations
    }

    fn note(&mut self, what: &str, deed: Deed, at: &dyn fmt::Debug, outcome: Result<(), String>) {
        self.tally.count(format!("{what} {deed:?}"));
        if let Err(why) = outcome {
            self.failed.push(format!("{what} {deed:?} {at:?}: {why}"));
        }
    }

    /// Every operation fails, before and after: all is as before.
    fn failures(&mut self, deed: Deed) {
        let operations = self.operations(deed);
        let mut before = State::settled();
        for at in (0..operations).step_by(stride()) {
            for fault in [Fault::FailBefore, Fault::FailAfter] {
                let outcome = self.fails(deed, &[(at, fault)], &before);
                if State::take() != before {
                    self.set_up(deed);
                    before = State::settled();
                }
                self.note("fail", deed, &(at, fault), outcome);
            }
        }
    }

    /// What has failed at its last operation is taken back, and that fails at every operation, before and after; or the
    /// process is killed there.
    fn ways_back(&mut self, deed: Deed) {
        let operations = self.operations(deed);
        let mut before = State::settled();
        let last = (operations - 1, Fault::FailBefore);
        let Err((_, all)) = self.order(deed).with(&[last]).carry_out() else {
            // It is done anyway: a later step of its end has failed.
            return;
        };
        for at in (operations..all).step_by(stride()) {
            for fault in [Fault::FailBefore, Fault::FailAfter] {
                let outcome = self.fails(deed, &[last, (at, fault)], &before);
                if outcome.is_err() {
                    self.set_up(deed);
                    before = State::settled();
                }
                self.note("fail in the way back of", deed, &(at, fault), outcome);
            }
        }
        for at in (operations..all).step_by(stride()) {
            let outcome = self.is_killed(deed, &[last, (at, Fault::KillBefore)], at);
            self.note("kill in the way back of", deed, &at, outcome);
        }
    }

    fn fails(&self, deed: Deed, faults: &[(usize, Fault)], before: &State) -> Result<(), String> {
        match self.order(deed).with(faults).carry_out() {
            // What has failed was among the last steps, behind which there is only the way forward.
            Ok(_) => self.has_done(deed),
            Err((failure, _)) => before.restored().map_err(|diff| format!("{failure:?}\n{diff}")),
        }
    }

    /// The process is killed at every operation, before and after: the next command does what it should.
    fn kills(&mut self, deed: Deed) {
        let operations = self.operations(deed);
        for at in (0..operations).step_by(stride()) {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                let outcome = self.is_killed(deed, &[(at, fault)], at);
                self.note("kill", deed, &(at, fault), outcome);
            }
        }
    }

    fn is_killed(&self, deed: Deed, faults: &[(usize, Fault)], at: usize) -> Result<(), String> {
        self.set_up(deed);
        let (status, text) = self.order(deed).with(faults).carry_out_apart();
        if status.signal() != Some(9) {
            return Err(format!("it was not killed: {status}\n{text}"));
        }
        // Whoever comes next may want any of these.
        let next = [deed, Deed::Destroy, Deed::Apply][at % 3];
        self.order(next).carry_out().map_err(|(failure, _)| format!("then {next:?}: {failure:?}"))?;
        self.has_done(next)
    }

    /// Whether the kernel holds what it holds after the deed, hardware addresses that it makes up aside.
    fn has_done(&self, deed: Deed) -> Result<(), String> {
        let wanted = &self.after[&if deed == Deed::Replace { Deed::Apply } else { deed }];
        for _ in 0..50 {
            if State::take_without_made_up() == *wanted {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("after {deed:?}:\n{}", wanted.diff(&State::take_without_made_up())))
    }
}
