//! Ctrl-C, and whatever else asks a run to end: the first time it stops in order, the second time at once.

use std::{
    process,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};

use super::{inherited, out};
use crate::report::words::Operation;

const CAUGHT: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// What a shell tells of a command that died of SIGINT.
const KILLED: i32 = 130;

static WATCH: OnceLock<Option<Watch>> = OnceLock::new();

/// From when it is made, signals that would end the process end its run. One that whoever started it has ignored, as
/// `nohup` does, goes on doing nothing.
#[derive(Debug, Clone)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    asking: Arc<Mutex<Option<Operation>>>,
}

impl Watch {
    /// The one of this process; `None` where the system has none to give, and signals do as they always did. It must be
    /// made before any other thread, which would still die of a signal.
    pub fn get() -> Option<&'static Self> {
        WATCH.get_or_init(Self::begin).as_ref()
    }

    fn begin() -> Option<Self> {
        let mut set = SigSet::empty();
        set.extend(CAUGHT.into_iter().filter(|signal| !inherited::is_ignored(*signal)));
        set.thread_block().ok()?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).ok()?;
        let watch = Self { stop: Arc::default(), asking: Arc::default() };
        let inner = watch.clone();
        thread::Builder::new().name("signals".into()).spawn(move || inner.wait(&signals)).ok()?;
        Some(watch)
    }

    fn wait(&self, signals: &SignalFd) {
        while let Ok(Some(_)) = signals.read_signal() {
            if let Some(operation) = *self.asking() {
                // Whoever waits for the answer waits for nothing else.
                drop(out::line(format_args!("\n{}", operation.cancelled())));
                process::exit(1);
            }
            if self.stop.swap(true, Ordering::SeqCst) {
                process::exit(KILLED);
            }
            out::say("Interrupt received: stopping after what is under way; a second one stops at once.");
        }
    }

    /// Whether the run is to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// While `ask` waits for an answer, a signal is a no.
    pub fn while_asking<T>(operation: Operation, ask: impl FnOnce() -> T) -> T {
        let Some(watch) = Self::get() else { return ask() };
        *watch.asking() = Some(operation);
        let answer = ask();
        *watch.asking() = None;
        answer
    }

    fn asking(&self) -> MutexGuard<'_, Option<Operation>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
