//! Namespaces that have lost their name. The kernel removes what is inside later, up to a second after the call, and
//! until then the other ends of their veths still hold their names and indexes.

use std::{
    collections::BTreeSet,
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use super::{KernelError, delete, descriptors, link, netlink::RouteSocket, netns, nsid, read};
use crate::{
    model::{Netns, snapshot::NetnsState},
    op::{FarEnd, LinkRef},
};

/// How long to wait for the kernel. It needs less than a second; a process that lives inside holds it for ever.
const PATIENCE: Duration = Duration::from_secs(5);
/// When to stop leaving it to the kernel.
const HELP_AFTER: Duration = Duration::from_millis(1500);
/// Between two looks: short at first, since a few devices are gone in 20 ms.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// The end of a veth that goes because its peer's namespace goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Orphan {
    end: FarEnd,
    netns: String,
}

/// The namespaces that are on their way out.
#[derive(Debug, Default)]
pub struct Dying {
    held: Vec<OwnedFd>,
    orphans: Vec<Orphan>,
}

impl Dying {
    /// Whether there is nothing to wait for.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.orphans.is_empty()
    }

    /// Takes in a namespace that has just lost its name.
    pub fn add(&mut self, fd: OwnedFd, name: &str, ends: Vec<FarEnd>) {
        self.orphans.extend(ends.into_iter().map(|end| Orphan { end, netns: name.to_owned() }));
        self.held.push(fd);
        // Let go together, the kernel cleans them up in one go; while it does, whoever looks at a device waits.
        if self.held.len() >= descriptors::AT_ONCE.min(descriptors::limit() / 2) {
            self.held.clear();
        }
    }

    /// Lets them all go together, and waits until the kernel is done.
    pub fn settle(&mut self, host: &OwnedFd) -> Result<(), KernelError> {
        self.held.clear();
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut helped = false;
        loop {
            // Whatever becomes of this, the next call starts afresh.
            let left = still_there(host, std::mem::take(&mut self.orphans))?;
            let Some((_, orphan)) = left.first() else { return Ok(()) };
            if begun.elapsed() >= PATIENCE {
                let error = KernelError::message(
                    format!("cannot finish the deletion of namespace `{}`", orphan.netns),
                    format!("the other ends of its veths are still there after {} s", PATIENCE.as_secs()),
                );
                return Err(error.hint(Some("a process or an open socket keeps it alive; end it and try again")));
            }
            if begun.elapsed() >= HELP_AFTER && !helped {
                helped = true;
                delete_ends(host, &left)?;
            }
            self.orphans = left.into_iter().map(|(_, orphan)| orphan).collect();
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// A process that lives on inside keeps the devices; deleting an end takes its veth away all the same, as the kernel
/// would have done.
fn delete_ends(host: &OwnedFd, ends: &[(Netns, Orphan)]) -> Result<(), KernelError> {
    let places: BTreeSet<&Netns> = ends.iter().map(|(place, _)| place).collect();
    for place in places {
        let Some(fd) = read::open_place(host, place)? else { continue };
        let here = ends.iter().filter(|(other, _)| other == place);
        let links: Vec<LinkRef> =
            here.map(|(_, orphan)| LinkRef { index: orphan.end.index, name: orphan.netns.clone() }).collect();
        let mut socket = netns::socket_in(&fd)?;
        // One that went in the meantime is refused, and that is well.
        delete::links(&mut socket, &links.iter().collect::<Vec<_>>()).map_err(|error| {
            error.into_error("cannot delete the ends of a deleted namespace's veths").in_netns(place)
        })?;
    }
    Ok(())
}

/// The ends of veths elsewhere whose peers are in a socket's namespace.
pub fn ends(socket: &mut RouteSocket, host: &OwnedFd) -> Result<Vec<FarEnd>, KernelError> {
    let what = "cannot read the links of a namespace before its deletion";
    let seen = socket.dump(&link::dump(), |payload| link::decode(payload).map(Some)).map_err(|e| e.into_error(what))?;
    let outward: Vec<_> =
        seen.into_iter().filter(|link| link.state.peer.is_some() && link.peer_nsid.is_some()).collect();
    if outward.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = nsid::of(socket, &[host]).map_err(|error| error.into_error(what))?;
    let host_nsid = numbers.into_iter().next().flatten();
    let end = |link: link::Seen| {
        let (index, peer) = (link.state.peer?.index, link.state.index);
        Some(FarEnd { index, peer, on_host: link.peer_nsid == host_nsid })
    };
    Ok(outward.into_iter().filter_map(end).collect())
}

/// Those of the ends that are still somewhere, and where.
fn still_there(host: &OwnedFd, orphans: Vec<Orphan>) -> Result<Vec<(Netns, Orphan)>, KernelError> {
    if orphans.is_empty() {
        return Ok(Vec::new());
    }
    let places = if orphans.iter().all(|orphan| orphan.end.on_host) {
        let mut socket = netns::socket_in(host)?;
        let links = socket
            .dump(&link::dump(), |payload| link::decode(payload).map(|seen| Some(seen.state)))
            .map_err(|error| error.into_error("cannot read the links of the host"))?;
        vec![(Netns::Host, NetnsState { links: links.into(), ..NetnsState::default() })]
    } else {
        read::links(host, None)?
    };
    let place_of = |orphan: &Orphan| {
        // Of another pair on the host, such as a container's, the numbers may be the same.
        let mut possible = places.iter().filter(|(place, _)| orphan.end.on_host == (*place == Netns::Host));
        possible.find(|(_, state)| is_orphan(state, orphan.end)).map(|(place, _)| place.clone())
    };
    Ok(orphans.into_iter().filter_map(|orphan| place_of(&orphan).map(|place| (place, orphan))).collect())
}

/// Whether this namespace holds the end: one with its indexes, whose peer is in no namespace that has a name.
fn is_orphan(state: &NetnsState, end: FarEnd) -> bool {
    let peer = state.link_at(end.index).and_then(|link| link.peer.as_ref());
    peer.is_some_and(|peer| peer.index == end.peer && peer.netns.is_none())
}
