//! Work inside a namespace. Only a socket's creation needs the namespace: it is made on a short-lived thread of its own
//! that enters it, and works from anywhere afterwards. No thread of a pool ever changes its namespace.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, thread};

use nix::sched::{CloneFlags, setns};

use crate::model::Netns;

/// Does `work` in a namespace; what failed is told in words that name the namespace.
pub(super) fn inside<T: Send>(
    netns: &Netns,
    what: &str,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, String> {
    let name = match netns {
        Netns::Host => return work().map_err(|error| failed(what, netns, &error)),
        Netns::Named(name) => name,
    };
    // A FIFO that somebody left there must not make us wait.
    let open =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(Path::new("/run/netns").join(name));
    let handle = open.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("namespace {name} does not exist: apply the topology first"),
        io::ErrorKind::PermissionDenied => format!("namespace {name} may not be opened: root is needed"),
        _ => format!("opening namespace {name} (/run/netns/{name}) failed: {error}"),
    })?;
    let entered = thread::scope(|scope| {
        thread::Builder::new()
            .name("netns".into())
            .spawn_scoped(scope, || {
                setns(&handle, CloneFlags::CLONE_NEWNET).map_err(|errno| refused(name, errno))?;
                work().map_err(|error| failed(what, netns, &error))
            })
            .map(|thread| thread.join())
    });
    match entered {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(format!("{what} in {netns} ended early; please report this as a bug of netwright")),
        Err(error) => Err(failed(what, netns, &error)),
    }
}

fn failed(what: &str, netns: &Netns, error: &io::Error) -> String {
    let help = match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EMFILE) => " (raise the limit of open files: ulimit -n 4096)",
        Some(nix::errno::Errno::EPERM) if what.contains("raw socket") => {
            " (this needs CAP_NET_RAW: run it with sudo, or in `netwright sandbox`)"
        }
        Some(nix::errno::Errno::EACCES) if what.starts_with("listening") => {
            " (a port this low needs CAP_NET_BIND_SERVICE: run it with sudo, or in `netwright sandbox`)"
        }
        Some(nix::errno::Errno::EPERM) => " (root is needed, or `netwright sandbox`)",
        _ => "",
    };
    format!("{what} in {netns} failed: {error}{help}")
}

fn refused(name: &str, errno: nix::errno::Errno) -> String {
    match errno {
        nix::errno::Errno::EINVAL => format!("/run/netns/{name} is no namespace (left behind by a crash): delete it"),
        nix::errno::Errno::EPERM => format!("namespace {name} may not be entered: root is needed"),
        _ => format!("entering namespace {name} failed: {}", io::Error::from(errno)),
    }
}
