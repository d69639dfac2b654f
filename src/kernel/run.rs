//! One batch on the live kernel.

use std::{
    collections::HashMap,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::errno::Errno;

use super::{
    BatchError, KernelError, Live, StepFailure, address,
    borrow::Records,
    delete, dying,
    early::Early,
    firewall,
    fresh::Filled,
    gone::is_gone,
    group::{self, Piece},
    link,
    netlink::{Request, RouteSocket, TransportError},
    netns::{self, Opened},
    nursery::Unnamed,
    park, replay,
    reply::Refusal,
    route, sysctl, words,
};
use crate::{
    model::{Mark, Netns, TopologyName, snapshot::Borrowed},
    op::{Batch, LinkChange, LinkRef, Op, Step, port_key, table_key},
};

mod rules;
mod sysctls;

/// A batch on its way.
pub struct Run<'a> {
    live: &'a mut Live,
    batch: &'a Batch,
    /// The batch's namespace, once it is needed; the host's is the live kernel's own.
    place: Option<OwnedFd>,
    socket: Option<RouteSocket>,
    /// Whether the batch has made the namespace.
    is_new: bool,
    /// Whether this run has.
    is_fresh: bool,
    /// The links there, where they have been read.
    early: Option<Early>,
    failures: Vec<StepFailure>,
    attempted: usize,
}

impl<'a> Run<'a> {
    /// Gets ready; nothing is touched yet.
    pub fn new(live: &'a mut Live, batch: &'a Batch) -> Self {
        let fresh = live.fresh.take(batch.netns.as_str());
        let is_fresh = fresh.as_ref().is_some_and(|filled| filled.is_new);
        let (place, socket, early) = match fresh {
            Some(Filled { fd, socket, links, .. }) => (Some(fd), Some(socket), links),
            None => (None, None, None),
        };
        Self { live, batch, place, socket, is_new: false, is_fresh, early, failures: Vec::new(), attempted: 0 }
    }

    /// Runs piece after piece until one fails.
    pub fn run(mut self) -> Result<(), BatchError> {
        while self.attempted < self.batch.steps.len() && self.failures.is_empty() {
            let start = self.attempted;
            self.read_early(start);
            let (piece, length) = group::first(self.batch, start);
            match piece {
                Piece::Messages => self.messages(start, start + length),
                Piece::Deletes => self.deletes(start, start + length),
                Piece::Sysctls => self.sysctls(start, start + length),
                Piece::Loads => self.loads(start, start + length),
                Piece::TablesGivenBack => self.tables_given_back(start, start + length),
                Piece::Single => {
                    self.attempted += 1;
                    if let Err(error) = self.single(&self.batch.steps[start]) {
                        self.fail(start, error, false);
                    }
                }
            }
            let done = &self.batch.steps[start..self.attempted];
            self.early = self.early.take().and_then(|early| early.after(done));
        }
        if self.failures.is_empty() {
            self.leave();
            return Ok(());
        }
        self.failures.sort_by_key(|failure| failure.index);
        Err(BatchError { netns: self.batch.netns.clone(), attempted: self.attempted, failures: self.failures })
    }

    /// Reads the links before it takes longer, where somebody will look at them.
    fn read_early(&mut self, start: usize) {
        if self.early.is_none() && Early::is_due(self.batch, start) && self.live.fresh.is_shared() {
            self.early = self.socket.as_mut().and_then(Early::read);
        }
    }

    /// Leaves a namespace that the run has made, or whose links have been read, for what comes after this batch.
    fn leave(self) {
        let is_new = self.is_new || self.is_fresh;
        if !self.live.fresh.is_shared() || !(is_new || self.early.is_some()) {
            return;
        }
        let Self { live, batch, place, socket, early, .. } = self;
        let fd = if batch.netns == Netns::Host { live.host.try_clone().ok() } else { place };
        if let (Some(fd), Some(mut socket)) = (fd, socket) {
            let is_filled = batch.steps.iter().any(|step| matches!(step.op, Op::VethCreate { .. }));
            let links = early.or_else(|| if is_new && is_filled { Early::read(&mut socket) } else { None });
            live.fresh.leave(batch.netns.as_str(), Filled { is_new, fd, socket, links });
        }
    }

    fn fail(&mut self, index: usize, error: KernelError, partly: bool) {
        let Step { address, op } = &self.batch.steps[index];
        self.failures.push(StepFailure {
            index,
            address: address.clone(),
            op: words::words(op, &self.batch.netns),
            partly,
            error: error.in_netns(&self.batch.netns),
        });
    }

    /// The same of the last step that is tried.
    fn stop(&mut self, index: usize, error: KernelError, partly: bool) {
        self.attempted = index + 1;
        self.fail(index, error, partly);
    }

    /// The error of a step that the kernel refused.
    fn refused(&self, index: usize, refusal: Refusal) -> KernelError {
        let op = &self.batch.steps[index].op;
        let hint = words::hint(op, Errno::from_raw(refusal.errno));
        refusal.into_error(format!("cannot {}", words::words(op, &self.batch.netns))).hint(hint)
    }

    /// After a broken conversation nobody knows what became of its steps.
    fn broken(&mut self, start: usize, end: usize, error: TransportError) {
        self.socket = None;
        let error =
            error.into_error(format!("cannot {}", words::words(&self.batch.steps[start].op, &self.batch.netns)));
        for index in start..end {
            self.fail(index, error.clone(), true);
        }
    }

    fn messages(&mut self, start: usize, end: usize) {
        if let Err(error) = self.settle_before(start, end).and_then(|()| self.connect()) {
            return self.stop(start, error, false);
        }
        let mut peers = HashMap::new();
        let (mut requests, mut owners) = (Vec::new(), Vec::new());
        let mut unsendable = None;
        let mut sent = end;
        for index in start..end {
            match self.encode(&self.batch.steps[index].op, &mut peers) {
                Ok(more) => {
                    owners.extend(more.iter().map(|_| index));
                    requests.extend(more);
                }
                Err(error) => {
                    unsendable = Some((index, error));
                    sent = index;
                    break;
                }
            }
        }
        self.attempted = end.min(sent + 1);
        let Some(socket) = self.socket.as_mut() else { return };
        match socket.send(&requests) {
            Err(error) => self.broken(start, sent, error),
            Ok(refused) => self.note(&owners, refused),
        }
        if let Some((index, error)) = unsendable {
            self.fail(index, error, false);
        }
    }

    /// Turns refused messages into failed steps: the first refusal of each. What was to go and has gone is no failure.
    fn note(&mut self, owners: &[usize], refused: Vec<(usize, Refusal)>) {
        let places: Vec<usize> = refused.iter().map(|(place, _)| *place).collect();
        for (place, refusal) in refused {
            let Some(&index) = owners.get(place) else { continue };
            let gone = is_gone(&self.batch.steps[index].op, Errno::from_raw(refusal.errno));
            if gone || self.failures.iter().any(|failure| failure.index == index) {
                continue;
            }
            let half_done = group::may_be_half_done(&self.batch.steps[index].op);
            let partly =
                half_done || owners.iter().enumerate().any(|(at, owner)| *owner == index && !places.contains(&at));
            let error = self.refused(index, refusal);
            self.fail(index, error, partly);
        }
    }

    fn encode(&self, op: &Op, peers: &mut HashMap<Netns, OwnedFd>) -> Result<Vec<Request>, KernelError> {
        Ok(match op {
            Op::VethCreate { end, peer, peer_netns, queues } => {
                let fd = if *peer_netns == self.batch.netns { None } else { Some(self.peer(peer_netns, peers)?) };
                vec![link::create_veth(end, peer, fd, *queues)]
            }
            Op::BridgeCreate { index, name, mac, mtu, stp, ageing_time } => {
                link::create_bridge(*index, name.as_str(), *mac, *mtu, *stp, *ageing_time)
            }
            Op::LinkSet { link, change } => link::set(link.index, change),
            Op::BridgeUp { link } => link::raise_bridge(link.index),
            Op::PortPutBack { link, attributes } => vec![link::put_port_back(link.index, attributes)],
            Op::LinkDelete { link } => vec![link::delete(link.index)],
            Op::AddressAdd { link, address, protocol } => vec![address::add(link.index, *address, *protocol)],
            Op::AddressDelete { link, address } => vec![address::delete(link.index, *address)],
            Op::AddressPutBack { link, address } => vec![replay::address(link.index, address)],
            Op::RoutePutBack { route } => vec![replay::route(route)],
            Op::RouteAdd { route, replace } => vec![route::add(route, *replace)],
            Op::RouteDelete { route } => vec![route::delete(route)],
            _ => Vec::new(),
        })
    }

    /// The descriptor of a peer's namespace, which stays open until the message has been sent.
    fn peer(&self, netns: &Netns, peers: &mut HashMap<Netns, OwnedFd>) -> Result<i32, KernelError> {
        self.live.fresh.forget_links_of(netns.as_str());
        let Netns::Named(name) = netns else { return Ok(self.live.host.as_raw_fd()) };
        if let Some(fd) = peers.get(netns) {
            return Ok(fd.as_raw_fd());
        }
        let fd = netns::open_existing(name)?;
        let raw = fd.as_raw_fd();
        peers.insert(netns.clone(), fd);
        Ok(raw)
    }

    fn deletes(&mut self, start: usize, end: usize) {
        // A bridge goes at once, but for each port that it has when it goes.
        if let Err(error) = self.live.dying.settle(&self.live.host).and_then(|()| self.connect()) {
            return self.stop(start, error, false);
        }
        self.attempted = end;
        let links: Vec<&LinkRef> = self.batch.steps[start..end]
            .iter()
            .filter_map(|step| if let Op::LinkDelete { link } = &step.op { Some(link) } else { None })
            .collect();
        let Some(socket) = self.socket.as_mut() else { return };
        match delete::links(socket, &links) {
            Err(error) => self.broken(start, end, error),
            Ok(refused) => {
                let owners: Vec<usize> = (start..end).collect();
                self.note(&owners, refused);
            }
        }
    }

    fn single(&mut self, step: &Step) -> Result<(), KernelError> {
        match &step.op {
            Op::NetnsCreate { mark } => self.create_netns(mark),
            Op::NetnsDelete => self.delete_netns(),
            Op::NetnsPark { topology, inode } => {
                let name = self.name()?;
                (self.place, self.socket) = (None, None);
                let mark = Mark::new(topology, &step.address);
                park::Namespace { name, mark: &mark, inode: *inode }.park()
            }
            Op::NetnsUnpark { topology, inode } => {
                let mark = Mark::new(topology, &step.address);
                park::Namespace { name: self.name()?, mark: &mark, inode: *inode }.unpark()
            }
            Op::NetnsDrop { topology, inode, ends } => {
                let name = self.name()?;
                self.live.drop_netns(topology, *inode, name, ends.as_deref())
            }
            Op::SysctlBorrow { key, value, before, along, user } => {
                // The record first: a value that was changed without one could never be given back.
                let records = Records::lock()?;
                let fresh = records.borrow(key, Some(before), along, user)?;
                let done = self.inside(|| sysctl::write(key, value));
                undo_unless(done, &records, key, user, fresh)
            }
            Op::SysctlGiveBack { key, user } => {
                let records = Records::lock()?;
                records.give_back(key, user, |record| self.inside(|| restore_sysctls(key, record)))
            }
            Op::RecordPutBack { key, user, record } => Records::lock()?.put_back(key, user, record.as_ref()),
            Op::PortBorrow { link, master, before, user } => {
                let records = Records::lock()?;
                let key = port_key(&link.name);
                let fresh = records.borrow(&key, before.as_deref(), &Default::default(), user)?;
                let done = self.set_master(link, *master);
                undo_unless(done, &records, &key, user, fresh)
            }
            Op::PortGiveBack { link, user } => {
                let records = Records::lock()?;
                records.give_back(&port_key(&link.name), user, |record| self.restore_port(link, record))
            }
            Op::TableBorrow { family, table, user } => {
                let records = Records::lock()?;
                records.borrow(&table_key(*family, *table), None, &Default::default(), user).map(drop)
            }
            Op::TableDrop { family, table } => self.inside(|| firewall::delete_if_empty(&[(*family, *table)])),
            Op::FlushFlows { flows } => self.inside(|| firewall::flush_flows(flows)),
            Op::BridgeCreate { .. }
            | Op::VethCreate { .. }
            | Op::LinkSet { .. }
            | Op::BridgeUp { .. }
            | Op::PortPutBack { .. }
            | Op::LinkDelete { .. }
            | Op::AddressAdd { .. }
            | Op::AddressDelete { .. }
            | Op::AddressPutBack { .. }
            | Op::RouteAdd { .. }
            | Op::RouteDelete { .. }
            | Op::RoutePutBack { .. }
            | Op::FirewallLoad { .. }
            | Op::TableGiveBack { .. }
            | Op::SysctlSet { .. } => Err(KernelError::message(
                format!("cannot {}", words::words(&step.op, &self.batch.netns)),
                "it came in a piece of its own",
            )),
        }
    }

    fn create_netns(&mut self, mark: &str) -> Result<(), KernelError> {
        let name = self.name()?;
        self.live.prepare_directory()?;
        let made_ahead = self.live.nursery.as_ref().and_then(|nursery| nursery.next(mark));
        let made = made_ahead.unwrap_or_else(|| netns::create(&self.live.host, mark));
        let Unnamed { fd, socket } = made.map_err(|error| error.about(format!("cannot create namespace `{name}`")))?;
        netns::name(&fd, name, mark)?;
        (self.place, self.socket, self.is_new) = (Some(fd), Some(socket), true);
        Ok(())
    }

    fn delete_netns(&mut self) -> Result<(), KernelError> {
        let name = self.name()?;
        self.place = None;
        self.socket = None;
        match netns::open(name)? {
            Opened::Namespace(fd) => {
                let ends = dying::ends(&mut netns::socket_in(&fd)?, &self.live.host)?;
                netns::delete(name)?;
                self.live.dying.add(fd, name, ends);
                Ok(())
            }
            Opened::Stale => netns::delete(name),
            // It went by itself, as `is_gone` has it for what messages delete.
            Opened::Gone => Ok(()),
        }
    }

    fn name(&self) -> Result<&'a str, KernelError> {
        match &self.batch.netns {
            Netns::Named(name) => Ok(name),
            Netns::Host => Err(KernelError::message("cannot create or delete the host", "it is no namespace of ours")),
        }
    }

    fn set_master(&mut self, link: &LinkRef, master: u32) -> Result<(), KernelError> {
        self.connect()?;
        let what = || format!("cannot set the master of {}", link.name);
        let change = LinkChange { master: Some(master), ..LinkChange::default() };
        let Some(socket) = self.socket.as_mut() else { return Ok(()) };
        let refused = socket.send(&link::set(link.index, &change)).map_err(|error| error.into_error(what()))?;
        match refused.into_iter().next() {
            Some((_, refusal)) => Err(refusal.into_error(what())),
            None => Ok(()),
        }
    }

    /// Back to the master of before, or to none where that has gone; nothing where the NIC itself has gone.
    fn restore_port(&mut self, link: &LinkRef, record: &Borrowed) -> Result<(), KernelError> {
        self.connect()?;
        let mut master = 0;
        if let (Some(before), Some(socket)) = (&record.before, self.socket.as_mut()) {
            let links = socket
                .dump(&link::dump(), |payload| link::decode(payload).map(|seen| Some(seen.state)))
                .map_err(|error| error.into_error("cannot read the links"))?;
            master = links.iter().find(|link| link.name == *before).map_or(0, |link| link.index);
        }
        match self.set_master(link, master) {
            Err(error) if error.is(Errno::ENODEV) => Ok(()),
            done => done,
        }
    }

    /// Runs `work` on a thread inside the batch's namespace.
    fn inside<T: Send>(&mut self, work: impl FnOnce() -> Result<T, KernelError> + Send) -> Result<T, KernelError> {
        netns::in_netns(self.enter()?, work)
    }

    fn enter(&mut self) -> Result<&OwnedFd, KernelError> {
        let Netns::Named(name) = &self.batch.netns else { return Ok(&self.live.host) };
        let fd = match self.place.take() {
            Some(fd) => fd,
            None => netns::open_existing(name)?,
        };
        Ok(self.place.insert(fd))
    }

    fn connect(&mut self) -> Result<(), KernelError> {
        if self.socket.is_none() {
            let netns = self.enter()?.try_clone().map_err(netns::not_held)?;
            self.socket = Some(self.live.socket_in(&netns)?);
        }
        Ok(())
    }

    /// New devices may want the names and indexes of those that are on their way out.
    fn settle_before(&mut self, start: usize, end: usize) -> Result<(), KernelError> {
        let makes = self.batch.steps[start..end].iter().any(|step| match &step.op {
            Op::VethCreate { .. } | Op::BridgeCreate { .. } | Op::LinkDelete { .. } => true,
            Op::LinkSet { change, .. } => change.rename.is_some(),
            _ => false,
        });
        if makes && !self.live.dying.is_empty() { self.live.dying.settle(&self.live.host) } else { Ok(()) }
    }
}

/// Takes a user that has just come out of the record again where what it needs could not be had.
fn undo_unless(
    done: Result<(), KernelError>,
    records: &Records,
    key: &str,
    user: &TopologyName,
    fresh: bool,
) -> Result<(), KernelError> {
    if done.is_err() && fresh {
        records.give_back(key, user, |_| Ok(()))?;
    }
    done
}

fn restore_sysctls(key: &str, record: &Borrowed) -> Result<(), KernelError> {
    if let Some(before) = &record.before {
        sysctl::restore(key, before)?;
    }
    record.along.iter().try_for_each(|(key, value)| sysctl::restore(key, value))
}
