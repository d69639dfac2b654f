//! What the kernel answers, and above all what it says when it refuses.

use std::io;

use rtnetlink::packet_core::{
    DecodeError, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NetlinkBuffer, parse_i32, parse_u32,
};

use super::{KernelError, attributes::attributes};

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

/// One message of a reply.
pub struct Reply<'a> {
    /// `NLMSG_ERROR`, `RTM_NEWLINK` and the like.
    pub kind: u16,
    /// `NLM_F_DUMP_INTR` and the like.
    pub flags: u16,
    /// The request that it answers.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// The kernel's answer to a message that it did not like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error number, positive.
    pub errno: i32,
    /// The extended message.
    pub text: Option<String>,
    /// Where in the request the attribute is that it is about.
    pub offset: Option<u32>,
}

impl Refusal {
    /// The refusal as an error of `what`.
    pub fn into_error(self, what: impl Into<String>) -> KernelError {
        // Without words, the place of the attribute is at least something to search for.
        let text = self.text.or_else(|| self.offset.map(|at| format!("the attribute at byte {at} of the request")));
        KernelError::io(what, io::Error::from_raw_os_error(self.errno)).told(text)
    }
}

/// What an `NLMSG_ERROR` or `NLMSG_DONE` says; `None` where all is well.
pub fn refusal(reply: &Reply<'_>) -> Result<Option<Refusal>, DecodeError> {
    let Some((code, rest)) = reply.payload.split_at_checked(4) else {
        // An old kernel's end of a dump is bare.
        return Ok(None);
    };
    let code = parse_i32(code)?;
    if code == 0 {
        return Ok(None);
    }
    let mut refusal = Refusal { errno: code.wrapping_abs(), text: None, offset: None };
    if reply.flags & NLM_F_ACK_TLVS != 0 {
        let after = match reply.kind {
            NLMSG_DONE => rest,
            _ => {
                // The request's header comes first, and where it was not capped the rest of it.
                let request = NetlinkBuffer::new(rest);
                let length = if reply.flags & NLM_F_CAPPED != 0 || rest.len() < 16 {
                    16
                } else {
                    (request.length() as usize).next_multiple_of(4)
                };
                rest.get(length..).unwrap_or_default()
            }
        };
        for attribute in attributes(after) {
            let attribute = attribute?;
            match attribute.kind() {
                NLMSGERR_ATTR_MSG => refusal.text = Some(text(attribute.value())),
                NLMSGERR_ATTR_OFFS => refusal.offset = Some(parse_u32(attribute.value())?),
                _ => {}
            }
        }
    }
    Ok(Some(refusal))
}

/// A string of the kernel's: ends at its NUL, and bytes that are no text are shown as such.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_core::NLMSG_ERROR;

    use super::*;

    fn error_payload(code: i32, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend([0u8; 16]);
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn an_extended_message_and_its_offset_are_read() {
        let mut attributes = vec![10, 0, 1, 0, b'w', b'r', b'o', b'n', b'g', 0, 0, 0];
        attributes.extend([8, 0, 2, 0, 36, 0, 0, 0]);
        let payload = error_payload(-22, &attributes);
        let reply = Reply { kind: NLMSG_ERROR, flags: NLM_F_CAPPED | NLM_F_ACK_TLVS, sequence: 1, payload: &payload };
        let expected = Refusal { errno: 22, text: Some("wrong".into()), offset: Some(36) };
        assert_eq!(refusal(&reply).unwrap(), Some(expected));
    }

    #[test]
    fn an_ack_is_no_refusal_and_a_short_error_is_one_without_text() {
        let ack = error_payload(0, &[]);
        assert_eq!(refusal(&Reply { kind: NLMSG_ERROR, flags: 0, sequence: 1, payload: &ack }).unwrap(), None);
        let payload = (-17i32).to_ne_bytes();
        let reply = Reply { kind: NLMSG_ERROR, flags: NLM_F_ACK_TLVS, sequence: 1, payload: &payload };
        assert_eq!(refusal(&reply).unwrap(), Some(Refusal { errno: 17, text: None, offset: None }));
    }
}
