//! Plan → batches → events. It makes no choices: what runs, and in which order, is in the plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use crate::{
    kernel::{BatchError, Kernel, StepFailure},
    model::{
        Address, Netns,
        event::{Action, Event},
    },
    op::{Batch, Op},
    plan::Prepared,
};

mod finished;
mod holder;
pub mod journal;
pub mod lock;
pub mod memo;
pub mod rollback;
pub mod transaction;

use finished::Finished;
pub use transaction::remember;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An op failed.
    #[error("{0}")]
    Batch(Box<BatchError>, Vec<Event>),
    /// It was asked to.
    #[error("the run was interrupted")]
    Interrupted,
}

impl RunError {
    /// What there is to tell of it.
    pub fn events(&self) -> &[Event] {
        if let Self::Batch(_, events) = self { events } else { &[] }
    }

    /// Whether what another program did at the same moment may be the reason, so that the same may go well now.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Batch(error, _) => error.failures.iter().any(|failure| failure.error.is_transient()),
            Self::Interrupted => false,
        }
    }
}

/// A run that stopped.
#[derive(Debug)]
pub struct Stopped {
    /// Why.
    pub error: RunError,
    /// Whether it has deleted tracked connections, which no way back brings.
    pub has_flushed: bool,
}

/// Runs every batch, telling what happens; no further one once `is_stopped`. `look` is told of namespaces for which nothing
/// is left to be done, many at a time.
pub fn run(
    kernel: &mut dyn Kernel,
    prepared: &Prepared,
    is_stopped: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(Event),
    look: &mut dyn FnMut(&dyn Kernel, BTreeSet<Netns>),
) -> Result<(), Stopped> {
    let mut tracker = Tracker::new(prepared);
    let mut finished = Finished::new(&prepared.batches);
    let mut has_flushed = false;
    let mut rest = &*prepared.batches;
    while let Some((now, later)) = split(rest) {
        if is_stopped() {
            return Err(Stopped { error: RunError::Interrupted, has_flushed });
        }
        for step in now.iter().flat_map(|batch| &batch.steps) {
            tracker.start(&step.address, tell);
            tracing::trace!(resource = %step.address, op = ?step.op);
            has_flushed |= matches!(step.op, Op::FlushFlows { .. });
        }
        tracing::debug!(netns = %now[0].netns, batches = now.len(), steps = now[0].steps.len(), "run");
        for (batch, done) in now.iter().zip(run_these(kernel, now)) {
            if let Err(error) = done {
                let events = tracker.failed(batch, &error);
                return Err(Stopped { error: RunError::Batch(Box::new(error), events), has_flushed });
            }
            for step in &batch.steps {
                tracker.done_one(&step.address, tell);
            }
        }
        if let Some(many) = finished.after(prepared.batches.len() - later.len() - 1) {
            look(kernel, many);
        }
        rest = later;
    }
    tracker.finish(tell);
    Ok(())
}

/// What is run next, and the rest: one batch, or several that are apart from each other.
pub(crate) fn split(batches: &[Batch]) -> Option<(&[Batch], &[Batch])> {
    let apart = batches.iter().take_while(|batch| batch.is_apart()).count();
    batches.split_at_checked(apart.max(1))
}

/// Runs what [`split`] gave.
fn run_these(kernel: &mut dyn Kernel, batches: &[Batch]) -> Vec<Result<(), BatchError>> {
    match batches {
        [one] => vec![kernel.run(one)],
        several => kernel.run_together(several),
    }
}

/// How far each resource is.
struct Tracker {
    resources: BTreeMap<Address, Progress>,
}

struct Progress {
    action: Action,
    steps_left: usize,
    started: Option<Instant>,
    told: bool,
}

impl Tracker {
    fn new(prepared: &Prepared) -> Self {
        let progress = |action| Progress { action, steps_left: 0, started: None, told: false };
        let changes = prepared.plan.changes.iter();
        let mut resources: BTreeMap<Address, Progress> =
            changes.map(|change| (change.address.clone(), progress(change.action))).collect();
        for step in prepared.batches.iter().flat_map(|batch| &batch.steps) {
            if let Some(resource) = resources.get_mut(&step.address) {
                resource.steps_left += 1;
            }
        }
        Self { resources }
    }

    fn start(&mut self, address: &Address, tell: &mut dyn FnMut(Event)) {
        let Some(resource) = self.resources.get_mut(address) else { return };
        if resource.started.is_none() {
            resource.started = Some(Instant::now());
            tell(Event::Start { address: address.clone(), action: resource.action });
        }
    }

    fn done_one(&mut self, address: &Address, tell: &mut dyn FnMut(Event)) {
        let Some(resource) = self.resources.get_mut(address) else { return };
        resource.steps_left = resource.steps_left.saturating_sub(1);
        if resource.steps_left == 0 {
            Self::tell_done(address, resource, tell);
        }
    }

    fn tell_done(address: &Address, resource: &mut Progress, tell: &mut dyn FnMut(Event)) {
        if !std::mem::replace(&mut resource.told, true) {
            if resource.started.is_none() {
                tell(Event::Start { address: address.clone(), action: resource.action });
            }
            let elapsed = resource.started.map(|started| started.elapsed()).unwrap_or_default();
            tell(Event::Done { address: address.clone(), action: resource.action, elapsed });
        }
    }

    /// What failed, but for what only followed from that.
    fn failed(&self, batch: &Batch, error: &BatchError) -> Vec<Event> {
        let event = |failure: &StepFailure| {
            let address = failure.address.clone();
            let action = self.resources.get(&address).map_or(Action::Update, |resource| resource.action);
            Event::Failed { address, action, message: failure.error.to_string() }
        };
        let mut missing = BTreeSet::new();
        let mut events = Vec::new();
        for failure in &error.failures {
            let op = batch.steps.get(failure.index).map(|step| &step.op);
            if !op.iter().flat_map(|op| op.uses()).any(|index| missing.contains(&index)) {
                events.push(event(failure));
            }
            missing.extend(op.iter().flat_map(|op| op.makes(&batch.netns)));
        }
        events
    }

    /// Resources without an op of their own (a nat rule, whose rules the namespace's firewall loads) are done with the run.
    fn finish(&mut self, tell: &mut dyn FnMut(Event)) {
        for (address, resource) in &mut self.resources {
            Self::tell_done(address, resource, tell);
        }
    }
}
