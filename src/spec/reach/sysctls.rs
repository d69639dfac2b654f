//! What the sysctls of a namespace may do to what the rest of the file says of its ways.

use std::collections::BTreeMap;

use crate::kind::sysctl::{self, DISABLE_V6, FORWARD_V4, FORWARD_V6};

/// Whether pings are not answered, of each family.
pub(super) const MUTE: [&str; 2] = ["net/ipv4/icmp_echo_ignore_all", "net/ipv6/icmp/echo_ignore_all"];

/// What the sysctls of a namespace come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// Whether one of them may open ways that the model does not know.
    pub opens: bool,
    /// The same, for IPv6 alone.
    pub opens_v6: bool,
    /// Whether one of them may close ways that the model takes for open.
    pub closes: bool,
    /// Whether IPv6 is off.
    pub v6_off: bool,
    /// Whether pings are not answered, of each family.
    pub mute: [bool; 2],
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
const CLOSING: [&str; 8] = [
    "arp_announce",
    "arp_ignore",
    "echo_ignore_all",
    "icmp_echo_ignore_all",
    "icmp_echo_ignore_broadcasts",
    "ignore_routes_with_linkdown",
    "rp_filter",
    "src_valid_mark",
];

/// Reads them.
pub(super) fn effect(sysctls: &BTreeMap<String, String>) -> Effect {
    let [all, default] = DISABLE_V6.map(|key| sysctls.get(key).is_some_and(|value| value != "0"));
    let mute = MUTE.map(|key| flag(sysctls, key) == Some(true));
    let mut effect = Effect { opens: all != default, v6_off: all && default, mute, ..Effect::default() };
    for path in sysctls.keys().map(String::as_str) {
        let last = path.rsplit('/').next().unwrap_or_default();
        let device = sysctl::interface_of_path(path);
        let of_device = device.is_some_and(|device| path == forwarding_of(device));
        if device.is_some_and(|device| path == format!("net/ipv6/conf/{device}/forwarding")) {
            // It sends on what comes in all the same, but listens to routers, or no more.
            effect.opens_v6 = true;
            continue;
        }
        let known = of_device || [FORWARD_V4, FORWARD_V6].contains(&path) || DISABLE_V6.contains(&path);
        if known || IDLE.contains(&last) || IDLE_ROOMS.iter().any(|room| path.starts_with(room)) {
            continue;
        }
        effect.opens |= !CLOSING.contains(&last);
        effect.closes = true;
    }
    effect
}

fn flag(sysctls: &BTreeMap<String, String>, path: &str) -> Option<bool> {
    sysctls.get(path).map(|value| sysctl::normal(value) != "0")
}

/// Whether IPv4 that comes in by a device is forwarded, as a sysctl of its own.
pub(super) fn forwarding_of(device: &str) -> String {
    format!("net/ipv4/conf/{device}/forwarding")
}

/// The reverse path filter of a device; `all` and `default` are two more.
pub(super) fn filter_of(device: &str) -> String {
    format!("net/ipv4/conf/{device}/rp_filter")
}

/// What the sysctls of a namespace say of one of its devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OfDevice {
    /// Whether IPv4 that comes in by it is forwarded, where it is not as its namespace says.
    pub forwards: Option<bool>,
    /// Whether its reverse path filter is surely the strict one.
    pub strict: bool,
}

/// Reads them. What the file does not write of the filter, a namespace has from the host.
pub(super) fn of_device(sysctls: &BTreeMap<String, String>, device: &str) -> OfDevice {
    if sysctls.is_empty() {
        return OfDevice::default();
    }
    let filter = |device: &str| sysctls.get(&filter_of(device))?.trim().parse::<i32>().ok();
    // The kernel takes the higher one.
    let filter = filter("all").zip(filter(device).or_else(|| filter("default"))).map(|(all, own)| all.max(own));
    OfDevice { forwards: flag(sysctls, &forwarding_of(device)), strict: filter == Some(1) }
}
