//! Devices: those that came go, and those that stay are as they were.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Place,
    restore::{Ops, Phase},
};
use crate::{
    kind::rename,
    model::{
        Address, IfName, Netns, TopologyName,
        mark::{MARK_GROUP, PARK_GROUP},
        snapshot::{LinkState, NetnsState},
    },
    op::{LinkChange, LinkRef, Op},
};

pub(super) fn restore(
    topology: &TopologyName,
    netns: &Netns,
    place: &Place,
    before: &NetnsState,
    now: &NetnsState,
    ops: &mut Ops,
) {
    let came: BTreeSet<u32> = now
        .links
        .iter()
        .filter(|link| place.made.contains_key(&link.index) && before.link_at(link.index).is_none())
        .filter(|link| is_ours(topology, link))
        .map(|link| link.index)
        .collect();
    for index in &came {
        // Of a pair one end is enough.
        let peer = now.link_at(*index).and_then(|link| link.peer.as_ref());
        let with_its_peer = peer.is_some_and(|peer| {
            peer.netns.as_ref() == Some(netns) && peer.index < *index && came.contains(&peer.index)
        });
        if let (Some(address), Some(link), false) = (place.made.get(index), now.link_at(*index), with_its_peer) {
            ops.push(Phase::LinkDelete, netns, address, Op::LinkDelete { link: reference(link) });
        }
    }
    // A bridge takes its MTU and its hardware address from its ports where nobody has said otherwise, and does not tell
    // whether somebody has: it is left to follow them, and told only what it does not come to by itself.
    let (bridges, others): (Vec<_>, Vec<_>) = before.links.iter().partition(|link| link.bridge.is_some());
    let mut follows = false;
    for was in others.into_iter().chain(bridges) {
        let Some(address) = place.of_device(was.index) else { continue };
        follows |= was.bridge.is_some() && ops.is_busy(netns);
        match now.link_at(was.index) {
            Some(is) => change(netns, address, (was, is), (now, &came, follows), ops),
            None if place.devices.contains_key(&was.index) => {
                ops.lose(address, format!("the device {} in {netns} is gone", was.name));
            }
            None => {}
        }
    }
}

/// Whether a device bears our mark, or one that stands for it until it does.
fn is_ours(topology: &TopologyName, link: &LinkState) -> bool {
    matches!(link.group, MARK_GROUP | PARK_GROUP) || link.is_of(topology)
}

fn reference(link: &LinkState) -> LinkRef {
    LinkRef { index: link.index, name: link.name.clone() }
}

fn change(
    netns: &Netns,
    address: &Address,
    (was, is): (&LinkState, &LinkState),
    (now, came, follows): (&NetnsState, &BTreeSet<u32>, bool),
    ops: &mut Ops,
) {
    let mut link = reference(is);
    if was.name != is.name {
        move_aside(netns, address, was, (now, came), ops);
        if let Some(rename) = name(&was.name) {
            ops.push(Phase::Rename, netns, address, Op::LinkSet { link: link.clone(), change: rename });
        }
        link.name.clone_from(&was.name);
    }
    let is_bridge = was.bridge.is_some();
    let master = (was.master != is.master).then_some(was.master.unwrap_or(0));
    let both = was.bridge.as_ref().zip(is.bridge.as_ref());
    let change = LinkChange {
        alias: (was.alias != is.alias).then(|| was.alias.clone().unwrap_or_default()),
        group: (was.group != is.group).then_some(was.group),
        mac: was.mac.filter(|mac| is.mac != Some(*mac) && !follows),
        mtu: (was.mtu != is.mtu && !follows).then_some(was.mtu),
        master,
        up: (is.up && !was.up).then_some(false),
        rename: None,
        hairpin: was.port.as_ref().map(|port| port.hairpin).filter(|on| {
            let same_port = is.port.as_ref().filter(|_| master.is_none());
            same_port.map_or(*on, |port| port.hairpin != *on)
        }),
        // What was set aside has kept it.
        link_local: None,
        stp: both.filter(|(was, is)| was.stp != is.stp).map(|(was, _)| was.stp),
        ageing_time: both.filter(|(was, is)| was.ageing_time != is.ageing_time).map(|(was, _)| was.ageing_time),
    };
    if change != LinkChange::default() {
        ops.push(Phase::Configure, netns, address, Op::LinkSet { link: link.clone(), change });
    }
    // A port that has been another bridge's in between has forgotten what it was told.
    let ports = was.port.as_ref().zip(is.port.as_ref()).filter(|_| master.is_none());
    let attributes: BTreeMap<u16, Vec<u8>> = ports
        .into_iter()
        .flat_map(|(was, is)| was.rest.iter().filter(|(kind, value)| is.rest.get(*kind) != Some(*value)))
        .map(|(kind, value)| (*kind, value.clone()))
        .collect();
    if !attributes.is_empty() {
        ops.push(Phase::Configure, netns, address, Op::PortPutBack { link: link.clone(), attributes });
    }
    if was.up && !is.up {
        let phase = if is_bridge { Phase::BridgeUp } else { Phase::Up };
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        ops.push(phase, netns, address, Op::LinkSet { link, change: up });
    }
}

/// Makes way for the device whose name another one bears that stays: that one gets its own name back afterwards.
fn move_aside(
    netns: &Netns,
    address: &Address,
    was: &LinkState,
    (now, came): (&NetnsState, &BTreeSet<u32>),
    ops: &mut Ops,
) {
    let Some(other) = now.link(&was.name).filter(|other| !came.contains(&other.index)) else { return };
    let change = LinkChange { rename: rename::aside(other.index), ..LinkChange::default() };
    ops.push(Phase::RenameAside, netns, address, Op::LinkSet { link: reference(other), change });
}

fn name(name: &str) -> Option<LinkChange> {
    let name: IfName = name.parse().ok()?;
    Some(LinkChange { rename: Some(name), ..LinkChange::default() })
}
