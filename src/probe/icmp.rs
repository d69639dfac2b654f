//! ICMP messages: the echo that we send, and what may come back for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The bytes of an ICMP header.
const HEADER: usize = 8;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// One echo request, known again by all of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Echo {
    /// Where it goes.
    pub(super) target: IpAddr,
    /// Tells it from others' echoes in the same namespace.
    pub(super) ident: u16,
    /// Which try it is.
    pub(super) seq: u16,
    /// Its payload: two programs may have chosen the same `ident`.
    pub(super) token: [u8; 8],
}

/// What a received packet means for an echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Its answer.
    Reply,
    /// A router or host says that it could not be delivered.
    Refused(&'static str),
    /// Nothing: it is about something else.
    Unrelated,
}

impl Echo {
    /// The message as it goes to a raw socket, which puts the IP header before it.
    pub(super) fn request(&self) -> Vec<u8> {
        let kind = if self.target.is_ipv6() { 128 } else { 8 };
        let mut message = vec![kind, 0, 0, 0];
        message.extend(self.ident.to_be_bytes());
        message.extend(self.seq.to_be_bytes());
        message.extend(self.token);
        if self.target.is_ipv4() {
            // ICMPv6's covers the addresses as well, and the kernel fills it in.
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    /// Reads what a raw socket received from `source`: with the IP header for IPv4, without it for IPv6.
    pub(super) fn read(&self, source: IpAddr, packet: &[u8]) -> Heard {
        let message = match self.target {
            IpAddr::V4(_) => ipv4_payload(packet).map(|(_, message)| message),
            IpAddr::V6(_) => Some(packet),
        };
        let Some(&[kind, code, ..]) = message else { return Heard::Unrelated };
        let body = message.and_then(|message| message.get(HEADER..)).unwrap_or_default();
        let reply = if self.target.is_ipv6() { 129 } else { 0 };
        if kind == reply {
            let ours =
                source == self.target && self.heads(message.unwrap_or_default()) && body.starts_with(&self.token);
            return if ours { Heard::Reply } else { Heard::Unrelated };
        }
        match refusal(self.target.is_ipv6(), kind, code) {
            Some(words) if self.is_quoted_in(body) => Heard::Refused(words),
            _ => Heard::Unrelated,
        }
    }

    /// Whether an echo's header bears our numbers.
    fn heads(&self, message: &[u8]) -> bool {
        message.get(4..6) == Some(&self.ident.to_be_bytes()) && message.get(6..8) == Some(&self.seq.to_be_bytes())
    }

    /// Whether an error is about this echo: errors quote the packet from its IP header on.
    fn is_quoted_in(&self, packet: &[u8]) -> bool {
        let quoted = match self.target {
            IpAddr::V4(target) => ipv4_payload(packet).filter(|(to, _)| *to == target).map(|(_, message)| message),
            IpAddr::V6(target) => ipv6_payload(packet).filter(|(to, _)| *to == target).map(|(_, message)| message),
        };
        quoted.is_some_and(|message| self.heads(message))
    }
}

/// The destination and the ICMP message of an IPv4 packet.
fn ipv4_payload(packet: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    if packet.first()? >> 4 != 4 || *packet.get(9)? != ICMP {
        return None;
    }
    let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    Some((to.into(), packet.get(header..)?))
}

/// The destination and the ICMPv6 message of an IPv6 packet without extension headers, such as we send.
fn ipv6_payload(packet: &[u8]) -> Option<(Ipv6Addr, &[u8])> {
    if packet.first()? >> 4 != 6 || *packet.get(6)? != ICMPV6 {
        return None;
    }
    let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
    Some((to.into(), packet.get(40..)?))
}

/// An ICMP error in words; nothing for a message that is no error or that does not end a packet's way.
pub(super) fn refusal(v6: bool, kind: u8, code: u8) -> Option<&'static str> {
    Some(match (v6, kind, code) {
        (false, 3, 0 | 6 | 11) => "net unreachable",
        (false, 3, 1 | 7 | 8 | 12) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) => "port unreachable",
        (false, 3, 4) | (true, 2, _) => "packet too big",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 0) => "no route",
        (true, 1, 3) => "address unreachable",
        (true, 1, 4) => "port unreachable",
        (true, 1, 5) => "source address refused by policy",
        (true, 1, 6) => "route rejected",
        (false, 3, _) | (true, 1, _) => "unreachable",
        (false, 11, _) | (true, 3, _) => "time exceeded",
        (false, 12, _) | (true, 4, _) => "parameter problem",
        _ => return None,
    })
}

/// Whether an ICMP error says that the host is there and nothing listens on the port.
pub(super) fn is_port_unreachable(v6: bool, kind: u8, code: u8) -> bool {
    matches!((v6, kind, code), (false, 3, 3) | (true, 1, 4))
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(target: &str) -> Echo {
        Echo { target: target.parse().unwrap(), ident: 0x1234, seq: 2, token: *b"\x01\x02\x03\x04\x05\x06\x07\x08" }
    }

    /// An IPv4 packet of 20 bytes of header around an ICMP message.
    fn ipv4(to: Ipv4Addr, message: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, ICMP, 0, 0, 192, 0, 2, 1];
        packet.extend(to.octets());
        packet.extend(message);
        packet
    }

    fn ipv6(to: Ipv6Addr, message: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, ICMPV6, 64];
        packet.extend(Ipv6Addr::LOCALHOST.octets());
        packet.extend(to.octets());
        packet.extend(message);
        packet
    }

    fn error(kind: u8, code: u8, quoted: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
        message.extend(quoted);
        message
    }

    #[test]
    fn a_request_sums_to_zero_over_all() {
        let request = echo("10.0.0.2").request();
        assert_eq!(request[..2], [8, 0]);
        assert_eq!(request.len(), 16);
        assert_eq!(checksum(&request), 0);
        assert_eq!(echo("fd00::2").request()[..4], [128, 0, 0, 0]);
    }

    #[test]
    fn a_reply_is_known_by_source_numbers_and_payload() {
        let echo = echo("10.0.0.2");
        let us = Ipv4Addr::new(192, 0, 2, 1);
        let mut reply = echo.request();
        reply[0] = 0;
        assert_eq!(echo.read(echo.target, &ipv4(us, &reply)), Heard::Reply);
        assert_eq!(echo.read("10.0.0.3".parse().unwrap(), &ipv4(us, &reply)), Heard::Unrelated);
        assert_eq!(echo.read(echo.target, &ipv4(us, &echo.request())), Heard::Unrelated, "our own request, over lo");
        for at in [4, 7, 9] {
            let mut other = reply.clone();
            other[at] ^= 1;
            assert_eq!(echo.read(echo.target, &ipv4(us, &other)), Heard::Unrelated, "byte {at}");
        }
    }

    #[test]
    fn an_ipv6_reply_comes_without_its_ip_header() {
        let echo = echo("fd00::2");
        let mut reply = echo.request();
        reply[0] = 129;
        assert_eq!(echo.read(echo.target, &reply), Heard::Reply);
    }

    #[test]
    fn an_error_counts_where_it_quotes_our_echo() {
        let four = echo("10.0.0.2");
        let us = Ipv4Addr::new(192, 0, 2, 1);
        let router = "10.0.0.1".parse().unwrap();
        let quoting = |to: &str| ipv4(us, &error(3, 0, &ipv4(to.parse().unwrap(), &four.request()[..8])));
        assert_eq!(four.read(router, &quoting("10.0.0.2")), Heard::Refused("net unreachable"));
        assert_eq!(four.read(router, &quoting("10.0.0.9")), Heard::Unrelated);

        let six = echo("fd00::2");
        let quoted = ipv6("fd00::2".parse().unwrap(), &six.request());
        assert_eq!(six.read(router, &error(1, 1, &quoted)), Heard::Refused("administratively prohibited"));
        assert_eq!(six.read(router, &error(135, 0, &quoted)), Heard::Unrelated, "a neighbour solicitation");
    }

    #[test]
    fn no_truncated_packet_is_a_defect() {
        let four = echo("10.0.0.2");
        let whole = ipv4(Ipv4Addr::LOCALHOST, &error(3, 0, &ipv4([10, 0, 0, 2].into(), &four.request())));
        let six = echo("fd00::2");
        let whole6 = error(1, 0, &ipv6("fd00::2".parse().unwrap(), &six.request()));
        for end in 0..48 {
            assert_eq!(four.read(four.target, &whole[..end]), Heard::Unrelated);
            assert_eq!(six.read(six.target, &whole6[..end]), Heard::Unrelated);
        }
    }

    #[test]
    fn every_unreachable_has_words() {
        for code in 0..=255 {
            assert!(refusal(false, 3, code).is_some() && refusal(true, 1, code).is_some());
        }
        assert_eq!(refusal(true, 1, 3), Some("address unreachable"));
        assert_eq!(refusal(true, 1, 7), Some("unreachable"));
        assert_eq!(refusal(false, 5, 1), None, "a redirect does not end a packet's way");
    }
}
