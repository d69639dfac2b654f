//! Sockets that are made inside a namespace and work from outside of it.

use std::{
    io,
    net::{IpAddr, UdpSocket as StdUdpSocket},
    os::fd::OwnedFd,
};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, UdpSocket};

use super::{netns, verdict::Seen};
use crate::{kind::check::Probe, model::Netns};

/// What has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// What a probe goes by; nothing for a ping.
    pub(super) fn of(probe: Probe) -> Option<Self> {
        match probe {
            Probe::Ping => None,
            Probe::Tcp(_) => Some(Self::Tcp),
            Probe::Udp(_) => Some(Self::Udp),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// A new socket, to be called inside the namespace that it shall belong to.
    pub(super) fn socket(self, v6: bool) -> io::Result<Socket> {
        let (kind, protocol) = match self {
            Self::Tcp => (Type::STREAM, Protocol::TCP),
            Self::Udp => (Type::DGRAM, Protocol::UDP),
        };
        let socket = Socket::new(domain(v6), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

fn domain(v6: bool) -> Domain {
    if v6 { Domain::IPV6 } else { Domain::IPV4 }
}

/// A socket for ICMP echoes. A raw one: who may use ping sockets is a sysctl of each namespace, and nobody may in a
/// fresh one. The UDP type's calls only send and receive by address, which a raw socket does in the same way.
pub(super) fn icmp(from: &Netns, target: IpAddr) -> Result<UdpSocket, Seen> {
    let protocol = if target.is_ipv6() { Protocol::ICMPV6 } else { Protocol::ICMPV4 };
    let socket = netns::inside(from, "opening a raw socket", || {
        let socket = Socket::new(domain(target.is_ipv6()), Type::RAW, Some(protocol))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })
    .map_err(Seen::Broken)?;
    udp_type(socket).map_err(|error| broken(&error))
}

/// A socket for one datagram and its answer, or for the errors that routers send instead.
pub(super) fn udp(from: &Netns, target: IpAddr) -> Result<UdpSocket, Seen> {
    let socket = client(from, Transport::Udp, target)?;
    udp_type(socket).map_err(|error| broken(&error))
}

/// A socket for one connection, and a second handle to it, whose error queue can still be read once the first is lost
/// in a connect that failed.
pub(super) fn tcp(from: &Netns, target: IpAddr) -> Result<(TcpSocket, OwnedFd), Seen> {
    let socket = client(from, Transport::Tcp, target)?;
    let second = socket.try_clone().map_err(|error| broken(&error))?;
    Ok((TcpSocket::from_std_stream(socket.into()), second.into()))
}

fn client(from: &Netns, transport: Transport, target: IpAddr) -> Result<Socket, Seen> {
    netns::inside(from, &format!("opening a {} socket", transport.as_str()), || {
        let socket = transport.socket(target.is_ipv6())?;
        // Without it the kernel says that a path is refused, but not by whom.
        if target.is_ipv6() {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        }
        Ok(socket)
    })
    .map_err(Seen::Broken)
}

/// Gives a socket that sends and receives by address to the runtime.
pub(super) fn udp_type(socket: Socket) -> io::Result<UdpSocket> {
    UdpSocket::from_std(StdUdpSocket::from(OwnedFd::from(socket)))
}

fn broken(error: &io::Error) -> Seen {
    Seen::Broken(format!("watching a socket failed: {error}"))
}
