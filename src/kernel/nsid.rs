//! The numbers by which a namespace knows others.

use std::os::fd::{AsFd, AsRawFd};

use rtnetlink::{
    packet_core::{DecodeError, parse_i32},
    packet_route::{
        RouteNetlinkMessage,
        nsid::{NsidAttribute, NsidMessage},
    },
};

use super::{
    attributes::attributes,
    netlink::{Request, RouteSocket, TransportError},
};

const NETNSA_NSID: u16 = 1;
const HEADER: usize = 4;

/// The numbers that the socket's namespace has for others; `None` for those that it does not know.
pub fn of<F: AsFd>(socket: &mut RouteSocket, others: &[F]) -> Result<Vec<Option<i32>>, TransportError> {
    let requests: Vec<_> = others.iter().map(request).collect();
    let answers = socket.query(&requests, decode)?;
    Ok(answers.into_iter().map(|answer| answer.ok().flatten()).collect())
}

fn request(other: impl AsFd) -> Request {
    let mut message = NsidMessage::default();
    message.attributes = vec![NsidAttribute::Fd(other.as_fd().as_raw_fd().unsigned_abs())];
    Request::new(RouteNetlinkMessage::GetNsId(message), 0)
}

fn decode(payload: &[u8]) -> Result<Option<i32>, DecodeError> {
    for attribute in attributes(payload.get(HEADER..).ok_or("a namespace's number without a header")?) {
        let attribute = attribute?;
        if attribute.kind() == NETNSA_NSID {
            // -1 is "no number assigned".
            return Ok(Some(parse_i32(attribute.value())?).filter(|&id| id >= 0));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_is_no_number() {
        assert_eq!(decode(&[0, 0, 0, 0, 8, 0, 1, 0, 255, 255, 255, 255]).unwrap(), None);
        assert_eq!(decode(&[0, 0, 0, 0, 8, 0, 1, 0, 7, 0, 0, 0]).unwrap(), Some(7));
        assert!(decode(&[0, 0]).is_err());
    }
}
