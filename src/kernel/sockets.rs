//! Who listens on a port of the calling thread's namespace: asked of the kernel by NETLINK_SOCK_DIAG, which unlike
//! `/proc/net` sorts out what listens by itself and tells an IPv6 socket that serves IPv4 from one that does not.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
};

use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla},
};
use nix::{
    sys::{
        socket::{setsockopt, sockopt},
        time::{TimeVal, TimeValLike},
    },
    unistd::{Uid, User},
};
use rtnetlink::{
    packet_core::{
        DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkDeserializable,
        NetlinkHeader, NetlinkMessage, NetlinkPayload,
    },
    sys::{Socket, protocols::NETLINK_SOCK_DIAG},
};

use super::{
    KernelError,
    netlink::TransportError,
    patience,
    reply::{Reply, refusal},
};
use crate::model::socket::{Listener, Ports, Process, Protocol};

/// A dump's messages come in pieces of at most 32 KiB.
const RECEIVE: usize = 64 * 1024;
/// Of `nlmsghdr`.
const HEADER: usize = 16;

/// Every socket that takes packets to one of these ports from anybody.
pub fn listeners(ports: &BTreeSet<Ports>) -> Result<Vec<Listener>, KernelError> {
    let what = "cannot list the sockets that listen";
    let mut found = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        if !ports.iter().any(|it| it.protocol == protocol) {
            continue;
        }
        for family in [AF_INET, AF_INET6] {
            let seen = dump(protocol, family).map_err(|error| error.into_error(what))?;
            let is_asked = |it: &Seen| ports.iter().any(|ports| ports.contains(protocol, it.listener.port));
            found.extend(seen.into_iter().filter(is_asked));
        }
    }
    // Only a hit is worth a look at every process.
    if !found.is_empty() {
        let holders = holders(&found.iter().map(|it| it.inode).collect());
        for it in &mut found {
            it.listener.user = user(it.uid);
            it.listener.processes = holders.get(&it.inode).cloned().unwrap_or_default();
        }
    }
    Ok(found.into_iter().map(|it| it.listener).collect())
}

/// A listener with what its holder is found by.
struct Seen {
    listener: Listener,
    inode: u64,
    uid: u32,
}

fn dump(protocol: Protocol, family: u8) -> Result<Vec<Seen>, TransportError> {
    let socket = match Socket::new(NETLINK_SOCK_DIAG) {
        // A kernel without it cannot be asked.
        Err(error) if error.raw_os_error() == Some(nix::libc::EPROTONOSUPPORT) => return Ok(Vec::new()),
        opened => opened?,
    };
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(patience::SECONDS as i64))
        .map_err(io::Error::from)?;
    socket.send(&request(protocol, family), 0)?;
    let mut found = Vec::new();
    let mut received = Vec::with_capacity(RECEIVE);
    loop {
        received.clear();
        match socket.recv(&mut received, nix::libc::MSG_TRUNC) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(length) if length > received.len() => {
                let why = format!("a message of {length} bytes is longer than any should be");
                return Err(DecodeError::from(why).into());
            }
            length => {
                length?;
                if read_packets(protocol, &received, &mut found)? {
                    return Ok(found);
                }
            }
        }
    }
}

/// Reads one piece of a dump; `true` at its end.
fn read_packets(protocol: Protocol, mut rest: &[u8], found: &mut Vec<Seen>) -> Result<bool, TransportError> {
    while !rest.is_empty() {
        let packet = NetlinkBuffer::new_checked(rest)?;
        let length = packet.length() as usize;
        let payload = rest.get(HEADER..length).unwrap_or_default();
        let kind = packet.message_type();
        if matches!(kind, NLMSG_DONE | NLMSG_ERROR) {
            let reply = Reply { kind, flags: packet.flags(), sequence: packet.sequence_number(), payload };
            return match refusal(&reply)? {
                None => Ok(true),
                // The module for that protocol is not there.
                Some(refusal) if refusal.errno == nix::libc::ENOENT => Ok(true),
                Some(refusal) => Err(TransportError::Refused(refusal)),
            };
        }
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        if let SockDiagMessage::InetResponse(response) = SockDiagMessage::deserialize(&header, payload)? {
            found.push(decode(protocol, &response));
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn request(protocol: Protocol, family: u8) -> Vec<u8> {
    let (number, states) = match protocol {
        Protocol::Tcp => (IPPROTO_TCP, StateFlags::LISTEN),
        // The state of a UDP socket that is not connected.
        Protocol::Udp => (IPPROTO_UDP, StateFlags::CLOSE),
    };
    let socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    let extensions = ExtensionFlags::empty();
    let request = InetRequest { family, protocol: number, extensions, states, socket_id };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let payload = NetlinkPayload::from(SockDiagMessage::InetRequest(request));
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn decode(protocol: Protocol, response: &InetResponse) -> Seen {
    let header = &response.header;
    let v6only = response.nlas.iter().any(|nla| matches!(nla, Nla::SkV6Only(true)));
    let listener = Listener {
        protocol,
        address: header.socket_id.source_address.to_canonical(),
        port: header.socket_id.source_port,
        v6only,
        user: String::new(),
        processes: Vec::new(),
    };
    Seen { listener, inode: header.inode.into(), uid: header.uid }
}

fn user(uid: u32) -> String {
    let named = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    named.map_or_else(|| uid.to_string(), |user| user.name)
}

/// The processes that have these sockets open, by the socket's inode. Those that this process may not look into, and those
/// that it does not see, are left out.
fn holders(inodes: &BTreeSet<u64>) -> HashMap<u64, Vec<Process>> {
    let mut holders: HashMap<u64, Vec<Process>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let files = fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
        let inode = |file: &fs::DirEntry| socket_inode(fs::read_link(file.path()).ok()?.to_str()?);
        let held: BTreeSet<u64> = files.filter_map(|file| inode(&file)).filter(|it| inodes.contains(it)).collect();
        for inode in held {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let process = Process { pid, name: name.trim_end().to_owned() };
            holders.entry(inode).or_default().push(process);
        }
    }
    holders.values_mut().for_each(|processes| processes.sort_by_key(|process| process.pid));
    holders
}

/// `socket:[4711]`
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn on(protocol: Protocol, port: u16) -> Vec<Listener> {
        listeners(&[Ports { protocol, first: port, last: port }].into()).unwrap()
    }

    #[test]
    fn a_listener_is_found_with_its_holder() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let places = [(Protocol::Tcp, tcp.local_addr().unwrap()), (Protocol::Udp, udp.local_addr().unwrap())];
        for (protocol, local) in places {
            let found = on(protocol, local.port());
            let found = found.iter().find(|it| it.address == local.ip()).unwrap();
            let process = found.processes.iter().find(|it| it.pid == std::process::id());
            assert!(process.is_some_and(|it| !it.name.is_empty()), "{found:?}");
            assert!(!found.user.is_empty());
        }
    }

    #[test]
    fn only_a_socket_is_a_socket() {
        assert_eq!(socket_inode("socket:[4711]"), Some(4711));
        for other in ["pipe:[4711]", "socket:[]", "/dev/null", "socket:[4711"] {
            assert_eq!(socket_inode(other), None);
        }
    }
}
