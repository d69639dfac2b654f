//! Sockets that wait for packets, and who holds them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::snapshot::Family;

/// A transport protocol that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Its name, for people and iptables alike.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// Its number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// Ports of one protocol, both ends among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ports {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// Whether a port is among them.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.protocol == protocol && (self.first..=self.last).contains(&port)
    }
}

/// A socket that takes packets from anybody: TCP in `LISTEN`, UDP that is not connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address that it is bound to; `0.0.0.0` or `::` for every one. An IPv4 address of an IPv6 socket is an IPv4 one.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Whether `::` is for IPv6 alone (`IPV6_V6ONLY`).
    #[serde(default)]
    pub v6only: bool,
    /// The user that made it, by name where it has one.
    pub user: String,
    /// The processes that have it open, as far as this process may see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Process>,
}

impl Listener {
    /// Whether packets of that family get to it.
    pub fn serves(&self, family: Family) -> bool {
        let mapped = self.address.is_ipv6() && self.address.is_unspecified() && !self.v6only;
        Family::of(self.address) == family || (family == Family::V4 && mapped)
    }
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number, in the PID namespace of the reader.
    pub pid: u32,
    /// What it calls itself (`/proc/PID/comm`).
    pub name: String,
}
