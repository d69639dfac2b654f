//! The real kernel, with faults.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    ops::Range,
    rc::Rc,
};

use netwright::{
    kernel::{BatchError, Kernel, KernelError, Live, StepFailure, words},
    model::{
        Netns, TopologyName,
        snapshot::{ReadRequest, Snapshot},
    },
    op::{Batch, Op, Step},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::crossing::Crossing;

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
    /// Another program gets in its way.
    Crossed,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::FailBefore, Self::FailAfter, Self::KillBefore, Self::KillAfter, Self::Crossed];

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
    forward: Cell<Option<usize>>,
    /// Those that another program can get in the way of.
    pub crossable: RefCell<Vec<usize>>,
    /// How it has done that.
    pub crossing: RefCell<Option<Crossing>>,
}

impl Count {
    /// How many there were before the end of the run.
    pub fn until_the_end(&self) -> usize {
        self.forward.get().unwrap_or_else(|| self.all.get())
    }

    fn add(&self, batch: &Batch) {
        let is_end = |step: &Step| matches!(step.op, Op::LinkDelete { .. } | Op::NetnsDrop { .. });
        if let (None, Some(at)) = (self.forward.get(), batch.steps.iter().position(is_end)) {
            self.forward.set(Some(self.all.get() + at));
        }
        let crossable = |(_, step): &(usize, &Step)| Crossing::of(&step.op, &batch.netns).is_some();
        let steps = (self.all.get()..).zip(&batch.steps);
        self.crossable.borrow_mut().extend(steps.filter(crossable).map(|(at, _)| at));
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

    fn part(&mut self, batch: &Batch, steps: Range<usize>) -> Result<(), BatchError> {
        let first = steps.start;
        let part = Batch { netns: batch.netns.clone(), steps: batch.steps[steps].to_vec() };
        if part.steps.is_empty() {
            return Ok(());
        }
        self.live.run(&part).map_err(|mut error| {
            error.attempted += first;
            error.failures.iter_mut().for_each(|failure| failure.index += first);
            error
        })
    }

    /// What comes of an operation at which another program gets in the way, and of those behind it.
    fn crossed(&mut self, batch: &Batch, index: usize) -> Result<(), BatchError> {
        let step = &batch.steps[index];
        if let Some(crossing) = Crossing::of(&step.op, &batch.netns) {
            crossing.happens();
            *self.count.crossing.borrow_mut() = Some(crossing);
        }
        self.count.all.set(self.count.all.get() + batch.steps.len() - index - 1);
        self.part(batch, index..batch.steps.len())
    }
}

impl Kernel for Faulty {
    fn expect(&mut self, batches: &[Batch]) {
        self.live.expect(batches);
    }

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
        if fault == Fault::Crossed {
            return self.crossed(batch, index);
        }
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

    fn release(&mut self, topology: &TopologyName, places: Option<&BTreeSet<Netns>>) -> Result<(), KernelError> {
        self.live.release(topology, places)
    }

    fn sweep(&mut self) -> Result<(), KernelError> {
        self.live.sweep()
    }

    fn forget(&mut self, topology: &TopologyName) -> Result<(), KernelError> {
        self.live.forget(topology)
    }
}
