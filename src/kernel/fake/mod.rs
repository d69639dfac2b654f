//! A kernel that is a value: it applies every op to a [`Snapshot`], with the errors and the side effects that the real
//! one has, so that everything above the line can be tested without root.

use std::io;

use nix::errno::Errno;

use super::{
    BatchError, Kernel, KernelError, StepFailure,
    borrow::port_key,
    group::{self, Piece},
    words,
};
use crate::{
    model::{
        Netns,
        snapshot::{Borrowed, FirewallState, LinkState, NetnsState, ReadRequest, Snapshot, Table, Variant},
    },
    op::{Batch, LinkChange, Op, Step},
};

mod addresses;
mod firewall;
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
        Self { state, fail_at: None }
    }

    /// A machine on which nothing has been made yet.
    pub fn empty() -> Self {
        let host = NetnsState { links: vec![links::loopback(None, true)], ..NetnsState::default() };
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
        done.map_err(|refused| {
            let what = format!("cannot {}", words::words(&step.op));
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
            Op::BridgeCreate { index, name, mac, mtu, stp, ageing_time } => {
                links::create_bridge(self.namespace(netns)?, *index, name, *mac, *mtu, *stp, *ageing_time)?;
            }
            Op::VethCreate { end, peer, peer_netns, queues } => {
                links::create_veth(&mut self.state, netns, end, peer, peer_netns, *queues)?;
            }
            Op::LinkSet { link, change } => links::set(self.namespace(netns)?, link.index, change)?,
            Op::LinkDelete { link } => links::delete(&mut self.state, netns, link.index)?,
            Op::AddressAdd { link, address } => addresses::add(self.namespace(netns)?, link.index, *address)?,
            Op::AddressDelete { link, address } => addresses::delete(self.namespace(netns)?, link.index, *address)?,
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
            Op::FirewallLoad { variant, family, table, script } => {
                let live = &mut self.namespace(netns)?.firewall.live;
                firewall::load(live, *variant, *family, *table, script).map_err(Refused::Text)?;
            }
            Op::FlushFlows { .. } => {}
        }
        links::refresh_carrier(&mut self.state);
        Ok(())
    }

    /// Ends `user`'s need; the record, where it was the last.
    fn last_user(&mut self, key: &str, user: &crate::model::TopologyName) -> Option<Borrowed> {
        let record = self.state.borrowed.get_mut(key)?;
        let last = record.users.remove(user) && record.users.is_empty();
        if last { self.state.borrowed.remove(key) } else { None }
    }

    fn create_netns(&mut self, netns: &Netns, mark: &str) -> Done {
        let name = netns.as_str();
        if self.state.namespaces.contains_key(netns) || self.state.stale_netns.iter().any(|stale| stale == name) {
            return Err(Errno::EEXIST.into());
        }
        let inherited = self.state.namespaces.get(&Netns::Host).map(sysctls::inherited).unwrap_or_default();
        let links = vec![links::loopback(Some(mark.to_owned()), false)];
        let state = NetnsState { links, sysctls: inherited, ..NetnsState::default() };
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
        for (netns, state) in &mut seen.namespaces {
            let keys = request.sysctls.get(netns).into_iter().flatten();
            // What is borrowed can be given back by its record alone, so it is always read.
            let borrowed = seen.borrowed.keys().filter(|key| *netns == Netns::Host && key.starts_with("net/"));
            let live = &self.state.namespaces[netns];
            let expanded = keys.chain(borrowed).flat_map(|key| sysctls::expand(live, key));
            state.sysctls = expanded.map(|key| (key.clone(), sysctls::read(live, &key))).collect();
            state.firewall.wanted = request.firewalls.get(netns).cloned().unwrap_or_default();
            if !state.firewall.is_empty() {
                state.firewall.default_variant = Some(Variant::Nft);
            }
        }
        let to_come = request.firewalls.iter().filter(|(netns, _)| !self.state.namespaces.contains_key(netns));
        let empty = |wanted: &Vec<Table>| FirewallState {
            default_variant: Some(Variant::Nft),
            live: Vec::new(),
            wanted: wanted.clone(),
        };
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
                    let op = words::words(&step.op);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::Outcome,
        model::snapshot::{Nexthop, RouteType},
        op::{LinkRef, NewEnd, RouteOp},
    };

    fn web() -> Netns {
        Netns::Named("web".into())
    }

    fn batch(netns: Netns, ops: Vec<Op>) -> Batch {
        let step = |op| Step { address: "link.web:eth0".parse().unwrap(), op };
        Batch { netns, steps: ops.into_iter().map(step).collect() }
    }

    fn run(fake: &mut Fake, netns: Netns, ops: Vec<Op>) {
        fake.run(&batch(netns, ops)).unwrap();
    }

    fn end(index: u32, name: &str) -> NewEnd {
        NewEnd { index, name: name.parse().unwrap(), mac: None, mtu: None }
    }

    fn veth(index: u32, name: &str, peer: u32, peer_name: &str, peer_netns: Netns) -> Op {
        Op::VethCreate { end: end(index, name), peer: end(peer, peer_name), peer_netns, queues: None }
    }

    fn at(index: u32) -> LinkRef {
        LinkRef { index, name: format!("d{index}") }
    }

    fn set(index: u32, change: LinkChange) -> Op {
        Op::LinkSet { link: at(index), change }
    }

    fn up(index: u32, up: bool) -> Op {
        set(index, LinkChange { up: Some(up), ..Default::default() })
    }

    fn address(index: u32, address: &str) -> Op {
        Op::AddressAdd { link: at(index), address: address.parse().unwrap() }
    }

    fn route(to: &str, via: &str, link: u32) -> RouteOp {
        RouteOp {
            to: to.parse().unwrap(),
            table: 254,
            metric: 0,
            protocol: 76,
            kind: RouteType::Unicast,
            src: None,
            mtu: None,
            nexthops: vec![Nexthop { via: Some(via.parse().unwrap()), link: Some(link), weight: 1, onlink: false }],
        }
    }

    fn add(route: RouteOp) -> Op {
        Op::RouteAdd { route, replace: false }
    }

    fn lab() -> Fake {
        let mut fake = Fake::empty();
        run(&mut fake, web(), vec![Op::NetnsCreate { mark: "netwright:lab/namespace.web".into() }]);
        run(&mut fake, web(), vec![veth(2, "eth0", 50, "web-eth0", Netns::Host), up(2, true)]);
        run(&mut fake, web(), vec![address(2, "192.168.0.2/24"), address(2, "fd00::2/64")]);
        run(&mut fake, web(), vec![add(route("0.0.0.0/0", "192.168.0.1", 2)), add(route("::/0", "fd00::1", 2))]);
        fake
    }

    #[test]
    fn a_namespace_takes_its_links_and_their_peers_with_it() {
        let mut fake = lab();
        run(&mut fake, Netns::Host, vec![up(50, true)]);
        assert!(fake.state.namespaces[&Netns::Host].link("web-eth0").unwrap().carrier);
        run(&mut fake, web(), vec![Op::NetnsDelete]);
        assert_eq!(fake.state, Fake::empty().state);
        let error = fake.run(&batch(web(), vec![Op::NetnsDelete])).unwrap_err();
        assert!(error.failures[0].error.is(Errno::ENOENT), "{error}");
    }

    #[test]
    fn a_link_that_goes_down_loses_its_routes_and_its_ipv6_addresses() {
        let mut fake = lab();
        run(&mut fake, web(), vec![up(2, false)]);
        let web = &fake.state.namespaces[&web()];
        assert_eq!((web.addresses.len(), web.routes.len()), (1, 0));
    }

    #[test]
    fn the_last_address_takes_the_routes_and_the_first_its_secondaries() {
        let mut fake = lab();
        run(&mut fake, web(), vec![address(2, "192.168.0.3/24"), address(2, "10.0.0.1/8")]);
        let delete = |address: &str| Op::AddressDelete { link: at(2), address: address.parse().unwrap() };
        run(&mut fake, web(), vec![delete("192.168.0.2/24")]);
        let state = &fake.state.namespaces[&web()];
        let left: Vec<_> = state.addresses.iter().map(|a| a.address.to_string()).collect();
        assert_eq!(left, ["fd00::2/64", "10.0.0.1/8"]);
        assert_eq!(state.routes.len(), 2);
        run(&mut fake, web(), vec![delete("10.0.0.1/8")]);
        assert_eq!(fake.state.namespaces[&web()].routes.len(), 1);
    }

    #[test]
    fn routes_need_a_next_hop_that_is_reached() {
        let mut fake = lab();
        let far = fake.run(&batch(web(), vec![add(route("10.0.0.0/8", "172.16.0.1", 2))])).unwrap_err();
        assert!(far.failures[0].error.is(Errno::ENETUNREACH));
        let again = fake.run(&batch(web(), vec![add(route("0.0.0.0/0", "192.168.0.9", 2))])).unwrap_err();
        assert!(again.failures[0].error.is(Errno::EEXIST));
        let other = Op::RouteDelete { route: route("::/0", "fd00::7", 2) };
        assert!(fake.run(&batch(web(), vec![other])).unwrap_err().failures[0].error.is(Errno::ESRCH));
        run(&mut fake, web(), vec![Op::RouteDelete { route: route("::/0", "fd00::1", 2) }]);
    }

    #[test]
    fn what_is_taken_is_refused_and_what_came_along_has_run() {
        let mut fake = lab();
        let ops = vec![
            veth(3, "eth0", 60, "x", Netns::Host),
            veth(2, "eth1", 60, "x", Netns::Host),
            veth(3, "eth1", 50, "x", Netns::Host),
            veth(3, "eth1", 60, "x", Netns::Host),
            up(3, true),
        ];
        let error = fake.run(&batch(web(), ops)).unwrap_err();
        let outcomes: Vec<_> = (0..5).map(|index| error.outcome(index)).collect();
        let failed = Outcome::Failed;
        assert_eq!(outcomes, [failed, failed, failed, Outcome::Done, Outcome::Untried]);
    }

    #[test]
    fn a_fault_strikes_once_at_its_step() {
        let mut fake = lab();
        fake.fail_at = Some(1);
        let error = fake.run(&batch(web(), vec![up(1, true), address(2, "10.0.0.1/8")])).unwrap_err();
        assert_eq!(error.failures[0].index, 1);
        run(&mut fake, web(), vec![address(2, "10.0.0.1/8")]);
    }

    #[test]
    fn a_borrowed_sysctl_is_given_back_with_what_it_drags_along() {
        let mut fake = Fake::empty();
        run(&mut fake, Netns::Host, vec![veth(2, "a", 3, "b", Netns::Host)]);
        let forward = "net/ipv4/ip_forward".to_owned();
        let along = "net/ipv4/conf/a/forwarding".to_owned();
        let borrow = |user: &str| Op::SysctlBorrow {
            key: forward.clone(),
            value: "1".into(),
            before: "0".into(),
            along: [(along.clone(), "0".to_owned())].into(),
            user: user.parse().unwrap(),
        };
        let give_back = |user: &str| Op::SysctlGiveBack { key: forward.clone(), user: user.parse().unwrap() };
        let request = ReadRequest {
            sysctls: [(Netns::Host, [forward.clone(), along.clone()].into())].into(),
            ..Default::default()
        };
        let values = |fake: &Fake| {
            let snapshot = fake.read(&request).unwrap();
            let sysctls = &snapshot.namespaces[&Netns::Host].sysctls;
            (sysctls[&forward].clone().unwrap(), sysctls[&along].clone().unwrap())
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(values(&fake), pair("0", "0"));
        run(&mut fake, Netns::Host, vec![borrow("one"), borrow("two")]);
        assert_eq!(values(&fake), pair("1", "1"));
        run(&mut fake, Netns::Host, vec![give_back("one")]);
        assert_eq!(values(&fake), pair("1", "1"));
        run(&mut fake, Netns::Host, vec![give_back("two")]);
        assert_eq!(values(&fake), pair("0", "0"));
        assert!(fake.state.borrowed.is_empty());
    }
}
