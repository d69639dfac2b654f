//! What came of following a packet: a value that prints as `db -> edge (lan0) -> web`.

use std::{fmt, net::IpAddr};

use smol_str::SmolStr;

use crate::{
    kind::check::{Probe, Unpublished},
    model::{
        Netns,
        snapshot::{Family, RouteType},
    },
};

/// What is known of a probe before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it is answered.
    pub verdict: Verdict,
    /// Who gets it, also where no answer comes back; `None` where it depends, or where nobody does.
    pub taker: Option<Taker>,
}

impl Judgement {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { verdict: Verdict::Unknown, taker: None };
}

/// Who gets a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taker {
    /// The namespace.
    pub netns: Netns,
    /// Its name in the file.
    pub label: SmolStr,
    /// What it is asked for there, with the port behind any forward.
    pub probe: Probe,
    /// The name of the namespace that has the address that was asked for, where the probe has come there: a forward of its
    /// own may have led it on. `None` where a rule on the way gave it another destination.
    pub holder: Option<SmolStr>,
    /// Where a forward of the taker has the port that was asked for, and not at that address.
    pub unpublished: Option<Unpublished>,
}

/// What is known of a path before it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There and back, as far as the file tells.
    Reached {
        /// The way there; its last hop answers.
        there: Trace,
        /// The way of the answer.
        back: Trace,
        /// Whether the way leads through nothing but the lab's own namespaces, and the answer comes back the same way.
        certain: bool,
    },
    /// It cannot be, unless somebody adds to what the file makes.
    Stopped(Box<Stop>),
    /// It depends on what the file does not decide.
    Unknown,
}

/// Where a packet gets no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Whether it is the packet or the answer to it.
    pub direction: Direction,
    /// Its way so far; the last hop is where it stops.
    pub trace: Trace,
    /// Where it was to go.
    pub destination: IpAddr,
    /// Why it stops.
    pub why: Why,
}

/// Which of the two packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The one that asks.
    There,
    /// The answer.
    Back,
}

/// Why a packet gets no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No route leads to the destination.
    NoRoute,
    /// The only route leaves by a device that is to be down.
    DeviceDown(String),
    /// A route drops it: its place among the topology's, and how.
    Dropped(usize, RouteType),
    /// The namespace is no router for that family.
    NotForwarding(Family),
    /// The device by which IPv4 comes in is not to forward it, though its namespace is a router.
    DoesNotForward(String),
    /// The strict reverse path filter of a device: what has that source would be answered by another one.
    ReversePath {
        /// The device by which it comes in.
        device: String,
        /// Where it comes from.
        source: IpAddr,
    },
    /// Pings of that family are not answered.
    Mute(Family),
    /// Nobody on the segment of a device has the address that is asked for there.
    NobodyHas {
        /// The next hop, or the destination itself.
        next: IpAddr,
        /// The device.
        device: String,
        /// What leads there.
        by: By,
    },
    /// Nothing is up at the other end of a device's wire, or no port of a bridge is.
    NoCarrier(String),
    /// IPv6 is off there.
    NoIpv6,
    /// The loopback is to be down.
    LoopbackDown,
    /// It goes round in a circle, or through more hops than a packet lives for; by what route the last hop sends it on.
    Loop(By),
}

/// What a packet is sent on by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The subnet of an interface.
    Subnet,
    /// A route of the file, by its place among the topology's.
    Route(usize),
    /// A gateway's default route, by the gateway's place among the topology's.
    Gateway(usize),
}

/// The namespaces that a packet passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// From the sender on.
    pub hops: Vec<Hop>,
}

/// One namespace on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Its name in the file.
    pub label: SmolStr,
    /// The device by which the packet came in; `None` for the sender.
    pub device: Option<SmolStr>,
}

impl Trace {
    /// The name of the last namespace.
    pub fn end(&self) -> &str {
        self.hops.last().map_or("", |hop| hop.label.as_str())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, hop) in self.hops.iter().enumerate() {
            if at > 0 {
                f.write_str(" -> ")?;
            }
            f.write_str(&hop.label)?;
            // Where it arrives for good, the door does not matter.
            if let Some(device) = hop.device.as_ref().filter(|_| at + 1 < self.hops.len()) {
                write!(f, " ({device})")?;
            }
        }
        Ok(())
    }
}

/// `db -> edge: stops at `edge`, which does not forward IPv4`.
impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: stops at `{}`, {}", self.trace, self.trace.end(), self.reason())
    }
}

impl Stop {
    /// Why, as what follows the namespace's name and a comma.
    pub fn reason(&self) -> String {
        let destination = self.destination;
        match &self.why {
            Why::NoRoute => format!("which has no route to {destination}"),
            Why::DeviceDown(device) => format!("whose `{device}`, the way to {destination}, is to be down"),
            Why::Dropped(_, kind) => format!("where {} route drops what is for {destination}", article(*kind)),
            Why::NotForwarding(Family::V4) => "which does not forward IPv4".into(),
            Why::NotForwarding(Family::V6) => "which does not forward IPv6".into(),
            Why::DoesNotForward(device) => format!("which does not forward IPv4 that comes in by its `{device}`"),
            Why::ReversePath { device, source } => {
                format!("whose reverse path filter drops what comes in by its `{device}` from {source}")
            }
            Why::Mute(_) => "which is to answer no pings".into(),
            Why::NobodyHas { next, device, .. } if *next == destination => {
                format!("as nobody on the segment of its `{device}` has {next}")
            }
            Why::NobodyHas { next, device, .. } => {
                format!("as nobody on the segment of its `{device}` has {next}, the next hop to {destination}")
            }
            Why::NoCarrier(device) => format!("as nothing is up at the other end of its `{device}`"),
            Why::NoIpv6 => "where IPv6 is off".into(),
            Why::LoopbackDown => "whose loopback is to be down".into(),
            Why::Loop(_) => format!("where what is for {destination} goes round in a circle"),
        }
    }
}

fn article(kind: RouteType) -> &'static str {
    match kind {
        RouteType::Unicast => "a",
        RouteType::Blackhole => "a blackhole",
        RouteType::Unreachable => "an unreachable",
        RouteType::Prohibit => "a prohibit",
    }
}
