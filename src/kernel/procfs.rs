//! A `/proc` of our own, seen by nobody else.
//!
//! The kernel keeps a name below `/proc/sys/net` once for every network namespace in which it was looked up, all of one
//! name in one chain: with a thousand namespaces each look costs 100 µs. A mount of its own begins with none.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
};

use nix::{
    fcntl::{OFlag, openat},
    libc::{self, c_int, c_long},
    sys::stat::Mode,
};

/// How many namespaces are looked into by one: making one costs some 150 µs, and so does a chain of some hundreds.
const NAMESPACES: usize = 100;

/// The root of a `/proc`, and made anew from time to time.
#[derive(Debug)]
pub struct Procfs {
    root: OwnedFd,
    left: usize,
}

impl Procfs {
    /// One for a namespace, and for those that [`Procfs::next`] is told of.
    pub fn new() -> io::Result<Self> {
        Ok(Self { root: root()?, left: NAMESPACES })
    }

    /// The calling thread is in another namespace now.
    pub fn next(&mut self) -> io::Result<()> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => *self = Self::new()?,
        }
        Ok(())
    }

    /// Opens what is there by a path without a slash at its beginning.
    pub fn open(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        Ok(openat(&self.root, path, flags | OFlag::O_CLOEXEC, Mode::empty())?)
    }
}

/// A mount of our own where this process may make one, else the one that is there for all.
fn root() -> io::Result<OwnedFd> {
    mounted().or_else(|_| File::open("/proc").map(Into::into))
}

fn mounted() -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: c_int = 1;
    const FSMOUNT_CLOEXEC: c_int = 1;
    const FSCONFIG_CMD_CREATE: c_int = 6;
    // SAFETY: the name ends in NUL and is there for ever.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, c"proc".as_ptr(), FSOPEN_CLOEXEC) })?;
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes neither key nor value.
    let made = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, none, none, 0) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: no pointers.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })
}

/// What a system call says that yields a descriptor.
fn owned(result: c_long) -> io::Result<OwnedFd> {
    match c_int::try_from(result) {
        // SAFETY: the kernel has just opened it for the caller, and nobody else knows of it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn it_tells_what_the_common_one_tells() {
        let mut procfs = Procfs::new().unwrap();
        for _ in 0..2 * NAMESPACES {
            procfs.next().unwrap();
        }
        let key = procfs.open(Path::new("sys/net/ipv4/ip_forward"), OFlag::O_RDONLY).unwrap();
        let mut value = String::new();
        File::from(key).read_to_string(&mut value).unwrap();
        assert_eq!(value, std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap());
    }
}
