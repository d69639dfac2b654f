//! Network namespaces: the files below `/run/netns` that give them names, and threads that work inside.
//!
//! No thread that others use ever changes its namespace: what has to run inside gets a thread of its own.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags},
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::{
        stat::fstat,
        statfs::{NSFS_MAGIC, fstatfs},
    },
    unistd::linkat,
};

use super::{KernelError, folder::lock_within, link, netlink::RouteSocket, nursery::Unnamed};
use crate::{
    model::{Mark, Netns, TopologyName},
    op::LinkChange,
};

/// Where names of network namespaces live.
pub const DIRECTORY: &str = "/run/netns";
/// The namespace of the thread that opens it.
const OWN: &str = "/proc/thread-self/ns/net";
/// `lo` has this index in every namespace.
pub const LO: u32 = 1;

/// What a file below `/run/netns` turned out to be.
#[derive(Debug)]
pub enum Opened {
    /// A namespace.
    Namespace(OwnedFd),
    /// A file that is none.
    Stale,
    /// Nothing any more.
    Gone,
}

/// The calling thread's namespace.
pub fn own() -> io::Result<OwnedFd> {
    File::open(OWN).map(Into::into)
}

/// Where a namespace of that name is.
pub fn path(name: &str) -> Result<PathBuf, KernelError> {
    // A name comes from a file or a saved plan; it must not lead out of the folder.
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(KernelError::message(
            format!("cannot use namespace `{}`", name.escape_debug()),
            "that is no name for a namespace",
        ));
    }
    Ok(Path::new(DIRECTORY).join(name))
}

/// The names below `/run/netns`, sorted. `host` is left out, since it stands for the namespace that the tool runs in;
/// so is what is no text.
pub fn names() -> Result<Vec<String>, KernelError> {
    let fail = |error| KernelError::io(format!("cannot list {DIRECTORY}"), error);
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(fail)?.file_name().into_string().ok().filter(|name| name != Netns::Host.as_str()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Opens a name.
pub fn open(name: &str) -> Result<Opened, KernelError> {
    open_path(&path(name)?)
}

/// Opens a file that should be a namespace.
pub fn open_path(path: &Path) -> Result<Opened, KernelError> {
    let fail = |error| KernelError::io(format!("cannot open {}", path.display()), error);
    // A FIFO that somebody left there must not make us wait.
    let file = match OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A symbolic link that leads nowhere is there and is no namespace.
            return Ok(if path.symlink_metadata().is_ok() { Opened::Stale } else { Opened::Gone });
        }
        Err(error) if matches!(error.raw_os_error(), Some(nix::libc::ENXIO | nix::libc::ELOOP)) => {
            return Ok(Opened::Stale);
        }
        Err(error) => return Err(fail(error)),
    };
    match fstatfs(&file) {
        Ok(stat) if stat.filesystem_type() == NSFS_MAGIC => Ok(Opened::Namespace(file.into())),
        Ok(_) => Ok(Opened::Stale),
        Err(errno) => Err(fail(errno.into())),
    }
}

/// The number that tells one namespace from another for as long as both are there.
pub fn inode(fd: impl AsFd) -> Result<u64, KernelError> {
    let stat =
        nix::sys::stat::fstat(fd).map_err(|errno| KernelError::io("cannot tell namespaces apart", errno.into()))?;
    Ok(stat.st_ino)
}

/// Opens a namespace that must be there.
pub fn open_existing(name: &str) -> Result<OwnedFd, KernelError> {
    match open(name)? {
        Opened::Namespace(fd) => Ok(fd),
        Opened::Gone => Err(KernelError::io(format!("cannot enter namespace `{name}`"), Errno::ENOENT.into())),
        Opened::Stale => Err(KernelError::message(
            format!("cannot enter namespace `{name}`"),
            format!("{DIRECTORY}/{name} is no namespace, but a file that was left behind"),
        )),
    }
}

/// Runs `work` on a thread of its own in a new network namespace, which the kernel removes when the thread ends. The
/// processes that it starts are in there too.
pub fn in_throwaway<T: Send>(
    what: &str,
    work: impl FnOnce() -> Result<T, KernelError> + Send,
) -> Result<T, KernelError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("trial".into()).spawn_scoped(scope, || {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|errno| KernelError::io(what, errno.into()).hint(why_none_is_made(errno)))?;
            work()
        });
        let thread = thread.map_err(|error| KernelError::io(what, error))?;
        thread.join().unwrap_or_else(|_| Err(KernelError::io(what, io::Error::other("its thread panicked"))))
    })
}

/// Runs `work` on a plain thread inside a namespace.
pub fn in_netns<T: Send>(
    netns: impl AsFd,
    work: impl FnOnce() -> Result<T, KernelError> + Send,
) -> Result<T, KernelError> {
    let netns = netns.as_fd();
    on_thread(move || {
        enter(netns)?;
        work()
    })
}

/// Moves the calling thread, which must be one of those that nobody else uses.
pub fn enter(netns: impl AsFd) -> Result<(), KernelError> {
    match setns(&netns, CloneFlags::CLONE_NEWNET) {
        Ok(()) => Ok(()),
        // Without privileges one may still look around where one is.
        Err(Errno::EPERM) if is_own(netns) => Ok(()),
        Err(errno) => {
            let hint = (errno == Errno::EPERM).then_some("this needs CAP_SYS_ADMIN");
            Err(KernelError::io("cannot work", errno.into()).hint(hint))
        }
    }
}

/// Whether it is the namespace that the calling thread is in.
fn is_own(netns: impl AsFd) -> bool {
    let identity = |fd: BorrowedFd<'_>| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    own().is_ok_and(|own| identity(own.as_fd()).is_some_and(|own| Some(own) == identity(netns.as_fd())))
}

/// Why a namespace cannot be held on to.
pub fn not_held(error: io::Error) -> KernelError {
    KernelError::io("cannot hold on to a namespace", error)
}

/// A route socket that belongs to a namespace.
pub fn socket_in(netns: impl AsFd) -> Result<RouteSocket, KernelError> {
    in_netns(netns, open_socket)
}

/// A route socket in the calling thread's namespace.
pub fn open_socket() -> Result<RouteSocket, KernelError> {
    RouteSocket::open().map_err(|error| KernelError::io("cannot open a netlink socket", error))
}

/// Runs `work` on a thread of its own.
pub fn on_thread<T: Send>(work: impl FnOnce() -> Result<T, KernelError> + Send) -> Result<T, KernelError> {
    thread::scope(|scope| {
        let handle = thread::Builder::new()
            .name("netns".into())
            .spawn_scoped(scope, work)
            .map_err(|error| KernelError::io("cannot start a thread", error))?;
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Makes `/run/netns` a shared mount, as `ip netns` does, so that names made later are seen, and names removed later
/// are freed, in the mount namespaces of others.
pub fn prepare_directory() -> Result<(), KernelError> {
    let fail = |error| KernelError::io(format!("cannot prepare {DIRECTORY}"), error);
    // Whatever the umask is: who may write there may take names away.
    fs::DirBuilder::new().recursive(true).mode(0o755).create(DIRECTORY).map_err(fail)?;
    let none = None::<&str>;
    let share = || mount(none, DIRECTORY, none, MsFlags::MS_SHARED | MsFlags::MS_REC, none);
    if share().is_ok() {
        return Ok(());
    }
    // `ip netns` takes the same lock: two at once would mount the folder on itself twice. Everybody may take it.
    let folder = File::open(DIRECTORY).map_err(fail)?;
    lock_within(&folder, Path::new(DIRECTORY), Duration::from_secs(10)).map_err(fail)?;
    match share() {
        Err(Errno::EINVAL) => {
            // It is no mount point yet.
            mount(Some(DIRECTORY), DIRECTORY, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
                .map_err(|errno| fail(errno.into()))?;
            share().map_err(|errno| fail(errno.into()))
        }
        done => done.map_err(|errno| fail(errno.into())),
    }
}

/// Makes a namespace whose `lo` bears the mark, on a thread that is the caller's own, which is in it afterwards. Nobody sees
/// it until it gets a name by [`name`].
pub fn unnamed(host: &OwnedFd, mark: &str) -> Result<Unnamed, KernelError> {
    let fail = |error| KernelError::io("cannot create a namespace", error);
    // A new one may get settings from the one that it is made in (`net.core.devconf_inherit_init_net`).
    enter(host)?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| fail(errno.into()).hint(why_none_is_made(errno)))?;
    let fd = own().map_err(fail)?;
    let mut socket = open_socket()?;
    let alias = LinkChange { alias: Some(mark.to_owned()), ..LinkChange::default() };
    let what = "cannot mark a namespace";
    let refused = socket.send(&link::set(LO, &alias)).map_err(|error| error.into_error(what))?;
    match refused.into_iter().next() {
        Some((_, refusal)) => Err(refusal.into_error(what)),
        None => Ok(Unnamed { fd, socket }),
    }
}

/// The same on a thread that goes at once.
pub fn create(host: &OwnedFd, mark: &str) -> Result<Unnamed, KernelError> {
    on_thread(|| unnamed(host, mark))
}

/// Gives a namespace its name. [`prepare_directory`] must have run.
pub fn name(fd: &OwnedFd, name: &str, mark: &str) -> Result<(), KernelError> {
    let path = path(name)?;
    let source = format!("/proc/self/fd/{}", fd.as_raw_fd());
    bind(Path::new(&source), &path, mark).map_err(|error| {
        let taken = error.kind() == io::ErrorKind::AlreadyExists;
        let hint = taken.then(|| format!("{} is already there", path.display()));
        KernelError::io(format!("cannot create namespace `{name}`"), error).hint(hint)
    })
}

fn why_none_is_made(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EINVAL => Some("this kernel has no network namespaces"),
        Errno::ENOSPC => Some("raise the sysctl user.max_net_namespaces"),
        Errno::EPERM => Some("this needs CAP_SYS_ADMIN, and nothing such as seccomp that forbids it"),
        _ => None,
    }
}

/// Binds a namespace to a path; leaves no file behind where that fails. The mark is written into the file below the mount
/// too, so that one that a killed run leaves behind tells whose it is.
pub fn bind(source: &Path, path: &Path, mark: &str) -> io::Result<()> {
    match put(path, mark) {
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists
                && left_behind(path).is_some_and(|left| left.to_string() == mark) =>
        {
            fs::remove_file(path)?;
            put(path, mark)?;
        }
        made => made?,
    }
    bind_over(source, path)
}

/// Binds a namespace to a file that is there, which goes where that fails.
pub fn bind_over(source: &Path, path: &Path) -> io::Result<()> {
    let none = None::<&str>;
    mount(Some(source), path, none, MsFlags::MS_BIND, none).map_err(|errno| {
        let _ = fs::remove_file(path);
        errno.into()
    })
}

/// Makes the file with the mark in it at once: one that is there without its mark would be nobody's, and stand in
/// everybody's way for ever.
fn put(path: &Path, mark: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(DIRECTORY));
    let unnamed = OpenOptions::new().write(true).mode(0o444).custom_flags(nix::libc::O_TMPFILE).open(folder);
    let Ok(mut file) = unnamed else {
        // A file system without such files.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)?;
        return file.write_all(mark.as_bytes()).inspect_err(|_| drop(fs::remove_file(path)));
    };
    file.write_all(mark.as_bytes())?;
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?)
}

/// The mark in a file that was left behind by a run that was killed between making the file and mounting the namespace
/// on it, or between unmounting and removing it.
pub fn left_behind(path: &Path) -> Option<Mark> {
    // Longer than any mark, and a namespace's own file is empty.
    const LARGEST: u64 = 4096;
    path.symlink_metadata().ok().filter(|found| found.is_file() && (1..LARGEST).contains(&found.len()))?;
    Mark::parse(&fs::read_to_string(path).ok()?)
}

/// Whether a name is nothing but a file that a killed run of some topology has left behind.
pub fn is_left_behind(name: &str) -> bool {
    path(name).is_ok_and(|path| left_behind(&path).is_some())
}

/// Removes the files that killed runs of a topology have left behind.
pub fn sweep(topology: &TopologyName) -> Result<(), KernelError> {
    for name in names()? {
        let path = path(&name)?;
        if left_behind(&path).is_some_and(|mark| mark.topology == *topology) {
            fs::remove_file(&path)
                .map_err(|error| KernelError::io(format!("cannot remove {}", path.display()), error))?;
        }
    }
    Ok(())
}

/// Takes a name away. The namespace goes once nothing holds it any more.
pub fn delete(name: &str) -> Result<(), KernelError> {
    release(&path(name)?).map_err(|error| {
        let busy = error.raw_os_error() == Some(nix::libc::EBUSY);
        let hint = busy.then_some("it is mounted in another mount namespace");
        KernelError::io(format!("cannot delete namespace `{name}`"), error).hint(hint)
    })
}

/// Takes away what [`bind`] has made.
pub fn release(path: &Path) -> io::Result<()> {
    match umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        // EINVAL: no mount point here, such as a file that was left behind, or a symbolic link.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_out_of_the_folder() {
        for bad in ["", ".", "..", "../x", "a/b", "/etc", "a\0b"] {
            assert!(path(bad).is_err(), "{bad:?} was taken");
            assert!(open(bad).is_err() && delete(bad).is_err(), "{bad:?} was used");
        }
        assert_eq!(path("web..1").unwrap(), Path::new("/run/netns/web..1"));
    }
}
