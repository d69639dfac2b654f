//! A kernel that is a value: it applies every op to a [`Snapshot`], with the errors and the side effects that the real
//! one has, so that everything above the line can be tested without root.

use std::{collections::BTreeSet, io};

use nix::errno::Errno;

use super::{
    BatchError, Kernel, KernelError, StepFailure,
    gone::is_gone,
    group::{self, Piece},
    words,
};
use crate::{
    model::{
        Netns, TopologyName,
        mark::{MARK_GROUP, PARK_GROUP},
        snapshot::{
            Borrowed, Depth, FirewallState, LinkState, Links, NetnsState, ReadRequest, Snapshot, Table, Variant,
        },
    },
    op::{Batch, LinkChange, Op, Step, port_key, table_key},
};

mod addresses;
mod firewall;
mod kept;
mod links;
mod routes;
mod sysctls;

/// Holds a state and behaves like a kernel in it.
#[derive(Debug, Clone, Default)]
pub struct Fake {
    /// What there is. Sysctls that it does not name have their defaults; `None` is one that this kernel lacks.
    pub state: Snapshot,
    /// The step, counted from now over all batches, that fails with `EIO` before anything of it is done.
    pub fail_at: Option<usize>,
    /// The inode of the last namespace that was made.
    inode: u64,
}

/// Why an op was not done.
enum Refused {
    Errno(Errno),
    Text(String),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

type Done = Result<(), Refused>;

impl Fake {
    /// A kernel in that state.
    pub fn new(state: Snapshot) -> Self {
        Self { state, fail_at: None, inode: 0 }
    }

    /// A machine on which nothing has been made yet.
    pub fn empty() -> Self {
        let host = NetnsState { links: vec![links::loopback(None, true)].into(), ..NetnsState::default() };
        Self::new(Snapshot { namespaces: [(Netns::Host, host)].into(), ..Snapshot::default() })
    }

    fn namespace(&mut self, netns: &Netns) -> Result<&mut NetnsState, Errno> {
        self.state.namespaces.get_mut(netns).ok_or(Errno::ENOENT)
    }

    fn step(&mut self, netns: &Netns, step: &Step) -> Result<(), KernelError> {
        let faulty = match &mut self.fail_at {
            Some(0) => {
                self.fail_at = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        let done = if faulty { Err(Errno::EIO.into()) } else { self.apply(netns, &step.op) };
        // Also of what was refused a part may have been done.
        links::refresh_carrier(&mut self.state);
        let done = match done {
            Err(Refused::Errno(errno)) if is_gone(&step.op, errno) => Ok(()),
            done => done,
        };
        done.map_err(|refused| {
            let what = format!("cannot {}", words::words(&step.op, netns));
            match refused {
                Refused::Errno(errno) => {
                    KernelError::io(what, io::Error::from(errno)).hint(words::hint(&step.op, errno))
                }
                Refused::Text(why) => KernelError::message(what, why),
            }
            .in_netns(netns)
        })
    }

    fn apply(&mut self, netns: &Netns, op: &Op) -> Done {
        match op {
            Op::NetnsCreate { mark } => self.create_netns(netns, mark)?,
            Op::NetnsDelete => self.delete_netns(netns)?,
            Op::NetnsPark { inode, .. } => self.park_netns(netns, *inode)?,
            Op::NetnsUnpark { inode, .. } => self.unpark_netns(netns, *inode)?,
            Op::NetnsDrop { inode, .. } => self.drop_netns(netns, *inode)?,
            Op::BridgeCreate { index, name, mac, mtu, stp, ageing_time } => {
                links::create_bridge(self.namespace(netns)?, *index, name, *mac, *mtu, *stp, *ageing_time)?;
            }
            Op::VethCreate { end, peer, peer_netns, queues } => {
                links::create_veth(&mut self.state, netns, end, peer, peer_netns, *queues)?;
            }
            Op::LinkSet { link, change } => links::set(self.namespace(netns)?, link.index, change)?,
            Op::BridgeUp { link } => {
                let change = LinkChange { up: Some(true), ..LinkChange::default() };
                links::set(self.namespace(netns)?, link.index, &change)?;
            }
            Op::PortPutBack { link, attributes } => {
                let port = find(self.namespace(netns)?, link.index)?.port.as_mut().ok_or(Errno::EOPNOTSUPP)?;
                port.rest.extend(attributes.clone());
            }
            Op::LinkDelete { link } => links::delete(&mut self.state, netns, link.index)?,
            Op::AddressAdd { link, address, protocol } => {
                addresses::add(self.namespace(netns)?, link.index, *address, *protocol)?;
            }
            Op::AddressDelete { link, address } => addresses::delete(self.namespace(netns)?, link.index, *address)?,
            Op::AddressPutBack { link, address } => addresses::put_back(self.namespace(netns)?, link.index, address)?,
            Op::RoutePutBack { route } => routes::put_back(self.namespace(netns)?, route)?,
            Op::RouteAdd { route, replace } => routes::add(self.namespace(netns)?, route, *replace)?,
            Op::RouteDelete { route } => routes::delete(self.namespace(netns)?, route)?,
            Op::SysctlSet { key, value } => sysctls::write(self.namespace(netns)?, key, value)?,
            Op::SysctlBorrow { key, value, before, along, user } => {
                sysctls::write(self.namespace(netns)?, key, value)?;
                let fresh = || Borrowed { before: Some(before.clone()), along: along.clone(), ..Borrowed::default() };
                self.state.borrowed.entry(key.clone()).or_insert_with(fresh).users.insert(user.clone());
            }
            Op::SysctlGiveBack { key, user } => {
                if let Some(record) = self.last_user(key, user) {
                    sysctls::restore(self.namespace(netns)?, key, &record);
                }
            }
            Op::RecordPutBack { key, user, record } => self.put_record_back(key, user, record.as_ref()),
            Op::PortBorrow { link, master, before, user } => {
                links::set(self.namespace(netns)?, link.index, &to_master(*master))?;
                let fresh = || Borrowed { before: before.clone(), ..Borrowed::default() };
                let key = port_key(&link.name);
                self.state.borrowed.entry(key).or_insert_with(fresh).users.insert(user.clone());
            }
            Op::PortGiveBack { link, user } => {
                if let Some(record) = self.last_user(&port_key(&link.name), user) {
                    let state = self.namespace(netns)?;
                    let before = record.before.as_deref().and_then(|name| state.link(name));
                    let master = before.map_or(0, |link| link.index);
                    if state.link_at(link.index).is_some() {
                        links::set(state, link.index, &to_master(master))?;
                    }
                }
            }
            Op::TableBorrow { family, table, user } => {
                let record = self.state.borrowed.entry(table_key(*family, *table)).or_default();
                record.users.insert(user.clone());
            }
            Op::TableGiveBack { family, table, user } => {
                if self.last_user(&table_key(*family, *table), user).is_some() {
                    firewall::drop_if_empty(&mut self.namespace(netns)?.firewall.live, *family, *table);
                }
            }
            Op::TableDrop { family, table } => {
                firewall::drop_if_empty(&mut self.namespace(netns)?.firewall.live, *family, *table);
            }
            Op::FirewallLoad { variant, family, table, script } => {
                let live = &mut self.namespace(netns)?.firewall.live;
                firewall::load(live, *variant, *family, *table, script).map_err(Refused::Text)?;
            }
            Op::FlushFlows { .. } => {}
        }
        Ok(())
    }

    /// Ends `user`'s need; the record, where it was the last.
    fn last_user(&mut self, key: &str, user: &TopologyName) -> Option<Borrowed> {
        let record = self.state.borrowed.get_mut(key)?;
        let last = record.users.remove(user) && record.users.is_empty();
        if last { self.state.borrowed.remove(key) } else { None }
    }

    fn put_record_back(&mut self, key: &str, user: &TopologyName, was: Option<&Borrowed>) {
        match was.filter(|was| was.users.contains(user)) {
            Some(was) => {
                let record = self.state.borrowed.entry(key.to_owned()).or_insert_with(|| was.clone());
                record.users.insert(user.clone());
                if record.users == was.users {
                    record.clone_from(was);
                }
            }
            None => _ = self.last_user(key, user),
        }
    }

    fn delete_links(&mut self, goes: impl Fn(&LinkState) -> bool) {
        let all = self.state.namespaces.iter().filter(|(netns, _)| !kept::is_aside(netns));
        let going: Vec<(Netns, u32)> = all
            .flat_map(|(netns, state)| {
                state.links.iter().filter(|link| goes(link)).map(|link| (netns.clone(), link.index))
            })
            .collect();
        for (netns, index) in going {
            // With one end of a pair the other one has gone.
            let _ = links::delete(&mut self.state, &netns, index);
        }
    }

    fn create_netns(&mut self, netns: &Netns, mark: &str) -> Done {
        let name = netns.as_str();
        if self.state.namespaces.contains_key(netns) || self.state.stale_netns.iter().any(|stale| stale == name) {
            return Err(Errno::EEXIST.into());
        }
        let inherited = self.state.namespaces.get(&Netns::Host).map(sysctls::inherited).unwrap_or_default();
        let links = vec![links::loopback(Some(mark.to_owned()), false)];
        self.inode += 1;
        let state = NetnsState { inode: self.inode, links: links.into(), sysctls: inherited, ..NetnsState::default() };
        self.state.namespaces.insert(netns.clone(), state);
        Ok(())
    }

    fn delete_netns(&mut self, netns: &Netns) -> Done {
        if let Some(at) = self.state.stale_netns.iter().position(|stale| stale == netns.as_str()) {
            self.state.stale_netns.remove(at);
            return Ok(());
        }
        let state = self.state.namespaces.get(netns).filter(|_| *netns != Netns::Host).ok_or(Errno::ENOENT)?;
        let veths: Vec<u32> = state.links.iter().filter(|link| link.peer.is_some()).map(|link| link.index).collect();
        for index in veths {
            // The other end of one that has both ends here is gone already.
            let _ = links::delete(&mut self.state, netns, index);
        }
        self.state.namespaces.remove(netns);
        Ok(())
    }
}

fn to_master(master: u32) -> LinkChange {
    LinkChange { master: Some(master), ..LinkChange::default() }
}

fn find(state: &mut NetnsState, index: u32) -> Result<&mut LinkState, Errno> {
    state.links.iter_mut().find(|link| link.index == index).ok_or(Errno::ENODEV)
}

impl Kernel for Fake {
    fn read(&self, request: &ReadRequest) -> Result<Snapshot, KernelError> {
        let mut seen = self.state.clone();
        kept::hide(&mut seen);
        seen.namespaces.retain(|netns, _| request.depth(netns).is_some());
        for (netns, state) in &mut seen.namespaces {
            let depth = request.depth(netns);
            if depth != Some(Depth::Whole) {
                let links =
                    if depth == Some(Depth::Links) { std::mem::take(&mut state.links) } else { Links::default() };
                *state = NetnsState { inode: state.inode, links, ..NetnsState::default() };
                continue;
            }
            let keys = request.sysctls.get(netns).into_iter().flatten();
            // What is borrowed can be given back by its record alone, so it is always read.
            let borrowed = seen.borrowed.keys().filter(|key| *netns == Netns::Host && key.starts_with("net/"));
            let live = &self.state.namespaces[netns];
            let expanded = keys.chain(borrowed).flat_map(|key| sysctls::expand(live, key));
            state.sysctls = expanded.map(|key| (key.clone(), sysctls::read(live, &key))).collect();
            for link in &mut state.links {
                let is_on = |what: &str| {
                    let key = format!("net/ipv4/conf/{}/{what}", link.name);
                    sysctls::read(live, &key).is_some_and(|value| value != "0")
                };
                (link.forwarding, link.route_localnet) = (Some(is_on("forwarding")), is_on("route_localnet"));
                let off = sysctls::read(live, &format!("net/ipv6/conf/{}/disable_ipv6", link.name));
                let dad = sysctls::read(live, &format!("net/ipv6/conf/{}/accept_dad", link.name));
                link.accept_dad = Some(dad.is_none_or(|value| value != "0"));
                link.ipv6 = Some(off.is_none_or(|value| value == "0") && !sysctls::ipv6_is_off(live));
            }
            sysctls::leave_out(state, request.is_exact(netns));
            if !request.whole {
                state.hide_parked();
            }
            if let Some(indexes) = request.devices.get(netns) {
                state.links.retain(|link| indexes.contains(&link.index));
                state.parked.retain(|link| indexes.contains(&link.index));
                state.addresses.retain(|address| indexes.contains(&address.link));
                (state.sysctls, state.firewall) = Default::default();
                continue;
            }
            state.firewall.wanted = request.firewalls.get(netns).cloned().unwrap_or_default();
            if !state.firewall.is_empty() {
                state.firewall.default_variant = Some(Variant::Nft);
            }
        }
        let is_asked = |netns: &Netns| request.depth(netns) == Some(Depth::Whole);
        let to_come = request.firewalls.iter().filter(|(netns, _)| !self.state.namespaces.contains_key(netns));
        let to_come = to_come.filter(|(netns, _)| is_asked(netns));
        let empty = |wanted: &Vec<Table>| FirewallState {
            default_variant: Some(Variant::Nft),
            wanted: wanted.clone(),
            ..FirewallState::default()
        };
        let new =
            NetnsState { sysctls: sysctls::inherited(&self.state.namespaces[&Netns::Host]), ..NetnsState::default() };
        let fresh = request.trial.sysctls.iter().map(|key| (key.clone(), sysctls::read(&new, key)));
        seen.fresh = fresh.collect();
        seen.to_come = to_come.map(|(netns, wanted)| (netns.clone(), empty(wanted))).collect();
        Ok(seen)
    }

    fn run(&mut self, batch: &Batch) -> Result<(), BatchError> {
        let mut failures = Vec::new();
        let mut attempted = 0;
        while attempted < batch.steps.len() && failures.is_empty() {
            let (piece, length) = group::first(batch, attempted);
            for _ in 0..length {
                let step = &batch.steps[attempted];
                if let Err(error) = self.step(&batch.netns, step) {
                    let op = words::words(&step.op, &batch.netns);
                    let address = step.address.clone();
                    let partly = group::may_be_half_done(&step.op) && !error.is(Errno::EIO);
                    failures.push(StepFailure { index: attempted, address, op, partly, error });
                }
                attempted += 1;
                if piece == Piece::Sysctls && !failures.is_empty() {
                    break;
                }
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        Err(BatchError { netns: batch.netns.clone(), attempted, failures })
    }

    fn settle(&mut self) -> Result<(), KernelError> {
        Ok(())
    }

    fn release(&mut self, topology: &TopologyName, _: Option<&BTreeSet<Netns>>) -> Result<(), KernelError> {
        self.delete_links(|link| link.group == PARK_GROUP && link.is_of(topology));
        self.drop_all_kept();
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), KernelError> {
        self.delete_links(|link| link.group == MARK_GROUP && link.alias.is_none());
        Ok(())
    }

    fn forget(&mut self, topology: &TopologyName) -> Result<(), KernelError> {
        for record in self.state.borrowed.values_mut() {
            record.users.remove(topology);
        }
        self.state.borrowed.retain(|_, record| !record.users.is_empty());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
