//! One reading of the kernel: the host and every named namespace.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, PoisonError},
    thread,
};

use rtnetlink::packet_core::DecodeError;

use super::{
    KernelError, address,
    ahead::{self, Ahead, Places},
    borrow, devices,
    early::Early,
    firewall,
    fresh::{Filled, Fresh},
    link::{self, Seen},
    machine,
    netlink::RouteSocket,
    netns::{self, Opened},
    nsid,
    peers::{self, Reading},
    route, sockets, sysctl,
    unmet::Unmet,
};
use crate::model::{
    Netns,
    machine::{DeviceKind, Trial},
    snapshot::{Depth, FirewallState, NetnsState, ReadRequest, Snapshot},
};

/// More gain nothing: dumps wait for each other in the kernel.
const THREADS: usize = 2;
/// Below this many namespaces a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 16;
/// How many namespaces are open at a time while numbers are asked for.
const OPEN_AT_ONCE: usize = 200;

/// What became of one name.
#[derive(Debug)]
pub enum Found {
    /// It is a namespace.
    Namespace(Reading),
    /// It is a file, or a namespace of another sort.
    Stale,
    /// It went meanwhile.
    Gone,
}

/// Reads everything that the request asks for, what has been read ahead of it no more.
pub fn snapshot(
    host: &OwnedFd,
    (fresh, unmet): (&Fresh, &Unmet),
    ahead: Option<Ahead>,
    request: &ReadRequest,
) -> Result<Snapshot, KernelError> {
    let mut snapshot = Snapshot { borrowed: borrow::all()?, ..Snapshot::default() };
    let request = &*with_borrowed(request, &snapshot);
    let (mut present, mut readings) = (Vec::new(), Vec::new());
    for (place, found) in places((host, fresh), ahead, request)? {
        match (place, found) {
            (place, Found::Namespace(reading)) => {
                present.push(place);
                readings.push(reading);
            }
            // What a killed run of ours left behind stands in nobody's way.
            (Netns::Named(name), Found::Stale) if netns::is_left_behind(&name) => {}
            (Netns::Named(name), Found::Stale) => snapshot.stale_netns.push(name.to_string()),
            (_, Found::Stale | Found::Gone) => {}
        }
    }
    snapshot.aliases = set_aliases_aside(&mut present, &mut readings);
    match request.places {
        Some(_) => fill_peers_of_part(host, unmet, &mut present, &mut readings)?,
        None => {
            unmet.forget();
            fill_peers(host, &present, &mut readings)?;
        }
    }
    snapshot.namespaces = present.into_iter().zip(readings).map(|(place, reading)| (place, *reading.state)).collect();
    if !request.whole {
        snapshot.namespaces.values_mut().for_each(NetnsState::hide_parked);
    }
    for (netns, wanted) in request.firewalls.iter().filter(|(_, wanted)| !wanted.is_empty()) {
        let is_asked = request.depth(netns) == Some(Depth::Whole);
        if is_asked && !snapshot.namespaces.contains_key(netns) {
            snapshot.to_come.insert(netns.clone(), firewall::of_new_or_why(wanted));
        }
    }
    let has = |kind: DeviceKind| {
        let mut links = snapshot.namespaces.values().flat_map(|state| &state.links);
        links.any(|link| link.kind.as_deref() == Some(kind.as_str()))
    };
    let mut trial = request.trial.clone();
    trial.kinds.retain(|kind| !has(*kind));
    let mut lacks = machine::lacks();
    if trial != Trial::default() {
        let outcome = machine::try_out(host, &trial)?;
        (snapshot.fresh, snapshot.refused) = (outcome.sysctls, outcome.refused);
        lacks.extend(outcome.lacks);
    }
    snapshot.lacks = lacks;
    snapshot.boot = machine::boot();
    snapshot.namespace_limit = machine::namespace_limit();
    Ok(snapshot)
}

/// The namespaces that are asked for, the host before all, with what was found there.
fn places(
    (host, fresh): (&OwnedFd, &Fresh),
    ahead: Option<Ahead>,
    request: &ReadRequest,
) -> Result<Places, KernelError> {
    let is_plain = request.places.is_none() && !request.whole && request.devices.is_empty();
    if let Some(places) = ahead.and_then(Ahead::end).filter(|_| is_plain) {
        return ahead::complete((host, fresh), places, request);
    }
    let places = match &request.places {
        Some(wanted) => with_host(wanted.keys()),
        None => all_places()?,
    };
    let found = read_all((host, fresh), places.iter().collect(), request)?;
    Ok(places.into_iter().zip(found).collect())
}

/// All namespaces that there are names for, the host before all.
pub fn all_places() -> Result<Vec<Netns>, KernelError> {
    let mut places = vec![Netns::Host];
    places.extend(netns::names()?.into_iter().map(|name| Netns::Named(name.into())));
    Ok(places)
}

/// These namespaces, and the host before all, which is always looked at.
fn with_host<'a>(wanted: impl Iterator<Item = &'a Netns>) -> Vec<Netns> {
    let named = wanted.filter(|netns| **netns != Netns::Host).cloned();
    std::iter::once(Netns::Host).chain(named).collect()
}

/// What is asked for, and the live values of all that is borrowed, since those can be given back by their record alone.
fn with_borrowed<'a>(request: &'a ReadRequest, snapshot: &Snapshot) -> Cow<'a, ReadRequest> {
    let mut borrowed = snapshot.borrowed.keys().filter(|key| key.starts_with("net/")).cloned().peekable();
    let mut request = Cow::Borrowed(request);
    if borrowed.peek().is_some() {
        request.to_mut().sysctls.entry(Netns::Host).or_default().extend(borrowed);
    }
    request
}

/// One namespace may have several names. It is read by one: the host's own, else the one that its mark calls it by, else
/// the first.
fn set_aliases_aside(present: &mut Vec<Netns>, readings: &mut Vec<Reading>) -> BTreeMap<String, Netns> {
    let mut by_inode: HashMap<u64, Vec<usize>> = HashMap::new();
    for (place, reading) in readings.iter().enumerate() {
        by_inode.entry(reading.state.inode).or_default().push(place);
    }
    let mut aliases = BTreeMap::new();
    for places in by_inode.values().filter(|places| places.len() > 1) {
        let label = readings[places[0]].state.mark().map(|mark| mark.address.rest().to_owned());
        let fits = |place: &&usize| match &present[**place] {
            Netns::Host => 3,
            Netns::Named(name) if Some(name.as_str()) == label.as_deref() => 2,
            // A prefix stands before it.
            Netns::Named(name) => u8::from(label.as_ref().is_some_and(|label| name.ends_with(&**label))),
        };
        let Some(first) = places.iter().rev().max_by_key(fits) else { continue };
        let others = places.iter().filter(|place| *place != first).map(|place| present[*place].to_string());
        aliases.extend(others.map(|name| (name, present[*first].clone())));
    }
    if aliases.is_empty() {
        return aliases;
    }
    let is_alias = |netns: &Netns| matches!(netns, Netns::Named(name) if aliases.contains_key(name.as_str()));
    let both = std::mem::take(present).into_iter().zip(std::mem::take(readings));
    (*present, *readings) = both.filter(|(netns, _)| !is_alias(netns)).unzip();
    aliases
}

/// The links of the host and of these namespaces, peers found, and nothing else; of all named ones where it is not said
/// of which.
pub fn links(host: &OwnedFd, of: Option<&BTreeSet<Netns>>) -> Result<Vec<(Netns, NetnsState)>, KernelError> {
    let places = match of {
        Some(of) => with_host(of.iter()),
        None => all_places()?,
    };
    let links = places.iter().map(|netns| (netns.clone(), Depth::Links)).collect();
    let request = ReadRequest { places: Some(links), ..ReadRequest::default() };
    let found = read_all((host, &Fresh::default()), places.iter().collect(), &request)?;
    let (mut present, mut readings): (Vec<_>, Vec<_>) = places
        .into_iter()
        .zip(found)
        .filter_map(|(place, found)| match found {
            Found::Namespace(reading) => Some((place, reading)),
            Found::Stale | Found::Gone => None,
        })
        .unzip();
    set_aliases_aside(&mut present, &mut readings);
    fill_peers(host, &present, &mut readings)?;
    Ok(present.into_iter().zip(readings).map(|(place, reading)| (place, *reading.state)).collect())
}

/// Reads every place, in their order.
pub fn read_all(
    (host, fresh): (&OwnedFd, &Fresh),
    places: Vec<&Netns>,
    request: &ReadRequest,
) -> Result<Vec<Found>, KernelError> {
    on_threads(places, |place, sysctls| {
        read_place((host, fresh), place, request, sysctls).map_err(|error| error.in_netns(place))
    })
}

/// Does something with each of many, on a few threads that it moves, until the first that fails; what came of them is in their
/// order.
pub fn on_threads<T: Send, R: Send>(
    all: Vec<T>,
    work: impl Fn(T, &mut sysctl::Reader) -> Result<R, KernelError> + Sync,
) -> Result<Vec<R>, KernelError> {
    let threads = if all.len() < WORTH_A_THREAD { 1 } else { THREADS };
    let results: Mutex<Vec<(usize, Result<R, KernelError>)>> = Mutex::new(Vec::with_capacity(all.len()));
    let rest = Mutex::new(Some(all.into_iter().enumerate()));
    let rest = || rest.lock().unwrap_or_else(PoisonError::into_inner);
    let next = || rest().as_mut()?.next();
    let work = || {
        let mut own = Vec::new();
        let mut sysctls = sysctl::Reader::default();
        while let Some((at, one)) = next() {
            let done = work(one, &mut sysctls);
            if done.is_err() {
                *rest() = None;
            }
            own.push((at, done));
        }
        results.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            thread::Builder::new()
                .name("read".into())
                .spawn_scoped(scope, work)
                .map_err(|error| KernelError::io("cannot start a thread", error))?;
        }
        Ok::<_, KernelError>(())
    })?;
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, found)| found).collect()
}

/// Runs on a thread of its own, which it moves.
pub fn read_place(
    (host, fresh): (&OwnedFd, &Fresh),
    place: &Netns,
    request: &ReadRequest,
    sysctls: &mut sysctl::Reader,
) -> Result<Found, KernelError> {
    let opened;
    let fd = match place {
        Netns::Host => host,
        Netns::Named(name) => match netns::open(name)? {
            Opened::Stale => return Ok(Found::Stale),
            Opened::Gone => return Ok(Found::Gone),
            Opened::Namespace(fd) => {
                opened = fd;
                &opened
            }
        },
    };
    let depth = request.depth(place);
    if depth <= Some(Depth::Inode) {
        let state = NetnsState { inode: netns::inode(fd)?, ..NetnsState::default() };
        return Ok(Found::Namespace(Reading { state: Box::new(state), ..Reading::default() }));
    }
    match netns::enter(fd) {
        // A namespace of another kind, such as of processes.
        Err(error) if error.is(nix::errno::Errno::EINVAL) => return Ok(Found::Stale),
        entered => entered?,
    }
    let inode = netns::inode(fd)?;
    let (mut socket, early) = socket(fresh, place, inode)?;
    let some = request.devices.get(place);
    let mut reading = match (some, early) {
        (Some(indexes), _) => devices::read(&mut socket, indexes, request.whole)?,
        (None, Some(early)) if !request.whole => Reading::new(early.now(&mut socket)?),
        (None, _) => read_links(&mut socket, request.whole)?,
    };
    reading.state.inode = inode;
    reading.state.cookie = socket.netns_cookie();
    if *place != Netns::Host && reading.veths.iter().any(|veth| veth.nsid.is_some()) {
        let numbers = nsid::of(&mut socket, &[host]).map_err(|error| error.into_error("cannot find the host"))?;
        reading.host_nsid = numbers.into_iter().next().flatten();
    }
    if depth == Some(Depth::Whole) && some.is_none() {
        read_networks(&mut socket, request.whole, &mut reading.state)?;
        read_asked(&mut socket, place, fd, request, sysctls, &mut reading.state)?;
    }
    Ok(Found::Namespace(reading))
}

/// A socket in the calling thread's namespace, and its links where they have been read already.
fn socket(fresh: &Fresh, place: &Netns, inode: u64) -> Result<(RouteSocket, Option<Early>), KernelError> {
    match fresh.take(place.as_str()) {
        // Whatever has that name now is what is read.
        Some(Filled { fd, socket, links, .. }) if netns::inode(&fd)? == inode => Ok((socket, links)),
        Some(_) | None => Ok((netns::open_socket()?, None)),
    }
}

/// The links of a socket's namespace, as they are without what a way back needs.
pub fn links_by(socket: &mut RouteSocket) -> Result<Vec<Seen>, KernelError> {
    dump_links(socket, link::decode)
}

fn read_links(socket: &mut RouteSocket, whole: bool) -> Result<Reading, KernelError> {
    let decode = if whole { link::decode_whole } else { link::decode };
    Ok(Reading::new(dump_links(socket, decode)?))
}

fn dump_links(
    socket: &mut RouteSocket,
    decode: fn(&[u8]) -> Result<Seen, DecodeError>,
) -> Result<Vec<Seen>, KernelError> {
    let seen = socket.dump(&link::dump(), |payload| decode(payload).map(Some));
    seen.map_err(|error| error.into_error("cannot read the links"))
}

/// What every plan needs beside links.
fn read_networks(socket: &mut RouteSocket, whole: bool, state: &mut NetnsState) -> Result<(), KernelError> {
    let decode = if whole { address::decode_whole } else { address::decode };
    state.addresses = devices::dumps(socket, None, address::dump, decode, "cannot read the addresses")?.into();
    let decode = if whole { route::decode_whole } else { route::decode };
    state.routes = devices::dumps(socket, None, route::dump, decode, "cannot read the routes")?;
    Ok(())
}

/// Whether its packet filter is wanted.
pub fn has_filter(request: &ReadRequest, place: &Netns) -> bool {
    request.filters.as_ref().is_none_or(|filters| filters.contains(place))
}

/// What this plan asks for.
pub fn read_asked(
    socket: &mut RouteSocket,
    place: &Netns,
    fd: &OwnedFd,
    request: &ReadRequest,
    sysctls: &mut sysctl::Reader,
    state: &mut NetnsState,
) -> Result<(), KernelError> {
    if let Some(ports) = request.ports.get(place).filter(|ports| !ports.is_empty()) {
        state.listeners = sockets::listeners(ports)?;
    }
    if let Some(keys) = request.sysctls.get(place) {
        state.sysctls = sysctls.read(keys, request.is_exact(place), socket, &state.links)?;
    }
    state.firewall = match request.firewalls.get(place) {
        // On a thread of its own: trying rules out makes namespaces.
        Some(wanted) if !wanted.is_empty() => netns::in_netns(fd, || Ok(firewall::read_or_why(wanted)))?,
        Some(_) | None if has_filter(request, place) => firewall::read(&[])?,
        Some(_) | None => FirewallState::default(),
    };
    Ok(())
}

/// Of some namespaces, from which links may lead to such as were read before: those are looked among too.
fn fill_peers_of_part(
    host: &OwnedFd,
    unmet: &Unmet,
    present: &mut Vec<Netns>,
    readings: &mut Vec<Reading>,
) -> Result<(), KernelError> {
    let own = readings.len();
    let (places, earlier) = unmet.take(present);
    present.extend(places);
    readings.extend(earlier);
    // Where it fails they are as unmet as they were, and whoever reads this part again meets them.
    let filled = fill_peers(host, present, readings);
    for (netns, reading) in present.iter().zip(&*readings) {
        unmet.leave(netns, reading);
    }
    present.truncate(own);
    readings.truncate(own);
    filled
}

fn fill_peers(host: &OwnedFd, present: &[Netns], readings: &mut [Reading]) -> Result<(), KernelError> {
    // On one thread, which goes from one to the other.
    let found = netns::on_thread(|| {
        peers::resolve(readings, |here, others| {
            let others: Vec<_> = others.iter().map(|&other| &present[other]).collect();
            numbers(host, &present[here], &others)
        })
    })?;
    for (here, reading) in readings.iter_mut().enumerate() {
        for veth in &reading.veths {
            let Some(link) = reading.state.links.get_mut(veth.place) else { continue };
            let there = found.get(&(here, link.index)).map(|&there| present[there].clone());
            if let Some(peer) = &mut link.peer {
                peer.netns = there;
            }
        }
    }
    Ok(())
}

/// The numbers that `here`, which the calling thread moves to, has for others; `None` also for those that have vanished.
fn numbers(host: &OwnedFd, here: &Netns, others: &[&Netns]) -> Result<Vec<Option<i32>>, KernelError> {
    let Some(own) = open_place(host, here)? else { return Ok(vec![None; others.len()]) };
    netns::enter(&own)?;
    let mut socket = netns::open_socket()?;
    let mut numbers = Vec::with_capacity(others.len());
    for chunk in others.chunks(OPEN_AT_ONCE) {
        let fds = chunk.iter().map(|other| open_place(host, other)).collect::<Result<Vec<_>, _>>()?;
        let there: Vec<_> = fds.iter().flatten().map(AsFd::as_fd).collect();
        let what = || format!("cannot find the peers of {here}");
        let mut answers = nsid::of(&mut socket, &there).map_err(|error| error.into_error(what()))?.into_iter();
        numbers.extend(fds.iter().map(|fd| fd.as_ref().and_then(|_| answers.next().flatten())));
    }
    Ok(numbers)
}

/// A place, where it is still there.
pub fn open_place(host: &OwnedFd, place: &Netns) -> Result<Option<OwnedFd>, KernelError> {
    match place {
        Netns::Host => {
            host.try_clone().map(Some).map_err(|error| KernelError::io("cannot hold on to the host's namespace", error))
        }
        Netns::Named(name) => match netns::open(name)? {
            Opened::Namespace(fd) => Ok(Some(fd)),
            Opened::Stale | Opened::Gone => Ok(None),
        },
    }
}
