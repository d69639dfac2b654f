//! Addresses of the fake kernel.

use ipnet::IpNet;
use nix::errno::Errno;

use super::{find, routes, sysctls};
use crate::model::snapshot::{AddressState, NetnsState};

pub fn add(state: &mut NetnsState, link: u32, address: IpNet) -> Result<(), Errno> {
    find(state, link)?;
    let six = address.addr().is_ipv6();
    if six && sysctls::ipv6_is_off(state) {
        return Err(Errno::EACCES);
    }
    // IPv6 knows an address by itself, IPv4 with its prefix.
    let same = |other: &IpNet| if six { other.addr() == address.addr() } else { *other == address };
    if state.addresses.iter().any(|other| other.link == link && same(&other.address)) {
        return Err(Errno::EEXIST);
    }
    state.addresses.push(AddressState {
        link,
        address,
        dynamic: false,
        link_local: matches!(address, IpNet::V6(net) if net.addr().is_unicast_link_local()),
        nodad: six,
        dad_failed: false,
        protocol: 0,
    });
    Ok(())
}

pub fn delete(state: &mut NetnsState, link: u32, address: IpNet) -> Result<(), Errno> {
    find(state, link)?;
    let here = |other: &AddressState| other.link == link && other.address == address;
    let at = state.addresses.iter().position(here).ok_or(Errno::EADDRNOTAVAIL)?;
    let mut gone = vec![state.addresses.remove(at).address];
    let subnet = |other: &AddressState| {
        other.link == link && other.address.trunc() == address.trunc() && other.address.addr().is_ipv4()
    };
    // The first of an IPv4 subnet takes its secondaries with it.
    if !state.addresses.iter().take(at).any(subnet) {
        gone.extend(state.addresses.iter().filter(|other| subnet(other)).map(|other| other.address));
        state.addresses.retain(|other| !subnet(other));
    }
    for address in gone {
        let left = state.addresses.iter().any(|other| other.address.addr() == address.addr());
        if !left {
            state.routes.retain(|route| route.src != Some(address.addr()));
        }
    }
    // Without a last IPv4 address the device has no IPv4 at all.
    let four = |other: &AddressState| other.link == link && other.address.addr().is_ipv4();
    if address.addr().is_ipv4() && !state.addresses.iter().any(four) {
        routes::ipv4_gone(state, link);
    }
    Ok(())
}

/// A device that goes down keeps its IPv4 addresses only.
pub fn link_down(state: &mut NetnsState, link: u32) {
    state.addresses.retain(|address| address.link != link || address.address.addr().is_ipv4());
}
