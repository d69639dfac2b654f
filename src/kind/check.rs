//! A check: what `netwright test` proves on the running lab, resolved to addresses.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::firewall::{Forward, Protocol};
use crate::model::{Netns, snapshot::Family};

/// How a path is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// An ICMP echo.
    Ping,
    /// A TCP connection to a port.
    Tcp(u16),
    /// A UDP datagram to a port and an answer.
    Udp(u16),
}

impl Probe {
    /// What it asks for; a ping asks for no port.
    pub fn port(self) -> Option<(Protocol, u16)> {
        match self {
            Self::Ping => None,
            Self::Tcp(port) => Some((Protocol::Tcp, port)),
            Self::Udp(port) => Some((Protocol::Udp, port)),
        }
    }
}

/// What is expected of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// Every probe is answered.
    #[default]
    Reachable,
    /// No probe is answered, or the network refuses it.
    Blocked,
}

/// One check, resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// As the report names it, such as `web -> db ping`.
    pub title: String,
    /// Where the probe starts.
    pub from: Netns,
    /// How the file calls that place.
    pub from_label: String,
    /// Where it goes: one address per family that the target has; every one must hold.
    pub targets: Vec<IpAddr>,
    /// Who should answer. `None` for pings and for foreign targets.
    pub responder: Option<Responder>,
    /// How.
    pub probe: Probe,
    /// What must come of it.
    pub expect: Expect,
}

/// Who should answer a tcp or udp check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Responder {
    /// A namespace. Where nothing listens there, a listener of our own does for the time of the check.
    Namespace(Answerer),
    /// Nobody but what the user may have there: the port is a published one, and not at the address that is asked. To listen
    /// there would make it look published.
    Unpublished(Unpublished),
}

/// A namespace that should answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answerer {
    /// The namespace.
    pub netns: Netns,
    /// How the file calls it: what the listener answers with.
    pub label: String,
    /// The port there, behind any forward.
    pub port: u16,
}

/// A port that is published at other addresses than the one that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpublished {
    /// How the file calls the namespace that publishes it.
    pub label: String,
    /// The port.
    pub port: u16,
    /// Where it is published instead, in words: `at 127.0.0.1`, `for IPv4`.
    pub instead: String,
}

impl Unpublished {
    /// Of what a namespace's forwards make of a port at an address of its own: none where one of them serves it, or where none
    /// has the port at all.
    pub fn find(label: &str, forwards: &[Forward], probe: Probe, address: IpAddr) -> Option<Self> {
        let (protocol, port) = probe.port()?;
        let there = || forwards.iter().filter(|it| it.listened().contains(protocol, port));
        if there().any(|it| it.serves(address)) {
            return None;
        }
        let place = |forward: &Forward| match (forward.listen.filter(|it| !it.is_unspecified()), forward.family()) {
            (Some(listen), _) => format!("at {listen}"),
            (None, Family::V4) => "for IPv4".to_owned(),
            (None, Family::V6) => "for IPv6".to_owned(),
        };
        let mut places: Vec<String> = there().take(PLACES_MAX).map(place).collect();
        places.dedup();
        (!places.is_empty()).then(|| Self { label: label.to_owned(), port, instead: places.join(" and ") })
    }
}

/// More places than this are not told.
const PLACES_MAX: usize = 4;
