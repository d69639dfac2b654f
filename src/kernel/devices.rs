//! Some devices of a namespace with what depends on them. On a host with a thousand ports that is a twentieth of the whole.

use std::{collections::BTreeSet, net::IpAddr};

use nix::errno::Errno;
use rtnetlink::{
    packet_core::DecodeError,
    packet_route::{AddressFamily, RouteNetlinkMessage},
};

use super::{
    KernelError, address,
    link::{self, Seen},
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
    let decode = if whole { link::decode_whole } else { link::decode };
    let mut reading = Reading::new(links(socket, indexes, decode)?);
    reading.state.addresses = addresses(socket, indexes, whole)?.into();
    let others_may_depend = reading.state.addresses.iter().any(|it| may_be_a_source(it.address.addr()));
    reading.state.routes = routes(socket, indexes, whole, others_may_depend)?;
    Ok(reading)
}

fn may_be_a_source(address: IpAddr) -> bool {
    !matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The devices with these indexes, as far as they are there.
pub fn links(
    socket: &mut RouteSocket,
    indexes: &BTreeSet<u32>,
    decode: fn(&[u8]) -> Result<Seen, DecodeError>,
) -> Result<Vec<Seen>, KernelError> {
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
    const WHAT: &str = "cannot read the addresses";
    let decode = if whole { address::decode_whole } else { address::decode };
    let mut found = Vec::new();
    if indexes.len() > FEW {
        found = dumps(socket, None, address::dump, decode, WHAT)?;
    } else {
        for index in indexes {
            found.extend(dumps(socket, Some(*index), address::dump, decode, WHAT)?);
        }
    }
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
    if all || indexes.len() > FEW {
        return dumps(socket, None, route::dump, decode, WHAT);
    }
    let mut found = Vec::new();
    for index in indexes {
        let told = dumps(socket, Some(*index), route::dump, decode, WHAT)?;
        // One of several next hops may lead to where another route leads.
        if told.iter().any(is_others) {
            return dumps(socket, None, route::dump, decode, WHAT);
        }
        // One with several next hops is told for each of their devices.
        let is_first = |route: &RouteState| route.nexthops.iter().filter_map(|hop| hop.link).min() == Some(*index);
        found.extend(told.into_iter().filter(is_first));
    }
    Ok(found)
}

type Dump = fn(AddressFamily, Option<u32>) -> RouteNetlinkMessage;
type Decode<T> = fn(&[u8]) -> Result<Option<T>, DecodeError>;

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
