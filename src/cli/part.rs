//! Parts of the kernel that are read while a run goes on, and after it, instead of the whole once more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc,
    thread,
};

use crate::{
    kernel::{Kernel, KernelError},
    model::{
        Netns, Snapshot,
        machine::Trial,
        snapshot::{Depth, Extent, ReadRequest},
    },
};

/// A reading of some namespaces.
#[derive(Debug, Default)]
pub struct Part {
    places: BTreeSet<Netns>,
    snapshot: Snapshot,
}

impl Part {
    /// Nothing where it cannot be read now: then it is at the end.
    fn read(kernel: &dyn Kernel, request: &ReadRequest, places: BTreeSet<Netns>) -> Option<Self> {
        let snapshot = kernel.read(&part_of(request, &places)).ok()?;
        Some(Self { places, snapshot })
    }
}

/// What is asked for of some namespaces alone: what was tried out does not change.
fn part_of(request: &ReadRequest, places: &BTreeSet<Netns>) -> ReadRequest {
    fn of<T: Clone>(all: &BTreeMap<Netns, T>, places: &BTreeSet<Netns>) -> BTreeMap<Netns, T> {
        places.iter().filter_map(|netns| Some((netns.clone(), all.get(netns)?.clone()))).collect()
    }
    ReadRequest {
        sysctls: of(&request.sysctls, places),
        firewalls: of(&request.firewalls, places),
        ports: of(&request.ports, places),
        devices: BTreeMap::new(),
        exact: request.exact.intersection(places).cloned().collect(),
        filters: request.filters.clone(),
        trial: Trial::default(),
        whole: request.whole,
        places: Some(places.iter().map(|netns| (netns.clone(), Depth::Whole)).collect()),
    }
}

/// Whoever is told of namespaces with which a run is done.
pub type Look<'a> = dyn FnMut(&dyn Kernel, BTreeSet<Netns>) + 'a;

/// Does `run`, and reads the namespaces that it tells of at the same time where there is a `reader`, else in between.
pub fn read_beside<E>(
    reader: Option<Box<dyn Kernel + Send>>,
    request: &ReadRequest,
    run: impl FnOnce(&mut Look<'_>) -> Result<(), E>,
) -> Result<Vec<Part>, E> {
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel::<BTreeSet<Netns>>();
        let reader = reader.and_then(|reader| {
            let read = move || receive.into_iter().filter_map(|places| Part::read(&*reader, request, places)).collect();
            thread::Builder::new().name("look".into()).spawn_scoped(scope, read).ok()
        });
        let mut parts = Vec::new();
        let ran = run(&mut |kernel, places| match &reader {
            Some(_) => drop(send.send(places)),
            None => parts.extend(Part::read(kernel, request, places)),
        });
        drop(send);
        let read: Vec<Part> = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
        parts.extend(read);
        ran.map(|()| parts)
    })
}

/// A reading that was made before a run, with what the run has touched as it is now: what was read of it meanwhile, and the
/// rest.
pub fn renewed(
    before: Snapshot,
    parts: Vec<Part>,
    mut touched: BTreeMap<Netns, Extent>,
    kernel: &dyn Kernel,
    request: &ReadRequest,
) -> Result<Snapshot, KernelError> {
    let mut all = Part::default();
    for part in parts {
        all.places.extend(part.places);
        all.snapshot.namespaces.extend(part.snapshot.namespaces);
    }
    touched.retain(|netns, _| !all.places.contains(netns));
    tracing::debug!(parts = all.places.len(), left = touched.len(), "ran");
    let mut left = part_of(request, &touched.keys().cloned().collect());
    for (netns, extent) in &touched {
        if let Extent::Devices(indexes) = extent {
            left.devices.insert(netns.clone(), indexes.clone());
        }
    }
    let later = kernel.read(&left)?;
    touched.extend(all.places.into_iter().map(|netns| (netns, Extent::Whole)));
    let mut namespaces = all.snapshot.namespaces;
    namespaces.extend(later.namespaces);
    Ok(before.renewed(&touched, Snapshot { namespaces, ..later }))
}
