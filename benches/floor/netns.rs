//! Named network namespaces by their system calls.

use std::{
    ffi::CString,
    io,
    os::fd::RawFd,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use nix::libc;

use super::check;

const FOLDER: &str = "/run/netns";

fn text(path: &str) -> io::Result<CString> {
    CString::new(path).map_err(|_| io::ErrorKind::InvalidInput.into())
}

pub fn path(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

/// Makes the folder a shared mount, as `ip netns` does.
pub fn prepare() -> io::Result<()> {
    std::fs::create_dir_all(FOLDER)?;
    let folder = text(FOLDER)?;
    let mount = |flags| {
        // SAFETY: the strings end in NUL and outlive the call.
        check(unsafe { libc::mount(folder.as_ptr(), folder.as_ptr(), c"none".as_ptr(), flags, std::ptr::null()) })
    };
    if mount(libc::MS_SHARED | libc::MS_REC).is_err() {
        mount(libc::MS_BIND | libc::MS_REC)?;
        mount(libc::MS_SHARED | libc::MS_REC)?;
    }
    Ok(())
}

/// Puts the calling thread into a new namespace and gives that a name.
pub fn create(name: &str) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    let path = text(&path(name))?;
    // SAFETY: the strings end in NUL and outlive the calls.
    unsafe {
        let file =
            check(libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC, 0))?;
        libc::close(file);
        let own = c"/proc/thread-self/ns/net";
        check(libc::mount(own.as_ptr(), path.as_ptr(), c"none".as_ptr(), libc::MS_BIND, std::ptr::null()))?;
    }
    Ok(())
}

pub fn open(path: &str) -> io::Result<RawFd> {
    let path = text(path)?;
    // SAFETY: the string ends in NUL and outlives the call.
    check(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) })
}

pub fn own() -> io::Result<RawFd> {
    open("/proc/thread-self/ns/net")
}

pub fn enter(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::setns(fd, libc::CLONE_NEWNET) }).map(drop)
}

pub fn close(fd: RawFd) {
    // SAFETY: whoever calls has opened it.
    unsafe { libc::close(fd) };
}

/// The names, in order.
pub fn names() -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(FOLDER)?;
    let mut names: Vec<String> = entries.flatten().filter_map(|it| it.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Takes names away from several threads.
pub fn forget(names: &[String]) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let path = text(&path(name))?;
            // SAFETY: the string ends in NUL and outlives the calls.
            unsafe {
                check(libc::umount2(path.as_ptr(), libc::MNT_DETACH))?;
                check(libc::unlink(path.as_ptr()))?;
            }
        }
        Ok(())
    };
    on_threads(4, work)
}

/// The same work on several threads; the first error is that of all.
pub fn on_threads(count: usize, work: impl Fn() -> io::Result<()> + Sync) -> io::Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().try_for_each(|it| it.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })
}
