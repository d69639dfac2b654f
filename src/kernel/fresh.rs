//! Namespaces that have just been made: whoever fills them leaves their sockets here, for what comes next in them, and for
//! whoever looks at them beside.
//!
//! What has links in it comes with a reading of those. A dump of links takes the lock of all networking, for which another
//! thread would wait, at work, for as long as this one makes links.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{link::Seen, netlink::RouteSocket};

/// No more are held: each takes two descriptors.
const MANY: usize = 64;

/// Where they are left, by their names.
#[derive(Debug, Clone, Default)]
pub struct Fresh(Arc<Mutex<HashMap<String, Filled>>>);

/// A namespace that has been made.
#[derive(Debug)]
pub struct Filled {
    /// What keeps it.
    pub fd: OwnedFd,
    /// A socket inside.
    pub socket: RouteSocket,
    /// Its links as they are, where they have been read since the last one was made.
    pub links: Option<Vec<Seen>>,
}

impl Fresh {
    /// Whether there is somebody else who may look.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Leaves one, where there is room.
    pub fn leave(&self, name: &str, filled: Filled) {
        let mut all = self.all();
        if all.len() < MANY {
            all.insert(name.to_owned(), filled);
        }
    }

    /// Takes one. Whoever is about to change something in a namespace takes it: as long as it lies here, it does not go.
    pub fn take(&self, name: &str) -> Option<Filled> {
        self.all().remove(name)
    }

    /// A link is about to be made from elsewhere.
    pub fn forget_links(&self, name: &str) {
        if let Some(filled) = self.all().get_mut(name) {
            filled.links = None;
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Filled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
