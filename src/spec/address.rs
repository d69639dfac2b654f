//! IP addresses, networks and ports in text, and in words what is wrong with one that is not.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use ipnet::IpNet;

use super::de::{NetForm, meant, text::Wrong};

const CODE: &str = "address::invalid";

/// Reads an address without a prefix length.
pub fn ip(text: &str) -> Result<IpAddr, Wrong> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some((address, _)) = text.split_once('/').filter(|(address, _)| address.parse::<IpAddr>().is_ok()) {
        let message = format!("`{text}` has a prefix length, and an address alone is wanted");
        let wrong = Wrong::new(CODE, message, "a length too many").range(address.len()..text.len());
        return Err(wrong.help(format!("write {address}")));
    }
    let (reason, range) = reason(text);
    let message = format!("`{}` is not an IP address: {reason}", text.escape_debug());
    Err(Wrong { range, ..Wrong::new(CODE, message, "not an IP address") })
}

/// Whether a text was plainly meant as an address, and not as a name.
pub fn looks_like_ip(text: &str) -> bool {
    let v4 = text.split('.').count() == 4 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
    v4 || (hex && text.bytes().filter(|b| *b == b':').count() >= 2)
}

/// Why a text is not an address, and which of its bytes are to blame.
fn reason(text: &str) -> (String, Option<Range<usize>>) {
    if text.is_empty() {
        return ("it is empty".into(), None);
    }
    if text.contains(':') { reason_v6(text) } else { reason_v4(text) }
}

fn reason_v4(text: &str) -> (String, Option<Range<usize>>) {
    let mut start = 0;
    for part in text.split('.') {
        let range = start..start + part.len();
        start = range.end + 1;
        let why = if part.is_empty() {
            "a part between the dots is empty".to_owned()
        } else if let Some(c) = part.chars().find(|c| !c.is_ascii_digit()) {
            format!("`{}` is not a digit", c.escape_debug())
        } else if part.len() > 1 && part.starts_with('0') {
            format!("{part} begins with a zero")
        } else if part.parse::<u8>().is_err() {
            format!("{part} is greater than 255")
        } else {
            continue;
        };
        let range = if range.is_empty() { None } else { Some(range) };
        return (why, range);
    }
    (format!("it has {} of 4 parts", text.split('.').count()), None)
}

fn reason_v6(text: &str) -> (String, Option<Range<usize>>) {
    if let Some(at) = text.find('%') {
        return ("a zone such as %eth0 has no place in a file".into(), Some(at..text.len()));
    }
    let bad = text.char_indices().find(|(_, c)| !(c.is_ascii_hexdigit() || matches!(c, ':' | '.')));
    if let Some((at, c)) = bad {
        return (format!("`{}` is not a hex digit", c.escape_debug()), Some(at..at + c.len_utf8()));
    }
    if text.matches("::").count() > 1 || text.contains(":::") {
        return ("`::` may stand in it once".into(), None);
    }
    let mut start = 0;
    for group in text.split(':') {
        let range = start..start + group.len();
        start = range.end + 1;
        if group.len() > 4 && !group.contains('.') {
            return (format!("the group {group} has more than four digits"), Some(range));
        }
    }
    let groups = text.split(':').filter(|g| !g.is_empty()).count();
    match text.contains("::") {
        false if groups != 8 => (format!("it has {groups} of 8 groups, and no `::`"), None),
        true if groups > 7 => ("it has no room for its `::`".into(), None),
        _ => ("a colon or group is misplaced".into(), None),
    }
}

/// Reads an address with a prefix length, of the form that is wanted.
pub fn net(text: &str, form: NetForm) -> Result<IpNet, Wrong> {
    let Some((address, length)) = text.split_once('/') else {
        let address = ip(text)?;
        return match form {
            NetForm::Range => Ok(IpNet::from(address)),
            NetForm::Interface | NetForm::Subnet => Err(no_length(text, address, form)),
        };
    };
    let address = ip(address).map_err(|wrong| wrong.shifted(0, address.len()))?;
    let net = with_length(text, address, length)?;
    match form {
        NetForm::Interface => assignable(text, address).map(|()| net),
        NetForm::Subnet | NetForm::Range => no_host_bits(text, net),
    }
}

fn max_length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn no_length(text: &str, address: IpAddr, form: NetForm) -> Wrong {
    let message = format!("`{text}` has no prefix length");
    let wrong = Wrong::new("address::length", message, "how long is its prefix?");
    match form {
        NetForm::Interface => {
            let usual = if address.is_ipv4() { 24 } else { 64 };
            wrong.help(format!(
                "write {address}/{usual} for an address in such a subnet, {address}/{} alone",
                max_length(address)
            ))
        }
        NetForm::Subnet | NetForm::Range => {
            let usual = if address.is_ipv4() { 24 } else { 64 };
            wrong.help(format!(
                "write a subnet, such as {}/{usual}",
                IpNet::new(address, usual).map_or(address, |n| n.network())
            ))
        }
    }
}

fn with_length(text: &str, address: IpAddr, length: &str) -> Result<IpNet, Wrong> {
    let at = text.len() - length.len();
    let blame = |message: String| Wrong::new(CODE, message, "not a prefix length").range(at..text.len());
    let plain = !length.is_empty() && length.len() <= 3 && length.bytes().all(|b| b.is_ascii_digit());
    let max = max_length(address);
    if !plain || (length.len() > 1 && length.starts_with('0')) {
        let message = format!("`{}` is not a prefix length, which is a number up to {max}", length.escape_debug());
        return Err(match mask_length(length) {
            Some(bits) if address.is_ipv4() => blame(message).help(format!("write {address}/{bits}")),
            _ if length.is_empty() => Wrong::new(CODE, format!("`{text}` ends with a `/`"), "no prefix length"),
            _ => blame(message),
        });
    }
    let bits = length.parse::<u8>().ok();
    bits.and_then(|bits| IpNet::new(address, bits).ok()).ok_or_else(|| {
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        blame(format!("/{length} is longer than an {family} prefix can be, which is /{max}"))
    })
}

/// The prefix length of a netmask such as 255.255.255.0.
fn mask_length(text: &str) -> Option<u8> {
    ipnet::ipv4_mask_to_prefix(text.parse().ok()?).ok()
}

/// An address that an interface can have.
fn assignable(text: &str, address: IpAddr) -> Result<(), Wrong> {
    let kind = if address.is_unspecified() {
        "the unspecified address"
    } else if address.is_multicast() {
        "a multicast address"
    } else if address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        "the broadcast address"
    } else {
        return Ok(());
    };
    let end = text.find('/').unwrap_or(text.len());
    Err(Wrong::new(CODE, format!("`{address}` is {kind}, which no interface can have"), kind).range(0..end))
}

fn no_host_bits(text: &str, net: IpNet) -> Result<IpNet, Wrong> {
    if net.trunc() == net {
        return Ok(net);
    }
    let message = format!("`{text}` has bits set behind its prefix length, so it is not a network");
    let help =
        format!("write {} for the network, {}/{} for the one address", net.trunc(), net.addr(), net.max_prefix_len());
    Err(Wrong::new("address::host_bits", message, "not a network").help(help))
}

/// Reads `PORT` or `PORT-PORT`.
pub fn ports(text: &str) -> Result<(u16, u16), Wrong> {
    match text.split_once('-') {
        None => port(text).map(|port| (port, port)),
        Some(("", _)) => port(text).map(|port| (port, port)),
        Some((first, last)) => {
            let at = first.len() + 1;
            let low = port(first).map_err(|wrong| wrong.shifted(0, first.len()))?;
            let high = port(last).map_err(|wrong| wrong.shifted(at, last.len()))?;
            if low > high {
                let message = format!("the range of ports {text} runs backwards");
                return Err(Wrong::new("port::invalid", message, "backwards").help(format!("write {high}-{low}")));
            }
            Ok((low, high))
        }
    }
}

/// Reads one port.
pub fn port(text: &str) -> Result<u16, Wrong> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let plain = digits && (text.len() == 1 || !text.starts_with('0'));
    match text.parse::<u16>() {
        Ok(port) if plain && port > 0 => Ok(port),
        _ => {
            let message = format!("`{}` is not a port, which is a number from 1 to 65535", text.escape_debug());
            let help = meant::advice(text).filter(|_| text.bytes().any(|b| b != b'0'));
            Err(Wrong { help, ..Wrong::new("port::invalid", message, "not a port") })
        }
    }
}

/// A text that may end with `:PORTS`, cut there: what stands before, and where the ports begin. Brackets around an IPv6
/// address are taken off; without them its colons are its own.
pub struct HostPorts<'t> {
    /// What stands before the ports.
    pub host: &'t str,
    /// Where it begins.
    pub host_at: usize,
    /// The text of the ports, and where it begins.
    pub ports: Option<(usize, &'t str)>,
    /// Whether the host stood in brackets.
    pub brackets: bool,
}

/// Cuts `HOST`, `HOST:PORTS`, `[V6]`, `[V6]:PORTS`.
pub fn host_ports(text: &str) -> Result<HostPorts<'_>, Wrong> {
    if let Some(inside) = text.strip_prefix('[') {
        let Some((host, rest)) = inside.split_once(']') else {
            return Err(
                Wrong::new(CODE, format!("`{text}` has a bracket that is not closed"), "opened here").range(0..1)
            );
        };
        let ports = match rest.strip_prefix(':') {
            Some(ports) => Some((text.len() - ports.len(), ports)),
            None if rest.is_empty() => None,
            None => {
                let wrong =
                    Wrong::new(CODE, format!("`{text}` goes on after its bracket without a colon"), "after `]`");
                return Err(wrong.range(text.len() - rest.len()..text.len()).help(format!("write [{host}]:PORT")));
            }
        };
        return Ok(HostPorts { host, host_at: 1, ports, brackets: true });
    }
    let bare = HostPorts { host: text, host_at: 0, ports: None, brackets: false };
    if text.parse::<Ipv6Addr>().is_ok() || text.bytes().filter(|b| *b == b':').count() > 1 {
        return Ok(bare);
    }
    Ok(match text.split_once(':') {
        Some((host, ports)) => HostPorts { host, ports: Some((host.len() + 1, ports)), ..bare },
        None => bare,
    })
}

impl HostPorts<'_> {
    /// The ports, where there are some.
    pub fn read_ports(&self) -> Result<Option<(u16, u16)>, Wrong> {
        self.ports.map(|(at, text)| ports(text).map_err(|wrong| wrong.shifted(at, text.len()))).transpose()
    }

    /// The host as an address.
    pub fn read_ip(&self) -> Result<IpAddr, Wrong> {
        ip(self.host).map_err(|wrong| wrong.shifted(self.host_at, self.host.len()))
    }

    /// Whether the host was meant as an address, and not as a name.
    pub fn is_ip(&self) -> bool {
        self.brackets || looks_like_ip(self.host) || self.host.parse::<IpAddr>().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str, form: NetForm) -> String {
        net(text, form).map_or_else(|wrong| wrong.message, |net| format!("taken as {net}"))
    }

    #[test]
    fn networks_are_read_by_their_form() {
        for (text, form, read) in [
            ("192.168.0.2/24", NetForm::Interface, "192.168.0.2/24"),
            ("fd00::1/64", NetForm::Interface, "fd00::1/64"),
            ("10.0.0.2/31", NetForm::Subnet, "10.0.0.2/31"),
            ("10.0.0.7", NetForm::Range, "10.0.0.7/32"),
            ("fd00::7", NetForm::Range, "fd00::7/128"),
            ("0.0.0.0/0", NetForm::Range, "0.0.0.0/0"),
        ] {
            assert_eq!(net(text, form).unwrap().to_string(), read);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_bytes() {
        for (text, form, message) in [
            ("10.0.0.300/24", NetForm::Interface, "`10.0.0.300` is not an IP address: 300 is greater than 255"),
            ("10.0.0/24", NetForm::Interface, "`10.0.0` is not an IP address: it has 3 of 4 parts"),
            ("10.0.0.1/33", NetForm::Interface, "/33 is longer than an IPv4 prefix can be, which is /32"),
            ("fd00::1/129", NetForm::Interface, "/129 is longer than an IPv6 prefix can be, which is /128"),
            ("10.0.0.1", NetForm::Interface, "`10.0.0.1` has no prefix length"),
            (
                "10.0.0.1/24",
                NetForm::Range,
                "`10.0.0.1/24` has bits set behind its prefix length, so it is not a network",
            ),
            ("010.0.0.1/24", NetForm::Range, "`010.0.0.1` is not an IP address: 010 begins with a zero"),
            ("fd00::1::2/64", NetForm::Range, "`fd00::1::2` is not an IP address: `::` may stand in it once"),
            ("fd00:1/64", NetForm::Range, "`fd00:1` is not an IP address: it has 2 of 8 groups, and no `::`"),
            ("fg00::/64", NetForm::Range, "`fg00::` is not an IP address: `g` is not a hex digit"),
            ("224.0.0.1/24", NetForm::Interface, "`224.0.0.1` is a multicast address, which no interface can have"),
            ("10.0.0.1/", NetForm::Interface, "`10.0.0.1/` ends with a `/`"),
            ("", NetForm::Interface, "`` is not an IP address: it is empty"),
        ] {
            assert_eq!(why(text, form), message, "{text}");
        }
        assert_eq!(net("10.0.0.300/24", NetForm::Range).unwrap_err().range, Some(7..10));
        assert_eq!(net("10.0.0.1/33", NetForm::Range).unwrap_err().range, Some(9..11));
        let mask = net("10.0.0.1/255.255.0.0", NetForm::Interface).unwrap_err();
        assert_eq!(mask.help.as_deref(), Some("write 10.0.0.1/16"));
        let host_bits = net("10.1.2.3/16", NetForm::Range).unwrap_err();
        assert!(host_bits.help.unwrap().starts_with("write 10.1.0.0/16 "));
    }

    #[test]
    fn ports_are_read_and_refused() {
        assert_eq!(ports("80"), Ok((80, 80)));
        assert_eq!(ports("9000-9010"), Ok((9000, 9010)));
        for bad in ["0", "65536", "", "-", "80-", "-80", "90-80", "080", "+80", "8O", "80-90-100"] {
            assert!(ports(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_host_is_cut_from_its_ports() {
        let cut =
            |text| host_ports(text).map(|cut| (cut.host.to_owned(), cut.ports.map(|(_, ports)| ports.to_owned())));
        let ok = |host: &str, ports: Option<&str>| Ok((host.to_owned(), ports.map(str::to_owned)));
        assert_eq!(cut("web:80"), ok("web", Some("80")));
        assert_eq!(cut("web"), ok("web", None));
        assert_eq!(cut("[fd00::3]:80-90"), ok("fd00::3", Some("80-90")));
        assert_eq!(cut("[fd00::3]"), ok("fd00::3", None));
        assert_eq!(cut("fd00::3"), ok("fd00::3", None));
        assert!(host_ports("[fd00::3").is_err());
        assert!(host_ports("[fd00::3]80").is_err());
    }
}
