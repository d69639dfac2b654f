//! Baseline and reading → the ops that make what differs what it was.

use std::collections::BTreeSet;

use super::{Baseline, addresses, links, routes, rules, sysctls};
use crate::{
    kind::steps::together,
    model::{Address, Netns, Snapshot, snapshot::NetnsState},
    op::{Batch, Op, Step},
};

/// When an op of the way back runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Phase {
    /// Who needs what of the host again: what is changed without that being known could never be given back.
    RecordTake,
    /// Rules, before what they shield.
    Rules,
    /// Routes that had come.
    RouteRemove,
    /// Addresses that had come.
    AddressRemove,
    /// Devices that had come.
    LinkDelete,
    /// Namespaces that had come.
    NetnsDelete,
    /// Namespaces that had gone.
    NetnsUnpark,
    /// Names that are in each other's way.
    RenameAside,
    /// Names.
    Rename,
    /// Sysctls, before devices are up.
    Sysctl,
    /// What else devices were, but up.
    Configure,
    /// Up, and bridges after their ports.
    Up,
    /// See [`Phase::Up`].
    BridgeUp,
    /// Addresses that had gone.
    Address,
    /// Routes that need no other.
    Route,
    /// Routes by way of another one.
    RouteVia,
    /// Routes that were needed only to put others back.
    RouteForget,
    /// Who needs what of the host no longer.
    RecordLeave,
}

/// What is still to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restoration {
    /// Ops, in order.
    pub batches: Vec<Batch>,
    /// What cannot be had back: the resource, and what of it.
    pub lost: BTreeSet<(Address, String)>,
}

impl Restoration {
    /// Whether all is as it was, as far as it can be.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}

/// The ops as they are found.
#[derive(Debug, Default)]
pub(super) struct Ops {
    staged: Vec<(Phase, Netns, Step)>,
    pub lost: BTreeSet<(Address, String)>,
}

impl Ops {
    pub fn push(&mut self, phase: Phase, netns: &Netns, address: &Address, op: Op) {
        self.staged.push((phase, netns.clone(), Step { address: address.clone(), op }));
    }

    pub fn lose(&mut self, address: &Address, what: String) {
        self.lost.insert((address.clone(), what));
    }

    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// Whether something is done in a namespace that the kernel may follow with changes of its own.
    pub fn is_busy(&self, netns: &Netns) -> bool {
        self.staged.iter().any(|(phase, place, _)| place == netns && *phase < Phase::Route)
    }
}

/// What has to be done to go back from `now`. Where the kernel follows some of it with changes of its own, there is more
/// to be done when that has been seen: it is to be asked again until nothing is left.
pub fn restore(baseline: &Baseline, now: &Snapshot) -> Restoration {
    let mut ops = Ops::default();
    let going = namespaces(baseline, now, &mut ops);
    for (netns, place) in &baseline.scope.places {
        let (Some(before), Some(now)) = (baseline.before.namespaces.get(netns), now.namespaces.get(netns)) else {
            continue;
        };
        if going.contains(netns) || before.inode != now.inode {
            continue;
        }
        rules::restore(&baseline.topology, netns, place, before, now, &mut ops);
        links::restore(&baseline.topology, netns, place, before, now, &mut ops);
        sysctls::restore(netns, place, before, now, &mut ops);
        addresses::restore(netns, place, before, now, &mut ops);
        routes::restore(netns, place, before, now, &mut ops);
    }
    rules::records(baseline, now, &mut ops);
    Restoration { batches: together(ops.staged), lost: ops.lost }
}

/// Namespaces that had come and gone; those that go now are told.
fn namespaces<'a>(baseline: &'a Baseline, now: &Snapshot, ops: &mut Ops) -> BTreeSet<&'a Netns> {
    let mut going = BTreeSet::new();
    let inode = |snapshot: &Snapshot, netns: &Netns| snapshot.namespaces.get(netns).map(|state| state.inode);
    for (netns, address) in &baseline.scope.made {
        let came = now.namespaces.get(netns).filter(|state| inode(&baseline.before, netns) != Some(state.inode));
        if came.is_some_and(|state| is_ours(state, baseline)) {
            ops.push(Phase::NetnsDelete, netns, address, Op::NetnsDelete);
            going.insert(netns);
        }
    }
    for (netns, (address, _)) in &baseline.scope.parked {
        let Some(before) = baseline.before.namespaces.get(netns) else { continue };
        let name_is_free = going.contains(netns) || !now.namespaces.contains_key(netns);
        if name_is_free && inode(now, netns) != Some(before.inode) {
            let topology = baseline.topology.clone();
            ops.push(Phase::NetnsUnpark, netns, address, Op::NetnsUnpark { topology, inode: before.inode });
        } else if inode(now, netns) != Some(before.inode) {
            ops.lose(address, format!("another program has taken the name `{netns}`"));
        }
    }
    going
}

/// Whether the namespace bears the mark of whoever goes back: one that does not has come from somebody else.
fn is_ours(state: &NetnsState, baseline: &Baseline) -> bool {
    state.is_of(&baseline.topology)
}
