//! The packet filter of a namespace, as its tools print it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Which of the two packet filters of the kernel a table is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// `iptables-nft`.
    Nft,
    /// `iptables-legacy`.
    Legacy,
}

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4, `iptables`.
    V4,
    /// IPv6, `ip6tables`.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// The tables that we use. The order is the order of loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableName {
    /// `raw`: before connection tracking.
    Raw,
    /// `filter`.
    Filter,
    /// `nat`.
    Nat,
}

/// One table: its chains with their rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Which table.
    pub name: TableName,
    /// Its chains.
    pub chains: Vec<Chain>,
}

impl Table {
    /// Whether it does nothing: no rule, no chain but those that the kernel calls, and none of them drops.
    pub fn is_empty(&self) -> bool {
        let idle = |chain: &Chain| chain.rules.is_empty() && chain.policy.as_deref() == Some("ACCEPT");
        self.chains.iter().all(idle)
    }
}

/// One chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// The policy of a built-in chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What follows `-A CHAIN ` of each rule, as `iptables-save` prints it.
    #[serde(default)]
    pub rules: Vec<String>,
}

/// The packet filter of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirewallState {
    /// The variant that the machine's plain `iptables` speaks; `None` where there is no iptables.
    pub default_variant: Option<Variant>,
    /// The live tables of each variant that is in use in this namespace.
    pub live: Vec<(Variant, Table)>,
    /// The wanted rules of the request, as this machine's tools print them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<Table>,
    /// What else forwarded traffic has to pass, and drops all that its rules do not take. Read where rules are wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropping: Vec<DroppingChain>,
    /// Why nothing is known and nothing can be loaded, where rules are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<Unusable>,
}

/// Why this machine's packet filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unusable {
    /// What, and why.
    pub what: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A base chain of nf_tables in a table that the iptables tools do not show, at the forward hook, with a policy of drop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppingChain {
    /// The family of its table, which is that of its traffic: `ip`, `ip6`, or `inet` for both.
    pub family: NftFamily,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
}

/// A family of nf_tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NftFamily {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
}

impl NftFamily {
    /// The word of `nft`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
        }
    }

    /// Whether its chains see traffic of `family`.
    pub fn holds(self, family: Family) -> bool {
        match self {
            Self::Ip => family == Family::V4,
            Self::Ip6 => family == Family::V6,
            Self::Inet => true,
        }
    }
}

impl FirewallState {
    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.wanted.is_empty() && self.unusable.is_none()
    }
}
