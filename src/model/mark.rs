//! The mark that says in the kernel itself who owns a thing: `netwright:<topology>/<address>`.

use std::{fmt, str::FromStr};

use super::{Address, TopologyName};

const PREFIX: &str = "netwright:";

/// The link group of a device that has been created but does not carry its alias yet: `IFLA_IFALIAS` is silently
/// ignored at creation, a group is kept. ASCII "nw".
pub const MARK_GROUP: u32 = 0x6e77;
/// The link group of a device that goes with the end of the run that has set it aside: until then the run can be taken
/// back, and nobody else is to see it. It bears its mark. ASCII "np".
pub const PARK_GROUP: u32 = 0x6e70;
/// `rtm_protocol` of the routes that a file names.
pub const ROUTE_PROTOCOL: u8 = 76;
/// `IFA_PROTO` of the addresses that a file names: told apart from others' on a device that is left to them.
pub const ADDRESS_PROTOCOL: u8 = 76;
/// `rtm_protocol` of the default routes that a gateway gives to its members.
pub const GATEWAY_PROTOCOL: u8 = 77;

/// Who owns a thing in the kernel, as its alias tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The topology that made it.
    pub topology: TopologyName,
    /// What it is there.
    pub address: Address,
}

impl Mark {
    /// The mark of `address` in `topology`.
    pub fn new(topology: &TopologyName, address: &Address) -> Self {
        Self { topology: topology.clone(), address: address.clone() }
    }

    /// Reads an alias; `None` where it is not a mark of ours.
    pub fn parse(alias: &str) -> Option<Self> {
        let (topology, address) = alias.strip_prefix(PREFIX)?.split_once('/')?;
        Some(Self { topology: TopologyName::from_str(topology).ok()?, address: address.parse().ok()? })
    }

    /// Whether an alias is a mark of that topology.
    pub fn is_of(alias: &str, topology: &TopologyName) -> bool {
        let address = alias.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(topology.as_str()));
        address.and_then(|rest| rest.strip_prefix('/')).is_some_and(|address| Address::from_str(address).is_ok())
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}", self.topology, self.address)
    }
}

/// The comment that a jump of `topology` carries.
pub fn jump_comment(topology: &TopologyName) -> String {
    format!("{PREFIX}{topology}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_aliases_are_marks() {
        let text = "netwright:web-lab/link.web:eth0";
        assert_eq!(Mark::parse(text).unwrap().to_string(), text);
        for foreign in ["", "netwright:", "netwright:web-lab", "uplink", "netwright:Web/link.a", "netwright:a/b"] {
            assert_eq!(Mark::parse(foreign), None, "{foreign}");
            assert!(!Mark::is_of(foreign, &"a".parse().unwrap()), "{foreign}");
        }
        let is_of = |topology: &str| Mark::is_of(text, &topology.parse().unwrap());
        assert_eq!(["web-lab", "web", "web-lab2"].map(is_of), [true, false, false]);
    }
}
