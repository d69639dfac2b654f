//! The names of things: topologies, namespaces, interfaces, hardware addresses.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::hash::stable_hash;

/// Why a text is not a name of the kind that was wanted. A fragment that fits after "`text` ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

/// Declares a checked newtype over a string with the usual conversions. Names are short, and copied by the thousand: they lie in
/// place, without a piece of memory of their own.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(SmolStr);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text).map(|()| Self(SmolStr::new(text)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                $check(&text).map(|()| Self(text.into()))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name_type!(
    /// The name of a topology, the owner of everything made from its file: `[a-z0-9-]{1,32}`.
    TopologyName,
    check_topology
);
name_type!(
    /// The name that a file gives to a namespace or a bridge: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}`.
    Label,
    check_label
);
name_type!(
    /// A network device's name: the letters of a [`Label`], at most 15 bytes (`IFNAMSIZ` less the NUL), not digits only.
    IfName,
    check_interface
);

/// The longest device name that the kernel takes, in bytes.
pub const IFNAME_MAX: usize = 15;

fn check_topology(text: &str) -> Result<(), NameError> {
    if text.is_empty() || text.len() > 32 {
        return Err(NameError("must be 1 to 32 characters long".into()));
    }
    match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        Some(c) => Err(NameError(format!("may hold a-z, 0-9 and `-` only, not `{}`", c.escape_debug()))),
        None => Ok(()),
    }
}

fn check_letters(text: &str) -> Result<(), NameError> {
    match text.chars().next() {
        None => return Err(NameError("must not be empty".into())),
        Some('A'..='Z' | 'a'..='z' | '0'..='9' | '_') => {}
        Some(c) => {
            return Err(NameError(format!("must begin with a letter, a digit or `_`, not `{}`", c.escape_debug())));
        }
    }
    match text.chars().find(|c| !matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '.' | '-')) {
        Some(c) => {
            Err(NameError(format!("may hold letters, digits, `_`, `.` and `-` only, not `{}`", c.escape_debug())))
        }
        None => Ok(()),
    }
}

fn check_label(text: &str) -> Result<(), NameError> {
    check_letters(text)?;
    if text.len() > 63 { Err(NameError("must be at most 63 characters long".into())) } else { Ok(()) }
}

fn check_interface(text: &str) -> Result<(), NameError> {
    check_letters(text)?;
    if text.len() > IFNAME_MAX {
        return Err(NameError(format!("has {} bytes; the kernel takes at most {IFNAME_MAX}", text.len())));
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NameError("must not be digits only: tools would take it for an index".into()));
    }
    Ok(())
}

impl Label {
    /// The namespace that the tool runs in.
    pub fn host() -> Self {
        Self(SmolStr::new_static("host"))
    }
}

impl IfName {
    /// The loopback device, which every namespace has.
    pub fn lo() -> Self {
        Self(SmolStr::new_static("lo"))
    }
}

/// A network namespace as the kernel side knows it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Netns {
    /// The one that the tool runs in.
    Host,
    /// The one bound at `/run/netns/NAME`. The name carries the topology's prefix.
    Named(SmolStr),
}

impl Netns {
    /// The name under which the lab's file and its readers speak of it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Host => "host",
            Self::Named(name) => name,
        }
    }
}

impl From<String> for Netns {
    fn from(text: String) -> Self {
        if text == "host" { Self::Host } else { Self::Named(text.into()) }
    }
}

impl From<Netns> for String {
    fn from(netns: Netns) -> String {
        match netns {
            Netns::Host => "host".into(),
            Netns::Named(name) => name.into(),
        }
    }
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A hardware address of six bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = || NameError("is not six pairs of hex digits with colons, such as 02:00:00:00:00:03".into());
        let mut bytes = [0u8; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = part.and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or_else(bad)?;
        }
        match parts.next() {
            Some(_) => Err(bad()),
            None => Ok(Self(bytes)),
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// A name made from others, where it does not fit: its first 8 bytes, `-` and 6 hex digits of a hash of the whole. It
/// depends on nothing else in the file.
pub fn made_up(whole: &str) -> String {
    if whole.len() <= IFNAME_MAX {
        return whole.to_owned();
    }
    let first: String = whole.chars().take(8).collect();
    format!("{first}-{:06x}", stable_hash(whole.as_bytes()) & 0xff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_name_holds_fifteen_bytes_and_no_more() {
        assert!("abcdefghijklmno".parse::<IfName>().is_ok());
        let error = "abcdefghijklmnop".parse::<IfName>().unwrap_err();
        assert_eq!(error.to_string(), "has 16 bytes; the kernel takes at most 15");
        for bad in ["", "12", "-a", "a/b", "a b", "..", ".", "é"] {
            assert!(bad.parse::<IfName>().is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_mac_is_read_and_written_in_lower_case() {
        assert_eq!("02:00:00:00:00:AF".parse::<Mac>().unwrap().to_string(), "02:00:00:00:00:af");
        for bad in ["02:00:00:00:00", "02:00:00:00:00:00:00", "2:0:0:0:0:0", "02-00-00-00-00-00", "+2:00:00:00:00:00"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad} was taken");
        }
    }
}
