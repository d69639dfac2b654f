//! A raw NETLINK_NETFILTER socket: dumps and acknowledged requests, as little of it as is needed. The netlink crates
//! have no packets for nf_tables or connection tracking.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    libc,
    sys::{
        socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt},
        time::{TimeVal, TimeValLike},
    },
};

use super::super::{buffer, patience};
use crate::model::snapshot::Family;

const NLMSG_HEADER: usize = 16;
/// `struct nfgenmsg`: family, version, resource id.
const NFGEN_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;
/// The subsystem of nf_tables.
pub(super) const SUBSYSTEM_NFTABLES: u16 = 10;
/// `NFT_MSG_GETCHAIN`.
pub(super) const GETCHAIN: u16 = 4;
pub(super) const NFTA_CHAIN_TABLE: u16 = 1;
pub(super) const NFTA_CHAIN_NAME: u16 = 3;
/// Set beside an attribute's type where it holds attributes.
pub(super) const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;
/// How often a dump is begun again because the tables changed while it ran.
const TRIES: usize = 20;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// The socket, of the namespace that the thread was in when it was opened.
pub(super) struct Netfilter {
    socket: OwnedFd,
}

impl AsFd for Netfilter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Netfilter {
    pub(super) fn open() -> io::Result<Self> {
        let protocol = SockProtocol::NetlinkNetFilter;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        // What comes later was lost.
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(patience::SECONDS as i64))?;
        Ok(Self { socket })
    }

    /// Dumps, and hands each message's family and attributes on. What was handed on before the kernel said that the
    /// dump was disturbed is handed on again.
    pub(super) fn dump(
        &self,
        subsystem: u16,
        kind: u16,
        family: u8,
        mut each: impl FnMut(u8, &[u8]),
    ) -> io::Result<()> {
        for sequence in 1..=TRIES as u32 {
            self.send(sequence, subsystem << 8 | kind, NLM_F_REQUEST | NLM_F_DUMP, family, &[])?;
            if !self.receive_dump(sequence, &mut each)? {
                return Ok(());
            }
        }
        Err(io::Error::other(format!("it changed {TRIES} times while it was being read")))
    }

    /// Sends a request and waits for its acknowledgement.
    pub(super) fn request(&self, subsystem: u16, kind: u16, family: u8, attributes: &[u8]) -> io::Result<()> {
        const SEQUENCE: u32 = 0x6e77;
        self.send(SEQUENCE, subsystem << 8 | kind, NLM_F_REQUEST | NLM_F_ACK, family, attributes)?;
        buffer::with(|room| {
            loop {
                for message in messages(self.receive(room)?) {
                    let message = message?;
                    if message.sequence == SEQUENCE && message.kind == NLMSG_ERROR {
                        return message.error();
                    }
                }
            }
        })
    }

    /// Runs nf_tables requests of one kind, each with its family and attributes, as a transaction that the kernel refuses
    /// (`ERESTART`) where the rules are no longer of that generation.
    pub(super) fn transaction(&self, generation: u32, kind: u16, requests: &[(u8, Vec<u8>)]) -> io::Result<()> {
        const BEGIN: u16 = 0x10;
        const END: u16 = 0x11;
        const BATCH_GENID: u16 = 1;
        let mut genid = Vec::new();
        push_attribute(&mut genid, BATCH_GENID, &generation.to_be_bytes()).ok_or_else(malformed)?;
        let mut batch = message(1, BEGIN, NLM_F_REQUEST, libc::AF_UNSPEC as u8, SUBSYSTEM_NFTABLES, &genid)?;
        let mut last = 1;
        for (family, attributes) in requests {
            last += 1;
            let flags = NLM_F_REQUEST | NLM_F_ACK;
            batch.extend(message(last, SUBSYSTEM_NFTABLES << 8 | kind, flags, *family, 0, attributes)?);
        }
        batch.extend(message(last + 1, END, NLM_F_REQUEST, libc::AF_UNSPEC as u8, SUBSYSTEM_NFTABLES, &[])?);
        self.transmit(&batch)?;
        buffer::with(|room| {
            loop {
                for message in messages(self.receive(room)?) {
                    let message = message?;
                    if message.kind == NLMSG_ERROR {
                        message.error()?;
                        if message.sequence == last {
                            return Ok(());
                        }
                    }
                }
            }
        })
    }

    /// The generation of the rules: it changes with every transaction.
    pub(super) fn generation(&self) -> io::Result<u32> {
        const GETGEN: u16 = 16;
        const NFTA_GEN_ID: u16 = 1;
        self.send(1, SUBSYSTEM_NFTABLES << 8 | GETGEN, NLM_F_REQUEST, libc::AF_UNSPEC as u8, &[])?;
        buffer::with(|room| {
            let answer = messages(self.receive(room)?).next().ok_or_else(malformed)??;
            if answer.kind == NLMSG_ERROR {
                answer.error()?;
            }
            let body = answer.payload.get(NFGEN_HEADER..).ok_or_else(malformed)?;
            let id = attributes(body).find(|(kind, _)| *kind == NFTA_GEN_ID).and_then(|(_, value)| value.first_chunk());
            id.copied().map(u32::from_be_bytes).ok_or_else(malformed)
        })
    }

    fn receive_dump(&self, sequence: u32, each: &mut impl FnMut(u8, &[u8])) -> io::Result<bool> {
        let mut disturbed = false;
        buffer::with(|room| {
            loop {
                for message in messages(self.receive(room)?) {
                    let message = message?;
                    if message.sequence != sequence {
                        continue;
                    }
                    disturbed |= message.flags & NLM_F_DUMP_INTR != 0;
                    match message.kind {
                        NLMSG_DONE => return message.error().map(|()| disturbed),
                        NLMSG_ERROR => message.error()?,
                        _ => {
                            let family = *message.payload.first().ok_or_else(malformed)?;
                            each(family, message.payload.get(NFGEN_HEADER..).ok_or_else(malformed)?);
                        }
                    }
                }
            }
        })
    }

    fn send(&self, sequence: u32, kind: u16, flags: u16, family: u8, attributes: &[u8]) -> io::Result<()> {
        self.transmit(&message(sequence, kind, flags, family, 0, attributes)?)
    }

    fn transmit(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match send(self.socket.as_raw_fd(), bytes, MsgFlags::empty()) {
                Err(nix::errno::Errno::EINTR) => {}
                sent => return Ok(sent.map(drop)?),
            }
        }
    }

    /// Takes one packet of replies.
    fn receive<'r>(&self, room: &'r mut [u8]) -> io::Result<&'r [u8]> {
        let length = loop {
            match recv(self.socket.as_raw_fd(), room, MsgFlags::MSG_TRUNC) {
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(patience::unanswered(error.into())),
                Ok(length) => break length,
            }
        };
        room.get(..length).ok_or_else(|| io::Error::other("a netlink message was cut off"))
    }
}

/// Dumps what nf_tables holds of one kind, in every family; nothing where the kernel lacks it.
pub(super) fn dump_nftables(kind: u16, each: impl FnMut(u8, &[u8])) -> io::Result<()> {
    let socket = match Netfilter::open() {
        Ok(socket) => socket,
        Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => return Ok(()),
        Err(error) => return Err(error),
    };
    match socket.dump(SUBSYSTEM_NFTABLES, kind, libc::AF_UNSPEC as u8, each) {
        Err(error) if is_unsupported(&error) => Ok(()),
        result => result,
    }
}

/// One message; `resource` is `nfgenmsg.res_id`, the subsystem of a batch.
fn message(sequence: u32, kind: u16, flags: u16, family: u8, resource: u16, attributes: &[u8]) -> io::Result<Vec<u8>> {
    let length = NLMSG_HEADER + NFGEN_HEADER + attributes.len();
    let mut message = Vec::with_capacity(length);
    message.extend(u32::try_from(length).map_err(io::Error::other)?.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend([family, 0]);
    message.extend(resource.to_be_bytes());
    message.extend(attributes);
    Ok(message)
}

/// Whether an error means that the kernel lacks the subsystem asked.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT))
}

/// The number of a family in netfilter's messages, and back.
pub(super) fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => libc::AF_INET as u8,
        Family::V6 => libc::AF_INET6 as u8,
    }
}

pub(super) fn family(number: u8) -> Option<Family> {
    Family::ALL.into_iter().find(|family| family_number(*family) == number)
}

fn malformed() -> io::Error {
    io::Error::other("a netlink message that does not decode")
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl Message<'_> {
    /// The error that NLMSG_ERROR and NLMSG_DONE carry; zero is success.
    fn error(&self) -> io::Result<()> {
        let Some(code) = self.payload.first_chunk().copied().map(i32::from_ne_bytes) else { return Err(malformed()) };
        if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
    }
}

fn messages(mut rest: &[u8]) -> impl Iterator<Item = io::Result<Message<'_>>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((message, tail)) = split_message(rest) else {
            rest = &[];
            return Some(Err(malformed()));
        };
        rest = tail;
        Some(Ok(message))
    })
}

fn split_message(rest: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
    let payload = rest.get(NLMSG_HEADER..length)?;
    let number = |at: usize| rest.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes);
    let sequence = u32::from_ne_bytes(*rest.get(8..)?.first_chunk()?);
    let message = Message { kind: number(4)?, flags: number(6)?, sequence, payload };
    Some((message, rest.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// The attributes of a message: type without its flags, value. Ends at the first that does not decode.
pub(super) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?) & TYPE_MASK;
        let value = rest.get(ATTRIBUTE_HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Appends an attribute. `None` where its value is too long for one.
pub(super) fn push_attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) -> Option<()> {
    let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).ok()?;
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_read_back_as_they_were_written() {
        let mut message = Vec::new();
        push_attribute(&mut message, 1 | NESTED, b"abc").unwrap();
        push_attribute(&mut message, 2, b"").unwrap();
        assert_eq!(message.len(), 12);
        assert_eq!(attributes(&message).collect::<Vec<_>>(), [(1, &b"abc"[..]), (2, &b""[..])]);
    }

    #[test]
    fn no_bytes_make_the_readers_panic_or_hang() {
        for length in 0..40usize {
            for fill in [0u8, 1, 3, 16, 255] {
                let bytes = vec![fill; length];
                assert!(attributes(&bytes).count() <= length);
                assert!(messages(&bytes).count() <= length);
            }
        }
    }
}
