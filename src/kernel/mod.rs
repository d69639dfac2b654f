//! Everything that talks to the Linux kernel. The rest of the program sees [`Kernel`]: it reads a [`Snapshot`] and
//! runs [`Batch`]es. [`Live`] is the machine, [`fake::Fake`] a value that behaves like one.

use std::{
    collections::BTreeSet,
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
};

use crate::{
    model::{
        Netns, TopologyName,
        mark::{MARK_GROUP, PARK_GROUP},
        snapshot::{LinkState, ReadRequest, Snapshot},
    },
    op::{Batch, FarEnd, LinkRef, table_of_key},
};

pub mod error;
pub mod fake;
pub mod firewall;
pub mod folder;
pub mod netns;
pub mod stp;

mod address;
mod ahead;
mod attributes;
mod borrow;
mod buffer;
mod cookie;
mod delete;
mod descriptors;
mod devices;
mod dying;
mod early;
mod fresh;
mod gone;
mod group;
mod link;
mod machine;
mod netconf;
mod netlink;
mod nsid;
mod nursery;
mod park;
mod patience;
mod peers;
mod porter;
mod privilege;
mod procfs;
mod read;
mod replay;
mod reply;
mod route;
mod run;
mod sockets;
mod sysctl;
mod together;
mod unmet;
mod words;

pub use error::{BatchError, KernelError, Outcome, StepFailure};
pub use privilege::check_pings;
pub use sysctl::is_key as is_sysctl_key;
pub use words::words;

/// A kernel, or what stands for one.
pub trait Kernel {
    /// Reads the host and every named namespace.
    fn read(&self, request: &ReadRequest) -> Result<Snapshot, KernelError>;

    /// Is told that what may have been read ahead may not be so any more.
    fn read_anew(&mut self) {}

    /// The same once more, to be read while a run is under way; `None` where that cannot be.
    fn another(&self) -> Option<Box<dyn Kernel + Send>> {
        None
    }

    /// Is told what runs next, so that what takes long and shows nowhere can be begun. What was told before is off.
    fn expect(&mut self, _: &[Batch]) {}

    /// Runs one batch in order. It stops after a failure, but messages that went to the kernel together with the one
    /// that failed have run as well: the error tells the outcome of every step.
    fn run(&mut self, batch: &Batch) -> Result<(), BatchError>;

    /// Runs batches that are each [apart](Batch::is_apart) from the others. One answer each; where there are fewer, the
    /// rest was not tried.
    fn run_together(&mut self, batches: &[Batch]) -> Vec<Result<(), BatchError>> {
        let mut done = Vec::with_capacity(batches.len());
        for batch in batches {
            done.push(self.run(batch));
            if done.last().is_some_and(Result::is_err) {
                break;
            }
        }
        done
    }

    /// Waits until what was deleted is really gone, so that its names and indexes can be used again. For five seconds
    /// at most.
    fn settle(&mut self) -> Result<(), KernelError>;

    /// Lets go of everything that runs of a topology have set aside, and that is still there. Where it is known in which
    /// namespaces devices may be, others are not looked at.
    fn release(&mut self, topology: &TopologyName, places: Option<&BTreeSet<Netns>>) -> Result<(), KernelError>;

    /// Removes the devices that a run has made and not yet marked when it was killed. No other run may be under way.
    fn sweep(&mut self) -> Result<(), KernelError>;

    /// Ends every need of the host's settings that a topology still has on record, and removes what killed runs of it
    /// have left behind, once all else of it has gone.
    fn forget(&mut self, topology: &TopologyName) -> Result<(), KernelError>;
}

/// The kernel of this machine.
#[derive(Debug)]
pub struct Live {
    host: OwnedFd,
    directory_ready: bool,
    dying: dying::Dying,
    nursery: Option<nursery::Nursery>,
    /// Who opens sockets in namespaces, from the first one on.
    porter: Option<porter::Porter>,
    fresh: fresh::Fresh,
    unmet: unmet::Unmet,
    /// What has been begun to be read before anything was changed.
    ahead: Mutex<Option<ahead::Ahead>>,
    /// What the sysctls of new namespaces are written by, from the first one on.
    procfs: Option<procfs::Procfs>,
}

impl Live {
    /// The kernel as the calling thread's namespace sees it, which is the `host` from now on.
    pub fn new() -> Result<Self, KernelError> {
        descriptors::raise();
        let host = netns::own().map_err(|error| KernelError::io("cannot open this process's namespace", error))?;
        Ok(Self::of(host, fresh::Fresh::default(), unmet::Unmet::default()))
    }

    fn of(host: OwnedFd, fresh: fresh::Fresh, unmet: unmet::Unmet) -> Self {
        let (dying, ahead) = (dying::Dying::default(), Mutex::default());
        Self { host, directory_ready: false, dying, nursery: None, porter: None, fresh, unmet, ahead, procfs: None }
    }

    /// Whether this process may change namespaces and links; an error says what is missing and what to do.
    pub fn check() -> Result<(), KernelError> {
        privilege::check()
    }

    /// Begins to read what the next reading will need whatever it is for: that one tells of now, unless something is
    /// changed before.
    pub fn read_ahead(&mut self) {
        self.ahead = Mutex::new(self.host.try_clone().ok().and_then(ahead::Ahead::begin));
    }

    /// Deletes the devices that `goes` says so of, wherever they are, or in these namespaces.
    fn delete_links(
        &mut self,
        places: Option<&BTreeSet<Netns>>,
        goes: impl Fn(&LinkState) -> bool,
    ) -> Result<(), KernelError> {
        if places.is_some_and(BTreeSet::is_empty) {
            return Ok(());
        }
        for (netns, state) in read::links(&self.host, places)? {
            let going = state.links.iter().filter(|link| goes(link));
            let links: Vec<LinkRef> =
                going.map(|link| LinkRef { index: link.index, name: link.name.clone() }).collect();
            if let (false, Some(place)) = (links.is_empty(), read::open_place(&self.host, &netns)?) {
                let what = || format!("cannot delete {}", links[0].name);
                let mut socket = netns::socket_in(&place)?;
                // With one end of a pair the other one has gone.
                delete::links(&mut socket, &links.iter().collect::<Vec<_>>())
                    .map_err(|error| error.into_error(what()).in_netns(&netns))?;
            }
        }
        Ok(())
    }

    fn drop_netns(
        &mut self,
        topology: &TopologyName,
        inode: u64,
        name: &str,
        ends: Option<&[FarEnd]>,
    ) -> Result<(), KernelError> {
        if let Some(fd) = park::drop(topology, inode)? {
            let ends = match ends {
                Some(ends) => ends.to_vec(),
                None => dying::ends(&mut netns::socket_in(&fd)?, &self.host)?,
            };
            self.dying.add(fd, name, ends);
        }
        Ok(())
    }

    /// A route socket that belongs to a namespace.
    fn socket_in(&mut self, netns: &OwnedFd) -> Result<netlink::RouteSocket, KernelError> {
        self.porter = self.porter.take().or_else(|| porter::Porter::begin(&self.host));
        if let Some(porter) = &self.porter
            && let Some(socket) = porter.socket_in(netns.try_clone().map_err(netns::not_held)?)
        {
            return socket;
        }
        self.porter = None;
        netns::socket_in(netns)
    }

    /// A `/proc` for a namespace that has just been made.
    fn procfs_of_new(&mut self) -> Result<procfs::Procfs, KernelError> {
        let next = |mut procfs: procfs::Procfs| procfs.next().map(|()| procfs);
        let procfs = self.procfs.take().map_or_else(procfs::Procfs::new, next);
        procfs.map_err(|error| KernelError::io("cannot open /proc", error))
    }

    /// Devices may go anywhere.
    fn forget_readings(&mut self) {
        self.read_anew();
        self.fresh.forget_links();
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
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        read::snapshot(&self.host, (&self.fresh, &self.unmet), ahead, request)
    }

    fn read_anew(&mut self) {
        let ahead = self.ahead.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // One that went on would hold on to namespaces that go.
        drop(ahead.and_then(ahead::Ahead::end));
    }

    fn another(&self) -> Option<Box<dyn Kernel + Send>> {
        Some(Box::new(Self::of(self.host.try_clone().ok()?, self.fresh.clone(), self.unmet.clone())))
    }

    fn expect(&mut self, batches: &[Batch]) {
        // Whatever a run that failed has left.
        self.fresh.clear();
        self.nursery = nursery::Nursery::open(&self.host, batches);
    }

    fn run(&mut self, batch: &Batch) -> Result<(), BatchError> {
        self.read_anew();
        if early::reaches_others(batch) {
            self.fresh.forget_links();
        }
        run::Run::new(self, batch).run()
    }

    fn run_together(&mut self, batches: &[Batch]) -> Vec<Result<(), BatchError>> {
        self.forget_readings();
        for batch in batches {
            drop(self.fresh.take(batch.netns.as_str()));
        }
        // Each holds a descriptor until all are done.
        let many = descriptors::AT_ONCE.min(descriptors::limit() / 2).max(1);
        let done: Vec<_> = batches.chunks(many).flat_map(|batches| together::run(&self.host, batches)).collect();
        let mut note = |done: Option<together::Let>| {
            if let Some(together::Let { fd, name, ends }) = done {
                self.dying.add(fd, &name, ends);
            }
        };
        done.into_iter().map(|done| done.map(&mut note)).collect()
    }

    fn settle(&mut self) -> Result<(), KernelError> {
        self.forget_readings();
        self.dying.settle(&self.host)
    }

    fn release(&mut self, topology: &TopologyName, places: Option<&BTreeSet<Netns>>) -> Result<(), KernelError> {
        self.forget_readings();
        self.delete_links(places, |link| link.group == PARK_GROUP && link.is_of(topology))?;
        for inode in park::kept(topology)? {
            self.drop_netns(topology, inode, topology.as_str(), None)?;
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), KernelError> {
        self.forget_readings();
        self.delete_links(None, |link| link.group == MARK_GROUP && link.alias.is_none())
    }

    fn forget(&mut self, topology: &TopologyName) -> Result<(), KernelError> {
        self.read_anew();
        netns::sweep(topology)?;
        if borrow::all()?.values().any(|record| record.users.contains(topology)) {
            // A run that was killed between the two has removed its rules, and not the table that was made for them.
            let tidy = |key: &str| match table_of_key(key) {
                Some(table) => netns::in_netns(&self.host, || firewall::delete_if_empty(&[table])),
                None => Ok(()),
            };
            borrow::Records::lock()?.forget(topology, tidy)?;
        }
        Ok(())
    }
}
