//! Rules of the packet filter, and who needs what of the host.

use super::{
    Baseline, Place,
    restore::{Ops, Phase},
    scope::TableKey,
};
use crate::{
    kind::firewall,
    model::{
        Netns, Snapshot, TopologyName,
        snapshot::{Borrowed, NetnsState, Table, Variant},
    },
    op::Op,
};

pub(super) fn restore(
    topology: &TopologyName,
    netns: &Netns,
    place: &Place,
    before: &NetnsState,
    now: &NetnsState,
    ops: &mut Ops,
) {
    for (key, address) in &place.tables {
        let (was, is) = (find(before, key), find(now, key));
        let table = (key.variant, key.family, key.name);
        if let Some(script) = firewall::restoration(topology, table, was, is) {
            ops.push(Phase::Rules, netns, address, script.op());
        } else if key.variant == Variant::Nft && was.is_none() && is.is_some_and(Table::is_empty) {
            // The kernel's other packet filter keeps its tables for ever.
            ops.push(Phase::Rules, netns, address, Op::TableDrop { family: key.family, table: key.name });
        }
    }
}

fn find<'a>(state: &'a NetnsState, key: &TableKey) -> Option<&'a Table> {
    let same =
        |(variant, table): &&(_, Table)| (*variant, table.family, table.name) == (key.variant, key.family, key.name);
    state.firewall.live.iter().find(same).map(|(_, table)| table)
}

/// Whether the topology was among those who need a value, and is.
pub(super) fn records(baseline: &Baseline, now: &Snapshot, ops: &mut Ops) {
    let user = &baseline.topology;
    for (key, address) in &baseline.scope.records {
        let (was, is) = (baseline.before.borrowed.get(key), now.borrowed.get(key));
        let needs = |it: Option<&Borrowed>| it.is_some_and(|it| it.users.contains(user));
        let same_users = was.zip(is).is_some_and(|(was, is)| was.users == is.users);
        // While there is anything else to be done, it may be about what is on record.
        let leaves = needs(is) && !needs(was);
        if (leaves && ops.is_empty()) || (needs(was) && !needs(is)) || (same_users && was != is) {
            let op = Op::RecordPutBack { key: key.clone(), user: user.clone(), record: was.cloned() };
            let phase = if needs(was) { Phase::RecordTake } else { Phase::RecordLeave };
            ops.push(phase, &Netns::Host, address, op);
        }
    }
}
