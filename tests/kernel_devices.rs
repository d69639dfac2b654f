//! Some devices of a namespace, read by themselves from the real kernel, are what they are among all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use std::collections::BTreeSet;

use netwright::{
    kernel::{Kernel, Live},
    model::{
        Netns,
        snapshot::{LinkState, NetnsState, ReadRequest, RouteState},
    },
};
use shell::sh;

fn host(kernel: &Live, devices: Option<&BTreeSet<u32>>, whole: bool) -> NetnsState {
    let devices = devices.map(|devices| (Netns::Host, devices.clone())).into_iter().collect();
    let request = ReadRequest { devices, whole, ..ReadRequest::default() };
    kernel.read(&request).unwrap().namespaces.remove(&Netns::Host).unwrap()
}

/// The whole and the part, between which nothing has changed: devices that came up are busy for a while.
fn at_rest(kernel: &Live, devices: &BTreeSet<u32>, whole: bool) -> (NetnsState, NetnsState) {
    loop {
        let all = host(kernel, None, whole);
        let part = host(kernel, Some(devices), whole);
        if host(kernel, None, whole) == all {
            return (all, part);
        }
    }
}

/// A route by one of the devices, as [`ReadRequest::devices`] means it.
fn is_by(route: &RouteState, devices: &BTreeSet<u32>) -> bool {
    route.nexthops.iter().filter_map(|hop| hop.link).any(|index| devices.contains(&index))
}

#[test]
fn some_devices_are_read_as_they_are_among_all() {
    sandbox::run(|| {
        sh("ip link add br0 type bridge
            for i in $(seq 30); do
                ip link add p$i type veth peer name q$i; ip link set p$i master br0 up; ip link set q$i up
            done
            ip addr add 10.0.0.1/24 dev br0; ip addr add fd00::1/64 dev br0 nodad; ip link set br0 up
            ip addr add 10.1.0.1/24 dev q1; ip addr add 10.2.0.1/24 dev q2
            ip link set p3 type bridge_slave hairpin on; ip link set p4 group 7 alias mine
            ip route add 10.9.0.0/16 nexthop via 10.1.0.9 nexthop via 10.2.0.9 weight 3
            ip route add 10.8.0.0/16 dev q3 src 10.1.0.1
            ip route add 10.7.0.0/16 dev q4 table 77; ip -6 route add fd07::/64 dev q4");
        let kernel = Live::new().unwrap();
        let all = host(&kernel, None, true);
        let index = |name: &str| all.link(name).unwrap().index;
        let some = |names: &[&str]| names.iter().map(|name| index(name)).collect::<BTreeSet<u32>>();
        let many: Vec<String> = (1..20).map(|at| format!("p{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let sets = [some(&["br0"]), some(&["p3", "p4", "q4"]), some(&["q1"]), some(&["q3", "p5"]), some(&many)];
        for devices in sets.iter().chain([&BTreeSet::new()]) {
            for whole in [true, false] {
                let (all, part) = at_rest(&kernel, devices, whole);
                assert_eq!((part.inode, part.cookie), (all.inode, all.cookie));
                // Of a veth alone it is not known where its peer is.
                let bare = |link: &LinkState| LinkState { peer: None, ..link.clone() };
                let links = all.links.iter().filter(|link| devices.contains(&link.index));
                assert_eq!(part.links.iter().map(bare).collect::<Vec<_>>(), links.map(bare).collect::<Vec<_>>());
                let addresses = all.addresses.iter().filter(|it| devices.contains(&it.link)).cloned();
                assert_eq!(*part.addresses, addresses.collect::<Vec<_>>());
                let mut routes: Vec<_> = part.routes.iter().filter(|it| is_by(it, devices)).collect();
                let mut meant: Vec<_> = all.routes.iter().filter(|it| is_by(it, devices)).collect();
                routes.sort_by_key(|it| (it.to, it.table, it.metric));
                meant.sort_by_key(|it| (it.to, it.table, it.metric));
                assert_eq!(routes, meant);
            }
        }
        // With the address of `q1` would go the route by `q3` that has it for its source.
        let with_source = host(&kernel, Some(&some(&["q1"])), true);
        assert!(
            with_source
                .routes
                .iter()
                .any(|it| it.src == Some("10.1.0.1".parse().unwrap()) && !is_by(it, &some(&["q1"])))
        );
        // One that is not there is none.
        assert!(host(&kernel, Some(&[4_000_000].into()), true).links.is_empty());
    });
}
