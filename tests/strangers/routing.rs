//! Routing daemons inside a lab's namespaces, which learn routes and put them there.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::{
    daemons::Daemon,
    dump::Dump,
    run::{apply, expect, file},
    sandbox,
    shell::sh,
};

/// Two routers on two wires. What one has on its `lo` the other knows by a daemon alone.
const ROUTERS: &str = "
name: lab
namespaces:
  r1: {forwarding: true, addresses: [10.255.0.1/32]}
  r2: {forwarding: true, addresses: [10.255.0.2/32], routes: [{to: 10.77.0.0/16, via: 10.0.0.1}]}
links:
  - endpoints: ['r1:eth0 10.0.0.1/24', 'r2:eth0 10.0.0.2/24']
  - endpoints: ['r1:eth1 10.0.1.1/24', 'r2:eth1 10.0.1.2/24']
checks: [{from: r1, to: 10.255.0.2, ping: true}, {from: r2, to: 10.255.0.1, ping: true}]
";

/// The routes that are a daemon's: neither of the file, nor of the kernel for an address.
fn learned(netns: &str) -> String {
    sh(&format!("ip -n {netns} route | grep -v -e 'proto kernel' -e 'proto 76'"))
}

/// Waits until both routers know each other's loopback.
fn wait_for_routes(log: &str) {
    let knows = |netns: &str, to: &str| sh(&format!("ip -n {netns} route show {to}")).contains(to);
    for _ in 0..600 {
        if knows("r1", "10.255.0.2") && knows("r2", "10.255.0.1") {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the daemons have learned nothing:\n{}", sh(&format!("cat {log}")));
}

/// What both have learned, once it stays the same for longer than it takes a daemon to try a neighbour again: the first
/// session to come up is not the one whose route is kept.
fn all_learned() -> (String, String) {
    let now = || (learned("r1"), learned("r2"));
    let (mut last, mut since) = (now(), Instant::now());
    let begun = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        assert!(begun.elapsed() < Duration::from_secs(60), "what the daemons learn does not come to rest: {last:?}");
        thread::sleep(Duration::from_millis(100));
        let next = now();
        if next != last {
            (last, since) = (next, Instant::now());
        }
    }
    last
}

/// The daemons' routes are nobody's drift, an edit leaves them, and the lab goes while they run.
fn live_with(proto: &str, start: impl Fn() -> Vec<Daemon>, log: &str) {
    sh("ip link set lo up");
    let path = file("lab", ROUTERS);
    let clean = Dump::settled();
    apply(&path);
    let daemons = start();
    wait_for_routes(log);
    expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
    expect(&["test", &path], 0, &[]);
    let told = format!("r2: route to 10.255.0.1/32 (protocol {proto}) is not of this topology");
    expect(&["show", "lab"], 0, &[&told]);

    let before = all_learned();
    let edited = ROUTERS.replace("10.77.", "10.78.").replace("links:", "links:\n  - endpoints: ['r1:new', 'r2:new']");
    let edited = file("edited", &edited);
    expect(&["plan", &edited], 0, &["Plan: 2 to add, 0 to change, 1 to destroy."]);
    apply(&edited);
    assert_eq!((learned("r1"), learned("r2")), before, "an edit has changed what the daemons learned");
    expect(&["test", &edited], 0, &[]);
    // What they learned by a wire goes with it, and is learned anew by the other.
    expect(&["apply", &edited, "-replace", "link.r1:eth0", "-auto-approve"], 0, &["Apply complete!"]);
    wait_for_routes(log);
    expect(&["plan", &edited, "-detailed-exitcode"], 0, &["No changes."]);

    expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
    clean.assert_restored("destroy");
    // They still run, in namespaces without a name.
    drop(daemons);
}

#[test]
fn bird_keeps_what_it_learns() {
    sandbox::run(|| {
        let router = |own: u8, other: u8| {
            let configuration = format!(
                "router id 10.255.0.{own};
                 protocol device {{}}
                 protocol direct {{ ipv4; interface \"lo\"; }}
                 protocol kernel {{ ipv4 {{ export all; }}; }}
                 template bgp peer {{
                     local as 6500{own};
                     connect delay time 1; connect retry time 1; error wait time 1, 2;
                     ipv4 {{ import all; export all; next hop self; }};
                 }}
                 protocol bgp one from peer {{ neighbor 10.0.0.{other} as 6500{other}; }}
                 protocol bgp two from peer {{ neighbor 10.0.1.{other} as 6500{other}; }}
                "
            );
            let path = format!("/run/bird{own}");
            fs::write(format!("{path}.conf"), configuration).expect("a tmpfs");
            let (netns, conf, control) = (format!("/run/netns/r{own}"), format!("{path}.conf"), format!("{path}.ctl"));
            let netns = format!("--net={netns}");
            let log = format!("{path}.log");
            Daemon::start(&["nsenter", &netns, "--", "bird", "-f", "-c", &conf, "-s", &control, "-D", &log])
        };
        live_with("bird", || vec![router(1, 2), router(2, 1)], "/run/bird*.log");
    });
}

#[test]
fn frr_keeps_what_it_learns_and_its_next_hop_objects() {
    sandbox::run(|| {
        // Its daemons become the user frr, and here there is none but root.
        fs::write("/run/passwd", "root:x:0:0::/:/bin/sh\nfrr:x:0:0::/:/bin/sh\n").expect("a tmpfs");
        fs::write("/run/group", "root:x:0:root,frr\nfrr:x:0:\nfrrvty:x:0:root,frr\n").expect("a tmpfs");
        sh("mount --bind /run/passwd /etc/passwd; mount --bind /run/group /etc/group");
        let router = |own: u8| {
            let interface = |name: &str| {
                format!(
                    "interface {name}
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf retransmit-interval 1
"
                )
            };
            let configuration = format!(
                "{}{}router ospf
 ospf router-id 10.255.0.{own}
 timers throttle spf 10 10 50
 timers throttle lsa all 0
 timers lsa min-arrival 0
 network 10.0.0.0/8 area 0
",
                interface("eth0"),
                interface("eth1")
            );
            let folder = format!("/run/frr{own}");
            sh(&format!("mkdir {folder}; touch {folder}/zebra.conf"));
            fs::write(format!("{folder}/ospfd.conf"), configuration).expect("a tmpfs");
            let start = |daemon: &str| {
                let log = format!("file:{folder}/{daemon}.log");
                let netns = format!("--net=/run/netns/r{own}");
                let program = format!("/usr/lib/frr/{daemon}");
                let [conf, pid, socket] = [".conf", ".pid", ""].map(|end| format!("{folder}/{daemon}{end}"));
                let zserv = format!("{folder}/zserv");
                sh(&format!("mkdir -p {socket}"));
                Daemon::start(&[
                    "nsenter",
                    &netns,
                    "--",
                    &program,
                    "-f",
                    &conf,
                    "-i",
                    &pid,
                    "-z",
                    &zserv,
                    "--vty_socket",
                    &socket,
                    "-A",
                    "127.0.0.1",
                    "--log",
                    &log,
                ])
            };
            [start("zebra"), start("ospfd")]
        };
        live_with("ospf", || [router(1), router(2)].into_iter().flatten().collect(), "/run/frr*/*.log");
    });
}
