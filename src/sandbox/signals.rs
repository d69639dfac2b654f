//! Waiting for a child and passing signals on to it.

use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// What is passed on. The terminal's stop signals are left alone, so that job control works as for any command.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// Whose signals are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// Every process's.
    Anyone,
    /// Those of processes outside of our process namespace, which have no number in it.
    Outside,
}

fn caught() -> SigSet {
    let mut set = SigSet::empty();
    set.extend(PASSED_ON);
    set.add(Signal::SIGCHLD);
    // So that taking the terminal back from a command that ended does not stop us.
    set.add(Signal::SIGTTOU);
    set
}

/// From now on signals do nothing by themselves but are read here. Children inherit that.
pub(super) fn catch() -> Result<SignalFd, Errno> {
    caught().thread_block()?;
    SignalFd::with_flags(&caught(), SfdFlags::SFD_CLOEXEC)
}

/// Lets signals work again; one that came meanwhile does so now.
pub(super) fn release() -> Result<(), Errno> {
    caught().thread_unblock()
}

/// Waits until `child` ends, reaping all others that end; its exit status.
pub(super) fn wait_for(child: Pid, signals: &SignalFd, senders: Sender) -> Result<u8, Errno> {
    loop {
        if let Some(status) = reap(child)? {
            return Ok(status);
        }
        let signal = match signals.read_signal() {
            Ok(Some(signal)) => signal,
            Ok(None) | Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno),
        };
        let from_process = signal.ssi_code <= 0;
        let wanted = match senders {
            Sender::Anyone => from_process,
            Sender::Outside => from_process && signal.ssi_pid == 0,
        };
        // What the terminal sends (Ctrl-C) went to the child as well: to it, a second one may mean something else.
        if let Some(passed_on) = number(signal.ssi_signo).filter(|number| wanted && PASSED_ON.contains(number)) {
            // It may have ended just now, which the next round sees.
            let _ = kill(child, passed_on);
        }
    }
}

fn number(signo: u32) -> Option<Signal> {
    Signal::try_from(signo.cast_signed()).ok()
}

/// Reaps whoever has ended. The status of `child`, where it is among them, ends the wait.
fn reap(child: Pid) -> Result<Option<u8>, Errno> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => return Ok(Some((status & 0xff) as u8)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => return Ok(Some(128 + signal as i32 as u8)),
            Ok(WaitStatus::StillAlive) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            // Killed by a real-time signal, whose number the library does not tell.
            Err(Errno::EINVAL) if kill(child, None) == Err(Errno::ESRCH) => return Ok(Some(128)),
            Err(Errno::EINVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
}
