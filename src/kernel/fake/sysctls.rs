//! Sysctls of the fake kernel: those that a state does not name have a default.

use std::collections::BTreeMap;

use nix::errno::Errno;

use crate::model::snapshot::{Borrowed, NetnsState};

const FORWARD: &str = "net/ipv4/ip_forward";
const FORWARD_ALIAS: &str = "net/ipv4/conf/all/forwarding";

const IPV6_OFF: &str = "net/ipv6/conf/all/disable_ipv6";
const IPV6_OFF_FOR_NEW: &str = "net/ipv6/conf/default/disable_ipv6";

/// Whether devices have no IPv6.
pub fn ipv6_is_off(state: &NetnsState) -> bool {
    state.sysctls.get(IPV6_OFF).is_some_and(|value| value.as_deref() == Some("1"))
}

/// The value; `None` where there is no such key.
pub fn read(state: &NetnsState, key: &str) -> Option<String> {
    if key == FORWARD_ALIAS {
        return read(state, FORWARD);
    }
    match state.sysctls.get(key) {
        Some(value) => value.clone(),
        None if exists(state, key) => Some(inherited_by_device(state, key).unwrap_or_else(|| default(key).to_owned())),
        None => None,
    }
}

/// What a reading that need not be exact leaves out.
pub fn leave_out(state: &mut NetnsState, is_exact: bool) {
    if !is_exact && state.links.iter().all(|link| link.ipv6 == Some(true)) {
        state.sysctls.remove(IPV6_OFF_FOR_NEW);
    }
}

/// The keys that a key with a `*` for its device stands for.
pub fn expand(state: &NetnsState, key: &str) -> Vec<String> {
    let Some((head, tail)) = key.split_once("/*/") else { return vec![key.to_owned()] };
    let devices = state.links.iter().map(|link| link.name.as_str()).chain(["all", "default"]);
    devices.map(|device| format!("{head}/{device}/{tail}")).collect()
}

fn exists(state: &NetnsState, key: &str) -> bool {
    let parts: Vec<_> = key.split('/').collect();
    match parts.as_slice() {
        ["net", _, "conf" | "neigh", device, ..] => {
            matches!(*device, "all" | "default") || state.link(device).is_some()
        }
        ["net", ..] => true,
        _ => false,
    }
}

/// What a device has of what `default` says.
fn inherited_by_device(state: &NetnsState, key: &str) -> Option<String> {
    let parts: Vec<_> = key.split('/').collect();
    let ["net", family, "conf", device, what] = *parts.as_slice() else { return None };
    match device {
        "all" | "default" => None,
        _ => state.sysctls.get(&format!("net/{family}/conf/default/{what}")).cloned().flatten(),
    }
}

fn default(key: &str) -> &'static str {
    let last = key.rsplit('/').next().unwrap_or_default();
    match last {
        "accept_redirects" | "accept_ra" | "accept_dad" | "autoconf" | "send_redirects" => "1",
        name if name.starts_with("bridge-nf-call") => "1",
        _ => "0",
    }
}

pub fn write(state: &mut NetnsState, key: &str, value: &str) -> Result<(), Errno> {
    let key = if key == FORWARD_ALIAS { FORWARD } else { key };
    let before = read(state, key).ok_or(Errno::ENOENT)?;
    state.sysctls.insert(key.to_owned(), Some(value.to_owned()));
    if before == value {
        return Ok(());
    }
    if key == IPV6_OFF && value == "1" {
        state.addresses.retain(|address| address.address.addr().is_ipv4());
        state.routes.retain(|route| route.to.addr().is_ipv4());
    }
    // Forwarding of all is forwarding of each.
    let family = match key {
        FORWARD => "ipv4",
        "net/ipv6/conf/all/forwarding" => "ipv6",
        _ => return Ok(()),
    };
    let devices = state.links.iter().map(|link| link.name.clone()).chain(["default".to_owned()]);
    let keys: Vec<_> = devices.map(|device| format!("net/{family}/conf/{device}/forwarding")).collect();
    for key in keys {
        state.sysctls.insert(key, Some(value.to_owned()));
    }
    if family == "ipv4" {
        let redirects = if value == "0" { "1" } else { "0" };
        state.sysctls.insert("net/ipv4/conf/all/accept_redirects".into(), Some(redirects.into()));
    }
    Ok(())
}

/// Puts back what a record holds, as far as it still exists.
pub fn restore(state: &mut NetnsState, key: &str, record: &Borrowed) {
    let before = record.before.iter().map(|value| (key, value.as_str()));
    let along = record.along.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in before.chain(along) {
        // What does not exist any more needs nothing.
        let _ = write(state, key, value);
    }
}

/// What a new namespace has from the host: IPv4 settings, but none of devices.
pub fn inherited(host: &NetnsState) -> BTreeMap<String, Option<String>> {
    let of_device = |key: &str| {
        let mut parts = key.split('/').skip(2);
        matches!(parts.next(), Some("conf" | "neigh")) && !matches!(parts.next(), Some("all" | "default"))
    };
    let mine = host.sysctls.iter().filter(|(key, _)| key.starts_with("net/ipv4/") && !of_device(key));
    mine.map(|(key, value)| (key.clone(), value.clone())).collect()
}
