//! Which namespace it is: a number that the kernel never gives again until it reboots. The inode of a namespace is no
//! such thing: the next one that is made after it has gone gets the same.

use std::os::fd::AsFd;

use nix::{
    getsockopt_impl, libc, sockopt_impl,
    sys::socket::{getsockopt, sockopt::GetStruct},
};

sockopt_impl!(
    /// `SO_NETNS_COOKIE`, since Linux 5.14.
    NetnsCookie,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_NETNS_COOKIE,
    u64,
    GetStruct<u64>
);

/// The number of the namespace that a socket is in; `None` where this kernel does not tell.
pub fn of(socket: &impl AsFd) -> Option<u64> {
    getsockopt(&socket.as_fd(), NetnsCookie).ok()
}
