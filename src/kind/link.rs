//! A veth pair: two ends, each in a namespace, each perhaps a port of a bridge.

use super::{
    addresses::{Addresses, Holder},
    conf::Conf,
    steps::{Stage, Steps},
};
use crate::{
    model::{
        Address, Mac, Mark, Netns, Snapshot, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        mark::MARK_GROUP,
        name,
        snapshot::{LinkState, NetnsState, Peer},
    },
    op::{LinkChange, LinkRef, NewEnd, Op},
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

/// One end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How the file calls it, such as `web:eth0` or `br0:web-eth0`.
    pub label: String,
    /// Where it lives.
    pub netns: Netns,
    /// Its device's name in the kernel.
    pub device: String,
    /// The device name of the bridge that it is a port of.
    pub bridge: Option<String>,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Its MTU.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// Its addresses.
    pub addresses: Addresses,
    /// Whether a frame may leave by the port that it came in by.
    pub hairpin: bool,
    /// Its own settings of IPv4 and IPv6.
    pub conf: Conf,
    /// Observed: whether it bears the mark that it should.
    pub marked: bool,
    /// Observed: its index and its peer's.
    pub index: u32,
}

impl End {
    /// Where it is: its namespace and device name.
    pub fn place(&self) -> (&Netns, &str) {
        (&self.netns, &self.device)
    }
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
    pub fn observe(snapshot: &Snapshot, topology: &TopologyName, wanted: &[Self]) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for (netns, state) in &snapshot.namespaces {
            let ours = state.mark().is_some_and(|mark| mark.topology == *topology);
            for link in state.links.iter().filter(|link| link.kind.as_deref() == Some(KIND)) {
                let mark = link.mark().filter(|m| m.topology == *topology && m.address.kind() == KindName::Link);
                let claimed = ours && wanted.iter().any(|it| it.is_this(netns, link, snapshot, topology));
                let seen = found.iter().any(|it| it.end_at(netns, &link.name).is_some());
                if (mark.is_some() || claimed) && !seen {
                    let name = match mark {
                        Some(mark) => mark.address.rest().to_owned(),
                        None => format!("{}:{}", place_label(netns, state), link.name),
                    };
                    found.push(Self::from_state(name, netns, state, link, snapshot, topology, wanted));
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
        let inside = peer.is_some_and(|(_, state, _)| state.mark().is_some_and(|mark| mark.topology == *topology));
        link.group == MARK_GROUP || whole || inside || (end.mac.is_some() && end.mac == link.mac)
    }

    fn from_state(
        name: String,
        netns: &Netns,
        state: &NetnsState,
        link: &LinkState,
        snapshot: &Snapshot,
        topology: &TopologyName,
        wanted: &[Self],
    ) -> Self {
        let like = |netns: &Netns, device: &str| wanted.iter().find_map(|it| it.end_at(netns, device));
        let mut ends = vec![End::from_state(netns, state, link, topology, like(netns, &link.name))];
        if let Some((peer_netns, peer_state, peer)) = peer_of(netns, link, snapshot) {
            ends.push(End::from_state(peer_netns, peer_state, peer, topology, like(peer_netns, &peer.name)));
        }
        Self { name, ends, queues: (link.queues > 1).then_some(link.queues) }
    }

    /// What differs. `before` must be the pair that [`Link::is_like`] has found for `after`.
    pub fn compare(before: Option<&Self>, after: Option<&Self>) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.identity("name", before.map(|it| (&*it.name).into()), after.map(|it| (&*it.name).into()), false);
        let places = |it: &Self| {
            let mut places: Vec<String> = it.ends.iter().map(|end| end.netns.to_string()).collect();
            places.sort();
            Value::List(places)
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
    fn sides(&self) -> Option<(&End, &End)> {
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
        // Deleting the end that stays frees its name at once; the kernel would take up to a second after the
        // namespace's end. Where both namespaces go, there is nothing to do.
        let stays = self.ends.iter().find(|end| !going(&end.netns));
        if let Some(end) = stays {
            let link = LinkRef { index: end.index, name: end.device.clone() };
            steps.push(Stage::Unlink, &end.netns, address, Op::LinkDelete { link });
        }
    }
}

/// How the file calls a namespace, as its mark tells.
fn place_label(netns: &Netns, state: &NetnsState) -> String {
    state.mark().map_or_else(|| netns.to_string(), |mark| mark.address.rest().to_owned())
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

impl End {
    fn from_state(
        netns: &Netns,
        state: &NetnsState,
        link: &LinkState,
        topology: &TopologyName,
        like: Option<&Self>,
    ) -> Self {
        let master = link.master.and_then(|index| state.link_at(index));
        let bridge = master.and_then(LinkState::mark).filter(|mark| mark.address.kind() == KindName::Bridge);
        let place = bridge.map_or_else(|| place_label(netns, state), |mark| mark.address.rest().to_owned());
        Self {
            label: format!("{place}:{}", link.name),
            netns: netns.clone(),
            device: link.name.clone(),
            bridge: master.map(|master| master.name.clone()),
            mac: link.mac,
            mtu: link.mtu,
            up: link.up,
            addresses: Addresses::observed(state, link.index, like.map(|it| &it.addresses)),
            hairpin: link.port.as_ref().is_some_and(|port| port.hairpin),
            conf: Conf::observed(state, link),
            marked: link.mark().is_some_and(|mark| mark.topology == *topology) && link.group != MARK_GROUP,
            index: link.index,
        }
    }

    fn compare<'a>(has: Option<&'a Self>, wants: Option<&'a Self>, comparison: &mut Comparison) {
        let label = wants.or(has).map_or("", |end| &*end.label);
        let name = |attribute: &str| format!("{label}.{attribute}");
        let device = |it: &Self| Value::from(&*it.device);
        let bridge = |it: &Self| it.bridge.as_deref().map(Value::from);
        // A port that turns into an end of its own under another name is another thing; a master that was taken off
        // by hand is put back in place.
        let another =
            has.zip(wants).is_some_and(|(h, w)| h.bridge.is_some() != w.bridge.is_some() && h.device != w.device);
        if another {
            comparison.forcing(name("device"), has.map(device), wants.map(device));
        } else {
            comparison.attribute(name("device"), has.map(device), wants.map(device));
        }
        comparison.attribute(name("bridge"), has.and_then(bridge), wants.and_then(bridge));
        if wants.is_none_or(|it| it.mac.is_some()) {
            let mac = |it: &Self| it.mac.map(|mac| Value::Text(mac.to_string()));
            comparison.attribute(name("mac"), has.and_then(mac), wants.and_then(mac));
        }
        comparison.attribute(name("mtu"), has.map(|it| it.mtu.into()), wants.map(|it| it.mtu.into()));
        comparison.attribute(name("up"), has.map(|it| it.up.into()), wants.map(|it| it.up.into()));
        let addresses = |it: Option<&'a Self>| it.map(|it| &it.addresses);
        Addresses::compare(addresses(has), addresses(wants), name("addresses"), comparison);
        let hairpin = |it: &Self| it.hairpin.then_some(Value::Bool(true));
        comparison.attribute(name("hairpin"), has.and_then(hairpin), wants.and_then(hairpin));
        Conf::compare(has.map(|it| &it.conf), wants.map(|it| &it.conf), name, comparison);
        if let Some(has) = has.filter(|has| !has.marked && wants.is_some()) {
            comparison.noted(name("mark"), None, Some(true.into()), format!("{} bears no mark of ours", has.device));
        }
    }

    fn as_new(&self, steps: &Steps<'_>) -> Option<NewEnd> {
        let index = steps.index(&self.netns, &self.device)?;
        Some(NewEnd { index, name: self.device.parse().ok()?, mac: self.mac, mtu: Some(self.mtu) })
    }

    fn master_index(&self, address: &Address, steps: &mut Steps<'_>) -> Option<u32> {
        let bridge = self.bridge.as_deref()?;
        steps.link(address, &self.netns, bridge).map(|link| link.index)
    }

    fn lower_new(&self, address: &Address, stage: Stage, steps: &mut Steps<'_>) {
        let Some(link) = steps.link(address, &self.netns, &self.device) else { return };
        let change = LinkChange {
            alias: Some(Mark::new(steps.topology, address).to_string()),
            group: Some(0),
            master: self.master_index(address, steps),
            up: Some(self.up),
            hairpin: self.hairpin.then_some(true),
            ..LinkChange::default()
        };
        // A bridge of the same namespace may be made in a later batch than a link within one namespace is.
        let stage = if change.master.is_some() { Stage::Configure } else { stage };
        steps.push(stage, &self.netns, address, Op::LinkSet { link: link.clone(), change });
        let holder = Holder { address, netns: &self.netns, link: &link, stage, falls: false };
        self.addresses.lower(None, &holder, steps);
        self.conf.lower(&self.device, None, (&self.netns, address), steps);
    }

    fn lower_update(&self, address: &Address, has: &Self, renamed: bool, steps: &mut Steps<'_>) {
        let link = LinkRef { index: has.index, name: self.device.clone() };
        if has.device != self.device {
            self.lower_rename(address, has, steps);
        }
        let master = match (&has.bridge, &self.bridge) {
            (Some(_), None) => Some(0),
            (_, Some(_)) => self.master_index(address, steps).filter(|_| self.master_differs(has, steps)),
            (None, None) => None,
        };
        let alias = (renamed || !has.marked).then(|| Mark::new(steps.topology, address).to_string());
        let change = LinkChange {
            group: alias.is_some().then_some(0),
            alias,
            mac: self.mac.filter(|_| has.mac != self.mac),
            mtu: (has.mtu != self.mtu).then_some(self.mtu),
            master,
            up: (has.up != self.up).then_some(self.up),
            // A port that changes its bridge is a new port there, without hairpin.
            hairpin: (has.hairpin != self.hairpin || (master.is_some_and(|m| m != 0) && self.hairpin))
                .then_some(self.hairpin),
            ..LinkChange::default()
        };
        if change != LinkChange::default() {
            let op = Op::LinkSet { link: link.clone(), change };
            steps.push(Stage::Configure, &self.netns, address, op);
        }
        let falls = has.up && !self.up;
        let holder = Holder { address, netns: &self.netns, link: &link, stage: Stage::Configure, falls };
        self.addresses.lower(Some(&has.addresses), &holder, steps);
        self.conf.lower(&self.device, Some(&has.conf), (&self.netns, address), steps);
    }

    /// Whether its master is another device than it should be: by name, or because that one is made anew.
    fn master_differs(&self, has: &Self, steps: &Steps<'_>) -> bool {
        let Some(bridge) = &self.bridge else { return has.bridge.is_some() };
        let old = steps.snapshot.namespaces.get(&has.netns).and_then(|state| state.link_at(has.index)?.master);
        old != steps.index(&self.netns, bridge)
    }

    /// Names may be in each other's way (a swap, a chain): a device whose name another one is to have moves aside first.
    fn lower_rename(&self, address: &Address, has: &Self, steps: &mut Steps<'_>) {
        let wanted = steps.index(&has.netns, &has.device).is_some_and(|index| index != has.index);
        let rename = |name: &str| LinkChange { rename: name.parse().ok(), ..LinkChange::default() };
        let mut old = has.device.clone();
        if wanted {
            let aside = format!("nw-{:x}", has.index);
            let link = LinkRef { index: has.index, name: old };
            let op = Op::LinkSet { link, change: rename(&aside) };
            steps.push(Stage::RenameAside, &self.netns, address, op);
            old = aside;
        }
        let link = LinkRef { index: has.index, name: old };
        steps.push(Stage::Rename, &self.netns, address, Op::LinkSet { link, change: rename(&self.device) });
    }
}
