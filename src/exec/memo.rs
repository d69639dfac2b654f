//! What is remembered of the last apply, below `/run/netwright/NAME`: to tell drift from edits, for `list` and for
//! `test NAME`. It is a memo, never the proof of ownership: with it lost, all verbs still work by the kernel's marks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use crate::plan::saved::{Included, Stored};
use crate::{kind::made::Made, model::TopologyName};

/// Where the memos are: tmpfs, so that they live as long as the kernel's own state.
pub const DIRECTORY: &str = "/run/netwright";
const FILE: &str = "memo.json";

/// The last apply of one topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    /// What was applied.
    pub source: Stored,
    /// What it made.
    #[serde(flatten)]
    pub made: Made,
}

/// The folder of one topology.
pub fn folder(name: &TopologyName) -> PathBuf {
    Path::new(DIRECTORY).join(name.as_str())
}

/// The memo of a topology; `None` where there is none that can be read: it is only a memo.
pub fn load(name: &TopologyName) -> Option<Memo> {
    let bytes = fs::read(folder(name).join(FILE)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Remembers. Never seen half written: a reader meets the old memo or the new one.
pub fn store(name: &TopologyName, memo: &Memo) -> io::Result<()> {
    let folder = folder(name);
    fs::create_dir_all(&folder)?;
    let draft = folder.join(".draft");
    fs::write(&draft, serde_json::to_vec(memo)?)?;
    fs::rename(&draft, folder.join(FILE))
}

/// Forgets a topology that is gone.
pub fn forget(name: &TopologyName) -> io::Result<()> {
    match fs::remove_dir_all(folder(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The names that there are memos of.
pub fn names() -> Vec<TopologyName> {
    let entries = fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
    let with_memo = entries.filter(|entry| entry.path().join(FILE).is_file());
    let mut names: Vec<TopologyName> = with_memo.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    names.sort();
    names
}
