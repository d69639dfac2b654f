//! Route netlink with nothing around it: bytes into a buffer, one `send`, one `recv`.

use std::{io, os::fd::RawFd};

use nix::libc;

/// Requests on their way.
pub struct Batch {
    bytes: Vec<u8>,
    last: usize,
    sequence: u32,
}

/// Where an attribute that holds others begins.
pub struct Nest(usize);

pub const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
pub const CREATE: u16 = REQUEST | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
pub const DUMP: u16 = REQUEST | libc::NLM_F_DUMP as u16;

impl Batch {
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(64 * 1024), last: 0, sequence: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Begins a message.
    pub fn message(&mut self, kind: u16, flags: u16) {
        self.finish();
        self.last = self.bytes.len();
        self.sequence += 1;
        self.u32(0);
        self.u16(kind);
        self.u16(flags);
        self.u32(self.sequence);
        self.u32(0);
    }

    fn finish(&mut self) {
        if !self.bytes.is_empty() {
            let length = (self.bytes.len() - self.last) as u32;
            self.bytes[self.last..self.last + 4].copy_from_slice(&length.to_ne_bytes());
        }
    }

    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_ne_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_ne_bytes());
    }

    /// An `ifinfomsg`.
    pub fn link(&mut self, index: u32, flags: u32, change: u32) {
        self.u32(0);
        self.u32(index);
        self.u32(flags);
        self.u32(change);
    }

    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.u16(4 + value.len() as u16);
        self.u16(kind);
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub fn nest(&mut self, kind: u16) -> Nest {
        let at = self.bytes.len();
        self.u16(0);
        self.u16(kind);
        Nest(at)
    }

    pub fn end(&mut self, Nest(at): Nest) {
        let length = (self.bytes.len() - at) as u16;
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// Sends everything, with an ack of the last message alone, and waits for that. The first refusal is the error.
    pub fn send(&mut self, socket: RawFd) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.finish();
        self.bytes[self.last + 6] |= libc::NLM_F_ACK as u8;
        transmit(socket, &self.bytes)?;
        let mut room = [0u8; 16 * 1024];
        'replies: loop {
            let received = receive(socket, &mut room)?;
            let mut rest = &room[..received];
            while rest.len() >= 20 {
                let (length, sequence, errno) = (word(rest, 0) as usize, word(rest, 8), word(rest, 16) as i32);
                if errno != 0 {
                    return Err(io::Error::from_raw_os_error(-errno));
                }
                if sequence == self.sequence {
                    break 'replies;
                }
                rest = &rest[length.next_multiple_of(4).min(rest.len())..];
            }
        }
        self.bytes.clear();
        Ok(())
    }

    /// Sends one dump request and hands over every message of the answer.
    pub fn dump(&mut self, socket: RawFd, room: &mut [u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.finish();
        transmit(socket, &self.bytes)?;
        self.bytes.clear();
        loop {
            let received = receive(socket, room)?;
            let mut rest = &room[..received];
            while rest.len() >= 16 {
                let (length, kind) = (word(rest, 0) as usize, u16::from_ne_bytes([rest[4], rest[5]]));
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => return Err(io::Error::from_raw_os_error(-(word(rest, 16) as i32))),
                    _ => each(&rest[16..length]),
                }
                rest = &rest[length.next_multiple_of(4).min(rest.len())..];
            }
        }
    }
}

pub fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The attributes of a message behind its header.
pub fn attributes(mut bytes: &[u8], mut each: impl FnMut(u16, &[u8])) {
    while bytes.len() >= 4 {
        let (length, kind) =
            (u16::from_ne_bytes([bytes[0], bytes[1]]) as usize, u16::from_ne_bytes([bytes[2], bytes[3]]));
        each(kind & 0x3fff, &bytes[4..length]);
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
}

/// A route socket of the calling thread's namespace.
pub fn open() -> io::Result<RawFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
    super::check(fd)?;
    let on: libc::c_int = 1;
    let room: libc::c_int = 2 << 20;
    option(fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, on)?;
    option(fd, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, on)?;
    option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, room)
        .or_else(|_| option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, room))?;
    Ok(fd)
}

fn option(fd: RawFd, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the value lives until the call is over, and its length is its own.
    let done = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), size_of_val(&value) as u32) };
    super::check(done).map(drop)
}

fn transmit(socket: RawFd, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the buffer is as long as is said.
    let sent = unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn receive(socket: RawFd, room: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is as long as is said.
    let received = unsafe { libc::recv(socket, room.as_mut_ptr().cast(), room.len(), 0) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}
