//! A veth pair: two ends, each in a namespace, each perhaps a port of a bridge.

mod end;

use end::place_label;
pub use end::{End, IPV6_MIN_MTU};

use foldhash::{HashMap, HashSet};

use super::{
    made::Made,
    steps::{Stage, Steps},
};
use crate::{
    model::{
        Address, Netns, Snapshot, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        mark::MARK_GROUP,
        name,
        snapshot::{LinkState, NetnsState, Peer},
    },
    op::{LinkRef, Op},
};

/// The `IFLA_INFO_KIND` of both ends.
pub const KIND: &str = "veth";

/// A veth pair as the file wants it or as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The part of its address after `link.`.
    pub name: String,
    /// Its ends: two, or one where the other cannot be seen.
    pub ends: Vec<End>,
    /// Queues of each end, where the file says.
    pub queues: Option<u32>,
}

impl Link {
    /// `link.NAME`.
    pub fn address(&self) -> Address {
        Address::new(KindName::Link, &*self.name)
    }

    /// The end in that place.
    pub fn end_at(&self, netns: &Netns, device: &str) -> Option<&End> {
        self.ends.iter().find(|end| end.place() == (netns, device))
    }

    /// The veth pairs that bear `topology`'s mark at either end, and those in a namespace of ours that have lost it and
    /// are a `wanted` one by all else.
    /// `memo` tells which were ports.
    pub fn observe(snapshot: &Snapshot, topology: &TopologyName, wanted: &[Self], memo: &Made) -> Vec<Self> {
        let wanted = &Wanted::new(wanted);
        let mut found: Vec<Self> = Vec::new();
        // Of a pair the other end comes later, by its index.
        let mut others: HashSet<(&Netns, u32)> = HashSet::default();
        for (netns, state) in &snapshot.namespaces {
            let ours = state.is_of(topology);
            for link in state.links.iter().filter(|link| link.kind.as_deref() == Some(KIND)) {
                if others.contains(&(netns, link.index)) {
                    continue;
                }
                let mark = link.mark().filter(|m| m.topology == *topology && m.address.kind() == KindName::Link);
                let claimed = || ours && wanted.claims(netns, link, snapshot, topology);
                if mark.is_some() || claimed() {
                    let name = match mark {
                        Some(mark) => mark.address.rest().to_owned(),
                        None => format!("{}:{}", place_label(netns, state), link.name),
                    };
                    let peer = peer_of(netns, link, snapshot);
                    others.extend(peer.map(|(netns, _, peer)| (netns, peer.index)));
                    let ends = std::iter::once((netns, state, link)).chain(peer);
                    let ends = ends.map(|(netns, state, link)| End {
                        was_port: memo.was_port(netns, &link.name),
                        ..End::from_state(netns, state, link, topology, wanted.end(netns, &link.name))
                    });
                    let queues = (link.queues > 1).then_some(link.queues);
                    found.push(Self { name, ends: ends.collect(), queues });
                }
            }
        }
        found
    }

    /// Whether a veth without a mark in `netns`, which is `topology`'s, stands for this one: as it is being made, by its
    /// hardware address or its other end, or because it lies within namespaces that are ours whole. One that leads to
    /// anywhere else is somebody's.
    fn is_this(&self, netns: &Netns, link: &LinkState, snapshot: &Snapshot, topology: &TopologyName) -> bool {
        let Some(end) = self.end_at(netns, &link.name) else { return false };
        let mut others = self.ends.iter().filter(|other| !std::ptr::eq(*other, end));
        let peer = peer_of(netns, link, snapshot);
        let whole = peer.is_some_and(|(there, _, peer)| others.any(|other| other.place() == (there, &*peer.name)));
        let inside = peer.is_some_and(|(_, state, _)| state.is_of(topology));
        link.group == MARK_GROUP || whole || inside || (end.mac.is_some() && end.mac == link.mac)
    }

    /// What differs. `before` must be the pair that [`Link::is_like`] has found for `after`.
    pub fn compare<'a>(before: Option<&'a Self>, after: Option<&'a Self>) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.identity("name", before.map(|it| &*it.name), after.map(|it| &*it.name), false);
        let places = |it: &'a Self| {
            let mut places: Vec<&Netns> = it.ends.iter().map(|end| &end.netns).collect();
            places.sort_unstable_by_key(|netns| netns.as_str());
            Places(places)
        };
        comparison.identity("namespaces", before.map(places), after.map(places), true);
        if let Some(queues) = after.and_then(|it| it.queues) {
            let has = before.map(|it| it.queues.unwrap_or(1).into());
            comparison.forcing("queues", has, Some(queues.into()));
        }
        for (has, wants) in pair_ends(before, after) {
            End::compare(has, wants, &mut comparison);
        }
        comparison
    }

    /// Whether `other`, as observed, is this link: by both ends, or with `loosely` by one where the other stays in its
    /// namespace.
    pub fn is_like(&self, other: &Self, loosely: bool) -> bool {
        let same = self.ends.iter().filter(|end| other.end_at(&end.netns, &end.device).is_some()).count();
        if !loosely {
            return same == self.ends.len();
        }
        let netns = |it: &Self| {
            let mut all: Vec<Netns> = it.ends.iter().map(|end| end.netns.clone()).collect();
            all.sort();
            all
        };
        same > 0 && netns(self) == netns(other)
    }

    /// Whether `other`, as observed, is this link under another interface name, with which the made-up name of its port
    /// changed too.
    pub fn is_renamed(&self, other: &Self) -> bool {
        let (Some((port, end)), Some((old_port, old_end))) = (self.sides(), other.sides()) else { return false };
        let label = match &port.netns {
            // Devices of the host bear the prefix, and so do the names of namespaces.
            Netns::Host => end.netns.as_str(),
            Netns::Named(_) => end.label.split(':').next().unwrap_or_default(),
        };
        let made_up = |port: &End, end: &End| port.device == name::made_up(&format!("{label}-{}", end.device));
        port.netns == old_port.netns && end.netns == old_end.netns && made_up(port, end) && made_up(old_port, old_end)
    }

    /// Its bridge port and its other end, where it has both.
    pub fn sides(&self) -> Option<(&End, &End)> {
        let port = self.ends.iter().find(|end| end.bridge.is_some())?;
        Some((port, self.ends.iter().find(|end| end.bridge.is_none())?))
    }

    /// Enters its devices and their indexes: kept where `before` has them, chosen where it has not.
    pub fn enter(&self, before: Option<&Self>, steps: &mut Steps<'_>) {
        for (has, wants) in pair_ends(before, Some(self)) {
            let Some(wants) = wants else { continue };
            match has {
                Some(has) => steps.enter_as(&wants.netns, &wants.device, has.index),
                None => _ = steps.enter(&wants.netns, &wants.device),
            }
        }
    }

    /// Ops that make it.
    pub fn lower_create(&self, steps: &mut Steps<'_>) {
        let address = self.address();
        let [first, second] = &*self.ends else { return };
        // Made from inside the namespace that is not the host, so that all that is done there travels in one batch.
        let (near, far) = if first.netns == Netns::Host { (second, first) } else { (first, second) };
        let (Some(end), Some(peer)) = (near.as_new(steps), far.as_new(steps)) else { return };
        let create = Op::VethCreate { end, peer, peer_netns: far.netns.clone(), queues: self.queues };
        steps.push(Stage::Link, &near.netns, &address, create);
        near.lower_new(&address, Stage::Link, steps);
        far.lower_new(&address, Stage::Configure, steps);
    }

    /// Ops that bring it from `before` to this, in place.
    pub fn lower_update(&self, before: &Self, steps: &mut Steps<'_>) {
        let address = self.address();
        let renamed = before.name != self.name;
        for (has, wants) in pair_ends(Some(before), Some(self)) {
            if let (Some(has), Some(wants)) = (has, wants) {
                wants.lower_update(&address, has, renamed, steps);
            }
        }
    }

    /// Ops that remove it: one end is enough, and none is needed where a namespace of it goes too.
    /// They are done for `address`: a link that is replaced may have had another name.
    pub fn lower_away(&self, address: &Address, going: &dyn Fn(&Netns) -> bool, steps: &mut Steps<'_>) {
        // A namespace that goes takes its ends along, and with them the other ones: sooner than each could be deleted.
        let staying: Vec<&End> = self.ends.iter().filter(|end| !going(&end.netns)).collect();
        let stays_whole = staying.len() == self.ends.len();
        for (place, end) in staying.into_iter().enumerate() {
            let link = LinkRef { index: end.index, name: end.device.clone() };
            if !stays_whole {
                steps.part_with_its_peer(Stage::Unlink, &end.netns, address, link);
                continue;
            }
            if place == 0 {
                steps.push(Stage::DropLink, &end.netns, address, Op::LinkDelete { link: link.clone() });
            }
            steps.part(Stage::Unlink, &end.netns, address, link);
        }
    }
}

/// The namespaces of a link's ends.
#[derive(PartialEq)]
struct Places<'a>(Vec<&'a Netns>);

impl From<Places<'_>> for Value {
    fn from(Places(places): Places<'_>) -> Self {
        Self::List(places.into_iter().map(Netns::to_string).collect())
    }
}

/// Wanted links by the places of their ends.
struct Wanted<'a>(HashMap<(&'a Netns, &'a str), (&'a Link, &'a End)>);

impl<'a> Wanted<'a> {
    fn new(links: &'a [Link]) -> Self {
        Self(links.iter().flat_map(|link| link.ends.iter().map(move |end| (end.place(), (link, end)))).collect())
    }

    /// The end that is wanted in a place.
    fn end(&self, netns: &Netns, device: &str) -> Option<&'a End> {
        self.0.get(&(netns, device)).map(|(_, end)| *end)
    }

    /// Whether a veth stands for a wanted link.
    fn claims(&self, netns: &Netns, link: &LinkState, snapshot: &Snapshot, topology: &TopologyName) -> bool {
        let wanted = self.0.get(&(netns, &*link.name));
        wanted.is_some_and(|(it, _)| it.is_this(netns, link, snapshot, topology))
    }
}

/// The other end of a veth, where the snapshot has it.
fn peer_of<'a>(
    netns: &Netns,
    link: &LinkState,
    snapshot: &'a Snapshot,
) -> Option<(&'a Netns, &'a NetnsState, &'a LinkState)> {
    let Peer { index, netns: there } = link.peer.as_ref()?;
    let (there, state) = snapshot.namespaces.get_key_value(there.as_ref()?)?;
    let peer = state.link_at(*index)?;
    let back = peer.peer.as_ref()?;
    (back.index == link.index && back.netns.as_ref() == Some(netns)).then_some((there, state, peer))
}

/// The ends of both that belong together: by place, else what is left of each in the same namespace, else alone.
pub fn pair_ends<'a>(before: Option<&'a Link>, after: Option<&'a Link>) -> Vec<(Option<&'a End>, Option<&'a End>)> {
    let mut has: Vec<&End> = before.into_iter().flat_map(|it| &it.ends).collect();
    let wants: Vec<&End> = after.into_iter().flat_map(|it| &it.ends).collect();
    let mut pairs: Vec<(Option<&End>, Option<&End>)> = Vec::new();
    let mut take = |test: &dyn Fn(&End) -> bool| has.iter().position(|end| test(end)).map(|at| has.remove(at));
    let exact: Vec<Option<&End>> = wants.iter().map(|w| take(&|h| h.place() == w.place())).collect();
    for (want, exact) in wants.iter().zip(exact) {
        let alike = |h: &End| h.netns == want.netns && h.bridge.is_some() == want.bridge.is_some();
        let found = exact.or_else(|| take(&alike)).or_else(|| take(&|h| h.netns == want.netns));
        pairs.push((found, Some(want)));
    }
    if after.is_none() {
        pairs.extend(has.into_iter().map(|end| (Some(end), None)));
    }
    pairs
}
