//! One step of a packet: what the namespace where it is makes of it, and whom it is handed to.

use std::net::IpAddr;

use super::{
    super::{
        lab::{Interface, Lab, Neighbour, Node, is_link_local, slot},
        rules::{self, NewSource},
        table::Way,
        verdict::{By, Direction, Why},
    },
    Arrival, Ending, Next, Packet, Step, Tracked, Walks, is_plain,
};
use crate::{
    kind::{check::Probe, route::Hop},
    model::snapshot::{Family, RouteType},
};

/// A packet lives for so many hops.
const TTL: usize = 64;

/// A packet in a namespace, with the addresses that it came with, and whether its destination is another one now.
#[derive(Clone)]
struct Visit {
    packet: Packet,
    node: usize,
    came: (IpAddr, IpAddr),
    moved: bool,
}

/// A route by which a packet may leave.
pub(super) struct Exit<'a, 't> {
    pub place: usize,
    pub interface: &'a Interface<'t>,
    pub next: IpAddr,
    pub source: Option<IpAddr>,
    pub by: By,
}

impl Lab<'_> {
    /// What becomes of a packet in the namespace where it is. Of several ways out, each is followed.
    pub(super) fn advance(&self, packet: Packet, walks: &mut Walks) {
        let direction = packet.direction;
        let Some((node, place)) = packet.steps.last().and_then(|place| Some((self.nodes.get(place.node)?, *place)))
        else {
            return walks.enter(direction, Err(Ending::Unknown));
        };
        let visit = match self.arrive(node, place, packet) {
            Ok(visit) => visit,
            Err(ending) => return walks.enter(direction, Err(ending)),
        };
        if self.is_local(node, visit.packet.destination) {
            if direction == Direction::There {
                let Packet { probe, holder, .. } = visit.packet;
                walks.arrived(Arrival { node: visit.node, probe, holder });
            }
            // From here on it is the answer that may get lost.
            return walks.enter(Direction::Back, self.deliver(node, place, visit));
        }
        match self.exits(node, &visit.packet) {
            // A packet has its whole way with it: it is copied where ways part alone.
            Ok(exits) => std::iter::repeat_n(visit, exits.len())
                .zip(&exits)
                .for_each(|(visit, exit)| walks.enter(direction, self.leave(node, visit, exit))),
            Err(ending) => walks.enter(direction, Err(ending)),
        }
    }

    /// What a namespace does to a packet before it looks for a way.
    fn arrive(&self, node: &Node<'_>, place: Step, mut packet: Packet) -> Result<Visit, Ending> {
        packet.certain &= !node.host && !node.closes;
        let came = (packet.source, packet.destination);
        // What comes from outside with a source of one's own is dropped.
        if place.by.is_some() && self.is_local(node, packet.source) {
            return Err(Ending::Unknown);
        }
        let mut moved = false;
        match packet.direction {
            Direction::There => {
                let local = self.is_local(node, packet.destination);
                if local && packet.destination == packet.asked.1 {
                    packet.holder.get_or_insert(place.node);
                }
                let new = node.rules.and_then(|it| rules::new_destination(it, local, packet.destination, packet.probe));
                if let Some((to, probe)) = new {
                    (packet.destination, packet.probe, packet.certain, moved) = (to, probe, false, true);
                }
            }
            Direction::Back => untrack(&mut packet, node, place.node)?,
        }
        if !is_plain(packet.destination) {
            return Err(Ending::Unknown);
        }
        self.may_enter(node, place, came.0, &packet)?;
        let transit = place.by.is_some() && !self.is_local(node, packet.destination);
        if transit {
            self.may_pass(node, place, &packet)?;
        }
        Ok(Visit { packet, node: place.node, came, moved })
    }

    /// Whether the reverse path filter lets in what has that source: the strict one drops what it would not answer by the
    /// same device.
    fn may_enter(&self, node: &Node<'_>, place: Step, source: IpAddr, packet: &Packet) -> Result<(), Ending> {
        let entry = place.by.and_then(|by| self.interfaces.get(by).map(|it| (by, it)));
        let Some((by, interface)) = entry.filter(|(_, it)| it.incoming.strict && source.is_ipv4()) else {
            return Ok(());
        };
        let answer = Packet { destination: source, ..packet.clone() };
        let exits = match self.exits(node, &answer) {
            Ok(exits) => exits,
            // No way back at all.
            Err(Ending::Stopped(_)) => Vec::new(),
            Err(ending) => return Err(ending),
        };
        let same = exits.iter().filter(|exit| exit.place == by).count();
        let one_route = exits.windows(2).all(|pair| matches!(pair, [a, b] if a.by == b.by && a.by != By::Subnet));
        match same {
            0 => Err(self.stop(packet, Why::ReversePath { device: interface.device.to_owned(), source })),
            // Of one route each next hop counts; of several the kernel takes one.
            some if some == exits.len() || one_route => Ok(()),
            _ => Err(Ending::Unknown),
        }
    }

    /// Whether what comes in here and is for another is sent on.
    fn may_pass(&self, node: &Node<'_>, place: Step, packet: &Packet) -> Result<(), Ending> {
        let family = Family::of(packet.destination);
        let entry = place.by.and_then(|by| self.interfaces.get(by));
        let own = entry.and_then(|it| it.incoming.forwards.filter(|_| family == Family::V4));
        let forwards = node.forwards.get(slot(family)).copied().unwrap_or_default();
        if own.unwrap_or(forwards) {
            return Ok(());
        }
        if node.host || node.open || !node.v6 {
            return Err(Ending::Unknown);
        }
        let closed = entry.filter(|_| own.is_some() && forwards).map(|it| Why::DoesNotForward(it.device.to_owned()));
        Err(self.stop(packet, closed.unwrap_or(Why::NotForwarding(family))))
    }

    /// The ways out to a packet's destination.
    pub(super) fn exits<'a>(&'a self, node: &Node<'a>, packet: &Packet) -> Result<Vec<Exit<'a, 'a>>, Ending> {
        let destination = packet.destination;
        let v6 = destination.is_ipv6();
        let open = !node.host && (node.open || (v6 && node.open_v6));
        if open || (v6 && !node.v6) || node.edges.contains(&destination) {
            return Err(Ending::Unknown);
        }
        let found = node.tables.get(slot(Family::of(destination))).and_then(|table| table.lookup(destination));
        let Some((net, ways)) = found else {
            if node.host {
                return Err(Ending::Unknown);
            }
            let down = node.down.iter().find(|(net, _)| net.contains(&destination));
            let down = down.and_then(|(_, interface)| self.interfaces.get(*interface));
            let why = down.map_or(Why::NoRoute, |it| Why::DeviceDown(it.device.to_owned()));
            return Err(self.stop(packet, why));
        };
        // The host has routes of its own before any default.
        if node.host && net.prefix_len() == 0 {
            return Err(Ending::Unknown);
        }
        let mut exits = Vec::new();
        for way in ways {
            if way.kind() != RouteType::Unicast {
                let Way::Static(place, route) = way else { return Err(Ending::Unknown) };
                return Err(self.stop(packet, Why::Dropped(place, route.kind)));
            }
            exits.extend(self.exits_of(packet, &way)?);
        }
        // By a device without carrier IPv6 has no routes, and so another one may lead on.
        let dark = v6 && exits.iter().any(|exit| !exit.interface.carrier);
        if dark || exits.is_empty() { Err(Ending::Unknown) } else { Ok(exits) }
    }

    fn exits_of<'a>(&'a self, packet: &Packet, way: &Way<'_>) -> Result<Vec<Exit<'a, 'a>>, Ending> {
        let next = packet.destination;
        let exit = |place: usize, next: IpAddr, source: Option<IpAddr>, by: By| {
            let interface = self.interfaces.get(place).filter(|it| it.device != "lo").ok_or(Ending::Unknown)?;
            Ok(Exit { place, interface, next, source, by })
        };
        match *way {
            Way::Connected(place) => Ok(vec![exit(place, next, None, By::Subnet)?]),
            Way::Gateway { place, via, interface } => Ok(vec![exit(interface, via, None, By::Gateway(place))?]),
            Way::Static(place, route) => {
                let node = self.node_of(&route.netns).ok_or(Ending::Unknown)?;
                let hop = |hop: &Hop| {
                    let out = hop.dev.as_deref().and_then(|device| self.interface_of(node, device));
                    exit(out.ok_or(Ending::Unknown)?, hop.via.unwrap_or(next), route.src, By::Route(place))
                };
                route.hops.iter().map(hop).collect()
            }
        }
    }

    /// Sends a packet on to the next hop.
    fn leave(&self, node: &Node<'_>, visit: Visit, exit: &Exit<'_, '_>) -> Next {
        let Exit { interface, next, by, .. } = *exit;
        let packet = &visit.packet;
        if is_link_local(next) {
            return Err(Ending::Unknown);
        }
        let device = || interface.device.to_owned();
        if !interface.carrier {
            return Err(self.stop(packet, Why::NoCarrier(device())));
        }
        let (to, exact) = match self.neighbour(interface, next) {
            Neighbour::At { interface, exact } => (interface, exact),
            Neighbour::Nobody => return Err(self.stop(packet, Why::NobodyHas { next, device: device(), by })),
            Neighbour::Unknown => return Err(Ending::Unknown),
        };
        let Some(neighbour) = self.interfaces.get(to).filter(|it| it.node != interface.node) else {
            return Err(Ending::Unknown);
        };
        let step = Step { node: neighbour.node, by: Some(to) };
        if self.meets_rules(packet, exit.place, to) {
            return Err(Ending::Unknown);
        }
        let sources = match packet.direction {
            Direction::There => self.new_sources(node, &visit, exit)?,
            Direction::Back => vec![packet.source],
        };
        if let Some(ending) = self.goes_round(&visit, step, &sources, by) {
            return Err(ending);
        }
        let Visit { packet: mut sent, node, came, .. } = visit;
        sent.certain &= exact && !self.is_doubtful(interface);
        sent.steps.push(step);
        let all = std::iter::repeat_n(sent, sources.len()).zip(sources).map(|(mut sent, source)| {
            sent.source = source;
            if sent.direction == Direction::There {
                sent.track(node, came);
            }
            sent
        });
        Ok(all.collect())
    }

    /// How a packet ends that has been at its next step before, or that has been on its way for too long.
    fn goes_round(&self, visit: &Visit, step: Step, sources: &[IpAddr], by: By) -> Option<Ending> {
        let packet = &visit.packet;
        // With other addresses it may come by again; with a source of his own nobody takes it.
        let seen = |it: &Step| *it == step || (it.by.is_none() && it.node == step.node);
        let arrives = self.nodes.get(step.node).is_some_and(|node| self.is_local(node, packet.destination));
        let (worn_out, circle) = (packet.steps.len() >= TTL, !arrives && packet.steps.iter().any(seen));
        if !worn_out && !circle {
            return None;
        }
        let changed = |source: &IpAddr| packet.direction == Direction::There && visit.changes(*source);
        if !packet.translated && !sources.iter().any(changed) {
            return Some(self.stop(packet, Why::Loop(by)));
        }
        worn_out.then_some(Ending::Unknown)
    }

    /// Whether rules may change a packet while it is merely switched, which with bridge-nf they do.
    fn meets_rules(&self, packet: &Packet, from: usize, to: usize) -> bool {
        self.switches(from, to).any(|bridge| {
            let Some(node) = self.nodes.get(bridge.node) else { return false };
            let local = self.is_local(node, packet.destination);
            let known = packet.tracked.iter().any(|it| it.node == bridge.node);
            let mut moved = node.rules.into_iter();
            known
                || moved.any(|it| rules::new_destination(it, local, packet.destination, packet.probe).is_some())
                || rules::new_source(self, node, bridge, packet.source, false) != NewSource::Kept
        })
    }

    /// The sources that a packet may have when it has left.
    fn new_sources(&self, node: &Node<'_>, visit: &Visit, exit: &Exit<'_, '_>) -> Result<Vec<IpAddr>, Ending> {
        let source = visit.packet.source;
        let outgoing = || self.sources(exit.interface, exit.next);
        let sources = match rules::new_source(self, node, exit.interface, source, visit.moved) {
            NewSource::Kept => vec![source],
            NewSource::Outgoing => outgoing(),
            // What comes from 127.0.0.1 cannot leave as it is.
            NewSource::KeptOrOutgoing if source.is_loopback() => outgoing(),
            NewSource::KeptOrOutgoing => [vec![source], outgoing()].concat(),
            NewSource::Given(source) => vec![source],
            NewSource::Unknown => Vec::new(),
        };
        if sources.is_empty() { Err(Ending::Unknown) } else { Ok(sources) }
    }

    /// Gives a packet to the namespace that it has come to: it answers, or has its answer.
    fn deliver(&self, node: &Node<'_>, place: Step, visit: Visit) -> Next {
        let Visit { mut packet, node: here, came, .. } = visit;
        let v6 = packet.destination.is_ipv6();
        if place.by.is_none() && !node.loopback {
            // IPv4 goes by `lo` for itself; what IPv6 does has changed with the versions.
            return Err(if v6 { Ending::Unknown } else { self.stop(&packet, Why::LoopbackDown) });
        }
        let holder = node.addresses.get(&packet.destination).and_then(|it| self.interfaces.get(*it));
        if (v6 && !node.v6) || holder.is_some_and(|it| !it.up || (v6 && !it.carrier)) {
            return Err(Ending::Unknown);
        }
        if packet.direction == Direction::Back {
            let done = packet.tracked.is_empty()
                && packet.there.first().is_some_and(|first| first.node == place.node)
                && (packet.destination, packet.source) == packet.asked;
            return Err(if done { Ending::Reached(Box::new(packet)) } else { Ending::Unknown });
        }
        // What it sends itself leaves by `lo`, where a rule may find it.
        let translated = place.by.is_none() && rules::may_translate(node, packet.source);
        if translated || (place.by.is_some() && packet.destination.is_loopback()) {
            return Err(Ending::Unknown);
        }
        let family = Family::of(packet.destination);
        if packet.probe == Probe::Ping && node.mute.get(slot(family)).copied().unwrap_or_default() {
            return Err(self.stop(&packet, Why::Mute(family)));
        }
        packet.track(here, came);
        packet.direction = Direction::Back;
        packet.there = std::mem::take(&mut packet.steps);
        packet.steps.push(Step { node: place.node, by: None });
        (packet.source, packet.destination) = (packet.destination, packet.source);
        Ok(vec![packet])
    }
}

impl Visit {
    /// Whether a packet that leaves with this source is another one than came.
    fn changes(&self, source: IpAddr) -> bool {
        (source, self.packet.destination) != self.came
    }
}

impl Packet {
    /// Remembers what a namespace has made of it.
    fn track(&mut self, node: usize, came: (IpAddr, IpAddr)) {
        let after = (self.source, self.destination);
        if after != came {
            self.translated = true;
            self.tracked.push(Tracked { node, before: came, after });
        }
    }
}

/// Gives an answer the addresses that it had before this namespace changed what it answers. One that knows nothing of it
/// and has rules may take it for something new.
fn untrack(packet: &mut Packet, node: &Node<'_>, place: usize) -> Result<(), Ending> {
    let mine = |it: &Tracked| it.node == place && (it.after.1, it.after.0) == (packet.source, packet.destination);
    if let Some(at) = packet.tracked.iter().rposition(mine) {
        let tracked = packet.tracked.remove(at);
        (packet.source, packet.destination) = (tracked.before.1, tracked.before.0);
        return Ok(());
    }
    let known = packet.there.iter().any(|step| step.node == place);
    let quiet = node.rules.is_none_or(|rules| rules.nat.is_empty() && rules.forwards.is_empty());
    if known || quiet { Ok(()) } else { Err(Ending::Unknown) }
}
