//! The first process of the sandbox's process namespace. When it ends, the kernel kills whatever is left in there.

use std::{ffi::OsString, io, os::unix::process::CommandExt, process::Command};

use nix::{
    mount::{MsFlags, mount},
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::{Pid, getpgrp, setpgid, tcsetpgrp},
};

use super::{
    EXE, GAVE_UP, Place, SandboxError,
    error::failed,
    signals::{self, Sender},
    status_field,
};

/// What a process calls itself that is about to become the command.
pub(super) const LAUNCHER: &str = "netwright: sandbox command";

/// Starts the command and waits for it. The arguments: who started us, the command's place, and
/// the command.
pub(super) fn run(mut args: impl Iterator<Item = OsString>) -> Result<u8, SandboxError> {
    let parent = args.next().unwrap_or_default();
    // The sandbox shall not outlive who waits for it, however that one ends.
    set_pdeathsig(Signal::SIGKILL).map_err(failed("watching over its caller"))?;
    let now = status_field("PPid:").map_err(failed("reading /proc/self/status"))?;
    if parent.to_str() != Some(now.to_string().as_str()) {
        // It ended before we could say so.
        return Ok(GAVE_UP);
    }
    let signals = signals::catch().map_err(failed("catching signals"))?;
    // A container that hides parts of /proc is not given another; then the old one stays, with the outer process ids.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let _ = mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>);

    let command = Command::new(EXE).arg0(LAUNCHER).args(args).spawn().map_err(failed("starting the command"))?;
    let command = Pid::from_raw(command.id().cast_signed());
    signals::wait_for(command, &signals, Sender::Outside).map_err(failed("waiting for the command"))
}

/// Becomes the command, in the place that comes before it, with signals as they are outside. A child starts with those blocked that we catch; unblocking
/// them in ours before it is started would lose the ones that come at that moment.
pub(super) fn launch(mut args: impl Iterator<Item = OsString>) -> Result<u8, SandboxError> {
    if args.next().is_some_and(|place| place == Place::Foreground.as_str()) {
        // While SIGTTOU is blocked, or it would stop us. Without a terminal there is no foreground to be in.
        let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0)).and_then(|()| tcsetpgrp(io::stdin(), getpgrp()));
    }
    let program = args.next().unwrap_or_default();
    signals::release().map_err(failed("releasing signals"))?;
    let source = Command::new(&program).args(args).exec();
    Err(SandboxError::Command { program, source })
}
