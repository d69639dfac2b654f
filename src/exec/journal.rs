//! What a run is about to change and what that was, written down before it begins: so that the next command can finish,
//! or take back, what a run that was killed has left half done.
//!
//! It lives on a tmpfs, and is not synced: what it tells of is the kernel's own state, which a crash of the machine, or a
//! cut of its power, takes along. What it has to outlive is the process, and for that a file that has been renamed into
//! its place is enough.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::memo::{self, Memo};
use crate::{model::TopologyName, undo::Baseline};

const FILE: &str = "journal.json";

/// A run that has begun and has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Its process.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// How far it is.
    pub phase: Phase,
    /// What it may change, and what that was before.
    pub baseline: Baseline,
    /// What is to be remembered when it is over.
    pub next: Next,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// All that it has done can be taken back.
    Running,
    /// It is being taken back.
    Back,
    /// All is done, and what was set aside goes: there is only the way forward.
    Ending,
}

/// What is remembered of a topology after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// This.
    Store(Box<Memo>),
    /// What is remembered already.
    Keep,
    /// Nothing: it has gone.
    Forget,
}

/// Why a journal cannot be read, written or removed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be had.
    #[error("cannot {doing} {path}, where this run notes what it changes: {error}{hint}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// It is none of this version.
    #[error(
        "cannot read {path}, where a run that did not come to its end has noted what it changed: {error}; \
         a netwright of the version that wrote it can, and without the file what that run had set aside is let go"
    )]
    Form {
        /// The file.
        path: String,
        /// Why.
        error: serde_json::Error,
    },
}

impl Journal {
    /// Of a run of this process that begins now.
    pub fn new(baseline: Baseline, next: Next) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let command: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let (pid, command) = (std::process::id(), command.join(" "));
        Self { pid, command, since, phase: Phase::Running, baseline, next }
    }

    /// What a run of the topology has left that did not come to its end.
    pub fn load(name: &TopologyName) -> Result<Option<Self>, JournalError> {
        let read = || memo::find_folder(name)?.map_or(Ok(None), |folder| folder.read(FILE));
        let Some(bytes) = read().map_err(|error| failed("read", name, error))? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| JournalError::Form { path: path(name).display().to_string(), error })
    }

    /// Writes it: whoever reads it meets the old one or this one.
    pub fn save(&self) -> Result<(), JournalError> {
        let name = &self.baseline.topology;
        let write = || memo::make_folder(name)?.replace(FILE, &serde_json::to_vec(self)?);
        write().map_err(|error: io::Error| failed("write", name, error))
    }

    /// Removes it: the run is over.
    pub fn remove(name: &TopologyName) -> Result<(), JournalError> {
        let remove = || memo::find_folder(name)?.map_or(Ok(()), |folder| folder.remove(FILE));
        remove().map_err(|error| failed("remove", name, error))
    }

    /// Whether its process is there. (Another one with its number is taken for it: there are millions of them.)
    pub fn is_running(&self) -> bool {
        Path::new("/proc").join(self.pid.to_string()).exists()
    }

    /// How long ago it began.
    pub fn age(&self) -> Duration {
        let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(self.since);
        SystemTime::now().duration_since(begun).unwrap_or_default()
    }
}

fn path(name: &TopologyName) -> PathBuf {
    memo::folder(name).join(FILE)
}

fn failed(doing: &'static str, name: &TopologyName, error: io::Error) -> JournalError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let hint = if full { "; make room there: without the note a run that fails could not be taken back" } else { "" };
    JournalError::File { doing, path: path(name).display().to_string(), error, hint }
}
