//! Routes ⇄ netlink.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rtnetlink::{
    packet_core::{DecodeError, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, parse_u32},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        route::{
            RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteNextHop,
            RouteNextHopFlags, RouteScope, RouteType as Type, RouteVia,
        },
    },
};

use super::{
    address::{family, parse_ip},
    attributes::attributes,
    netlink::Request,
};
use crate::{
    model::{
        Raw,
        snapshot::{Nexthop, RouteState, RouteType},
    },
    op::RouteOp,
};

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;
const RTAX_MTU: u16 = 2;
const HEADER: usize = 12;
const NEXTHOP_HEADER: usize = 8;
const TABLE_LOCAL: u32 = 255;
const TABLE_UNSPEC: u8 = 0;
/// The metric that the kernel gives to an IPv6 route without one.
const IPV6_METRIC: u32 = 1024;

/// Adds a route, or puts it in another's place.
pub fn add(route: &RouteOp, replace: bool) -> Request {
    let mut message = message(route);
    message.header.scope = scope(route);
    message.attributes.extend(route.src.map(|src| RouteAttribute::PrefSource(src.into())));
    message.attributes.extend(route.mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])));
    let flags = NLM_F_CREATE | if replace { NLM_F_REPLACE } else { NLM_F_EXCL };
    Request::new(RouteNetlinkMessage::NewRoute(message), flags)
}

/// Removes a route: the very one, down to its next hops.
pub fn delete(route: &RouteOp) -> Request {
    let mut message = message(route);
    message.header.scope = RouteScope::NoWhere;
    if route.metric == 0 && route.to.addr().is_ipv6() {
        // No metric would match any, such as the 256 of the kernel's own prefix route.
        message.attributes.push(RouteAttribute::Priority(IPV6_METRIC));
    }
    Request::new(RouteNetlinkMessage::DelRoute(message), 0)
}

fn message(route: &RouteOp) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(route.to.addr());
    header.destination_prefix_length = route.to.prefix_len();
    header.table = u8::try_from(route.table).unwrap_or(TABLE_UNSPEC);
    header.protocol = route.protocol.into();
    header.kind = match route.kind {
        RouteType::Unicast => Type::Unicast,
        RouteType::Blackhole => Type::BlackHole,
        RouteType::Unreachable => Type::Unreachable,
        RouteType::Prohibit => Type::Prohibit,
    };
    if route.to.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(route.to.network().into()));
    }
    message.attributes.push(RouteAttribute::Table(route.table));
    if route.metric != 0 {
        message.attributes.push(RouteAttribute::Priority(route.metric));
    }
    match route.nexthops.as_slice() {
        [] => {}
        [hop] => {
            message.attributes.extend(hop.link.map(RouteAttribute::Oif));
            message.attributes.extend(hop.via.map(|via| gateway(route.to, via)));
            message.header.flags.set(RouteFlags::Onlink, hop.onlink);
        }
        hops => {
            let hops = hops.iter().map(|hop| nexthop(route.to, hop)).collect();
            message.attributes.push(RouteAttribute::MultiPath(hops));
        }
    }
    message
}

/// The kernel wants to know how far an IPv4 route reaches.
fn scope(route: &RouteOp) -> RouteScope {
    let direct = route.kind == RouteType::Unicast && route.nexthops.iter().all(|hop| hop.via.is_none());
    if direct && route.to.addr().is_ipv4() { RouteScope::Link } else { RouteScope::Universe }
}

fn gateway(to: IpNet, via: IpAddr) -> RouteAttribute {
    match (to, via) {
        (IpNet::V4(_), IpAddr::V6(via)) => RouteAttribute::Via(RouteVia::Inet6(via)),
        _ => RouteAttribute::Gateway(RouteAddress::from(via)),
    }
}

fn nexthop(to: IpNet, hop: &Nexthop) -> RouteNextHop {
    let mut next = RouteNextHop::default();
    next.interface_index = hop.link.unwrap_or_default();
    // The wire holds one less than the weight.
    next.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    next.flags.set(RouteNextHopFlags::Onlink, hop.onlink);
    next.attributes.extend(hop.via.map(|via| gateway(to, via)));
    next
}

/// Asks for all routes of a family, or those by one device.
pub fn dump(family: AddressFamily, device: Option<u32>) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.attributes.extend(device.map(RouteAttribute::Oif));
    RouteNetlinkMessage::GetRoute(message)
}

/// A route of the dump; `None` for what is nobody's to judge: table `local`, multicast, caches.
pub fn decode(payload: &[u8]) -> Result<Option<RouteState>, DecodeError> {
    let header = RouteHeader::parse(payload)?;
    let any = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return Ok(None),
    };
    // Most of a host's routes are those of table `local`, whose number needs no attribute.
    let cached = header.flags.contains(RouteFlags::Cloned);
    if cached
        || u32::from(header.table) == TABLE_LOCAL
        || matches!(header.kind, Type::Broadcast | Type::Multicast | Type::Anycast)
    {
        return Ok(None);
    }
    let mut to = any;
    let mut single = Nexthop { via: None, link: None, weight: 1, onlink: header.flags.contains(RouteFlags::Onlink) };
    let mut several = Vec::new();
    let mut route = RouteState {
        to: IpNet::from(any),
        table: header.table.into(),
        metric: 0,
        protocol: header.protocol.into(),
        kind: kind(&header),
        src: None,
        mtu: None,
        nexthops: Vec::new(),
        raw: Raw::default(),
    };
    for attribute in attributes(&payload[HEADER..]) {
        let attribute = attribute?;
        let value = attribute.value();
        match attribute.kind() {
            RTA_DST => to = parse_ip(value)?,
            RTA_TABLE => route.table = parse_u32(value)?,
            RTA_PRIORITY => route.metric = parse_u32(value)?,
            RTA_PREFSRC => route.src = Some(parse_ip(value)?),
            RTA_METRICS => route.mtu = decode_mtu(value)?,
            RTA_OIF => single.link = Some(parse_u32(value)?),
            RTA_GATEWAY => single.via = Some(parse_ip(value)?),
            RTA_VIA => single.via = decode_via(value)?,
            RTA_MULTIPATH => several = decode_nexthops(value)?,
            // By a next hop object, which is somebody's: it could be deleted by that only.
            RTA_NH_ID => route.kind = None,
            _ => {}
        }
    }
    if route.table == TABLE_LOCAL || route.table == 0 {
        return Ok(None);
    }
    route.to =
        IpNet::new(to, header.destination_prefix_length).map_err(|_| "a route with a prefix that is too long")?;
    route.nexthops = match route.kind {
        // For IPv6 the kernel hangs these on lo; for IPv4 on nothing.
        Some(RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit) => Vec::new(),
        _ if !several.is_empty() => several,
        _ => vec![single],
    };
    Ok(Some(route))
}

/// The same with the message itself.
pub fn decode_whole(payload: &[u8]) -> Result<Option<RouteState>, DecodeError> {
    Ok(decode(payload)?.map(|state| RouteState { raw: Raw(payload.into()), ..state }))
}

/// Routes that depend on more than the destination are none that we make.
fn kind(header: &RouteHeader) -> Option<RouteType> {
    if header.tos != 0 || header.source_prefix_length != 0 {
        return None;
    }
    match header.kind {
        Type::Unicast => Some(RouteType::Unicast),
        Type::BlackHole => Some(RouteType::Blackhole),
        Type::Unreachable => Some(RouteType::Unreachable),
        Type::Prohibit => Some(RouteType::Prohibit),
        _ => None,
    }
}

fn decode_mtu(value: &[u8]) -> Result<Option<u32>, DecodeError> {
    for metric in attributes(value) {
        let metric = metric?;
        if metric.kind() == RTAX_MTU {
            return parse_u32(metric.value()).map(Some);
        }
    }
    Ok(None)
}

/// A gateway of another family than the route: the family's number, then the address.
fn decode_via(value: &[u8]) -> Result<Option<IpAddr>, DecodeError> {
    match value.split_at_checked(2) {
        Some((_, address)) if matches!(address.len(), 4 | 16) => parse_ip(address).map(Some),
        Some(_) => Ok(None),
        None => Err("a gateway without a family".into()),
    }
}

fn decode_nexthops(mut bytes: &[u8]) -> Result<Vec<Nexthop>, DecodeError> {
    let mut hops = Vec::new();
    while !bytes.is_empty() {
        let length = match bytes {
            [a, b, ..] => usize::from(u16::from_ne_bytes([*a, *b])),
            _ => 0,
        };
        let hop = bytes.get(..length).filter(|hop| hop.len() >= NEXTHOP_HEADER).ok_or("a next hop that is cut off")?;
        let mut next = Nexthop {
            via: None,
            link: Some(parse_u32(&hop[4..8])?).filter(|&index| index != 0),
            weight: u16::from(hop[3]) + 1,
            onlink: RouteNextHopFlags::from_bits_retain(hop[2]).contains(RouteNextHopFlags::Onlink),
        };
        for attribute in attributes(&hop[NEXTHOP_HEADER..]) {
            let attribute = attribute?;
            match attribute.kind() {
                RTA_GATEWAY => next.via = Some(parse_ip(attribute.value())?),
                RTA_VIA => next.via = decode_via(attribute.value())?,
                _ => {}
            }
        }
        hops.push(next);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

#[cfg(test)]
mod tests {
    use super::{super::netlink::Body, *};
    use rtnetlink::packet_core::Emitable;

    fn route(to: &str) -> RouteOp {
        RouteOp {
            to: to.parse().unwrap(),
            table: 254,
            metric: 0,
            protocol: 76,
            kind: RouteType::Unicast,
            src: None,
            mtu: None,
            nexthops: Vec::new(),
        }
    }

    fn hop(via: &str, link: u32, weight: u16) -> Nexthop {
        Nexthop { via: Some(via.parse().unwrap()), link: Some(link), weight, onlink: false }
    }

    fn round(route: &RouteOp) -> RouteState {
        let request = add(route, false);
        let Body::Message(RouteNetlinkMessage::NewRoute(message)) = &request.body else { panic!("{request:?}") };
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        decode(&bytes).unwrap().unwrap()
    }

    #[test]
    fn every_attribute_of_a_route_reads_back() {
        let mut wanted = route("10.9.0.0/16");
        wanted.table = 1000;
        wanted.metric = 50;
        wanted.src = Some("192.168.0.2".parse().unwrap());
        wanted.mtu = Some(1400);
        wanted.nexthops = vec![Nexthop { onlink: true, ..hop("192.168.0.1", 3, 1) }];
        let seen = round(&wanted);
        assert_eq!((seen.to, seen.table, seen.metric, seen.protocol), (wanted.to, 1000, 50, 76));
        assert_eq!((seen.src, seen.mtu, seen.nexthops), (wanted.src, Some(1400), wanted.nexthops));
    }

    #[test]
    fn weights_and_mixed_families_survive() {
        let mut wanted = route("10.7.0.0/16");
        wanted.nexthops = vec![hop("192.168.0.1", 3, 2), hop("fe80::1", 4, 256)];
        assert_eq!(round(&wanted).nexthops, wanted.nexthops);
        let mut wanted = route("::/0");
        wanted.nexthops = vec![hop("fd00::1", 3, 1)];
        assert_eq!(round(&wanted).nexthops, wanted.nexthops);
    }

    #[test]
    fn a_blackhole_has_no_next_hops() {
        let mut wanted = route("fd00:6::/64");
        wanted.kind = RouteType::Blackhole;
        let seen = round(&wanted);
        assert_eq!((seen.kind, seen.nexthops), (Some(RouteType::Blackhole), Vec::new()));
    }

    #[test]
    fn a_next_hop_that_is_cut_off_is_an_error() {
        assert!(decode_nexthops(&[16, 0, 0, 0, 3, 0, 0, 0]).is_err());
        assert!(decode_nexthops(&[0, 0]).is_err());
        assert!(decode_nexthops(&[4, 0, 0, 0]).is_err());
    }
}
