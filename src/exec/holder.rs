//! Who holds a lock, as its file tells: for those who wait, never to judge whether it is held. That only the kernel knows.

use std::{
    env, fmt,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    process,
    time::{Duration, SystemTime},
};

/// A process with a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pid: u32,
    /// Seconds since the epoch.
    since: u64,
    command: String,
    /// The process namespace in which it has that number, where it says.
    pids: Option<u64>,
}

/// What a holder is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// By a signal or a debugger: it does not go on by itself.
    Stopped,
    /// Gone already, killed, or ending.
    Ending,
    /// In a process namespace of its own, where nothing can be seen of it.
    Elsewhere,
}

impl Holder {
    /// This process, from now on.
    pub(super) fn this_process() -> Self {
        const LONGEST: usize = 200;
        let words: Vec<String> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        // On one line, and no matter what somebody's terminal makes of it.
        let command = words.join(" ").escape_debug().to_string();
        let command = command.chars().take(LONGEST).collect();
        Self { pid: process::id(), since: now(), command, pids: process_namespace() }
    }

    /// What a lock's file says; `None` where that is nothing of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (pid, since) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
        let command = lines.next()?.chars().filter(|letter| !letter.is_control()).collect();
        Some(Self { pid, since, command, pids: lines.next().and_then(|pids| pids.parse().ok()) })
    }

    /// Writes it over what is there. In one go, so that nobody reads half of it.
    pub(super) fn sign(&self, file: &File) -> io::Result<()> {
        let pids = self.pids.map(|pids| pids.to_string()).unwrap_or_default();
        let text = format!("{}\n{}\n{}\n{pids}\n", self.pid, self.since, self.command);
        let written = file.write_at(text.as_bytes(), 0)?;
        // What is left of a longer one, or half of ours, would only mislead.
        let whole = written == text.len();
        file.set_len(if whole { written as u64 } else { 0 })?;
        if whole { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Whether there is no such process any more, so that it surely holds nothing. Of one that does not say in which process
    /// namespace it is, that is not known.
    pub(super) fn is_gone(&self) -> bool {
        self.pids.is_some()
            && self.pids == process_namespace()
            && matches!(fs::exists(format!("/proc/{}", self.pid)), Ok(false))
    }

    /// Whether it is on its way out, so that its lock is about to end.
    pub(super) fn is_ending(&self) -> bool {
        self.state() == State::Ending
    }

    fn state(&self) -> State {
        if self.pids.is_some() && self.pids != process_namespace() {
            return State::Elsewhere;
        }
        let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.pid));
        match (read("stat"), read("status")) {
            (Ok(stat), Ok(status)) => state(&stat, &status),
            _ => State::Ending,
        }
    }
}

fn state(stat: &str, status: &str) -> State {
    const EXITING: u64 = 0x4;
    const KILL: u64 = 1 << 8;
    // `pid (name) state ppid pgrp session tty tpgid flags …`; the name may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let flags: u64 = fields.get(6).and_then(|flags| flags.parse().ok()).unwrap_or_default();
    let pending = status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    let killed = pending.filter_map(|set| u64::from_str_radix(set.trim(), 16).ok()).any(|set| set & KILL != 0);
    match fields.first() {
        _ if killed || flags & EXITING != 0 => State::Ending,
        Some(&("Z" | "X")) => State::Ending,
        Some(&("T" | "t")) => State::Stopped,
        _ => State::Running,
    }
}

/// `pid 42, netwright apply lab.yaml, for 3 s`, and what is odd about it.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, command, since, .. } = self;
        let state = self.state();
        let whose = if state == State::Elsewhere { " of another container" } else { "" };
        write!(f, "pid {pid}{whose}, `{command}`, for {}", words(now().saturating_sub(*since)))?;
        match state {
            State::Stopped => write!(f, ", stopped: `kill -CONT {pid}` lets it go on"),
            State::Running | State::Ending | State::Elsewhere => Ok(()),
        }
    }
}

fn words(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// The number of this process's process namespace.
fn process_namespace() -> Option<u64> {
    fs::metadata("/proc/self/ns/pid").ok().map(|meta| meta.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_reads_back_and_a_shorter_one_leaves_nothing_of_a_longer() {
        let file = tempfile::tempfile().unwrap();
        let text = || {
            let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
            file.read_exact_at(&mut bytes, 0).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let long = Holder { command: "netwright apply ".repeat(9), ..Holder::this_process() };
        let short = Holder { command: "x".into(), pids: None, ..Holder::this_process() };
        for holder in [long, short] {
            holder.sign(&file).unwrap();
            assert_eq!(Holder::parse(&text()), Some(holder));
        }
    }

    #[test]
    fn what_is_no_signature_is_none() {
        for text in
            ["", "\0\0\0\n", "1\n", "1\n2\n", "x\n2\nnetwright\n", "99999999999\n2\nnetwright\n", "{\"pid\": 1}"]
        {
            assert_eq!(Holder::parse(text), None, "{text:?}");
        }
        let hostile = Holder::parse("1\n2\nevil\u{1b}[2Jit\u{7}\n").unwrap();
        assert!(hostile.to_string().contains("`evil[2Jit`"), "{hostile}");
    }

    #[test]
    fn a_holder_is_running_stopped_ending_or_out_of_sight() {
        let status = "SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n";
        let stat = |state: &str| format!("42 (a) b) {state} 1 42 42 0 -1 4194304 0");
        assert_eq!(state(&stat("S"), status), State::Running);
        assert_eq!(state(&stat("T"), status), State::Stopped);
        assert_eq!(state(&stat("Z"), status), State::Ending);
        assert_eq!(state(&stat("D"), "SigPnd:\t0000000000000100\n"), State::Ending);
        assert_eq!(state("42 (x) D 1 42 42 0 -1 4194308 0", status), State::Ending);
        let this = Holder::this_process();
        assert_eq!(this.state(), State::Running);
        // There is no process of that number.
        assert!(Holder { pid: 4_194_305, ..this.clone() }.is_ending());
        let elsewhere = Holder { pids: Some(1), ..this };
        assert!(!elsewhere.is_ending() && elsewhere.to_string().contains("of another container"), "{elsewhere}");
    }

    #[test]
    fn a_long_time_is_told_in_long_units() {
        assert_eq!([0, 119, 120, 7199, 7200].map(words), ["0 s", "119 s", "2 min", "119 min", "2 h"]);
    }
}
