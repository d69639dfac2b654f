//! A private host for one command: user, mount, network and process namespaces of its own, /run and /etc/netns empty and
//! its own. Everything that the command makes vanishes with it, processes left behind included.
//!
//! Three processes: the one that the user started sets up the namespaces and then waits, forwards signals and passes the
//! exit status on ("outside"); a tiny init, the first of the process namespace, starts the command, reaps orphans, and
//! takes everything along when it ends; and the command.
//!
//! The init is this very program run again (/proc/self/exe with another name for itself) rather than the child of a
//! bare fork, and so are the init's child until it becomes the command, and the helper that maps users. A process cannot
//! enter the process namespace that it makes, so there must be a child; an exec'd one needs no unsafe code, holds none of
//! our open files, and runs from `main` with nothing inherited that could be half-done. The price is a millisecond, and
//! that [`reentry`] must be the first thing in `main`.

mod error;
mod host;
mod idmap;
mod init;
mod signals;

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    os::unix::process::CommandExt,
    process::Command,
};

use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

pub use error::SandboxError;
use error::failed;

/// Set inside.
const MARKER: &str = "NETWRIGHT_SANDBOX";
/// This program, running as another part of a sandbox.
const EXE: &str = "/proc/self/exe";
/// What the init calls itself, in its first argument and so in `ps`.
const INIT: &str = "netwright: sandbox init";
/// The exit code of a process of the sandbox that could not do its part, where its caller has better words or has gone.
const GAVE_UP: u8 = 1;

/// Runs a command, or a shell where none is given, on a private host, and gives its exit status (128 and the signal's
/// number where one killed it). Must be called while the process has a single thread: the kernel lets no other enter a
/// user namespace. The process is inside the namespaces from then on and should end soon after.
pub fn run(command: &[OsString]) -> Result<u8, SandboxError> {
    let terminal = Terminal::of_stdin();
    // Before anything is started, so that none of them is missed.
    let signals = signals::catch().map_err(failed("catching signals"))?;
    host::enter()?;
    let mut init = Command::new(EXE);
    init.arg0(INIT).arg(own_id()?.to_string()).env(MARKER, "1");
    match command {
        [] => init.arg(Place::of_shell(&terminal).as_str()).arg(shell()).env("PS1", r"(sandbox) \$ "),
        command => init.arg(Place::Ours.as_str()).args(command),
    };
    let init = init.spawn().map_err(failed("starting the sandbox's init"))?;
    let init = Pid::from_raw(init.id().cast_signed());
    let status =
        signals::wait_for(init, &signals, signals::Sender::Anyone).map_err(failed("waiting for the sandbox"))?;
    terminal.take_back();
    Ok(status)
}

/// Where this process is itself a part of a sandbox, plays that part. To be called first thing in `main`, which ends
/// with the result where there is one.
pub fn reentry() -> Option<Result<u8, SandboxError>> {
    let mut args = std::env::args_os();
    let name = args.next()?;
    if name == INIT {
        Some(init::run(args))
    } else if name == init::LAUNCHER {
        Some(init::launch(args))
    } else if name == idmap::WRITER {
        Some(idmap::write_for(args))
    } else {
        None
    }
}

fn shell() -> OsString {
    std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into())
}

/// In which process group the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In ours: the terminal's signals reach it and us alike, so that Ctrl-Z stops the whole.
    Ours,
    /// In its own, in the terminal's foreground: a shell wants to give the terminal back to a group that it can name.
    Foreground,
}

impl Place {
    fn of_shell(terminal: &Terminal) -> Self {
        if terminal.foreground { Self::Foreground } else { Self::Ours }
    }

    /// As one part of a sandbox tells it to the next.
    fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Foreground => "foreground",
        }
    }
}

/// The id of this process as /proc tells it, which may be of an outer process namespace: the one that others who read
/// the same /proc see.
fn own_id() -> Result<u32, SandboxError> {
    status_field("Pid:").map_err(failed("reading /proc/self/status"))
}

/// A number from /proc/self/status.
fn status_field(name: &str) -> io::Result<u32> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    field.ok_or_else(|| io::Error::other(format!("there is no field {name}")))
}

/// The terminal of whoever started us. A shell inside makes itself its foreground, and cannot give it back: to the inside
/// our process group has no name.
struct Terminal {
    foreground: bool,
}

impl Terminal {
    fn of_stdin() -> Self {
        let stdin = io::stdin();
        Self { foreground: stdin.is_terminal() && tcgetpgrp(&stdin) == Ok(getpgrp()) }
    }

    /// SIGTTOU, which would stop us here, is among the caught signals.
    fn take_back(&self) {
        if self.foreground {
            // Where it fails the terminal is gone, and with it the need.
            let _ = tcsetpgrp(io::stdin(), getpgrp());
        }
    }
}
