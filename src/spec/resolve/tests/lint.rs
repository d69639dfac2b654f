//! What can be applied and will not do what is meant: word for word what is said of it, and beside each what is much alike
//! and right.

use super::{good, read, said};
use crate::{
    report::diagnostic::{Style, render},
    spec::{self, Format, resolve::resolve},
};

/// What is said of a file that is taken, drawn.
pub fn warned(text: &str) -> String {
    let (source, topology, diagnostics) = read(text);
    let drawn = render(&diagnostics, &[source], Style::default());
    assert!(topology.is_some(), "refused: {drawn}");
    drawn
}

/// A case: what is warned of, and what is not.
macro_rules! lint {
    ($($name:ident: $said:ident $wrong:expr, right $($right:expr),+;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), $said($wrong));
            $(good($right);)+
        }
    )*};
}

/// Two namespaces and a router between them; `edge` takes what is said of it.
macro_rules! routed {
    ($edge:literal, $via:literal) => {
        concat!(
            "name: lab\nnamespaces:\n  web: { routes: [{ to: 10.1.0.0/24, via: ",
            $via,
            " }] }\n  db: { routes: [{ to: 10.0.0.0/24, dev: eth0 }] }\n  edge: ",
            $edge,
            "\nlinks:\n  - endpoints: [\"web:eth0 10.0.0.2/24\", \"edge:lan0 10.0.0.1/24\"]\n  - endpoints: [\"db:eth0 10.1.0.2/24\", \"edge:lan1 10.1.0.1/24\"]\n"
        )
    };
}

lint! {
    a_mac_that_is_there_twice: said r#"name: lab
namespaces: { web: {}, db: {}, app: {} }
bridges: { br0: { mac: "02:00:00:00:00:01" }, br1: {} }
links:
  - endpoints: [{ namespace: web, interface: eth0, mac: "02:00:00:00:00:03" }, br0]
  - endpoints: [{ namespace: db, interface: eth0, mac: "02:00:00:00:00:03" }, br1]
  - endpoints: [{ namespace: app, interface: eth0, mac: "02:00:00:00:00:01" }, br1]
  - endpoints: [br0, br1]
"#, right
        // The same on two networks, and a bridge's on its own port.
        r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { mac: "02:00:00:00:00:01" }, br1: {} }
links:
  - endpoints: [{ namespace: web, interface: eth0, mac: "02:00:00:00:00:03" }, { bridge: br0, mac: "02:00:00:00:00:01" }]
  - endpoints: [{ namespace: db, interface: eth0, mac: "02:00:00:00:00:03" }, br1]
"#;
    mtus_that_differ_on_a_segment: warned r#"name: lab
namespaces: { web: {}, db: {}, far: {}, old: {} }
bridges: { br0: {} }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["db:eth0 10.0.0.3/24", br0]
    mtu: 9000
  - endpoints: [{ namespace: far, interface: eth0, addresses: [10.1.0.2/24], mtu: 1400 }, "old:eth0 10.1.0.3/24"]
"#, right
        // A port that takes more than is sent harms nobody, nor does another network.
        r#"name: lab
namespaces: { web: {}, db: {}, a: {}, b: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["web:eth0", { bridge: br0, mtu: 9000 }]
  - endpoints: ["db:eth0", br0]
  - endpoints: ["a:eth0 10.1.0.2/24", "b:eth0 10.1.0.3/24"]
    mtu: 9000
"#,
        r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { addresses: [10.0.0.1/24], mtu: 9000 } }
links:
  - { endpoints: ["web:eth0", br0], mtu: 9000 }
  - { endpoints: ["db:eth0", br0], mtu: 9000 }
"#;
    an_mtu_of_a_bridge_that_its_ports_do_not_take: warned r#"name: lab
namespaces: { web: {} }
bridges: { br0: { addresses: [10.0.0.1/24], mtu: 9000 } }
links: [{ endpoints: ["web:eth0", br0] }]
"#, right
        // Without an address of its own a bridge sends nothing.
        r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { mtu: 9000 } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", br0] }, { endpoints: ["db:eth0 10.0.0.3/24", br0] }]
"#;
    a_route_with_a_larger_mtu_than_its_device: warned r#"name: lab
namespaces: { web: { routes: [{ to: default, via: 10.0.0.1, mtu: 9000 }] }, edge: { forwarding: true } }
bridges: { br0: { addresses: [10.0.1.1/24] } }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", "edge:lan0 10.0.0.1/24"]
  - endpoints: ["edge:lan1 10.0.1.2/24", br0]
    mtu: 4000
"#, right
        r#"name: lab
namespaces:
  web: { routes: [{ to: default, via: 10.0.0.1, mtu: 9000 }] }
  edge: { forwarding: true }
  host: { routes: [{ to: 10.8.0.0/16, via: 10.0.1.2, mtu: 4000 }, { to: 10.9.0.0/16, via: 172.17.0.2, mtu: 9000 }] }
bridges: { br0: { addresses: [10.0.1.1/24] }, docker0: { external: true } }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", "edge:lan0 10.0.0.1/24"]
    mtu: 9000
  - endpoints: ["edge:lan1 10.0.1.2/24", br0]
    mtu: 4000
"#;
    a_next_hop_that_nobody_has: warned routed!("{ forwarding: true }", "10.0.0.254"), right
        routed!("{ forwarding: true }", "10.0.0.1"),
        // Whose addresses are left to others, may have it; so may whoever is on an external bridge.
        r#"name: lab
namespaces: { web: { routes: [{ to: default, via: 10.0.0.254 }] }, db: {} }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", "db:eth0"] }]
"#,
        r#"name: lab
namespaces: { web: { routes: [{ to: default, via: 172.17.0.1 }] } }
bridges: { docker0: { external: true } }
links: [{ endpoints: ["web:eth0 172.17.0.2/16", docker0] }]
"#,
        r#"name: lab
namespaces: { web: { routes: [{ to: default, via: 10.0.0.254 }] } }
bridges: { br0: { addresses: [10.0.0.1/24], ports: [eth1] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", br0] }]
"#,
        // Link-local addresses come by themselves.
        r#"name: lab
namespaces: { web: { routes: [{ to: default, via: "fe80::1", dev: eth0 }] }, db: {} }
links: [{ endpoints: ["web:eth0 fe80::2/64", "db:eth0 fd00::1/64"] }]
"#,
        // Across a link between two bridges somebody has it.
        r#"name: lab
namespaces: { web: { routes: [{ to: default, via: 10.0.0.254 }] }, edge: { forwarding: true } }
bridges: { br0: {}, br1: {} }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", br0] }, { endpoints: ["edge:eth0 10.0.0.254/24", br1] }, { endpoints: [br0, br1] }]
"#;
    a_next_hop_that_is_oneself: warned routed!("{ forwarding: true }", "\"web:eth0\""), right
        routed!("{ forwarding: true }", "\"edge:lan0\"");
    a_next_hop_that_is_oneself_in_ipv6: said r#"name: lab
namespaces: { web: { routes: [{ to: "fd09::/64", via: "fd00::2" }] } }
links: [{ endpoints: ["web:eth0 fd00::2/64", "host:w0 fd00::1/64"] }]
"#, right r#"name: lab
namespaces: { web: { routes: [{ to: "fd09::/64", via: "fd00::1" }] } }
links: [{ endpoints: ["web:eth0 fd00::2/64", "host:w0 fd00::1/64"] }]
"#;
    a_router_that_does_not_forward: warned routed!("{}", "10.0.0.1"), right
        routed!("{ forwarding: true }", "10.0.0.1"),
        routed!("{ sysctls: { net.ipv4.ip_forward: 1 } }", "10.0.0.1"),
        routed!("{ sysctls: { net.ipv4.conf.lan0.forwarding: 1 } }", "10.0.0.1"),
        concat!(routed!("{}", "10.0.0.1"), "gateways: [{ namespace: edge, interface: lan0 }]\n"),
        // What it leads to is the next hop's own.
        r#"name: lab
namespaces: { web: { routes: [{ to: 10.255.0.0/24, via: 10.0.0.1 }, { to: 10.254.0.1, via: 10.0.0.1 }] }, db: { addresses: [10.255.0.1/32, 10.254.0.1/32] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", "db:eth0 10.0.0.1/24"] }]
"#,
        // Who stands for the internet passes nothing on: there the way ends.
        r#"name: lab
namespaces: { web: { routes: [{ to: default, via: 10.0.0.1 }] }, internet: { addresses: [192.0.2.1/32] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", "internet:eth0 10.0.0.1/24"] }]
"#,
        // The host is not the lab's to judge.
        r#"name: lab
namespaces: { web: { routes: [{ to: default, via: 10.0.0.1 }] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", "host:w0 10.0.0.1/24"] }]
"#;
    a_router_whose_forwarding_is_off: warned routed!("{ forwarding: false }", "10.0.0.1"), right
        routed!("{ forwarding: true }", "10.0.0.1");
    a_forward_to_an_address_that_nobody_has: warned r#"name: lab
namespaces: { web: {}, out: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", br0] }, { endpoints: ["out:eth0 10.1.0.2/24", "host:up 10.1.0.1/24"] }]
gateways: [{ bridge: br0 }]
nat: [{ dnat: 203.0.113.7, to: 10.0.0.9 }]
port_forwards: [{ listen: 80, to: "10.0.0.20:80" }]
"#, right
        r#"name: lab
namespaces: { web: {}, out: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", br0] }, { endpoints: ["out:eth0 10.1.0.2/24", "host:up 10.1.0.1/24"] }]
gateways: [{ bridge: br0 }]
nat: [{ dnat: 203.0.113.7, to: 10.0.0.2 }, { dnat: 203.0.113.16/28, to: 10.0.0.16/28 }]
port_forwards: [{ listen: 80, to: "10.0.0.2:80" }, { listen: 81, to: "192.0.2.1:80" }]
"#,
        r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links: [{ endpoints: ["web:eth0", br0] }, { endpoints: [{ namespace: db, interface: eth0, addresses: [] }, br0] }]
gateways: [{ bridge: br0 }]
port_forwards: [{ listen: 80, to: "10.0.0.20:80" }]
"#;
    a_member_outside_of_its_gateways_subnet: warned r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { addresses: [10.0.0.1/24, "fd00::1/64"] } }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["db:eth0 10.0.1.3/24", br0]
gateways: [{ bridge: br0 }]
"#, right
        r#"name: lab
namespaces: { web: {} }
bridges: { br0: { addresses: [10.0.0.1/24, "fd00::1/64"] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24 fe80::2/64", br0] }]
gateways: [{ bridge: br0 }]
"#,
        // One of another family, one with its own default route, one that another gateway serves, one that is not meant.
        r#"name: lab
namespaces: { six: {}, own: { routes: [{ to: default, via: 10.0.1.9 }] }, other: {}, edge: {}, left: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["six:eth0 fd00::2/64", br0]
  - endpoints: ["own:eth0 10.0.1.3/24", br0]
  - endpoints: ["other:eth0 10.0.1.4/24", br0]
  - endpoints: ["edge:lan0 10.0.1.9/24", br0]
  - endpoints: ["left:eth0 10.0.2.5/24", br0]
gateways: [{ bridge: br0, members: [six, own, other, edge] }, { namespace: edge, interface: lan0, members: [other] }]
"#;
    a_range_from_which_nothing_comes: warned r#"name: lab
namespaces: { web: {}, db: {}, out: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["db:eth0 10.0.0.3/24", br0]
  - endpoints: ["host:up0 203.0.113.1/24", "out:eth0 203.0.113.7/24"]
nat: [{ masquerade: 10.0.0.0/24 }]
"#, right
        // One that has a way is enough, and in a range of which nobody is in the file anyone may be.
        r#"name: lab
namespaces: { web: { routes: [{ to: default, via: 10.0.0.1 }] }, db: {}, out: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["db:eth0 10.0.0.3/24", br0]
  - endpoints: ["host:up0 203.0.113.1/24", "out:eth0 203.0.113.7/24"]
nat: [{ masquerade: 10.0.0.0/24 }, { masquerade: 10.7.0.0/24 }, { snat: "fd00::/64", to: "fd01::1" }]
"#;
    a_namespace_that_nothing_reaches: warned r#"name: lab
namespaces: { web: {}, db: {}, batch: { addresses: [10.255.0.1/32] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", "db:eth0 10.0.0.3/24"] }]
"#, right
        // A check says that it is meant to be alone; without any link all are.
        r#"name: lab
namespaces: { web: {}, db: {}, batch: {}, mute: {} }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", "db:eth0 10.0.0.3/24"] }]
checks: [{ from: batch, to: 10.0.0.2, expect: blocked }, { from: mute, to: mute }]
"#,
        "name: lab\nnamespaces: { web: {}, host: { routes: [{ to: 10.9.0.0/16, type: blackhole }] } }\n",
        // A bridge inside is something to plug into.
        r#"name: lab
namespaces: { web: {}, db: {}, switch: {} }
bridges: { br0: { namespace: switch } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", "db:eth0 10.0.0.3/24"] }]
"#;
    an_address_on_both_of_two_joined_bridges: said r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: {}, br1: {} }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["db:eth0 10.0.0.2/24", br1]
  - endpoints: [br0, br1]
"#, right
        // Two networks, and two whose link is down.
        r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: {}, br1: {} }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["db:eth0 10.0.0.2/24", br1]
"#,
        r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: {}, br1: {} }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["db:eth0 10.0.0.2/24", br1]
  - endpoints: [{ bridge: br0, up: false }, br1]
"#;
    a_loop_that_nothing_cuts: warned r#"name: lab
bridges: { br0: {}, br1: {}, br2: {} }
links: [{ endpoints: [br0, br1] }, { endpoints: [br1, br2] }, { endpoints: [br2, br0] }]
"#, right
        // One bridge that speaks it cuts the loop: the others pass its frames on. An external one may.
        r#"name: lab
bridges: { br0: { stp: true }, br1: {}, br2: {} }
links: [{ endpoints: [br0, br1] }, { endpoints: [br1, br2] }, { endpoints: [br2, br0] }]
"#,
        r#"name: lab
bridges: { br0: {}, docker0: { external: true } }
links: [{ endpoints: [br0, docker0] }, { endpoints: [{ bridge: br0, interface: a }, { bridge: docker0, interface: b }] }]
"#,
        r#"name: lab
bridges: { br0: {}, br1: {}, br2: {} }
links: [{ endpoints: [br0, br1] }, { endpoints: [br1, br2] }, { endpoints: [br2, { bridge: br0, up: false }] }]
"#;
    a_next_hop_beyond_a_bridge_inside: said r#"name: lab
namespaces: { edge: { routes: [{ to: default, via: 10.9.0.1 }] }, web: {} }
bridges: { br0: { namespace: edge, addresses: [10.0.0.1/24] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", br0] }]
"#, right r#"name: lab
namespaces: { edge: { routes: [{ to: default, via: 10.9.0.1 }] }, web: {} }
bridges: { br0: { namespace: edge } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", br0] }]
"#;
}

#[test]
fn help_is_in_the_notation_of_the_file() {
    let text = r#"name = "lab"
namespaces.web = {}
namespaces.edge.forwarding = true
bridges.br0 = { namespace = "edge", addresses = ["10.0.0.1/24"] }
links = [{ endpoints = ["web:eth0", "br0"] }]
nat = [{ masquerade = "10.0.0.0/24", namespace = "edge" }]
"#;
    let (_, file, _) = spec::parse(text.as_bytes(), "lab.toml", Format::Toml);
    let (_, diagnostics) = resolve(&file.unwrap());
    let helps: Vec<_> = diagnostics.0.into_iter().filter_map(|it| it.help).collect();
    assert_eq!(helps, [r#"add `gateways = [{ bridge = "br0" }]`, or give them default routes"#]);
}

lint! {
    a_target_that_cannot_answer: warned
        "name: u\nnamespaces: { a: {} }\nbridges: { br0: { addresses: [10.0.0.1/24] } }\nlinks: [{ endpoints: ['a:e', br0] }]\nport_forwards: [{ listen: 80, to: 'a:80' }]\n",
        // The gateway's addresses are the kernel's to tell, but it has some.
        right "name: u\nnamespaces: { a: {} }\nbridges: { ext0: { external: true } }\nlinks: [{ endpoints: ['a:e 172.30.0.2/24', ext0] }]\n\
               gateways: [{ bridge: ext0 }]\nnat: [{ masquerade: 172.30.0.0/24 }]\nport_forwards: [{ listen: 8081, to: 'a:80' }]\n",
        // Who asks is hidden from the target, and the second target is the router itself.
        "name: u\nnamespaces: { c: {}, r: {}, a: {} }\nlinks:\n  - endpoints: ['c:e 10.1.0.2/24', 'r:w 10.1.0.1/24']\n  - endpoints: ['a:e 10.0.0.2/24', 'r:l 10.0.0.1/24']\n\
         nat: [{ masquerade: 10.1.0.0/24, namespace: r, out: l }]\n\
         port_forwards: [{ listen: 80, namespace: r, to: 'a:80' }, { listen: 81, namespace: r, to: '10.0.0.1:8080' }]\n\
         checks: [{ from: c, to: '10.1.0.1:80', by: a }]\n";
}

/// Two sites and what is between them, which is `world`.
macro_rules! sites {
    ($world:literal, $more:literal) => {
        concat!(
            "name: lab\nnamespaces:\n  one: { forwarding: true, routes: [{ to: default, via: 203.0.113.1 }] }\n  two: { forwarding: true, routes: [{ to: default, via: 198.51.100.1 }] }\n  world: ",
            $world,
            "\n  in: { routes: [{ to: default, via: 10.0.0.1 }] }\nlinks:\n  - endpoints: [\"one:wan 203.0.113.2/24\", \"world:one 203.0.113.1/24\"]\n  - endpoints: [\"two:wan 198.51.100.2/24\", \"world:two 198.51.100.1/24\"]\n  - endpoints: [\"one:lan 10.0.0.1/24\", \"in:eth0 10.0.0.2/24\"]\n",
            $more
        )
    };
}

/// A client with a route to a network behind a router; `db` is there.
macro_rules! far {
    ($db:literal, $more:literal) => {
        concat!(
            "name: lab\nnamespaces: { web: { routes: [{ to: 10.1.0.0/24, via: \"edge:lan0\" }] }, edge: { forwarding: true }, db: ",
            $db,
            " }\nlinks:\n  - endpoints: [\"web:eth0 10.0.0.2/24\", \"edge:lan0 10.0.0.1/24\"]\n  - endpoints: [\"db:eth0 10.1.0.2/24\", \"edge:lan1 10.1.0.1/24\"]\n",
            $more
        )
    };
}

lint! {
    a_router_between_two_that_does_not_forward: warned sites!("{}", ""), right
        sites!("{ forwarding: true }", ""),
        // It has an address that stands for all that is out there, or is what is asked.
        sites!("{ addresses: [192.0.2.1/32] }", ""),
        sites!("{}", "checks: [{ from: in, to: 203.0.113.1 }]\nnat: [{ masquerade: 10.0.0.0/24, namespace: one, out: wan }]\n"),
        // By two links to one and the same, and by one only: nothing is passed on.
        r#"name: lab
namespaces: { edge: { routes: [{ to: default, via: 203.0.113.1 }, { to: default, via: 198.51.100.1, metric: 50 }] }, world: {} }
links:
  - endpoints: ["edge:a 203.0.113.2/24", "world:a 203.0.113.1/24"]
  - endpoints: ["edge:b 198.51.100.2/24", "world:b 198.51.100.1/24"]
"#,
        r#"name: lab
namespaces: { edge: { routes: [{ to: default, via: 203.0.113.1 }] }, other: {}, world: {} }
links:
  - endpoints: ["edge:a 203.0.113.2/24", "world:a 203.0.113.1/24"]
  - endpoints: ["other:a 198.51.100.2/24", "world:b 198.51.100.1/24"]
"#;
    a_default_route_by_a_router_that_has_routes_and_does_not_forward: warned
        "name: lab\nnamespaces: { web: { routes: [{ to: default, via: 10.0.0.1 }] }, edge: { routes: [{ to: default, via: 10.1.0.1 }] }, out: {} }\nlinks: [{ endpoints: ['web:e 10.0.0.2/24', 'edge:l 10.0.0.1/24'] }, { endpoints: ['out:e 10.1.0.1/24', 'edge:w 10.1.0.2/24'] }]\n", right
        "name: lab\nnamespaces: { web: { routes: [{ to: default, via: 10.0.0.1 }] }, edge: { forwarding: true, routes: [{ to: default, via: 10.1.0.1 }] }, out: {} }\nlinks: [{ endpoints: ['web:e 10.0.0.2/24', 'edge:l 10.0.0.1/24'] }, { endpoints: ['out:e 10.1.0.1/24', 'edge:w 10.1.0.2/24'] }]\n";
    a_translated_range_that_nobody_is_in: warned sites!("{ addresses: [192.0.2.1/32] }", "nat:\n  - { masquerade: 10.9.0.0/16, namespace: one, out: wan }\n  - { snat: 'fd00::/64', to: 'fd01::1', namespace: one }\n"), right
        sites!("{ addresses: [192.0.2.1/32] }", "nat: [{ masquerade: 10.0.0.0/8, namespace: one, out: wan }, { masquerade: 10.0.0.2, namespace: one, out: wan }]\n"),
        // Behind a router by a route; what the first translates, the second does again; the host, and whoever is left to others.
        "name: lab\nnamespaces: { a: { forwarding: true, routes: [{ to: 10.9.0.0/16, via: 10.0.0.2 }] }, b: { forwarding: true } }\nlinks: [{ endpoints: ['a:e 10.0.0.1/24', 'b:e 10.0.0.2/24'] }]\n\
         nat: [{ masquerade: 10.9.7.0/24, namespace: a }, { snat: 10.0.0.0/24, to: 192.0.2.7, namespace: b }, { snat: 192.0.2.0/24, to: 10.0.0.1, namespace: a }]\n",
        "name: lab\nnamespaces: { a: {}, b: {} }\nlinks: [{ endpoints: ['a:e 10.0.0.1/24', 'b:e'] }]\nnat: [{ masquerade: 10.9.7.0/24, namespace: a }, { masquerade: 10.9.8.0/24 }]\n",
        "name: lab\nnamespaces: { a: {}, b: {} }\nlinks: [{ endpoints: ['a:e 10.0.0.1/24', 'host:e 10.0.0.2/24'] }, { endpoints: ['a:f 10.1.0.1/24', 'b:e 10.1.0.2/24'] }]\nnat: [{ masquerade: 10.9.7.0/24, namespace: a }]\n";
    a_sysctl_of_an_interface_that_is_nowhere: said
        "name: lab\nnamespaces: { a: { sysctls: { net.ipv4.conf.eth7.rp_filter: 2, net.ipv6.neigh.eht0.gc_stale_time: 7 } }, b: {} }\nlinks: [{ endpoints: ['a:eth0 10.0.0.1/24', 'b:e 10.0.0.2/24'] }]\n", right
        "name: lab\nnamespaces: { a: { sysctls: { net.ipv4.conf.eth0.rp_filter: 2, net.ipv4.conf.lo.rp_filter: 0, net.ipv4.conf.br1.rp_filter: 0, net.ipv4.conf.all.rp_filter: 0, net.ipv4.conf.sit0.rp_filter: 0 } }, b: {}, host: { sysctls: { net.ipv4.conf.eth7.rp_filter: 2 } } }\n\
         bridges: { br1: { namespace: a } }\nlinks: [{ endpoints: ['a:eth0 10.0.0.1/24', 'b:e 10.0.0.2/24'] }]\n",
        // Somebody brings devices.
        "name: lab\nnamespaces: { a: { sysctls: { net.ipv4.conf.eth7.rp_filter: 2 } } }\nbridges: { br1: { namespace: a, ports: [eth7] } }\n",
        "name: lab\nnamespaces: { a: { sysctls: { net.ipv4.conf.eth7.rp_filter: 2 } } }\nbridges: { br1: { namespace: a, external: true } }\n";
    all_names_of_one_item_that_are_undefined: said
        "name: lab\nnamespaces: { a: { routes: [{ to: default, nexthops: [{ via: 'c:e' }, { via: 'b:eth9' }, { via: 10.0.0.2, dev: e9 }] }] }, b: {} }\nlinks: [{ endpoints: ['a:e 10.0.0.1/24', 'b:e 10.0.0.2/24'] }]\n\
         checks: [{ from: d, to: f, by: g }]\n", right
        "name: lab\nnamespaces: { a: { routes: [{ to: default, via: 'b:e', dev: e }] }, b: {} }\nlinks: [{ endpoints: ['a:e 10.0.0.1/24', 'b:e 10.0.0.2/24'] }]\n";
    a_network_from_which_no_answer_comes: warned far!("{}", ""), right
        // A gateway, a route of their own, one of several who has one.
        far!("{}", "gateways: [{ namespace: edge, interface: lan1 }]\n"),
        far!("{ routes: [{ to: 10.0.0.0/24, via: 10.1.0.1 }] }", ""),
        // The router puts its own address in the place of others'; a check says that it is meant; the router alone is there.
        far!("{}", "nat: [{ masquerade: 10.0.0.0/24, namespace: edge, out: lan1 }]\n"),
        far!("{}", "checks: [{ from: web, to: db, expect: blocked }]\n"),
        // Who is left to others may have a route, and whoever answers for others needs none.
        far!("{ sysctls: { net.ipv4.conf.all.proxy_arp: 1 } }", ""),
        "name: lab\nnamespaces: { web: { routes: [{ to: 10.1.0.0/24, via: 'edge:l' }] }, edge: { forwarding: true }, db: {} }\n\
         links: [{ endpoints: ['web:e 10.0.0.2/24', 'edge:l 10.0.0.1/24'] }, { endpoints: ['edge:w 10.1.0.1/24', 'db:e'] }]\n",
        "name: lab\nnamespaces: { web: { routes: [{ to: 10.1.0.0/24, via: 'edge:l' }] }, edge: { forwarding: true } }\n\
         links: [{ endpoints: ['web:e 10.0.0.2/24', 'edge:l 10.0.0.1/24'] }, { endpoints: ['edge:w 10.1.0.1/24', 'host:e 10.1.0.2/24'] }]\n";
    a_link_local_next_hop_without_a_device: said
        "name: lab\nnamespaces: { a: { routes: [{ to: default, via: 'fe80::1' }] }, b: { forwarding: true } }\nlinks: [{ endpoints: ['a:e fd00::1/64', 'b:e fd00::2/64'] }]\n", right
        "name: lab\nnamespaces: { a: { routes: [{ to: default, via: 'fe80::1', dev: e }] }, b: { forwarding: true } }\nlinks: [{ endpoints: ['a:e fd00::1/64', 'b:e fd00::2/64'] }]\n";
    a_translated_address_that_nobody_has: warned
        "name: lab\nnamespaces: { a: { routes: [{ to: default, via: 'r:l' }] }, r: {}, b: {} }\nlinks: [{ endpoints: ['a:e 10.0.0.2/24', 'r:l 10.0.0.1/24'] }, { endpoints: ['r:w 10.1.0.1/24', 'b:e 10.1.0.2/24'] }]\n\
         nat: [{ snat: 10.0.0.0/24, to: 10.1.0.9, namespace: r, out: w }]\n", right
        // One that the router has, on that interface or on its lo; one that is routed to it.
        "name: lab\nnamespaces: { a: { routes: [{ to: default, via: 'r:l' }] }, r: { addresses: [10.1.0.9/32] }, b: {} }\nlinks: [{ endpoints: ['a:e 10.0.0.2/24', 'r:l 10.0.0.1/24'] }, { endpoints: ['r:w 10.1.0.1/24', 'b:e 10.1.0.2/24'] }]\n\
         nat: [{ snat: 10.0.0.0/25, to: 10.1.0.9, namespace: r, out: w }, { snat: 10.0.0.0/26, to: 10.1.0.1, namespace: r, out: w }, { snat: 10.0.0.0/24, to: 192.0.2.1, namespace: r, out: w }]\n",
        "name: lab\nnamespaces: { a: { routes: [{ to: default, via: 'r:l' }] }, r: {}, b: { routes: [{ to: 10.1.0.9, via: 10.1.0.1 }] } }\nlinks: [{ endpoints: ['a:e 10.0.0.2/24', 'r:l 10.0.0.1/24'] }, { endpoints: ['r:w 10.1.0.1/24', 'b:e 10.1.0.2/24'] }]\n\
         nat: [{ snat: 10.0.0.0/25, to: 10.1.0.9, namespace: r, out: w }]\n",
        // Whoever has the address on its lo answers for it on the segment.
        "name: lab\nnamespaces: { a: { routes: [{ to: 10.9.0.0/16, via: 10.0.0.9 }] }, r: { forwarding: true, addresses: [10.0.0.9/32] } }\nlinks: [{ endpoints: ['a:e 10.0.0.2/24', 'r:l 10.0.0.1/24'] }]\n";
}

#[test]
fn what_a_check_tells_is_told_once() {
    let (_, _, diagnostics) = read(far!("{}", "checks: [{ from: web, to: db }]\n"));
    assert_eq!(diagnostics.0.iter().map(|it| it.code).collect::<Vec<_>>(), ["check::unreachable"]);
}
