//! Links that are read before the bridge that they are ports of comes up: whoever reads afterwards gets them as they are then.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[expect(dead_code, reason = "no routes are made here")]
#[path = "common/ops.rs"]
mod ops;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use netwright::{
    kernel::{Kernel, Live},
    model::snapshot::{LinkState, NetnsState},
    op::{LinkChange, Op},
};
use ops::{address, at, end, ns, read, run, set, up, veth};
use shell::sh;

const BRIDGE: u32 = 700;
const FIRST: u32 = 1000;
const PORTS: u32 = 40;

fn name(port: u32) -> String {
    format!("p{port}")
}

fn port(at: u32) -> Op {
    set(FIRST + at, &name(at), LinkChange { master: Some(BRIDGE), up: Some(true), ..LinkChange::default() })
}

/// Makes a bridge and its ports, whose other ends are in `web`, in a namespace, and raises all.
fn raise(kernel: &mut Live, netns: &str) {
    let bridge = Op::BridgeCreate {
        index: BRIDGE,
        name: "br0".parse().unwrap(),
        mac: None,
        mtu: None,
        stp: None,
        ageing_time: None,
    };
    run(kernel, netns, vec![bridge]);
    run(kernel, "web", vec![Op::NetnsCreate { mark: "m".into() }]);
    for at in 0..PORTS {
        let (far, port) = (end(2000 + at, &name(at)), end(FIRST + at, &name(at)));
        run(kernel, "web", vec![veth(far, port, netns), up(2000 + at, &name(at))]);
    }
    let raise = Op::BridgeUp { link: at(BRIDGE, "br0") };
    let rest = [raise, address(BRIDGE, "br0", "10.0.0.1/16"), address(BRIDGE, "br0", "fd00::1/64")];
    run(kernel, netns, (0..PORTS).map(port).chain(rest).collect());
}

fn tidy() {
    sh("ip -n web -o link show type veth | cut -d' ' -f2 | cut -d@ -f1 | xargs -n1 ip -n web link del; ip netns del web
        if [ -e /run/netns/sw ]; then ip netns del sw; else ip link del br0; fi");
}

fn of(kernel: &Live, netns: &str) -> NetnsState {
    read(kernel).namespaces.remove(&ns(netns)).unwrap()
}

fn alias(state: &NetnsState, port: u32) -> Option<&str> {
    state.link_at(FIRST + port).unwrap().alias.as_deref()
}

/// Whether what is read now is what was read early: somebody else's change is not in it.
fn is_early(kernel: &Live, netns: &str) -> (bool, NetnsState) {
    let enter = if netns == "host" { String::new() } else { format!("-n {netns}") };
    sh(&format!("ip {enter} link set {} alias others", name(0)));
    let seen = of(kernel, netns);
    sh(&format!("ip {enter} link set {} alias ''", name(0)));
    (alias(&seen, 0).is_none(), seen)
}

#[test]
fn what_was_read_early_is_what_is_there() {
    sandbox::run(|| {
        for netns in ["host", "sw"] {
            let mut kernel = Live::new().unwrap();
            if netns != "host" {
                run(&mut kernel, netns, vec![Op::NetnsCreate { mark: "m".into() }]);
            }
            let beside = kernel.another();
            raise(&mut kernel, netns);
            let (is_early, early) = is_early(&kernel, netns);
            assert!(is_early, "{netns}");
            let late = of(&kernel, netns);
            // The kernel tells a bridge of its ports' carrier later.
            let bare = |link: &LinkState| LinkState { carrier: link.carrier && link.bridge.is_none(), ..link.clone() };
            assert_eq!(
                early.links.iter().map(bare).collect::<Vec<_>>(),
                late.links.iter().map(bare).collect::<Vec<_>>()
            );
            let ports = late.links.iter().filter(|link| link.master == Some(BRIDGE) && link.up && link.carrier);
            assert_eq!(ports.count(), PORTS as usize);
            assert!(late.link("br0").is_some_and(|link| link.up));
            drop(beside);
            tidy();
        }
    });
}

#[test]
fn nothing_is_read_early_where_nobody_looks_or_few_come_up() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        raise(&mut kernel, "host");
        assert!(!is_early(&kernel, "host").0);
        sh("ip link set br0 down");
        let _beside = kernel.another();
        run(&mut kernel, "host", vec![port(1), Op::BridgeUp { link: at(BRIDGE, "br0") }]);
        assert!(!is_early(&kernel, "host").0);
    });
}

#[test]
fn what_the_run_does_afterwards_is_seen() {
    type Check = fn(&NetnsState) -> bool;
    let renamed: Check = |host| host.link("r").is_some_and(|link: &LinkState| link.index == FIRST + 3);
    let gone: Check = |host| host.link_at(FIRST + 5).is_none() && host.link_at(FIRST + 6).is_some();
    let come: Check = |host| host.link_at(3001).is_some();
    let has_left: Check = |host| host.link_at(FIRST + 7).unwrap().master.is_none();
    let forwards: Check = |host| host.link_at(FIRST + 9).unwrap().forwarding == Some(true);
    let sysctl = Op::SysctlSet { key: "net/ipv4/conf/all/forwarding".into(), value: "1".into() };
    let change = |port, change| set(FIRST + port, &name(port), change);
    let rename = LinkChange { rename: Some("r".parse().unwrap()), ..LinkChange::default() };
    let leave = LinkChange { master: Some(0), ..LinkChange::default() };
    let cases: [(&str, Op, bool, Check); 5] = [
        ("host", change(3, rename), true, renamed),
        ("web", Op::LinkDelete { link: at(2005, &name(5)) }, false, gone),
        ("web", veth(end(3000, "x"), end(3001, "x"), "host"), false, come),
        ("host", change(7, leave), false, has_left),
        ("host", sysctl, false, forwards),
    ];
    sandbox::run(|| {
        for (netns, op, stays_early, check) in cases {
            let mut kernel = Live::new().unwrap();
            let _beside = kernel.another();
            raise(&mut kernel, "host");
            run(&mut kernel, netns, vec![op.clone()]);
            let (is_early, host) = is_early(&kernel, "host");
            assert_eq!(is_early, stays_early, "{op:?}");
            assert!(check(&host), "{op:?}\n{host:#?}");
            tidy();
        }
    });
}

#[test]
fn the_next_run_begins_with_nothing_that_was_read_early() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let beside = kernel.another();
        raise(&mut kernel, "host");
        drop(beside);
        kernel.expect(&[]);
        assert!(!is_early(&kernel, "host").0);
    });
}
