//! Namespaces that were set aside: they are there under a name that nobody can give, so that whatever becomes of one end
//! of a pair becomes of the other, and no reader sees them.

use nix::errno::Errno;

use super::{Done, Fake, Refused};
use crate::model::{Netns, Snapshot};

/// No name below `/run/netns` has a slash.
const PREFIX: &str = "kept/";

fn aside(netns: &Netns, inode: u64) -> Netns {
    Netns::Named(format!("{PREFIX}{netns}/{inode}").into())
}

/// Whether it is the name of one.
pub fn is_aside(netns: &Netns) -> bool {
    netns.as_str().starts_with(PREFIX)
}

impl Fake {
    pub(super) fn park_netns(&mut self, netns: &Netns, inode: u64) -> Done {
        if let Some(at) = self.state.stale_netns.iter().position(|stale| stale == netns.as_str()) {
            self.state.stale_netns.remove(at);
            return Ok(());
        }
        match self.state.namespaces.get(netns) {
            None => Ok(()),
            Some(state) if state.inode != inode => {
                Err(Refused::Text("another program has put another namespace in its place".to_owned()))
            }
            Some(_) => {
                self.rename_netns(netns, aside(netns, inode));
                Ok(())
            }
        }
    }

    pub(super) fn unpark_netns(&mut self, netns: &Netns, inode: u64) -> Done {
        let kept = aside(netns, inode);
        if self.state.namespaces.contains_key(netns) {
            return Err(Errno::EEXIST.into());
        }
        if !self.state.namespaces.contains_key(&kept) {
            return Err(Errno::ENOENT.into());
        }
        self.rename_netns(&kept, netns.clone());
        Ok(())
    }

    pub(super) fn drop_netns(&mut self, netns: &Netns, inode: u64) -> Done {
        let kept = aside(netns, inode);
        if self.state.namespaces.contains_key(&kept) { self.delete_netns(&kept) } else { Ok(()) }
    }

    /// Lets all of them go.
    pub(super) fn drop_all_kept(&mut self) {
        let all: Vec<Netns> = self.state.namespaces.keys().filter(|netns| is_aside(netns)).cloned().collect();
        for netns in all {
            // It is there, and so can be deleted.
            let _ = self.delete_netns(&netns);
        }
    }

    fn rename_netns(&mut self, from: &Netns, to: Netns) {
        let Some(state) = self.state.namespaces.remove(from) else { return };
        self.state.namespaces.insert(to.clone(), state);
        let links = self.state.namespaces.values_mut().flat_map(|state| &mut state.links);
        for peer in links.filter_map(|link| link.peer.as_mut()).filter(|peer| peer.netns.as_ref() == Some(from)) {
            peer.netns = Some(to.clone());
        }
    }
}

/// Takes them out of what a reader sees.
pub fn hide(seen: &mut Snapshot) {
    seen.namespaces.retain(|netns, _| !is_aside(netns));
    let links = seen.namespaces.values_mut().flat_map(|state| &mut state.links);
    for peer in links.filter_map(|link| link.peer.as_mut()) {
        peer.netns.take_if(|netns| is_aside(netns));
    }
}
