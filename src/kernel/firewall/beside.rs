//! Tools at a time: whoever runs one waits most of the time.

use std::{panic::resume_unwind, thread};

use super::super::KernelError;

/// Does two things at a time, the second one on a thread: each waits for a tool most of the time.
pub(super) fn beside<A, B: Send>(
    here: impl FnOnce() -> Result<A, KernelError>,
    there: impl FnOnce() -> Result<B, KernelError> + Send,
) -> Result<(A, B), KernelError> {
    thread::scope(|scope| {
        let there = thread::Builder::new()
            .name("print".into())
            .spawn_scoped(scope, there)
            .map_err(|error| KernelError::io("cannot start a thread", error))?;
        let here = here();
        let there = there.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok((here?, there?))
    })
}

/// Does the same with each of a few at a time, each on a thread that is in the calling one's namespace, the first on the calling
/// one itself. What came of them is in their order.
pub(super) fn side_by_side<T: Sync, R: Send>(
    all: &[T],
    work: impl Fn(&T) -> Result<R, KernelError> + Sync,
) -> Result<Vec<R>, KernelError> {
    let Some((first, others)) = all.split_first() else { return Ok(Vec::new()) };
    thread::scope(|scope| {
        let work = &work;
        let start = |one| (one, thread::Builder::new().name("tool".into()).spawn_scoped(scope, move || work(one)));
        let started: Vec<_> = others.iter().map(start).collect();
        let first = work(first);
        let others = started.into_iter().map(|(one, worker)| match worker {
            Ok(worker) => worker.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // There are as many threads as this user may have.
            Err(_) => work(one),
        });
        std::iter::once(first).chain(others).collect()
    })
}
