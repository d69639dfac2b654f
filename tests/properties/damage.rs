//! What people and programs do to a lab behind the tool's back.

use netwright::{
    kernel::{Kernel, fake::Fake},
    kind::Topology,
    model::{
        Netns,
        mark::{GATEWAY_PROTOCOL, ROUTE_PROTOCOL},
        snapshot::{Nexthop, RouteType},
    },
    op::{Batch, LinkChange, LinkRef, Op, RouteOp, Step},
};
use proptest::arbitrary::Arbitrary;
use proptest::{prelude::*, sample::Index};

/// One blow: what kind, and where.
#[derive(Debug, Clone)]
pub struct Damage {
    kind: u8,
    place: Index,
    detail: Index,
}

impl Arbitrary for Damage {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;
    fn arbitrary_with((): ()) -> Self::Strategy {
        let parts = (0..17u8, any::<Index>(), any::<Index>());
        parts.prop_map(|(kind, place, detail)| Self { kind, place, detail }).boxed()
    }
}

/// One op by somebody else; tells it, where it was done.
pub fn run(fake: &mut Fake, netns: &Netns, op: Op) -> Option<String> {
    let text = format!("{netns}: {}", super::lab::words(&op));
    let batch = Batch { netns: netns.clone(), steps: vec![Step { address: "link.x".parse().unwrap(), op }] };
    fake.run(&batch).is_ok().then_some(text)
}

/// Inflicts it where it can be; tells what was done, where that must show.
pub fn inflict(fake: &mut Fake, topology: &Topology, damage: &Damage) -> Option<String> {
    if topology.links.is_empty() {
        return on_namespace(fake, topology, damage);
    }
    let link = damage.place.get(&topology.links);
    let end = damage.detail.get(&link.ends);
    let state = fake.state.namespaces.get(&end.netns)?;
    let there = state.link(&end.device)?.clone();
    let at = LinkRef { index: there.index, name: there.name.clone() };
    let set = |change: LinkChange| Op::LinkSet { link: at.clone(), change };
    let none = LinkChange::default;
    let op = match damage.kind {
        0 => Op::LinkDelete { link: at.clone() },
        1 => set(LinkChange { up: Some(!there.up), ..none() }),
        2 => set(LinkChange { mtu: Some(1234), ..none() }),
        3 => set(LinkChange { mac: "02:00:00:00:00:99".parse().ok(), ..none() }),
        4 => set(LinkChange { master: Some(0).filter(|_| there.master.is_some()), ..none() }),
        5 => {
            let other = state.links.iter().find(|it| it.bridge.is_some() && Some(it.index) != there.master)?;
            set(LinkChange { master: Some(other.index).filter(|_| end.addresses.is_empty()), ..none() })
        }
        6 => {
            let own: Vec<_> = end.addresses.iter().collect();
            let address = **own.get(damage.place.index(own.len().max(1)))?;
            Op::AddressDelete { link: at.clone(), address }
        }
        7 => {
            if end.addresses.is_empty() {
                return None;
            }
            Op::AddressAdd { link: at.clone(), address: "10.77.0.1/24".parse().unwrap(), protocol: 0 }
        }
        8 => set(LinkChange { alias: Some(String::new()).filter(|_| end.netns != Netns::Host), ..none() }),
        9 => set(LinkChange { rename: "renamed".parse().ok(), ..none() }),
        _ => return on_namespace(fake, topology, damage),
    };
    if op == set(none()) {
        return None;
    }
    run(fake, &end.netns.clone(), op)
}

fn on_namespace(fake: &mut Fake, topology: &Topology, damage: &Damage) -> Option<String> {
    let bridges: Vec<_> = topology.bridges.iter().filter(|it| !it.external).collect();
    if let (10 | 11, false) = (damage.kind, bridges.is_empty()) {
        let bridge = damage.place.get(&bridges);
        let there = fake.state.namespaces.get(&bridge.netns)?.link(&bridge.device)?;
        let link = LinkRef { index: there.index, name: there.name.clone() };
        let change = match damage.detail.index(4) {
            0 => LinkChange { stp: Some(!bridge.stp), ..LinkChange::default() },
            1 => LinkChange { ageing_time: Some(77), ..LinkChange::default() },
            2 => LinkChange { up: Some(!there.up), ..LinkChange::default() },
            _ => return run(fake, &bridge.netns, Op::LinkDelete { link }),
        };
        return run(fake, &bridge.netns, Op::LinkSet { link, change });
    }
    let namespace = (!topology.namespaces.is_empty()).then(|| damage.place.get(&topology.namespaces))?;
    let state = fake.state.namespaces.get(&namespace.netns)?;
    let routes: Vec<_> =
        state.routes.iter().filter(|it| matches!(it.protocol, ROUTE_PROTOCOL | GATEWAY_PROTOCOL)).cloned().collect();
    let route = (!routes.is_empty()).then(|| damage.detail.get(&routes));
    let as_op = |route: &netwright::model::snapshot::RouteState| RouteOp {
        to: route.to,
        table: route.table,
        metric: route.metric,
        protocol: route.protocol,
        kind: route.kind.unwrap_or_default(),
        src: route.src,
        mtu: route.mtu,
        nexthops: route.nexthops.clone(),
    };
    let op = match damage.kind {
        12 => Op::RouteDelete { route: as_op(route?) },
        // A blackhole under another protocol number is one still.
        13 if route?.kind == Some(RouteType::Blackhole) => return None,
        13 => Op::RouteAdd {
            route: RouteOp {
                kind: RouteType::Blackhole,
                protocol: 4,
                nexthops: Vec::new(),
                src: None,
                ..as_op(route?)
            },
            replace: true,
        },
        14 => {
            let Nexthop { link, via, .. } = route?.nexthops.first()?.clone();
            // The same route under another protocol number leads where it led.
            via?;
            let nexthops = vec![Nexthop { via: None, link, weight: 1, onlink: false }];
            Op::RouteAdd { route: RouteOp { nexthops, protocol: 4, ..as_op(route?) }, replace: true }
        }
        15 => {
            let (key, value) = namespace.sysctls.iter().nth(damage.detail.index(namespace.sysctls.len().max(1)))?;
            let other = if value == "0" { "1" } else { "0" };
            Op::SysctlSet { key: key.clone(), value: other.into() }
        }
        16 => Op::NetnsDelete,
        _ => {
            let extra = RouteOp {
                to: "10.66.0.0/16".parse().unwrap(),
                table: 254,
                metric: 0,
                protocol: 4,
                kind: RouteType::Blackhole,
                src: None,
                mtu: None,
                nexthops: Vec::new(),
            };
            Op::RouteAdd { route: extra, replace: false }
        }
    };
    run(fake, &namespace.netns, op)
}
