//! Namespaces that are made ahead of their time, while others are filled: the kernel needs as long for the one as for the
//! other, and the two wait for each other for a part of that only.
//!
//! They have no names at first, so that nobody sees them. From the moment that the first one is asked for, those that come
//! next get theirs ahead too; who ends the nursery before its time finds none of these there any more.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread::Builder,
};

use super::{KernelError, netlink::RouteSocket, netns};
use crate::op::{Batch, Op, Step};

/// How many are made ahead.
const AHEAD: usize = 32;
/// How many of them have a name.
const NAMED: usize = 4;
/// So few that a thread costs more than it saves.
const FEW: usize = 3;

/// A namespace that has just been made.
#[derive(Debug)]
pub struct Newborn {
    /// What keeps it.
    pub fd: OwnedFd,
    /// A socket inside.
    pub socket: RouteSocket,
}

/// What a namespace is to be called, and its mark.
#[derive(Debug, PartialEq, Eq)]
struct Label {
    name: String,
    mark: String,
}

/// What became of one.
type Made = (Label, Result<Newborn, KernelError>);

/// Who makes namespaces.
#[derive(Debug)]
pub struct Nursery {
    unnamed: Option<Receiver<Made>>,
    named: Option<Naming>,
}

/// Who gives them names.
#[derive(Debug)]
struct Naming {
    coming: Receiver<Made>,
    is_over: Arc<AtomicBool>,
}

impl Nursery {
    /// Begins with the namespaces that batches make, where they are more than few.
    pub fn open(host: &OwnedFd, batches: &[Batch]) -> Option<Self> {
        let labels: Vec<Label> = batches.iter().filter_map(label).collect();
        if labels.len() <= FEW {
            return None;
        }
        // Without a thread they are made in their time.
        let host = host.try_clone().ok()?;
        let (made, unnamed) = sync_channel(AHEAD);
        let work = move || {
            for label in labels {
                let one = netns::unnamed(&host, &label.mark);
                let failed = one.is_err();
                if made.send((label, one)).is_err() || failed {
                    return;
                }
            }
        };
        Builder::new().name("nursery".into()).spawn(work).ok()?;
        Some(Self { unnamed: Some(unnamed), named: None })
    }

    /// The next one, where that is the one that is asked for; it has its name. The folder of the names must be ready.
    pub fn next(&mut self, name: &str, mark: &str) -> Option<Result<Newborn, KernelError>> {
        if let Some(unnamed) = self.unnamed.take() {
            self.named = Naming::begin(unnamed);
        }
        let (label, one) = self.named.as_ref()?.coming.recv().ok()?;
        if label.name == name && label.mark == mark {
            return Some(one);
        }
        // Another order than was told: the names that are there ahead would be in the way.
        take_back(&label, one);
        self.named = None;
        None
    }
}
impl Naming {
    fn begin(unnamed: Receiver<Made>) -> Option<Self> {
        let (given, coming) = sync_channel(NAMED);
        let is_over = Arc::new(AtomicBool::new(false));
        let is_enough = Arc::clone(&is_over);
        let work = move || {
            for (label, one) in unnamed {
                if is_enough.load(Ordering::Relaxed) {
                    return;
                }
                let one = one.and_then(|it| netns::name(&it.fd, &label.name, &label.mark).map(|()| it));
                let failed = one.is_err();
                if given.send((label, one)).is_err() || failed {
                    return;
                }
            }
        };
        Builder::new().name("naming".into()).spawn(work).ok()?;
        Some(Self { coming, is_over })
    }
}

impl Drop for Naming {
    /// When this returns no more names come, and none is there that nobody has asked for.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // To the last one: the thread ends with that.
        self.coming.iter().for_each(|(label, one)| take_back(&label, one));
    }
}

/// The namespace that a batch makes.
fn label(batch: &Batch) -> Option<Label> {
    let mark = |step: &Step| if let Op::NetnsCreate { mark } = &step.op { Some(mark.clone()) } else { None };
    let mark = batch.steps.iter().find_map(mark)?;
    Some(Label { name: batch.netns.as_str().to_owned(), mark })
}

/// Takes the name of one away that nobody has asked for. Where that fails, whoever looks around finds it by its mark.
fn take_back(label: &Label, one: Result<Newborn, KernelError>) {
    let Ok(Newborn { fd, .. }) = one else { return };
    if let Err(error) = netns::delete_same(&label.name, &fd) {
        tracing::debug!(%error, "take back");
    }
}
