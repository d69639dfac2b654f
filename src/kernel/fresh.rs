//! Namespaces in which a run is at work: whoever fills them leaves their sockets here, for what comes next in them, and for
//! whoever looks at them beside.
//!
//! What has links in it comes with a reading of those. A dump of links takes the lock of all networking, for which another
//! thread would wait, at work, for as long as this one makes links.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{early::Early, netlink::RouteSocket};

/// No more new ones are held: each takes two descriptors.
const MANY: usize = 64;

/// Where they are left, by their names.
#[derive(Debug, Clone, Default)]
pub struct Fresh(Arc<Mutex<HashMap<String, Filled>>>);

/// A namespace that has been made or changed.
#[derive(Debug)]
pub struct Filled {
    /// Whether the run has made it.
    pub is_new: bool,
    /// What keeps it.
    pub fd: OwnedFd,
    /// A socket inside.
    pub socket: RouteSocket,
    /// Its links, where they have been read since the last one was made.
    pub links: Option<Early>,
}

impl Fresh {
    /// Whether there is somebody else who may look.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Leaves one, where there is room.
    pub fn leave(&self, name: &str, filled: Filled) {
        let mut all = self.all();
        if all.len() < MANY || !filled.is_new {
            all.insert(name.to_owned(), filled);
        }
    }

    /// Takes one. Whoever is about to change something in a namespace takes it: as long as it lies here, it does not go.
    pub fn take(&self, name: &str) -> Option<Filled> {
        self.all().remove(name)
    }

    /// A link is about to be made in that one from elsewhere.
    pub fn forget_links_of(&self, name: &str) {
        if let Some(filled) = self.all().get_mut(name) {
            filled.links = None;
        }
    }

    /// Links may go anywhere.
    pub fn forget_links(&self) {
        self.all().values_mut().for_each(|filled| filled.links = None);
    }

    /// Lets go of all.
    pub fn clear(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Filled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
