//! Addresses of devices that stay.

use ipnet::IpNet;

use super::{
    Place,
    restore::{Ops, Phase},
};
use crate::{
    model::{
        Address, Netns,
        snapshot::{AddressState, LinkState, NetnsState},
    },
    op::{LinkRef, Op},
};

pub(super) fn restore(netns: &Netns, place: &Place, before: &NetnsState, now: &NetnsState, ops: &mut Ops) {
    for link in before.links.iter().filter(|link| now.link_at(link.index).is_some()) {
        let Some(address) = place.of_device(link.index) else { continue };
        let device = Device { netns, address, link };
        device.remove_what_came(place, before, now, ops);
        device.bring_ipv4(place, before, now, ops);
        device.bring_ipv6(before, now, ops);
    }
}

struct Device<'a> {
    netns: &'a Netns,
    address: &'a Address,
    link: &'a LinkState,
}

impl Device<'_> {
    /// Its addresses of one family, in their order.
    fn of<'s>(&self, state: &'s NetnsState, six: bool) -> Vec<&'s AddressState> {
        state.addresses.of(self.link.index).filter(|it| it.address.addr().is_ipv6() == six).collect()
    }

    fn reference(&self) -> LinkRef {
        LinkRef { index: self.link.index, name: self.link.name.clone() }
    }

    fn remove(&self, net: IpNet, ops: &mut Ops) {
        let op = Op::AddressDelete { link: self.reference(), address: net };
        ops.push(Phase::AddressRemove, self.netns, self.address, op);
    }

    fn bring(&self, address: &AddressState, ops: &mut Ops) {
        let op = Op::AddressPutBack { link: self.reference(), address: address.clone() };
        ops.push(Phase::Address, self.netns, self.address, op);
    }

    /// Whether the run gave it, or the kernel did when the run raised the device, and it was not there before.
    fn came(&self, place: &Place, before: &NetnsState, net: IpNet) -> bool {
        let index = self.link.index;
        let was = before.addresses.of(index).any(|it| it.address == net);
        let of_first_up = !self.link.up && net.addr().is_ipv4() && net.addr().is_loopback();
        !was && (place.addresses.contains_key(&(index, net)) || of_first_up)
    }

    fn remove_what_came(&self, place: &Place, before: &NetnsState, now: &NetnsState, ops: &mut Ops) {
        let all = now.addresses.of(self.link.index);
        for it in all.filter(|it| self.came(place, before, it.address)) {
            self.remove(it.address, ops);
        }
    }

    /// Of IPv4 addresses the order counts: the first of a subnet is the source that the kernel prefers. From the first one
    /// on that is not in its place, or not as it was, all are given anew.
    fn bring_ipv4(&self, place: &Place, before: &NetnsState, now: &NetnsState, ops: &mut Ops) {
        let was = self.of(before, false);
        let is: Vec<_> = self.of(now, false).into_iter().filter(|it| !self.came(place, before, it.address)).collect();
        // What somebody else has given since stands wherever it stands.
        let known: Vec<_> = is.iter().filter(|it| was.iter().any(|was| was.address == it.address)).collect();
        // Another name for the device has changed labels, and its own name will.
        let has_its_name = now.link_at(self.link.index).is_some_and(|link| link.name == self.link.name);
        let same = |was: &AddressState, is: &AddressState| {
            was.address == is.address && (was.label == is.label || !has_its_name)
        };
        let same = was.iter().zip(&known).take_while(|(was, is)| same(was, is)).count();
        for it in known.iter().skip(same).rev() {
            self.remove(it.address, ops);
        }
        for it in was.iter().skip(same) {
            self.bring(it, ops);
        }
    }

    fn bring_ipv6(&self, before: &NetnsState, now: &NetnsState, ops: &mut Ops) {
        let is = self.of(now, true);
        // With a device that is raised the kernel brings its own, without the route that a given one gets.
        let is_raised = self.link.up && now.link_at(self.link.index).is_some_and(|link| !link.up);
        let is_kernels = |it: &AddressState| it.link_local || it.address.addr().is_loopback();
        let was = self.of(before, true).into_iter().filter(|it| !(is_raised && is_kernels(it)));
        for it in was.filter(|it| !is.iter().any(|is| is.address == it.address)) {
            self.bring(it, ops);
        }
    }
}
