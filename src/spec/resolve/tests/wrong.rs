//! Files that can be read and mean nothing.

use super::said;

/// One snapshot a case.
macro_rules! wrong {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), said($text));
        }
    )*};
}

wrong! {
    undefined_names: r#"name: lab
namespaces: { web: {}, database: {} }
bridges: { br0: { namespace: wbe } }
links:
  - endpoints: ["wbe:eth0 10.0.0.1/24", br0]
  - endpoints: ["web:eth0", br1]
  - endpoints: ["web:eth1", { bridge: web, interface: x }]
  - endpoints: [{ namespace: br0, interface: x }, { bridge: br7 }]
"#;
    names_that_nothing_is_near: r#"name: lab
namespaces: { web: {} }
links:
  - endpoints: ["nowhere:eth0", "web:eth0"]
"#;
    undefined_names_behind_the_links: r#"name: lab
namespaces:
  web: { routes: [{ to: 10.9.0.0/16, via: "edge:lan0" }, { to: 10.8.0.0/16, via: "bd:eth0" }, { to: 10.7.0.0/16, dev: eht0 }] }
  edge: {}
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["web:eth0", br0]
gateways: [{ bridge: br1 }, { namespace: edge, interface: lan0 }, { bridge: br0, members: [wbe, edge] }]
nat: [{ masquerade: 10.0.0.0/24, namespace: egde }, { masquerade: 10.0.0.0/24, namespace: web, out: eth1 }]
port_forwards: [{ listen: 80, to: "wbe:80" }]
checks: [{ from: web, to: bd }]
"#;
    a_bridge_and_a_namespace_of_one_name: "name: lab\nnamespaces: { a: {} }\nbridges: { a: {}, host: {} }\n";
    two_interfaces_of_one_name: r#"name: lab
namespaces: { web: {} }
bridges: { br0: {}, br1: { interface: br0 } }
links:
  - endpoints: ["web:eth0", br0]
  - endpoints: ["web:eth0", "host:up0"]
  - endpoints: ["web:lo", "host:br0"]
"#;
    made_up_port_names_that_collide: r#"name: lab
namespaces: { a: {}, a-b: {} }
bridges: { br0: {} }
links:
  - endpoints: ["a:b-c", br0]
  - endpoints: ["a-b:c", br0]
"#;
    two_links_of_one_name: r#"name: lab
namespaces: { a: {}, b: {} }
links:
  - { name: up, endpoints: ["a:eth0", "host:a0"] }
  - { name: up, endpoints: ["b:eth0", "host:b0"] }
"#;
    names_that_are_too_long_with_the_prefix: r#"name: lab
prefix: "${name}-"
namespaces: { web: {} }
bridges: { a-long-bridge: {}, b: { interface: bridge-no-0001 } }
links:
  - endpoints: ["web:eth0", "host:web-uplink-0"]
  - endpoints: ["web:eth1", { bridge: b, interface: web-port-no-1 }]
"#;
    an_end_without_an_interface: "name: lab\nnamespaces: { a: {}, b: {} }\nlinks:\n  - endpoints: [a, \"b:eth0\"]\n";
    an_address_on_a_port: r#"name: lab
namespaces: { a: {} }
bridges: { br0: {} }
links:
  - endpoints: ["a:eth0", "br0:port0 10.0.0.9/24"]
  - { subnet: 10.0.0.0/24, endpoints: ["a:eth1", br0] }
"#;
    addresses_that_are_there_twice: r#"name: lab
namespaces: { a: { addresses: [10.0.0.3/32] }, b: {}, c: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["a:eth0 10.0.0.2/24", br0]
  - endpoints: ["b:eth0 10.0.0.2/24", br0]
  - endpoints: ["c:eth0 10.0.0.1/16", br0]
  - endpoints: ["a:eth1 10.0.0.3/24", "host:up0"]
"#;
    addresses_that_no_interface_can_have: r#"name: lab
ipv6: false
namespaces: { a: {}, b: {} }
bridges: { br0: { addresses: [10.0.0.0/24] } }
links:
  - endpoints: ["a:eth0 10.0.0.255/24", br0]
  - endpoints: ["b:eth0 10.0.0.7/24 fd00::1/64", br0]
"#;
    an_external_bridge_with_attributes: r#"name: lab
bridges: { docker0: { external: true, addresses: [172.17.0.1/16], mtu: 1400, mac: "02:00:00:00:00:01", stp: true, up: false, ports: [eth1] } }
"#;
    what_is_not_for_the_host: "name: lab\nnamespaces: { host: { loopback: true, addresses: [10.0.0.1/32], forwarding: false } }\n";
    forwarding_that_is_needed_and_off: r#"name: lab
namespaces: { edge: { forwarding: false }, web: { forwarding: false }, db: {} }
links:
  - endpoints: ["edge:lan0 10.0.0.1/24", "db:eth0 10.0.0.2/24"]
gateways: [{ namespace: edge, interface: lan0 }]
nat: [{ masquerade: 10.0.0.0/24, namespace: web }]
"#;
    a_gateway_on_no_segment: r#"name: lab
namespaces: { edge: { addresses: [10.0.0.1/32] } }
gateways: [{ namespace: edge, interface: lo }]
"#;
    a_gateway_without_an_address: r#"name: lab
namespaces: { edge: {}, web: {} }
bridges: { br0: {} }
links:
  - endpoints: ["edge:lan0", "web:eth0"]
gateways: [{ bridge: br0 }, { namespace: edge, interface: lan0 }, { bridge: br0 }]
"#;
    two_gateways_for_one: r#"name: lab
namespaces: { web: {}, edge: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["edge:lan0 10.0.0.254/24", br0]
gateways:
  - { bridge: br0, members: [web] }
  - { namespace: edge, interface: lan0, members: [web] }
"#;
    a_gateway_twice: r#"name: lab
bridges: { br0: { addresses: [10.0.0.1/24] } }
gateways: [{ bridge: br0 }, { bridge: br0 }]
"#;
    forwards_to_nowhere: r#"name: lab
namespaces: { web: {}, db: {}, far: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["web:eth0 10.0.0.2/24 10.0.0.3/24", br0]
  - endpoints: ["db:eth0", "far:eth0"]
port_forwards:
  - { listen: 80, to: "web:80" }
  - { listen: 81, to: "db:80" }
  - { listen: "[fd00::1]:82", to: "web:80" }
"#;
    forwards_that_do_not_fit: r#"name: lab
port_forwards:
  - { listen: "10.0.0.1:80", to: "10.0.0.2:80" }
  - { listen: "10.0.0.1:79-85", to: "10.0.0.2:79-85" }
"#;
    nat_that_does_not_fit: r#"name: lab
nat:
  - { masquerade: 10.0.0.0/24 }
  - { masquerade: 10.0.0.0/24 }
  - { masquerade: 10.0.0.0/24, out: eth0 }
  - { dnat: 203.0.113.7, to: 10.0.0.7 }
  - { dnat: 203.0.113.7, to: 10.0.0.8, out: eth0 }
"#;
    routes_that_lead_nowhere: r#"name: lab
namespaces:
  web:
    routes:
      - { to: 10.9.0.0/16, via: 10.1.0.1 }
      - { to: 10.8.0.0/16, via: 10.9.0.1 }
      - { to: "fd00:9::/64", via: "edge:lan0" }
      - { to: 10.7.0.0/16, nexthops: [{ via: 10.0.0.9 }, { via: 10.2.0.9 }] }
      - { to: 10.6.0.0/16, dev: eth1 }
      - { to: 10.5.0.0/16, dev: lo }
      - { to: 10.4.0.0/16, via: 10.4.0.1, dev: eth0 }
      - { to: 10.3.9.0/24, via: 10.4.0.1, dev: eth0, onlink: true }
  edge: {}
  lonely: { routes: [{ to: default, via: 10.0.0.1 }] }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", "edge:lan0 10.0.0.1/24"]
  - endpoints: [{ namespace: web, interface: eth1, addresses: [10.3.0.2/24], up: false }, "edge:lan1 10.3.0.1/24"]
"#;
    routes_that_are_there_twice: r#"name: lab
namespaces:
  web:
    routes: [{ to: default, via: 10.0.0.1 }, { to: 0.0.0.0/0, via: 10.0.0.3, metric: 0 }, { to: default, via: 10.0.0.1, metric: 5 }]
links:
  - endpoints: ["web:eth0 10.0.0.2/24", "host:w0 10.0.0.1/24"]
"#;
    a_next_hop_that_is_there_twice: r#"name: lab
namespaces:
  web: { routes: [{ to: "::/0", nexthops: [{ via: "fd00::1" }, { via: "edge:e0" }] }, { to: default, nexthops: [{ via: 10.0.0.1 }, { via: 10.0.0.1 }] }] }
  edge: { forwarding: true }
links:
  - endpoints: ["web:eth0 10.0.0.2/24 fd00::2/64", "edge:e0 10.0.0.1/24 fd00::1/64"]
"#;
    sysctls_that_are_none_of_a_namespace: r#"name: lab
ipv6: false
namespaces:
  web:
    forwarding: true
    sysctls: { net.ipv4.ip_forward: 0, net.ipv4.conf.all.forwarding: 0, net.ipv6.conf.all.disable_ipv6: 0 }
"#;
    checks_without_an_address: r#"name: lab
namespaces: { web: {}, db: {} }
checks: [{ from: web, to: db }]
"#;
    checks_that_somebody_else_answers: r#"name: lab
namespaces: { web: {}, out: { routes: { to: default, via: 10.1.0.1 } } }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", br0]
  - endpoints: ["out:eth0 10.1.0.2/24", "host:up 10.1.0.1/24"]
gateways: [{ bridge: br0 }]
port_forwards: [{ listen: 53, to: "web:53" }]
checks:
  - { from: out, to: "10.1.0.1:53", tcp: true, by: web }
  - { from: out, to: "10.1.0.1:53", udp: true, by: web }
  - { from: out, to: 10.1.0.1, ping: true, by: web }
  - { from: web, to: "10.1.0.2:80", expect: blocked, by: out }
  - { from: web, to: "10.1.0.2:80", by: uot }
"#;
    ipv6_with_an_mtu_below_its_least: r#"name: lab
namespaces: { web: {}, db: {}, old: {} }
bridges: { br0: { addresses: ["fd00::1/64"] }, br1: { addresses: ["fd01::1/64"], mtu: 1000 }, br4: { addresses: [10.4.0.1/24] } }
links:
  - endpoints: [{ namespace: web, interface: eth0, mtu: 1279 }, br0]
  - endpoints: ["db:eth0 fd02::1/64", "web:eth1 10.2.0.1/24"]
    mtu: 1279
  - endpoints: ["old:eth0", br4]
    mtu: 576
"#;
    loops_ports_and_subnets: r#"name: lab
namespaces: { web: {} }
bridges:
  br0: { addresses: [10.0.0.1/24], ports: [lo, eth0, eth0] }
  br1: { addresses: [10.0.0.129/25], ports: [eth0, up, br0] }
  br2: { stp: true }
links:
  - endpoints: [{ bridge: br0, interface: a }, { bridge: br0, interface: b }]
  - endpoints: [br0, br1]
  - endpoints: [{ bridge: br1, interface: c }, { bridge: br0, interface: d }]
  - endpoints: ["host:up 10.1.0.1/24", "web:eth0"]
  - endpoints: [br1, br2]
"#;
    all_undefined_names_of_one_item: r#"name: lab
bridges: { br0: { addresses: [10.0.0.1/24] } }
gateways: [{ bridge: br9, members: [zz, yy] }]
port_forwards: [{ listen: 80, to: "xx:80", namespace: ww }]
checks: [{ from: vv, to: uu }]
"#;
    clashes_of_all_kinds_in_one_run: r#"name: lab
namespaces: { a: { routes: [{ to: 10.9.0.0/16, via: 10.7.0.1 }, { to: 10.8.0.0/16, via: 10.0.0.1, src: 10.0.0.77 }, { to: 10.6.0.0/16, via: 10.0.0.1, table: 255 }] }, b: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links: [{ endpoints: ["a:eth0 10.0.0.2/24", br0] }, { endpoints: ["b:eth0 10.0.0.2/24", br0] }]
nat: [{ masquerade: 10.0.0.0/24 }, { masquerade: 10.0.0.0/24 }]
port_forwards: [{ listen: 80, to: "a:80" }, { listen: 80, to: "b:80" }]
"#;
}
