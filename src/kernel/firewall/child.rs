//! Running a tool that may never end: what it prints is read while it runs, and one that takes too long is ended.

use std::{
    fs,
    io::{self, Read, Write},
    os::fd::AsFd,
    process::{self, Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A hundred times what the tools need for a thousand rules on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// At most this much of a wait counts at once, so that a run that was stopped and continued has not waited meanwhile.
const SLICE: Duration = Duration::from_millis(100);
/// How long one that was ended may take to go: it may be inside the kernel.
const FAREWELL: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_micros(100);

/// How much is read between two looks at the other pipes.
const PIECE: u64 = 64 * 1024;
/// More than any packet filter has.
const MOST: usize = 256 << 20;

/// What became of a tool.
pub(super) struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
}

/// Starts a command, feeds it `input`, and reads what it prints until it ends, for [`PATIENCE`] at most.
pub(super) fn run(command: &mut Command, input: &[u8]) -> io::Result<Ended> {
    run_within(command, input, PATIENCE)
}

fn run_within(command: &mut Command, input: &[u8], patience: Duration) -> io::Result<Ended> {
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = talk(&mut child, input, patience);
    if ended.is_err() {
        end(&mut child);
    }
    ended
}

fn talk(child: &mut Child, input: &[u8], patience: Duration) -> io::Result<Ended> {
    let (mut stdin, mut stdout, mut stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    for pipe in [stdin.as_ref().map(AsFd::as_fd), stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)] {
        pipe.map_or(Ok(0), |pipe| fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)))?;
    }
    let (mut rest, mut printed, mut said) = (input, Vec::new(), Vec::new());
    let mut wait = Wait::new(patience);
    while stdout.is_some() || stderr.is_some() {
        wait.on([
            stdin.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)),
            stdout.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
            stderr.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
        ])?;
        feed(&mut stdin, &mut rest)?;
        take(&mut stdout, &mut printed)?;
        take(&mut stderr, &mut said)?;
    }
    drop(stdin);
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(status) = retried(|| child.try_wait())? {
            return Ok(Ended { status, stdout: printed, stderr: said });
        }
        wait.pause(pause)?;
        pause = (pause * 2).min(SLICE);
    }
}

/// Once more where a signal came in between.
fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Writes as much as fits, and lets the pipe go when all is written, or when the tool has given up reading: its own words
/// follow.
fn feed(pipe: &mut Option<impl Write>, rest: &mut &[u8]) -> io::Result<()> {
    while let Some(open) = pipe {
        match open.write(rest) {
            Ok(length) => *rest = rest.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => *rest = &[],
            Err(error) => return Err(error),
        }
        if rest.is_empty() {
            *pipe = None;
        }
    }
    Ok(())
}

/// Reads some of what is there, and lets the pipe go at its end.
fn take(pipe: &mut Option<impl Read>, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(open) = pipe else { return Ok(()) };
    match open.by_ref().take(PIECE).read_to_end(into) {
        Ok(0) => *pipe = None,
        Ok(_) if into.len() > MOST => return Err(io::Error::other("it printed without end, and was ended")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Ends a process by its id, and waits for a moment until it has gone.
fn end(child: &mut Child) {
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let begun = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < FAREWELL {
        thread::sleep(FIRST_PAUSE);
    }
}

/// Runs `work`, which starts a program in a way that leaves no handle to end it by. Where it takes too long, the children of
/// this process are ended: nothing else may have any at that time.
pub(super) fn unowned<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("tool".into()).spawn(move || drop(sender.send(work())))?;
    let mut wait = Wait::new(PATIENCE);
    loop {
        let begun = Instant::now();
        match receiver.recv_timeout(SLICE) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("its thread panicked")),
            Err(RecvTimeoutError::Timeout) => wait.spend(begun).inspect_err(|_| end_children())?,
        }
    }
}

fn end_children() {
    for id in children() {
        // It may have ended by itself meanwhile.
        let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
    }
}

/// The processes that this one has started and that are still there.
fn children() -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| parent(*id) == Some(process::id())).collect()
}

/// `pid (name) state ppid …`; the name may hold anything.
fn parent(id: i32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// What is left of one's patience.
struct Wait {
    patience: Duration,
    left: Duration,
}

impl Wait {
    fn new(patience: Duration) -> Self {
        Self { patience, left: patience }
    }

    /// Until something can be done with one of these.
    fn on(&mut self, pipes: [Option<PollFd<'_>>; 3]) -> io::Result<()> {
        let mut pipes: Vec<PollFd<'_>> = pipes.into_iter().flatten().collect();
        let slice = PollTimeout::try_from(SLICE).map_err(io::Error::other)?;
        loop {
            let begun = Instant::now();
            match poll(&mut pipes, slice) {
                Ok(0) | Err(Errno::EINTR) => self.spend(begun)?,
                Ok(_) => return self.spend(begun),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn pause(&mut self, pause: Duration) -> io::Result<()> {
        let begun = Instant::now();
        thread::sleep(pause);
        self.spend(begun)
    }

    fn spend(&mut self, begun: Instant) -> io::Result<()> {
        match self.left.checked_sub(begun.elapsed().min(SLICE)) {
            Some(left) => self.left = left,
            None => {
                let why = format!("it did not end within {} s, and was ended", self.patience.as_secs_f32());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_goes_in_comes_out_however_much_it_is() {
        let input: Vec<u8> = (0..1_000_000u32).flat_map(|number| (number as u16).to_ne_bytes()).collect();
        let ended = run(&mut shell("cat; echo said >&2; exit 3"), &input).unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!((ended.stdout == input, &*ended.stderr), (true, &b"said\n"[..]));
    }

    #[test]
    fn one_that_reads_nothing_has_its_say() {
        let ended = run(&mut shell("exec <&-; echo no >&2; exit 1"), &vec![0; 1 << 20]).unwrap();
        assert_eq!((ended.status.code(), &*ended.stderr), (Some(1), &b"no\n"[..]));
    }

    #[test]
    fn one_that_never_ends_is_ended() {
        let patience = Duration::from_millis(300);
        for (script, said) in [
            ("exec sleep 1000", "it did not end within 0.3 s, and was ended"),
            ("exec sleep 1000 >&- 2>&-", "it did not end within 0.3 s, and was ended"),
            ("exec cat /dev/zero", "it printed without end, and was ended"),
        ] {
            let patience = if script.contains("cat") { PATIENCE } else { patience };
            let error = run_within(&mut shell(script), b"x", patience).err().unwrap();
            assert_eq!(error.to_string(), said, "{script}");
        }
    }
}
