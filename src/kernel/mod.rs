//! Everything that talks to the Linux kernel. The rest of the program sees [`Kernel`]: it reads a [`Snapshot`] and
//! runs [`Batch`]es. [`Live`] is the machine, [`fake::Fake`] a value that behaves like one.

use std::os::fd::OwnedFd;

use crate::{
    model::{
        TopologyName,
        snapshot::{ReadRequest, Snapshot},
    },
    op::Batch,
};

pub mod error;
pub mod fake;
pub mod firewall;
pub mod netns;
pub mod stp;

mod address;
mod borrow;
mod delete;
mod dying;
mod gone;
mod group;
mod link;
mod machine;
mod netlink;
mod nsid;
mod peers;
mod privilege;
mod read;
mod reply;
mod route;
mod run;
mod sockets;
mod sysctl;
mod words;

pub use error::{BatchError, KernelError, Outcome, StepFailure};

/// A kernel, or what stands for one.
pub trait Kernel {
    /// Reads the host and every named namespace.
    fn read(&self, request: &ReadRequest) -> Result<Snapshot, KernelError>;

    /// Runs one batch in order. It stops after a failure, but messages that went to the kernel together with the one
    /// that failed have run as well: the error tells the outcome of every step.
    fn run(&mut self, batch: &Batch) -> Result<(), BatchError>;

    /// Waits until what was deleted is really gone, so that its names and indexes can be used again. For five seconds
    /// at most.
    fn settle(&mut self) -> Result<(), KernelError>;
}

/// The kernel of this machine.
#[derive(Debug)]
pub struct Live {
    host: OwnedFd,
    directory_ready: bool,
    dying: dying::Dying,
}

impl Live {
    /// The kernel as the calling thread's namespace sees it, which is the `host` from now on.
    pub fn new() -> Result<Self, KernelError> {
        let host = netns::own().map_err(|error| KernelError::io("cannot open this process's namespace", error))?;
        Ok(Self { host, directory_ready: false, dying: dying::Dying::default() })
    }

    /// Whether this process may change namespaces and links; an error says what is missing and what to do.
    pub fn check() -> Result<(), KernelError> {
        privilege::check()
    }

    /// Ends every need of the host's settings that a topology still has on record, and removes what killed runs of it
    /// have left behind, once all else of it has gone.
    pub fn forget(&self, topology: &TopologyName) -> Result<(), KernelError> {
        netns::sweep(topology)?;
        if borrow::all()?.values().any(|record| record.users.contains(topology)) {
            borrow::Records::lock()?.forget(topology)?;
        }
        Ok(())
    }

    fn prepare_directory(&mut self) -> Result<(), KernelError> {
        if !self.directory_ready {
            netns::prepare_directory()?;
            self.directory_ready = true;
        }
        Ok(())
    }
}

impl Kernel for Live {
    fn read(&self, request: &ReadRequest) -> Result<Snapshot, KernelError> {
        read::snapshot(&self.host, request)
    }

    fn run(&mut self, batch: &Batch) -> Result<(), BatchError> {
        run::Run::new(self, batch).run()
    }

    fn settle(&mut self) -> Result<(), KernelError> {
        self.dying.settle(&self.host)
    }
}
