//! Devices of the fake kernel.

use nix::errno::Errno;

use super::{addresses, find, routes};
use crate::{
    model::{
        IfName, Mac, Netns,
        mark::MARK_GROUP,
        snapshot::{BridgeState, LinkState, NetnsState, Peer, PortState, Snapshot},
    },
    op::{LinkChange, NewEnd},
};

/// Hundredths of a second that a bridge keeps an address by default.
const AGEING_TIME: u32 = 30_000;

fn blank(index: u32, name: &str) -> LinkState {
    LinkState { index, name: name.to_owned(), mtu: 1500, queues: 1, ..LinkState::default() }
}

/// The device that every namespace has.
pub fn loopback(alias: Option<String>, up: bool) -> LinkState {
    LinkState { alias, up, carrier: up, mac: Some(Mac([0; 6])), mtu: 65536, ..blank(1, "lo") }
}

fn made_up_mac(netns: &Netns, index: u32) -> Mac {
    // Depends on the place only, so that tests read the same every time.
    let place = netns.as_str().bytes().fold(7u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let [a, b, c, d] = index.to_be_bytes();
    Mac([0x02 | (place & 0xf0), place, a, b, c, d])
}

fn free(state: &NetnsState, index: u32, name: &IfName) -> Result<(), Errno> {
    let taken = state.link_at(index).is_some() || state.link(name.as_str()).is_some();
    if taken { Err(Errno::EEXIST) } else { Ok(()) }
}

fn insert(state: &mut NetnsState, link: LinkState) {
    let at = state.links.partition_point(|other| other.index < link.index);
    state.links.insert(at, link);
}

pub fn create_bridge(
    state: &mut NetnsState,
    index: u32,
    name: &IfName,
    mac: Option<Mac>,
    mtu: Option<u32>,
    stp: Option<bool>,
    ageing_time: Option<u32>,
) -> Result<(), Errno> {
    free(state, index, name)?;
    let bridge = BridgeState { stp: stp.unwrap_or(false), ageing_time: ageing_time.unwrap_or(AGEING_TIME) };
    let link = LinkState {
        kind: Some("bridge".into()),
        mac: Some(mac.unwrap_or_else(|| made_up_mac(&Netns::Host, index))),
        mtu: mtu.unwrap_or(1500),
        group: MARK_GROUP,
        bridge: Some(bridge),
        ..blank(index, name.as_str())
    };
    insert(state, link);
    Ok(())
}

pub fn create_veth(
    snapshot: &mut Snapshot,
    netns: &Netns,
    end: &NewEnd,
    peer: &NewEnd,
    peer_netns: &Netns,
    queues: Option<u32>,
) -> Result<(), Errno> {
    let here = snapshot.namespaces.get(netns).ok_or(Errno::ENOENT)?;
    let there = snapshot.namespaces.get(peer_netns).ok_or(Errno::ENOENT)?;
    let same_place = netns == peer_netns;
    // The kernel's order: the end's index, all of the peer, then the end's name.
    if here.link_at(end.index).is_some() || there.link(peer.name.as_str()).is_some() {
        return Err(Errno::EEXIST);
    }
    if there.link_at(peer.index).is_some() {
        return Err(Errno::EBUSY);
    }
    if here.link(end.name.as_str()).is_some() || (same_place && end.name == peer.name) {
        return Err(Errno::EEXIST);
    }
    if same_place && end.index == peer.index {
        return Err(Errno::EBUSY);
    }
    for (here, own, there, other) in [(netns, end, peer_netns, peer), (peer_netns, peer, netns, end)] {
        let link = LinkState {
            kind: Some("veth".into()),
            mac: Some(own.mac.unwrap_or_else(|| made_up_mac(here, own.index))),
            mtu: own.mtu.unwrap_or(1500),
            group: MARK_GROUP,
            peer: Some(Peer { index: other.index, netns: Some(there.clone()) }),
            queues: queues.unwrap_or(1),
            ..blank(own.index, own.name.as_str())
        };
        insert(snapshot.namespaces.get_mut(here).ok_or(Errno::ENOENT)?, link);
    }
    Ok(())
}

/// Changes a device as the kernel does: one attribute after the other, so that what comes before one that is refused
/// stays changed.
pub fn set(state: &mut NetnsState, index: u32, change: &LinkChange) -> Result<(), Errno> {
    let LinkChange { alias, group, mac, mtu, master, up, rename, hairpin, link_local: _, stp, ageing_time } = change;
    let link = find(state, index)?;
    // A message of their own, before the one that raises the device.
    if *up == Some(true) {
        link.group = group.unwrap_or(link.group);
        set_alias(link, alias.as_deref());
    }
    if stp.is_some() || ageing_time.is_some() {
        let bridge = link.bridge.as_mut().ok_or(Errno::EOPNOTSUPP)?;
        bridge.stp = stp.unwrap_or(bridge.stp);
        bridge.ageing_time = ageing_time.unwrap_or(bridge.ageing_time);
    }
    link.mac = mac.or(link.mac);
    link.mtu = mtu.unwrap_or(link.mtu);
    link.group = group.unwrap_or(link.group);
    if let Some(name) = rename {
        set_name(state, index, name)?;
    }
    set_alias(find(state, index)?, alias.as_deref());
    if let Some(master) = master {
        set_master(state, index, *master)?;
    }
    if let Some(up) = up {
        set_up(state, index, *up)?;
    }
    if let Some(hairpin) = hairpin {
        find(state, index)?.port.as_mut().ok_or(Errno::EOPNOTSUPP)?.hairpin = *hairpin;
    }
    Ok(())
}

fn set_alias(link: &mut LinkState, alias: Option<&str>) {
    if let Some(alias) = alias {
        link.alias = Some(alias.to_owned()).filter(|alias| !alias.is_empty());
    }
}

fn set_name(state: &mut NetnsState, index: u32, name: &IfName) -> Result<(), Errno> {
    if state.link(name.as_str()).is_some_and(|other| other.index != index) {
        return Err(Errno::EEXIST);
    }
    let old = std::mem::replace(&mut find(state, index)?.name, name.to_string());
    if old == name.as_str() {
        return Ok(());
    }
    addresses::renamed(state, index, name.as_str());
    // Its sysctls are files below its name.
    let moved = std::mem::take(&mut state.sysctls).into_iter().map(|(key, value)| {
        let mut parts: Vec<&str> = key.split('/').collect();
        match parts.as_mut_slice() {
            ["net", _, "conf" | "neigh", device, ..] if *device == old => *device = name.as_str(),
            _ => {}
        }
        (parts.join("/"), value)
    });
    state.sysctls = moved.collect();
    Ok(())
}

fn set_master(state: &mut NetnsState, index: u32, master: u32) -> Result<(), Errno> {
    let before = find(state, index)?.master;
    let wanted = Some(master).filter(|&master| master != 0);
    if wanted == before {
        return Ok(());
    }
    // It leaves the old one before the new one is looked at.
    let link = find(state, index)?;
    (link.master, link.port) = (None, None);
    let (is_bridge, is_loopback) = (link.bridge.is_some(), link.name == "lo");
    let Some(wanted) = wanted else { return Ok(()) };
    let master = state.link_at(wanted).ok_or(Errno::EINVAL)?;
    if master.bridge.is_none() {
        return Err(Errno::EOPNOTSUPP);
    }
    if is_bridge {
        return Err(Errno::ELOOP);
    }
    if is_loopback {
        return Err(Errno::EINVAL);
    }
    let link = find(state, index)?;
    (link.master, link.port) = (Some(wanted), Some(PortState::default()));
    Ok(())
}

fn set_up(state: &mut NetnsState, index: u32, up: bool) -> Result<(), Errno> {
    let link = find(state, index)?;
    let fell = link.up && !up;
    link.up = up;
    if fell {
        addresses::link_down(state, index);
        routes::link_down(state, index);
    }
    Ok(())
}

pub fn delete(snapshot: &mut Snapshot, netns: &Netns, index: u32) -> Result<(), Errno> {
    let state = snapshot.namespaces.get_mut(netns).ok_or(Errno::ENOENT)?;
    let link = state.link_at(index).ok_or(Errno::ENODEV)?;
    if link.kind.is_none() {
        return Err(Errno::EOPNOTSUPP);
    }
    let peer = link.peer.clone();
    remove(state, index);
    if let Some(Peer { index, netns: Some(netns) }) = peer
        && let Some(state) = snapshot.namespaces.get_mut(&netns)
    {
        remove(state, index);
    }
    Ok(())
}

fn remove(state: &mut NetnsState, index: u32) {
    let Some(at) = state.links.iter().position(|link| link.index == index) else { return };
    let link = state.links.remove(at);
    for port in state.links.iter_mut().filter(|port| port.master == Some(index)) {
        port.master = None;
        port.port = None;
    }
    addresses::link_gone(state, index);
    routes::link_gone(state, index);
    let of_link = |key: &str| key.split('/').nth(2) == Some("conf") && key.split('/').nth(3) == Some(&link.name);
    state.sysctls.retain(|key, _| !of_link(key));
}

/// A veth has carrier while both ends are up, a bridge while one of its ports has.
pub fn refresh_carrier(snapshot: &mut Snapshot) {
    let is_up = |snapshot: &Snapshot, peer: &Peer| {
        let netns = peer.netns.as_ref().and_then(|netns| snapshot.namespaces.get(netns));
        netns.and_then(|state| state.link_at(peer.index)).is_some_and(|link| link.up)
    };
    let places: Vec<Netns> = snapshot.namespaces.keys().cloned().collect();
    for netns in places {
        let links = &snapshot.namespaces[&netns].links;
        let carriers: Vec<bool> = links
            .iter()
            .map(|link| match &link.peer {
                Some(peer) if peer.netns.is_some() => link.up && is_up(snapshot, peer),
                _ if link.name == "lo" => link.up,
                _ => link.up && link.carrier,
            })
            .collect();
        let ports: Vec<u32> =
            links.iter().zip(&carriers).filter(|(_, on)| **on).filter_map(|(l, _)| l.master).collect();
        let Some(state) = snapshot.namespaces.get_mut(&netns) else { continue };
        for (link, carrier) in state.links.iter_mut().zip(carriers) {
            link.carrier = if link.bridge.is_some() { link.up && ports.contains(&link.index) } else { carrier };
        }
    }
}
