//! Values that are written as one string: names, addresses, words from a list.

use std::{net::IpAddr, ops::Range};

use serde_json::Value as Json;

use super::{Key, suggest};
use crate::{
    kind::check::Expect,
    model::{IfName, Label, Mac, TopologyName, name::NameError, snapshot::RouteType},
    spec::{
        file::Protocol,
        schema::{pattern, value},
    },
};

/// What is wrong with a string, and with which bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The diagnostic's code.
    pub code: &'static str,
    /// What is wrong and why, naming the text.
    pub message: String,
    /// A few words for the place.
    pub label: String,
    /// The part that is wrong; the whole where it is not known.
    pub range: Option<Range<usize>>,
    /// What to do.
    pub help: Option<String>,
}

impl Wrong {
    /// Something wrong with the whole string.
    pub fn new(code: &'static str, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { code, message: message.into(), label: label.into(), range: None, help: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Blames a part.
    #[must_use]
    pub fn range(mut self, range: Range<usize>) -> Self {
        self.range = Some(range);
        self
    }

    /// The same, found in a part that begins at byte `offset` and has `len` bytes.
    #[must_use]
    pub fn shifted(mut self, offset: usize, len: usize) -> Self {
        let range = self.range.unwrap_or(0..len);
        self.range = Some(offset + range.start..offset + range.end);
        self
    }
}

/// A value that is written as one string.
pub trait Text: Sized {
    /// What it is, with its article.
    const WHAT: &'static str;

    /// Whether a number without quotes will do, as for a port.
    const NUMBERS: bool = false;

    /// Reads it.
    fn read(text: &str, key: &Key) -> Result<Self, Wrong>;

    /// Which strings it may be.
    fn schema(key: &Key) -> Json;
}

/// Checked names, whose check gives a fragment that fits after the name.
macro_rules! text_name {
    ($($name:ty, $article:literal $what:literal, $code:literal, $pattern:expr;)*) => {$(
        impl Text for $name {
            const WHAT: &'static str = concat!($article, " ", $what);

            fn read(text: &str, _: &Key) -> Result<Self, Wrong> {
                text.parse().map_err(|error: NameError| {
                    let message = format!("the {} `{}` {error}", $what, text.escape_debug());
                    Wrong::new($code, message, concat!("not ", $article, " ", $what))
                })
            }

            fn schema(_: &Key) -> Json {
                value::text(&pattern::whole($pattern), Self::WHAT)
            }
        }
    )*};
}

text_name! {
    TopologyName, "a" "topology name", "name::topology", "[a-z0-9-]{1,32}";
    Label, "a" "name", "name::label", pattern::LABEL;
    IfName, "an" "interface name", "name::interface", pattern::IF_NAME;
}

impl Text for Mac {
    const WHAT: &'static str = "a MAC address";

    fn read(text: &str, _: &Key) -> Result<Self, Wrong> {
        let wrong = |why: &str, label| {
            Wrong::new("address::mac", format!("the MAC address `{}` {why}", text.escape_debug()), label)
        };
        let mac: Self = text.parse().map_err(|error: NameError| wrong(&error.to_string(), "not a MAC address"))?;
        match mac.0 {
            [0, 0, 0, 0, 0, 0] => Err(wrong("stands for none", "no device can have it")),
            // The kernel gives it to no device (`is_valid_ether_addr`).
            [first, ..] if first % 2 == 1 => Err(wrong("is a group's", "its second digit must be even")),
            _ => Ok(mac),
        }
    }

    fn schema(_: &Key) -> Json {
        value::text(
            "^(?!00(:00){5}$)[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$",
            "a MAC address such as 02:00:00:00:00:01",
        )
    }
}

impl Text for IpAddr {
    const WHAT: &'static str = "an IP address";

    fn read(text: &str, _: &Key) -> Result<Self, Wrong> {
        crate::spec::address::ip(text)
    }

    fn schema(_: &Key) -> Json {
        value::text(&pattern::whole(&pattern::ip()), Self::WHAT)
    }
}

/// Closed lists of words.
macro_rules! text_words {
    ($($name:ty, $what:literal: $($word:literal => $value:expr),*;)*) => {$(
        impl Text for $name {
            const WHAT: &'static str = $what;

            fn read(text: &str, _: &Key) -> Result<Self, Wrong> {
                match text {
                    $($word => Ok($value),)*
                    _ => Err(unknown_word(text, $what, &[$($word),*])),
                }
            }

            fn schema(_: &Key) -> Json {
                value::words(&[$($word),*])
            }
        }
    )*};
}

text_words! {
    Protocol, "a protocol": "tcp" => Self::Tcp, "udp" => Self::Udp;
    Expect, "an expectation": "reachable" => Self::Reachable, "blocked" => Self::Blocked;
    RouteType, "a type of route": "unicast" => Self::Unicast, "blackhole" => Self::Blackhole,
        "unreachable" => Self::Unreachable, "prohibit" => Self::Prohibit;
}

fn unknown_word(text: &str, what: &str, words: &[&str]) -> Wrong {
    let expected = suggest::one_of(words);
    let wrong = Wrong::new(
        "value::unknown",
        format!("`{}` is not {what}; it must be {expected}", text.escape_debug()),
        format!("not {what}"),
    );
    match suggest::nearest(text, words.iter().copied()) {
        Some(near) => wrong.help(format!("did you mean `{near}`?")),
        None => wrong,
    }
}
