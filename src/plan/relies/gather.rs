//! A plan's ops and rules → what they rely on.

use std::collections::BTreeMap;

use super::{
    Fact, Facts, Relied, Thing,
    facts::{facts, holder, nearest},
};
use crate::{
    kind::{
        Topology,
        firewall::{Input, compose},
        host::HostSettings,
        sysctl,
    },
    model::{
        Address, Netns, Snapshot, TopologyName,
        address::KindName,
        snapshot::{LinkState, NetnsState, Nexthop},
    },
    op::{LinkChange, Op},
    plan::Prepared,
};

/// Everything that the plan of `topology` (of `name`, to remove it, where it is `None`) relies on.
pub fn of(name: &TopologyName, topology: Option<&Topology>, prepared: &Prepared, snapshot: &Snapshot) -> Vec<Relied> {
    let mut seen = Seen { name, snapshot, all: BTreeMap::new() };
    seen.note(&HostSettings::default().address(), Thing::Host, EVERY);
    for batch in &prepared.batches {
        for step in &batch.steps {
            seen.netns(&step.address, &batch.netns);
            seen.op(&step.address, &batch.netns, &step.op);
        }
    }
    if let Some(topology) = topology {
        seen.rules(topology, prepared);
    }
    seen.all.into_values().collect()
}

/// All facts of a thing.
const EVERY: &[Fact] = &[];
/// Which namespace it is.
const WHO: &[Fact] = &[Fact::Identity];
/// Which device it is, by what it is known for ours, and all that goes with it.
const OURS: &[Fact] =
    &[Fact::Index, Fact::Kind, Fact::Alias, Fact::Up, Fact::Mtu, Fact::Mac, Fact::Master, Fact::Addresses];
/// Which device it is.
const WHICH: &[Fact] = &[Fact::Index, Fact::Kind];

/// What has been met on the way.
struct Seen<'a> {
    name: &'a TopologyName,
    snapshot: &'a Snapshot,
    all: BTreeMap<Thing, Relied>,
}

impl Seen<'_> {
    /// Notes these facts of a thing, or all of them.
    fn note(&mut self, by: &Address, thing: Thing, which: &[Fact]) {
        let mut facts = facts(&thing, self.snapshot);
        facts.retain(|fact, _| which.is_empty() || which.contains(fact));
        let foreign = self.is_foreign(&thing);
        let new = || Relied { by: by.clone(), thing: thing.clone(), foreign, was: Facts::new() };
        self.all.entry(thing.clone()).or_insert_with(new).was.extend(facts);
    }

    fn is_foreign(&self, thing: &Thing) -> bool {
        match thing {
            Thing::Way { .. } | Thing::Source { .. } => true,
            Thing::Device { netns, name } => {
                self.state(netns).and_then(|state| state.link(name)).is_some_and(|link| self.is_theirs(link))
            }
            Thing::Host
            | Thing::Namespace { .. }
            | Thing::Setting { .. }
            | Thing::Record { .. }
            | Thing::PacketFilter { .. } => false,
        }
    }

    fn is_theirs(&self, link: &LinkState) -> bool {
        !link.is_of(self.name)
    }

    fn state(&self, netns: &Netns) -> Option<&NetnsState> {
        self.snapshot.namespaces.get(netns)
    }

    fn netns(&mut self, by: &Address, netns: &Netns) {
        let named = matches!(netns, Netns::Named(_));
        if named && self.state(netns).is_some() {
            self.note(by, Thing::Namespace { netns: netns.clone() }, WHO);
        }
    }

    /// A device that was there, by its index or its name; those that the plan makes are not.
    fn device(&mut self, by: &Address, netns: &Netns, is_it: impl Fn(&LinkState) -> bool, which: &[Fact]) {
        let Some(link) = self.state(netns).and_then(|state| state.links.iter().find(|link| is_it(link))) else {
            return;
        };
        let name = link.name.clone();
        if name != "lo" {
            self.netns(by, netns);
            self.note(by, Thing::Device { netns: netns.clone(), name }, which);
        }
    }

    /// One that something is plugged into, or led by: it has to work.
    fn used(&mut self, by: &Address, netns: &Netns, is_it: impl Fn(&LinkState) -> bool + Copy) {
        self.device(by, netns, is_it, WHICH);
        let theirs = |link: &LinkState| link.mark().is_none();
        // One that was down may come up.
        self.device(by, netns, |link| is_it(link) && theirs(link) && link.up, &[Fact::Up]);
    }

    fn op(&mut self, by: &Address, netns: &Netns, op: &Op) {
        let at = |index: u32| move |link: &LinkState| link.index == index;
        match op {
            Op::NetnsCreate { .. } | Op::BridgeCreate { .. } | Op::BridgeUp { .. } => {}
            Op::NetnsPark { .. } | Op::NetnsDelete => self.goes(by, netns),
            Op::LinkSet { link, .. } if op.parks() => self.deleted(by, netns, link.index),
            Op::VethCreate { peer_netns, .. } => self.netns(by, peer_netns),
            Op::LinkSet { link, change } => {
                self.device(by, netns, at(link.index), WHICH);
                self.device(by, netns, at(link.index), &touched(change));
                if let Some(master) = change.master {
                    self.used(by, netns, at(master));
                }
            }
            Op::LinkDelete { link } => self.deleted(by, netns, link.index),
            Op::AddressAdd { link, .. } | Op::AddressDelete { link, .. } => {
                self.device(by, netns, at(link.index), WHICH);
            }
            Op::RouteAdd { route, .. } => {
                route.nexthops.iter().for_each(|hop| self.hop(by, netns, hop));
                let holder = route.src.and_then(|src| Some((src, holder(self.state(netns)?, src)?)));
                if let Some((address, _)) = holder.filter(|(_, link)| self.is_theirs(link)) {
                    self.note(by, Thing::Source { netns: netns.clone(), address }, EVERY);
                }
            }
            Op::RouteDelete { route } => {
                route.nexthops.iter().filter_map(|hop| hop.link).for_each(|it| self.device(by, netns, at(it), WHICH));
            }
            Op::SysctlSet { key, .. } => self.setting(by, netns, key),
            Op::SysctlBorrow { key, .. } | Op::SysctlGiveBack { key, .. } => {
                self.setting(by, netns, key);
                self.note(by, Thing::Record { key: key.clone() }, EVERY);
            }
            Op::PortBorrow { link, master, .. } => {
                self.used(by, netns, at(link.index));
                self.device(by, netns, at(link.index), &[Fact::Master]);
                self.used(by, netns, at(*master));
            }
            Op::PortGiveBack { link, .. } => {
                self.device(by, netns, at(link.index), &[Fact::Index, Fact::Kind, Fact::Master]);
                let key = format!("master:{}", link.name);
                let before = self.snapshot.borrowed.get(&key).and_then(|record| record.before.clone());
                self.note(by, Thing::Record { key }, EVERY);
                if let Some(before) = before {
                    self.device(by, netns, |link| link.name == before, WHICH);
                }
            }
            // What of others is in a table, and since when it is there, is theirs.
            Op::TableBorrow { .. } | Op::TableGiveBack { .. } | Op::FlushFlows { .. } => {}
            Op::FirewallLoad { .. } => {}
            // The end of a run, and ways back, which no plan goes.
            Op::NetnsDrop { .. }
            | Op::NetnsUnpark { .. }
            | Op::PortPutBack { .. }
            | Op::AddressPutBack { .. }
            | Op::RoutePutBack { .. }
            | Op::RecordPutBack { .. }
            | Op::TableDrop { .. } => {}
        }
    }

    /// A namespace with all that is in it: what is of another resource of ours is told as that one's.
    fn goes(&mut self, by: &Address, netns: &Netns) {
        let Some(state) = self.state(netns) else { return };
        let marks = state.links.iter().filter_map(|link| Some((link.mark()?, link.index)));
        let ours: Vec<_> = marks.filter(|(mark, _)| mark.topology == *self.name).collect();
        self.note(by, Thing::Namespace { netns: netns.clone() }, &[Fact::Identity, Fact::Strangers]);
        ours.into_iter().for_each(|(mark, index)| self.deleted(&mark.address, netns, index));
    }

    /// A device of ours that goes; of a veth, both ends.
    fn deleted(&mut self, by: &Address, netns: &Netns, index: u32) {
        self.device(by, netns, |link| link.index == index, OURS);
        let there = self.state(netns).and_then(|state| state.link_at(index));
        let peer = there.and_then(|link| link.peer.clone());
        if let Some((netns, index)) = peer.and_then(|peer| Some((peer.netns?, peer.index))) {
            self.device(by, &netns, |link| link.index == index, OURS);
        }
    }

    fn setting(&mut self, by: &Address, netns: &Netns, key: &str) {
        let was = self.state(netns).and_then(|state| state.sysctls.get(key)?.as_ref());
        if was.is_some() {
            self.note(by, Thing::Setting { netns: netns.clone(), key: key.to_owned() }, EVERY);
        }
        if let Some(device) = sysctl::interface_of_path(key) {
            self.device(by, netns, |link| link.name == device, WHICH);
        }
    }

    /// Where a router is that is not on a segment of this topology.
    fn hop(&mut self, by: &Address, netns: &Netns, hop: &Nexthop) {
        if let Some(index) = hop.link {
            self.used(by, netns, |link| link.index == index);
        }
        let Some(to) = hop.via.filter(|_| !hop.onlink) else { return };
        let Some(state) = self.state(netns) else { return };
        let device = hop.link.and_then(|index| state.link_at(index)).map(|link| link.name.clone());
        if hop.link.is_some() && device.is_none() {
            return;
        }
        let theirs = nearest(state, to, device.as_deref()).filter(|link| self.is_theirs(link)).map(|link| link.index);
        if let Some(index) = theirs {
            self.used(by, netns, |link| link.index == index);
            self.note(by, Thing::Way { netns: netns.clone(), to, device }, EVERY);
        }
    }

    /// What the rules that change are about: uplinks and bridges of others, and the packet filter itself.
    fn rules(&mut self, topology: &Topology, prepared: &Prepared) {
        let changes = |address: &Address| prepared.plan.changes.iter().any(|change| change.address == *address);
        for gateway in topology.gateways.iter().filter(|gateway| changes(&gateway.address())) {
            self.used(&gateway.address(), &gateway.netns, |link| link.name == gateway.device);
        }
        for (netns, input) in &topology.firewalls {
            for rule in input.nat.iter().filter(|rule| changes(&rule.address)) {
                if let Some(out) = &rule.out {
                    self.device(&rule.address, netns, |link| link.name == out.as_str(), WHICH);
                }
            }
            let batches = prepared.batches.iter().filter(|batch| batch.netns == *netns);
            let steps: Vec<_> = batches.flat_map(|batch| &batch.steps).collect();
            let Some(load) = steps.iter().find(|step| matches!(step.op, Op::FirewallLoad { .. })) else { continue };
            let external = topology.bridges.iter().filter(|it| it.external && it.netns == *netns);
            for bridge in external.filter(|it| input.interfaces.iter().any(|known| known.name.as_str() == it.device)) {
                self.used(&load.address, netns, |link| link.name == bridge.device);
            }
            self.note(&load.address, Thing::PacketFilter { netns: netns.clone() }, &[Fact::Default, Fact::Beside]);
        }
        // A policy makes a difference where there was none, too.
        let would = |input: &Input| !compose(input).tables.is_empty();
        for (netns, input) in topology.bystanders.iter().filter(|(_, input)| would(input)) {
            let by = Address::new(KindName::Firewall, &*input.namespace);
            self.note(&by, Thing::PacketFilter { netns: netns.clone() }, &[Fact::Stops]);
        }
    }
}

/// What a message to a device changes of it.
fn touched(change: &LinkChange) -> Vec<Fact> {
    let LinkChange { alias, group: _, mac, mtu, master, up, rename: _, hairpin, link_local: _, stp, ageing_time } =
        change;
    let parts = [
        (alias.is_some(), Fact::Alias),
        (mac.is_some(), Fact::Mac),
        (mtu.is_some(), Fact::Mtu),
        (master.is_some(), Fact::Master),
        (up.is_some(), Fact::Up),
        (hairpin.is_some(), Fact::Hairpin),
        (stp.is_some(), Fact::Stp),
        (ageing_time.is_some(), Fact::AgeingTime),
    ];
    let which = parts.into_iter().filter_map(|(is_set, fact)| is_set.then_some(fact));
    which.chain([Fact::Index]).collect()
}
