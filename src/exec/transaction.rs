//! A run that is done as a whole or not at all.
//!
//! ```text
//! begin ─▶ run … looked at ─▶ end: what was set aside goes ─▶ remembered
//!           └─ failed, stopped ─▶ roll_back: what was set aside comes back
//! ```
//! Until `end` has taken its first step everything can be taken back; from then on there is only the way forward, which
//! any later command can go to its end.

use super::{
    journal::{Journal, JournalError, Next, Phase},
    memo,
    rollback::{Undone, roll_back},
};
use crate::{
    kernel::{BatchError, Kernel, KernelError, Outcome},
    model::TopologyName,
    op::Batch,
    undo::{Baseline, Scope},
};

/// How often the end of a run is tried.
const TRIES: usize = 3;

/// A run that has begun.
#[derive(Debug)]
pub struct Transaction {
    journal: Journal,
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// What is there cannot be read.
    #[error("{0}")]
    Kernel(#[from] KernelError),
    /// What is there cannot be noted.
    #[error("{0}")]
    Journal(#[from] JournalError),
}

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// Nothing has gone yet: it can be rolled back.
    #[error("{0}")]
    Batch(Box<BatchError>),
    /// The same.
    #[error("{0}")]
    Journal(JournalError),
    /// Everything is done, but something that was set aside is still there, or nothing is remembered.
    #[error("{0}")]
    Left(String),
}

impl Transaction {
    /// Notes what is about to be changed and what it is. `older` is a run that was to be the one before this one and did
    /// not come to its end: a way back leads to before both.
    pub fn begin(
        kernel: &dyn Kernel,
        name: &TopologyName,
        batches: &[Batch],
        older: Option<Journal>,
        next: Next,
    ) -> Result<Self, BeginError> {
        let mut baseline = look(kernel, name, batches)?;
        if let Some(older) = older {
            baseline = baseline.after(older.baseline);
        }
        let journal = Journal::new(baseline, next);
        journal.save()?;
        Ok(Self { journal })
    }

    /// Notes what is about to be changed beside, which nothing of this run has changed yet.
    pub fn extend(&mut self, kernel: &dyn Kernel, batches: &[Batch]) -> Result<(), BeginError> {
        let baseline = look(kernel, self.name(), batches)?;
        self.journal.baseline = baseline.after(self.journal.baseline.clone());
        Ok(self.journal.save()?)
    }

    /// A run that did not come to its end, where nothing is left for it to do but to end.
    pub fn resume(journal: Journal) -> Self {
        Self { journal }
    }

    /// Whose it is.
    pub fn name(&self) -> &TopologyName {
        &self.journal.baseline.topology
    }

    /// Lets go of what was set aside, and remembers.
    pub fn end(&mut self, kernel: &mut dyn Kernel, ends: &[Batch], next: Next) -> Result<(), EndError> {
        self.turn(Phase::Ending, next).map_err(EndError::Journal)?;
        let mut gone = false;
        for batch in ends {
            let Err(error) = kernel.run(batch) else {
                gone = true;
                continue;
            };
            let untouched = |index| matches!(error.outcome(index), Outcome::Failed | Outcome::Untried);
            if !gone && (0..batch.steps.len()).all(untouched) {
                let next = self.journal.next.clone();
                self.turn(Phase::Running, next).map_err(EndError::Journal)?;
                return Err(EndError::Batch(Box::new(error)));
            }
            // What is left of it is looked for below.
            tracing::debug!(%error, "end");
            gone = true;
        }
        self.finish(kernel)
    }

    /// The way forward: whatever has been set aside goes, by whichever run. There being no way back, it is tried again
    /// where it fails.
    fn finish(&mut self, kernel: &mut dyn Kernel) -> Result<(), EndError> {
        let mut done = self.finish_once(kernel);
        for _ in 1..TRIES {
            let Err(error) = &done else { break };
            tracing::debug!(%error, "finish");
            done = self.finish_once(kernel);
        }
        let settled = done.map_err(EndError::Left)?;
        settled.map_err(|error| EndError::Left(error.to_string()))
    }

    /// Yields whether what went is gone. What does not go at once is no reason not to remember what is there.
    fn finish_once(&mut self, kernel: &mut dyn Kernel) -> Result<Result<(), KernelError>, String> {
        kernel.release(self.name()).map_err(|error| error.to_string())?;
        let settled = kernel.settle();
        remember(kernel, self.name(), &self.journal.next)?;
        Journal::remove(self.name()).map_err(|error| error.to_string())?;
        Ok(settled)
    }

    /// Takes everything back. The note of it goes with that, but where something could not be: then the next run goes on
    /// from there.
    pub fn roll_back(mut self, kernel: &mut dyn Kernel) -> Undone {
        // Without room for the note, a kill on the way back is met as one on the way there is.
        self.note(Phase::Back);
        let mut undone = roll_back(kernel, &self.journal.baseline);
        if undone.is_whole() {
            let closed = kernel.release(self.name()).map_err(|error| error.to_string());
            let closed = closed.and_then(|()| Journal::remove(self.name()).map_err(|error| error.to_string()));
            undone.unclosed = closed.err();
        } else {
            // What could not be put back today will not be tomorrow: then there is only the way forward.
            self.note(Phase::Running);
        }
        undone
    }

    fn note(&mut self, phase: Phase) {
        let next = self.journal.next.clone();
        if let Err(error) = self.turn(phase, next) {
            tracing::debug!(%error, ?phase, "turn");
        }
    }

    /// Leaves everything as it is: what was set aside goes, and there is no way back.
    pub fn keep(mut self, kernel: &mut dyn Kernel) -> Result<(), EndError> {
        let next = self.journal.next.clone();
        self.turn(Phase::Ending, next).map_err(EndError::Journal)?;
        self.finish(kernel)
    }

    fn turn(&mut self, phase: Phase, next: Next) -> Result<(), JournalError> {
        (self.journal.phase, self.journal.next) = (phase, next);
        self.journal.save()
    }
}

/// What batches may change, as it is now.
fn look(kernel: &dyn Kernel, name: &TopologyName, batches: &[Batch]) -> Result<Baseline, KernelError> {
    let scope = Scope::of(batches);
    let seen = kernel.read(&scope.request())?;
    Ok(Baseline::new(name.clone(), scope, &seen))
}

/// Remembers, or forgets, a topology.
pub fn remember(kernel: &mut dyn Kernel, name: &TopologyName, next: &Next) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("cannot write {}: {error}", memo::folder(name).display());
    match next {
        Next::Store(memo) => memo::store(name, memo).map_err(fail),
        Next::Keep => Ok(()),
        Next::Forget => {
            kernel.forget(name).map_err(|error| error.to_string())?;
            memo::forget(name).map_err(fail)
        }
    }
}
