//! Netlink as bytes: a dump, and what its messages are made of.

use std::{collections::BTreeMap, io};

use rtnetlink::sys::Socket;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
/// A dump's messages come in pieces of at most 32 KiB.
const RECEIVE: usize = 64 * 1024;
/// How often a dump is repeated that a change came in between of.
const ATTEMPTS: usize = 1000;

/// A socket of the namespace that the thread was in that opened it.
pub struct Wire {
    socket: Socket,
    sequence: u32,
    received: Vec<u8>,
}

impl Wire {
    pub fn open(protocol: isize) -> Self {
        let socket = Socket::new(protocol).expect("a netlink socket");
        Self { socket, sequence: 0, received: Vec::with_capacity(RECEIVE) }
    }

    /// The payloads that a dump yields; an error where the kernel refuses it.
    pub fn dump(&mut self, kind: u16, request: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        for _ in 0..ATTEMPTS {
            let (whole, messages) = self.ask(kind, NLM_F_DUMP, request)?;
            if whole {
                return Ok(messages);
            }
        }
        panic!("dump {kind} was disturbed {ATTEMPTS} times");
    }

    /// The one message that a request is answered by.
    pub fn query(&mut self, kind: u16, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.ask(kind, NLM_F_ACK, request)?.1.pop())
    }

    fn ask(&mut self, kind: u16, flags: u16, request: &[u8]) -> io::Result<(bool, Vec<Vec<u8>>)> {
        self.sequence += 1;
        let mut bytes = Vec::with_capacity(HEADER + request.len());
        bytes.extend(((HEADER + request.len()) as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(request);
        self.socket.send(&bytes, 0)?;
        let (mut whole, mut messages) = (true, Vec::new());
        loop {
            self.received.clear();
            match self.socket.recv(&mut self.received, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            let mut rest = &self.received[..];
            while rest.len() >= HEADER {
                let length = u32_at(rest, 0) as usize;
                let (kind, flags) = (u16_at(rest, 4), u16_at(rest, 6));
                let payload = &rest[HEADER..length];
                whole &= flags & NLM_F_DUMP_INTR == 0;
                if u32_at(rest, 8) == self.sequence {
                    match kind {
                        NLMSG_DONE | NLMSG_ERROR => {
                            let code = if payload.len() < 4 { 0 } else { u32_at(payload, 0) as i32 };
                            if code < 0 {
                                return Err(io::Error::from_raw_os_error(-code));
                            }
                            return Ok((whole, messages));
                        }
                        _ => messages.push(payload.to_vec()),
                    }
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The attributes of a message or of a nest, in order.
pub fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::with_capacity(32);
    while bytes.len() >= 4 {
        let length = usize::from(u16_at(bytes, 0));
        // The two highest bits say that it is a nest, or in network order.
        found.push((u16_at(bytes, 2) & 0x3fff, &bytes[4..length]));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The same by their number, for those that are looked up.
pub fn by_number(bytes: &[u8]) -> BTreeMap<u16, &[u8]> {
    attributes(bytes).into_iter().collect()
}

/// One attribute of a request.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The kernel's text, which ends at its NUL.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
