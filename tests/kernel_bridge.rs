//! Bridges on the real kernel: what raising a new one without its multicast snooping leaves behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use netwright::{
    kernel::{Kernel, Live},
    model::Netns,
    op::{Batch, LinkRef, Op, Step},
};
use shell::sh;

fn run(kernel: &mut Live, op: Op) {
    let step = Step { address: "bridge.br0".parse().unwrap(), op };
    if let Err(error) = kernel.run(&Batch { netns: Netns::Host, steps: vec![step] }) {
        panic!("{error}\n{:#?}", error.failures);
    }
}

/// All that `ip` and `bridge` tell of a bridge of three ports, but names, hardware addresses and timers.
fn told(bridge: &str, end: char) -> Vec<String> {
    let of_ports = format!("for i in a b c; do bridge -d link show dev p${{i}}{end}; done");
    let text = sh(&format!(
        "ip -d link show dev {bridge}; {of_ports}; ip maddr show dev {bridge}; bridge mdb show dev {bridge} | sort"
    ));
    let is_its_own = |word: &str| {
        // Groups that are made of the hardware address.
        ["33:33:ff", "ff02::1:ff"].iter().any(|it| word.starts_with(it))
            || (word.ends_with(':') && word.trim_end_matches(':').chars().all(|it| it.is_ascii_digit()))
    };
    let plain = |line: &str| {
        let mut kept = Vec::new();
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "link/ether" | "bridge_id" | "designated_root" => _ = words.next(),
                _ if word.ends_with("_timer") => _ = words.next(),
                _ if is_its_own(word) => {}
                _ => kept.push(word.replace(bridge, "BRIDGE").replace(&format!("{end}@q"), "@q")),
            }
        }
        let line = kept.join(" ");
        ["a", "b", "c"].iter().fold(line, |line, it| line.replace(&format!("{it}{end}"), it))
    };
    let mut lines: Vec<String> = text.lines().map(plain).collect();
    lines.sort();
    lines
}

#[test]
fn one_that_was_raised_without_snooping_is_like_any_other() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        for (bridge, index) in [("brQ", 700), ("brW", 800)] {
            let n = &bridge[2..];
            sh(&format!(
                "ip link add {bridge} index {index} type bridge; for i in a b c; do \
                 ip link add p${{i}}{n} type veth peer q${{i}}{n}; ip link set q${{i}}{n} up; \
                 ip link set p${{i}}{n} master {bridge} up; done"
            ));
        }
        sh("ip link set brQ up");
        run(&mut kernel, Op::BridgeUp { link: LinkRef { index: 800, name: "brW".into() } });
        // Until all ports forward, and what they have joined is told.
        sh("timeout 10 sh -c 'until test $(bridge link | grep -c forwarding) = 6; do sleep 0.1; done'");
        sh("sleep 2");
        let (plain, ours) = (told("brQ", 'Q'), told("brW", 'W'));
        let tells = |what: &str| plain.iter().any(|line| line.contains(what));
        assert!(tells("mcast_snooping 1") && tells("inet6 ff02::6a") && tells("port pc grp"), "{plain:#?}");
        assert_eq!(plain, ours);
    });
}

#[test]
fn members_of_a_group_are_learned_by_one_that_was_raised_so() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        sh("ip link add br0 index 700 type bridge mcast_querier 1; for i in a b; do ip netns add $i; \
            ip link add p$i type veth peer eth0 netns $i; ip link set p$i master br0 up; ip -n $i link set eth0 up; done");
        run(&mut kernel, Op::BridgeUp { link: LinkRef { index: 700, name: "br0".into() } });
        sh("sleep 1; ip -n a address add 239.1.2.3/32 dev eth0 autojoin");
        sh(
            "timeout 10 sh -c 'until bridge mdb show dev br0 | grep 239.1.2.3 | grep -q \"port pa\"; do sleep 0.1; done'",
        );
        let groups = sh("bridge mdb show dev br0");
        assert!(!groups.lines().any(|line| line.contains("239.1.2.3") && line.contains("port pb")), "{groups}");
    });
}
