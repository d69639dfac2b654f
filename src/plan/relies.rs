//! What a plan relies on and does not make: everything that its ops and rules name and that was there before, who that
//! was, and how what they change of it was set. A saved plan holds it, so that `apply` can tell whether it is still so.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Address, Netns, Snapshot};
use facts::facts;

mod facts;
mod gather;

pub use gather::of;

/// One thing that a plan relies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Relied {
    /// The first of the plan's resources that does.
    pub by: Address,
    /// What it is.
    #[serde(flatten)]
    pub thing: Thing,
    /// Whether it is somebody else's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    /// How it was; nothing of what was not there.
    pub was: Facts,
}

/// How a thing is: those facts that count.
pub type Facts = BTreeMap<Fact, String>;

/// Something that is there, or is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "thing", rename_all = "snake_case")]
pub enum Thing {
    /// The machine, and the network namespace that the tool runs in.
    Host,
    /// A named network namespace.
    Namespace {
        /// Its name.
        #[schemars(with = "String")]
        netns: Netns,
    },
    /// A device.
    Device {
        /// Where it is.
        #[schemars(with = "String")]
        netns: Netns,
        /// Its name.
        name: String,
    },
    /// A sysctl.
    Setting {
        /// Whose.
        #[schemars(with = "String")]
        netns: Netns,
        /// Its path below `/proc/sys`.
        key: String,
    },
    /// The record of what was borrowed of the host.
    Record {
        /// A sysctl's path, or `master:` and a NIC.
        key: String,
    },
    /// The way to a router on a segment of somebody else's.
    Way {
        /// From where.
        #[schemars(with = "String")]
        netns: Netns,
        /// The router.
        to: IpAddr,
        /// The device that it must be behind; `None` where any will do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
    },
    /// An address on a device of somebody else's, by which a route sends.
    Source {
        /// Where it is.
        #[schemars(with = "String")]
        netns: Netns,
        /// The address.
        address: IpAddr,
    },
    /// The packet filter of a namespace.
    PacketFilter {
        /// Which namespace.
        #[schemars(with = "String")]
        netns: Netns,
    },
}

/// What may be told of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Which boot of the machine it is.
    Boot,
    /// Which namespace it is: the kernel's cookie, or its inode where that is all there is.
    Identity,
    /// Which device it is: its index.
    Index,
    /// What kind of device it is.
    Kind,
    /// Whether it is administratively up.
    Up,
    /// Its MTU.
    Mtu,
    /// Its hardware address.
    Mac,
    /// The bridge that it is a port of.
    Master,
    /// Its alias, which holds the mark.
    Alias,
    /// Its addresses, but those that come and go by themselves.
    Addresses,
    /// Whether frames may leave by the port that they came in by.
    Hairpin,
    /// Whether the spanning tree protocol runs.
    Stp,
    /// How long a learned address is kept, in hundredths of a second.
    AgeingTime,
    /// The devices of others in a namespace that goes with all that is in it.
    Strangers,
    /// The value of a setting.
    Value,
    /// What a setting was before it was borrowed.
    Before,
    /// Who else borrows it.
    Users,
    /// By which device a router is reached, or which one has an address.
    By,
    /// Which packet filter the plain `iptables` speaks to.
    Default,
    /// Which other one has a filter table too, so that rules go into both.
    Beside,
    /// Whether bridged frames meet a FORWARD policy of DROP.
    Stops,
}

impl Relied {
    /// What of it is not as it was: each fact with how it is.
    pub fn differing(&self, snapshot: &Snapshot) -> Vec<(Fact, Option<String>)> {
        let now = facts(&self.thing, snapshot);
        // Of what was looked at in part, the rest does not count.
        let in_part = matches!(self.thing, Thing::Namespace { .. } | Thing::Device { .. } | Thing::PacketFilter { .. });
        let more = now.keys().filter(|fact| !in_part && !self.was.contains_key(*fact));
        let differs = |fact: &Fact| match (fact, self.was.get(fact), now.get(fact)) {
            // What has gone meanwhile is not lost by the plan.
            (Fact::Strangers, Some(was), Some(is)) => {
                let had: Vec<&str> = was.split(", ").collect();
                !is.is_empty() && is.split(", ").any(|name| !had.contains(&name))
            }
            (_, was, is) => was != is,
        };
        let mut differing: Vec<_> = self.was.keys().chain(more).copied().filter(differs).collect();
        // Of another thing under the same name, nothing else is worth a word.
        if let Some(other) =
            differing.iter().copied().find(|fact| matches!(fact, Fact::Boot | Fact::Identity | Fact::Index))
        {
            differing = vec![other];
        }
        differing.into_iter().map(|fact| (fact, now.get(&fact).cloned())).collect()
    }
}
