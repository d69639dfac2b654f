//! Patterns of the words of the language, without anchors, each in brackets of its own where it has alternatives.

/// The name of a namespace or a bridge.
pub const LABEL: &str = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}";

/// The name of a device, which is not digits only.
pub const IF_NAME: &str = r"(?![0-9]+(\s|$))[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}(?![A-Za-z0-9_.-])";

/// A port.
pub const PORT: &str = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})";

const OCTET: &str = "(25[0-5]|(2[0-4]|1[0-9]|[1-9])?[0-9])";

/// An IPv6 address. What it looks like; which groups may be left out is beyond a pattern that anybody can read.
pub const V6: &str = "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*";

/// An IPv4 address.
pub fn v4() -> String {
    format!(r"({OCTET}\.){{3}}{OCTET}")
}

/// An address.
pub fn ip() -> String {
    format!("({}|{V6})", v4())
}

/// An address with a prefix length.
pub fn net() -> String {
    let (short, long) = ("(3[0-2]|[12]?[0-9])", "(12[0-8]|(1[01]|[1-9])?[0-9])");
    format!("({}/{short}|{V6}/{long})", v4())
}

/// An address, possibly with a prefix length.
pub fn range() -> String {
    format!("({}|{})", net(), ip())
}

/// A port or a range of ports.
pub fn ports() -> String {
    format!("{PORT}(-{PORT})?")
}

/// The pattern of a whole string.
pub fn whole(pattern: &str) -> String {
    format!("^{pattern}$")
}
