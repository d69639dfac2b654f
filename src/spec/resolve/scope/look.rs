//! Looks up interfaces: by their devices and names, by what they are, by their addresses and segments.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Interface, Scope, What};
use crate::{
    model::{Label, snapshot::Family},
    spec::resolve::{HOST, index::Position},
};

impl Scope<'_> {
    /// Whether a device of that name has been entered in a namespace.
    pub fn has_device(&self, namespace: &Label, device: &str) -> bool {
        self.at_device(namespace, device).is_some_and(|it| it.what != What::Loopback)
    }

    /// The interface that is a device.
    pub fn at_device(&self, namespace: &Label, device: &str) -> Option<&Interface> {
        let here = self.numbered(namespace)?;
        here.1.get(self.index.device(here, device)?)
    }

    /// Where a bridge, or an end of a link, is: its namespace and its interface.
    pub fn find(&self, what: &What) -> Option<(&Label, &Interface)> {
        let found = self.index.find(what).and_then(|position| self.at(position));
        // An end's number is a port's too.
        found.filter(|(_, interface)| interface.what == *what)
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, what: &What) -> Option<&mut Interface> {
        let Position { namespace, at } = self.index.find(what)?;
        let (_, interfaces) = self.interfaces.get_index_mut(namespace)?;
        interfaces.get_mut(at).filter(|interface| interface.what == *what)
    }

    fn at(&self, Position { namespace, at }: Position) -> Option<(&Label, &Interface)> {
        let (label, interfaces) = self.interfaces.get_index(namespace)?;
        interfaces.get(at).map(|interface| (label, interface))
    }

    /// A namespace's number, with its interfaces.
    pub(super) fn numbered(&self, namespace: &Label) -> Option<(usize, &[Interface])> {
        self.interfaces.get_full(namespace).map(|(number, _, interfaces)| (number, interfaces.as_slice()))
    }

    /// The interfaces of a namespace.
    pub fn of(&self, namespace: &Label) -> &[Interface] {
        self.interfaces.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// Whether all subnets of a namespace and the routes that lead on from them are in the file. Addresses that others give,
    /// and those of the host's own NICs, are not.
    pub fn knows_subnets(&self, namespace: &Label) -> bool {
        let left = |it: &Interface| it.unmanaged && !matches!(it.what, What::Loopback | What::Port(..));
        let given = namespace.as_str() != HOST && !self.of(namespace).iter().any(left);
        given && self.gaps.knows_written_routes(namespace)
    }

    /// Whether an interface is a bridge that somebody else made.
    pub fn is_external(&self, interface: &Interface) -> bool {
        interface.segment.is_some_and(|segment| self.segments[segment].external)
            && matches!(interface.what, What::Bridge(_))
    }

    /// Whether an interface is a bridge of the file's own.
    pub fn is_own_bridge(&self, interface: &Interface) -> bool {
        matches!(interface.what, What::Bridge(_)) && !self.is_external(interface)
    }

    /// The interface that the file calls `name`.
    pub fn interface(&self, namespace: &Label, name: &str) -> Option<&Interface> {
        let here = self.numbered(namespace)?;
        here.1.get(self.index.named(here, name)?)
    }

    /// The interface whose own subnet holds `address`: the longest prefix, as the kernel chooses.
    pub fn toward(&self, namespace: &Label, address: IpAddr) -> Option<&Interface> {
        let here = self.numbered(namespace)?;
        here.1.get(self.settled.toward(here, address)?)
    }

    /// The namespaces that have `address`, the nearest to `from` first: itself, then those that it shares a segment with.
    pub fn holders(&self, address: IpAddr, from: &Label) -> Vec<&Label> {
        let here = self.numbered(from);
        let near = |(label, interface): &(&Label, &Interface)| match interface.segment {
            _ if *label == from => 0,
            Some(segment) if here.is_some_and(|here| self.index.is_on(here, segment)) => 1,
            Some(_) | None => 2,
        };
        let mut holders: Vec<_> =
            self.settled.holders(address).iter().filter_map(|position| self.at(*position)).collect();
        holders.sort_by_key(|holder| (near(holder), holder.0));
        let mut labels: Vec<&Label> = holders.into_iter().map(|(label, _)| label).collect();
        labels.dedup();
        labels
    }

    /// The address of `target` in a family as seen from `from`: on a shared segment first.
    pub fn seen_from(&self, from: &Label, target: &Label, family: Family) -> Vec<IpAddr> {
        let from = self.numbered(from);
        let is_on = |segment| from.is_some_and(|from| self.index.is_on(from, segment));
        let shared = |it: &&Interface| it.segment.is_some_and(is_on);
        let addresses = |it: &Interface| it.addresses.iter().map(IpNet::addr).collect::<Vec<_>>();
        let of_family = |address: &IpAddr| Family::of(*address) == family;
        self.of(target).iter().filter(shared).flat_map(addresses).filter(of_family).collect()
    }

    /// The first address of `target` in a family that is not on its `lo`.
    pub fn first_address(&self, target: &Label, family: Family) -> Option<IpAddr> {
        let others = self.of(target).iter().filter(|it| it.what != What::Loopback);
        others.flat_map(|it| &it.addresses).map(IpNet::addr).find(|address| Family::of(*address) == family)
    }

    /// Everyone on a segment: namespaces with the interface that they have there, in file order of namespaces.
    pub fn on_segment(&self, segment: usize) -> impl Iterator<Item = (&Label, &Interface)> {
        self.settled.members(segment).iter().filter_map(|position| self.at(*position))
    }
}
