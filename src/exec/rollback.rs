//! The way back after a run that failed: reads, does what is to be done, and looks again until nothing is left of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    kernel::{BatchError, Kernel, KernelError, Outcome, words},
    model::Address,
    op::Batch,
    undo::{Baseline, Restoration, restore},
};

/// More looks than any way back takes: each of them follows what the kernel did by itself after the last one.
const ROUNDS: usize = 20;
/// How often the same is tried before it counts as what cannot be done.
const TRIES: usize = 3;

/// What came of it.
#[derive(Debug, Default)]
pub struct Undone {
    /// The resources that were put back, wholly or in part.
    pub resources: BTreeSet<Address>,
    /// How many operations that took.
    pub operations: usize,
    /// What could not be put back: the resource, and what of it, and why.
    pub left: BTreeSet<(Address, String)>,
    /// Why nothing is known of what is left.
    pub blind: Option<KernelError>,
    /// Why what was noted for this is still there.
    pub unclosed: Option<String>,
}

impl Undone {
    /// Whether everything is as it was before.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty() && self.blind.is_none()
    }
}

/// Makes what a run may have changed what it was before. Where a part of that fails, the rest is done all the same.
pub fn roll_back(kernel: &mut dyn Kernel, baseline: &Baseline) -> Undone {
    let mut undone = Undone::default();
    let mut refusals = Refusals::default();
    let mut last = Restoration::default();
    let mut tries = 0;
    for _ in 0..ROUNDS {
        let left = match look(kernel, baseline) {
            Ok(left) => left,
            Err(error) if tries + 1 < TRIES => {
                tracing::debug!(%error, "look");
                tries += 1;
                continue;
            }
            Err(error) => {
                undone.blind = Some(error);
                return undone;
            }
        };
        tries = if left == last { tries + 1 } else { 1 };
        if left.is_empty() || tries > TRIES {
            undone.left = refusals.explain(&left);
            return undone;
        }
        for batch in &left.batches {
            run(kernel, batch, &mut undone, &mut refusals);
        }
        if let Err(error) = kernel.settle() {
            tracing::debug!(%error, "settle");
        }
        last = left;
    }
    undone.left = refusals.explain(&last);
    undone
}

fn look(kernel: &dyn Kernel, baseline: &Baseline) -> Result<Restoration, KernelError> {
    Ok(restore(baseline, &kernel.read(&baseline.scope.request())?))
}

/// Runs every step of a batch that can be run, whatever becomes of others.
fn run(kernel: &mut dyn Kernel, batch: &Batch, undone: &mut Undone, refusals: &mut Refusals) {
    let mut rest = batch.clone();
    while !rest.steps.is_empty() {
        let failed = kernel.run(&rest).err();
        let outcome = |index: usize| failed.as_ref().map_or(Outcome::Done, |error| error.outcome(index));
        for (index, step) in rest.steps.iter().enumerate() {
            if outcome(index) == Outcome::Done {
                undone.operations += 1;
                undone.resources.insert(step.address.clone());
            }
        }
        let mut index = 0;
        rest.steps.retain(|_| {
            index += 1;
            outcome(index - 1) == Outcome::Untried
        });
        refusals.note(failed.as_ref());
    }
}

/// Why ops of the way back were refused, by what they are called.
#[derive(Default)]
struct Refusals(BTreeMap<(Address, String), String>);

impl Refusals {
    fn note(&mut self, failed: Option<&BatchError>) {
        for failure in failed.iter().flat_map(|error| &error.failures) {
            self.0.insert((failure.address.clone(), failure.op.clone()), failure.error.to_string());
        }
    }

    /// What is left to be done, with the kernel's word where there is one.
    fn explain(&self, left: &Restoration) -> BTreeSet<(Address, String)> {
        let mut explained = left.lost.clone();
        for batch in &left.batches {
            for step in &batch.steps {
                let op = words(&step.op, &batch.netns);
                let key = (step.address.clone(), op);
                let why = self.0.get(&key).cloned();
                let (address, op) = key;
                explained.insert((address, why.unwrap_or_else(|| format!("{op}: it does not stay"))));
            }
        }
        explained
    }
}
