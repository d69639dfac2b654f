//! What the sysctls of a namespace may do to what the rest of the file says of its ways.

use std::collections::BTreeMap;

use crate::kind::sysctl::{DISABLE_V6, FORWARD_V4, FORWARD_V6};

/// What the sysctls of a namespace come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// Whether one of them may open ways that the model does not know.
    pub opens: bool,
    /// Whether one of them may close ways that the model takes for open.
    pub closes: bool,
    /// Whether IPv6 is off.
    pub v6_off: bool,
}

/// What is neither here nor there.
const IDLE_ROOMS: [&str; 6] =
    ["net/core/", "net/netfilter/", "net/unix/", "net/ipv4/tcp_", "net/ipv4/udp_", "net/ipv4/ip_local_"];
const IDLE: [&str; 9] = [
    "accept_dad",
    "accept_redirects",
    "ip_unprivileged_port_start",
    "log_martians",
    "ping_group_range",
    "promote_secondaries",
    "route_localnet",
    "secure_redirects",
    "send_redirects",
];

/// What can but drop packets that would pass without it.
const CLOSING: [&str; 7] = [
    "arp_announce",
    "arp_ignore",
    "icmp_echo_ignore_all",
    "icmp_echo_ignore_broadcasts",
    "ignore_routes_with_linkdown",
    "rp_filter",
    "src_valid_mark",
];

/// Reads them.
pub(super) fn effect(sysctls: &BTreeMap<String, String>) -> Effect {
    let [all, default] = DISABLE_V6.map(|key| sysctls.get(key).is_some_and(|value| value != "0"));
    let mut effect = Effect { opens: all != default, v6_off: all && default, closes: false };
    for path in sysctls.keys().map(String::as_str) {
        let last = path.rsplit('/').next().unwrap_or_default();
        let known = [FORWARD_V4, FORWARD_V6].contains(&path) || DISABLE_V6.contains(&path);
        if known || IDLE.contains(&last) || IDLE_ROOMS.iter().any(|room| path.starts_with(room)) {
            continue;
        }
        effect.opens |= !CLOSING.contains(&last);
        effect.closes = true;
    }
    effect
}
