//! Why a packet was not delivered: the kernel's error numbers, and the ICMP errors behind them.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd, BorrowedFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    libc,
    sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg},
};

use super::{icmp, sockets::Transport, verdict::Seen};
use crate::model::Netns;

/// What an error means that this machine's own kernel made, without any packet from elsewhere.
pub(super) fn local(error: &io::Error, from: &Netns, target: SocketAddr) -> Seen {
    let ip = target.ip();
    let refused = |words: String| Seen::Refused { words, by_target: false };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENETUNREACH) => refused(format!("{from} has no route to {ip}")),
        Some(Errno::EHOSTUNREACH) => refused(format!("{ip} is unreachable from {from}")),
        Some(Errno::EACCES) => refused(format!("a route of {from} prohibits {ip}")),
        Some(Errno::EPERM) => refused(format!("the packet filter of {from} lets nothing out to {ip}")),
        Some(Errno::ENETDOWN) => refused(format!("the interface of {from} towards {ip} is down")),
        Some(Errno::EADDRNOTAVAIL) => refused(format!("{from} has no address to reach {ip} from")),
        // The kernel's way to say blackhole.
        Some(Errno::EINVAL) if !is_link_local(ip) => refused(format!("a route of {from} drops what goes to {ip}")),
        Some(Errno::EINVAL) => {
            Seen::Broken(format!("{ip} is a link-local address: check another address of the target"))
        }
        Some(Errno::ECONNREFUSED | Errno::ECONNRESET) => {
            Seen::Refused { words: format!("connection refused by {ip} port {}", target.port()), by_target: true }
        }
        _ => Seen::Broken(format!("sending from {from} to {ip} failed: {error}")),
    }
}

/// What an error on a connected socket means: the error queue knows the ICMP message behind it, where there was one.
pub(super) fn received(
    error: &io::Error,
    socket: BorrowedFd<'_>,
    from: &Netns,
    transport: Transport,
    target: SocketAddr,
) -> Seen {
    let Some(message) = queued(socket) else { return local(error, from, target) };
    let v6 = target.is_ipv6();
    let what = icmp::refusal(v6, message.kind, message.code).unwrap_or("unreachable");
    // The target itself says "port unreachable" of a UDP port where nothing listens; about TCP, only a packet filter
    // says it.
    let by_target = transport == Transport::Udp
        && message.offender == Some(target.ip())
        && icmp::is_port_unreachable(v6, message.kind, message.code);
    let words = match message.offender {
        Some(offender) => format!("{what} from {offender}"),
        None => what.into(),
    };
    Seen::Refused { words, by_target }
}

/// An ICMP error from a socket's error queue.
struct Queued {
    kind: u8,
    code: u8,
    offender: Option<IpAddr>,
}

/// The first ICMP error of a socket's queue.
fn queued(socket: BorrowedFd<'_>) -> Option<Queued> {
    let mut control = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let mut payload = [0; 64];
    // The queue may hold errors of the own kernel before it; each read takes one off.
    for _ in 0..8 {
        let mut parts = [IoSliceMut::new(&mut payload)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
        for part in message.cmsgs().ok()? {
            let (error, offender) = match part {
                ControlMessageOwned::Ipv4RecvErr(error, offender) => {
                    let ip = offender.map(|from| IpAddr::from(Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr))));
                    (error, ip)
                }
                ControlMessageOwned::Ipv6RecvErr(error, offender) => {
                    (error, offender.map(|from| IpAddr::from(Ipv6Addr::from(from.sin6_addr.s6_addr))))
                }
                _ => continue,
            };
            if [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6].contains(&error.ee_origin) {
                let offender = offender.filter(|ip| !ip.is_unspecified());
                return Some(Queued { kind: error.ee_type, code: error.ee_code, offender });
            }
        }
    }
    None
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
