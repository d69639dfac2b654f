//! Links of a namespace that a run read before it was done with them, and what it did to them since.
//!
//! Where many ports come up together, the kernel is busy with what is sent by them for a second and more, and to read them
//! takes four times as long as right before. What is done later is done to single devices, and those are read once more.

use std::collections::BTreeSet;

use super::{
    KernelError, devices,
    link::{self, Seen},
    netlink::RouteSocket,
    read,
};
use crate::op::{Batch, LinkChange, Op, Step};

/// Before how many steps of a batch it is worth it.
const MANY: usize = 32;

/// The links of one namespace.
#[derive(Debug)]
pub struct Early {
    links: Vec<Seen>,
    /// Of which devices it may not be so any more.
    changed: BTreeSet<u32>,
}

/// What an op may do to links.
enum Reach {
    /// Nothing.
    Nothing,
    /// Only to that one.
    One(u32),
    /// To any of its namespace.
    Namespace,
    /// To those of other namespaces, too.
    Everywhere,
}

impl Early {
    /// Reads them now; nothing where that fails, since they are read later then.
    pub fn read(socket: &mut RouteSocket) -> Option<Self> {
        Some(Self { links: read::links_by(socket).ok()?, changed: BTreeSet::new() })
    }

    /// Whether to read them before a batch's steps from `start` on: the first bridge comes up after many ports.
    pub fn is_due(batch: &Batch, start: usize) -> bool {
        start >= MANY && matches!(batch.steps.get(start), Some(Step { op: Op::BridgeUp { .. }, .. }))
    }

    /// After these steps in their namespace; nothing where too much has changed.
    pub fn after(mut self, steps: &[Step]) -> Option<Self> {
        for step in steps {
            match reach(&step.op) {
                Reach::Nothing => {}
                Reach::One(index) => _ = self.changed.insert(index),
                Reach::Namespace | Reach::Everywhere => return None,
            }
        }
        Some(self)
    }

    /// The links as they are now, by a socket of their namespace.
    pub fn now(self, socket: &mut RouteSocket) -> Result<Vec<Seen>, KernelError> {
        let Self { mut links, changed } = self;
        if !changed.is_empty() {
            links.retain(|link| !changed.contains(&link.state.index));
            links.extend(devices::links(socket, &changed, link::decode)?);
        }
        Ok(links)
    }
}

/// Whether a batch may change links of other namespaces than its own.
pub fn reaches_others(batch: &Batch) -> bool {
    batch.steps.iter().any(|step| matches!(reach(&step.op), Reach::Everywhere))
}

fn reach(op: &Op) -> Reach {
    match op {
        Op::AddressAdd { .. }
        | Op::AddressDelete { .. }
        | Op::AddressPutBack { .. }
        | Op::RouteAdd { .. }
        | Op::RouteDelete { .. }
        | Op::RoutePutBack { .. }
        | Op::RecordPutBack { .. }
        | Op::TableBorrow { .. }
        | Op::TableGiveBack { .. }
        | Op::TableDrop { .. }
        | Op::FirewallLoad { .. }
        | Op::FlushFlows { .. } => Reach::Nothing,
        Op::BridgeUp { link } => Reach::One(link.index),
        // A bridge takes its hardware address and its MTU from its ports.
        Op::LinkSet { link, change: LinkChange { master: None, mac: None, mtu: None, .. } } => Reach::One(link.index),
        Op::LinkSet { .. }
        | Op::BridgeCreate { .. }
        | Op::PortPutBack { .. }
        | Op::PortBorrow { .. }
        | Op::PortGiveBack { .. }
        | Op::SysctlSet { .. }
        | Op::SysctlBorrow { .. }
        | Op::SysctlGiveBack { .. }
        | Op::NetnsCreate { .. }
        | Op::NetnsPark { .. }
        | Op::NetnsUnpark { .. } => Reach::Namespace,
        // Where its peer comes is known: see `Fresh::forget_links_of`.
        Op::VethCreate { .. } => Reach::Namespace,
        // The other ends of veths go as well, wherever they are.
        Op::LinkDelete { .. } | Op::NetnsDrop { .. } | Op::NetnsDelete => Reach::Everywhere,
    }
}
