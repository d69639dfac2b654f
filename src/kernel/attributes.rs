//! The attributes of a netlink message. A namespace tells a hundred and more, most of which nobody asks for, so that going past
//! one has to cost next to nothing.

use rtnetlink::packet_core::DecodeError;

/// Its length and its kind.
const HEADER: usize = 4;
/// Without the bits that say how the value is to be read (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const TYPE_MASK: u16 = 0x3fff;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    kind: u16,
    value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// What it is about.
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// What it says.
    pub fn value(&self) -> &'a [u8] {
        self.value
    }
}

/// What stands one after the other in `rest`. After one that does not decode there is no other.
pub fn attributes(mut rest: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, DecodeError>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let all = std::mem::take(&mut rest);
        Some(match split(all) {
            Some((attribute, later)) => {
                rest = later;
                Ok(attribute)
            }
            None => Err("an attribute that is longer than its message".into()),
        })
    })
}

fn split(all: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (length, after) = all.split_first_chunk()?;
    let length = usize::from(u16::from_ne_bytes(*length));
    let kind = u16::from_ne_bytes(*after.first_chunk()?) & TYPE_MASK;
    let value = all.get(HEADER..length)?;
    // The last one need not fill its place.
    Some((Attribute { kind, value }, all.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> Vec<Option<(u16, &[u8])>> {
        attributes(bytes).map(|it| it.ok().map(|it| (it.kind(), it.value()))).collect()
    }

    #[test]
    fn each_is_told_once_and_what_does_not_fit_is_an_error() {
        let one = [5u16.to_ne_bytes(), (0x8000u16 | 7).to_ne_bytes()].concat();
        let two = [&one, &[9, 0, 0, 0][..], &6u16.to_ne_bytes(), &2u16.to_ne_bytes(), &[1, 2]].concat();
        assert_eq!(told(&two), [Some((7, &[9][..])), Some((2, &[1, 2]))]);
        assert_eq!(told(&[]), []);
        // Cut, and shorter than its own header.
        assert_eq!(told(&two[..two.len() - 1]), [Some((7, &[9][..])), None]);
        assert_eq!(told(&two[..10]), [Some((7, &[9][..])), None]);
        assert_eq!(told(&[3, 0, 1, 0]), [None]);
        assert_eq!(told(&[4, 0, 1, 0]), [Some((1, &[][..]))]);
    }
}
