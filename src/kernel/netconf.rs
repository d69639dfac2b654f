//! Whether a namespace forwards, by netlink: a tenth of what its files below `/proc/sys` cost.

use rtnetlink::packet_core::DecodeError;

use super::{
    attributes::attributes,
    netlink::{Request, RouteSocket, TransportError},
};

const RTM_GETNETCONF: u16 = 82;
const NETCONFA_IFINDEX: u16 = 1;
const NETCONFA_FORWARDING: u16 = 2;
/// Instead of a device's index.
const ALL: i32 = -1;
const DEFAULT: i32 = -2;
const HEADER: usize = 4;

/// What can be asked for, as family and place.
const KEYS: [(&str, i32, i32); 3] = [
    ("net/ipv4/ip_forward", nix::libc::AF_INET, ALL),
    ("net/ipv4/conf/default/forwarding", nix::libc::AF_INET, DEFAULT),
    ("net/ipv6/conf/all/forwarding", nix::libc::AF_INET6, ALL),
];

/// Their names.
pub fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(key, ..)| *key)
}

/// The values of those of the keys that netlink tells in the socket's namespace.
pub fn read<'k>(
    socket: &mut RouteSocket,
    keys: impl Iterator<Item = &'k str>,
) -> Result<Vec<(&'k str, String)>, TransportError> {
    let places = keys.filter_map(|key| KEYS.iter().find(|(it, ..)| *it == key).map(|place| (key, place)));
    let (names, requests): (Vec<&str>, Vec<Request>) =
        places.map(|(key, (_, family, index))| (key, request(*family, *index))).unzip();
    let answers = socket.query(&requests, decode)?;
    let told = names.into_iter().zip(answers);
    Ok(told.filter_map(|(key, answer)| Some((key, answer.ok()??.to_string()))).collect())
}

fn request(family: i32, index: i32) -> Request {
    let mut payload = vec![u8::try_from(family).unwrap_or_default(), 0, 0, 0];
    payload.extend(8u16.to_ne_bytes());
    payload.extend(NETCONFA_IFINDEX.to_ne_bytes());
    payload.extend(index.to_ne_bytes());
    Request::bytes(RTM_GETNETCONF, payload, 0)
}

fn decode(payload: &[u8]) -> Result<Option<i32>, DecodeError> {
    for attribute in attributes(payload.get(HEADER..).ok_or("a namespace's configuration without a header")?) {
        let attribute = attribute?;
        if attribute.kind() == NETCONFA_FORWARDING {
            return Ok(Some(rtnetlink::packet_core::parse_i32(attribute.value())?));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{super::sysctl as file, *};

    #[test]
    fn netlink_and_the_files_say_the_same() {
        let mut socket = RouteSocket::open().unwrap();
        let keys = KEYS.map(|(key, ..)| key);
        let told = read(&mut socket, keys.into_iter().chain(["net/ipv4/tcp_ecn"])).unwrap();
        assert_eq!(told.len(), keys.len());
        for (key, value) in told {
            assert_eq!(file::read(key).unwrap(), Some(value), "{key}");
        }
    }
}
