//! A kernel in which the op of one's choice fails, once: before anything of it is done, or after all of it is.

use std::collections::BTreeSet;

use netwright::{
    kernel::{BatchError, Kernel, KernelError, StepFailure},
    model::{
        Netns, TopologyName,
        snapshot::{ReadRequest, Snapshot},
    },
    op::Batch,
};

/// How an op fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of it is done.
    Before,
    /// It is done, and nobody is told so.
    After,
}

/// The kernel `K`, with a fault.
pub struct Faulty<'k, K> {
    pub inner: &'k mut K,
    /// The step that fails, counted from now over all batches, and how.
    pub fault: Option<(usize, Fault)>,
}

impl<'k, K: Kernel> Faulty<'k, K> {
    pub fn new(inner: &'k mut K, at: usize, fault: Fault) -> Self {
        Self { inner, fault: Some((at, fault)) }
    }

    fn part(&mut self, batch: &Batch, steps: usize) -> Result<(), BatchError> {
        let steps = batch.steps[..steps].to_vec();
        self.inner.run(&Batch { netns: batch.netns.clone(), steps })
    }
}

impl<K: Kernel> Kernel for Faulty<'_, K> {
    fn read(&self, request: &ReadRequest) -> Result<Snapshot, KernelError> {
        self.inner.read(request)
    }

    fn run(&mut self, batch: &Batch) -> Result<(), BatchError> {
        let Some((at, fault)) = self.fault else { return self.inner.run(batch) };
        if at >= batch.steps.len() {
            self.fault = Some((at - batch.steps.len(), fault));
            return self.inner.run(batch);
        }
        self.fault = None;
        self.part(batch, if fault == Fault::After { at + 1 } else { at })?;
        let step = &batch.steps[at];
        let failure = StepFailure {
            index: at,
            address: step.address.clone(),
            op: netwright::kernel::words(&step.op, &batch.netns),
            partly: fault == Fault::After,
            error: KernelError::message("cannot do this", "a fault was put here"),
        };
        Err(BatchError { netns: batch.netns.clone(), attempted: at + 1, failures: vec![failure] })
    }

    fn settle(&mut self) -> Result<(), KernelError> {
        self.inner.settle()
    }

    fn release(&mut self, topology: &TopologyName, places: Option<&BTreeSet<Netns>>) -> Result<(), KernelError> {
        self.inner.release(topology, places)
    }

    fn sweep(&mut self) -> Result<(), KernelError> {
        self.inner.sweep()
    }

    fn forget(&mut self, topology: &TopologyName) -> Result<(), KernelError> {
        self.inner.forget(topology)
    }
}
