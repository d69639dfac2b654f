//! A check: what `netwright test` proves on the running lab, resolved to addresses.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::Netns;

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
    /// Where a listener of our own is started for the time of the check where nothing listens on the port:
    /// the namespace that should answer, with the port there. `None` for pings and for foreign targets.
    pub responder: Option<Responder>,
    /// How.
    pub probe: Probe,
    /// What must come of it.
    pub expect: Expect,
}

/// Who should answer a tcp or udp check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responder {
    /// The namespace.
    pub netns: Netns,
    /// How the file calls it: what the listener answers with.
    pub label: String,
    /// The port there, behind any forward.
    pub port: u16,
}
