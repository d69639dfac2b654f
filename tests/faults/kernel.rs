//! The real kernel, with faults.

use std::{cell::Cell, rc::Rc};

use netwright::{
    kernel::{BatchError, Kernel, KernelError, Live, StepFailure, words},
    model::{
        TopologyName,
        snapshot::{ReadRequest, Snapshot},
    },
    op::{Batch, Op, Step},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// What happens at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing of it is done.
    FailBefore,
    /// It is done, and said to have failed.
    FailAfter,
    /// The process is killed before it.
    KillBefore,
    /// The process is killed after it.
    KillAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FailBefore, Self::FailAfter, Self::KillBefore, Self::KillAfter];

    /// Whether the process ends by it.
    pub fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    fn comes_after(self) -> bool {
        matches!(self, Self::FailAfter | Self::KillAfter)
    }
}

/// Where faults happen: the operation, counted over the whole run with its way back, and what happens there.
pub type Plan = Vec<(usize, Fault)>;

/// How many operations there were.
#[derive(Debug, Default)]
pub struct Count {
    /// All of them.
    pub all: Cell<usize>,
    /// Those before the first one that only the end of a run has, or its way back.
    pub forward: Cell<Option<usize>>,
}

impl Count {
    fn add(&self, batch: &Batch) {
        let is_end = |step: &Step| matches!(step.op, Op::LinkDelete { .. } | Op::NetnsDrop { .. });
        if let (None, Some(at)) = (self.forward.get(), batch.steps.iter().position(is_end)) {
            self.forward.set(Some(self.all.get() + at));
        }
    }
}

/// A kernel with faults.
pub struct Faulty {
    live: Live,
    faults: Plan,
    count: Rc<Count>,
}

impl Faulty {
    /// With these faults; the count goes on while the run does.
    pub fn new(faults: Plan) -> (Self, Rc<Count>) {
        let count = Rc::<Count>::default();
        let live = Live::new().expect("a kernel");
        (Self { live, faults, count: Rc::clone(&count) }, count)
    }

    fn part(&mut self, batch: &Batch, steps: std::ops::Range<usize>) -> Result<(), BatchError> {
        let part = Batch { netns: batch.netns.clone(), steps: batch.steps[steps].to_vec() };
        if part.steps.is_empty() { Ok(()) } else { self.live.run(&part) }
    }
}

impl Kernel for Faulty {
    fn read(&self, request: &ReadRequest) -> Result<Snapshot, KernelError> {
        self.live.read(request)
    }

    fn run(&mut self, batch: &Batch) -> Result<(), BatchError> {
        self.count.add(batch);
        let first = self.count.all.get();
        let here = self.faults.iter().position(|(at, _)| (first..first + batch.steps.len()).contains(at));
        let Some(here) = here else {
            self.count.all.set(first + batch.steps.len());
            return self.live.run(batch);
        };
        let (at, fault) = self.faults.remove(here);
        let index = at - first;
        self.count.all.set(at + 1);
        self.part(batch, 0..if fault.comes_after() { index + 1 } else { index })?;
        if fault.kills() {
            kill(Pid::this(), Signal::SIGKILL).expect("one may kill oneself");
        }
        let step = &batch.steps[index];
        let failure = StepFailure {
            index,
            address: step.address.clone(),
            op: words(&step.op, &batch.netns),
            partly: fault.comes_after(),
            error: KernelError::message(format!("cannot {}", words(&step.op, &batch.netns)), "a fault was put here"),
        };
        Err(BatchError { netns: batch.netns.clone(), attempted: index + 1, failures: vec![failure] })
    }

    fn settle(&mut self) -> Result<(), KernelError> {
        self.live.settle()
    }

    fn release(&mut self, topology: &TopologyName) -> Result<(), KernelError> {
        self.live.release(topology)
    }

    fn sweep(&mut self) -> Result<(), KernelError> {
        self.live.sweep()
    }

    fn forget(&mut self, topology: &TopologyName) -> Result<(), KernelError> {
        self.live.forget(topology)
    }
}
