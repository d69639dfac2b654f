//! Some devices of a namespace with what depends on them. On a host with a thousand ports that is a twentieth of the whole.

use std::{collections::BTreeSet, net::IpAddr};

use nix::errno::Errno;
use rtnetlink::{
    packet_core::DecodeError,
    packet_route::{AddressFamily, RouteNetlinkMessage},
};

use super::{
    KernelError, address, link,
    netlink::{RouteSocket, TransportError},
    peers::Reading,
    route,
};
use crate::model::snapshot::{AddressState, RouteState};

/// Up to so many, each is asked for by itself: every dump goes through all that there is, however little of it it tells.
const FEW: usize = 8;
/// How many links are asked for together: each answer takes some KiB of the socket's room.
const LINKS_AT_ONCE: usize = 32;
const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// Reads the devices with these indexes as far as they are there, their addresses, and the routes by them. Where other routes
/// may depend on them it reads those too.
pub fn read(socket: &mut RouteSocket, indexes: &BTreeSet<u32>, whole: bool) -> Result<Reading, KernelError> {
    let mut reading = Reading::new(links(socket, indexes, whole)?);
    reading.state.addresses = addresses(socket, indexes, whole)?.into();
    let others_may_depend = reading.state.addresses.iter().any(|it| may_be_a_source(it.address.addr()));
    reading.state.routes = routes(socket, indexes, whole, others_may_depend)?;
    Ok(reading)
}

fn may_be_a_source(address: IpAddr) -> bool {
    !matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn links(socket: &mut RouteSocket, indexes: &BTreeSet<u32>, whole: bool) -> Result<Vec<link::Seen>, KernelError> {
    let decode = if whole { link::decode_whole } else { link::decode };
    let requests: Vec<_> = indexes.iter().map(|index| link::get(*index)).collect();
    let mut seen = Vec::with_capacity(requests.len());
    for requests in requests.chunks(LINKS_AT_ONCE) {
        let answers = socket.query(requests, decode).map_err(|error| error.into_error("cannot read the links"))?;
        for answer in answers {
            match answer {
                Ok(link) => seen.push(link),
                Err(refusal) if refusal.errno == Errno::ENODEV as i32 => {}
                Err(refusal) => return Err(refusal.into_error("cannot read the links")),
            }
        }
    }
    Ok(seen)
}

fn addresses(socket: &mut RouteSocket, indexes: &BTreeSet<u32>, whole: bool) -> Result<Vec<AddressState>, KernelError> {
    let decode = if whole { address::decode_whole } else { address::decode };
    let mut found = by_device(socket, indexes, address::dump, decode, "cannot read the addresses")?;
    // Kernels before 4.20 do not heed what is asked for.
    found.retain(|it| indexes.contains(&it.link));
    Ok(found)
}

fn routes(
    socket: &mut RouteSocket,
    indexes: &BTreeSet<u32>,
    whole: bool,
    all: bool,
) -> Result<Vec<RouteState>, KernelError> {
    const WHAT: &str = "cannot read the routes";
    let decode = if whole { route::decode_whole } else { route::decode };
    let is_others =
        |route: &RouteState| route.nexthops.iter().any(|hop| !hop.link.is_some_and(|it| indexes.contains(&it)));
    let mut found = Vec::new();
    if !all {
        found = by_device(socket, indexes, route::dump, decode, WHAT)?;
    }
    // One of several next hops may lead to where another route leads.
    if all || found.iter().any(is_others) {
        found = dumps(socket, None, route::dump, decode, WHAT)?;
    }
    let mut once: Vec<RouteState> = Vec::with_capacity(found.len());
    for route in found {
        if indexes.len() > FEW || !once.contains(&route) {
            once.push(route);
        }
    }
    Ok(once)
}

type Dump = fn(AddressFamily, Option<u32>) -> RouteNetlinkMessage;
type Decode<T> = fn(&[u8]) -> Result<Option<T>, DecodeError>;

/// What there is by each of the devices, or at all where they are many.
fn by_device<T>(
    socket: &mut RouteSocket,
    indexes: &BTreeSet<u32>,
    dump: Dump,
    decode: Decode<T>,
    what: &str,
) -> Result<Vec<T>, KernelError> {
    if indexes.len() > FEW {
        return dumps(socket, None, dump, decode, what);
    }
    let mut found = Vec::new();
    for index in indexes {
        found.extend(dumps(socket, Some(*index), dump, decode, what)?);
    }
    Ok(found)
}

/// Dumps one family after the other: where they are asked for together, the kernel takes the lock of all its networking.
pub fn dumps<T>(
    socket: &mut RouteSocket,
    device: Option<u32>,
    dump: Dump,
    decode: Decode<T>,
    what: &str,
) -> Result<Vec<T>, KernelError> {
    let mut found = Vec::new();
    for family in FAMILIES {
        // A kernel without the family answers for all that it has.
        let number = u8::from(family);
        let decode = |payload: &[u8]| if payload.first() == Some(&number) { decode(payload) } else { Ok(None) };
        match socket.dump(&dump(family, device), decode) {
            Ok(more) => found.extend(more),
            Err(TransportError::Refused(refusal)) if device.is_some() && refusal.errno == Errno::ENODEV as i32 => {}
            Err(error) => return Err(error.into_error(what)),
        }
    }
    Ok(found)
}
