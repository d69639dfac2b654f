//! Plan → batches → events. It makes no choices: what runs, and in which order, is in the plan.

use std::{collections::BTreeMap, time::Instant};

use crate::{
    kernel::{BatchError, Kernel, StepFailure},
    model::{
        Address,
        event::{Action, Event},
    },
    op::Op,
    plan::Prepared,
};

mod holder;
pub mod journal;
pub mod lock;
pub mod memo;
pub mod rollback;
pub mod transaction;

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

/// Runs every batch, telling what happens; no further one once `is_stopped`.
pub fn run(
    kernel: &mut dyn Kernel,
    prepared: &Prepared,
    is_stopped: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(Event),
) -> Result<(), Stopped> {
    let mut tracker = Tracker::new(prepared);
    let mut has_flushed = false;
    for batch in &prepared.batches {
        if is_stopped() {
            return Err(Stopped { error: RunError::Interrupted, has_flushed });
        }
        for step in &batch.steps {
            tracker.start(&step.address, tell);
        }
        tracing::debug!(netns = %batch.netns, steps = batch.steps.len(), "batch");
        for step in &batch.steps {
            tracing::trace!(resource = %step.address, op = ?step.op);
            has_flushed |= matches!(step.op, Op::FlushFlows { .. });
        }
        if let Err(error) = kernel.run(batch) {
            let events = tracker.failed(&error);
            return Err(Stopped { error: RunError::Batch(Box::new(error), events), has_flushed });
        }
        for step in &batch.steps {
            tracker.done_one(&step.address, tell);
        }
    }
    tracker.finish(tell);
    Ok(())
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

    fn failed(&self, error: &BatchError) -> Vec<Event> {
        let event = |failure: &StepFailure| {
            let address = failure.address.clone();
            let action = self.resources.get(&address).map_or(Action::Update, |resource| resource.action);
            Event::Failed { address, action, message: failure.error.to_string() }
        };
        error.failures.iter().map(event).collect()
    }

    /// Resources without an op of their own (a nat rule, whose rules the namespace's firewall loads) are done with the run.
    fn finish(&mut self, tell: &mut dyn FnMut(Event)) {
        for (address, resource) in &mut self.resources {
            Self::tell_done(address, resource, tell);
        }
    }
}
