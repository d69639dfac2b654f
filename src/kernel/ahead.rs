//! A reading that is begun before it is known what for: what every plan needs of every namespace is read while the file is.

use std::{collections::BTreeSet, os::fd::OwnedFd, thread};

use super::{
    KernelError,
    fresh::Fresh,
    netconf, netns,
    read::{self, Found},
    sysctl,
};
use crate::model::{
    Netns,
    snapshot::{NetnsState, ReadRequest},
};

/// Namespaces with what was found there, the host before all.
pub type Places = Vec<(Netns, Found)>;

/// A reading on its way.
#[derive(Debug)]
pub struct Ahead(thread::JoinHandle<Result<Places, KernelError>>);

impl Ahead {
    /// Begins one; `None` where there is no thread for it.
    pub fn begin(host: OwnedFd) -> Option<Self> {
        let work = move || read(&host);
        thread::Builder::new().name("ahead".into()).spawn(work).ok().map(Self)
    }

    /// What it came to. Nothing where it failed: whoever reads once more meets the same.
    pub fn end(self) -> Option<Places> {
        self.0.join().ok()?.ok()
    }
}

fn read(host: &OwnedFd) -> Result<Places, KernelError> {
    let places = read::all_places()?;
    let keys: BTreeSet<String> = netconf::keys().chain([sysctl::IPV6_OFF]).map(str::to_owned).collect();
    let request = ReadRequest {
        sysctls: places.iter().map(|netns| (netns.clone(), keys.clone())).collect(),
        filters: Some(BTreeSet::new()),
        ..ReadRequest::default()
    };
    let found = read::read_all((host, &Fresh::default()), places.iter().collect(), &request)?;
    Ok(places.into_iter().zip(found).collect())
}

/// Adds what is asked for beside what has been read ahead: of most namespaces nothing.
pub fn complete(
    (host, fresh): (&OwnedFd, &Fresh),
    mut places: Places,
    request: &ReadRequest,
) -> Result<Places, KernelError> {
    let short = places.iter_mut().filter_map(|(place, found)| {
        let Found::Namespace(reading) = found else { return None };
        let is_short = !has_all(&mut reading.state, place, request);
        is_short.then_some((&*place, found))
    });
    read::on_threads(short.collect(), |(place, found), sysctls| {
        let done = add((host, fresh), place, found, request, sysctls);
        done.map_err(|error| error.in_netns(place))
    })?;
    Ok(places)
}

/// Whether nothing is asked for that is not there; and of what is there beside, nothing is left.
fn has_all(state: &mut NetnsState, place: &Netns, request: &ReadRequest) -> bool {
    let no_keys = BTreeSet::new();
    let keys = request.sysctls.get(place).unwrap_or(&no_keys);
    let has_ports = request.ports.get(place).is_some_and(|ports| !ports.is_empty());
    let has_rules = request.firewalls.get(place).is_some_and(|wanted| !wanted.is_empty());
    let has_keys = sysctl::left(keys, &state.sysctls, request.is_exact(place), &state.links).is_empty();
    state.sysctls.retain(|key, _| keys.contains(key));
    has_keys && !has_ports && !has_rules && !read::has_filter(request, place)
}

fn add(
    (host, fresh): (&OwnedFd, &Fresh),
    place: &Netns,
    found: &mut Found,
    request: &ReadRequest,
    sysctls: &mut sysctl::Reader,
) -> Result<(), KernelError> {
    let Found::Namespace(reading) = found else { return Ok(()) };
    let open = read::open_place(host, place)?;
    match open.filter(|fd| netns::inode(fd).is_ok_and(|inode| inode == reading.state.inode)) {
        Some(fd) => {
            netns::enter(&fd)?;
            read::read_asked(&mut netns::open_socket()?, place, &fd, request, sysctls, &mut reading.state)
        }
        // The name leads elsewhere by now.
        None => {
            *found = read::read_place((host, fresh), place, request, sysctls)?;
            Ok(())
        }
    }
}
