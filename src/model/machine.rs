//! What a machine cannot do, found before anything is touched.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A kind of device that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A pair of ends.
    Veth,
    /// A bridge.
    Bridge,
}

impl DeviceKind {
    /// `IFLA_INFO_KIND`, which is the module's name too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Veth => "veth",
            Self::Bridge => "bridge",
        }
    }
}

/// What is tried out in a namespace that is made for it and goes at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Sysctls whose value in a new namespace is asked for.
    pub sysctls: BTreeSet<String>,
    /// Sysctls that are written, each with its value.
    pub values: BTreeSet<(String, String)>,
    /// Devices that are made, where none of the kind is there to prove that it can be.
    pub kinds: BTreeSet<DeviceKind>,
}

/// Something that this machine does not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lack {
    /// IPv6.
    Ipv6,
    /// Devices of a kind, and what the kernel said.
    Device(DeviceKind, String),
    /// Sysctls that can be written: `/proc/sys` is mounted read-only.
    WritableSysctls,
    /// The folder in which namespaces get their names, or are to: its path, and why it cannot be written.
    WritableFolder(String, String),
}

/// A value of a sysctl that the kernel does not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedValue {
    /// The key, below `/proc/sys`; of a key that is about a device, that of the default.
    pub key: String,
    /// The value.
    pub value: String,
    /// What the kernel said.
    pub why: String,
}
