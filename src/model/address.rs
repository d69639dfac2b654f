//! Resource addresses such as `link.web:eth0`: how a plan, a flag and a mark name a thing.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What kind of thing an address names. The order is the order in which a plan lists kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    /// A network namespace.
    Namespace,
    /// A bridge.
    Bridge,
    /// A veth pair.
    Link,
    /// A static route.
    Route,
    /// A way out for everyone on a segment.
    Gateway,
    /// A masquerade, snat or dnat rule.
    Nat,
    /// A published port.
    PortForward,
    /// The chains and jumps of one namespace.
    Firewall,
}

impl KindName {
    /// Every kind, in the order of plans.
    pub const ALL: [Self; 8] = [
        Self::Namespace,
        Self::Bridge,
        Self::Link,
        Self::Route,
        Self::Gateway,
        Self::Nat,
        Self::PortForward,
        Self::Firewall,
    ];

    /// The part of an address before its dot.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Bridge => "bridge",
            Self::Link => "link",
            Self::Route => "route",
            Self::Gateway => "gateway",
            Self::Nat => "nat",
            Self::PortForward => "port_forward",
            Self::Firewall => "firewall",
        }
    }
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The one name of a resource in its topology: `KIND.REST`. Names in it are the file's, without prefix.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Address {
    kind: KindName,
    rest: String,
}

impl Address {
    /// The address of the `kind` thing that is called `rest`.
    pub fn new(kind: KindName, rest: impl Into<String>) -> Self {
        Self { kind, rest: rest.into() }
    }

    /// What kind of thing it names.
    pub fn kind(&self) -> KindName {
        self.kind
    }

    /// The part after the kind's dot.
    pub fn rest(&self) -> &str {
        &self.rest
    }
}

/// A text that is no resource address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a resource address; write KIND.NAME, such as link.web:eth0, where KIND is one of {kinds}", kinds = kinds())]
pub struct AddressError(String);

fn kinds() -> String {
    KindName::ALL.map(KindName::as_str).join(", ")
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.to_owned());
        let (kind, rest) = text.split_once('.').ok_or_else(bad)?;
        let kind = KindName::ALL.into_iter().find(|k| k.as_str() == kind).ok_or_else(bad)?;
        if rest.is_empty() { Err(bad()) } else { Ok(Self::new(kind, rest)) }
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.rest)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in ["namespace.web", "link.web:eth0", "route.db:10.9.0.0/16,table=5", "port_forward.host:tcp:8088@::1"]
        {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for bad in ["web", "link.", "thing.web", ""] {
            assert!(bad.parse::<Address>().is_err(), "{bad} was taken");
        }
    }
}
