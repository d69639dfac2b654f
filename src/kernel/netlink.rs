//! The transport: requests go out many at a time, every reply is looked at, and nothing is dropped in silence.

use std::{io, os::fd::AsFd};

use nix::sys::{
    socket::{setsockopt, sockopt},
    time::{TimeVal, TimeValLike},
};
use rtnetlink::{
    packet_core::{
        DecodeError, Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
        NLMSG_OVERRUN, NetlinkBuffer, NetlinkHeader,
    },
    packet_route::RouteNetlinkMessage,
    sys::{Socket, protocols::NETLINK_ROUTE},
};

use super::{
    KernelError, buffer, cookie, patience,
    reply::{Refusal, Reply, refusal},
};

/// How many messages go to the kernel together. A receive buffer of the default size holds 256 replies, and one more
/// loses the ack; this bound holds even where the buffer may not be enlarged.
const MESSAGES_AT_ONCE: usize = 200;
/// How many bytes go together: the kernel copies them into one buffer, which must stay easy to allocate.
const BYTES_AT_ONCE: usize = 64 * 1024;
/// The length of a message's header.
const HEADER: usize = 16;
/// How often a dump is repeated that the kernel says was disturbed by a change.
const DUMP_ATTEMPTS: usize = 50;

/// What a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A message.
    Message(RouteNetlinkMessage),
    /// A message that the kernel gave and that goes back to it, by its type.
    Bytes(u16, Vec<u8>),
}

/// A message with its flags, without `NLM_F_REQUEST` and `NLM_F_ACK`, which the transport sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The message.
    pub body: Body,
    /// `NLM_F_CREATE` and the like.
    pub flags: u16,
}

impl Request {
    /// A request with flags.
    pub fn new(message: RouteNetlinkMessage, flags: u16) -> Self {
        Self { body: Body::Message(message), flags }
    }

    /// A request that gives back what a dump told.
    pub fn bytes(kind: u16, payload: Vec<u8>, flags: u16) -> Self {
        Self { body: Body::Bytes(kind, payload), flags }
    }
}

/// What can go wrong in a conversation with the kernel.
#[derive(Debug)]
pub enum TransportError {
    /// A system call failed.
    Io(io::Error),
    /// The kernel refused.
    Refused(Refusal),
    /// A message did not decode: an error, never a missing link.
    Undecodable(DecodeError),
    /// A dump was disturbed every time.
    Disturbed,
}

impl TransportError {
    /// The error of `what`.
    pub fn into_error(self, what: impl Into<String>) -> KernelError {
        match self {
            Self::Io(error) => {
                let lost = error.raw_os_error() == Some(nix::libc::ENOBUFS);
                KernelError::io(what, patience::unanswered(error))
                    .hint(lost.then_some("replies of the kernel were lost"))
            }
            Self::Refused(refusal) => refusal.into_error(what),
            Self::Undecodable(error) => {
                KernelError::message(what, format!("a message of the kernel does not decode: {error}"))
            }
            Self::Disturbed => {
                KernelError::message(what, format!("it changed during each of {DUMP_ATTEMPTS} readings"))
                    .hint(Some("try again when the network is quieter"))
            }
        }
    }
}

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for TransportError {
    fn from(error: DecodeError) -> Self {
        Self::Undecodable(error)
    }
}

/// A route netlink socket. It belongs to the namespace that the thread was in that opened it, wherever it is used.
#[derive(Debug)]
pub struct RouteSocket {
    socket: Socket,
    sequence: u32,
}

impl RouteSocket {
    /// Opens one in the calling thread's namespace.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        // Kernels before 4.20 have no strict checking; they also ignore the filters that need it.
        let _ = socket.set_netlink_get_strict_chk(true);
        // More room for replies, where we may: the bound on messages makes do without.
        let _ = setsockopt(&socket.as_fd(), sockopt::RcvBufForce, &(2 * 1024 * 1024));
        setsockopt(&socket.as_fd(), sockopt::ReceiveTimeout, &TimeVal::seconds(patience::SECONDS as i64))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Which namespace it belongs to, see [`cookie`].
    pub fn netns_cookie(&self) -> Option<u64> {
        cookie::of(&self.socket)
    }

    /// Sends all requests, in order and several at a time. The kernel runs every one whatever becomes of those before
    /// it; what it refused comes back with the request's place.
    pub fn send(&mut self, requests: &[Request]) -> Result<Vec<(usize, Refusal)>, TransportError> {
        let mut refused = Vec::new();
        self.exchange(requests, Ends::WithAnAck, |place, reply| {
            if let Answer::Refused(refusal) = reply {
                refused.push((place, refusal));
            }
            Ok(())
        })?;
        Ok(refused)
    }

    /// Sends requests that are each answered by one message.
    pub fn query<T>(
        &mut self,
        requests: &[Request],
        decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Vec<Result<T, Refusal>>, TransportError> {
        let mut answers: Vec<Option<Result<T, Refusal>>> = requests.iter().map(|_| None).collect();
        let each = |place: usize, reply: Answer<'_>| {
            match reply {
                Answer::Refused(refusal) => answers[place] = Some(Err(refusal)),
                Answer::Message(payload) => answers[place] = Some(Ok(decode(payload)?)),
            }
            Ok(())
        };
        self.exchange(requests, Ends::WithTheLastAnswer, each)?;
        let missing = || DecodeError::from("a request was left without an answer");
        answers.into_iter().map(|answer| answer.ok_or_else(|| missing().into())).collect()
    }

    /// Everything that a dump yields; `decode` leaves out a message by `None`.
    pub fn dump<T>(
        &mut self,
        request: &RouteNetlinkMessage,
        mut decode: impl FnMut(&[u8]) -> Result<Option<T>, DecodeError>,
    ) -> Result<Vec<T>, TransportError> {
        let request = Request::new(request.clone(), NLM_F_DUMP);
        for _ in 0..DUMP_ATTEMPTS {
            let mut found = Vec::new();
            if self.dump_once(&request, |payload| {
                found.extend(decode(payload)?);
                Ok(())
            })? {
                return Ok(found);
            }
        }
        Err(TransportError::Disturbed)
    }

    /// One attempt; `false` where the kernel says that a change came in between.
    fn dump_once(
        &mut self,
        request: &Request,
        mut each: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<bool, TransportError> {
        let mut bytes = Vec::new();
        let sequence = self.encode(request, &mut bytes);
        self.transmit(&bytes)?;
        let mut whole = true;
        // A message that does not decode must not leave the rest of the dump in the socket.
        let mut undecodable = None;
        loop {
            let done = self.receive(|reply| {
                if reply.sequence != sequence {
                    return Ok(false);
                }
                whole &= reply.flags & NLM_F_DUMP_INTR == 0;
                match reply.kind {
                    NLMSG_DONE | NLMSG_ERROR => match refusal(&reply)? {
                        Some(refusal) => Err(TransportError::Refused(refusal)),
                        None => Ok(true),
                    },
                    _ => {
                        if let Err(error) = each(reply.payload) {
                            undecodable.get_or_insert(error);
                        }
                        Ok(false)
                    }
                }
            })?;
            if done {
                break;
            }
        }
        match undecodable {
            // In a disturbed dump anything may stand; the next one decides.
            Some(error) if whole => Err(error.into()),
            _ => Ok(whole),
        }
    }

    fn exchange(
        &mut self,
        requests: &[Request],
        ends: Ends,
        mut each: impl FnMut(usize, Answer<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), TransportError> {
        let mut next = 0;
        while next < requests.len() {
            let mut bytes = Vec::with_capacity(4096);
            let base = next;
            let first = self.sequence.wrapping_add(1);
            let mut last = first;
            while next < requests.len() && next - base < MESSAGES_AT_ONCE && bytes.len() < BYTES_AT_ONCE {
                last = self.encode(&requests[next], &mut bytes);
                next += 1;
            }
            if ends == Ends::WithAnAck {
                acknowledge_last(&mut bytes, last);
            }
            self.transmit(&bytes)?;
            self.collect(first, last, ends, |sequence, answer| {
                each(base + sequence.wrapping_sub(first) as usize, answer)
            })?;
        }
        Ok(())
    }

    /// Takes replies until the ack, or the error, of the last message.
    fn collect(
        &mut self,
        first: u32,
        last: u32,
        ends: Ends,
        mut each: impl FnMut(u32, Answer<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), TransportError> {
        loop {
            let done = self.receive(|reply| {
                if reply.sequence.wrapping_sub(first) > last.wrapping_sub(first) {
                    return Ok(false);
                }
                if reply.kind != NLMSG_ERROR {
                    each(reply.sequence, Answer::Message(reply.payload))?;
                    return Ok(ends == Ends::WithTheLastAnswer && reply.sequence == last);
                }
                if let Some(refusal) = refusal(&reply)? {
                    each(reply.sequence, Answer::Refused(refusal))?;
                }
                Ok(reply.sequence == last)
            })?;
            if done {
                return Ok(());
            }
        }
    }

    fn encode(&mut self, request: &Request, bytes: &mut Vec<u8>) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = request.flags | NLM_F_REQUEST;
        header.sequence_number = self.sequence;
        let start = bytes.len();
        match &request.body {
            Body::Message(message) => {
                header.message_type = message.message_type();
                bytes.resize(start + HEADER + message.buffer_len(), 0);
                message.emit(&mut bytes[start + HEADER..]);
            }
            Body::Bytes(kind, payload) => {
                header.message_type = *kind;
                bytes.resize(start + HEADER, 0);
                bytes.extend_from_slice(payload);
            }
        }
        header.length = u32::try_from(bytes.len() - start).unwrap_or(u32::MAX);
        header.emit(&mut bytes[start..]);
        // Messages stand at multiples of four.
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        self.sequence
    }

    fn transmit(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(bytes, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes one packet of replies; `each` says when the conversation is over.
    fn receive(&mut self, each: impl FnMut(Reply<'_>) -> Result<bool, TransportError>) -> Result<bool, TransportError> {
        buffer::with(|room| {
            let length = loop {
                match self.socket.recv(&mut &mut *room, nix::libc::MSG_TRUNC) {
                    Ok(length) => break length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            };
            match room.get(..length) {
                Some(packet) => take(packet, each),
                None => {
                    Err(DecodeError::from(format!("a message of {length} bytes is longer than any should be")).into())
                }
            }
        })
    }
}

/// Takes the replies of a packet one by one.
fn take(
    mut rest: &[u8],
    mut each: impl FnMut(Reply<'_>) -> Result<bool, TransportError>,
) -> Result<bool, TransportError> {
    let mut done = false;
    while !rest.is_empty() {
        let packet = NetlinkBuffer::new_checked(rest)?;
        let length = packet.length() as usize;
        if packet.message_type() == NLMSG_OVERRUN {
            return Err(io::Error::from_raw_os_error(nix::libc::ENOBUFS).into());
        }
        done |= each(Reply {
            kind: packet.message_type(),
            flags: packet.flags(),
            sequence: packet.sequence_number(),
            payload: &rest[HEADER..length],
        })?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(done)
}

/// What a conversation ends with. The kernel answers in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// With the ack, or the refusal, of the last message.
    WithAnAck,
    /// With the last message's answer, or its refusal: each has one.
    WithTheLastAnswer,
}

enum Answer<'a> {
    Message(&'a [u8]),
    Refused(Refusal),
}

/// Sets `NLM_F_ACK` in the message with that sequence number, the last of `bytes`.
fn acknowledge_last(bytes: &mut [u8], sequence: u32) {
    let mut start = 0;
    while let Ok(packet) = NetlinkBuffer::new_checked(&bytes[start..]) {
        let (length, flags) = (packet.length() as usize, packet.flags());
        if packet.sequence_number() == sequence {
            NetlinkBuffer::new(&mut bytes[start..]).set_flags(flags | NLM_F_ACK);
            return;
        }
        start += length.next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_route::link::LinkMessage;

    #[test]
    fn only_the_last_message_asks_for_an_ack() {
        let mut socket = RouteSocket::open().unwrap();
        let request = Request::new(RouteNetlinkMessage::GetLink(LinkMessage::default()), 0);
        let mut bytes = Vec::new();
        socket.encode(&request, &mut bytes);
        let last = socket.encode(&request, &mut bytes);
        acknowledge_last(&mut bytes, last);
        let first = NetlinkBuffer::new_checked(&bytes[..]).unwrap();
        assert_eq!(first.flags(), NLM_F_REQUEST);
        let second = NetlinkBuffer::new_checked(&bytes[first.length() as usize..]).unwrap();
        assert_eq!(second.flags(), NLM_F_REQUEST | NLM_F_ACK);
    }
}
