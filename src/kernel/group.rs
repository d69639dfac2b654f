//! How a batch is cut into pieces that reach the kernel together.

use std::collections::HashSet;

use crate::{
    model::Netns,
    op::{Batch, LinkChange, Op, Step},
};

/// Enough to save the round trips, few enough for the descriptors of as many peers.
const AT_ONCE: usize = 200;

/// What a piece is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Netlink messages: every one runs, whatever becomes of those before it.
    Messages,
    /// Several devices to delete, which go at once.
    Deletes,
    /// Sysctls to write, up to the first that fails.
    Sysctls,
    /// Tables of one packet filter and family to load together.
    Loads,
    /// Tables of nf_tables that go back to whoever had none before.
    TablesGivenBack,
    /// One op of another kind.
    Single,
}

/// The first piece of what is left of a batch from `start`, and its length (at least one where steps are left).
pub fn first(batch: &Batch, start: usize) -> (Piece, usize) {
    let (before, steps) = batch.steps.split_at(start.min(batch.steps.len()));
    let is_new = before.iter().any(|step| matches!(step.op, Op::NetnsCreate { .. }));
    let run = |of: fn(&Op) -> bool| steps.iter().take_while(|step| of(&step.op)).count();
    match run(is_delete) {
        0 => {}
        1 => return (Piece::Messages, messages(&batch.netns, steps, is_new).max(1)),
        several => return (Piece::Deletes, several),
    }
    match run(|op| matches!(op, Op::SysctlSet { .. })) {
        0 => {}
        several => return (Piece::Sysctls, several),
    }
    match loads(steps) {
        0 => {}
        several => return (Piece::Loads, several),
    }
    match run(|op| matches!(op, Op::TableGiveBack { .. })) {
        0 => {}
        several => return (Piece::TablesGivenBack, several),
    }
    match messages(&batch.netns, steps, is_new) {
        0 => (Piece::Single, 1.min(steps.len())),
        several => (Piece::Messages, several),
    }
}

/// How many of the first steps load tables of the same packet filter and family.
fn loads(steps: &[Step]) -> usize {
    let into = |step: &Step| match &step.op {
        Op::FirewallLoad { variant, family, .. } => Some((*variant, *family)),
        _ => None,
    };
    let Some(first) = steps.first().and_then(into) else { return 0 };
    steps.iter().take_while(|step| into(step) == Some(first)).count()
}

fn is_delete(op: &Op) -> bool {
    matches!(op, Op::LinkDelete { .. })
}

/// How many of the first steps are messages that may go together. One that is about a device waits for the device's
/// creation to be confirmed: had another program just taken the index, it would change that program's device. In a
/// namespace that this batch has made nobody has any.
fn messages(netns: &Netns, steps: &[Step], is_new: bool) -> usize {
    let mut made = HashSet::new();
    for (at, step) in steps.iter().enumerate().take(AT_ONCE) {
        if !is_message(&step.op) || step.op.uses().iter().any(|index| made.contains(index)) {
            return at;
        }
        // Several deletions in a row are better off together.
        if at > 0 && is_delete(&step.op) && steps.get(at + 1).is_some_and(|next| is_delete(&next.op)) {
            return at;
        }
        // Whoever is killed between two of its messages must not leave a bridge half way.
        if at > 0 && matches!(step.op, Op::BridgeUp { .. }) {
            return at;
        }
        if !is_new {
            made.extend(step.op.makes(netns));
        }
    }
    steps.len().min(AT_ONCE)
}

/// Whether an op is netlink messages and nothing else.
pub fn is_message(op: &Op) -> bool {
    match op {
        Op::BridgeCreate { .. }
        | Op::BridgeUp { .. }
        | Op::VethCreate { .. }
        | Op::LinkSet { .. }
        | Op::PortPutBack { .. }
        | Op::LinkDelete { .. }
        | Op::AddressAdd { .. }
        | Op::AddressDelete { .. }
        | Op::AddressPutBack { .. }
        | Op::RouteAdd { .. }
        | Op::RouteDelete { .. }
        | Op::RoutePutBack { .. } => true,
        Op::NetnsCreate { .. }
        | Op::NetnsPark { .. }
        | Op::NetnsUnpark { .. }
        | Op::NetnsDrop { .. }
        | Op::RecordPutBack { .. }
        | Op::NetnsDelete
        | Op::SysctlSet { .. }
        | Op::SysctlBorrow { .. }
        | Op::SysctlGiveBack { .. }
        | Op::PortBorrow { .. }
        | Op::PortGiveBack { .. }
        | Op::TableBorrow { .. }
        | Op::TableGiveBack { .. }
        | Op::TableDrop { .. }
        | Op::FirewallLoad { .. }
        | Op::FlushFlows { .. } => false,
    }
}

/// Whether an op that was refused may have been done in part: the kernel changes one attribute of a device after the
/// other, and stays where it is when one is refused.
pub fn may_be_half_done(op: &Op) -> bool {
    let Op::LinkSet { change, .. } = op else { return false };
    let LinkChange { alias, group, mac, mtu, master, up, rename, hairpin, link_local, stp, ageing_time } = change;
    let set = [
        alias.is_some(),
        group.is_some(),
        mac.is_some(),
        mtu.is_some(),
        master.is_some(),
        up.is_some(),
        rename.is_some(),
        hairpin.is_some(),
        link_local.is_some(),
        stp.is_some(),
        ageing_time.is_some(),
    ];
    // A port leaves its old master before the new one is asked.
    master.is_some_and(|master| master != 0) || set.into_iter().filter(|&set| set).count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::snapshot::{Family, TableName, Variant},
        op::{LinkRef, NewEnd},
    };

    fn link(index: u32) -> LinkRef {
        LinkRef { index, name: format!("d{index}") }
    }

    fn up(index: u32) -> Op {
        Op::LinkSet { link: link(index), change: LinkChange { up: Some(true), ..Default::default() } }
    }

    fn veth(index: u32, peer: u32, peer_netns: Netns) -> Op {
        let end = |index: u32| NewEnd { index, name: format!("v{index}").parse().unwrap(), mac: None, mtu: None };
        Op::VethCreate { end: end(index), peer: end(peer), peer_netns, queues: None }
    }

    fn pieces(ops: Vec<Op>) -> Vec<(Piece, usize)> {
        let step = |op| Step { address: "namespace.web".parse().unwrap(), op };
        let batch = Batch { netns: Netns::Named("web".into()), steps: ops.into_iter().map(step).collect() };
        let mut start = 0;
        let mut pieces = Vec::new();
        while start < batch.steps.len() {
            let piece = first(&batch, start);
            start += piece.1;
            pieces.push(piece);
        }
        pieces
    }

    #[test]
    fn what_is_about_a_new_device_waits_for_it() {
        let web = || Netns::Named("web".into());
        let ops = vec![
            Op::NetnsCreate { mark: "m".into() },
            up(1),
            veth(2, 9, Netns::Host),
            veth(3, 4, web()),
            up(4),
            up(3),
            up(9),
        ];
        let (of_new, others) = (pieces(ops.clone()), pieces(ops[1..].to_vec()));
        assert_eq!(of_new, [(Piece::Single, 1), (Piece::Messages, 6)], "nobody has devices in a new namespace");
        assert_eq!(others, [(Piece::Messages, 3), (Piece::Messages, 3)]);
        assert_eq!(pieces(vec![veth(2, 9, Netns::Host), up(9)]), [(Piece::Messages, 2)], "another namespace's 9");
    }

    #[test]
    fn deletions_in_a_row_go_at_once_and_sysctls_share_a_thread() {
        let delete = |index| Op::LinkDelete { link: link(index) };
        let sysctl = |key: &str| Op::SysctlSet { key: key.into(), value: "1".into() };
        let ops = vec![up(1), delete(2), delete(3), up(4), delete(5), up(6), sysctl("a"), sysctl("b"), up(7)];
        let expected = [
            (Piece::Messages, 1),
            (Piece::Deletes, 2),
            (Piece::Messages, 3),
            (Piece::Sysctls, 2),
            (Piece::Messages, 1),
        ];
        assert_eq!(pieces(ops), expected);
    }

    #[test]
    fn tables_of_one_packet_filter_and_family_are_loaded_together() {
        let load =
            |variant, family, table| Op::FirewallLoad { variant, family, table, script: "*filter\nCOMMIT\n".into() };
        let ops = vec![
            load(Variant::Nft, Family::V4, TableName::Filter),
            load(Variant::Nft, Family::V4, TableName::Nat),
            load(Variant::Nft, Family::V6, TableName::Nat),
            up(1),
            load(Variant::Legacy, Family::V6, TableName::Nat),
        ];
        assert_eq!(pieces(ops), [(Piece::Loads, 2), (Piece::Loads, 1), (Piece::Messages, 1), (Piece::Loads, 1)]);
    }

    #[test]
    fn a_bridge_is_raised_by_messages_that_nothing_cuts() {
        let mut ops: Vec<Op> = (1..=199).map(up).collect();
        ops.extend([Op::BridgeUp { link: link(200) }, Op::BridgeUp { link: link(201) }, up(202)]);
        assert_eq!(pieces(ops), [(Piece::Messages, 199), (Piece::Messages, 1), (Piece::Messages, 2)]);
    }

    #[test]
    fn a_long_run_is_cut() {
        assert_eq!(
            pieces((1..=450).map(up).collect()),
            [(Piece::Messages, 200), (Piece::Messages, 200), (Piece::Messages, 50)]
        );
    }
}
