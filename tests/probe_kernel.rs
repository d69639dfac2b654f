//! Checks against the real kernel. Every test runs its own binary again inside namespaces of its own (user, mount,
//! network; a private /run), where it may build labs as it likes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs::File,
    net::{IpAddr, TcpListener, UdpSocket},
    process::Command,
    time::{Duration, Instant},
};

use netwright::{
    kernel::stp,
    kind::check::{Answerer, Check, Expect, Probe, Responder},
    model::Netns,
    probe::{Limits, Outcome, Status, run},
};

/// Set inside: the test that runs there.
const INSIDE: &str = "NETWRIGHT_TEST_INSIDE";

/// web (10.0.0.2) and db (10.0.1.2, and 10.255.0.2 on its lo) around edge, a router; cache (10.0.2.2) as well.
const LAB: &str = r#"
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
for n in edge web db cache; do
  ip netns add $n; ip -n $n link set lo up
  # Usable at once (a test of its own is about waiting), and every refusal told, however many they are.
  ip netns exec $n sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
done
i=0
for n in web db cache; do
  ip link add eth0 netns $n type veth peer name to-$n netns edge
  # Up first: to an address that was there before its link came up, the kernel listens only up to a second later.
  ip -n $n link set eth0 up; ip -n edge link set to-$n up
  ip -n $n address add 10.0.$i.2/24 dev eth0; ip -n $n address add fd00:$i::2/64 dev eth0 nodad
  ip -n edge address add 10.0.$i.1/24 dev to-$n; ip -n edge address add fd00:$i::1/64 dev to-$n nodad
  ip -n $n route add default via 10.0.$i.1; ip -n $n route add default via fd00:$i::1
  i=$((i+1))
done
ip -n db address add 10.255.0.2/32 dev lo; ip -n edge route add 10.255.0.2 via 10.0.1.2
ip netns exec edge sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
"#;

/// The router drops what comes from web.
const DROP: &str = "for t in iptables ip6tables; do ip netns exec edge $t -A FORWARD -i to-web -j DROP; done";

/// Runs `body` in a lab of its own: LAB, and then `more` of shell.
fn lab(test: &str, more: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == test) {
        return body();
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "--propagation", "private", "sh", "-c"])
        .arg(format!("{LAB}\n{more}\nexec \"$0\" --exact {test} --nocapture --test-threads 1"))
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, test)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn named(name: &str) -> Netns {
    Netns::from(name.to_owned())
}

fn check(from: &str, targets: &[&str], probe: Probe, expect: Expect) -> Check {
    Check {
        title: format!("{from} -> {targets:?} {probe:?}"),
        from: named(from),
        from_label: from.into(),
        targets: targets.iter().map(|target| target.parse::<IpAddr>().unwrap()).collect(),
        responder: None,
        probe,
        expect,
    }
}

fn answered_by(mut check: Check, label: &str, port: u16) -> Check {
    check.responder = Some(Responder::Namespace(Answerer { netns: named(label), label: label.into(), port }));
    check
}

fn probe(checks: &[Check]) -> Vec<Outcome> {
    let outcomes = run(checks, Limits::default()).unwrap();
    assert_eq!(outcomes.len(), checks.len());
    for (check, outcome) in checks.iter().zip(&outcomes) {
        assert_eq!(check.title, outcome.title);
    }
    outcomes
}

/// What was seen by a check that must come out like that.
#[track_caller]
fn one(status: Status, check: Check) -> String {
    let outcome = probe(&[check]).remove(0);
    assert_eq!(outcome.status, status, "{outcome:?}");
    outcome.got
}

/// Does something in a namespace.
fn inside<T: Send>(netns: &str, work: impl FnOnce() -> T + Send) -> T {
    let handle = File::open(format!("/run/netns/{netns}")).unwrap();
    std::thread::scope(|scope| {
        let work = scope.spawn(move || {
            nix::sched::setns(handle, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        work.join().unwrap()
    })
}

use Expect::{Blocked, Reachable};
use Probe::{Ping, Tcp, Udp};
use Status::{Fail, Pass};

const DB: [&str; 2] = ["10.0.1.2", "fd00:1::2"];

#[test]
fn reachable_paths_are_proved_in_both_families() {
    lab("reachable_paths_are_proved_in_both_families", "", || {
        let mut checks = vec![check("web", &DB, Ping, Reachable)];
        for probe in [Tcp(80), Udp(53), Tcp(5432), Udp(9999)] {
            let (Tcp(port) | Udp(port)) = probe else { unreachable!() };
            checks.push(answered_by(check("web", &DB, probe, Reachable), "db", port));
            // The same port once more, from elsewhere: one listener serves both.
            checks.push(answered_by(check("cache", &DB, probe, Reachable), "db", port));
        }
        checks.push(check("host", &["127.0.0.1", "::1"], Ping, Reachable));
        checks.push(answered_by(check("host", &["127.0.0.1", "::1"], Tcp(80), Reachable), "host", 80));
        checks.push(answered_by(check("db", &["10.255.0.2", "fd00:1::2"], Udp(80), Reachable), "db", 80));
        for outcome in probe(&checks) {
            assert_eq!(outcome.status, Pass, "{outcome:?}");
        }
        let got = one(Pass, answered_by(check("web", &DB, Tcp(80), Reachable), "db", 80));
        assert!(
            got.starts_with("10.0.1.2 answered by db in ") && got.contains("; fd00:1::2 answered by db in "),
            "{got}"
        );
        // And every port is free again.
        inside("db", || {
            TcpListener::bind("0.0.0.0:80").unwrap();
            UdpSocket::bind("[::]:53").unwrap();
        });
    });
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked() {
    lab("an_answer_comes_from_the_address_that_was_asked", "", || {
        // On db's lo: the route back to web prefers db's other address.
        for probe in [Ping, Tcp(7), Udp(7)] {
            one(Pass, answered_by(check("web", &["10.255.0.2"], probe, Reachable), "db", 7));
        }
    });
}

#[test]
fn many_silent_checks_get_by_with_few_open_files() {
    let drop = format!("{DROP}; ulimit -n 1024");
    lab("many_silent_checks_get_by_with_few_open_files", &drop, || {
        let path = |port| answered_by(check("web", &DB, Tcp(port), Reachable), "db", port);
        let checks: Vec<Check> = (1..=50).map(path).collect();
        for outcome in run(&checks, Limits::within(Duration::from_secs(1))).unwrap() {
            assert_eq!(
                (outcome.status, &*outcome.got),
                (Fail, "10.0.1.2 no answer in 1.0 s; fd00:1::2 no answer in 1.0 s")
            );
        }
    });
}

#[test]
fn silence_is_blocked_and_says_how_long() {
    lab("silence_is_blocked_and_says_how_long", DROP, || {
        let start = Instant::now();
        let paths = |expect| {
            [Ping, Tcp(80), Udp(80)].map(|probe| answered_by(check("web", &DB, probe, expect), "db", 80)).to_vec()
        };
        let checks: Vec<Check> = (0..6).flat_map(|_| paths(Blocked)).collect();
        for outcome in probe(&checks) {
            assert_eq!(
                (outcome.status, &*outcome.got),
                (Pass, "10.0.1.2 no answer in 1.0 s; fd00:1::2 no answer in 1.0 s")
            );
        }
        assert!(start.elapsed() < Duration::from_millis(1800), "{:?}", start.elapsed());
        for outcome in probe(&paths(Reachable)) {
            assert_eq!(
                (outcome.status, &*outcome.got),
                (Fail, "10.0.1.2 no answer in 5.0 s; fd00:1::2 no answer in 5.0 s")
            );
        }
        // The other way is open: what is answered is not blocked.
        for probe in [Ping, Tcp(80), Udp(80)] {
            one(Fail, answered_by(check("db", &["10.0.1.1"], probe, Blocked), "edge", 80));
        }
    });
}

#[test]
fn one_open_family_is_not_blocked() {
    lab("one_open_family_is_not_blocked", "ip netns exec edge iptables -A FORWARD -i to-web -j DROP", || {
        for expect in [Reachable, Blocked] {
            let got = one(Fail, answered_by(check("web", &DB, Tcp(80), expect), "db", 80));
            assert!(
                got.starts_with("10.0.1.2 no answer in ") && got.contains("; fd00:1::2 answered by db in "),
                "{got}"
            );
        }
    });
}

#[test]
fn a_refusal_by_a_router_is_blocked_at_once_and_names_it() {
    let reject = "for t in iptables ip6tables; do ip netns exec edge $t -A FORWARD -i to-web -j REJECT; done";
    lab("a_refusal_by_a_router_is_blocked_at_once_and_names_it", reject, || {
        for probe in [Ping, Tcp(80), Udp(80)] {
            // With a responder and without: an ICMP error from a router is the network's in both cases.
            for known in [true, false] {
                let path = |expect| {
                    let path = check("web", &DB, probe, expect);
                    if known { answered_by(path, "db", 80) } else { path }
                };
                let start = Instant::now();
                let words = "10.0.1.2 refused: port unreachable from 10.0.0.1; \
                             fd00:1::2 refused: port unreachable from fd00:0::1";
                assert_eq!(one(Pass, path(Blocked)), words.replace("fd00:0::", "fd00::"));
                assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
                let outcome = run(&[path(Reachable)], Limits::within(Duration::from_secs(1))).unwrap().remove(0);
                assert_eq!(outcome.status, Fail, "{outcome:?}");
            }
        }
    });
}

#[test]
fn a_missing_or_prohibiting_route_is_blocked() {
    let routes = "
        ip -n web route del default; ip -n web -6 route del default
        ip -n web route add 10.0.1.0/24 via 10.0.0.1
        ip -n edge route add 10.0.9.0/24 dev to-db; ip -n edge route add prohibit 10.0.8.0/24
        ip -n web route add 10.0.8.0/24 via 10.0.0.1
        ip -n web route add blackhole 10.0.6.0/24; ip -n web route add unreachable 10.0.5.0/24
        ip -n web route add prohibit 10.0.4.0/24";
    lab("a_missing_or_prohibiting_route_is_blocked", routes, || {
        for probe in [Ping, Tcp(80), Udp(80)] {
            for (target, words) in [
                ("10.0.7.1", "refused: web has no route to 10.0.7.1"),
                ("fd00:1::2", "refused: web has no route to fd00:1::2"),
                ("10.0.8.1", "refused: administratively prohibited from 10.0.0.1"),
                ("10.0.6.1", "refused: a route of web drops what goes to 10.0.6.1"),
                ("10.0.5.1", "refused: 10.0.5.1 is unreachable from web"),
                ("10.0.4.1", "refused: a route of web prohibits 10.0.4.1"),
            ] {
                assert_eq!(one(Pass, check("web", &[target], probe, Blocked)), words, "{probe:?}");
            }
        }
        assert_eq!(one(Fail, check("web", &["10.0.7.1"], Ping, Reachable)), "refused: web has no route to 10.0.7.1");
    });
}

#[test]
fn a_reset_is_the_networks_where_somebody_is_known_to_listen() {
    let reject = "ip netns exec edge iptables -A FORWARD -i to-web -p tcp -j REJECT --reject-with tcp-reset";
    lab("a_reset_is_the_networks_where_somebody_is_known_to_listen", reject, || {
        let path = check("web", &DB[..1], Tcp(80), Blocked);
        let got = one(Pass, answered_by(path.clone(), "db", 80));
        assert_eq!(got, "refused: connection refused by 10.0.1.2 port 80");
        one(Fail, path);
        // Nothing listens at all, and nothing is known: the target itself was reached.
        one(Fail, check("cache", &DB, Tcp(80), Blocked));
        one(Fail, check("cache", &DB, Udp(80), Blocked));
    });
}

#[test]
fn a_wrong_responder_is_named() {
    let forward = "
        ip netns exec edge iptables -t nat -A PREROUTING -i to-web -p tcp --dport 8080 -j DNAT --to 10.0.2.2:80
        ip netns exec edge iptables -t nat -A PREROUTING -i to-web -p udp --dport 8080 -j DNAT --to 10.0.2.2:80";
    lab("a_wrong_responder_is_named", forward, || {
        let misled = |probe, expect| answered_by(check("web", &["10.0.0.1"], probe, expect), "db", 80);
        // The forward leads to cache, where another check has our listener answer.
        let outcomes = probe(&[
            misled(Tcp(8080), Reachable),
            misled(Udp(8080), Reachable),
            misled(Tcp(8080), Blocked),
            answered_by(check("web", &["10.0.2.2"], Tcp(80), Reachable), "cache", 80),
            answered_by(check("web", &["10.0.2.2"], Udp(80), Reachable), "cache", 80),
        ]);
        let got: Vec<(Status, &str)> = outcomes.iter().map(|outcome| (outcome.status, &*outcome.got)).collect();
        assert_eq!(got[..3], [(Fail, "answered by cache, not by db"); 3]);
        assert_eq!((got[3].0, got[4].0), (Pass, Pass));
        // And with nobody there the forward's target refuses.
        one(Fail, misled(Tcp(8080), Reachable));

        let server = inside("cache", || TcpListener::bind("0.0.0.0:80").unwrap());
        let serving = std::thread::spawn(move || {
            use std::io::Write;
            server.accept().unwrap().0.write_all(b"SSH-2.0-other\r\n").unwrap();
        });
        let got = one(Fail, misled(Tcp(8080), Reachable));
        assert_eq!(got, "answered by something that says \"SSH-2.0-other\", not by db");
        serving.join().unwrap();
    });
}

#[test]
fn a_forward_with_another_port_behind_it() {
    let forward = "for p in tcp udp; do
          ip netns exec edge iptables -t nat -A PREROUTING -i to-web -p $p --dport 8080 -j DNAT --to 10.0.1.2:80
          ip netns exec edge ip6tables -t nat -A PREROUTING -i to-web -p $p --dport 8080 -j DNAT --to '[fd00:1::2]:80'
        done";
    lab("a_forward_with_another_port_behind_it", forward, || {
        for probe in [Tcp(8080), Udp(8080)] {
            one(Pass, answered_by(check("web", &["10.0.0.1", "fd00::1"], probe, Reachable), "db", 80));
        }
    });
}

#[test]
fn the_users_own_listener_is_left_alone() {
    lab("the_users_own_listener_is_left_alone", "", || {
        let path = |probe, expect| answered_by(check("web", &DB[..1], probe, expect), "db", 80);
        // A server that waits for the client to speak first.
        let server = inside("db", || TcpListener::bind("0.0.0.0:80").unwrap());
        let got = one(Pass, path(Tcp(80), Reachable));
        assert!(got.starts_with("answered by db's own listener in "), "{got}");
        one(Fail, path(Tcp(80), Blocked));
        drop(server);

        let server = inside("db", || UdpSocket::bind("0.0.0.0:80").unwrap());
        let got = one(Fail, path(Udp(80), Reachable));
        assert!(got.contains("db has a listener of its own on that port, which must answer any datagram"), "{got}");
        let mut text = [0; 64];
        let (length, _) = server.recv_from(&mut text).unwrap();
        assert_eq!(&text[..length], b"netwright?\n");
        let answering = std::thread::spawn(move || {
            // Past what the silent tries left.
            loop {
                let (_, asker) = server.recv_from(&mut text).unwrap();
                if server.send_to(b"pong", asker).is_ok() && server.set_nonblocking(false).is_ok() {
                    server.set_read_timeout(Some(Duration::from_millis(800))).unwrap();
                }
                if server.peek_from(&mut text).is_err() {
                    break;
                }
            }
        });
        let got = one(Pass, path(Udp(80), Reachable));
        assert!(got.starts_with("answered by db's own listener in "), "{got}");
        answering.join().unwrap();
    });
}

#[test]
fn a_listener_on_loopback_only_is_found_out() {
    lab("a_listener_on_loopback_only_is_found_out", "", || {
        let _server = inside("db", || TcpListener::bind("127.0.0.1:80").unwrap());
        let words = "refused: connection refused by 10.0.1.2 port 80 \
                     (db has a listener of its own on port 80, but only at 127.0.0.1)";
        for expect in [Reachable, Blocked] {
            assert_eq!(one(Fail, answered_by(check("web", &DB[..1], Tcp(80), expect), "db", 80)), words);
        }
    });
}

#[test]
fn what_cannot_be_probed_fails_whatever_is_expected() {
    lab("what_cannot_be_probed_fails_whatever_is_expected", "touch /run/netns/stale", || {
        for expect in [Reachable, Blocked] {
            let missing = "could not be probed: namespace gone does not exist: apply the topology first";
            assert_eq!(one(Fail, check("gone", &DB[..1], Ping, expect)), missing);
            assert_eq!(one(Fail, answered_by(check("web", &DB[..1], Tcp(80), expect), "gone", 80)), missing);
            let got = one(Fail, check("stale", &DB[..1], Udp(80), expect));
            assert!(got.contains("is no namespace (left behind by a crash)"), "{got}");
            one(Fail, check("web", &[], Ping, expect));
        }
    });
}

#[test]
fn a_lab_that_comes_up_a_moment_later_is_waited_for() {
    lab("a_lab_that_comes_up_a_moment_later_is_waited_for", "ip -n edge link set to-db down", || {
        let up = std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(250));
            Command::new("ip").args(["-n", "edge", "link", "set", "to-db", "up"]).status().unwrap()
        });
        let paths =
            [Ping, Tcp(80), Udp(80)].map(|probe| answered_by(check("web", &DB[..1], probe, Reachable), "db", 80));
        for outcome in probe(&paths) {
            assert_eq!(outcome.status, Pass, "{outcome:?}");
        }
        assert!(up.join().unwrap().success());
    });
}

#[test]
fn ipv6_is_waited_for_until_its_detection_is_through() {
    // As above, but with duplicate address detection of the router's link-local address under way.
    let late = "
        ip netns exec edge sysctl -qw net.ipv6.conf.default.accept_dad=1
        ip netns add late; ip -n late link set lo up
        ip link add eth0 netns late type veth peer name to-late netns edge
        ip -n late address add fd00:9::2/64 dev eth0 nodad; ip -n edge address add fd00:9::1/64 dev to-late nodad
        ip -n late link set eth0 up; ip -n edge link set to-late up; ip -n late route add default via fd00:9::1
        # Under detection for ever, since it has no carrier: nothing to wait for.
        ip -n edge link add idle type veth peer name other; ip -n edge link set idle up";
    lab("ipv6_is_waited_for_until_its_detection_is_through", late, || {
        one(Pass, answered_by(check("web", &["fd00:9::2"], Tcp(80), Reachable), "late", 80));
        // An open path that is not open yet must not pass for a blocked one.
        one(Fail, answered_by(check("web", &["fd00:9::2"], Udp(80), Blocked), "late", 80));
        let start = Instant::now();
        one(Pass, check("web", &["fd00:9::2"], Ping, Reachable));
        assert!(start.elapsed() < Duration::from_millis(700), "{:?}", start.elapsed());
    });
}

#[test]
fn thirty_reachable_checks_take_well_below_a_second() {
    lab("thirty_reachable_checks_take_well_below_a_second", "", || {
        let checks: Vec<Check> = (0..30u16)
            .map(|n| {
                let probe = [Ping, Tcp(1000 + n), Udp(1000 + n)][usize::from(n) % 3];
                answered_by(
                    check(["web", "cache", "edge"][usize::from(n / 3) % 3], &DB, probe, Reachable),
                    "db",
                    1000 + n,
                )
            })
            .collect();
        let start = Instant::now();
        let outcomes = probe(&checks);
        let elapsed = start.elapsed();
        assert!(outcomes.iter().all(|outcome| outcome.status == Pass));
        println!("30 checks, 60 addresses: {elapsed:?}");
        assert!(elapsed < Duration::from_millis(700), "{elapsed:?}");
    });
}

#[test]
fn hundreds_of_checks_stay_within_the_limit_of_open_files() {
    lab("hundreds_of_checks_stay_within_the_limit_of_open_files", "ulimit -n 1024", || {
        let checks: Vec<Check> =
            (0..400u16).map(|n| answered_by(check("web", &DB, Tcp(1000 + n), Reachable), "db", 1000 + n)).collect();
        let failed: Vec<Outcome> = probe(&checks).into_iter().filter(|outcome| outcome.status == Fail).collect();
        assert!(failed.is_empty(), "{failed:?}");
    });
}

/// A bridge with STP between two namespaces, whose ports are listened to and learn for two seconds each.
const TREE: &str = "ip -n edge link add br0 up type bridge stp_state 1 forward_delay 200
for n in web db; do
  ip link add eth1 netns $n type veth peer name tree-$n netns edge
  ip -n edge link set tree-$n master br0 up; ip -n $n link set eth1 up
done
ip -n web address add 10.7.0.1/24 dev eth1; ip -n db address add 10.7.0.2/24 dev eth1";

#[test]
fn a_spanning_tree_is_undecided_until_what_is_switched_arrives() {
    lab("a_spanning_tree_is_undecided_until_what_is_switched_arrives", TREE, || {
        let undecided = || stp::undecided(&named("edge")).unwrap();
        assert_eq!(undecided(), 2);
        assert_eq!(stp::undecided(&Netns::Host).unwrap(), 0);
        let start = Instant::now();
        while undecided() > 0 && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(start.elapsed() > Duration::from_secs(2), "{:?}", start.elapsed());
        let start = Instant::now();
        assert_eq!(probe(&[check("web", &["10.7.0.2"], Ping, Reachable)])[0].status, Pass);
        assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    });
}
