//! A reading of which a part was read again.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashSet};

use super::{Extent, Netns, NetnsState, RouteState, Snapshot};

/// A device, by its namespace and index.
type Place = (Netns, u32);

/// Where the other end of a veth is.
enum Far {
    There(Netns),
    /// In a namespace that has gone: the kernel removes both ends in a moment.
    Gone,
}

impl Snapshot {
    /// This reading with some namespaces as they are in another one, which was made later and of those alone. What of
    /// them is in neither has gone.
    #[must_use]
    pub fn renewed(mut self, places: &BTreeMap<Netns, Extent>, mut later: Self) -> Self {
        let mut before = BTreeMap::new();
        for (netns, extent) in places {
            let was = self.namespaces.remove(netns);
            self.to_come.remove(netns);
            let is = later.namespaces.remove(netns);
            let is = match (extent, was, is) {
                (Extent::Devices(indexes), Some(mut was), Some(is)) if was.inode == is.inode => {
                    before.insert(netns.clone(), was.exchange(indexes, is));
                    Some(was)
                }
                (Extent::Whole | Extent::Devices(_), was, is) => {
                    before.extend(was.map(|was| (netns.clone(), was)));
                    is
                }
            };
            self.namespaces.extend(is.map(|is| (netns.clone(), is)));
        }
        let is_meant = |netns: &Netns| places.contains_key(netns);
        self.to_come.extend(later.to_come);
        self.borrowed = later.borrowed;
        let name = |name: &str| is_meant(&Netns::Named(name.into()));
        self.stale_netns.retain(|stale| !name(stale));
        self.stale_netns.extend(later.stale_netns);
        self.aliases.retain(|alias, _| !name(alias));
        self.aliases.extend(later.aliases);
        let mut found = self.peers_again(places, &before);
        for (netns, state) in self.namespaces.iter_mut().filter(|(netns, _)| is_meant(netns)) {
            let mut has_gone = HashSet::default();
            for link in &mut state.links {
                let Some(peer) = link.peer.as_mut().filter(|peer| peer.netns.is_none()) else { continue };
                match found.remove(&(netns.clone(), link.index)) {
                    Some(Far::There(there)) => peer.netns = Some(there),
                    Some(Far::Gone) => _ = has_gone.insert(link.index),
                    None => {}
                }
            }
            state.hide(|link| has_gone.contains(&link.index));
        }
        self
    }

    /// Where the other ends of veths are that lead out of what was read again: where they were, or where an end says that it
    /// leads here.
    fn peers_again(
        &self,
        places: &BTreeMap<Netns, Extent>,
        before: &BTreeMap<Netns, NetnsState>,
    ) -> HashMap<Place, Far> {
        let mut claims: HashMap<(&Netns, u32), (&Netns, u32)> = HashMap::default();
        let mut open = Vec::new();
        for (netns, state) in &self.namespaces {
            for link in &state.links {
                let Some(peer) = &link.peer else { continue };
                match &peer.netns {
                    Some(there) => _ = claims.insert((there, peer.index), (netns, link.index)),
                    None if places.contains_key(netns) => open.push((netns, link.index, peer.index)),
                    None => {}
                }
            }
        }
        let as_before = |netns: &Netns, index: u32, peer: u32| {
            let was =
                before.get(netns).filter(|was| self.namespaces.get(netns).is_some_and(|is| is.inode == was.inode))?;
            let was = was.links.at(index)?.peer.as_ref().filter(|was| was.index == peer)?;
            let there = was.netns.as_ref()?;
            match self.namespaces.contains_key(there) {
                // That its devices were all read and none leads here tells that it does not.
                true => (places.get(there) != Some(&Extent::Whole)).then(|| Far::There(there.clone())),
                false => Some(Far::Gone),
            }
        };
        let found = open.into_iter().filter_map(|(netns, index, peer)| {
            let claimed = claims.get(&(netns, index)).filter(|(_, its)| *its == peer);
            let claimed = claimed.map(|(there, _)| Far::There((*there).clone()));
            Some(((netns.clone(), index), claimed.or_else(|| as_before(netns, index, peer))?))
        });
        found.collect()
    }
}

impl NetnsState {
    /// Puts devices as they are in a later reading of them alone in the place of what they were, which it yields.
    fn exchange(&mut self, indexes: &BTreeSet<u32>, later: Self) -> Self {
        let is_meant = |index: &u32| indexes.contains(index);
        let leads_by_one =
            |route: &RouteState| route.nexthops.iter().filter_map(|hop| hop.link).any(|it| is_meant(&it));
        let (were, mut links): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.links).into_iter().partition(|link| is_meant(&link.index));
        links.extend(later.links);
        links.sort_by_key(|link| link.index);
        self.links = links.into();
        self.parked.retain(|link| !is_meant(&link.index));
        self.parked.extend(later.parked);
        self.addresses.retain(|it| !is_meant(&it.link));
        self.addresses.extend(later.addresses);
        self.routes.retain(|route| !leads_by_one(route));
        self.routes.extend(later.routes.into_iter().filter(leads_by_one));
        self.free_ports();
        Self { inode: self.inode, links: were.into(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{LinkState, NetnsState, Peer, tests::route_by},
        *,
    };

    fn named(name: &str) -> Netns {
        Netns::Named(name.into())
    }

    fn veth(index: u32, peer: u32, netns: Option<Netns>) -> LinkState {
        LinkState { index, name: format!("v{index}"), peer: Some(Peer { index: peer, netns }), ..LinkState::default() }
    }

    fn of(namespaces: Vec<(Netns, Vec<LinkState>)>) -> Snapshot {
        let state = |links: Vec<LinkState>| NetnsState { links: links.into(), ..NetnsState::default() };
        Snapshot {
            namespaces: namespaces.into_iter().map(|(netns, links)| (netns, state(links))).collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn devices_that_were_read_again_take_the_place_of_what_they_were_and_all_else_stays() {
        let (host, a) = (Netns::Host, named("a"));
        let mut first = of(vec![
            (host.clone(), vec![veth(10, 2, Some(a.clone())), veth(11, 3, Some(a.clone())), veth(12, 13, None)]),
            (a.clone(), vec![veth(2, 10, Some(host.clone())), veth(3, 11, Some(host.clone()))]),
        ]);
        let state = first.namespaces.get_mut(&host).unwrap();
        state.routes = vec![route_by("10.0.0.0/8", 10), route_by("11.0.0.0/8", 11)];
        state.links[2].master = Some(10);
        // Of the three that were asked for one has gone, and one is new and set aside.
        let mut later = of(vec![(host.clone(), vec![LinkState { mtu: 1400, ..veth(11, 3, None) }])]);
        let state = later.namespaces.get_mut(&host).unwrap();
        state.routes = vec![route_by("12.0.0.0/8", 11), route_by("13.0.0.0/8", 12)];
        state.parked = vec![veth(14, 15, None)];
        let now = first.renewed(&[(host.clone(), Extent::Devices([10, 11, 14].into()))].into(), later);
        let state = &now.namespaces[&host];
        let indexes: Vec<u32> = state.links.iter().map(|link| link.index).collect();
        assert_eq!((indexes, state.parked.len()), (vec![11, 12], 1));
        assert_eq!(state.link_at(11).unwrap().mtu, 1400);
        assert_eq!(state.link_at(11).unwrap().peer.as_ref().unwrap().netns, Some(a), "as it was");
        let routes: Vec<String> = state.routes.iter().map(|route| route.to.to_string()).collect();
        assert_eq!(routes, ["12.0.0.0/8"], "those of others are not told again");
    }

    #[test]
    fn what_was_read_again_takes_the_place_of_what_was_there_and_leads_where_it_led() {
        let (a, b, c) = (named("a"), named("b"), named("c"));
        let first = of(vec![
            (Netns::Host, vec![veth(10, 2, Some(a.clone()))]),
            (a.clone(), vec![veth(2, 10, Some(Netns::Host)), veth(3, 4, Some(b.clone()))]),
            (b.clone(), vec![veth(4, 3, Some(a.clone()))]),
            (c.clone(), vec![]),
        ]);
        // The host was not read again, so that nothing tells which of its ends those of `a` are.
        let mut later = of(vec![(a.clone(), vec![veth(2, 10, None), veth(3, 4, None), veth(5, 6, None)])]);
        let places = [(a.clone(), Extent::Whole), (c, Extent::Whole)].into();
        let now = first.clone().renewed(&places, later.clone());
        let peers = |snapshot: &Snapshot, netns: &Netns| -> Vec<Option<Netns>> {
            snapshot.namespaces[netns].links.iter().map(|link| link.peer.as_ref().unwrap().netns.clone()).collect()
        };
        assert_eq!(peers(&now, &a), [Some(Netns::Host), Some(b.clone()), None]);
        assert_eq!(now.namespaces.len(), 3, "`c` has gone");
        // Another namespace under the name has ends of its own.
        later.namespaces.get_mut(&a).unwrap().inode = 7;
        let mut lost = first;
        lost.namespaces.get_mut(&b).unwrap().links.clear();
        lost.namespaces.get_mut(&Netns::Host).unwrap().links.clear();
        assert_eq!(peers(&lost.renewed(&places, later), &a), [None, None, None]);
    }
}
