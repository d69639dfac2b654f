//! One run a topology at a time, and one a host while something is changed.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{holder::Holder, memo};
use crate::{kernel::folder::Folder, model::TopologyName};

/// How often a lock that is held is tried again.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long the lock of a holder that was killed is waited for without being asked to: the kernel ends it only when
/// all that the holder had under way is over. One that has just begun says who it is within that time, too.
const GRACE: Duration = Duration::from_secs(10);
const INTRODUCTION: Duration = Duration::from_millis(200);

/// What was seen so long ago is still as it was, as far as others than runs of ours change it.
const MOMENT: Duration = Duration::from_secs(1);

/// How long a run waits for its turn on the host: others' runs take seconds, with a thousand namespaces.
const TURN: Duration = Duration::from_secs(600);

/// Who waits for a lock.
pub struct Waiting<'a> {
    /// Is told for whom; again where the lock changes hands.
    pub tell: &'a mut dyn FnMut(&str),
    /// Whether to go on.
    pub is_stopped: &'a dyn Fn() -> bool,
}

/// The right to change a topology, or the host's network, for as long as it lives. The kernel ends it with the process,
/// so that a dead holder's lock is no lock; no child inherits it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// What the file said before.
    before: Option<Vec<u8>>,
}

/// Who had the host's lock last, at a moment when nobody had it.
#[derive(Debug)]
pub struct Last {
    /// What the file said; `None` where nobody ever had it.
    said: Option<Vec<u8>>,
    then: Instant,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it, and nobody wants to wait.
    #[error(
        "{what} is being changed by another run{holder}; try again when it is done, or give -lock-timeout to wait for it"
    )]
    Held {
        /// Of what.
        what: String,
        /// Who has it, as far as it says.
        holder: String,
    },
    /// Another run has it for longer than was to be waited.
    #[error("{what} is still being changed by another run{holder} after {} s of waiting; nothing was done", .waited.as_secs())]
    StillHeld {
        /// Of what.
        what: String,
        /// Who has it, as far as it says.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It was asked to stop.
    #[error("interrupted while another run was waited for; nothing was done")]
    Interrupted,
    /// The file cannot be had.
    #[error("cannot lock {what}: {error}")]
    File {
        /// Of what.
        what: String,
        /// Why, with the file.
        error: io::Error,
    },
}

impl Lock {
    /// The lock of a topology. Waits for `timeout` at most.
    pub fn take(name: &TopologyName, timeout: Duration, waiting: Waiting<'_>) -> Result<Self, LockError> {
        let place = Place { topology: Some(name), file: memo::LOCK };
        wait(&place, &format!("`{name}`"), timeout, waiting)
    }

    /// The lock of the host. Topologies share its settings, its firewall's tables and the indexes of its devices, so that
    /// from the plan that is to run to its end they take turns; each of them takes its own lock before.
    pub fn turn(waiting: Waiting<'_>) -> Result<Self, LockError> {
        wait(&HOST, "the network of this host", TURN, waiting)
    }

    /// Who has changed the host's network last; `None` where somebody may be at it.
    pub fn last() -> Option<Last> {
        let then = Instant::now();
        let folder = Folder::find(Path::new(memo::DIRECTORY)).ok()?;
        let said = folder.map_or(Ok(None), |folder| folder.read(HOST.file)).ok()?;
        let is_over = said.as_deref().is_none_or(|said| {
            let holder = Holder::parse(&String::from_utf8_lossy(said));
            holder.is_some_and(|holder| holder.is_gone())
        });
        is_over.then_some(Last { said, then })
    }

    /// Whether nobody else has had this one since `last`, which was a moment ago.
    pub fn follows(&self, last: &Last) -> bool {
        self.before == last.said && last.then.elapsed() < MOMENT
    }
}

/// The host's lock.
const HOST: Place<'static> = Place { topology: None, file: ".lock" };

/// Where a lock is.
struct Place<'a> {
    topology: Option<&'a TopologyName>,
    file: &'static str,
}

impl Place<'_> {
    fn folder(&self) -> io::Result<Folder> {
        match self.topology {
            Some(name) => memo::make_folder(name),
            None => Folder::make(Path::new(memo::DIRECTORY)),
        }
    }

    fn path(&self) -> PathBuf {
        let folder = self.topology.map_or_else(|| memo::DIRECTORY.into(), memo::folder);
        folder.join(self.file)
    }

    /// Opens the file. A run that destroys the topology may remove the folder at that moment.
    fn open(&self) -> io::Result<File> {
        const TRIES: usize = 100;
        for _ in 1..TRIES {
            match self.folder().and_then(|folder| folder.open_lock(self.file)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => return done,
            }
        }
        self.folder()?.open_lock(self.file)
    }

    /// Whether it still leads to the file that is open.
    fn is_still(&self, file: &File) -> bool {
        let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
        let (open, named) = (file.metadata().map(id), self.path().symlink_metadata().map(id));
        matches!((open, named), (Ok(open), Ok(named)) if open == named)
    }

    /// What the file says.
    fn said(&self) -> Option<Vec<u8>> {
        self.folder().ok()?.read(self.file).ok()?
    }

    fn holder(&self) -> Option<Holder> {
        Holder::parse(&String::from_utf8_lossy(&self.said()?))
    }
}

fn wait(place: &Place<'_>, what: &str, timeout: Duration, waiting: Waiting<'_>) -> Result<Lock, LockError> {
    let fail = |error| LockError::File { what: what.to_owned(), error };
    let mut file = place.open().map_err(fail)?;
    let begun = Instant::now();
    let mut told: Option<Option<Holder>> = None;
    loop {
        match file.try_lock() {
            Ok(()) if place.is_still(&file) => break,
            // The holder destroyed the topology, and the file with it: the next one is locked anew.
            Ok(()) => {
                file = place.open().map_err(fail)?;
                continue;
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        let waited = begun.elapsed();
        let holder = place.holder();
        let patience = match &holder {
            None => INTRODUCTION,
            Some(holder) if holder.is_ending() => GRACE,
            Some(_) => Duration::ZERO,
        };
        if waited >= timeout.max(patience) {
            return Err(held(what, holder, timeout));
        }
        let introduced = holder.is_some() || waited >= INTRODUCTION;
        if introduced && !told.as_ref().is_some_and(|told| *told == holder) {
            (waiting.tell)(&format!("waiting for another run that changes {what}{}", in_words(holder.as_ref())));
            told = Some(holder);
        }
        if (waiting.is_stopped)() {
            return Err(LockError::Interrupted);
        }
        thread::sleep(INTERVAL);
    }
    let before = place.said();
    // One that cannot say who it is, on a file system that is full, holds the lock all the same.
    if let Err(error) = Holder::this_process().sign(&file) {
        tracing::debug!(%error, "the lock of {what} is not signed");
    }
    Ok(Lock { _file: file, before })
}

fn held(what: &str, holder: Option<Holder>, timeout: Duration) -> LockError {
    let (what, holder) = (what.to_owned(), in_words(holder.as_ref()));
    match timeout.is_zero() {
        true => LockError::Held { what, holder },
        false => LockError::StillHeld { what, holder, waited: timeout },
    }
}

/// ` (pid 42, …)`; empty where it does not say.
fn in_words(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(" ({holder})")).unwrap_or_default()
}
