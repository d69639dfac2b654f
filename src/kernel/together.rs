//! Batches that are done side by side: names of namespaces come and go with a wait of the kernel's each, which several that
//! wait at the same time share.

use std::{
    os::fd::OwnedFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{BatchError, KernelError, StepFailure, dying, netns, park, words};
use crate::{
    model::{Mark, Netns},
    op::{Batch, FarEnd, Op, Step},
};

/// More share no wait any more.
const THREADS: usize = 8;

/// A namespace that was let go, and the ends of its veths elsewhere.
pub struct Let {
    /// What still holds it.
    pub fd: OwnedFd,
    /// Its name.
    pub name: String,
    /// What goes with it elsewhere.
    pub ends: Vec<FarEnd>,
}

/// Does all of them, whatever becomes of the others; one answer each, in their order.
pub fn run(host: &OwnedFd, batches: &[Batch]) -> Vec<Result<Option<Let>, BatchError>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(batches.len()));
    let work = || {
        while let Some((at, batch)) = take(&next, batches) {
            let done = one(host, batch);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, done));
        }
    };
    // Not on this thread: what is done moves the one that does it. Fewer of them do it as well.
    let started = thread::scope(|scope| {
        let start = |_| thread::Builder::new().name("together".into()).spawn_scoped(scope, work);
        let mut threads = (0..THREADS).map(start);
        let first = threads.next().transpose().map(drop);
        threads.take_while(Result::is_ok).for_each(drop);
        first
    });
    if let Err(error) = started {
        let error = KernelError::io("cannot start a thread", error);
        return batches.iter().map(|batch| Err(failed(batch, error.clone()))).collect();
    }
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, done)| done).collect()
}

fn take<'b>(next: &AtomicUsize, batches: &'b [Batch]) -> Option<(usize, &'b Batch)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    batches.get(at).map(|batch| (at, batch))
}

fn one(host: &OwnedFd, batch: &Batch) -> Result<Option<Let>, BatchError> {
    let [step] = &*batch.steps else { return Err(failed(batch, out_of_place())) };
    step_alone(host, &batch.netns, step).map_err(|error| failed(batch, error))
}

fn step_alone(host: &OwnedFd, netns: &Netns, step: &Step) -> Result<Option<Let>, KernelError> {
    let Netns::Named(name) = netns else { return Err(out_of_place()) };
    match &step.op {
        Op::NetnsPark { topology, inode } => {
            let mark = Mark::new(topology, &step.address);
            park::Namespace { name, mark: &mark, inode: *inode }.park().map(|()| None)
        }
        Op::NetnsDrop { topology, inode, ends } => {
            let Some(fd) = park::drop(topology, *inode)? else { return Ok(None) };
            let ends = match ends {
                Some(ends) => ends.clone(),
                None => {
                    netns::enter(&fd)?;
                    dying::ends(&mut netns::open_socket()?, host)?
                }
            };
            Ok(Some(Let { fd, name: name.to_string(), ends }))
        }
        _ => Err(out_of_place()),
    }
}

fn failed(batch: &Batch, error: KernelError) -> BatchError {
    let failure = |step: &Step| StepFailure {
        index: 0,
        address: step.address.clone(),
        op: words::words(&step.op, &batch.netns),
        partly: false,
        error: error.clone().in_netns(&batch.netns),
    };
    BatchError {
        netns: batch.netns.clone(),
        attempted: 1,
        failures: batch.steps.first().map(failure).into_iter().collect(),
    }
}

fn out_of_place() -> KernelError {
    KernelError::message("cannot do this beside others", "it takes its turn")
}
