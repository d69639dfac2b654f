//! Devices that are deleted together: one by one each costs a wait of 20 ms, as a group all share it.

use std::collections::HashSet;

use super::{
    link,
    netlink::{Request, RouteSocket, TransportError},
    reply::Refusal,
};
use crate::op::{LinkChange, LinkRef};

/// Where the search for a group that nobody uses begins.
const GROUP_BASE: u32 = 0x6e78_0000;

/// Deletes devices; what the kernel refused comes back with the device's place.
pub fn links(socket: &mut RouteSocket, links: &[&LinkRef]) -> Result<Vec<(usize, Refusal)>, TransportError> {
    let group = unused_group(socket)?;
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

fn unused_group(socket: &mut RouteSocket) -> Result<u32, TransportError> {
    let used: HashSet<u32> =
        socket.dump(&link::dump(), |payload| Ok(Some(link::decode(payload)?.state.group)))?.into_iter().collect();
    let start = GROUP_BASE | (std::process::id() & 0xffff);
    Ok((start..=u32::MAX).find(|group| !used.contains(group)).unwrap_or(start))
}

fn members(socket: &mut RouteSocket, group: u32) -> Result<Vec<u32>, TransportError> {
    socket.dump(&link::dump(), |payload| {
        let state = link::decode(payload)?.state;
        Ok((state.group == group).then_some(state.index))
    })
}
