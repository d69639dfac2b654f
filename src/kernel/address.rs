//! Addresses ⇄ netlink.

use std::{
    ffi::CStr,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use rtnetlink::{
    packet_core::{DecodeError, NLM_F_CREATE, NLM_F_REPLACE, parse_u32},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::{AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage, AddressScope},
    },
};

use super::{attributes::attributes, netlink::Request};
use crate::model::{Raw, snapshot::AddressState};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const HEADER: usize = 8;

/// The netlink family of an address.
pub fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Four or sixteen bytes as an address.
pub fn parse_ip(bytes: &[u8]) -> Result<IpAddr, DecodeError> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ok(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes)
        .map(|sixteen| Ipv6Addr::from(sixteen).into())
        .map_err(|_| DecodeError::invalid_ip_address(bytes.len()))
}

fn message(link: u32, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.index = link;
    if address.addr().is_ipv4() && address.addr().is_loopback() {
        // The kernel takes 127.0.0.0/8 with no other scope.
        message.header.scope = AddressScope::Host;
    }
    message.attributes = vec![AddressAttribute::Local(address.addr()), AddressAttribute::Address(address.addr())];
    message
}

/// Adds an address; an IPv6 one without duplicate address detection. One that is there already is what was wanted: where
/// a primary IPv4 address goes, its subnet's others go along or stay by `promote_secondaries`, so they are given again.
pub fn add(link: u32, address: IpNet, protocol: u8) -> Request {
    let mut message = message(link, address);
    // Linux before 5.18 passes over it.
    message.attributes.push(AddressAttribute::Protocol(protocol.into()));
    if address.addr().is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    Request::new(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
}

/// Removes an address.
pub fn delete(link: u32, address: IpNet) -> Request {
    Request::new(RouteNetlinkMessage::DelAddress(message(link, address)), 0)
}

/// Asks for all addresses of a family, or those of one device.
pub fn dump(family: AddressFamily, device: Option<u32>) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = family;
    message.header.index = device.unwrap_or_default();
    RouteNetlinkMessage::GetAddress(message)
}

/// An address of the dump; `None` for families that are not IP.
pub fn decode(payload: &[u8]) -> Result<Option<AddressState>, DecodeError> {
    let header = AddressHeader::parse(payload)?;
    if !matches!(header.family, AddressFamily::Inet | AddressFamily::Inet6) {
        return Ok(None);
    }
    let (mut local, mut address, mut protocol) = (None, None, 0);
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    for attribute in attributes(&payload[HEADER..]) {
        let attribute = attribute?;
        match attribute.kind() {
            IFA_LOCAL => local = Some(parse_ip(attribute.value())?),
            IFA_ADDRESS => address = Some(parse_ip(attribute.value())?),
            IFA_FLAGS => flags = AddressFlags::from_bits_retain(parse_u32(attribute.value())?),
            IFA_PROTO => protocol = attribute.value().first().copied().unwrap_or_default(),
            _ => {}
        }
    }
    // On a point-to-point device IFA_ADDRESS is the other side's.
    let own = local.or(address).ok_or("an address message without an address")?;
    let address = IpNet::new(own, header.prefix_len).map_err(|_| "an address with a prefix that is too long")?;
    Ok(Some(AddressState {
        link: header.index,
        address,
        dynamic: !flags.contains(AddressFlags::Permanent),
        link_local: header.scope == AddressScope::Link,
        nodad: flags.contains(AddressFlags::Nodad),
        dad_failed: flags.contains(AddressFlags::Dadfailed),
        protocol,
        label: None,
        raw: Raw::default(),
    }))
}

/// The same with the message itself.
pub fn decode_whole(payload: &[u8]) -> Result<Option<AddressState>, DecodeError> {
    Ok(decode(payload)?.map(|state| AddressState { label: label(payload), raw: Raw(payload.into()), ..state }))
}

fn label(payload: &[u8]) -> Option<String> {
    let label = attributes(payload.get(HEADER..)?).flatten().find(|attribute| attribute.kind() == IFA_LABEL)?;
    let text = CStr::from_bytes_until_nul(label.value()).ok()?;
    Some(text.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::{super::netlink::Body, *};
    use rtnetlink::packet_core::Emitable;

    fn emitted(request: &Request) -> Vec<u8> {
        let Body::Message(RouteNetlinkMessage::NewAddress(message)) = &request.body else { panic!("{request:?}") };
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    #[test]
    fn an_ipv6_address_is_nodad_and_reads_back() {
        let address: IpNet = "fd00:10::1/64".parse().unwrap();
        let state = decode(&emitted(&add(7, address, 76))).unwrap().unwrap();
        assert_eq!((state.link, state.address, state.nodad, state.protocol), (7, address, true, 76));
    }

    #[test]
    fn an_ipv4_address_keeps_its_host_bits() {
        let address: IpNet = "192.168.0.2/24".parse().unwrap();
        let state = decode(&emitted(&add(3, address, 0))).unwrap().unwrap();
        assert_eq!((state.address, state.nodad), (address, false));
        assert!(decode(&emitted(&add(3, address, 0))[..7]).is_err());
    }
}
