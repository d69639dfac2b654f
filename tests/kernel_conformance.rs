//! The fake kernel against the real one: the same random ops, the same errors, the same state.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/sandbox.rs"]
mod sandbox;

use std::collections::BTreeMap;

use netwright::{
    kernel::{Kernel, Live, fake::Fake},
    model::{
        Netns,
        mark::ADDRESS_PROTOCOL,
        snapshot::{Nexthop, ReadRequest, RouteType, Snapshot},
    },
    op::{Batch, LinkChange, LinkRef, NewEnd, Op, RouteOp, Step},
};
use similar::TextDiff;

/// What the fake does not model, and what time decides, is taken out of both.
fn comparable(mut snapshot: Snapshot) -> Snapshot {
    snapshot.boot = None;
    for state in snapshot.namespaces.values_mut() {
        (state.inode, state.cookie) = (0, None);
        for link in &mut state.links {
            link.mac = None;
            link.port.iter_mut().for_each(|port| port.rest.clear());
            if link.bridge.is_some() {
                // It comes a moment after its ports', and its MTU follows theirs.
                link.carrier = false;
                link.mtu = 0;
            }
            (link.forwarding, link.ipv6, link.accept_dad) = (None, None, None);
        }
        state.routes.retain(|route| route.protocol == 76);
        state.addresses.retain(|address| {
            let text = address.address.to_string();
            !text.starts_with("fe80") && text != "127.0.0.1/8" && text != "::1/128"
        });
        state.routes.sort_by_key(|route| format!("{route:?}"));
        state.addresses.sort_by_key(|address| format!("{address:?}"));
        state.sysctls.clear();
    }
    snapshot
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_003).unwrap() % sides
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.roll(one_in) == 0
    }
}

const PLACES: [&str; 3] = ["host", "a", "b"];
const INDEXES: [u32; 5] = [10, 11, 12, 13, 14];
const NAMES: [&str; 5] = ["v0", "v1", "v2", "v3", "v4"];
const FOUR: [&str; 4] = ["10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/24", "10.0.0.1/16"];
const SIX: [&str; 3] = ["fd00::1/64", "fd00::2/64", "fd01::1/64"];

fn end(dice: &mut Dice) -> NewEnd {
    NewEnd { index: dice.pick(&INDEXES), name: dice.pick(&NAMES).parse().unwrap(), mac: None, mtu: None }
}

fn route(dice: &mut Dice) -> RouteOp {
    let four = dice.chance(2);
    let (to, via): (&str, &[&str]) = if four {
        (dice.pick(&["10.9.0.0/16", "10.8.0.0/16", "0.0.0.0/0"]), &["10.0.0.254", "10.0.1.254"])
    } else {
        (dice.pick(&["fd09::/64", "::/0"]), &["fd00::254", "fd01::254"])
    };
    // A blackhole for everything would make the kernel doubt gateways that the fake takes for reachable.
    let kind = if dice.chance(6) && !to.ends_with("/0") { RouteType::Blackhole } else { RouteType::Unicast };
    let hop = |dice: &mut Dice| Nexthop {
        via: Some(dice.pick(via).parse().unwrap()),
        link: Some(dice.pick(&INDEXES)),
        weight: 1,
        onlink: dice.chance(6),
    };
    let nexthops = match (kind, dice.roll(6)) {
        (RouteType::Unicast, 0) => vec![Nexthop { via: None, onlink: false, ..hop(dice) }],
        (RouteType::Unicast, _) => vec![hop(dice)],
        _ => Vec::new(),
    };
    let src = if four && dice.chance(5) { Some("10.0.0.1".parse().unwrap()) } else { None };
    RouteOp {
        to: to.parse().unwrap(),
        table: dice.pick(&[254, 254, 1000]),
        metric: dice.pick(&[0, 100, 200]),
        protocol: 76,
        kind,
        src,
        mtu: None,
        nexthops,
    }
}

fn change(dice: &mut Dice) -> LinkChange {
    let mut change = LinkChange::default();
    match dice.roll(8) {
        0..=2 => change.up = Some(true),
        3 => change.up = Some(dice.chance(3)),
        4 => change.master = Some(dice.pick(&[0, 10, 11, 12])),
        5 => change.rename = Some(dice.pick(&NAMES).parse().unwrap()),
        6 => change.alias = Some(dice.pick(&["", "x", "netwright:lab/link.a:eth0"]).to_owned()),
        _ => change.mtu = Some(dice.pick(&[1400, 1500])),
    }
    if dice.chance(4) {
        change.group = Some(dice.pick(&[0, 7]));
    }
    if dice.chance(10) {
        change.hairpin = Some(dice.chance(2));
    }
    if dice.chance(10) {
        change.stp = Some(false);
        change.ageing_time = Some(1000);
    }
    change
}

fn op(dice: &mut Dice) -> Op {
    let index = dice.pick(&INDEXES);
    let link = LinkRef { index, name: format!("#{index}") };
    let address = |dice: &mut Dice| {
        let text = if dice.chance(2) { dice.pick(&FOUR) } else { dice.pick(&SIX) };
        text.parse().unwrap()
    };
    match dice.roll(24) {
        0 if dice.chance(3) => Op::NetnsDelete,
        0 | 1 => Op::NetnsCreate { mark: "netwright:lab/namespace.a".into() },
        2 => Op::BridgeCreate {
            index,
            name: dice.pick(&NAMES).parse().unwrap(),
            mac: None,
            mtu: None,
            stp: None,
            ageing_time: None,
        },
        3..=5 => Op::VethCreate {
            end: end(dice),
            peer: end(dice),
            peer_netns: Netns::from(dice.pick(&PLACES).to_owned()),
            queues: None,
        },
        6..=11 => Op::LinkSet { link, change: change(dice) },
        12 => Op::LinkDelete { link },
        13..=16 => Op::AddressAdd { link, address: address(dice), protocol: ADDRESS_PROTOCOL },
        17 => Op::AddressDelete { link, address: address(dice) },
        18..=21 => Op::RouteAdd { route: route(dice), replace: dice.chance(3) },
        _ => Op::RouteDelete { route: route(dice) },
    }
}

/// Puts back something that was there earlier, as it was then, wherever that may be impossible by now.
fn put_back(dice: &mut Dice, earlier: &[Snapshot]) -> Option<(Netns, Op)> {
    let then = earlier.get(dice.roll(earlier.len().max(1)))?;
    let netns = Netns::from(dice.pick(&PLACES).to_owned());
    let state = then.namespaces.get(&netns)?;
    let op = if dice.chance(2) {
        let address = state.addresses.get(dice.roll(state.addresses.len().max(1)))?.clone();
        let link = LinkRef { index: address.link, name: format!("#{}", address.link) };
        Op::AddressPutBack { link, address }
    } else {
        Op::RoutePutBack { route: state.routes.get(dice.roll(state.routes.len().max(1)))?.clone() }
    };
    Some((netns, op))
}

/// Sets a namespace aside, gives one its name back, or lets it go.
fn park(dice: &mut Dice, live: &Live, kept: &BTreeMap<Netns, Kept>) -> Option<(Netns, Op)> {
    let netns = Netns::from(dice.pick(&["a", "b"]).to_owned());
    let topology = || "lab".parse().unwrap();
    let op = match kept.get(&netns) {
        Some(Kept { live: inode, .. }) if kept.len() == 1 && dice.chance(4) => {
            Op::NetnsDrop { topology: topology(), inode: *inode, ends: None }
        }
        Some(Kept { live: inode, .. }) => Op::NetnsUnpark { topology: topology(), inode: *inode },
        None => {
            let there = live.read(&ReadRequest::default()).unwrap();
            Op::NetnsPark { topology: topology(), inode: there.namespaces.get(&netns)?.inode }
        }
    };
    Some((netns, op))
}

/// The inodes of a namespace that is set aside.
#[derive(Debug, Clone, Copy)]
struct Kept {
    live: u64,
    fake: u64,
}

/// The same for the fake, whose inodes are others.
fn for_fake(batch: &Batch, fake: &Fake, kept: &BTreeMap<Netns, Kept>) -> Batch {
    let mut batch = batch.clone();
    match &mut batch.steps[0].op {
        Op::NetnsPark { inode, .. } => *inode = fake.state.namespaces[&batch.netns].inode,
        Op::NetnsUnpark { inode, .. } | Op::NetnsDrop { inode, .. } => *inode = kept[&batch.netns].fake,
        _ => {}
    }
    batch
}

/// What is set aside after a batch that went well.
fn note(kept: &mut BTreeMap<Netns, Kept>, batch: &Batch, fake: &Batch) {
    match (&batch.steps[0].op, &fake.steps[0].op) {
        (Op::NetnsPark { inode: live, .. }, Op::NetnsPark { inode: fake, .. }) => {
            kept.insert(batch.netns.clone(), Kept { live: *live, fake: *fake });
        }
        (Op::NetnsUnpark { .. } | Op::NetnsDrop { .. }, _) => _ = kept.remove(&batch.netns),
        _ => {}
    }
}

/// Something to work with.
fn prelude() -> Vec<(&'static str, Op)> {
    let mark = || "netwright:lab/namespace.a".to_owned();
    let end = |index, name: &str| NewEnd { index, name: name.parse().unwrap(), mac: None, mtu: None };
    let veth =
        |a, b, place: &str| Op::VethCreate { end: a, peer: b, peer_netns: Netns::from(place.to_owned()), queues: None };
    let up = |index| Op::LinkSet {
        link: LinkRef { index, name: format!("#{index}") },
        change: LinkChange { up: Some(true), ..Default::default() },
    };
    let bridge =
        Op::BridgeCreate { index: 10, name: "v4".parse().unwrap(), mac: None, mtu: None, stp: None, ageing_time: None };
    vec![
        ("a", Op::NetnsCreate { mark: mark() }),
        ("b", Op::NetnsCreate { mark: mark() }),
        // Without any IPv4 address there is no table `local`, and the kernel takes every gateway for a broadcast.
        ("a", up(1)),
        ("b", up(1)),
        ("host", up(1)),
        ("host", bridge),
        ("a", veth(end(11, "v0"), end(12, "v1"), "host")),
        ("b", veth(end(11, "v0"), end(13, "v2"), "a")),
        ("a", up(11)),
        ("a", up(13)),
        ("b", up(11)),
        ("host", up(12)),
        ("host", up(10)),
    ]
}

/// Runs ops on both and compares after each.
fn compare(seed: u64, steps: usize) -> usize {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut live = Live::new().unwrap();
    let whole = ReadRequest { whole: true, ..ReadRequest::default() };
    let read = |kernel: &dyn Kernel| comparable(kernel.read(&whole).unwrap());
    let mut fake = Fake::new(read(&live));
    let mut done = 0;
    let mut history = Vec::new();
    let (mut earlier, mut kept) = (Vec::new(), BTreeMap::new());
    let mut ready = prelude().into_iter();
    for _ in 0..steps {
        let new = |dice: &mut Dice| (Netns::from(dice.pick(&PLACES).to_owned()), op(dice));
        let (netns, op) = match ready.next() {
            Some((place, op)) => (Netns::from(place.to_owned()), op),
            None => match dice.roll(12) {
                0 => park(&mut dice, &live, &kept).unwrap_or_else(|| new(&mut dice)),
                1 | 2 => put_back(&mut dice, &earlier).unwrap_or_else(|| new(&mut dice)),
                _ => new(&mut dice),
            },
        };
        if netns == Netns::Host && matches!(op, Op::NetnsCreate { .. } | Op::NetnsDelete) {
            continue;
        }
        if matches!(op, Op::NetnsDelete) && !kept.is_empty() {
            // What ends in a namespace that nobody can see is not waited for.
            continue;
        }
        let gone = !fake.state.namespaces.contains_key(&netns);
        let is_about_kept = matches!(op, Op::NetnsUnpark { .. } | Op::NetnsDrop { .. });
        if gone && !is_about_kept && !matches!(op, Op::NetnsCreate { .. } | Op::NetnsDelete) {
            continue;
        }
        let batch = Batch { netns, steps: vec![Step { address: "link.x".parse().unwrap(), op }] };
        history.push(format!("{:?} {:?}", batch.netns, batch.steps[0].op));
        let twin = for_fake(&batch, &fake, &kept);
        let (real, fakes) = (live.run(&batch), fake.run(&twin));
        if real.is_ok() {
            note(&mut kept, &batch, &twin);
        }
        live.settle().unwrap();
        let errno = |result: &Result<(), netwright::kernel::BatchError>| match result {
            Ok(()) => "done".to_owned(),
            // Which of several reasons the kernel finds first is its own business.
            Err(_) if matches!(batch.steps[0].op, Op::RouteAdd { .. }) => "no route".to_owned(),
            Err(error) => format!("{:?}", error.failures[0].error.errno()),
        };
        let context = || format!("seed {seed}, after\n{}\nlive: {real:?}\nfake: {fakes:?}", history.join("\n"));
        assert_eq!(errno(&real), errno(&fakes), "{}", context());
        done += usize::from(real.is_ok());
        let (there, here) = (read(&live), read(&fake));
        if there != here {
            let (there, here) = (format!("{there:#?}"), format!("{here:#?}"));
            let diff = TextDiff::from_lines(&there, &here);
            panic!("{}\n{}", context(), diff.unified_diff().header("live", "fake"));
        }
        if dice.chance(4) {
            earlier.push(there);
        }
    }
    for netns in PLACES.map(|name| Netns::from(name.to_owned())) {
        let links = fake.state.namespaces.get(&netns).map(|state| state.links.clone()).unwrap_or_default();
        for link in links.iter().filter(|link| link.index != 1) {
            let op = Op::LinkDelete { link: LinkRef { index: link.index, name: link.name.clone() } };
            let batch = Batch { netns: netns.clone(), steps: vec![Step { address: "link.x".parse().unwrap(), op }] };
            // The other end of a veth is gone by now.
            let _ = live.run(&batch);
        }
        let batch = Batch {
            netns: netns.clone(),
            steps: vec![Step { address: "link.x".parse().unwrap(), op: Op::NetnsDelete }],
        };
        let _ = live.run(&batch);
    }
    for (netns, Kept { live: inode, .. }) in kept {
        let op = Op::NetnsDrop { topology: "lab".parse().unwrap(), inode, ends: None };
        live.run(&Batch { netns, steps: vec![Step { address: "link.x".parse().unwrap(), op }] }).unwrap();
    }
    live.settle().unwrap();
    done
}

#[test]
fn the_fake_does_as_the_kernel_does() {
    sandbox::run(|| {
        let done: usize = (1..=14).map(|seed| compare(seed, 80)).sum();
        println!("{done} ops done on both");
        assert!(done > 250, "only {done} ops were possible");
    });
}
