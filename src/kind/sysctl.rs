//! Keys and values of sysctls.

use std::collections::BTreeMap;

/// IPv4 forwarding of a namespace. Writing it overwrites every interface's `forwarding` and `all.accept_redirects`.
pub const FORWARD_V4: &str = "net/ipv4/ip_forward";
/// What a new device has of IPv4 forwarding.
pub const FORWARD_V4_DEFAULT: &str = "net/ipv4/conf/default/forwarding";
/// What a new device has of `route_localnet`.
pub const LOCALNET_DEFAULT: &str = "net/ipv4/conf/default/route_localnet";
/// Whether a new device has IPv6 off.
pub const DISABLE_V6_FOR_NEW: &str = "net/ipv6/conf/default/disable_ipv6";
/// Whether IPv6 is off in a namespace: on its devices, and on those that come.
pub const DISABLE_V6: [&str; 2] = ["net/ipv6/conf/all/disable_ipv6", DISABLE_V6_FOR_NEW];
const FORWARD_V4_ALIAS: &str = "net/ipv4/conf/all/forwarding";
/// IPv6 forwarding of a namespace.
pub const FORWARD_V6: &str = "net/ipv6/conf/all/forwarding";

/// The path below `/proc/sys` of a key with dots. As in sysctl(8), the first separator decides: where it is a slash,
/// dots are part of a name (`net/ipv4/conf/eth0.100/rp_filter`).
pub fn path_of_key(key: &str) -> String {
    let path = match key.find(['.', '/']) {
        Some(at) if key.as_bytes().get(at) == Some(&b'/') => key.to_owned(),
        _ => key.replace('.', "/"),
    };
    // Two names of one value.
    if path == FORWARD_V4_ALIAS { FORWARD_V4.to_owned() } else { path }
}

/// The key with dots of a path below `/proc/sys`; with slashes where a part of it holds a dot.
pub fn key_of_path(path: &str) -> String {
    if path.contains('.') { path.to_owned() } else { path.replace('/', ".") }
}

/// A value as it compares: the kernel separates several numbers by tabs, people by spaces.
pub fn normal(value: &str) -> String {
    let number = |word: &str| {
        let hex = word.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        hex.map_or_else(|| word.to_owned(), |number| number.to_string())
    };
    value.split_whitespace().map(number).collect::<Vec<_>>().join(" ")
}

/// The interface that a key is about, where it is about one.
pub fn interface_of_path(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    let (Some("net"), Some("ipv4" | "ipv6"), Some("conf" | "neigh")) = (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    parts.next().filter(|name| !matches!(*name, "all" | "default" | "lo"))
}

/// Whether a key follows from what the file says of forwarding, IPv6 and forwards, where it is not written as a sysctl, or
/// from another one that does.
pub fn is_decided(path: &str) -> bool {
    const DECIDED: [&str; 5] = ["forwarding", "ip_forward", "accept_redirects", "route_localnet", "disable_ipv6"];
    DECIDED.contains(&path.rsplit('/').next().unwrap_or_default())
}

/// Whether every namespace has a key, whose value is 0 or 1: what is written of ourselves.
pub fn is_of_course(path: &str) -> bool {
    is_decided(path) || matches!(path.rsplit('/').next(), Some("accept_dad" | "accept_ra"))
}

/// Whether the value of a key is surely the namespace's own: what is written to it in another one changes nothing here.
/// Below `net/core` and `net/netfilter`, and among the thresholds of `neigh`, there are some that are not on some kernels.
pub fn is_the_namespaces_own(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(&*parts, ["net", "ipv4" | "ipv6", _] | ["net", "ipv4" | "ipv6", "conf", _, _])
}

/// Sysctls that overwrite others when they are written.
const OVERWRITING: [&str; 3] = [FORWARD_V4, FORWARD_V6, DISABLE_V6[0]];

/// Wanted values in the order of writing, each with whether it is to be written though it is as it should be: those that
/// overwrite others come first, and what they overwrite is written after them.
pub fn in_order<'a>(
    wanted: &'a BTreeMap<String, String>,
    is_same: &dyn Fn(&str, &str) -> bool,
) -> Vec<(&'a String, &'a String, bool)> {
    let overwriting = |path: &str| OVERWRITING.contains(&path);
    let (first, rest): (Vec<_>, Vec<_>) = wanted.iter().partition(|(path, _)| overwriting(path));
    let written = first.iter().any(|(path, value)| !is_same(path, value));
    let again = |path: &str| written && is_decided(path) && !overwriting(path);
    first.into_iter().chain(rest).map(|(path, value)| (path, value, again(path))).collect()
}

/// The key whose value a new device has of a key that is about one.
pub fn of_default(path: &str) -> String {
    match interface_of_path(path) {
        Some(device) => path.replacen(&format!("/{device}/"), "/default/", 1),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_decides_how_a_key_is_read() {
        assert_eq!(path_of_key("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(path_of_key("net/ipv4/conf/eth0.100/rp_filter"), "net/ipv4/conf/eth0.100/rp_filter");
        assert_eq!(interface_of_path("net/ipv4/conf/eth0.100/rp_filter"), Some("eth0.100"));
        assert_eq!(interface_of_path("net/ipv4/conf/all/rp_filter"), None);
        assert_eq!(interface_of_path("net/core/somaxconn"), None);
        assert_eq!(path_of_key("net.ipv4.conf.all.forwarding"), FORWARD_V4);
    }
}
