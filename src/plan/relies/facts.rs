//! How a thing is, as a reading tells.

use std::net::IpAddr;

use super::{Fact, Facts, Thing};
use crate::{
    kind::{sysctl, topology::stops_bridged_frames},
    model::{
        Netns, Snapshot, TopologyName,
        snapshot::{LinkState, NetnsState, RouteState, TABLE_MAIN, TableName, Variant},
    },
};

/// Devices that a kernel module puts into every namespace by itself.
const OF_MODULES: [&str; 10] =
    ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6gretap0"];

/// All that is known of a thing; nothing of what is not there.
pub fn facts(thing: &Thing, snapshot: &Snapshot) -> Facts {
    let state = |netns: &Netns| snapshot.namespaces.get(netns);
    let mut facts = Facts::new();
    match thing {
        Thing::Host => {
            facts.extend(snapshot.boot.clone().map(|boot| (Fact::Boot, boot)));
            facts.extend(state(&Netns::Host).map(|state| (Fact::Identity, identity(state))));
        }
        Thing::Namespace { netns } => {
            if let Some(state) = state(netns) {
                facts.insert(Fact::Identity, identity(state));
                facts.insert(Fact::Strangers, strangers(state));
            }
        }
        Thing::Device { netns, name } => {
            if let Some((state, link)) = state(netns).and_then(|state| Some((state, state.link(name)?))) {
                facts = of_device(state, link);
            }
        }
        Thing::Setting { netns, key } => {
            let value = state(netns).and_then(|state| state.sysctls.get(key)?.as_deref());
            facts.extend(value.map(|value| (Fact::Value, sysctl::normal(value))));
        }
        Thing::Record { key } => {
            if let Some(record) = snapshot.borrowed.get(key) {
                let users: Vec<&str> = record.users.iter().map(TopologyName::as_str).collect();
                facts.insert(Fact::Before, record.before.clone().unwrap_or_default());
                facts.insert(Fact::Users, users.join(", "));
            }
        }
        Thing::Way { netns, to, device } => {
            let link = state(netns).and_then(|state| nearest(state, *to, device.as_deref()));
            facts.extend(link.map(|link| (Fact::By, link.name.clone())));
        }
        Thing::Source { netns, address } => {
            let link = state(netns).and_then(|state| holder(state, *address));
            facts.extend(link.map(|link| (Fact::By, link.name.clone())));
        }
        Thing::PacketFilter { netns } => {
            if let Some(firewall) = snapshot.firewall(netns) {
                let default = firewall.default_variant;
                let has_filter = |variant: Variant| {
                    Some(variant) != default
                        && firewall.live.iter().any(|(v, table)| *v == variant && table.name == TableName::Filter)
                };
                let beside = [Variant::Nft, Variant::Legacy].into_iter().filter(|it| has_filter(*it)).map(tool);
                facts.insert(Fact::Default, default.map_or("none", tool).to_owned());
                facts.insert(Fact::Beside, beside.collect::<Vec<_>>().join(", "));
            }
            if let Some(state) = state(netns) {
                facts.insert(Fact::Stops, stops_bridged_frames(state).to_string());
            }
        }
    }
    facts
}

fn identity(state: &NetnsState) -> String {
    state.cookie.unwrap_or(state.inode).to_string()
}

fn tool(variant: Variant) -> &'static str {
    match variant {
        Variant::Nft => "iptables-nft",
        Variant::Legacy => "iptables-legacy",
    }
}

/// The devices of others in a namespace.
fn strangers(state: &NetnsState) -> String {
    let owner = state.mark().map(|mark| mark.topology);
    let is_of_module = |link: &LinkState| OF_MODULES.contains(&&*link.name);
    let foreign =
        |link: &&LinkState| link.name != "lo" && !is_of_module(link) && link.mark().map(|mark| mark.topology) != owner;
    let mut names: Vec<&str> = state.links.iter().filter(foreign).map(|link| &*link.name).collect();
    names.sort_unstable();
    names.join(", ")
}

fn addresses(state: &NetnsState, link: &LinkState) -> String {
    let lasting = state.addresses.of(link.index).filter(|it| !it.dynamic && !it.link_local);
    let mut all: Vec<String> = lasting.map(|it| it.address.to_string()).collect();
    all.sort_unstable();
    all.join(", ")
}

fn of_device(state: &NetnsState, link: &LinkState) -> Facts {
    let master = link.master.and_then(|index| state.link_at(index)).map_or("none", |master| &master.name);
    let mut facts = Facts::from([
        (Fact::Index, link.index.to_string()),
        (Fact::Kind, link.kind.clone().unwrap_or_else(|| "physical".to_owned())),
        (Fact::Up, link.up.to_string()),
        (Fact::Mtu, link.mtu.to_string()),
        (Fact::Master, master.to_owned()),
        (Fact::Alias, link.alias.clone().unwrap_or_default()),
        (Fact::Addresses, addresses(state, link)),
    ]);
    facts.extend(link.mac.map(|mac| (Fact::Mac, mac.to_string())));
    facts.extend(link.port.as_ref().map(|port| (Fact::Hairpin, port.hairpin.to_string())));
    if let Some(bridge) = &link.bridge {
        facts.insert(Fact::Stp, bridge.stp.to_string());
        facts.insert(Fact::AgeingTime, bridge.ageing_time.to_string());
    }
    facts
}

/// The device on whose segment an address is, as the kernel would find it: the longest prefix of an address or of a
/// route without a router, by `device` where it must be that one.
pub fn nearest<'a>(state: &'a NetnsState, to: IpAddr, device: Option<&str>) -> Option<&'a LinkState> {
    let link_local = matches!(to, IpAddr::V6(address) if address.is_unicast_link_local());
    if link_local {
        return None;
    }
    let works = |index: u32| {
        let link = state.link_at(index).filter(|link| link.up);
        link.filter(|link| device.is_none_or(|device| link.name == device))
    };
    let addresses = state.addresses.iter().filter(|it| it.address.contains(&to));
    let addresses = addresses.filter_map(|it| Some((it.address.prefix_len(), works(it.link)?)));
    let direct = |route: &&RouteState| route.table == TABLE_MAIN && route.to.contains(&to);
    let routes = state.routes.iter().filter(direct).flat_map(|route| {
        let hops = route.nexthops.iter().filter(|hop| hop.via.is_none());
        hops.filter_map(|hop| Some((route.to.prefix_len(), works(hop.link?)?)))
    });
    addresses.chain(routes).max_by_key(|(length, link)| (*length, std::cmp::Reverse(link.index))).map(|(_, link)| link)
}

/// The device that has an address.
pub fn holder(state: &NetnsState, address: IpAddr) -> Option<&LinkState> {
    state.addresses.iter().find(|it| it.address.addr() == address).and_then(|it| state.link_at(it.link))
}
