//! What is remembered of the last apply, below `/run/netwright/NAME`: to tell drift from edits, for `list` and for
//! `test NAME`. It is a memo, never the proof of ownership: with it lost, all verbs still work by the kernel's marks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use crate::plan::saved::{Included, Stored};
use crate::{
    kernel::{folder::Folder, is_sysctl_key},
    kind::made::Made,
    model::TopologyName,
};

/// Where the memos are: tmpfs, so that they live as long as the kernel's own state.
pub const DIRECTORY: &str = crate::kernel::folder::ROOT;
const FILE: &str = "memo.json";
/// The file beside the memo that [`Lock`](super::lock::Lock) locks.
pub(super) const LOCK: &str = "lock";

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

/// The folder of one topology, made where there is none.
pub(super) fn make_folder(name: &TopologyName) -> io::Result<Folder> {
    Folder::make(Path::new(DIRECTORY))?.make_in(name.as_str())
}

/// The folder of one topology, where there is one.
pub(super) fn find_folder(name: &TopologyName) -> io::Result<Option<Folder>> {
    Folder::find(Path::new(DIRECTORY))?.map_or(Ok(None), |root| root.find_in(name.as_str()))
}

/// The memo of a topology; `None` where there is none that can be read and believed: it is only a memo.
pub fn load(name: &TopologyName) -> Option<Memo> {
    let bytes = find_folder(name).ok()??.read(FILE).ok()??;
    serde_json::from_slice(&bytes).ok().filter(is_ours)
}

/// Whether it could have been written by an apply.
fn is_ours(memo: &Memo) -> bool {
    memo.made.sysctls.values().flatten().all(|key| is_sysctl_key(key))
}

/// Remembers. Never seen half written: a reader meets the old memo or the new one.
pub fn store(name: &TopologyName, memo: &Memo) -> io::Result<()> {
    make_folder(name)?.replace(FILE, &serde_json::to_vec(memo)?)
}

/// Forgets a topology that is gone. Its lock, which the caller holds, goes last; from then on another run may make
/// files of its own there, which are left alone.
pub fn forget(name: &TopologyName) -> io::Result<()> {
    find_folder(name)?.map_or(Ok(()), |folder| empty(&folder))
}

fn empty(folder: &Folder) -> io::Result<()> {
    for entry in folder.names()?.iter().filter(|entry| *entry != LOCK) {
        let path = folder.path().join(entry);
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path)?,
            _ => folder.remove(entry)?,
        }
    }
    folder.remove(LOCK)?;
    match fs::remove_dir(folder.path()) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Err(error),
        _ => Ok(()),
    }
}

/// The names that there are memos of.
pub fn names() -> Vec<TopologyName> {
    let root = Folder::find(Path::new(DIRECTORY)).ok().flatten();
    let entries = root.and_then(|root| root.names().ok()).unwrap_or_default();
    let names = entries.into_iter().filter_map(|entry| entry.parse().ok());
    let mut names: Vec<TopologyName> = names.filter(|name| folder(name).join(FILE).is_file()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_next_run_may_lock_while_the_last_one_forgets() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("lab");
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    // It may go again between the two.
                    drop(Folder::make(&path).and_then(|folder| folder.open_lock(LOCK)));
                }
            });
            let forgotten = (0..500).try_for_each(|_| match Folder::make(&path).and_then(|folder| empty(&folder)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            });
            enough.store(true, Ordering::Relaxed);
            forgotten.unwrap();
        });
    }
}
