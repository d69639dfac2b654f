//! Namespaces that are made ahead of their time, while others are filled: the kernel needs as long for the one as for the
//! other, and the two wait for each other for a part of that only. They have no names yet, so that nobody sees them.

use std::{
    os::fd::OwnedFd,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use super::{KernelError, netlink::RouteSocket, netns};
use crate::op::{Batch, Op};

/// How many are made ahead.
const AHEAD: usize = 32;
/// So few that a thread costs more than it saves.
const FEW: usize = 3;

/// A namespace without a name.
#[derive(Debug)]
pub struct Unnamed {
    /// What keeps it.
    pub fd: OwnedFd,
    /// A socket inside.
    pub socket: RouteSocket,
}

/// A thread that makes namespaces.
#[derive(Debug)]
pub struct Nursery {
    coming: Receiver<(String, Result<Unnamed, KernelError>)>,
}

impl Nursery {
    /// Begins with the namespaces that batches make, where they are more than few.
    pub fn open(host: &OwnedFd, batches: &[Batch]) -> Option<Self> {
        let steps = batches.iter().flat_map(|batch| &batch.steps);
        let marks =
            steps.filter_map(|step| if let Op::NetnsCreate { mark } = &step.op { Some(mark.clone()) } else { None });
        let marks: Vec<String> = marks.collect();
        if marks.len() <= FEW {
            return None;
        }
        // Without a thread they are made in their time.
        let host = host.try_clone().ok()?;
        let (made, coming) = sync_channel(AHEAD);
        let work = move || {
            for mark in marks {
                let one = netns::unnamed(&host, &mark);
                let failed = one.is_err();
                if made.send((mark, one)).is_err() || failed {
                    return;
                }
            }
        };
        thread::Builder::new().name("nursery".into()).spawn(work).ok()?;
        Some(Self { coming })
    }

    /// The next one, where that is the one with this mark.
    pub fn next(&self, mark: &str) -> Option<Result<Unnamed, KernelError>> {
        let (of, one) = self.coming.recv().ok()?;
        (of == mark).then_some(one)
    }
}
