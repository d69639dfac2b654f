//! The way back: what a run may change, what that was before, and the ops that make it so again.
//!
//! ```text
//! batches ── Scope ──▶ what to read ── kernel ──▶ before ─┐ Baseline
//!                                      kernel ──▶ now ────┴─ restore ─▶ batches
//! ```
//! It goes by state and not by a log: what is undone is what differs, however far the run came and whatever became of the
//! op that failed. So it can be done again when it fails itself, and by another process where this one was killed. Of
//! what the run was not to touch nothing is looked at, and nothing is changed.
//!
//! Devices and namespaces that go are set aside until the end of the run, so that they are still there to be taken up
//! again. What cannot be had back is what the kernel does not keep: tracked connections, and counters.

mod addresses;
mod links;
mod restore;
mod routes;
mod rules;
mod scope;
mod sysctls;

use serde::{Deserialize, Serialize};

pub use restore::{Restoration, restore};
pub use scope::{Place, Scope};

use crate::{
    kind::sysctl,
    model::{
        Snapshot, TopologyName,
        snapshot::{FirewallState, NetnsState},
    },
};

/// What a run may change, and what that was before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Whose run it is.
    pub topology: TopologyName,
    /// What it may change.
    pub scope: Scope,
    /// What that was: of everything else nothing is kept.
    pub before: Snapshot,
}

impl Baseline {
    /// Of a reading that [`Scope::request`] asked for.
    pub fn new(topology: TopologyName, mut scope: Scope, seen: &Snapshot) -> Self {
        for (netns, place) in &mut scope.places {
            if let Some(state) = seen.namespaces.get(netns) {
                place.take_in_dead_hops(state);
                place.take_in_owners_of_sysctls(state);
            }
        }
        let before = prune(seen, &scope);
        Self { topology, scope, before }
    }

    /// This baseline where an older run has not come to its end: what that one had touched goes back to what it was
    /// before that run.
    #[must_use]
    pub fn after(mut self, older: Self) -> Self {
        for netns in older.scope.made.keys().filter(|netns| !older.scope.parked.contains_key(*netns)) {
            self.before.namespaces.remove(netns);
        }
        for (netns, then) in older.before.namespaces {
            let Some(state) = self.before.namespaces.get_mut(&netns).filter(|state| state.inode == then.inode) else {
                self.before.namespaces.insert(netns, then);
                continue;
            };
            if let Some(place) = older.scope.places.get(&netns) {
                overlay(state, then, place);
            }
        }
        for key in older.scope.records.keys() {
            match older.before.borrowed.get(key) {
                Some(record) => _ = self.before.borrowed.insert(key.clone(), record.clone()),
                None => _ = self.before.borrowed.remove(key),
            }
        }
        self.scope.extend(older.scope);
        self
    }
}

/// What the scope is about, out of a reading.
fn prune(seen: &Snapshot, scope: &Scope) -> Snapshot {
    let mut before = Snapshot::default();
    for (netns, (_, inode)) in &scope.parked {
        before.namespaces.insert(netns.clone(), NetnsState { inode: *inode, ..NetnsState::default() });
    }
    for (netns, place) in &scope.places {
        before.namespaces.extend(seen.namespaces.get(netns).map(|state| (netns.clone(), part(state, place))));
    }
    let records = seen.borrowed.iter().filter(|(key, _)| scope.records.contains_key(*key));
    before.borrowed = records.map(|(key, record)| (key.clone(), record.clone())).collect();
    before
}

fn part(state: &NetnsState, place: &Place) -> NetnsState {
    let is_touched = |index: u32| place.touches(index);
    let live = state.firewall.live.iter().filter(|(variant, table)| place.loads(*variant, table));
    NetnsState {
        inode: state.inode,
        links: state.links.iter().filter(|link| is_touched(link.index)).cloned().collect(),
        addresses: state.addresses.iter().filter(|address| is_touched(address.link)).cloned().collect(),
        routes: routes::of(place, state),
        sysctls: state.sysctls.clone(),
        firewall: FirewallState { live: live.cloned().collect(), ..FirewallState::default() },
        ..NetnsState::default()
    }
}

/// Puts what an older run had touched in the place of what is there since.
fn overlay(state: &mut NetnsState, then: NetnsState, place: &Place) {
    state.sysctls = std::mem::take(&mut state.sysctls)
        .into_iter()
        .filter_map(|(key, value)| Some((named_as_then(key, state, &then, place)?, value)))
        .collect();
    let of_older = routes::Concern::new(place, &then);
    state.routes.retain(|route| !of_older.has(route));
    state.routes.extend(then.routes);
    state.links.retain(|link| !place.is_about(link.index));
    state.links.extend(then.links);
    state.addresses.retain(|address| !place.is_about(address.link));
    state.addresses.extend(then.addresses);
    state.sysctls.extend(then.sysctls);
    state.firewall.live.retain(|(variant, table)| !place.loads(*variant, table));
    state.firewall.live.extend(then.firewall.live);
}

/// A sysctl of a device by the name that the device had before the older run; `None` where that run has made it.
fn named_as_then(key: String, state: &NetnsState, then: &NetnsState, place: &Place) -> Option<String> {
    let Some(link) = sysctl::interface_of_path(&key).and_then(|name| state.link(name)) else { return Some(key) };
    if place.made.contains_key(&link.index) {
        return None;
    }
    match then.link_at(link.index) {
        Some(was) if was.name != link.name => {
            Some(key.replacen(&format!("/{}/", link.name), &format!("/{}/", was.name), 1))
        }
        Some(_) | None => Some(key),
    }
}
