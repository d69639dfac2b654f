//! Devices that are deleted together: one by one each costs a wait of 20 ms, as a group all share it.

use std::collections::HashSet;

use super::{
    link,
    netlink::{Request, RouteSocket, TransportError},
    reply::Refusal,
};
use crate::op::{LinkChange, LinkRef};

/// The first of the groups that processes delete devices by, each its own.
const GROUPS: u32 = 0x6e78_0000;

/// Deletes devices; what the kernel refused comes back with the device's place.
pub fn links(socket: &mut RouteSocket, links: &[&LinkRef]) -> Result<Vec<(usize, Refusal)>, TransportError> {
    let group = GROUPS | (std::process::id() & 0xffff);
    let change = LinkChange { group: Some(group), ..LinkChange::default() };
    let requests: Vec<_> = links.iter().flat_map(|link| link::set(link.index, &change)).collect();
    let refused = socket.send(&requests)?;
    if refused.len() == links.len() {
        return Ok(refused);
    }
    let wanted: HashSet<u32> = links.iter().map(|link| link.index).collect();
    let only_ours = members(socket, group)?.iter().all(|index| wanted.contains(index));
    if only_ours && socket.send(&[link::delete_group(group)])?.is_empty() {
        return Ok(refused);
    }
    one_by_one(socket, links)
}

/// The slow way: another program put something in the group, or the kernel cannot delete one of them.
fn one_by_one(socket: &mut RouteSocket, links: &[&LinkRef]) -> Result<Vec<(usize, Refusal)>, TransportError> {
    let requests: Vec<Request> = links.iter().map(|link| link::delete(link.index)).collect();
    socket.send(&requests)
}

fn members(socket: &mut RouteSocket, group: u32) -> Result<Vec<u32>, TransportError> {
    socket.dump(&link::dump(), |payload| {
        let state = link::decode(payload)?.state;
        Ok((state.group == group).then_some(state.index))
    })
}
