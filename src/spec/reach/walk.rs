//! Follows a packet from namespace to namespace, and the answer back. Where the kernel may choose, every choice is
//! followed: a verdict holds for all of them.

mod step;

use std::net::IpAddr;

use super::{
    lab::{Lab, is_link_local},
    verdict::{Direction, Hop, Judgement, Stop, Taker, Trace, Verdict, Why},
};
use crate::{
    kind::check::{Probe, Unpublished},
    model::Netns,
};

/// So many steps, of all choices together, are looked at before a path counts as unknown.
const STEPS_MAX: usize = 512;

/// A namespace on the way, and the interface by which the packet came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    node: usize,
    by: Option<usize>,
}

/// What connection tracking of a namespace remembers of a packet that it has changed.
#[derive(Debug, Clone, Copy)]
struct Tracked {
    node: usize,
    before: (IpAddr, IpAddr),
    after: (IpAddr, IpAddr),
}

/// A packet on its way.
#[derive(Debug, Clone)]
struct Packet {
    direction: Direction,
    source: IpAddr,
    destination: IpAddr,
    /// What it asks for, with the port that it goes to by now.
    probe: Probe,
    steps: Vec<Step>,
    tracked: Vec<Tracked>,
    /// Whether anything has been changed of it, or of what it answers.
    translated: bool,
    /// Of an answer: the way of what it answers, and who waits for it.
    there: Vec<Step>,
    asked: (IpAddr, IpAddr),
    /// The namespace that has the address that was asked for, once it has come there.
    holder: Option<usize>,
    certain: bool,
}

/// A packet that has come to who takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Arrival {
    node: usize,
    probe: Probe,
    holder: Option<usize>,
}

/// What a walk has come to.
enum Ending {
    Reached(Box<Packet>),
    Stopped(Box<Stop>),
    Unknown,
}

/// What one step leads to: an ending, or the packet in other places.
type Next = Result<Vec<Packet>, Ending>;

/// The packets that are still on their way, and what the others have come to.
#[derive(Default)]
struct Walks {
    open: Vec<Packet>,
    stops: Vec<Stop>,
    reached: Vec<Packet>,
    unknown: bool,
    /// Those who take what is asked.
    takers: Vec<Arrival>,
    /// Whether it is not known where one of those that ask ends.
    lost: bool,
}

impl Walks {
    /// Takes in what has become of a packet of one direction, answers that it has led to among it.
    fn enter(&mut self, direction: Direction, next: Next) {
        match next {
            Ok(packets) => self.open.extend(packets.into_iter().rev()),
            Err(Ending::Reached(packet)) => self.reached.push(*packet),
            Err(Ending::Stopped(stop)) => self.stops.push(*stop),
            Err(Ending::Unknown) => {
                self.unknown = true;
                self.lost |= direction == Direction::There;
            }
        }
    }

    /// Takes note of who takes a packet.
    fn arrived(&mut self, arrival: Arrival) {
        if !self.takers.contains(&arrival) {
            self.takers.push(arrival);
        }
    }

    /// The next packet to look at; none where nothing is left, or where it cannot change what is known.
    fn next(&mut self) -> Option<Packet> {
        let undecided = !self.unknown && (self.stops.is_empty() || self.reached.is_empty());
        let untaken = !self.lost && self.takers.len() < 2;
        std::iter::from_fn(|| self.open.pop()).find(|packet| match packet.direction {
            Direction::There => undecided || untaken,
            Direction::Back => undecided,
        })
    }

    /// Who takes what is asked, where it is one.
    fn taker(&self) -> Option<Arrival> {
        match self.takers.as_slice() {
            [one] if !self.lost => Some(*one),
            _ => None,
        }
    }
}

impl Lab<'_> {
    /// Whether a probe from a namespace gets to an address and is answered, and by whom.
    pub fn judge(&self, from: &Netns, to: IpAddr, probe: Probe) -> Judgement {
        let Some(node) = self.node_of(from).filter(|_| is_plain(to)) else { return Judgement::UNKNOWN };
        let mut walks = Walks::default();
        walks.enter(Direction::There, self.ask(node, to, probe));
        for _ in 0..STEPS_MAX {
            let Some(packet) = walks.next() else {
                let taker = walks.taker().and_then(|arrival| self.taker(arrival, to, probe));
                return Judgement { verdict: self.conclude(walks), taker };
            };
            self.advance(packet, &mut walks);
        }
        Judgement::UNKNOWN
    }

    fn taker(&self, arrival: Arrival, asked: IpAddr, probe: Probe) -> Option<Taker> {
        let node = self.nodes.get(arrival.node)?;
        let holder = arrival.holder.and_then(|holder| self.nodes.get(holder)).map(|node| node.label.into());
        let forwards = node.rules.filter(|_| arrival.holder == Some(arrival.node)).map(|rules| &rules.forwards);
        let unpublished = forwards.and_then(|it| Unpublished::find(node.label, it, probe, asked));
        let (netns, label) = (node.netns.clone(), node.label.into());
        Some(Taker { netns, label, probe: arrival.probe, holder, unpublished })
    }

    fn conclude(&self, walks: Walks) -> Verdict {
        let Walks { stops, reached, unknown, .. } = walks;
        if unknown {
            return Verdict::Unknown;
        }
        let certain = reached.iter().all(|packet| packet.certain && self.is_mirrored(packet));
        match (reached.first(), stops.into_iter().next()) {
            (Some(packet), None) => {
                Verdict::Reached { there: self.trace(&packet.there), back: self.trace(&packet.steps), certain }
            }
            (None, Some(stop)) => Verdict::Stopped(Box::new(stop)),
            (None, None) | (Some(_), Some(_)) => Verdict::Unknown,
        }
    }

    /// Whether the answer comes by the way of what it answers, so that no reverse path filter minds.
    fn is_mirrored(&self, packet: &Packet) -> bool {
        let segment = |step: &Step| step.by.and_then(|by| self.interfaces.get(by)).map(|it| it.segment);
        let nodes = |steps: &[Step]| steps.iter().map(|it| it.node).collect::<Vec<_>>();
        let mut back = nodes(&packet.steps);
        back.reverse();
        let mut segments: Vec<_> = packet.steps.iter().filter_map(segment).collect();
        segments.reverse();
        back == nodes(&packet.there) && segments.into_iter().eq(packet.there.iter().filter_map(segment))
    }

    fn trace(&self, steps: &[Step]) -> Trace {
        let hop = |step: &Step| {
            let device = step.by.and_then(|by| self.interfaces.get(by)).map(|it| it.device.into());
            Some(Hop { label: self.nodes.get(step.node)?.label.into(), device })
        };
        Trace { hops: steps.iter().filter_map(hop).collect() }
    }

    fn stop(&self, packet: &Packet, why: Why) -> Ending {
        Ending::Stopped(Box::new(Stop {
            direction: packet.direction,
            trace: self.trace(&packet.steps),
            destination: packet.destination,
            why,
        }))
    }

    /// The packets that a namespace may send: one for each source that it may take.
    fn ask(&self, node: usize, to: IpAddr, probe: Probe) -> Next {
        let place = Step { node, by: None };
        let mut packet = Packet {
            direction: Direction::There,
            source: to,
            destination: to,
            probe,
            steps: vec![place],
            tracked: Vec::new(),
            translated: false,
            there: Vec::new(),
            asked: (to, to),
            holder: None,
            certain: true,
        };
        let Some(node) = self.nodes.get(node) else { return Err(Ending::Unknown) };
        if to.is_ipv6() && !node.v6 {
            return Err(self.stop(&packet, Why::NoIpv6));
        }
        if self.is_local(node, to) {
            return Ok(vec![packet]);
        }
        if to.is_loopback() {
            return Err(self.stop(&packet, Why::LoopbackDown));
        }
        // Where a new destination waits, the source is chosen by the old one all the same.
        let exits = self.exits(node, &packet)?;
        let mut sources: Vec<IpAddr> = Vec::new();
        for exit in &exits {
            match exit.source {
                Some(source) => sources.push(source),
                None => sources.extend(self.sources(exit.interface, exit.next)),
            }
        }
        sources.sort();
        sources.dedup();
        if sources.is_empty() {
            return Err(Ending::Unknown);
        }
        let with = |source: IpAddr| {
            packet.source = source;
            packet.asked = (source, to);
            packet.clone()
        };
        Ok(sources.into_iter().map(with).collect())
    }
}

/// An address that stands for one interface of the lab, and for the same wherever it is asked for.
fn is_plain(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_multicast() || address.is_unspecified() || broadcast || is_link_local(address))
}
