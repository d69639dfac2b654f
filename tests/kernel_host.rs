//! Sysctls, borrowed settings and large states on the real kernel.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use std::{collections::BTreeMap, time::Instant};

use netwright::{
    kernel::{Kernel, Live, netns},
    model::{
        Netns,
        mark::ADDRESS_PROTOCOL,
        snapshot::{Peer, ReadRequest, Snapshot},
    },
    op::{Batch, LinkChange, LinkRef, NewEnd, Op, Step},
};
use shell::sh;

const FORWARD: &str = "net/ipv4/ip_forward";

fn batch(netns: Netns, ops: Vec<Op>) -> Batch {
    let step = |op| Step { address: "namespace.web".parse().unwrap(), op };
    Batch { netns, steps: ops.into_iter().map(step).collect() }
}

fn run(kernel: &mut Live, netns: Netns, ops: Vec<Op>) {
    if let Err(error) = kernel.run(&batch(netns, ops)) {
        panic!("{error}");
    }
}

fn named(name: &str) -> Netns {
    Netns::Named(name.into())
}

fn create() -> Op {
    Op::NetnsCreate { mark: "netwright:lab/namespace.web".into() }
}

fn end(index: u32, name: &str) -> NewEnd {
    NewEnd { index, name: name.parse().unwrap(), mac: None, mtu: None }
}

fn veth(a: (u32, &str), b: (u32, &str), peer_netns: Netns) -> Op {
    Op::VethCreate { end: end(a.0, a.1), peer: end(b.0, b.1), peer_netns, queues: None }
}

fn bridge(index: u32, name: &str) -> Op {
    Op::BridgeCreate { index, name: name.parse().unwrap(), mac: None, mtu: None, stp: None, ageing_time: None }
}

fn request(netns: Netns, keys: &[&str]) -> ReadRequest {
    let keys = keys.iter().map(|&key| key.to_owned()).collect();
    ReadRequest { sysctls: [(netns, keys)].into(), ..Default::default() }
}

fn sysctl(snapshot: &Snapshot, netns: &Netns, key: &str) -> Option<String> {
    snapshot.namespaces[netns].sysctls[key].clone()
}

#[test]
fn sysctls_are_the_namespaces_own() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let set = |key: &str, value: &str| Op::SysctlSet { key: key.into(), value: value.into() };
        let device = "net/ipv4/conf/eth0.10/rp_filter";
        let ops = vec![create(), veth((2, "eth0.10"), (3, "x"), named("web")), set(FORWARD, "1"), set(device, "2")];
        run(&mut kernel, named("web"), ops);
        let keys = [FORWARD, device, "net/ipv4/conf/gone/rp_filter", "net/ipv4/ip_local_port_range"];
        let snapshot = kernel.read(&request(named("web"), &keys)).unwrap();
        let value = |key| sysctl(&snapshot, &named("web"), key);
        assert_eq!((value(FORWARD).as_deref(), value(device).as_deref(), value(keys[2])), (Some("1"), Some("2"), None));
        assert_eq!(value(keys[3]).as_deref(), Some("32768 60999"));
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward"), "0\n");

        let steps = vec![set("net/ipv4/tcp_ecn", "1"), set("net/ipv4/conf/gone/rp_filter", "1"), set(FORWARD, "0")];
        let error = kernel.run(&batch(named("web"), steps)).unwrap_err();
        assert_eq!((error.attempted, error.failures[0].index), (2, 1));
        assert!(error.to_string().contains("gone/rp_filter to 1 in namespace `web`: no such file"), "{error}");
        let gone = kernel.run(&batch(named("nowhere"), vec![set(FORWARD, "1")])).unwrap_err();
        assert!(gone.to_string().contains("cannot enter namespace `nowhere`"), "{gone}");
    });
}

#[test]
fn a_borrowed_sysctl_goes_back_with_what_it_dragged_along() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        run(&mut kernel, Netns::Host, vec![bridge(9, "br0"), bridge(10, "br1")]);
        sh("echo 1 > /proc/sys/net/ipv4/conf/br0/forwarding");
        let all = sh("cd /proc/sys/net/ipv4/conf; grep . */forwarding */accept_redirects");
        let along: BTreeMap<_, _> = [("net/ipv4/conf/br0/forwarding", "1"), ("net/ipv4/conf/br1/forwarding", "0")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let borrow = |user: &str, before: &str| Op::SysctlBorrow {
            key: FORWARD.into(),
            value: "1".into(),
            before: before.into(),
            along: along.clone(),
            user: user.parse().unwrap(),
        };
        let give_back = |user: &str| Op::SysctlGiveBack { key: FORWARD.into(), user: user.parse().unwrap() };
        run(&mut kernel, Netns::Host, vec![borrow("one", "0"), borrow("two", "1")]);
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
        let borrowed = kernel.read(&ReadRequest::default()).unwrap().borrowed;
        assert_eq!((borrowed[FORWARD].before.as_deref(), borrowed[FORWARD].users.len()), (Some("0"), 2));
        run(
            &mut kernel,
            Netns::Host,
            vec![
                give_back("one"),
                give_back("one"),
                Op::LinkDelete { link: LinkRef { index: 10, name: "br1".into() } },
            ],
        );
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
        run(&mut kernel, Netns::Host, vec![give_back("two")]);
        assert!(kernel.read(&ReadRequest::default()).unwrap().borrowed.is_empty());
        let without_br1: String = all.lines().filter(|l| !l.starts_with("br1")).map(|l| format!("{l}\n")).collect();
        assert_eq!(sh("cd /proc/sys/net/ipv4/conf; grep . */forwarding */accept_redirects"), without_br1);

        let missing = Op::SysctlBorrow {
            key: "net/ipv4/none".into(),
            value: "1".into(),
            before: "0".into(),
            along: BTreeMap::new(),
            user: "one".parse().unwrap(),
        };
        assert!(kernel.run(&batch(Netns::Host, vec![missing])).is_err());
        assert!(kernel.read(&ReadRequest::default()).unwrap().borrowed.is_empty(), "what was not had is not borrowed");
    });
}

#[test]
fn a_borrowed_port_goes_back_to_the_master_that_it_had() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let ops = vec![bridge(9, "br0"), bridge(10, "br1"), veth((20, "nic0"), (21, "far"), Netns::Host)];
        run(&mut kernel, Netns::Host, ops);
        sh("ip link set nic0 master br1");
        let nic = || LinkRef { index: 20, name: "nic0".into() };
        let borrow = |before: Option<&str>| Op::PortBorrow {
            link: nic(),
            master: 9,
            before: before.map(str::to_owned),
            user: "one".parse().unwrap(),
        };
        let give_back = || Op::PortGiveBack { link: nic(), user: "one".parse().unwrap() };
        let master = |kernel: &Live| {
            kernel.read(&ReadRequest::default()).unwrap().namespaces[&Netns::Host].link("nic0").unwrap().master
        };
        run(&mut kernel, Netns::Host, vec![borrow(Some("br1"))]);
        assert_eq!(master(&kernel), Some(9));
        assert!(kernel.read(&ReadRequest::default()).unwrap().borrowed.contains_key("master:nic0"));
        run(&mut kernel, Netns::Host, vec![give_back()]);
        assert_eq!(master(&kernel), Some(10));
        run(&mut kernel, Netns::Host, vec![borrow(Some("br1"))]);
        sh("ip link del br1");
        run(&mut kernel, Netns::Host, vec![give_back()]);
        assert_eq!(master(&kernel), None);
        run(&mut kernel, Netns::Host, vec![borrow(None)]);
        sh("ip link del nic0");
        run(&mut kernel, Netns::Host, vec![give_back()]);
        assert!(kernel.read(&ReadRequest::default()).unwrap().borrowed.is_empty());
    });
}

#[test]
fn a_namespace_of_a_thousand_links_is_read_whole() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        run(&mut kernel, named("hub"), vec![create()]);
        let mut ops: Vec<_> =
            (0..500u32).map(|n| veth((10 + n, &format!("a{n}")), (1000 + n, &format!("b{n}")), named("hub"))).collect();
        let address = |n: u32| format!("10.{}.{}.1/24", n / 256, n % 256).parse().unwrap();
        let link = |n: u32| LinkRef { index: 10 + n, name: format!("a{n}") };
        let up = |n: u32| Op::LinkSet { link: link(n), change: LinkChange { up: Some(true), ..Default::default() } };
        ops.extend((0..500).map(up));
        ops.extend((0..500).map(|n| Op::AddressAdd { link: link(n), address: address(n), protocol: ADDRESS_PROTOCOL }));
        run(&mut kernel, named("hub"), ops);
        let begun = Instant::now();
        let snapshot = kernel.read(&ReadRequest::default()).unwrap();
        println!("1001 links, 500 addresses in {:?}", begun.elapsed());
        let hub = &snapshot.namespaces[&named("hub")];
        assert_eq!((hub.links.len(), hub.addresses.len()), (1001, 500));
        assert_eq!(hub.link("b499").unwrap().peer, Some(Peer { index: 509, netns: Some(named("hub")) }));
    });
}

#[test]
fn three_hundred_namespaces_are_made_read_and_removed() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let before = kernel.read(&ReadRequest::default()).unwrap();
        let names: Vec<String> = (0..300).map(|n| format!("n{n:03}")).collect();
        run(&mut kernel, Netns::Host, vec![bridge(5, "br0")]);
        let begun = Instant::now();
        for (n, name) in (0..).zip(&names) {
            let outer = format!("{name}-eth0");
            let up = Op::LinkSet {
                link: LinkRef { index: 2, name: "eth0".into() },
                change: LinkChange { up: Some(true), ..Default::default() },
            };
            let address = Op::AddressAdd {
                link: LinkRef { index: 2, name: "eth0".into() },
                address: format!("10.0.{}.{}/16", n / 200, 1 + n % 200).parse().unwrap(),
                protocol: ADDRESS_PROTOCOL,
            };
            let ops = vec![create(), veth((2, "eth0"), (100 + n, &outer), Netns::Host), up, address];
            run(&mut kernel, named(name), ops);
        }
        let change = LinkChange { master: Some(5), up: Some(true), ..Default::default() };
        let port =
            |n: u32| Op::LinkSet { link: LinkRef { index: 100 + n, name: "port".into() }, change: change.clone() };
        run(&mut kernel, Netns::Host, (0..300).map(port).collect());
        println!("made in {:?}", begun.elapsed());

        let begun = Instant::now();
        let snapshot = kernel.read(&ReadRequest::default()).unwrap();
        println!("read in {:?}", begun.elapsed());
        assert_eq!(snapshot.namespaces.len(), 301);
        for (n, name) in (0..).zip(&names) {
            let inner = snapshot.namespaces[&named(name)].link("eth0").unwrap();
            assert_eq!(inner.peer, Some(Peer { index: 100 + n, netns: Some(Netns::Host) }));
            let outer = snapshot.namespaces[&Netns::Host].link_at(100 + n).unwrap();
            assert_eq!(outer.peer, Some(Peer { index: 2, netns: Some(named(name)) }));
        }

        let begun = Instant::now();
        for name in &names {
            run(&mut kernel, named(name), vec![Op::NetnsDelete]);
        }
        println!("names gone in {:?}", begun.elapsed());
        run(&mut kernel, Netns::Host, vec![Op::LinkDelete { link: LinkRef { index: 5, name: "br0".into() } }]);
        kernel.settle().unwrap();
        println!("all gone in {:?}", begun.elapsed());
        assert_eq!(kernel.read(&ReadRequest::default()).unwrap(), before);
    });
}

#[test]
fn a_reading_under_churn_misses_nothing_that_stays() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let ops = (0..100u32).map(|n| veth((100 + n, &format!("a{n}")), (300 + n, &format!("b{n}")), Netns::Host));
        run(&mut kernel, Netns::Host, ops.collect());
        run(&mut kernel, named("stays"), vec![create(), veth((2, "eth0"), (50, "stays-eth0"), Netns::Host)]);
        let churn = std::thread::spawn(|| {
            let mut kernel = Live::new().unwrap();
            for round in 0..40u32 {
                let name = format!("c{round}");
                let ops = vec![create(), veth((2, "eth0"), (1000 + round, &name), Netns::Host)];
                run(&mut kernel, named(&name), ops);
                run(&mut kernel, named(&name), vec![Op::NetnsDelete]);
                kernel.settle().unwrap();
            }
        });
        let mut readings = 0;
        while !churn.is_finished() {
            let snapshot = kernel.read(&ReadRequest::default()).unwrap();
            let links = &snapshot.namespaces[&Netns::Host].links;
            let stays: Vec<_> = links.iter().filter(|link| link.index < 1000).collect();
            assert_eq!(stays.len(), 202);
            assert_eq!(
                snapshot.namespaces[&named("stays")].link("eth0").unwrap().peer,
                Some(Peer { index: 50, netns: Some(Netns::Host) })
            );
            readings += 1;
        }
        churn.join().unwrap();
        println!("{readings} readings");
        assert!(readings > 10);
    });
}

#[test]
fn work_inside_a_namespace_leaves_the_thread_where_it_was() {
    sandbox::run(|| {
        Live::check().unwrap();
        let mut kernel = Live::new().unwrap();
        run(&mut kernel, named("web"), vec![create()]);
        let before = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let fd = netns::open_existing("web").unwrap();
        let inside = netns::in_netns(&fd, || Ok(std::fs::read_link("/proc/thread-self/ns/net").unwrap())).unwrap();
        assert_ne!(inside, before);
        assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), before);
    });
}
