//! What comes from whoever started this process, and must neither fool it nor stand in its way. (Of closed standard
//! streams and of SIGPIPE the standard library takes care before `main`.)

use std::{env, ffi::OsString, fs};

use nix::{
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    unistd::{getegid, geteuid, getgid, getuid},
};

use super::Failure;

/// To be called first thing in `main`, while there is one thread.
pub fn mend() -> Result<(), Failure> {
    if getuid() != geteuid() || getgid() != getegid() {
        return Err(Failure::new(
            "netwright does not run under two users, as by the set-user-ID bit: it reads and writes whatever files its \
             command line names, with the rights of the one for the other; take the bit off (chmod u-s,g-s), and \
             run it with sudo",
        ));
    }
    heed_children();
    Ok(())
}

/// Whether the kernel gave this process rights that its caller does not have (file capabilities): then the environment
/// is not to be believed.
pub fn is_secure() -> bool {
    // Where the kernel does not even let this process read it, that is why.
    fs::read("/proc/self/auxv").map_or(true, |auxv| at_secure(&auxv))
}

fn at_secure(auxv: &[u8]) -> bool {
    const AT_SECURE: usize = 23;
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| bytes.try_into().map(usize::from_ne_bytes).ok();
    let pair = |pair: &[u8]| Some((word(pair.get(..WORD)?)?, word(pair.get(WORD..)?)?));
    auxv.chunks_exact(2 * WORD).filter_map(pair).any(|(key, value)| key == AT_SECURE && value != 0)
}

/// A variable of the environment that changes what netwright does; `None` where the environment is not to be believed.
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|_| !is_secure())
}

/// All variables whose names begin so, without that beginning.
pub fn variables(beginning: &str) -> Vec<(String, OsString)> {
    let ours = |(name, value): (OsString, OsString)| Some((name.to_str()?.strip_prefix(beginning)?.to_owned(), value));
    let found: Vec<_> = env::vars_os().filter_map(ours).collect();
    if found.is_empty() || is_secure() { Vec::new() } else { found }
}

/// Whether whoever started this process wants it not to end by a signal, as `nohup` does, or a shell for what it runs in
/// the background.
pub fn is_ignored(signal: Signal) -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| is_ignored_by(&status, signal))
}

fn is_ignored_by(status: &str, signal: Signal) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default();
    set & (1 << (signal as i32 - 1)) != 0
}

/// Where SIGCHLD is ignored, the kernel tells nobody how a child ended, and to wait for one is an error.
fn heed_children() {
    if !is_ignored(Signal::SIGCHLD) {
        return;
    }
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: what is unsafe about it is a handler, whose code may run at any moment: this has none.
    // Where it fails, the error that follows says what is wrong.
    let _ = unsafe { sigaction(Signal::SIGCHLD, &default) };
}

/// A limit on the size of files (`ulimit -f`) makes writing fail, with an error that names the file, instead of killing
/// the process in the middle of its work. Children inherit that.
pub fn survive_file_limit() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGXFSZ);
    // It fails for no process that could be in this place.
    let _ = set.thread_block();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_whether_the_environment_is_to_be_believed() {
        let auxv = |pairs: &[(usize, usize)]| -> Vec<u8> {
            pairs.iter().flat_map(|(key, value)| [key.to_ne_bytes(), value.to_ne_bytes()].concat()).collect()
        };
        assert!(!at_secure(&auxv(&[(6, 4096), (23, 0), (0, 0)])));
        assert!(at_secure(&auxv(&[(6, 4096), (23, 1), (0, 0)])));
        assert!(!at_secure(&auxv(&[(1, 23), (0, 0)])) && !at_secure(b"short"));
        assert!(!is_secure());
    }

    #[test]
    fn an_ignored_signal_is_a_bit() {
        let status = "SigBlk:\tffffffffffffffff\nSigIgn:\t0000000000010001\n";
        assert!(is_ignored_by(status, Signal::SIGHUP) && is_ignored_by(status, Signal::SIGCHLD));
        assert!(!is_ignored_by(status, Signal::SIGINT) && !is_ignored_by("", Signal::SIGHUP));
    }
}
