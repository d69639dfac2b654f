//! A run that is done as a whole or not at all.
//!
//! ```text
//! begin ─▶ run … looked at ─▶ end: what was set aside goes ─▶ remembered
//!           └─ failed, stopped ─▶ roll_back: what was set aside comes back
//! ```
//! Until `end` has taken its first step everything can be taken back; from then on there is only the way forward, which
//! any later command can go to its end.

use std::collections::BTreeSet;

use foldhash::HashSet;

use super::{
    journal::{Journal, JournalError, Next, Phase},
    memo,
    rollback::{Undone, roll_back},
    run_these, split,
};
use crate::{
    kernel::{BatchError, Kernel, KernelError, Outcome},
    model::{Netns, Snapshot, TopologyName, snapshot::LinkState},
    op::{Batch, Op},
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
        tracing::debug!("begun");
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

    /// What it changes.
    pub fn scope(&self) -> &Scope {
        &self.journal.baseline.scope
    }

    /// Whose it is.
    pub fn name(&self) -> &TopologyName {
        &self.journal.baseline.topology
    }

    /// Lets go of what was set aside, and remembers. Where it was `seen` in which namespaces that is, by this run or older ones,
    /// others are not looked at.
    pub fn end(
        &mut self,
        kernel: &mut dyn Kernel,
        ends: &[Batch],
        next: Next,
        seen: Option<&Snapshot>,
    ) -> Result<(), EndError> {
        let mut aside = seen.map(|seen| aside(ends, seen));
        self.turn(Phase::Ending, next).map_err(EndError::Journal)?;
        let mut gone = false;
        let mut rest = ends;
        while let Some((now, later)) = split(rest) {
            tracing::debug!(netns = %now[0].netns, batches = now.len(), steps = now[0].steps.len(), "end");
            let done = run_these(kernel, now);
            gone |= now.iter().zip(&done).any(|(batch, done)| has_done(batch, done));
            if let Some(error) = done.into_iter().find_map(Result::err) {
                if !gone {
                    let next = self.journal.next.clone();
                    self.turn(Phase::Running, next).map_err(EndError::Journal)?;
                    return Err(EndError::Batch(Box::new(error)));
                }
                tracing::debug!(%error, "end");
                // What is left of it is looked for below.
                if let Some(aside) = &mut aside {
                    aside.extend(now.iter().map(|batch| batch.netns.clone()));
                }
            }
            rest = later;
        }
        self.finish(kernel, aside.as_ref())
    }

    /// The way forward: whatever has been set aside goes, by whichever run. There being no way back, it is tried again
    /// where it fails.
    fn finish(&mut self, kernel: &mut dyn Kernel, aside: Option<&BTreeSet<Netns>>) -> Result<(), EndError> {
        let mut done = self.finish_once(kernel, aside);
        for _ in 1..TRIES {
            let Err(error) = &done else { break };
            tracing::debug!(%error, "finish");
            done = self.finish_once(kernel, None);
        }
        let settled = done.map_err(EndError::Left)?;
        settled.map_err(|error| EndError::Left(error.to_string()))
    }

    /// Yields whether what went is gone. What does not go at once is no reason not to remember what is there.
    fn finish_once(
        &mut self,
        kernel: &mut dyn Kernel,
        aside: Option<&BTreeSet<Netns>>,
    ) -> Result<Result<(), KernelError>, String> {
        kernel.release(self.name(), aside).map_err(|error| error.to_string())?;
        tracing::debug!("released");
        let settled = kernel.settle();
        tracing::debug!("settled");
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
            let closed = kernel.release(self.name(), None).map_err(|error| error.to_string());
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
        self.finish(kernel, None)
    }

    fn turn(&mut self, phase: Phase, next: Next) -> Result<(), JournalError> {
        (self.journal.phase, self.journal.next) = (phase, next);
        self.journal.save()
    }
}

/// Whether anything of a batch was done.
fn has_done(batch: &Batch, done: &Result<(), BatchError>) -> bool {
    let is_done = |outcome| matches!(outcome, Outcome::Done | Outcome::Partly);
    done.as_ref().err().is_none_or(|error| (0..batch.steps.len()).any(|index| is_done(error.outcome(index))))
}

/// What batches may change, as it is now.
fn look(kernel: &dyn Kernel, name: &TopologyName, batches: &[Batch]) -> Result<Baseline, KernelError> {
    let scope = Scope::of(batches);
    let seen = kernel.read(&scope.request_before())?;
    tracing::debug!(places = scope.places.len(), "noted");
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

/// The namespaces in which runs have set devices aside that the end of this one does not delete, with their peers or by
/// themselves.
fn aside(ends: &[Batch], seen: &Snapshot) -> BTreeSet<Netns> {
    let mut goes: HashSet<(&Netns, u32)> = HashSet::default();
    for Batch { netns, steps } in ends {
        let deleted = |op: &Op| if let Op::LinkDelete { link } = op { Some((netns, link.index)) } else { None };
        goes.extend(steps.iter().filter_map(|step| deleted(&step.op)));
    }
    let does_go = |netns: &Netns, link: &LinkState| {
        let peer = link.peer.as_ref().and_then(|peer| Some((peer.netns.as_ref()?, peer.index)));
        goes.contains(&(netns, link.index)) || peer.is_some_and(|peer| goes.contains(&peer))
    };
    let stays = seen.namespaces.iter().filter(|(netns, state)| !state.parked.iter().all(|link| does_go(netns, link)));
    stays.map(|(netns, _)| netns.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::snapshot::{NetnsState, Peer},
        op::{LinkRef, Step},
    };

    #[test]
    fn where_all_that_was_set_aside_goes_nothing_is_looked_for() {
        let netns = |name: &str| Netns::Named(name.into());
        let parked = |ends: &[(u32, u32, Netns)]| {
            let link = |(index, peer, there): &(u32, u32, Netns)| {
                let peer = Some(Peer { index: *peer, netns: Some(there.clone()) });
                LinkState { index: *index, peer, ..Default::default() }
            };
            NetnsState { parked: ends.iter().map(link).collect(), ..NetnsState::default() }
        };
        let mut seen = Snapshot::default();
        seen.namespaces.insert(Netns::Host, parked(&[(5, 2, netns("goes"))]));
        seen.namespaces.insert(netns("goes"), parked(&[(2, 5, Netns::Host)]));
        seen.namespaces.insert(netns("older"), parked(&[(2, 6, Netns::Host)]));
        seen.namespaces.insert(netns("nothing"), NetnsState::default());
        let link = LinkRef { index: 5, name: "p5".into() };
        let step = Step { address: "link.goes:eth0".parse().unwrap(), op: Op::LinkDelete { link } };
        let ends = [Batch { netns: Netns::Host, steps: vec![step] }];
        assert_eq!(aside(&ends, &seen), [netns("older")].into());
        seen.namespaces.insert(Netns::Host, parked(&[(5, 2, netns("goes")), (7, 3, netns("older"))]));
        assert_eq!(aside(&ends, &seen), [Netns::Host, netns("older")].into());
    }
}
