//! Links → netlink: requests. What the kernel tells of them is in [`seen`].

use std::{collections::BTreeMap, os::fd::RawFd};

use rtnetlink::{
    packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL},
    packet_route::{
        RouteNetlinkMessage,
        link::{
            AfSpecInet6, AfSpecUnspec, BridgeStpState, In6AddrGenMode, InfoBridge, InfoBridgePort, InfoData, InfoKind,
            InfoPortData, InfoPortKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
        },
    },
};

use super::netlink::Request;
use crate::{
    model::{Mac, mark::MARK_GROUP},
    op::{LinkChange, NewEnd},
};

mod seen;

pub use seen::{Seen, decode, decode_whole, port_state};

const IFLA_IFALIAS: u16 = 20;
/// What the kernel gives to a bridge of which nobody says how large its frames may be.
const DEFAULT_MTU: u32 = 1500;

fn at(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn create(message: LinkMessage) -> Request {
    Request::new(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// RTM_NEWLINK without NLM_F_CREATE: unlike RTM_SETLINK it takes a bridge's attributes in the same message.
fn modify(message: LinkMessage) -> Request {
    Request::new(RouteNetlinkMessage::NewLink(message), 0)
}

/// Without the NUL that the packet type would add: the kernel counts it, and 255 bytes would be one too many.
fn alias_attribute(alias: &str) -> LinkAttribute {
    let bytes = if alias.is_empty() { vec![0] } else { alias.as_bytes().to_vec() };
    LinkAttribute::Other(DefaultNla::new(IFLA_IFALIAS, bytes))
}

fn link_local_attribute(on: bool) -> LinkAttribute {
    let mode = if on { In6AddrGenMode::Eui64 } else { In6AddrGenMode::None };
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(mode)])])
}

fn end_message(end: &NewEnd, queues: u32) -> LinkMessage {
    let mut message = at(end.index);
    message.attributes.push(LinkAttribute::IfName(end.name.to_string()));
    message.attributes.extend(end.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
    message.attributes.extend(end.mtu.map(LinkAttribute::Mtu));
    message.attributes.push(LinkAttribute::Group(MARK_GROUP));
    message.attributes.push(LinkAttribute::NumTxQueues(queues));
    message.attributes.push(LinkAttribute::NumRxQueues(queues));
    message
}

/// A veth, both ends in their places at once; `peer_netns` is `None` where both are in one namespace.
pub fn create_veth(end: &NewEnd, peer: &NewEnd, peer_netns: Option<RawFd>, queues: Option<u32>) -> Request {
    let queues = queues.unwrap_or(1);
    let mut other = end_message(peer, queues);
    other.attributes.extend(peer_netns.map(LinkAttribute::NetNsFd));
    let mut message = end_message(end, queues);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
    ]));
    create(message)
}

/// A device of a kind with more queues than there can be, which no kernel makes.
pub fn impossible(kind: &str) -> Request {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::NumTxQueues(u32::MAX));
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Other(kind.to_owned()))]));
    create(message)
}

fn bridge_info(stp: Option<bool>, ageing_time: Option<u32>) -> LinkAttribute {
    let mut data = Vec::new();
    data.extend(
        stp.map(|on| InfoBridge::StpState(if on { BridgeStpState::KernelStp } else { BridgeStpState::Disabled })),
    );
    data.extend(ageing_time.map(InfoBridge::AgeingTime));
    LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(InfoData::Bridge(data))])
}

/// A bridge, down. An MTU takes a second message: only a *change* makes the kernel remember that it was asked for;
/// else the bridge follows its ports.
pub fn create_bridge(
    index: u32,
    name: &str,
    mac: Option<Mac>,
    mtu: Option<u32>,
    stp: Option<bool>,
    ageing_time: Option<u32>,
) -> Vec<Request> {
    let mut message = at(index);
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
    message.attributes.push(LinkAttribute::Group(MARK_GROUP));
    if mtu == Some(DEFAULT_MTU) {
        message.attributes.push(LinkAttribute::Mtu(DEFAULT_MTU - 1));
    }
    message.attributes.push(bridge_info(stp, ageing_time));
    let mut requests = vec![create(message)];
    requests.extend(mtu.map(|mtu| {
        let mut message = at(index);
        message.attributes.push(LinkAttribute::Mtu(mtu));
        modify(message)
    }));
    requests
}

/// Changes a device: in one message but for what the kernel does not take together.
pub fn set(index: u32, change: &LinkChange) -> Vec<Request> {
    let LinkChange { alias, group, mac, mtu, master, up, rename, hairpin, link_local, stp, ageing_time } = change;
    let mut requests = Vec::new();
    // The kernel renames before it looks at the flags, and older ones refuse to while the device is up.
    let down_first = rename.is_some() && *up == Some(false);
    if down_first {
        requests.push(modify(with_up(at(index), false)));
    }
    let mut message = at(index);
    message.attributes.extend(alias.as_deref().map(alias_attribute));
    message.attributes.extend(group.map(LinkAttribute::Group));
    // In the message that raises it this would come too late.
    message.attributes.extend(link_local.map(link_local_attribute));
    // Told once more of a device that is up, the kernel looks through all IPv6 routes of the namespace, each time: as
    // long as it is down these tell nobody.
    if *up == Some(true) && message != at(index) {
        requests.push(modify(std::mem::replace(&mut message, at(index))));
    }
    message.attributes.extend(rename.as_ref().map(|name| LinkAttribute::IfName(name.to_string())));
    message.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
    message.attributes.extend(mtu.map(LinkAttribute::Mtu));
    message.attributes.extend(master.map(LinkAttribute::Controller));
    if stp.is_some() || ageing_time.is_some() {
        message.attributes.push(bridge_info(*stp, *ageing_time));
    }
    if let (Some(up), false) = (*up, down_first) {
        message = with_up(message, up);
    }
    if message != at(index) {
        requests.push(modify(message));
    }
    // The port's attributes are read before the master, so a new port has to be one already.
    requests.extend(hairpin.map(|on| {
        let mut message = at(index);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(on)])),
        ]));
        modify(message)
    }));
    requests
}

/// Raises a bridge that is new, which means that its multicast snooping is on, without it.
pub fn raise_bridge(index: u32) -> Vec<Request> {
    let snooping = |on: bool| {
        let data = InfoData::Bridge(vec![InfoBridge::MulticastSnooping(on)]);
        let mut message = at(index);
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)]));
        modify(message)
    };
    vec![snooping(false), modify(with_up(at(index), true)), snooping(true)]
}

/// Gives a bridge's port attributes that it had.
pub fn put_port_back(index: u32, attributes: &BTreeMap<u16, Vec<u8>>) -> Request {
    let attributes =
        attributes.iter().map(|(kind, value)| InfoBridgePort::Other(DefaultNla::new(*kind, value.clone())));
    let mut message = at(index);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(attributes.collect())),
    ]));
    modify(message)
}

fn with_up(mut message: LinkMessage, up: bool) -> LinkMessage {
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    message
}

/// Deletes a device.
pub fn delete(index: u32) -> Request {
    Request::new(RouteNetlinkMessage::DelLink(at(index)), 0)
}

/// Deletes every device of a group.
pub fn delete_group(group: u32) -> Request {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Group(group));
    Request::new(RouteNetlinkMessage::DelLink(message), 0)
}

/// Asks for all links, without their counters.
pub fn dump() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    RouteNetlinkMessage::GetLink(message)
}

/// Asks for one link, without its counters.
pub fn get(index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Request::new(RouteNetlinkMessage::GetLink(message), 0)
}

#[cfg(test)]
mod tests {
    use super::{super::netlink::Body, *};
    use rtnetlink::packet_core::Emitable;

    fn message(request: &Request) -> &LinkMessage {
        let Body::Message(RouteNetlinkMessage::NewLink(message)) = &request.body else { panic!("{request:?}") };
        message
    }

    fn emitted(request: &Request) -> Vec<u8> {
        let mut bytes = vec![0; message(request).buffer_len()];
        message(request).emit(&mut bytes);
        bytes
    }

    fn end(index: u32, name: &str) -> NewEnd {
        NewEnd { index, name: name.parse().unwrap(), mac: Some(Mac([2, 0, 0, 0, 0, 1])), mtu: Some(9000) }
    }

    #[test]
    fn a_veth_is_one_message_with_its_peer_in_the_other_namespace() {
        let request = create_veth(&end(10, "web-eth0"), &end(11, "eth0"), Some(5), None);
        assert_eq!(request.flags, NLM_F_CREATE | NLM_F_EXCL);
        let info = message(&request).attributes.iter().find_map(|a| match a {
            LinkAttribute::LinkInfo(info) => Some(info),
            _ => None,
        });
        let Some([LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)))]) =
            info.map(Vec::as_slice)
        else {
            panic!("{info:?}")
        };
        assert_eq!(peer.header.index, 11);
        assert!(peer.attributes.contains(&LinkAttribute::NetNsFd(5)));
        assert!(peer.attributes.contains(&LinkAttribute::NumTxQueues(1)));
        assert_eq!(peer.header.change_mask, LinkFlags::empty(), "a peer that comes up at once fails with ENOTCONN");
        let seen = decode(&emitted(&request)).unwrap().state;
        assert_eq!((seen.index, seen.name.as_str(), seen.group, seen.mtu), (10, "web-eth0", MARK_GROUP, 9000));
    }

    #[test]
    fn master_and_up_go_together_and_hairpin_follows() {
        let change = LinkChange { master: Some(4), up: Some(true), hairpin: Some(true), ..Default::default() };
        let requests = set(9, &change);
        assert_eq!(requests.len(), 2);
        assert!(message(&requests[0]).attributes.contains(&LinkAttribute::Controller(4)));
        assert_eq!(message(&requests[0]).header.flags, LinkFlags::Up);
        assert_eq!(set(9, &LinkChange { hairpin: Some(false), ..Default::default() }).len(), 1);
        let change = LinkChange { alias: Some("a".into()), hairpin: None, ..change };
        assert_eq!(message(&set(9, &change)[0]).header.change_mask, LinkFlags::empty(), "marked while it is down");
        let change = LinkChange { up: Some(false), ..change };
        assert_eq!(set(9, &change).len(), 1);
        assert_eq!(set(9, &LinkChange::default()).len(), 0);
    }

    #[test]
    fn whether_there_is_a_link_local_address_is_said_before_a_device_comes_up() {
        let said = link_local_attribute(false);
        for up in [Some(true), None] {
            let requests = set(9, &LinkChange { link_local: Some(false), master: Some(4), up, ..Default::default() });
            assert!(message(&requests[0]).attributes.contains(&said));
            assert_eq!(message(&requests[0]).header.change_mask, LinkFlags::empty());
            assert!(requests[1..].iter().all(|request| !message(request).attributes.contains(&said)));
        }
    }

    #[test]
    fn a_bridge_remembers_an_mtu_that_is_the_default() {
        let requests = create_bridge(4, "br0", None, Some(1500), Some(false), Some(30000));
        assert!(message(&requests[0]).attributes.contains(&LinkAttribute::Mtu(1499)));
        assert!(message(&requests[1]).attributes.contains(&LinkAttribute::Mtu(1500)));
        let bridge = decode(&emitted(&requests[0])).unwrap().state.bridge.unwrap();
        assert_eq!((bridge.stp, bridge.ageing_time), (false, 30000));
    }

    #[test]
    fn a_cut_or_nameless_link_is_an_error() {
        let bytes = emitted(&create_veth(&end(10, "a"), &end(11, "b"), None, None));
        for length in [0, 15, 16, 18, bytes.len() - 1] {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes were taken");
        }
    }
}
