//! Tracked connections: dumped, matched here, and deleted one by one. The kernel's own filter (CTA_FILTER) is not used:
//! for IPv6 its address match is inverted, and foreign flows would go.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use nix::ifaddrs::getifaddrs;

use super::{
    super::KernelError,
    netfilter::{self, NESTED, Netfilter, attributes, push_attribute},
};
use crate::{
    model::snapshot::Family,
    op::{FlowMatch, SoFar},
};

const SUBSYSTEM_CTNETLINK: u16 = 1;
const CT_GET: u16 = 1;
const CT_DELETE: u16 = 2;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;

/// Deletes the flows that match any of these.
pub(super) fn flush(wanted: &[FlowMatch]) -> Result<(), KernelError> {
    // To dump none takes the kernel as long as to dump many: it goes through a table of all namespaces', some 10 ms.
    if wanted.is_empty() || count() == Some(0) {
        return Ok(());
    }
    let socket = Netfilter::open().map_err(|error| KernelError::io("cannot open a netfilter socket", error))?;
    let local = local_addresses(wanted)?;
    for family in Family::ALL.into_iter().filter(|family| wanted.iter().any(|flow| flow.family == *family)) {
        let wanted: Vec<&FlowMatch> = wanted.iter().filter(|flow| flow.family == family).collect();
        for flow in dump(&socket, family)? {
            if wanted.iter().any(|wanted| matches(wanted, &flow, &local)) {
                delete(&socket, family, &flow)?;
            }
        }
    }
    Ok(())
}

/// One flow: what is matched of its original direction, where its answers come from and go to, and the attributes that
/// name it exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Flow {
    source: IpAddr,
    destination: IpAddr,
    reply_source: IpAddr,
    reply_destination: IpAddr,
    protocol: u8,
    port: Option<u16>,
    name: Vec<u8>,
}

fn matches(wanted: &FlowMatch, flow: &Flow, local: &[IpAddr]) -> bool {
    let destination = match (wanted.destination, wanted.ports) {
        (Some(net), _) => net.contains(&flow.destination),
        // A bare forward serves the namespace's own addresses; the same port elsewhere is somebody else's.
        (None, Some(_)) => flow.destination.is_loopback() || local.contains(&flow.destination),
        (None, None) => true,
    };
    destination
        && is_so_far(&wanted.so_far, flow)
        && wanted.protocol.is_none_or(|protocol| protocol == flow.protocol)
        && wanted.source.is_none_or(|net| net.contains(&flow.source))
        && wanted.ports.is_none_or(|(first, last)| flow.port.is_some_and(|port| (first..=last).contains(&port)))
}

/// A translation shows in the answers: they come from the new destination, and go to the new source.
fn is_so_far(so_far: &SoFar, flow: &Flow) -> bool {
    let new_source = (flow.reply_destination != flow.source).then_some(flow.reply_destination);
    match so_far {
        SoFar::LeadsTo(net) => flow.reply_source != flow.destination && net.contains(&flow.reply_source),
        SoFar::LeadsElsewhere(net) => !net.contains(&flow.reply_source),
        SoFar::SourceIsNew => new_source.is_some(),
        SoFar::SourceIsIn(ranges) => {
            new_source.is_some_and(|source| ranges.iter().any(|(first, last)| (*first..=*last).contains(&source)))
        }
        SoFar::SourceIsOldOr(addresses) => new_source.is_none_or(|source| addresses.contains(&source)),
    }
}

/// The namespace's own addresses, where any match asks for them.
fn local_addresses(wanted: &[FlowMatch]) -> Result<Vec<IpAddr>, KernelError> {
    if wanted.iter().all(|flow| flow.destination.is_some() || flow.ports.is_none()) {
        return Ok(Vec::new());
    }
    let all = getifaddrs().map_err(|error| KernelError::io("cannot list the namespace's addresses", error.into()))?;
    let address = |storage: &nix::sys::socket::SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    };
    Ok(all.filter_map(|interface| interface.address.as_ref().and_then(address)).collect())
}

fn dump(socket: &Netfilter, family: Family) -> Result<Vec<Flow>, KernelError> {
    let mut flows = Vec::new();
    let mut unread = 0usize;
    let result =
        socket.dump(SUBSYSTEM_CTNETLINK, CT_GET, netfilter::family_number(family), |_, payload| match read(payload) {
            Some(flow) => flows.push(flow),
            None => unread += 1,
        });
    let failed = |error| KernelError::io("cannot list the tracked connections", error);
    match result {
        // Without connection tracking there is nothing that could keep to its old way.
        Err(error) if netfilter::is_unsupported(&error) && count().unwrap_or(0) == 0 => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
        Ok(()) if unread > 0 => Err(failed(io::Error::other(format!("{unread} of them do not decode")))),
        Ok(()) => Ok(flows),
    }
}

/// How many there are in the calling thread's namespace, where that is told.
fn count() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").ok()?;
    text.trim().parse().ok()
}

fn read(payload: &[u8]) -> Option<Flow> {
    let find = |kind: u16| attributes(payload).find(|(k, _)| *k == kind).map(|(_, value)| value);
    let tuple = find(CTA_TUPLE_ORIG)?;
    let protocol = part(tuple, CTA_TUPLE_PROTO)?;
    let (source, destination) = ends(tuple)?;
    let (reply_source, reply_destination) = ends(find(CTA_TUPLE_REPLY)?)?;
    let of_protocol = |kind: u16| attributes(protocol).find(|(k, _)| *k == kind).map(|(_, value)| value);
    let port = of_protocol(CTA_PROTO_DST_PORT).and_then(|value| <[u8; 2]>::try_from(value).ok());
    let mut name = Vec::new();
    push_attribute(&mut name, CTA_TUPLE_ORIG | NESTED, tuple)?;
    // Without these another flow, in another zone or born since, could bear the same tuple.
    for kind in [CTA_ZONE, CTA_ID] {
        if let Some(value) = find(kind) {
            push_attribute(&mut name, kind, value)?;
        }
    }
    Some(Flow {
        source,
        destination,
        reply_source,
        reply_destination,
        protocol: *of_protocol(CTA_PROTO_NUM)?.first()?,
        port: port.map(u16::from_be_bytes),
        name,
    })
}

fn part(tuple: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(tuple).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

/// Source and destination of a tuple.
fn ends(tuple: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let ip = part(tuple, CTA_TUPLE_IP)?;
    let address = |v4: u16, v6: u16| {
        attributes(ip).find_map(|(kind, value)| match kind {
            kind if kind == v4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))),
            kind if kind == v6 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?))),
            _ => None,
        })
    };
    Some((address(CTA_IP_V4_SRC, CTA_IP_V6_SRC)?, address(CTA_IP_V4_DST, CTA_IP_V6_DST)?))
}

fn delete(socket: &Netfilter, family: Family, flow: &Flow) -> Result<(), KernelError> {
    match socket.request(SUBSYSTEM_CTNETLINK, CT_DELETE, netfilter::family_number(family), &flow.name) {
        // It ended by itself.
        Err(error) if error.raw_os_error() == Some(nix::libc::ENOENT) => Ok(()),
        Err(error) => {
            let what = format!("cannot delete the tracked connection from {} to {}", flow.source, flow.destination);
            Err(KernelError::io(what, error))
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(source: &str, destination: &str, protocol: u8, port: Option<u16>) -> Flow {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let (reply_source, reply_destination) = (destination, source);
        Flow { source, destination, reply_source, reply_destination, protocol, port, name: Vec::new() }
    }

    #[test]
    fn a_bare_forward_matches_its_port_on_the_namespaces_own_addresses_only() {
        let wanted = FlowMatch {
            family: Family::V4,
            protocol: Some(17),
            destination: None,
            ports: Some((53, 60)),
            source: None,
            so_far: SoFar::LeadsElsewhere("192.168.0.2/32".parse().unwrap()),
        };
        let local = ["10.0.0.1".parse().unwrap()];
        assert!(matches(&wanted, &flow("10.0.0.9", "10.0.0.1", 17, Some(53)), &local));
        assert!(matches(&wanted, &flow("127.0.0.1", "127.0.0.1", 17, Some(60)), &local));
        assert!(!matches(&wanted, &flow("10.0.0.9", "8.8.8.8", 17, Some(53)), &local), "somebody else's");
        assert!(!matches(&wanted, &flow("10.0.0.9", "10.0.0.1", 6, Some(53)), &local), "another protocol");
        assert!(!matches(&wanted, &flow("10.0.0.9", "10.0.0.1", 17, Some(61)), &local), "another port");
        assert!(!matches(&wanted, &flow("10.0.0.9", "10.0.0.1", 17, None), &local), "no port at all");
    }

    #[test]
    fn a_range_of_sources_matches_whatever_comes_from_it() {
        let source = Some("192.168.0.0/24".parse().unwrap());
        let so_far = SoFar::SourceIsOldOr(Vec::new());
        let wanted = FlowMatch { family: Family::V4, protocol: None, destination: None, ports: None, source, so_far };
        assert!(matches(&wanted, &flow("192.168.0.2", "8.8.8.8", 1, None), &[]));
        assert!(!matches(&wanted, &flow("192.168.1.2", "8.8.8.8", 1, None), &[]));
    }

    #[test]
    fn what_has_become_of_a_flow_is_read_from_its_answers() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let net = |text: &str| text.parse().unwrap();
        let plain = flow("10.0.0.9", "10.0.0.1", 6, Some(80));
        let forwarded = Flow { reply_source: address("192.168.0.2"), ..plain.clone() };
        let masked = Flow { reply_destination: address("203.0.113.1"), ..plain.clone() };
        let which = |so_far: SoFar| [&plain, &forwarded, &masked].map(|flow| is_so_far(&so_far, flow));
        assert_eq!(which(SoFar::LeadsTo(net("192.168.0.2/32"))), [false, true, false]);
        assert_eq!(which(SoFar::LeadsTo(net("10.0.0.1/32"))), [false; 3], "by no rule");
        assert_eq!(which(SoFar::LeadsElsewhere(net("192.168.0.2/32"))), [true, false, true]);
        assert_eq!(which(SoFar::SourceIsNew), [false, false, true]);
        let range = |first, last| SoFar::SourceIsIn(vec![(address(first), address(last))]);
        assert_eq!(which(range("203.0.113.0", "203.0.113.9")), [false, false, true]);
        assert_eq!(which(range("203.0.113.2", "203.0.113.9")), [false; 3]);
        assert_eq!(which(SoFar::SourceIsOldOr(vec![])), [true, true, false]);
        assert_eq!(which(SoFar::SourceIsOldOr(vec![address("203.0.113.1")])), [true; 3]);
    }
}
