//! Verdicts about small labs, and word for word what is said of checks that cannot hold.

mod verdicts;

use std::fs;

use super::*;
use crate::{
    kind::{Topology, check::Probe},
    model::Diagnostics,
    report::diagnostic::{Style, render},
    spec::{self, Format, resolve},
};

/// Two namespaces with a router between them and the same address on their `lo`, and one behind the second.
const SHARED: &str = r#"name: lab
namespaces:
  a: { addresses: [10.255.0.1/32, 10.255.0.9/32], routes: [{ to: default, via: 10.1.0.1 }] }
  b: { addresses: [10.255.0.2/32, 10.255.0.9/32], routes: [{ to: default, via: 10.2.0.1 }] }
  edge: { forwarding: true }
  far: {}
links:
  - endpoints: ["a:eth0 10.1.0.2/24", "edge:lan0 10.1.0.1/24"]
  - endpoints: ["b:eth0 10.2.0.2/24", "edge:lan1 10.2.0.1/24"]
  - endpoints: ["b:eth1 10.3.0.1/24", "far:eth0 10.3.0.2/24"]
checks:
"#;

#[test]
fn who_has_the_address_as_well_is_told() {
    let of = |lab: &str, check: &str| {
        let (_, file, _) = spec::parse(format!("{lab}  - {{ {check} }}\n").as_bytes(), "lab.yaml", Format::Yaml);
        let found = resolve::resolve(&file.unwrap()).1.0.into_iter().filter(|it| it.code.starts_with("check::"));
        found.map(|it| format!("{:?} {}: {}", it.severity, it.code, it.message)).collect::<Vec<_>>()
    };
    let said = |check: &str| of(SHARED, check);
    let own = "Warning check::own_address: `a` has 10.255.0.9 itself, so that it answers and not `b`";
    assert_eq!(said("from: a, to: 10.255.0.9"), [own]);
    assert_eq!(said("from: a, to: '10.255.0.9:80'"), [own]);
    assert_eq!(said("from: a, to: '10.255.0.9:80', by: a"), [""; 0]);
    assert_eq!(said("from: a, to: '10.255.0.9:80', by: b"), ["Error check::by: `a` answers this check, not `b`"]);
    for quiet in ["from: a, to: 10.255.0.1", "from: a, to: a", "from: a, to: 127.0.0.1", "from: a, to: b"] {
        assert_eq!(said(quiet), [""; 0], "{quiet}");
    }
    let clash = SHARED.replace("10.3.0.2/24", "10.1.0.2/24");
    let said = |check: &str| of(&clash, check);
    assert_eq!(
        said("from: a, to: far, expect: blocked"),
        ["Error check::own_address: `a` has 10.1.0.2 itself, so that its packets do not leave for `far`"]
    );
    let other =
        "Warning check::other_holder: what `edge` sends to 10.1.0.2 comes to `a` and not to `far`: both have it";
    assert_eq!(said("from: edge, to: far"), [other]);
}

/// Reads a lab without an error, and draws what is said of its checks.
fn read(text: &str) -> (Topology, String) {
    let (source, file, diagnostics) = spec::parse(text.as_bytes(), "lab.yaml", Format::Yaml);
    let (topology, more) = resolve::resolve(&file.unwrap());
    let all = Diagnostics([diagnostics.0, more.0].concat());
    let topology =
        topology.unwrap_or_else(|| panic!("{}", render(&all, std::slice::from_ref(&source), Style::default())));
    let of_checks = all.0.into_iter().filter(|it| it.code.starts_with("check::")).collect();
    (topology, render(&Diagnostics(of_checks), &[source], Style::default()))
}

/// What is said of the checks of a lab.
fn said(text: &str) -> String {
    read(text).1
}

/// Two clients and a server, with a router between them that everything goes by.
const ROUTED: &str = r#"name: lab
namespaces:
  web: { routes: [{ to: default, via: 10.1.0.1 }] }
  edge: { forwarding: true }
  db: { addresses: [10.255.0.3/32], routes: [{ to: 10.1.0.0/24, via: 10.2.0.1 }] }
links:
  - endpoints: ["web:eth0 10.1.0.2/24", "edge:lan0 10.1.0.1/24"]
  - endpoints: ["edge:lan1 10.2.0.1/24", "db:eth0 10.2.0.2/24"]
"#;

/// One snapshot a case.
macro_rules! said {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), said($text));
        }
    )*};
}

said! {
    a_bridge_that_is_down: r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { addresses: [10.0.0.1/24], up: false } }
links: [{ endpoints: ["web:eth0", br0] }, { endpoints: ["db:eth0", br0] }]
checks: [{ from: web, to: db }]
"#;
    an_answer_to_an_address_that_is_put_in_anothers_place: r#"name: lab
namespaces: { web: { routes: [{ to: default, via: "edge:lan0" }] }, edge: { forwarding: true }, out: {} }
links:
  - endpoints: ["web:eth0 10.0.0.2/24", "edge:lan0 10.0.0.1/24"]
  - endpoints: ["out:eth0 10.1.0.2/24", "edge:wan0 10.1.0.1/24"]
nat: [{ snat: 10.0.0.0/24, to: 203.0.113.5, out: wan0, namespace: edge }]
checks: [{ from: web, to: out }]
"#;
    no_route_there: r#"name: lab
namespaces: { web: {}, db: {} }
links:
  - endpoints: ["web:eth0 10.1.0.2/24", "host:lan0 10.1.0.1/24"]
  - endpoints: ["db:eth0 10.2.0.2/24", "host:lan1 10.2.0.1/24"]
checks:
  - { from: web, to: db, ping: true }
  - { from: web, to: "db:5432", tcp: true }
"#;
    no_link_at_all: r#"name: lab
namespaces: { web: { addresses: [10.255.0.1/32] }, db: { addresses: [10.255.0.2/32] } }
checks:
  - { from: web, to: db, ping: true }
"#;
    no_route_back: r#"name: lab
namespaces:
  web: { routes: [{ to: default, via: 10.1.0.1 }] }
  edge: { forwarding: true }
  db: {}
links:
  - endpoints: ["web:eth0 10.1.0.2/24", "edge:lan0 10.1.0.1/24"]
  - endpoints: ["edge:lan1 10.2.0.1/24", "db:eth0 10.2.0.2/24"]
checks:
  - { from: web, to: db, ping: true }
"#;
    no_forwarding: r#"name: lab
namespaces:
  web: { routes: [{ to: default, via: 10.1.0.1 }] }
  edge: {}
  db: { routes: [{ to: default, via: 10.2.0.1 }] }
links:
  - endpoints: ["web:eth0 10.1.0.2/24", "edge:lan0 10.1.0.1/24"]
  - endpoints: ["edge:lan1 10.2.0.1/24", "db:eth0 10.2.0.2/24"]
checks:
  - { from: web, to: db, ping: true }
"#;
    forwarding_turned_off: r#"name: lab
namespaces:
  web: { routes: [{ to: default, via: "fd00:1::1" }] }
  edge: { forwarding: false }
  db: { routes: [{ to: default, via: "fd00:2::1" }] }
links:
  - endpoints: ["web:eth0 fd00:1::2/64", "edge:lan0 fd00:1::1/64"]
  - endpoints: ["edge:lan1 fd00:2::1/64", "db:eth0 fd00:2::2/64"]
checks:
  - { from: web, to: db, ping: true }
"#;
    a_route_that_drops: r#"name: lab
namespaces:
  web:
    routes:
      - { to: default, via: 10.1.0.1 }
      - { to: 10.2.0.0/16, type: blackhole }
  edge: { forwarding: true }
  db: { routes: [{ to: default, via: 10.2.0.1 }] }
links:
  - endpoints: ["web:eth0 10.1.0.2/24", "edge:lan0 10.1.0.1/24"]
  - endpoints: ["edge:lan1 10.2.0.1/24", "db:eth0 10.2.0.2/24"]
checks:
  - { from: web, to: db, ping: true }
"#;
    a_next_hop_that_nobody_has: r#"name: lab
namespaces:
  web: { routes: [{ to: default, via: 10.1.0.254 }] }
  edge: { forwarding: true }
  db: {}
links:
  - endpoints: ["web:eth0 10.1.0.2/24", "edge:lan0 10.1.0.1/24"]
  - endpoints: ["edge:lan1 10.2.0.1/24", "db:eth0 10.2.0.2/24"]
checks:
  - { from: web, to: db, ping: true }
"#;
    an_address_that_nobody_has: r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { addresses: [10.1.0.1/24] } }
links:
  - endpoints: ["web:eth0 10.1.0.2/24", br0]
  - endpoints: ["db:eth0 10.1.0.3/24", br0]
checks:
  - { from: web, to: 10.1.0.4, ping: true }
"#;
    what_is_down: r#"name: lab
namespaces: { web: {}, db: {}, mute: { loopback: false } }
bridges: { br0: { addresses: [10.3.0.1/24], up: false } }
links:
  - endpoints: ["web:eth0 10.1.0.2/24", { namespace: db, interface: eth0, addresses: [10.1.0.3/24], up: false }]
  - endpoints: [{ namespace: web, interface: eth1, addresses: [10.2.0.2/24], up: false }, "db:eth1 10.2.0.3/24"]
  - endpoints: ["web:eth2 10.3.0.2/24", br0]
  - endpoints: ["db:eth2 10.3.0.3/24", br0]
checks:
  - { from: web, to: 10.1.0.3, ping: true }
  - { from: web, to: 10.2.0.3, ping: true }
  - { from: web, to: 10.3.0.3, ping: true }
  - { from: mute, to: 127.0.0.1, ping: true }
"#;
    two_routers_that_send_to_each_other: r#"name: lab
namespaces:
  a: { forwarding: true, routes: [{ to: default, via: 10.1.0.2 }] }
  b: { forwarding: true, routes: [{ to: default, via: 10.1.0.1 }] }
links:
  - endpoints: ["a:eth0 10.1.0.1/24", "b:eth0 10.1.0.2/24"]
checks:
  - { from: a, to: 10.9.0.1, ping: true }
"#;
    a_way_that_should_be_blocked: r#"name: lab
namespaces:
  web: { routes: [{ to: default, via: 10.1.0.1 }] }
  edge: { forwarding: true }
  db: { routes: [{ to: default, via: 10.2.0.1 }] }
links:
  - endpoints: ["web:eth0 10.1.0.2/24", "edge:lan0 10.1.0.1/24"]
  - endpoints: ["edge:lan1 10.2.0.1/24", "db:eth0 10.2.0.2/24"]
checks:
  - { from: web, to: db, ping: true, expect: blocked }
  - { from: web, to: 10.1.0.2, ping: true, expect: blocked }
"#;
    ipv6_that_is_off: r#"name: lab
ipv6: false
namespaces: { web: {} }
checks:
  - { from: web, to: "::1", ping: true }
"#;
    two_families_of_which_one_cannot: r#"name: lab
namespaces:
  web: { routes: [{ to: default, via: 10.1.0.1 }] }
  edge: { forwarding: true }
  db: { routes: [{ to: default, via: 10.2.0.1 }] }
links:
  - endpoints: ["web:eth0 10.1.0.2/24 fd00:1::2/64", "edge:lan0 10.1.0.1/24 fd00:1::1/64"]
  - endpoints: ["edge:lan1 10.2.0.1/24 fd00:2::1/64", "db:eth0 10.2.0.2/24 fd00:2::2/64"]
checks:
  - { from: web, to: db, ping: true }
"#;
}

said! {
    a_port_that_is_published_elsewhere: r#"name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { addresses: [10.0.0.1/24] } }
links: [{ endpoints: ["web:eth0 10.0.0.2/24", br0] }, { endpoints: ["db:eth0 10.0.0.3/24", br0] }]
gateways: [{ bridge: br0 }]
port_forwards: [{ listen: "127.0.0.1:8088", to: "web:80" }]
checks: [{ from: db, to: "10.0.0.1:8088" }, { from: db, to: "host:8088" }]
"#;
}

/// Of each of the ten bridges of a large lab.
const MEMBERS: usize = 100;

/// Ten routers around one, each with a thousand behind it, and a check for each of these.
fn large() -> String {
    let (mut namespaces, mut bridges, mut links, mut gateways, mut checks) =
        (String::new(), String::new(), String::new(), String::new(), String::new());
    namespaces.push_str("  core: { forwarding: true, routes: [");
    for edge in 0..10 {
        namespaces.push_str(&format!("{{ to: 10.{edge}.0.0/16, via: 172.16.{edge}.2 }}, "));
    }
    namespaces.push_str("] }\n");
    for edge in 0..10 {
        let route = format!("routes: [{{ to: default, via: 172.16.{edge}.1 }}]");
        namespaces.push_str(&format!("  edge{edge}: {{ forwarding: true, {route} }}\n"));
        bridges.push_str(&format!("  br{edge}: {{ namespace: edge{edge}, addresses: [10.{edge}.0.1/16] }}\n"));
        links.push_str(&format!(
            "  - endpoints: ['core:to{edge} 172.16.{edge}.1/24', 'edge{edge}:up 172.16.{edge}.2/24']\n"
        ));
        gateways.push_str(&format!("  - bridge: br{edge}\n"));
        for member in 0..MEMBERS {
            let (high, low) = (1 + member / 250, 1 + member % 250);
            namespaces.push_str(&format!("  n{edge}-{member}: {{}}\n"));
            links.push_str(&format!("  - endpoints: ['n{edge}-{member}:eth0 10.{edge}.{high}.{low}/16', br{edge}]\n"));
            let other = (edge + 5) % 10;
            checks.push_str(&format!("  - {{ from: n{edge}-{member}, to: 10.{other}.{high}.{low}, ping: true }}\n"));
        }
    }
    format!(
        "name: lab\nnamespaces:\n{namespaces}bridges:\n{bridges}links:\n{links}gateways:\n{gateways}checks:\n{checks}"
    )
}

#[test]
fn a_large_lab_is_judged_whole() {
    let judge = |text: &str| {
        let file = spec::parse(text.as_bytes(), "lab.yaml", Format::Yaml).1.unwrap();
        let topology = resolve::resolve(&file).0.unwrap();
        let lab = Lab::new(&topology);
        let found = warnings(&lab, &topology, &file, &lab.judge_all(&topology.checks));
        (topology, found)
    };
    let text = large();
    let (topology, found) = judge(&text);
    assert_eq!(found, []);
    let (lab, check) = (Lab::new(&topology), &topology.checks[0]);
    let judged = lab.judge(&check.from, check.targets[0], check.probe);
    assert!(matches!(judged.verdict, Verdict::Reached { certain: true, .. }));
    // Those behind one router ask in vain, and those who ask them get no answer.
    let dark = text.replace("edge3: { forwarding: true", "edge3: { forwarding: false").replace("  - bridge: br3\n", "");
    assert_eq!(judge(&dark).1.len(), 2 * MEMBERS);
}

#[test]
fn nothing_is_said_of_the_labs_that_ship() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/topologies");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(format) = Format::of_path(path.to_str().unwrap()) else { continue };
        let (source, file, diagnostics) = spec::parse(&fs::read(&path).unwrap(), path.to_str().unwrap(), format);
        let (topology, more) = resolve::resolve(&file.unwrap());
        let all = Diagnostics([diagnostics.0, more.0].concat());
        assert!(topology.is_some() && all.0.is_empty(), "{}", render(&all, &[source], Style::default()));
        count += 1;
    }
    assert!(count > 10, "{count} labs were found");
}
