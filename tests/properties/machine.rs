//! The machine on which labs come and go: other people's things are on it, and stay as they are.

use std::collections::BTreeSet;

use netwright::{
    kernel::{Kernel, fake::Fake},
    model::{
        Netns, Raw,
        snapshot::{AddressState, LinkState, NetnsState, Nexthop, Peer, ReadRequest, RouteState, RouteType, Snapshot},
    },
};
use proptest::prelude::*;

fn link(index: u32, name: &str, kind: Option<&str>) -> LinkState {
    LinkState {
        index,
        name: name.into(),
        kind: kind.map(str::to_owned),
        mac: Some(format!("02:ff:00:00:00:{index:02x}").parse().unwrap()),
        mtu: 1500,
        up: true,
        carrier: true,
        queues: 1,
        ..LinkState::default()
    }
}

fn address(link: u32, address: &str) -> AddressState {
    AddressState {
        link,
        address: address.parse().unwrap(),
        dynamic: false,
        link_local: false,
        nodad: false,
        dad_failed: false,
        protocol: 0,
        label: None,
        raw: Raw::default(),
    }
}

fn route(to: &str, protocol: u8, via: Option<&str>, link: u32) -> RouteState {
    RouteState {
        to: to.parse().unwrap(),
        table: 254,
        metric: 0,
        protocol,
        kind: Some(RouteType::Unicast),
        src: None,
        mtu: None,
        nexthops: vec![Nexthop {
            via: via.map(|via| via.parse().unwrap()),
            link: Some(link),
            weight: 1,
            onlink: false,
        }],
        raw: Raw::default(),
    }
}

/// A host with a NIC, Docker, a namespace of somebody's and one of another topology.
pub fn with_foreigners() -> Fake {
    let lo = Fake::empty().state.namespaces[&Netns::Host].links[0].clone();
    let docker = LinkState { bridge: Some(Default::default()), ..link(3, "docker0", Some("bridge")) };
    let port = LinkState {
        master: Some(3),
        port: Some(Default::default()),
        peer: Some(Peer { index: 2, netns: Some(Netns::Named("other".into())) }),
        ..link(4, "veth1", Some("veth"))
    };
    let host = NetnsState {
        links: vec![lo.clone(), link(2, "eth0", None), docker, port, link(5, "eth1", None)].into(),
        addresses: [address(2, "192.0.2.10/24"), address(3, "172.17.0.1/16"), address(2, "2001:db8::10/64")]
            .into_iter()
            .collect(),
        routes: vec![
            route("0.0.0.0/0", 16, Some("192.0.2.1"), 2),
            route("198.51.100.0/24", 4, Some("192.0.2.9"), 2),
            route("172.17.0.0/16", 2, None, 3),
        ],
        ..NetnsState::default()
    };
    let inside = LinkState { peer: Some(Peer { index: 4, netns: Some(Netns::Host) }), ..link(2, "eth0", Some("veth")) };
    let other = NetnsState {
        links: vec![lo.clone(), inside].into(),
        addresses: vec![address(2, "172.17.0.2/16")].into(),
        routes: vec![route("0.0.0.0/0", 3, Some("172.17.0.1"), 2)],
        ..NetnsState::default()
    };
    let marked = LinkState { alias: Some("netwright:other-lab/namespace.q".into()), ..lo };
    let theirs = NetnsState { links: vec![marked].into(), ..NetnsState::default() };
    let namespaces = [(Netns::Host, host), (Netns::Named("other".into()), other), (Netns::Named("q".into()), theirs)];
    Fake::new(Snapshot { namespaces: namespaces.into(), ..Snapshot::default() })
}

/// Whether one is as the other was: values that were written back count as untouched, and so does a packet filter
/// without a rule.
pub fn assert_same(before: &Fake, after: &Fake) -> Result<(), TestCaseError> {
    let plain = |fake: &Fake| {
        let mut state = fake.state.clone();
        for (netns, state) in &mut state.namespaces {
            state.routes.sort_by_key(|route| format!("{route:?}"));
            state.firewall.live.retain(|(_, table)| {
                table.chains.iter().any(|chain| chain.policy.is_none() || !chain.rules.is_empty())
            });
            let both = [before, after].into_iter();
            let keys: BTreeSet<String> = both
                .filter_map(|fake| fake.state.namespaces.get(netns))
                .flat_map(|it| it.sysctls.keys().cloned())
                .collect();
            let request = ReadRequest { sysctls: [(netns.clone(), keys)].into(), ..ReadRequest::default() };
            state.sysctls = fake.read(&request).unwrap().namespaces[netns].sysctls.clone();
        }
        state
    };
    let (before, after) = (plain(before), plain(after));
    for (netns, state) in &before.namespaces {
        prop_assert_eq!(Some(state), after.namespaces.get(netns), "{}", netns);
    }
    prop_assert_eq!(before.namespaces.len(), after.namespaces.len());
    prop_assert_eq!(before.borrowed, after.borrowed);
    Ok(())
}
