//! Ends of veths that were read while their peers were not. A run's namespaces are read in parts, and links lead from one part
//! to another: whoever reads the later one finds the earlier here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashSet;

use super::peers::{Reading, Veth};
use crate::model::{
    Netns,
    snapshot::{LinkState, NetnsState, Peer},
};

/// Namespaces, each with those of its ends whose peers are not known, and with nothing else.
#[derive(Debug, Clone, Default)]
pub struct Unmet(Arc<Mutex<Vec<(Netns, Reading)>>>);

impl Unmet {
    /// Whatever is read next has nothing to do with what was.
    pub fn forget(&self) {
        self.all().clear();
    }

    /// Takes all but those of namespaces that are read once more.
    pub fn take(&self, again: &[Netns]) -> (Vec<Netns>, Vec<Reading>) {
        let again: HashSet<&Netns> = again.iter().collect();
        let all = std::mem::take(&mut *self.all());
        all.into_iter().filter(|(netns, _)| !again.contains(netns)).unzip()
    }

    /// Leaves what is unmet yet of a namespace.
    pub fn leave(&self, netns: &Netns, reading: &Reading) {
        let mut left = Reading { host_nsid: reading.host_nsid, ..Reading::default() };
        let mut links = Vec::new();
        for veth in &reading.veths {
            let Some(link) = reading.state.links.get(veth.place) else { continue };
            if let Some(peer @ Peer { netns: None, .. }) = &link.peer {
                left.veths.push(Veth { place: links.len(), nsid: veth.nsid });
                links.push(LinkState { index: link.index, peer: Some(peer.clone()), ..LinkState::default() });
            }
        }
        if !links.is_empty() {
            left.state = Box::new(NetnsState { links: links.into(), ..NetnsState::default() });
            self.all().push((netns.clone(), left));
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<(Netns, Reading)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ends_without_a_known_peer_are_left_and_taken_once() {
        let named = |name: &str| Netns::Named(name.into());
        let end = |index: u32, netns: Option<Netns>| LinkState {
            index,
            peer: Some(Peer { index: index + 1, netns }),
            ..LinkState::default()
        };
        let links = vec![LinkState { index: 1, ..LinkState::default() }, end(2, Some(Netns::Host)), end(4, None)];
        let veths = vec![Veth { place: 1, nsid: Some(0) }, Veth { place: 2, nsid: Some(7) }];
        let state = Box::new(NetnsState { links: links.into(), ..NetnsState::default() });
        let unmet = Unmet::default();
        unmet.leave(&named("a"), &Reading { state, veths, host_nsid: Some(0) });
        unmet.leave(&named("b"), &Reading::default());
        let (places, readings) = unmet.clone().take(&[named("c")]);
        assert_eq!(places, [named("a")], "who has no such end is not left");
        assert_eq!(
            (readings[0].state.links[0].index, readings[0].veths[0].place, readings[0].veths[0].nsid),
            (4, 0, Some(7))
        );
        assert_eq!(readings[0].state.links.len(), 1);
        assert!(unmet.take(&[]).0.is_empty(), "whoever takes them leaves them again, or not");
        unmet.leave(&named("a"), &readings[0]);
        assert!(unmet.take(&[named("a")]).0.is_empty(), "it is read once more");
    }
}
