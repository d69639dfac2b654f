//! Subnets that do not go together: what is said of them, and what is much alike and right.

use super::{good, lint::warned};

lint! {
    ends_of_a_link_on_subnets_that_have_nothing_in_common: warned r#"name: lab
namespaces: { web: {}, db: {}, six: {}, pool: {} }
links:
  - endpoints: ["web:eth0 10.0.0.1/24", "db:eth0 10.1.0.2/24"]
  # One family is right, the other is not.
  - endpoints: ["web:six 10.2.0.1/24 fd00::1/64", "six:eth0 10.2.0.2/24 fd01::2/64"]
  # Both of a link of two, but of two links.
  - endpoints: ["web:eth1 10.3.0.1/31", "db:eth1 10.3.0.2/31"]
  - { subnet: 10.4.0.0/24, endpoints: ["web:pool 10.5.0.1/24", "pool:eth0"] }
"#, right
        // One is enough that is in common, be it of one length or not; each family by itself.
        r#"name: lab
namespaces: { web: {}, db: {} }
links:
  - endpoints: ["web:eth0 10.0.0.1/24 10.1.0.1/24", "db:eth0 10.1.0.2/24 10.9.0.2/24"]
  - endpoints: ["web:eth1 10.2.0.1/16", "db:eth1 10.2.0.2/24"]
  - endpoints: ["web:eth2 10.3.0.1/24", "db:eth2 fd00::1/64"]
"#,
        // Unnumbered, with routes that lead to the other.
        r#"name: lab
namespaces:
  web: { forwarding: true, routes: [{ to: 10.1.0.2/32, dev: eth0 }, { to: 10.9.0.0/16, via: 10.1.0.2, dev: eth0 }] }
  db: { routes: [{ to: 10.0.0.1/32, dev: eth0 }] }
  far: { routes: [{ to: default, via: 10.7.0.1, dev: eth0, onlink: true }] }
  six: { routes: [{ to: "::/0", via: "fe80::1", dev: eth0 }] }
links:
  - endpoints: ["web:eth0 10.0.0.1/24", "db:eth0 10.1.0.2/24"]
  - endpoints: ["web:eth1 10.7.0.1/24", "far:eth0 10.2.0.2/24"]
  - endpoints: ["web:eth2 fe80::1/64 fd00::1/64", "six:eth0 fe80::2/64 fd01::1/64"]
"#,
        // Peers, an end that is left to others, one that is down, the host, link-local addresses.
        r#"name: lab
namespaces: { web: {}, db: {} }
links:
  - endpoints: ["web:eth0 10.255.0.1/32", "db:eth0 10.255.0.2/32"]
  - endpoints: ["web:eth1 10.1.0.1/24", "db:eth1"]
  - endpoints: ["web:eth2 10.2.0.1/24", "host:web 10.9.0.2/24"]
  - endpoints: [{ namespace: web, interface: eth3, addresses: [10.3.0.1/24] }, { namespace: db, interface: eth3, addresses: [10.4.0.1/24], up: false }]
  - endpoints: ["web:eth4 fe80::1/64", "db:eth4 fe80::2/64 fd00::2/64"]
"#,
        // Who answers for others, and who is meant to be apart.
        r#"name: lab
namespaces: { web: {}, db: {}, all: { sysctls: { net.ipv4.conf.all.proxy_arp: 1 } } }
links:
  - endpoints: ["web:eth0 10.0.0.1/24", "db:eth0 10.1.0.2/24"]
  - endpoints: ["web:eth1 10.2.0.1/24", "all:eth0 10.3.0.2/24"]
checks: [{ from: web, to: 10.1.0.2, expect: blocked }]
"#;
    a_member_who_is_on_anothers_subnet_and_has_nobody_on_its_own: warned r#"name: lab
namespaces: { web: {}, db: {} }
links: [{ endpoints: ["web:eth0 10.0.0.1/24", "db:eth0 10.0.0.200/25"] }]
"#, right
        // Each on the other's, or with a route.
        r#"name: lab
namespaces: { web: {}, db: { routes: [{ to: 10.0.0.0/24, dev: eth1 }] } }
links:
  - endpoints: ["web:eth0 10.0.1.1/24", "db:eth0 10.0.1.100/25"]
  - endpoints: ["web:eth1 10.0.0.1/24", "db:eth1 10.0.0.200/25"]
"#;
    subnets_of_one_segment_that_overlap: warned r#"name: lab
namespaces: { a: {}, b: {}, c: {} }
bridges:
  br0: { subnets: [10.1.0.0/24, 10.1.0.128/25, "fd00::/64"] }
  br1: { addresses: [10.2.0.1/16, 10.2.1.1/24] }
links:
  - endpoints: ["a:eth0", br0]
  - endpoints: ["b:eth0", br0]
  - endpoints: ["c:eth0", br1]
  - { subnet: [10.3.0.0/24, 10.3.0.0/28], endpoints: ["a:eth1", "b:eth1"] }
"#, right
        // Nobody gets any of them.
        r#"name: lab
namespaces: { a: {} }
bridges: { br0: { addresses: [10.1.0.1/16, 10.1.1.1/24] } }
links: [{ endpoints: ["a:eth0 10.1.0.2/16", br0] }]
"#;
    a_member_of_a_bridge_whose_subnet_is_nobody_elses: warned r#"name: lab
namespaces: { web: {}, db: {}, app: {}, lone: {} }
bridges: { br0: {}, br1: { addresses: [10.2.0.1/24] }, br2: {}, br3: {} }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["app:eth0 10.0.1.4/24", br0]
  - endpoints: ["db:eth0 10.0.0.3/24", br0]
  - endpoints: ["lone:eth0 10.3.0.2/24", br1]
  # Across a cable between two bridges.
  - endpoints: ["web:eth1 10.4.0.2/24", br2]
  - endpoints: ["db:eth1 10.5.0.2/24", br3]
  - endpoints: [br2, br3]
"#, right
        // Two subnets on one switch, each with somebody in it; a router on both; one alone.
        r#"name: lab
namespaces: { a: {}, b: {}, c: {}, d: {}, r: { forwarding: true } }
bridges: { br0: {}, br1: {}, br2: {} }
links:
  - endpoints: ["a:eth0 10.0.0.2/24", br0]
  - endpoints: ["b:eth0 10.0.0.3/24", br0]
  - endpoints: ["c:eth0 10.0.1.2/24", br0]
  - endpoints: ["d:eth0 10.0.1.3/24", br0]
  - endpoints: ["a:eth1 10.1.0.2/24", br1]
  - endpoints: ["b:eth1 10.2.0.2/24", br1]
  - endpoints: ["r:eth0 10.1.0.1/24 10.2.0.1/24", br1]
  - endpoints: ["a:eth2 10.3.0.2/24", br2]
"#,
        // Somebody's addresses are left to others, or the bridge is; one counts on a router that the file does not have.
        r#"name: lab
namespaces: { a: {}, b: {}, c: {}, d: { routes: [{ to: default, via: 10.8.0.1 }] } }
bridges: { br0: {}, br1: { external: true }, br2: { ports: [eth1] }, br3: {} }
links:
  - endpoints: ["a:eth0 10.0.0.2/24", br0]
  - endpoints: ["b:eth0 10.1.0.2/24", br0]
  - endpoints: ["c:eth0", br0]
  - endpoints: ["a:eth1 10.2.0.2/24", br1]
  - endpoints: ["b:eth1 10.3.0.2/24", br1]
  - endpoints: ["a:eth2 10.4.0.2/24", br2]
  - endpoints: ["b:eth2 10.5.0.2/24", br2]
  - endpoints: ["a:eth3 10.7.0.2/24", br3]
  - endpoints: ["d:eth3 10.8.0.2/24", br3]
"#;
}
