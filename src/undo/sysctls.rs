//! Sysctls of namespaces that stay.

use super::{
    Place,
    restore::{Ops, Phase},
};
use crate::{
    kind::sysctl,
    model::{Netns, snapshot::NetnsState},
    op::Op,
};

pub(super) fn restore(netns: &Netns, place: &Place, before: &NetnsState, now: &NetnsState, ops: &mut Ops) {
    let Some(address) = place.sysctls.values().next() else { return };
    let differing: Vec<(&String, &String)> = before
        .sysctls
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_ref()?)))
        .filter(|(key, value)| now.sysctls.get(*key).is_some_and(|now| is_another(now.as_deref(), value)))
        .collect();
    // Those of a whole namespace change those of its devices: which of these are still to be written shows afterwards.
    let whole = differing.iter().any(|(key, _)| sysctl::interface_of_path(key).is_none());
    let forwards = |key: &str| matches!(key, sysctl::FORWARD_V4 | sysctl::FORWARD_V6);
    let toggles = differing.iter().any(|(key, _)| forwards(key));
    for (key, value) in differing {
        // It overwrites others, and what it leaves of them is written when that has been seen.
        if toggles && !forwards(key) {
            continue;
        }
        if whole && sysctl::interface_of_path(key).is_some() && !place.sysctls.contains_key(key) {
            continue;
        }
        let address = place.sysctls.get(key).unwrap_or(address);
        let op = Op::SysctlSet { key: key.clone(), value: value.clone() };
        ops.push(Phase::Sysctl, netns, address, op);
    }
}

/// One that is not there any more cannot be written.
fn is_another(now: Option<&str>, value: &str) -> bool {
    now.is_some_and(|now| sysctl::normal(now) != sysctl::normal(value))
}
