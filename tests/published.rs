//! Published ports and translation where a further router, an uplink or an edit makes them less than plain, by the binary
//! and with packets: every topology's checks are run on the real kernel.

#[path = "common/dump.rs"]
mod dump;
#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use dump::Dump;
use run::{apply, expect, file};
use shell::sh;

/// Applies, has all checks hold with each of these settings of the host, and leaves nothing behind.
#[track_caller]
fn holds(text: &str, settings: &[&str]) {
    sh("ip link set lo up");
    let clean = Dump::settled();
    let path = file("lab", text);
    apply(&path);
    for setting in settings {
        sh(setting);
        expect(&["test", &path], 0, &[]);
    }
    expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete!"]);
    sh(
        "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1; iptables -P FORWARD ACCEPT; nft delete table ip6 filter 2>/dev/null || true",
    );
    clean.assert_restored("destroy");
}

const BRIDGED_FRAMES: [&str; 2] = [
    "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1",
    "sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0",
];

/// Two bridges of the host: the host routes for one, a router namespace on it for the other.
const ROUTED: &str = "name: lab
bridges: {br0: {addresses: [192.168.0.1/24, 'fd00:10::1/64']}, br2: {}}
namespaces:
  web: {}
  far: {}
  out: {}
  edge: {routes: [{to: default, via: 192.168.0.1}, {to: default, via: 'fd00:10::1'}]}
  host: {routes: [{to: 10.5.0.0/24, via: 192.168.0.254}, {to: 'fd00:5::/64', via: 'fd00:10::254'}]}
links:
  - endpoints: ['web:eth0 192.168.0.2/24', br0]
  - endpoints: [{namespace: edge, interface: wan0, addresses: [192.168.0.254/24, 'fd00:10::254/64']}, br0]
  - endpoints: [{namespace: edge, interface: lan0, addresses: [10.5.0.1/24, 'fd00:5::1/64']}, br2]
  - endpoints: [{namespace: far, interface: eth0, addresses: [10.5.0.2/24, 'fd00:5::2/64']}, br2]
  - endpoints: ['out:eth0 203.0.113.9/24', 'host:up0 203.0.113.1/24']
gateways: [{bridge: br0, members: [web]}, {namespace: edge, interface: lan0}]
";

#[test]
fn who_is_behind_a_router_namespace_reaches_what_the_host_publishes() {
    sandbox::run(|| {
        let lab = format!(
            "{ROUTED}nat: [{{masquerade: 10.5.0.0/24, namespace: edge}}]
port_forwards: [{{listen: 81, to: 'web:80'}}, {{listen: 82, to: 'far:80', namespace: edge}}]
checks:
  - {{from: far, to: '192.168.0.1:81'}}
  - {{from: far, to: '203.0.113.1:81'}}
  - {{from: far, to: '192.168.0.1:7777'}}
  - {{from: host, to: '192.168.0.254:82'}}
  - {{from: web, to: '192.168.0.254:82'}}
"
        );
        holds(&lab, &BRIDGED_FRAMES);
    });
}

#[test]
fn a_target_behind_a_further_router_is_published_everywhere() {
    sandbox::run(|| {
        let lab = format!(
            "{ROUTED}port_forwards: [{{listen: 81, to: '10.5.0.2:80'}}, {{listen: '[fd00:10::1]:82', to: '[fd00:5::2]:80'}}]
checks:
  - {{from: out, to: '203.0.113.1:81'}}
  - {{from: host, to: '127.0.0.1:81'}}
  - {{from: host, to: '203.0.113.1:81'}}
  - {{from: web, to: '192.168.0.1:81'}}
  - {{from: far, to: '203.0.113.1:81'}}
  - {{from: far, to: '[fd00:10::1]:82'}}
"
        )
        .replace("  out: {}", "  out: {routes: [{to: default, via: 203.0.113.1}]}");
        holds(&lab, &[BRIDGED_FRAMES[0], BRIDGED_FRAMES[1], "iptables -P FORWARD DROP"]);
    });
}

#[test]
fn a_target_on_the_uplink_opens_no_way_in_and_stops_no_translation() {
    sandbox::run(|| {
        let lab = "name: lab
bridges: {br0: {addresses: [192.168.0.1/24]}}
namespaces: {web: {}, out: {routes: [{to: 192.168.0.0/24, via: 203.0.113.1}]}}
links:
  - endpoints: ['web:eth0 192.168.0.2/24', br0]
  - endpoints: ['out:eth0 203.0.113.9/24', 'host:up0 203.0.113.1/24']
gateways: [{bridge: br0}]
nat: [{masquerade: 192.168.0.0/24}, {dnat: 198.51.100.7, to: 203.0.113.9}]
port_forwards: [{listen: 81, to: 'out:80'}]
checks:
  - {from: web, to: '203.0.113.9:80'}
  - {from: web, to: '203.0.113.1:81'}
  - {from: web, to: '198.51.100.7:80'}
  - {from: host, to: '127.0.0.1:81'}
  - {from: out, to: '203.0.113.1:81'}
  - {from: out, to: '192.168.0.2:80', expect: blocked}
";
        holds(lab, &["iptables -P FORWARD DROP"]);
    });
}

#[test]
fn what_a_forward_opened_for_loopback_is_closed_again() {
    sandbox::run(|| {
        let lab = |rest: &str| {
            let text = "name: lab
namespaces: {web: {}, db: {}}
bridges: {br0: {addresses: [192.168.0.1/24]}}
links:
  - endpoints: ['web:eth0 192.168.0.2/24', br0]
  - endpoints: ['db:eth0 10.0.0.2/30', 'host:db0 10.0.0.1/30']
gateways: [{bridge: br0}]
";
            format!("{text}{rest}")
        };
        let open = || {
            sh("cat /proc/sys/net/ipv4/conf/br0/route_localnet /proc/sys/net/ipv4/conf/db0/route_localnet")
                .replace('\n', " ")
        };
        let (web, db, none) = (
            file("web", &lab("port_forwards: [{listen: 81, to: 'web:80'}]\n")),
            file("db", &lab("port_forwards: [{listen: 81, to: 'db:80'}]\n")),
            file("none", &lab("")),
        );
        for (path, flags) in [(&web, "1 0 "), (&db, "0 1 "), (&none, "0 0 "), (&web, "1 0 "), (&none, "0 0 ")] {
            apply(path);
            assert_eq!(open(), flags, "{path}");
        }
        // By hand it is drift, in both directions.
        sh("sysctl -qw net.ipv4.conf.br0.route_localnet=1 net.ipv4.conf.db0.route_localnet=1");
        expect(
            &["plan", &none, "-detailed-exitcode"],
            2,
            &["route_localnet = true -> false", "host:db0.route_localnet"],
        );
        apply(&none);
        assert_eq!(open(), "0 0 ");
        // Where every new device has it, that is somebody's will.
        sh("sysctl -qw net.ipv4.conf.default.route_localnet=1");
        expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
        apply(&none);
        assert_eq!(open(), "1 1 ");
    });
}

#[test]
fn a_device_that_does_not_forward_is_drift_where_its_namespace_does() {
    sandbox::run(|| {
        let path = file(
            "lab",
            "name: lab
namespaces: {web: {}, edge: {forwarding: true}}
bridges: {br0: {addresses: [192.168.0.1/24]}}
links: [{endpoints: ['web:eth0 192.168.0.2/24', br0]}, {endpoints: ['web:eth1 10.0.0.2/30', 'edge:lan0 10.0.0.1/30']}]
gateways: [{bridge: br0}]
",
        );
        // It forwarded before us, and new devices do not.
        sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.default.forwarding=0");
        apply(&path);
        let flags = || {
            sh(
                "cat /proc/sys/net/ipv4/conf/br0/forwarding; ip netns exec edge cat /proc/sys/net/ipv4/conf/lan0/forwarding",
            )
        };
        assert_eq!(flags(), "1\n1\n");
        sh("sysctl -qw net.ipv4.conf.br0.forwarding=0; ip netns exec edge sysctl -qw net.ipv4.conf.lan0.forwarding=0");
        let words = ["forwarding = false -> true", "edge:lan0.forwarding = false -> true", "0 to add, 2 to change"];
        expect(&["plan", &path, "-detailed-exitcode"], 2, &words);
        apply(&path);
        assert_eq!(flags(), "1\n1\n");
        // And the other way round.
        sh("ip netns exec web sysctl -qw net.ipv4.conf.eth1.forwarding=1");
        expect(
            &["plan", &path, "-detailed-exitcode"],
            2,
            &["web:eth1.forwarding = true -> false", "0 to add, 1 to change"],
        );
        apply(&path);
        assert_eq!(sh("ip netns exec web cat /proc/sys/net/ipv4/conf/eth1/forwarding"), "0\n");
    });
}

#[test]
fn ipv6_is_on_where_there_are_addresses_and_off_where_the_file_says_so() {
    sandbox::run(|| {
        let lab = "name: lab
namespaces: {web: {}}
bridges: {br0: {addresses: [192.168.0.1/24, 'fd00::1/64']}}
links: [{endpoints: ['web:eth0', br0]}, {endpoints: ['web:eth1 fd01::2/64', 'host:w1 fd01::1/64']}]
checks: [{from: web, to: 'fd00::1', ping: true}, {from: host, to: 'fd01::2', ping: true}]
";
        let path = file("lab", lab);
        // A host whose new devices have none.
        sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
        let clean = Dump::settled();
        expect(&["apply", &path, "-auto-approve"], 0, &[]);
        // What routes IPv6 does so at once: no address of it waits for anybody.
        assert_eq!(sh("ip -6 -o address show dev br0 tentative; ip -6 -o address show dev w1 tentative"), "");
        expect(&["plan", &path, "-detailed-exitcode"], 0, &[]);
        expect(&["test", &path], 0, &[]);
        sh(
            "sysctl -qw net.ipv6.conf.br0.disable_ipv6=1; ip netns exec web sysctl -qw net.ipv6.conf.eth1.disable_ipv6=1",
        );
        let words = ["ipv6      = false -> true", "web:eth1.ipv6      = false -> true", "0 to add, 2 to change"];
        expect(&["plan", &path, "-detailed-exitcode"], 2, &words);
        apply(&path);
        expect(&["test", &path], 0, &[]);
        expect(&["destroy", &path, "-auto-approve"], 0, &[]);
        clean.assert_restored("destroy");

        sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=0");
        let v4 =
            lab.replace(", 'fd00::1/64'", "").replace("fd01::2/64", "10.0.0.2/30").replace("fd01::1/64", "10.0.0.1/30");
        let (v4, _) = v4.split_once("checks:").unwrap();
        let path = file("v4", &format!("{v4}ipv6: false\n"));
        apply(&path);
        assert_eq!(sh("ip -6 -o address show scope link; ip -n web -6 -o address"), "");
        apply(&file("lab", lab));
        expect(&["test", "lab"], 0, &[]);
    });
}

#[test]
fn a_check_is_followed_to_whoever_answers() {
    sandbox::run(|| {
        sh("ip link set lo up; ip address add 10.9.9.9/32 dev lo");
        let lab = format!(
            "{ROUTED}port_forwards:
  - {{listen: 81, to: '192.168.0.254:82'}}
  - {{listen: 82, to: 'far:80', namespace: edge}}
  - {{listen: '10.9.9.9:99', to: 'web:80'}}
nat: [{{dnat: 198.18.7.0/24, to: 192.168.0.0/24}}]
checks:
  - {{from: out, to: '198.18.7.2:80'}}
  - {{from: out, to: '10.9.9.9:99'}}
  - {{from: host, to: '10.9.9.9:22'}}
  - {{from: host, to: '127.0.0.1:81'}}
"
        );
        holds(&lab.replace("  out: {}", "  out: {routes: [{to: default, via: 203.0.113.1}]}"), &BRIDGED_FRAMES);
    });
}

#[test]
fn a_bridge_that_the_host_is_on_without_being_its_gateway_is_routed_all_the_same() {
    sandbox::run(|| {
        let lab = "name: lab
namespaces: {a: {}, b: {routes: [{to: default, via: 10.0.1.1}]}, c: {}}
bridges: {br0: {addresses: [10.0.0.1/24]}, br1: {addresses: [10.0.1.1/24]}}
links:
  - endpoints: ['a:eth0 10.0.0.2/24', br0]
  - endpoints: ['b:eth0 10.0.1.2/24', br1]
  - endpoints: [{namespace: a, interface: eth1, addresses: ['fd01::2/64']}, br1]
  - endpoints: [{namespace: c, interface: eth1, addresses: ['fd01::3/64']}, br1]
gateways: [{bridge: br0}]
port_forwards: [{listen: 81, to: 'b:80'}]
checks: [{from: a, to: b, ping: true}, {from: a, to: 'fd01::3', ping: true}, {from: a, to: '10.0.0.1:81'}]
";
        holds(lab, &["iptables -P FORWARD DROP; ip6tables -P FORWARD DROP", BRIDGED_FRAMES[1]]);
    });
}

#[test]
fn a_target_is_reached_by_the_best_route_and_by_all_its_next_hops() {
    sandbox::run(|| {
        let lab = |routes: &str| {
            format!(
                "name: lab
namespaces:
  host: {{routes: [{routes}]}}
  r0: {{routes: [{{to: default, via: 10.0.0.1}}]}}
  r1: {{routes: [{{to: default, via: 10.0.1.1}}]}}
  far: {{routes: [{{to: default, via: 10.9.0.1}}]}}
bridges: {{br0: {{addresses: [10.0.0.1/24]}}, br1: {{addresses: [10.0.1.1/24]}}}}
links:
  - endpoints: ['r0:wan 10.0.0.2/24', br0]
  - endpoints: ['r1:wan 10.0.1.2/24', br1]
  - endpoints: ['r0:lan 10.9.0.1/24', 'far:eth0 10.9.0.5/24']
gateways: [{{namespace: r0, interface: lan}}]
port_forwards: [{{listen: 81, to: '10.9.0.5:80'}}]
checks: [{{from: host, to: '127.0.0.1:81'}}, {{from: r0, to: '10.0.0.1:81'}}]
"
            )
        };
        let (near, other) = ("to: 10.9.0.0/16, via: 10.0.0.2", "to: 10.9.0.0/16, via: 10.0.1.2");
        holds(&lab(&format!("{{{near}, metric: 100}}, {{{other}, metric: 200}}")), &BRIDGED_FRAMES);
        holds(&lab(&format!("{{{other}, metric: 200}}, {{{near}, metric: 100}}")), &BRIDGED_FRAMES[..1]);
    });
}
