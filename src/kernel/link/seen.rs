//! Netlink → links, as a dump tells them.

use rtnetlink::{
    packet_core::{DecodeError, parse_i32, parse_u32},
    packet_route::link::{LinkFlags, LinkHeader},
};

use super::{
    super::{attributes::attributes, reply::text},
    IFLA_IFALIAS,
};
use crate::model::{
    Mac,
    snapshot::{BridgeState, LinkState, Peer, PortState},
};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
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
