//! One process, from its start to its end.

use std::{
    fs, io,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::libc;

/// What a run took.
#[derive(Clone, Copy)]
pub struct Run {
    pub wall: Duration,
    /// Until the last name below `/run/netns` was gone.
    pub names_gone: Option<Duration>,
    /// The most memory that it had at a time, in KiB.
    pub memory: i64,
}

/// Runs a command to its end and fails where it does. Its output goes nowhere.
pub fn run(words: &[&str]) -> io::Result<Run> {
    watched(words, false)
}

/// The same, with a look at when names are gone.
pub fn watched(words: &[&str], watches: bool) -> io::Result<Run> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let child = command.spawn()?;
    let names_gone = watches.then(|| wait_for_names(begun));
    let (status, memory) = wait(&child)?;
    let run = Run { wall: begun.elapsed(), names_gone, memory };
    if status == 0 { Ok(run) } else { Err(io::Error::other(format!("{}: {}", words.join(" "), said(child)))) }
}

fn said(child: Child) -> String {
    child.stderr.and_then(|stderr| io::read_to_string(stderr).ok()).unwrap_or_default()
}

fn wait_for_names(begun: Instant) -> Duration {
    while fs::read_dir("/run/netns").is_ok_and(|mut names| names.next().is_some()) && begun.elapsed().as_secs() < 60 {
        thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}

/// The exit status of a child, and the most memory that it had.
fn wait(child: &Child) -> io::Result<(i32, i64)> {
    let mut status = 0;
    // SAFETY: a structure of numbers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both outlive the call, and the child is this process's own.
    let pid = unsafe { libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage) };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok((status, usage.ru_maxrss)) }
}
