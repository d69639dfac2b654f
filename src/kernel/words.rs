//! Ops in words, and what their errors mean: some of the kernel's errors carry no text of their own.

use nix::errno::Errno;

use crate::{
    model::Netns,
    op::{LinkChange, LinkRef, Op, RouteOp},
};

/// The op of a batch of `netns` as a person would say it; fits after "cannot ".
pub fn words(op: &Op, netns: &Netns) -> String {
    match op {
        Op::NetnsCreate { .. } => format!("create namespace `{netns}`"),
        Op::NetnsDelete => format!("delete namespace `{netns}`"),
        Op::BridgeCreate { name, .. } => format!("create bridge {name}"),
        Op::VethCreate { end, peer, peer_netns, .. } => {
            format!("create veth {} with its peer {} in {peer_netns}", end.name, peer.name)
        }
        Op::NetnsPark { .. } => format!("set namespace `{netns}` aside"),
        Op::NetnsUnpark { .. } => format!("give namespace `{netns}` its name back"),
        Op::NetnsDrop { .. } => format!("delete namespace `{netns}`"),
        Op::LinkSet { link, .. } if op.parks() => format!("set {} aside", link.name),
        Op::LinkSet { link, change } => format!("set {} of {}", change_words(change), link.name),
        Op::BridgeUp { link } => format!("set state up of {}", link.name),
        Op::PortPutBack { link, .. } => format!("make the bridge port {} what it was", link.name),
        Op::LinkDelete { link } => format!("delete {}", link.name),
        Op::AddressAdd { link, address, .. } => format!("add address {address} to {}", link.name),
        Op::AddressDelete { link, address } => format!("remove address {address} from {}", link.name),
        Op::AddressPutBack { link, address } => format!("put address {} back on {}", address.address, link.name),
        Op::RoutePutBack { route } => format!("put the route to {} back", route.to),
        Op::RecordPutBack { key, .. } => format!("put the record of {key} back"),
        Op::RouteAdd { route, replace: false } => format!("add {}", route_words(route)),
        Op::RouteAdd { route, replace: true } => format!("replace {}", route_words(route)),
        Op::RouteDelete { route } => format!("remove {}", route_words(route)),
        Op::SysctlSet { key, value } => format!("set sysctl {key} to {value}"),
        Op::SysctlBorrow { key, value, user, .. } => format!("set sysctl {key} to {value} for {user}"),
        Op::SysctlGiveBack { key, user } => format!("give back sysctl {key} of {user}"),
        Op::PortBorrow { link, user, .. } => format!("make {} a bridge port for {user}", link.name),
        Op::PortGiveBack { link, user } => format!("give back {} of {user}", link.name),
        Op::TableBorrow { table, user, .. } => format!("note the need of table {} for {user}", table.as_str()),
        Op::TableGiveBack { table, user, .. } => format!("give back table {} of {user}", table.as_str()),
        Op::TableDrop { table, .. } => format!("remove the empty table {}", table.as_str()),
        Op::FirewallLoad { variant, family, table, .. } => {
            format!("load firewall table {table:?} ({variant:?}, {family:?})").to_lowercase()
        }
        Op::FlushFlows { .. } => "delete tracked connections".into(),
    }
}

fn route_words(route: &RouteOp) -> String {
    let mut text = format!("route {}", route.to);
    if route.table != crate::model::snapshot::TABLE_MAIN {
        text.push_str(&format!(" of table {}", route.table));
    }
    for hop in &route.nexthops {
        if let Some(via) = hop.via {
            text.push_str(&format!(" via {via}"));
        }
    }
    text
}

fn change_words(change: &LinkChange) -> String {
    let LinkChange { alias, group, mac, mtu, master, up, rename, hairpin, link_local, stp, ageing_time } = change;
    let mut parts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{name} {value}"));
        }
    };
    let on_off = |on: bool| if on { "on" } else { "off" }.to_owned();
    add("name", rename.as_ref().map(ToString::to_string));
    add("state", up.map(|up| if up { "up" } else { "down" }.to_owned()));
    add("master", master.map(|m| if m == 0 { "none".into() } else { format!("#{m}") }));
    add("mac", mac.map(|m| m.to_string()));
    add("mtu", mtu.map(|m| m.to_string()));
    add("group", group.map(|g| g.to_string()));
    add("alias", alias.clone());
    add("hairpin", hairpin.map(on_off));
    add("link-local address", link_local.map(on_off));
    add("stp", stp.map(on_off));
    add("ageing time", ageing_time.map(|t| t.to_string()));
    if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
}

/// What an errno means for this op, where the kernel's own words do not say it.
pub fn hint(op: &Op, errno: Errno) -> Option<String> {
    match (op, errno) {
        (Op::VethCreate { .. }, Errno::EOPNOTSUPP) => Some("this kernel has no veth support".into()),
        (Op::BridgeCreate { .. }, Errno::EOPNOTSUPP) => Some("this kernel has no bridge support".into()),
        (Op::VethCreate { peer, peer_netns, .. }, Errno::EBUSY) => {
            Some(format!("a device with index {} is already in {peer_netns}", peer.index))
        }
        (Op::VethCreate { end, peer, .. }, Errno::EEXIST) => Some(format!(
            "a device called {} or {}, or one with index {} or {}, is already there",
            end.name, peer.name, end.index, peer.index
        )),
        (Op::BridgeCreate { name, index, .. }, Errno::EEXIST) => {
            Some(format!("a device called {name}, or one with index {index}, is already there"))
        }
        (Op::LinkSet { change: LinkChange { rename: Some(name), .. }, .. }, Errno::EEXIST) => {
            Some(format!("a device called {name} is already there"))
        }
        (Op::LinkSet { change: LinkChange { rename: Some(_), .. }, .. }, Errno::EBUSY) => {
            Some("this kernel renames a device only while it is down".into())
        }
        (Op::LinkSet { change: LinkChange { master: Some(_), .. }, .. }, Errno::EXFULL) => {
            Some("the bridge has all the ports that it can take (1023)".into())
        }
        (Op::AddressAdd { .. }, Errno::EEXIST) => Some("the device has that address already".into()),
        (Op::AddressAdd { address, .. }, Errno::EACCES) if address.addr().is_ipv6() => {
            Some("IPv6 is disabled on that device".into())
        }
        (Op::RouteAdd { .. }, Errno::EEXIST) => {
            Some("a route with that destination, table and metric is already there".into())
        }
        (Op::RouteAdd { .. }, Errno::ENETUNREACH) => Some("its next hop is on no network of the namespace".into()),
        (Op::RouteAdd { .. }, Errno::ENETDOWN) => Some("its device is down".into()),
        (Op::LinkSet { link, .. } | Op::BridgeUp { link } | Op::AddressAdd { link, .. }, Errno::ENODEV) => {
            Some(gone(link))
        }
        (_, Errno::EPERM) => Some("this needs CAP_NET_ADMIN in the namespace".into()),
        _ => None,
    }
}

fn gone(link: &LinkRef) -> String {
    format!("there is no device with index {} any more", link.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_without_text_is_explained() {
        let op = Op::BridgeCreate {
            index: 9,
            name: "br0".parse().unwrap(),
            mac: None,
            mtu: None,
            stp: None,
            ageing_time: None,
        };
        assert_eq!(words(&op, &Netns::Host), "create bridge br0");
        assert_eq!(hint(&op, Errno::EOPNOTSUPP).unwrap(), "this kernel has no bridge support");
        assert!(hint(&op, Errno::EEXIST).unwrap().contains("br0"));
    }

    #[test]
    fn a_change_names_every_attribute_that_it_sets() {
        let change = LinkChange { up: Some(true), master: Some(0), mtu: Some(9000), ..Default::default() };
        let op = Op::LinkSet { link: LinkRef { index: 3, name: "eth0".into() }, change };
        assert_eq!(words(&op, &Netns::Host), "set state up, master none, mtu 9000 of eth0");
    }
}
