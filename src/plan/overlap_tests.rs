use super::*;
use crate::plan::testing::{observed, topology};

const LAB: &str = "
name: lab
namespaces: {web: {}, db: {}}
bridges: {br0: {addresses: [10.1.0.1/24, 'fd00:1::1/64']}}
links:
  - endpoints: ['web:eth0 10.1.0.2/24', br0]
  - endpoints: ['web:eth1 10.50.0.1/24', 'db:eth1 10.50.0.2/24']
";

/// The findings on a host with one more device, with an address or a route.
fn on(text: &str, device: &str, host: &str) -> Vec<String> {
    let links = format!("[{{index: 1, name: lo, mtu: 65536, up: true}}, {{index: 2, mtu: 1500, {device}}}]");
    let snapshot: Snapshot =
        serde_yaml::from_str(&format!("namespaces: {{host: {{links: {links}, {host}}}}}")).unwrap();
    let topology = topology(text);
    let observed = observed(&topology, &snapshot);
    let found = find(&topology.name, &topology, &snapshot, &observed);
    found.iter().map(|it| format!("{}\n{}", it.message, it.help.as_deref().unwrap_or_default())).collect()
}

fn route(to: &str, table: u32) -> String {
    format!(
        "routes: [{{to: '{to}', table: {table}, metric: 0, protocol: 3, kind: unicast, nexthops: [{{link: 2, weight: 1}}]}}]"
    )
}

fn by(device: &str, to: &str) -> Vec<String> {
    on(LAB, device, &route(to, TABLE_MAIN))
}

const ETH0: &str = "name: eth0, up: true";

#[test]
fn whoever_is_cut_off_is_named() {
    let one = |device: &str, to: &str| by(device, to).concat();
    let all = [
        one(ETH0, "10.0.0.0/8"),
        one(ETH0, "10.1.0.0/24"),
        one("name: tun0, up: true, kind: tun", "10.1.0.128/25"),
        one("name: br-1a2b3c4d5e6f, up: true, kind: bridge", "10.1.0.0/16"),
        one("name: lan, up: true, kind: bridge, alias: 'netwright:other/bridge.lan'", "fd00:1::/64"),
        on(LAB, "name: wg0, up: true, kind: wireguard", &route("10.1.0.0/16", 52)).concat(),
        on(LAB, ETH0, "addresses: [{link: 1, address: 10.1.0.9/32}]").concat(),
        on(LAB, "name: virbr0, up: false, kind: bridge", "addresses: [{link: 2, address: 10.1.0.9/24}]").concat(),
    ]
    .join("\n\n");
    insta::assert_snapshot!(all);
}

#[test]
fn ways_to_everywhere_and_places_apart_are_no_overlap() {
    for to in ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "::/1", "::/3", "fc00::/7", "fe80::/64", "10.2.0.0/16"]
    {
        assert_eq!(by(ETH0, to), [""; 0], "{to}");
    }
    assert_eq!(by(ETH0, "10.50.0.0/24"), [""; 0], "that subnet is in namespaces alone");
    assert_eq!(by("name: red, up: true, kind: vrf", "10.1.0.0/24"), [""; 0], "a VRF is a host of its own");
    assert_eq!(by("name: br0, up: true, alias: 'netwright:lab/bridge.br0'", "10.1.0.0/24"), [""; 0], "it is ours");
}

#[test]
fn a_route_of_the_file_overlaps_in_its_own_table() {
    let lab = |table: &str| {
        let host = format!("host: {{routes: [{{to: 172.20.0.0/14, via: 10.1.0.2{table}}}]}}, ");
        LAB.replace("namespaces: {", &format!("namespaces: {{{host}"))
    };
    let docker = "name: docker0, up: true, kind: bridge";
    let found = on(&lab(""), docker, &route("172.21.0.0/16", TABLE_MAIN));
    let found = found.concat();
    insta::assert_snapshot!(found);
    assert_eq!(on(&lab(", table: 100"), docker, &route("172.21.0.0/16", TABLE_MAIN)), [""; 0]);
    assert_eq!(on(&lab(", table: 100"), docker, &route("172.21.0.0/16", 100)).len(), 1);
}
