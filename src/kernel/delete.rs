//! Devices that are deleted together: one by one each costs a wait of 20 ms, as a group all share it.

use std::hash::{BuildHasher, RandomState};

use super::{
    link,
    netlink::{Request, RouteSocket, TransportError},
    reply::Refusal,
};
use crate::op::{LinkChange, LinkRef};

/// The bit that all groups have which devices are deleted by. People count groups from 1.
const GROUPS: u32 = 1 << 31;

/// Deletes devices; what the kernel refused comes back with the device's place.
pub fn links(socket: &mut RouteSocket, links: &[&LinkRef]) -> Result<Vec<(usize, Refusal)>, TransportError> {
    let group = group_of_nobody();
    let change = LinkChange { group: Some(group), ..LinkChange::default() };
    let requests: Vec<_> = links.iter().flat_map(|link| link::set(link.index, &change)).collect();
    let refused = socket.send(&requests)?;
    if refused.len() == links.len() || socket.send(&[link::delete_group(group)])?.is_empty() {
        return Ok(refused);
    }
    one_by_one(socket, links)
}

/// A group that nobody else has a device in, drawn out of 2^31: to look whether that is so takes a dump of all links, and
/// somebody could put one in between that and the deletion.
fn group_of_nobody() -> u32 {
    let [.., a, b, c, d] = RandomState::new().hash_one(std::process::id()).to_ne_bytes();
    GROUPS | u32::from_ne_bytes([a, b, c, d])
}

/// The slow way: the kernel cannot delete one of them.
fn one_by_one(socket: &mut RouteSocket, links: &[&LinkRef]) -> Result<Vec<(usize, Refusal)>, TransportError> {
    let requests: Vec<Request> = links.iter().map(|link| link::delete(link.index)).collect();
    socket.send(&requests)
}
