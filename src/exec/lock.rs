//! One run a topology at a time, and one a host while something is changed.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::memo;
use crate::model::TopologyName;

/// How often a lock that is held is tried again.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long the lock of a holder that was killed is waited for without being asked to: the kernel ends it only when
/// all that the holder had under way is over.
const GRACE: Duration = Duration::from_secs(10);

/// How long a run waits for its turn on the host: others' runs take seconds, with a thousand namespaces.
const TURN: Duration = Duration::from_secs(600);

/// Who waits for a lock.
pub struct Waiting<'a> {
    /// Is told once for whom.
    pub tell: &'a mut dyn FnMut(&str),
    /// Whether to go on.
    pub is_stopped: &'a dyn Fn() -> bool,
}

/// The right to change a topology, or the host's network, for as long as it lives. The kernel ends it with the process,
/// so that a dead holder's lock is no lock.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("{what} is being changed by another run{holder}; wait for it, or give -lock-timeout")]
    Held {
        /// Of what.
        what: String,
        /// Who has it, as far as it says.
        holder: String,
    },
    /// It was asked to stop.
    #[error("interrupted while another run was waited for; nothing was done")]
    Interrupted,
    /// The file cannot be had.
    #[error("cannot lock {what} ({path}): {error}")]
    File {
        /// Of what.
        what: String,
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
}

impl Lock {
    /// The lock of a topology. Waits for `timeout` at most.
    pub fn take(name: &TopologyName, timeout: Duration, waiting: Waiting<'_>) -> Result<Self, LockError> {
        wait(&memo::folder(name).join("lock"), &format!("`{name}`"), timeout, waiting)
    }

    /// The lock of the host. Topologies share its settings, its firewall's tables and the indexes of its devices, so that
    /// from the plan that is to run to its end they take turns; each of them takes its own lock before.
    pub fn turn(waiting: Waiting<'_>) -> Result<Self, LockError> {
        wait(&Path::new(memo::DIRECTORY).join(".lock"), "the network of this host", TURN, waiting)
    }
}

fn wait(path: &Path, what: &str, timeout: Duration, waiting: Waiting<'_>) -> Result<Lock, LockError> {
    let fail = |error| LockError::File { what: what.to_owned(), path: path.display().to_string(), error };
    let mut file = open(path).map_err(fail)?;
    let deadline = Instant::now() + timeout;
    let grace = Instant::now() + GRACE;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) if is_still_at(&file, path) => break,
            // The holder destroyed the topology, and the file with it: the next one is locked anew.
            Ok(()) => {
                file = open(path).map_err(fail)?;
                continue;
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        let holder = holder(path);
        let patient = is_ending(path) && Instant::now() < grace;
        if Instant::now() >= deadline && !patient {
            return Err(LockError::Held { what: what.to_owned(), holder });
        }
        if !told {
            (waiting.tell)(&format!("waiting for another run that changes {what}{holder}"));
            told = true;
        }
        if (waiting.is_stopped)() {
            return Err(LockError::Interrupted);
        }
        thread::sleep(INTERVAL);
    }
    sign(&mut file).map_err(fail)?;
    Ok(Lock { _file: file })
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    File::options().create(true).truncate(false).read(true).write(true).open(path)
}

/// Whether the path still leads to the file that is open.
fn is_still_at(file: &File, path: &Path) -> bool {
    let id = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    let (open, named) = (file.metadata().map(id), std::fs::metadata(path).map(id));
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

/// Writes who holds it, for those who wait.
fn sign(file: &mut File) -> io::Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let command: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}\n{since}\n{}\n", std::process::id(), command.join(" "))
}

/// Whether the holder is on its way out: gone already, killed, or ending.
fn is_ending(path: &Path) -> bool {
    const EXITING: u64 = 0x4;
    const KILL: u64 = 1 << 8;
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let Some(pid) = text.lines().next().and_then(|pid| pid.parse::<u32>().ok()) else { return false };
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
    let (Ok(stat), Ok(status)) = (read("stat"), read("status")) else { return true };
    // `pid (name) state ppid pgrp session tty tpgid flags …`; the name may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let flags: u64 = fields.get(6).and_then(|flags| flags.parse().ok()).unwrap_or_default();
    let pending = status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    let killed = pending.filter_map(|set| u64::from_str_radix(set.trim(), 16).ok()).any(|set| set & KILL != 0);
    killed || flags & EXITING != 0 || matches!(fields.first(), Some(&("Z" | "X")))
}

/// ` (pid 42, netwright apply lab.yaml, for 3 s)`; empty where it does not say.
fn holder(path: &Path) -> String {
    let mut text = String::new();
    if File::open(path).and_then(|mut file| file.read_to_string(&mut text)).is_err() {
        return String::new();
    }
    let mut lines = text.lines();
    let (Some(pid), Some(since), Some(command)) = (lines.next(), lines.next(), lines.next()) else {
        return String::new();
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = since.parse().map_or(0, |since: u64| now.saturating_sub(since));
    format!(" (pid {pid}, `{command}`, for {seconds} s)")
}
