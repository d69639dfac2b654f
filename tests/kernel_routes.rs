//! Routes on the real kernel.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/ops.rs"]
mod ops;
#[path = "common/sandbox.rs"]
mod sandbox;

use netwright::{
    kernel::{Kernel, Live},
    model::{
        Netns, Raw,
        snapshot::{Nexthop, RouteState, RouteType, Snapshot},
    },
    op::{Op, RouteOp},
};
use ops::{address, batch, end, hop, read, route, run, up, veth};

/// What the kernel should say of it: IPv6 routes without a metric get one.
fn seen_as(route: &RouteOp) -> RouteState {
    let metric = if route.metric == 0 && route.to.addr().is_ipv6() { 1024 } else { route.metric };
    RouteState {
        to: route.to,
        table: route.table,
        metric,
        protocol: route.protocol,
        kind: Some(route.kind),
        src: route.src,
        mtu: route.mtu,
        nexthops: route.nexthops.clone(),
        raw: Raw::default(),
    }
}

fn ours(snapshot: &Snapshot) -> Vec<RouteState> {
    snapshot.namespaces[&Netns::Host].routes.iter().filter(|route| route.protocol == 76).cloned().collect()
}

fn routed() -> Live {
    let mut kernel = Live::new().unwrap();
    run(
        &mut kernel,
        "host",
        vec![
            veth(end(50, "p"), end(51, "q"), "host"),
            up(50, "p"),
            up(51, "q"),
            address(50, "p", "192.168.0.1/24"),
            address(51, "q", "192.168.1.1/24"),
            address(50, "p", "fd00:1::1/64"),
            address(51, "q", "fd00:2::1/64"),
        ],
    );
    kernel
}

#[test]
fn every_sort_of_route_reads_back_and_goes() {
    sandbox::run(|| {
        let mut kernel = routed();
        let mut full = route("10.1.0.0/16");
        (full.metric, full.table, full.mtu) = (50, 1000, Some(1400));
        full.src = Some("192.168.0.1".parse().unwrap());
        full.nexthops = vec![hop("192.168.0.254", 50, 1)];
        let mut onlink = route("0.0.0.0/0");
        onlink.nexthops = vec![Nexthop { onlink: true, ..hop("172.16.0.1", 51, 1) }];
        let mut direct = route("10.2.0.0/16");
        direct.nexthops = vec![Nexthop { via: None, link: Some(50), weight: 1, onlink: false }];
        let mut several = route("10.7.0.0/16");
        several.nexthops = vec![hop("192.168.0.254", 50, 2), hop("192.168.1.254", 51, 256)];
        let mut mixed = route("10.8.0.0/16");
        mixed.nexthops = vec![hop("fd00:1::9", 50, 1)];
        let mut six = route("::/0");
        six.nexthops = vec![hop("fd00:1::9", 50, 1)];
        let mut six_full = route("fd00:9::/48");
        (six_full.metric, six_full.table, six_full.mtu) = (77, 300, Some(1350));
        six_full.src = Some("fd00:2::1".parse().unwrap());
        six_full.nexthops = vec![hop("fd00:2::9", 51, 1)];
        let mut six_several = route("fd00:8::/48");
        six_several.nexthops = vec![hop("fd00:1::9", 50, 3), hop("fd00:2::9", 51, 1)];
        let six_direct = RouteOp { to: "fd00:7::/64".parse().unwrap(), ..direct.clone() };
        let mut routes = vec![full, onlink, direct, several, mixed, six, six_full, six_several, six_direct];
        for (n, kind) in [RouteType::Blackhole, RouteType::Unreachable, RouteType::Prohibit].into_iter().enumerate() {
            routes.push(RouteOp { kind, metric: 9, ..route(&format!("10.6{n}.0.0/16")) });
            routes.push(RouteOp { kind, ..route(&format!("fd00:6{n}::/48")) });
        }
        let add = |route: &RouteOp| Op::RouteAdd { route: route.clone(), replace: false };
        run(&mut kernel, "host", routes.iter().map(add).collect());
        let seen = ours(&read(&kernel));
        for route in &routes {
            assert!(seen.contains(&seen_as(route)), "{route:#?}\nis none of\n{seen:#?}");
        }
        assert_eq!(seen.len(), routes.len());
        let delete = |route: &RouteOp| Op::RouteDelete { route: route.clone() };
        run(&mut kernel, "host", routes.iter().map(delete).collect());
        assert_eq!(ours(&read(&kernel)), []);
    });
}

#[test]
fn a_route_is_replaced_in_place() {
    sandbox::run(|| {
        let mut kernel = routed();
        for to in ["10.1.0.0/16", "fd00:9::/48"] {
            let (first, second) =
                if to.starts_with("10") { ("192.168.0.254", "192.168.1.254") } else { ("fd00:1::9", "fd00:2::9") };
            let shapes = [
                vec![hop(first, 50, 1)],
                vec![hop(second, 51, 1)],
                vec![hop(first, 50, 2), hop(second, 51, 1)],
                vec![hop(first, 50, 1), hop(second, 51, 1)],
                vec![hop(second, 51, 1)],
                vec![Nexthop { via: None, link: Some(51), weight: 1, onlink: false }],
                vec![hop(first, 50, 1)],
            ];
            let mut wanted = route(to);
            wanted.metric = 100;
            for nexthops in shapes {
                wanted.nexthops = nexthops;
                run(&mut kernel, "host", vec![Op::RouteAdd { route: wanted.clone(), replace: true }]);
                assert_eq!(ours(&read(&kernel)), [seen_as(&wanted)]);
            }
            let again = kernel.run(&batch("host", vec![Op::RouteAdd { route: wanted.clone(), replace: false }]));
            assert!(again.unwrap_err().to_string().contains("already there"));
            run(&mut kernel, "host", vec![Op::RouteDelete { route: wanted.clone() }]);
        }
        // Without a metric it is the one of 1024 that goes, never the kernel's own prefix route.
        let before = read(&kernel);
        let prefix = RouteOp { protocol: 2, nexthops: vec![], ..route("fd00:1::/64") };
        run(&mut kernel, "host", vec![Op::RouteDelete { route: prefix }]);
        assert_eq!(read(&kernel), before);
    });
}
