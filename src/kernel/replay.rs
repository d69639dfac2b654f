//! Addresses and routes that go back to the kernel as a dump told them, with all that nothing here knows of them.

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};

use super::{address, attributes::attributes, netlink::Request};
use crate::model::snapshot::{AddressState, RouteState};

const RTM_NEWADDR: u16 = nix::libc::RTM_NEWADDR;
const RTM_NEWROUTE: u16 = nix::libc::RTM_NEWROUTE;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;
/// The length of a route message's header, whose last four bytes are its flags.
const ROUTE_HEADER: usize = 12;
const ROUTE_FLAGS: usize = 8;
/// The one flag of a next hop that is asked for, and not told.
const RTNH_F_ONLINK: u8 = 4;

/// Gives an address back as a dump told it, to the device that has the index there.
pub fn address(link: u32, told: &AddressState) -> Request {
    if told.raw.is_empty() {
        return address::add(link, told.address, told.protocol);
    }
    Request::bytes(RTM_NEWADDR, told.raw.0.to_vec(), NLM_F_CREATE | NLM_F_REPLACE)
}

/// Adds a route as a dump told it.
pub fn route(told: &RouteState) -> Request {
    Request::bytes(RTM_NEWROUTE, as_asked(&told.raw.0), NLM_F_CREATE | NLM_F_EXCL)
}

/// What a dump told of a route, without what only the kernel says: whether next hops are dead, and what a next hop object
/// stands for.
fn as_asked(told: &[u8]) -> Vec<u8> {
    let Some((header, rest)) = told.split_at_checked(ROUTE_HEADER) else { return told.to_vec() };
    let mut asked = header.to_vec();
    if let Some((_, flags)) = asked.split_at_mut_checked(ROUTE_FLAGS) {
        let told = <[u8; 4]>::try_from(&*flags).map_or(0, u32::from_ne_bytes);
        flags.copy_from_slice(&(told & u32::from(RTNH_F_ONLINK)).to_ne_bytes());
    }
    let all: Vec<_> = attributes(rest).flatten().collect();
    let by_object = all.iter().any(|attribute| attribute.kind() == RTA_NH_ID);
    for attribute in all {
        let mut value = attribute.value().to_vec();
        match attribute.kind() {
            RTA_OIF | RTA_GATEWAY | RTA_VIA | RTA_MULTIPATH if by_object => continue,
            RTA_MULTIPATH => revive(&mut value),
            _ => {}
        }
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        asked.extend_from_slice(&length.to_ne_bytes());
        asked.extend_from_slice(&attribute.kind().to_ne_bytes());
        asked.extend_from_slice(&value);
        asked.resize(asked.len().next_multiple_of(4), 0);
    }
    asked
}

/// Clears what the kernel says of the next hops of a multipath route.
fn revive(mut hops: &mut [u8]) {
    while let [a, b, flags, ..] = hops {
        let length = usize::from(u16::from_ne_bytes([*a, *b])).next_multiple_of(4);
        *flags &= RTNH_F_ONLINK;
        hops = std::mem::take(&mut hops).get_mut(length.max(4)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn header(flags: u32) -> Vec<u8> {
        [&[2, 24, 0, 0, 254, 76, 0, 1][..], &flags.to_ne_bytes()].concat()
    }

    #[test]
    fn what_only_the_kernel_says_is_left_out() {
        // Dead (1), onlink (4), without carrier (16).
        let hops = [16, 0, 1 | 4, 0, 3, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1, 8, 0, 16, 0, 4, 0, 0, 0];
        let told = [header(1 | 4 | 16), attribute(1, &[10, 0, 0, 0]), attribute(9, &hops)].concat();
        let mut alive = hops;
        (alive[2], alive[18]) = (4, 0);
        let asked = [header(4), attribute(1, &[10, 0, 0, 0]), attribute(9, &alive)].concat();
        assert_eq!(as_asked(&told), asked);
        assert_eq!(as_asked(&told[..5]), &told[..5]);
    }

    #[test]
    fn a_next_hop_object_stands_for_all_that_it_holds() {
        let object = attribute(RTA_NH_ID, &[5, 0, 0, 0]);
        let told =
            [header(0), attribute(RTA_OIF, &[3, 0, 0, 0]), attribute(RTA_GATEWAY, &[10, 0, 0, 1]), object.clone()];
        assert_eq!(as_asked(&told.concat()), [header(0), object].concat());
    }
}
