//! Opens sockets in namespaces, one after the other, on one thread: one for each takes four times as long, and a run may go
//! through thousands.

use std::{
    os::fd::OwnedFd,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::{KernelError, netlink::RouteSocket, netns};

/// The thread, at rest in the host's namespace: one that it stayed in would not go when it is deleted.
#[derive(Debug)]
pub struct Porter {
    asked: Sender<OwnedFd>,
    opened: Receiver<Result<RouteSocket, KernelError>>,
}

impl Porter {
    /// Begins; `None` where there is no thread for it.
    pub fn begin(host: &OwnedFd) -> Option<Self> {
        let host = host.try_clone().ok()?;
        let ((asked, questions), (answers, opened)) = (channel::<OwnedFd>(), channel());
        let work = move || {
            for netns in questions {
                let socket = netns::enter(&netns).and_then(|()| netns::open_socket());
                let is_back = netns::enter(&host).is_ok();
                drop(netns);
                if answers.send(socket).is_err() || !is_back {
                    return;
                }
            }
        };
        thread::Builder::new().name("porter".into()).spawn(work).ok()?;
        Some(Self { asked, opened })
    }

    /// A route socket that belongs to a namespace; `None` where the thread has gone.
    pub fn socket_in(&self, netns: OwnedFd) -> Option<Result<RouteSocket, KernelError>> {
        self.asked.send(netns).ok()?;
        self.opened.recv().ok()
    }
}
