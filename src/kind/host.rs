//! What a topology needs of the host's own settings. They are borrowed: the value before us is kept, and put back when
//! the last topology that needs ours goes. The host is never forced to 0, so only what is turned on is asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    engine::Engine,
    steps::{Stage, Steps},
    sysctl,
};
use crate::{
    model::{
        Address, Netns, Snapshot, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        snapshot::{Borrowed, LinkState, NetnsState},
    },
    op::Op,
};

/// Host settings as the file wants them or as the kernel has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// Sysctls by path below `/proc/sys`: wanted, or as they are.
    pub sysctls: BTreeMap<String, String>,
    /// Observed: what has been borrowed, by whomever.
    pub borrowed: BTreeMap<String, Borrowed>,
    /// Observed: of that, what is not given back, and the device of the program that came to rely on it since.
    pub relied_on: BTreeMap<String, String>,
}

/// Whether writing `path` makes the kernel overwrite other values, and which: toggling forwarding overwrites every
/// interface's own flag, and for IPv4 `all.accept_redirects` too (devinet.c `inet_forward_change`).
pub fn values_along(path: &str, known: &BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    let overwritten = |key: &str| match path {
        sysctl::FORWARD_V4 => {
            key == "net/ipv4/conf/all/accept_redirects"
                || (key.starts_with("net/ipv4/conf/") && key.ends_with("/forwarding") && !key.contains("/all/"))
        }
        sysctl::FORWARD_V6 => {
            key.starts_with("net/ipv6/conf/") && key.ends_with("/forwarding") && key != sysctl::FORWARD_V6
        }
        _ => false,
    };
    let along = known.iter().filter(|(key, _)| overwritten(key));
    along.filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect()
}

/// The sysctls that have to be read to know what writing `path` would overwrite, given the host's devices.
pub fn keys_along(path: &str, devices: impl Iterator<Item = String>) -> BTreeSet<String> {
    let family = match path {
        sysctl::FORWARD_V4 => "ipv4",
        sysctl::FORWARD_V6 => "ipv6",
        _ => return BTreeSet::new(),
    };
    let mut keys: BTreeSet<String> = devices.map(|name| format!("net/{family}/conf/{name}/forwarding")).collect();
    keys.insert(format!("net/{family}/conf/default/forwarding"));
    if family == "ipv4" {
        keys.insert("net/ipv4/conf/all/accept_redirects".into());
    }
    keys
}

/// The device of a program that turns forwarding on where it is off and found it on, since we had borrowed it: taking it
/// back would cut its containers or machines off. That it came later shows by the record, which has no value of it.
fn relying_on(path: &str, record: &Borrowed, host: &NetnsState) -> Option<String> {
    let family = match path {
        sysctl::FORWARD_V4 => "ipv4",
        sysctl::FORWARD_V6 => "ipv6",
        _ => return None,
    };
    let was_off = record.before.as_deref().map(sysctl::normal).as_deref() == Some("0") && !record.along.is_empty();
    let came = |link: &LinkState| !record.along.contains_key(&format!("net/{family}/conf/{}/forwarding", link.name));
    let routes = |link: &LinkState| {
        let mut addresses = host.addresses.of(link.index).filter(|it| !it.link_local);
        addresses.any(|it| it.address.addr().is_ipv4() == (family == "ipv4"))
    };
    let relies = |link: &&LinkState| link.mark().is_none() && Engine::of(link).is_some() && came(link) && routes(link);
    host.links.iter().filter(|_| was_off).find(relies).map(|link| link.name.clone())
}

impl HostSettings {
    /// `namespace.host`.
    pub fn address(&self) -> Address {
        Address::new(KindName::Namespace, "host")
    }

    /// What `topology` has borrowed, and the live values of what it wants now.
    pub fn observe(snapshot: &Snapshot, topology: &TopologyName, wanted: Option<&Self>) -> Option<Self> {
        let host = snapshot.namespaces.get(&Netns::Host)?;
        let sysctl = |(key, _): &(&String, &Borrowed)| key.starts_with("net/");
        let borrowed: BTreeMap<String, Borrowed> =
            snapshot.borrowed.iter().filter(sysctl).map(|(key, it)| (key.clone(), it.clone())).collect();
        let ours = borrowed.iter().filter(|(_, it)| it.users.contains(topology)).map(|(key, _)| key);
        let keys: BTreeSet<&String> = ours.chain(wanted.iter().flat_map(|it| it.sysctls.keys())).collect();
        if keys.is_empty() {
            return None;
        }
        let value = |key: &&String| Some(((*key).clone(), host.sysctls.get(*key)?.clone()?));
        let relied_on =
            borrowed.iter().filter_map(|(path, record)| Some((path.clone(), relying_on(path, record, host)?)));
        let relied_on = relied_on.collect();
        Some(Self { sysctls: keys.iter().filter_map(value).collect(), relied_on, borrowed })
    }

    /// Of what `topology` alone has borrowed and needs no more, what stays as it is, each with the device that relies on it.
    pub fn stays(&self, topology: &TopologyName, after: &Self) -> BTreeMap<&str, &str> {
        let alone = |path: &str| self.borrowed.get(path).is_some_and(|it| it.users.iter().eq([topology]));
        let stays = self.relied_on.iter().filter(|(path, _)| alone(path) && !after.sysctls.contains_key(*path));
        stays.map(|(path, device)| (&**path, &**device)).collect()
    }

    /// What differs, for `topology`.
    pub fn compare(topology: &TopologyName, before: Option<&Self>, after: Option<&Self>) -> Comparison {
        let mut comparison = Comparison::default();
        let none = Self::default();
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        for (path, value) in &after.sysctls {
            let key = sysctl::key_of_path(path);
            let old = before.sysctls.get(path).map(|old| Value::Text(sysctl::normal(old)));
            let new = Some(Value::Text(sysctl::normal(value)));
            match before.borrowed.get(path) {
                Some(borrowed) if old == new && !borrowed.users.contains(topology) => {
                    let users: Vec<&str> = borrowed.users.iter().map(TopologyName::as_str).collect();
                    comparison.noted(key, old, new, format!("shared with {}", users.join(", ")));
                }
                Some(_) | None if old == new => comparison.unchanged += 1,
                Some(_) | None => comparison.noted(key, old, new, "borrowed: given back on destroy"),
            }
        }
        let stays = before.stays(topology, after);
        for (path, borrowed) in &before.borrowed {
            if after.sysctls.contains_key(path) || !borrowed.users.contains(topology) || stays.contains_key(&**path) {
                continue;
            }
            let old = before.sysctls.get(path).map(|old| Value::Text(sysctl::normal(old)));
            let others: Vec<&str> =
                borrowed.users.iter().filter(|u| *u != topology).map(TopologyName::as_str).collect();
            if others.is_empty() {
                let new = borrowed.before.as_deref().map(|value| Value::Text(sysctl::normal(value)));
                comparison.noted(sysctl::key_of_path(path), old, new, "given back");
            } else {
                let note = format!("stays: still needed by {}", others.join(", "));
                comparison.noted(sysctl::key_of_path(path), old.clone(), old, note);
            }
        }
        comparison
    }

    /// Writes a value again after its device has been made anew: its own value is the device's default then.
    pub fn lower_again(&self, path: &str, value: &str, steps: &mut Steps<'_>) {
        let op = Op::SysctlSet { key: path.to_owned(), value: value.to_owned() };
        steps.push(Stage::LinkSysctl, &Netns::Host, &self.address(), op);
    }

    /// Ops from `before` to `after`.
    pub fn lower(before: Option<&Self>, after: Option<&Self>, steps: &mut Steps<'_>) {
        let none = Self::default();
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        let address = none.address();
        let topology = steps.topology.clone();
        let known = steps.snapshot.namespaces.get(&Netns::Host).map(|host| host.sysctls.clone()).unwrap_or_default();
        let is_same = |path: &str, value: &str| {
            before.sysctls.get(path).is_some_and(|live| sysctl::normal(live) == sysctl::normal(value))
        };
        for (path, value, again) in sysctl::in_order(&after.sysctls, &is_same) {
            let live = before.sysctls.get(path);
            let record = before.borrowed.get(path);
            let registered = record.is_some_and(|it| it.users.contains(&topology));
            if is_same(path, value) && (registered || record.is_none()) && !again {
                continue;
            }
            let op = Op::SysctlBorrow {
                key: path.clone(),
                value: value.clone(),
                before: live.cloned().unwrap_or_default(),
                along: values_along(path, &known),
                user: topology.clone(),
            };
            let stage = if sysctl::interface_of_path(path).is_some() { Stage::LinkSysctl } else { Stage::Sysctl };
            steps.push(stage, &Netns::Host, &address, op);
        }
        // The record of what stays goes with the topology.
        let stays = before.stays(&topology, after);
        for (path, borrowed) in &before.borrowed {
            let needed = after.sysctls.contains_key(path) || stays.contains_key(&**path);
            if !needed && borrowed.users.contains(&topology) {
                let op = Op::SysctlGiveBack { key: path.clone(), user: topology.clone() };
                steps.push(Stage::GiveBack, &Netns::Host, &address, op);
            }
        }
    }
}
