//! Verdicts as values.

use super::*;
use crate::model::Netns;

/// The verdict on a ping, in a few words.
fn ping(text: &str, from: &str, to: &str) -> String {
    judge(text, from, to, Probe::Ping)
}

fn judge(text: &str, from: &str, to: &str, probe: Probe) -> String {
    let (topology, _) = read(text);
    match Lab::new(&topology).judge(&Netns::from(from.to_owned()), to.parse().unwrap(), probe).verdict {
        Verdict::Reached { there, certain, .. } => format!("{there}{}", if certain { ", surely" } else { "" }),
        Verdict::Stopped(stop) => {
            format!("{}{stop}", if stop.direction == Direction::Back { "back: " } else { "" })
        }
        Verdict::Unknown => "unknown".into(),
    }
}

#[test]
fn a_router_leads_there_and_back() {
    assert_eq!(ping(ROUTED, "web", "10.2.0.2"), "web -> edge (lan0) -> db, surely");
    assert_eq!(ping(ROUTED, "db", "10.1.0.2"), "db -> edge (lan1) -> web, surely");
    assert_eq!(ping(ROUTED, "web", "10.2.0.1"), "web -> edge, surely");
    assert_eq!(ping(ROUTED, "web", "10.1.0.2"), "web, surely");
    assert_eq!(ping(ROUTED, "web", "127.0.0.1"), "web, surely");
}

#[test]
fn a_stop_names_the_hop() {
    assert_eq!(ping(ROUTED, "web", "10.9.0.1"), "web -> edge: stops at `edge`, which has no route to 10.9.0.1");
    assert_eq!(ping(ROUTED, "web", "10.255.0.3"), "web -> edge: stops at `edge`, which has no route to 10.255.0.3");
    let silent = ROUTED.replace(", routes: [{ to: 10.1.0.0/24, via: 10.2.0.1 }]", "");
    assert_eq!(ping(&silent, "web", "10.2.0.2"), "back: db: stops at `db`, which has no route to 10.1.0.2");
}

#[test]
fn the_longest_prefix_and_the_lowest_metric_count() {
    let with = |routes: &str| ROUTED.replace("{ to: default, via: 10.1.0.1 }", routes);
    let longest = with("{ to: default, type: blackhole }, { to: 10.2.0.0/24, via: 10.1.0.1 }");
    assert_eq!(ping(&longest, "web", "10.2.0.2"), "web -> edge (lan0) -> db, surely");
    let metric = with("{ to: 10.2.0.0/24, type: blackhole, metric: 9 }, { to: 10.2.0.0/24, via: 10.1.0.1, metric: 8 }");
    assert_eq!(ping(&metric, "web", "10.2.0.2"), "web -> edge (lan0) -> db, surely");
    let metric = with("{ to: 10.2.0.0/24, type: prohibit, metric: 7 }, { to: 10.2.0.0/24, via: 10.1.0.1, metric: 8 }");
    let stops = "web: stops at `web`, where a prohibit route drops what is for 10.2.0.2";
    assert_eq!(ping(&metric, "web", "10.2.0.2"), stops);
}

#[test]
fn of_several_next_hops_all_must_come_to_the_same() {
    let with = |hops: &str| {
        ROUTED.replace("{ to: default, via: 10.1.0.1 }", &format!("{{ to: default, nexthops: [{hops}] }}"))
    };
    let half = with("{ via: 10.1.0.1 }, { via: 10.1.0.77 }");
    assert_eq!(ping(&half, "web", "10.2.0.2"), "unknown");
    let none = with("{ via: 10.1.0.78 }, { via: 10.1.0.77 }");
    assert!(ping(&none, "web", "10.2.0.2").contains("nobody on the segment of its `eth0` has 10.1.0.78"));
}

#[test]
fn what_the_file_does_not_decide_is_unknown() {
    let cases = [
        // Addresses that others give, other tables, sysctls.
        ("db:eth0 10.2.0.2/24", "db:eth0"),
        ("web: { routes:", "web: { sysctls: { net.ipv4.conf.all.proxy_arp: 1 }, routes:"),
        ("web: { routes: [", "web: { routes: [{ to: 10.9.0.0/16, via: 10.1.0.1, table: 7 }, "),
    ];
    for (from, to) in cases {
        assert!(ROUTED.contains(from), "{from}");
        assert_eq!(ping(&ROUTED.replace(from, to), "web", "10.2.0.2"), "unknown", "{to}");
    }
    // A neighbour that may answer for others.
    let nobody = ROUTED.replace("via: 10.1.0.1 }", "via: 10.1.0.9 }");
    assert!(ping(&nobody, "web", "10.2.0.2").contains("nobody on the segment"));
    let proxy = nobody.replace("edge: { ", "edge: { sysctls: { net.ipv4.conf.lan0.proxy_arp: 1 }, ");
    assert_eq!(ping(&proxy, "web", "10.2.0.2"), "unknown");
    for to in ["fe80::1", "ff02::1", "224.0.0.1", "255.255.255.255", "10.1.0.255"] {
        assert_eq!(ping(ROUTED, "web", to), "unknown", "{to}");
    }
    // A reverse path filter only takes away.
    let filter = ROUTED.replace("edge: { ", "edge: { sysctls: { net.ipv4.conf.all.rp_filter: 1 }, ");
    assert_eq!(ping(&filter, "web", "10.2.0.2"), "web -> edge (lan0) -> db");
}

/// A ring of four in which what `a` sends to `b` goes by `r1`, and the answer by `r2`.
const RING: &str = r#"name: lab
namespaces:
  a: { routes: [{ to: 10.9.0.2/32, via: 10.1.0.2 }] }
  r1: { forwarding: true, routes: [{ to: 10.9.0.2/32, via: 10.3.0.2 }] }
  r2: { forwarding: true, routes: [{ to: 10.1.0.1/32, via: 10.2.0.1 }] }
  b: { addresses: [10.9.0.2/32], routes: [{ to: 10.1.0.0/24, via: 10.4.0.1 }] }
links:
  - endpoints: ["a:eth0 10.1.0.1/24", "r1:l 10.1.0.2/24"]
  - endpoints: ["a:eth1 10.2.0.1/24", "r2:l 10.2.0.2/24"]
  - endpoints: ["r1:r 10.3.0.1/24", "b:eth0 10.3.0.2/24"]
  - endpoints: ["r2:r 10.4.0.1/24", "b:eth1 10.4.0.2/24"]
"#;

#[test]
fn a_strict_reverse_path_filter_stops_what_would_be_answered_by_another_device() {
    let with = |name: &str, sysctls: &str| {
        let lab = RING.replace(&format!("  {name}: {{ "), &format!("  {name}: {{ sysctls: {{ {sysctls} }}, "));
        ping(&lab, "a", "10.9.0.2")
    };
    let (all, default) = ("net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter");
    let open = "a -> r1 (l) -> b";
    assert_eq!(ping(RING, "a", "10.9.0.2"), open);
    let stops =
        "a -> r1 (l) -> b: stops at `b`, whose reverse path filter drops what comes in by its `eth0` from 10.1.0.1";
    assert_eq!(with("b", &format!("{all}: 1, {default}: 1")), stops);
    assert_eq!(with("b", &format!("{all}: 0, net.ipv4.conf.eth0.rp_filter: 1")), stops);
    // The answer comes to `a` by the other device too.
    let back = "back: b -> r2 (r) -> a: stops at `a`, whose reverse path filter drops what comes in by its `eth1` from 10.9.0.2";
    assert_eq!(with("a", &format!("{all}: 1, {default}: 0")), back);
    // The loose one, one that the host decides on, and one of another device.
    for loose in [format!("{all}: 2, {default}: 1"), format!("{all}: 1"), format!("{default}: 1")] {
        assert_eq!(with("b", &loose), open, "{loose}");
    }
    assert_eq!(with("b", &format!("{all}: 0, net.ipv4.conf.eth1.rp_filter: 1, {default}: 0")), open);
    assert_eq!(
        with("r1", &format!("{all}: 1, {default}: 1")),
        with("r1", "net.ipv4.tcp_sack: 1").replace(", surely", "")
    );
}

#[test]
fn a_device_may_forward_otherwise_than_its_namespace() {
    let with = |device: &str, value: u8| {
        ROUTED.replace("edge: { ", &format!("edge: {{ sysctls: {{ net.ipv4.conf.{device}.forwarding: {value} }}, "))
    };
    let there = "web -> edge: stops at `edge`, which does not forward IPv4 that comes in by its `lan0`";
    assert_eq!(ping(&with("lan0", 0), "web", "10.2.0.2"), there);
    let back = "back: db -> edge: stops at `edge`, which does not forward IPv4 that comes in by its `lan1`";
    assert_eq!(ping(&with("lan1", 0), "web", "10.2.0.2"), back);
    assert_eq!(ping(&with("lan0", 0), "web", "10.2.0.1"), "web -> edge, surely");
    let host = with("lan0", 1).replace("forwarding: true", "forwarding: false");
    let back = "back: db -> edge: stops at `edge`, which does not forward IPv4";
    assert_eq!(ping(&host, "web", "10.2.0.2"), back);
}

#[test]
fn who_answers_no_pings_answers_a_port() {
    let lab = ROUTED.replace("db: { ", "db: { sysctls: { net.ipv4.icmp_echo_ignore_all: 1 }, ");
    let mute = |from: &str| format!("{from}: stops at `db`, which is to answer no pings");
    assert_eq!(ping(&lab, "web", "10.2.0.2"), mute("web -> edge (lan0) -> db"));
    assert_eq!(ping(&lab, "db", "127.0.0.1"), mute("db"));
    assert_eq!(ping(&lab, "db", "::1"), "db");
    assert_eq!(judge(&lab, "web", "10.2.0.2", Probe::Tcp(80)), "web -> edge (lan0) -> db");
}

/// Two namespaces behind the host, with the rest of the file to come.
fn behind_the_host(rest: &str) -> String {
    format!(
        r#"name: lab
namespaces: {{ web: {{}}, db: {{}}, out: {{}} }}
bridges: {{ br0: {{ addresses: [10.1.0.1/24] }} }}
links:
  - endpoints: ["web:eth0 10.1.0.2/24", br0]
  - endpoints: ["db:eth0 10.1.0.3/24", br0]
  - endpoints: ["host:up0 203.0.113.1/24", "out:eth0 203.0.113.7/24"]
{rest}
"#
    )
}

#[test]
fn the_host_has_more_than_the_file_knows() {
    let plain = behind_the_host("");
    assert_eq!(ping(&plain, "web", "10.1.0.3"), "web -> db");
    assert_eq!(ping(&plain, "host", "10.1.0.3"), "host -> db");
    assert_eq!(ping(&plain, "host", "192.0.2.1"), "unknown");
    assert!(ping(&plain, "host", "10.1.0.9").contains("nobody on the segment of its `br0` has 10.1.0.9"));
    let gateway = behind_the_host("gateways: [{ bridge: br0 }]");
    assert_eq!(ping(&gateway, "web", "192.0.2.1"), "unknown");
    let back = "back: out: stops at `out`, which has no route to 10.1.0.2";
    assert_eq!(ping(&gateway, "web", "203.0.113.7"), back);
}

#[test]
fn nat_and_forwards_are_followed_there_and_back() {
    let lab = behind_the_host(
        "gateways: [{ bridge: br0 }]\nnat: [{ masquerade: 10.1.0.0/24 }]\nport_forwards: [{ listen: 8088, to: 'web:80' }]",
    );
    assert_eq!(ping(&lab, "web", "203.0.113.7"), "web -> host (br0) -> out");
    assert_eq!(ping(&lab, "out", "203.0.113.1"), "out -> host");
    let at = |from, to| judge(&lab, from, to, Probe::Tcp(8088));
    assert_eq!(at("out", "203.0.113.1"), "out -> host (up0) -> web");
    assert_eq!(at("host", "127.0.0.1"), "host -> web");
    assert_eq!(at("host", "10.1.0.1"), "host -> web");
    assert!(at("out", "10.1.0.2").contains("`out`, which has no route"));
}

#[test]
fn a_forward_is_met_once_by_the_port_that_it_has() {
    let lab = ROUTED.to_owned()
        + "port_forwards:\n  - { listen: 8088, to: '10.2.0.2:80', namespace: edge }\n  - { listen: 8088, to: '10.2.0.1:80', namespace: db }\n";
    assert_eq!(judge(&lab, "web", "10.1.0.1", Probe::Tcp(8088)), "web -> edge (lan0) -> db");
}

#[test]
fn an_answer_that_may_go_past_who_has_changed_the_packet_is_unknown() {
    let lab = r#"name: lab
namespaces: { web: {}, edge: {}, db: {} }
bridges: { br0: { addresses: [10.1.0.1/24] } }
links:
  - endpoints: ["web:eth0 10.1.0.2/24", br0]
  - endpoints: ["edge:eth0 10.1.0.3/24", br0]
  - endpoints: ["db:eth0 10.1.0.4/24", br0]
port_forwards: [{ listen: 8088, to: "10.1.0.2:80", namespace: edge }]
"#;
    assert_eq!(judge(lab, "web", "10.1.0.3", Probe::Tcp(8088)), "unknown");
    assert_eq!(judge(lab, "db", "10.1.0.3", Probe::Tcp(8088)), "unknown");
}

#[test]
fn bridges_that_a_cable_joins_are_one_segment() {
    let lab = r#"name: lab
namespaces: { a: {}, b: {}, home: {} }
bridges: { one: { namespace: home, addresses: [10.0.0.8/24] }, two: { namespace: home, addresses: [10.0.0.9/24] } }
links:
  - endpoints: ["a:eth0 10.0.0.2/24", one]
  - endpoints: ["b:eth0 10.0.0.3/24", two]
  - endpoints: [one, two]
"#;
    assert_eq!(ping(lab, "a", "10.0.0.3"), "a -> b, surely");
    let apart = lab.replace("  - endpoints: [one, two]\n", "");
    assert!(ping(&apart, "a", "10.0.0.3").contains("nobody on the segment"));
}
