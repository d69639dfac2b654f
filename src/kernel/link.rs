//! Links ⇄ netlink.

use std::{collections::BTreeMap, os::fd::RawFd};

use rtnetlink::{
    packet_core::{DecodeError, DefaultNla, NLM_F_CREATE, NLM_F_EXCL, parse_i32, parse_u32},
    packet_route::{
        RouteNetlinkMessage,
        link::{
            BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth,
            LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkInfo, LinkMessage,
        },
    },
};

use super::{attributes::attributes, netlink::Request, reply::text};
use crate::{
    model::{
        Mac,
        mark::MARK_GROUP,
        snapshot::{BridgeState, LinkState, Peer, PortState},
    },
    op::{LinkChange, NewEnd},
};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_CONF: u16 = 2;
/// Places in the array of `IFLA_INET6_CONF` (linux/ipv6.h), which begins with 0.
const DEVCONF_DISABLE_IPV6: usize = 26;
const DEVCONF_ACCEPT_DAD: usize = 27;
/// Places in the array of `IFLA_INET_CONF`, which begins with 1 (linux/ip.h).
const IPV4_DEVCONF_FORWARDING: usize = 1;
const IPV4_DEVCONF_ROUTE_LOCALNET: usize = 26;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_PORT_KIND: u16 = 4;
const IFLA_INFO_PORT_DATA: u16 = 5;
const IFLA_BR_AGEING_TIME: u16 = 4;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_MODE: u16 = 4;
/// What of a port can be set, beside [`IFLA_BRPORT_MODE`] (linux/if_link.h): the rest of its numbers says what is going on.
const IFLA_BRPORT_SETTABLE: [u16; 23] =
    [2, 3, 5, 6, 7, 8, 9, 10, 12, 25, 27, 28, 29, 30, 31, 32, 33, 34, 37, 39, 40, 42, 43];
const HEADER: usize = 16;
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
    let LinkChange { alias, group, mac, mtu, master, up, rename, hairpin, stp, ageing_time } = change;
    let mut requests = Vec::new();
    // The kernel renames before it looks at the flags, and older ones refuse to while the device is up.
    let down_first = rename.is_some() && *up == Some(false);
    if down_first {
        requests.push(modify(with_up(at(index), false)));
    }
    let mut message = at(index);
    message.attributes.extend(alias.as_deref().map(alias_attribute));
    message.attributes.extend(group.map(LinkAttribute::Group));
    // Told once more of a device that is up, the kernel looks through all IPv6 routes of the namespace, each time: as
    // long as it is down these two tell nobody.
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

/// A link as a dump tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The link; a veth's `peer` has no namespace yet.
    pub state: LinkState,
    /// The number that this namespace has for the one that the veth's peer is in; `None` for this one itself.
    pub peer_nsid: Option<i32>,
}

/// Decodes what a `LinkState` holds and nothing else: foreign links may bear attributes that no library knows.
pub fn decode(payload: &[u8]) -> Result<Seen, DecodeError> {
    let header = LinkHeader::parse(payload)?;
    let mut state = LinkState {
        index: header.index,
        up: header.flags.contains(LinkFlags::Up),
        carrier: header.flags.contains(LinkFlags::LowerUp),
        ..LinkState::default()
    };
    let (mut link, mut peer_nsid) = (None, None);
    for attribute in attributes(&payload[HEADER..]) {
        let attribute = attribute?;
        let value = attribute.value();
        match attribute.kind() {
            IFLA_IFNAME => state.name = text(value),
            IFLA_ADDRESS => state.mac = <[u8; 6]>::try_from(value).ok().map(Mac),
            IFLA_MTU => state.mtu = parse_u32(value)?,
            IFLA_LINK => link = Some(parse_u32(value)?),
            IFLA_LINK_NETNSID => peer_nsid = Some(parse_i32(value)?),
            IFLA_MASTER => state.master = Some(parse_u32(value)?).filter(|&index| index != 0),
            IFLA_IFALIAS => state.alias = Some(text(value)).filter(|alias| !alias.is_empty()),
            IFLA_GROUP => state.group = parse_u32(value)?,
            IFLA_NUM_TX_QUEUES => state.queues = parse_u32(value)?,
            IFLA_LINKINFO => decode_info(value, &mut state)?,
            IFLA_AF_SPEC => decode_conf(value, &mut state)?,
            IFLA_PROP_LIST => state.altnames = decode_altnames(value)?,
            _ => {}
        }
    }
    if state.name.is_empty() {
        return Err("a link without a name".into());
    }
    if state.kind.as_deref() == Some("veth") {
        state.peer = link.filter(|&index| index != 0).map(|index| Peer { index, netns: None });
    }
    Ok(Seen { state, peer_nsid })
}

/// The same with all that a port may be told.
pub fn decode_whole(payload: &[u8]) -> Result<Seen, DecodeError> {
    let mut seen = decode(payload)?;
    if let Some(port) = &mut seen.state.port {
        for option in port_options(payload)? {
            if IFLA_BRPORT_SETTABLE.contains(&option.0) {
                port.rest.insert(option.0, option.1);
            }
        }
    }
    Ok(seen)
}

/// The attributes that a link has as a bridge's port.
fn port_options(payload: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, DecodeError> {
    let mut options = Vec::new();
    for attribute in attributes(&payload[HEADER..]) {
        let attribute = attribute?;
        if attribute.kind() != IFLA_LINKINFO {
            continue;
        }
        for info in attributes(attribute.value()) {
            let info = info?;
            if info.kind() == IFLA_INFO_PORT_DATA {
                for option in attributes(info.value()) {
                    let option = option?;
                    options.push((option.kind(), option.value().to_vec()));
                }
            }
        }
    }
    Ok(options)
}

/// The device's own values of `net.ipv4.conf.*` and `net.ipv6.conf.*`, which come with every dump.
fn decode_conf(value: &[u8], state: &mut LinkState) -> Result<(), DecodeError> {
    for family in attributes(value) {
        let family = family?;
        for attribute in attributes(family.value()) {
            let attribute = attribute?;
            let is_on = |place: usize| Some(parse_u32(attribute.value().chunks_exact(4).nth(place)?).ok()? != 0);
            match (i32::from(family.kind()), attribute.kind()) {
                (nix::libc::AF_INET, IFLA_INET_CONF) => {
                    state.forwarding = is_on(IPV4_DEVCONF_FORWARDING - 1);
                    state.route_localnet = is_on(IPV4_DEVCONF_ROUTE_LOCALNET - 1).unwrap_or_default();
                }
                (nix::libc::AF_INET6, IFLA_INET6_CONF) => {
                    state.ipv6 = is_on(DEVCONF_DISABLE_IPV6).map(|off| !off);
                    state.accept_dad = is_on(DEVCONF_ACCEPT_DAD);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn decode_altnames(value: &[u8]) -> Result<Vec<String>, DecodeError> {
    let mut names = Vec::new();
    for property in attributes(value) {
        let property = property?;
        if property.kind() == IFLA_ALT_IFNAME {
            names.push(text(property.value()));
        }
    }
    Ok(names)
}

fn decode_info(value: &[u8], state: &mut LinkState) -> Result<(), DecodeError> {
    let mut port_kind = String::new();
    for attribute in attributes(value) {
        let attribute = attribute?;
        match attribute.kind() {
            IFLA_INFO_KIND => state.kind = Some(text(attribute.value())),
            IFLA_INFO_DATA if state.kind.as_deref() == Some("bridge") => {
                let mut bridge = BridgeState::default();
                for option in attributes(attribute.value()) {
                    let option = option?;
                    match option.kind() {
                        IFLA_BR_AGEING_TIME => bridge.ageing_time = parse_u32(option.value())?,
                        IFLA_BR_STP_STATE => bridge.stp = parse_u32(option.value())? != 0,
                        _ => {}
                    }
                }
                state.bridge = Some(bridge);
            }
            IFLA_INFO_PORT_KIND => port_kind = text(attribute.value()),
            IFLA_INFO_PORT_DATA if port_kind == "bridge" => {
                let mut port = PortState::default();
                for option in attributes(attribute.value()) {
                    let option = option?;
                    if option.kind() == IFLA_BRPORT_MODE {
                        port.hairpin = option.value().first().is_some_and(|&mode| mode != 0);
                    }
                }
                state.port = Some(port);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a bridge's port does by the spanning tree; no attribute of the link, as it changes by itself.
pub fn port_state(payload: &[u8]) -> Result<Option<u8>, DecodeError> {
    for attribute in attributes(&payload[HEADER..]) {
        let attribute = attribute?;
        if attribute.kind() == IFLA_LINKINFO {
            return port_state_of(attribute.value());
        }
    }
    Ok(None)
}

fn port_state_of(info: &[u8]) -> Result<Option<u8>, DecodeError> {
    let (mut is_bridges, mut state) = (false, None);
    for attribute in attributes(info) {
        let attribute = attribute?;
        match attribute.kind() {
            IFLA_INFO_PORT_KIND => is_bridges = text(attribute.value()) == "bridge",
            IFLA_INFO_PORT_DATA => {
                for option in attributes(attribute.value()) {
                    let option = option?;
                    if option.kind() == IFLA_BRPORT_STATE {
                        state = option.value().first().copied();
                    }
                }
            }
            _ => {}
        }
    }
    Ok(state.filter(|_| is_bridges))
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
