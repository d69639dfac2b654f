//! Addresses of the fake kernel.

use ipnet::IpNet;
use nix::errno::Errno;

use super::{find, routes, sysctls};
use crate::model::{
    Raw,
    snapshot::{AddressState, NetnsState, TABLE_MAIN},
};

/// The room for a label, with its NUL.
const IFNAMSIZ: usize = 16;

pub fn add(state: &mut NetnsState, link: u32, address: IpNet, protocol: u8) -> Result<(), Errno> {
    let name = find(state, link)?.name.clone();
    let six = address.addr().is_ipv6();
    if six && sysctls::ipv6_is_off(state) {
        return Err(Errno::EACCES);
    }
    // IPv6 knows an address by itself, IPv4 with its prefix.
    let same = |other: &IpNet| if six { other.addr() == address.addr() } else { *other == address };
    if state.addresses.iter().any(|other| other.link == link && same(&other.address)) {
        return Ok(());
    }
    state.addresses.push(AddressState {
        link,
        address,
        dynamic: false,
        link_local: matches!(address, IpNet::V6(net) if net.addr().is_unicast_link_local()),
        nodad: six,
        dad_failed: false,
        protocol,
        label: (!six).then_some(name),
        raw: Raw::default(),
    });
    Ok(())
}

/// Gives a device an address as it was.
pub fn put_back(state: &mut NetnsState, link: u32, address: &AddressState) -> Result<(), Errno> {
    let known = state.addresses.len();
    add(state, link, address.address, address.protocol)?;
    let is_new = state.addresses.len() > known;
    let here = |other: &&mut AddressState| other.link == link && other.address == address.address;
    if let Some(there) = state.addresses.iter_mut().find(here) {
        // One that is there keeps its label.
        let label = if is_new { address.label.clone() } else { there.label.take() };
        *there = AddressState { link, label, ..address.clone() };
    }
    Ok(())
}

/// The device got another name: the labels of its IPv4 addresses become that, behind the first one with what stands there
/// behind a colon, or else with a number.
pub fn renamed(state: &mut NetnsState, link: u32, name: &str) {
    let four = state.addresses.iter_mut().filter(|it| it.link == link && it.address.addr().is_ipv4());
    for (number, address) in (1..).zip(four) {
        let old = address.label.take().unwrap_or_default();
        let behind = match old.split_once(':') {
            _ if number == 1 => String::new(),
            Some((_, suffix)) => format!(":{suffix}"),
            None => format!(":{number}"),
        };
        let room = IFNAMSIZ.saturating_sub(1 + behind.len());
        address.label = Some(format!("{}{behind}", &name[..name.len().min(room)]));
    }
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
    sources_gone(state, &gone);
    // Without a last IPv4 address the device has no IPv4 at all.
    let four = |other: &AddressState| other.link == link && other.address.addr().is_ipv4();
    if address.addr().is_ipv4() && !state.addresses.iter().any(four) {
        routes::ipv4_gone(state, link);
    }
    Ok(())
}

/// Routes of table `main` that prefer a source which is nowhere any more.
fn sources_gone(state: &mut NetnsState, gone: &[IpNet]) {
    for address in gone.iter().map(IpNet::addr) {
        let left = state.addresses.iter().any(|other| other.address.addr() == address);
        if !left {
            state.routes.retain(|route| route.src != Some(address) || route.table != TABLE_MAIN);
        }
    }
}

/// The addresses of a device that is no more.
pub fn link_gone(state: &mut NetnsState, link: u32) {
    let of_link = |address: &AddressState| address.link == link;
    let gone: Vec<IpNet> = state.addresses.iter().filter(|a| of_link(a)).map(|a| a.address).collect();
    state.addresses.retain(|address| !of_link(address));
    sources_gone(state, &gone);
}

/// A device that goes down keeps its IPv4 addresses only.
pub fn link_down(state: &mut NetnsState, link: u32) {
    state.addresses.retain(|address| address.link != link || address.address.addr().is_ipv4());
}
