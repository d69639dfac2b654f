//! What our listeners do.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use nix::{
    cmsg_space, libc,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
    },
};
use socket2::Socket;
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::{TcpListener, UdpSocket},
    task::JoinSet,
    time::sleep,
};

use super::UDP_QUESTION;
use crate::probe::sockets;

/// Greets whoever connects, and hangs up.
pub(super) fn tcp(socket: Socket, greeting: Vec<u8>, serving: &mut JoinSet<()>) -> io::Result<()> {
    let listener = TcpListener::from_std(socket.into())?;
    serving.spawn(async move {
        loop {
            match listener.accept().await {
                // So short a text always fits into a new connection's buffer: it cannot keep the next one waiting. Who
                // has gone by now does not miss it.
                Ok((mut stream, _)) => drop(stream.write_all(&greeting).await),
                // Out of files, say. The next one may have better luck.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    });
    Ok(())
}

/// Greets whoever asks.
pub(super) fn udp(socket: Socket, v6: bool, greeting: Vec<u8>, serving: &mut JoinSet<()>) -> io::Result<()> {
    let socket = sockets::udp_type(socket)?;
    serving.spawn(async move {
        loop {
            let answered = socket.async_io(Interest::READABLE, || answer_one(&socket, v6, &greeting)).await;
            if answered.is_err() {
                // The error of one answer (its asker has no route back, say) is no reason not to give the next.
                sleep(Duration::from_millis(10)).await;
            }
        }
    });
    Ok(())
}

/// Has the kernel tell to which of the namespace's addresses each datagram came.
pub(super) fn ask_for_destinations(socket: &Socket, v6: bool) -> io::Result<()> {
    if v6 {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    Ok(())
}

/// Where an answer comes from.
enum Source {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

/// Answers one datagram from the address that it came to: a plain answer comes from the address that the route back
/// prefers, and the asker would not take it for an answer.
fn answer_one(socket: &UdpSocket, v6: bool, greeting: &[u8]) -> io::Result<()> {
    let mut text = [0; 64];
    let mut control = cmsg_space!(libc::in6_pktinfo);
    let fd = socket.as_fd().as_raw_fd();
    let (length, asker, source) = {
        let mut parts = [IoSliceMut::new(&mut text)];
        let message = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
        (message.bytes, message.address, message.cmsgs()?.find_map(source_of_answer))
    };
    let Some(asker) = asker.filter(|_| text[..length] == *UDP_QUESTION) else { return Ok(()) };
    let info = match &source {
        Some(Source::V4(info)) if !v6 => vec![ControlMessage::Ipv4PacketInfo(info)],
        Some(Source::V6(info)) if v6 => vec![ControlMessage::Ipv6PacketInfo(info)],
        Some(_) | None => vec![],
    };
    sendmsg(fd, &[IoSlice::new(greeting)], &info, MsgFlags::MSG_DONTWAIT, Some(&asker))?;
    Ok(())
}

/// The way back is left to the routes: only the address is set, not the interface.
fn source_of_answer(part: ControlMessageOwned) -> Option<Source> {
    match part {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Source::V4(libc::in_pktinfo { ipi_ifindex: 0, ..info })),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Source::V6(libc::in6_pktinfo { ipi6_ifindex: 0, ..info })),
        _ => None,
    }
}
