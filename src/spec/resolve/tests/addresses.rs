//! Automatic addresses, and names that are made up.

use super::{good, said, taken};
use crate::kind::Topology;

/// The addresses of every end of a link that has any, by its name in the file.
fn given(topology: &Topology) -> Vec<String> {
    let ends = topology.links.iter().flat_map(|link| &link.ends);
    let managed = ends.filter(|end| !end.addresses.is_empty());
    let list = managed.map(|end| {
        let addresses: Vec<String> = end.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", end.label, addresses.join(" "))
    });
    list.collect()
}

#[test]
fn the_lowest_free_address_of_each_subnet_is_given_in_file_order() {
    let topology = good(
        r#"name: lab
namespaces: { a: {}, b: {}, c: {}, d: {} }
bridges: { br0: { addresses: [10.0.0.1/24, "fd00::1/64"] } }
links:
  - endpoints: ["a:eth0", br0]
  - endpoints: ["b:eth0 10.0.0.3/24", br0]
  - endpoints: [br0, "c:eth0"]
  - endpoints: ["d:eth0 10.0.0.2/16", br0]
"#,
    );
    // Explicit ones come first, wherever they stand, and of whatever length; fd00:: is the routers' anycast address.
    let expected =
        ["a:eth0 10.0.0.4/24 fd00::2/64", "b:eth0 10.0.0.3/24", "c:eth0 10.0.0.5/24 fd00::3/64", "d:eth0 10.0.0.2/16"];
    assert_eq!(given(&topology), expected);
}

#[test]
fn both_addresses_of_a_link_of_two_are_given_and_neither_network_nor_broadcast_of_a_larger_one() {
    let topology = good(
        r#"name: lab
namespaces: { a: {}, b: {} }
links:
  - { subnet: 10.0.0.2/31, endpoints: ["a:e0", "b:e0"] }
  - { subnet: "fd00::2/127", endpoints: ["a:e1", "host:b1"] }
  - { subnet: 10.1.0.0/30, endpoints: ["a:e2", "b:e2"] }
  - { subnet: "fd00:1::/64", endpoints: ["a:e3", "b:e3"] }
"#,
    );
    let expected = [
        "a:e0 10.0.0.2/31",
        "b:e0 10.0.0.3/31",
        "a:e1 fd00::2/127",
        "host:b1 fd00::3/127",
        "a:e2 10.1.0.1/30",
        "b:e2 10.1.0.2/30",
        "a:e3 fd00:1::1/64",
        "b:e3 fd00:1::2/64",
    ];
    assert_eq!(given(&topology), expected);
}

#[test]
fn a_link_may_have_a_subnet_of_each_family() {
    let topology = good(
        r#"name: lab
namespaces: { a: {}, b: {} }
links:
  - { subnet: [10.0.0.2/31, "fd00::2/127"], endpoints: ["a:e0", "b:e0"] }
  - { subnet: ["fd00:1::/64", 10.1.0.0/24], endpoints: ["a:e1", "b:e1 10.1.0.9/24"] }
"#,
    );
    let expected = [
        "a:e0 10.0.0.2/31 fd00::2/127",
        "b:e0 10.0.0.3/31 fd00::3/127",
        "a:e1 10.1.0.1/24 fd00:1::1/64",
        "b:e1 10.1.0.9/24",
    ];
    assert_eq!(given(&topology), expected);
}

#[test]
fn a_subnet_is_one_however_often_it_is_there() {
    let topology = good(
        r#"name: lab
namespaces: { a: {}, b: {} }
bridges:
  br0: { addresses: [10.0.0.1/24, 10.0.0.2/24, 10.0.0.200/32], subnets: [10.0.0.0/24] }
  br1: { subnets: [10.1.0.0/24, 10.1.0.0/24] }
links:
  - endpoints: ["a:e0", br0]
  - endpoints: ["b:e0", br1]
  - { subnet: [10.2.0.0/24, 10.2.0.0/24], endpoints: ["a:e1", "b:e1"] }
"#,
    );
    assert_eq!(given(&topology), ["a:e0 10.0.0.3/24", "b:e0 10.1.0.1/24", "a:e1 10.2.0.1/24", "b:e1 10.2.0.2/24"]);
}

#[test]
fn none_is_given_where_the_file_asks_for_none_or_somebody_else_owns_the_segment() {
    let topology = good(
        r#"name: lab
namespaces: { a: {}, b: {}, c: {}, d: {} }
bridges:
  br0: { addresses: [10.0.0.1/24] }
  pool: { subnets: [10.1.0.0/24] }
  none: {}
  docker0: { external: true, subnets: [172.17.0.0/16] }
links:
  - endpoints: [{ namespace: a, interface: e0, addresses: [] }, br0]
  - endpoints: ["host:h0", br0]
  - endpoints: ["b:e0", pool]
  - endpoints: ["c:e0", none]
  - endpoints: ["d:e0", docker0]
  - endpoints: ["a:e1", "b:e1 10.2.0.1/24"]
"#,
    );
    assert_eq!(given(&topology), ["b:e0 10.1.0.1/24", "b:e1 10.2.0.1/24"]);
}

#[test]
fn an_exhausted_subnet_is_an_error_at_the_end_that_gets_none() {
    let text = r#"name: lab
namespaces: { a: {}, b: {}, c: {} }
bridges: { br0: { addresses: [10.0.0.1/30] } }
links:
  - endpoints: ["a:eth0", br0]
  - endpoints: ["b:eth0", br0]
  - { subnet: 10.1.0.1/32, endpoints: ["a:eth1", "c:eth0"] }
"#;
    insta::assert_snapshot!(said(text));
}

#[test]
fn a_made_up_port_name_is_short_and_depends_on_nothing_else() {
    let devices = |text: &str| -> Vec<String> {
        let links = good(text).links;
        links
            .iter()
            .flat_map(|link| &link.ends)
            .filter(|end| end.bridge.is_some())
            .map(|end| end.device.clone())
            .collect()
    };
    let lab = |prefix: &str, links: &str| {
        format!(
            "name: lab\nprefix: '{prefix}'\nnamespaces: {{ web: {{}}, a-long-name: {{}} }}\nbridges: {{ br0: {{}}, br1: {{ namespace: web }} }}\nlinks: [{links}]\n"
        )
    };
    let one = r#"{ endpoints: ["web:eth0", br0] }"#;
    let long = r#"{ endpoints: ["a-long-name:eth0", br0] }"#;
    let inside = r#"{ endpoints: ["a-long-name:eth1", br1] }"#;
    assert_eq!(
        devices(&lab("", &format!("{one}, {long}, {inside}"))),
        ["web-eth0", "a-long-n-1bed0b", "a-long-n-1beb58"]
    );
    assert_eq!(devices(&lab("", long)), ["a-long-n-1bed0b"]);
    // The prefix stands before what is in the host, and never before what is in a namespace of ours.
    assert_eq!(devices(&lab("p-", &format!("{one}, {inside}"))), ["p-web-eth0", "a-long-n-1beb58"]);
}

#[test]
fn a_next_hop_behind_a_route_of_the_file_comes_after_it() {
    let topology = good(
        r#"name: lab
namespaces:
  a: { routes: [{ to: 10.9.0.0/16, via: 10.50.0.1, dev: eth0 }, { to: 10.8.0.0/16, via: 10.50.0.1 }, { to: 10.50.0.0/24, dev: eth0 }] }
links:
  - endpoints: ["a:eth0 10.0.0.2/24", "host:a0 10.0.0.1/24"]
"#,
    );
    assert_eq!(topology.routes.iter().map(|route| route.by_route).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_sysctl_of_forwarding_says_that_the_namespace_forwards() {
    let topology = good("name: lab\nnamespaces: { r: { sysctls: { net.ipv4.conf.all.forwarding: 1 } }, s: {} }\n");
    let of = |at: usize| topology.namespaces[at].sysctls.values().cloned().collect::<Vec<_>>();
    assert_eq!((of(0), of(1)), (vec!["1".to_owned(), "0".to_owned()], vec!["0".to_owned(), "0".to_owned()]));
}

#[test]
fn a_default_route_of_the_file_comes_before_a_gateways_whatever_its_metric() {
    let topology = taken(
        r#"name: lab
namespaces:
  a: { routes: [{ to: default, via: "e:x0", metric: 50 }] }
  b: { routes: [{ to: default, via: 10.0.0.9, table: 100 }, { to: "::/0", nexthops: [{ via: "fd00::9" }, { via: "fd00::8" }] }] }
  c: {}
  e: {}
bridges: { br0: { addresses: [10.0.0.1/24, "fd00::1/64"] } }
links:
  - endpoints: ["a:eth0", br0]
  - endpoints: ["b:eth0", br0]
  - endpoints: [{ namespace: c, interface: eth0, up: false }, br0]
  - endpoints: ["e:x0", br0]
  - endpoints: ["e:x1", br0]
gateways: [{ bridge: br0, members: [a, b, c, e] }]
"#,
    );
    let members: Vec<String> =
        topology.gateways[0].members.iter().map(|it| format!("{} {} {}", it.label, it.via.unwrap(), it.dev)).collect();
    // By an end that is down no route can lead; one that is on the segment twice goes by its first interface.
    assert_eq!(members, ["a fd00::1 eth0", "b 10.0.0.1 eth0", "e 10.0.0.1 x0", "e fd00::1 x0"]);
}
