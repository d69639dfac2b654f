//! Namespaces, links and addresses on the real kernel; routes are in `kernel_routes.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/ops.rs"]
mod ops;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use netwright::{
    kernel::{Kernel, Live, Outcome},
    model::{
        Netns,
        mark::MARK_GROUP,
        snapshot::{Depth, Extent, LinkState, Peer, ReadRequest, RouteType, Snapshot},
    },
    op::{LinkChange, NewEnd, Op, RouteOp},
};
use ops::{address, at, batch, end, hop, ns, read, route, run, set, up, veth};
use shell::sh;

fn link<'a>(snapshot: &'a Snapshot, netns: &str, name: &str) -> &'a LinkState {
    snapshot.namespaces[&ns(netns)].link(name).unwrap_or_else(|| panic!("no {name} in {netns}"))
}

fn create(mark: &str) -> Op {
    Op::NetnsCreate { mark: mark.into() }
}

fn bridge(index: u32, name: &str, mtu: Option<u32>) -> Op {
    Op::BridgeCreate { index, name: name.parse().unwrap(), mac: None, mtu, stp: None, ageing_time: None }
}

#[test]
fn a_namespace_bears_its_mark_and_goes_whole() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let before = read(&kernel);
        run(
            &mut kernel,
            "web",
            vec![create("netwright:lab/namespace.web"), veth(end(2, "eth0"), end(50, "web-eth0"), "host")],
        );
        let snapshot = read(&kernel);
        assert_eq!(snapshot.namespaces[&ns("web")].mark().unwrap().topology.as_str(), "lab");
        let lo = link(&snapshot, "web", "lo");
        assert!(!lo.up && lo.index == 1);
        assert!(sh("ip netns list").starts_with("web"));

        let error = kernel.run(&batch("web", vec![create("x")])).unwrap_err();
        assert!(error.to_string().contains("/run/netns/web is already there"), "{error}");

        run(&mut kernel, "web", vec![Op::NetnsDelete]);
        kernel.settle().unwrap();
        assert_eq!(read(&kernel), before);
    });
}

#[test]
fn a_name_is_free_again_after_a_deletion() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        for round in 0..5 {
            run(&mut kernel, "a", vec![create("m"), veth(end(2, "eth0"), end(50, "a-eth0"), "host")]);
            run(&mut kernel, "b", vec![create("m"), veth(end(2, "eth0"), end(3, "eth1"), "a")]);
            if round % 2 == 0 {
                run(&mut kernel, "a", vec![Op::NetnsDelete]);
                run(&mut kernel, "b", vec![Op::NetnsDelete]);
            } else {
                // b stays for a while: the end of its veth goes with a.
                run(&mut kernel, "a", vec![Op::NetnsDelete]);
                kernel.settle().unwrap();
                assert!(read(&kernel).namespaces[&ns("b")].link("eth0").is_none());
                run(&mut kernel, "b", vec![Op::NetnsDelete]);
            }
        }
    });
}

#[test]
fn both_ends_of_a_veth_stand_in_their_places() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        run(&mut kernel, "host", vec![bridge(40, "br0", None)]);
        let mut eth0 = end(7, "eth0");
        eth0.mac = Some("02:00:00:00:00:03".parse().unwrap());
        eth0.mtu = Some(4500);
        run(
            &mut kernel,
            "web",
            vec![
                create("netwright:lab/namespace.web"),
                up(1, "lo"),
                veth(eth0, end(50, "web-eth0"), "host"),
                up(7, "eth0"),
                address(7, "eth0", "192.168.0.2/24"),
                address(7, "eth0", "fd00:10::2/64"),
            ],
        );
        let change = LinkChange {
            alias: Some("netwright:lab/link.web:eth0".into()),
            group: Some(0),
            master: Some(40),
            up: Some(true),
            hairpin: Some(true),
            ..Default::default()
        };
        assert_eq!(link(&read(&kernel), "host", "web-eth0").group, MARK_GROUP);
        run(&mut kernel, "host", vec![set(50, "web-eth0", change), up(40, "br0")]);

        let snapshot = read(&kernel);
        let outer = link(&snapshot, "host", "web-eth0");
        assert_eq!((outer.index, outer.master, outer.group, outer.up), (50, Some(40), 0, true));
        assert_eq!(outer.peer, Some(Peer { index: 7, netns: Some(ns("web")) }));
        assert!(outer.port.as_ref().unwrap().hairpin && outer.mark().is_some() && outer.carrier);
        let inner = link(&snapshot, "web", "eth0");
        assert_eq!((inner.index, inner.mtu, inner.queues, inner.up), (7, 4500, 1, true));
        assert_eq!(inner.mac.unwrap().to_string(), "02:00:00:00:00:03");
        assert_eq!(inner.peer, Some(Peer { index: 50, netns: Some(Netns::Host) }));
        let bridge = link(&snapshot, "host", "br0").bridge.clone().unwrap();
        assert_eq!((bridge.stp, bridge.ageing_time), (false, 30000));
        let web = &snapshot.namespaces[&ns("web")];
        let six = web.addresses.iter().find(|a| a.address.to_string() == "fd00:10::2/64").unwrap();
        assert!(six.nodad && !six.dynamic && !six.link_local && six.link == 7);
        let local = |snapshot: &Snapshot| {
            let mut all = snapshot.namespaces[&ns("web")].addresses.clone();
            all.retain(|address| address.address.to_string().starts_with("fe80"));
            all.pop()
        };
        // The kernel gives it once it has noticed the carrier.
        let noticed = (0..200).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            local(&read(&kernel))
        });
        assert!(noticed.unwrap().link_local);
        let kernels: Vec<_> = web.routes.iter().map(|r| (r.to.to_string(), r.protocol, r.kind)).collect();
        assert!(kernels.contains(&("192.168.0.0/24".into(), 2, Some(RouteType::Unicast))), "{kernels:?}");
        assert!(!kernels.iter().any(|(to, ..)| to.starts_with("ff00") || to.ends_with("/32")), "{kernels:?}");
    });
}

#[test]
fn peers_between_namespaces_and_within_one_are_found() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        for name in ["a", "b", "c", "d"] {
            run(&mut kernel, name, vec![create("m")]);
        }
        // The same pair of indexes twice; and a veth with both ends in one place.
        run(&mut kernel, "a", vec![veth(end(2, "x"), end(2, "x"), "b"), veth(end(8, "y"), end(9, "z"), "a")]);
        run(&mut kernel, "c", vec![veth(end(2, "x"), end(2, "x"), "d")]);
        let snapshot = read(&kernel);
        let peer = |netns, name| link(&snapshot, netns, name).peer.clone().unwrap();
        for (here, there) in [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")] {
            assert_eq!(peer(here, "x"), Peer { index: 2, netns: Some(ns(there)) }, "{here}");
        }
        assert_eq!(peer("a", "y"), Peer { index: 9, netns: Some(ns("a")) });
        // A namespace that no name leads to any more, and the file that its name left.
        run(&mut kernel, "e", vec![create("m"), veth(end(2, "x"), end(60, "e"), "d")]);
        let held = std::fs::File::open("/run/netns/e").unwrap();
        sh(
            "umount -l /run/netns/e; ln -s /nowhere /run/netns/f; mkfifo /run/netns/g; ln -s /proc/self/ns/mnt /run/netns/m",
        );
        let snapshot = read(&kernel);
        assert_eq!(link(&snapshot, "d", "e").peer, Some(Peer { index: 2, netns: None }));
        assert_eq!(snapshot.stale_netns, ["e", "f", "g", "m"]);
        drop(held);
    });
}

#[test]
fn peers_are_found_from_one_part_of_a_reading_to_another() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            run(&mut kernel, name, vec![create("m")]);
        }
        // A ring whose ends all have the same pair of indexes, twice, but for one link.
        for (here, there) in [("a", "b"), ("b", "c"), ("c", "d")] {
            run(&mut kernel, here, vec![veth(end(2, "x"), end(3, "y"), there)]);
        }
        run(&mut kernel, "d", vec![veth(end(2, "x"), end(3, "y"), "a"), veth(end(7, "z"), end(8, "z"), "e")]);
        let whole = read(&kernel);
        let part = |kernel: &dyn Kernel, names: &[&str]| {
            let places = names.iter().map(|name| (ns(name), Depth::Whole)).collect();
            kernel.read(&ReadRequest { places: Some(places), ..ReadRequest::default() }).unwrap()
        };
        let peer = |snapshot: &Snapshot, netns, name| link(snapshot, netns, name).peer.clone().unwrap().netns;
        let beside = kernel.another().unwrap();
        let first = part(&*beside, &["a", "c"]);
        assert_eq!((peer(&first, "a", "x"), peer(&first, "c", "x")), (None, None));
        assert!(!first.namespaces.contains_key(&ns("b")));
        // Those that were read beside are known to whoever reads the rest.
        let second = part(&kernel, &["b", "d"]);
        assert_eq!((peer(&second, "b", "x"), peer(&second, "b", "y")), (Some(ns("c")), Some(ns("a"))));
        assert_eq!((peer(&second, "d", "y"), peer(&second, "d", "z")), (Some(ns("c")), None));
        assert!(!second.namespaces.contains_key(&ns("a")), "it was not asked for");
        // One that has another name by now is not taken for it.
        sh("ip netns del e; ip netns add e; ip -n e link add z index 8 type veth peer name zz index 7");
        let third = part(&kernel, &["e"]);
        assert_eq!(peer(&third, "e", "z"), Some(ns("e")));
        let parts = [first, second].into_iter().flat_map(|part| part.namespaces);
        let places = ["a", "b", "c", "d"].map(|name| (ns(name), Extent::Whole)).into();
        let before = Snapshot { namespaces: [(ns("e"), whole.namespaces[&ns("e")].clone())].into(), ..whole.clone() };
        let now = before.renewed(&places, Snapshot { namespaces: parts.collect(), ..whole.clone() });
        for name in ["a", "b", "c"] {
            assert_eq!(now.namespaces[&ns(name)].links, whole.namespaces[&ns(name)].links);
        }
    });
}

#[test]
fn a_bridge_keeps_the_mtu_that_was_asked_for() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let ops = vec![bridge(40, "br0", Some(1500)), bridge(41, "br1", None), bridge(42, "br2", Some(9000))];
        run(&mut kernel, "host", ops);
        for (index, master) in [(50, 40), (60, 41)] {
            let mut big = end(index, &format!("p{index}"));
            big.mtu = Some(9000);
            let other = NewEnd { index: index + 1, name: format!("q{index}").parse().unwrap(), ..big.clone() };
            run(&mut kernel, "host", vec![veth(big, other, "host")]);
            run(&mut kernel, "host", vec![set(index, "p", LinkChange { master: Some(master), ..Default::default() })]);
        }
        let snapshot = read(&kernel);
        let mtu = |name| link(&snapshot, "host", name).mtu;
        assert_eq!((mtu("br0"), mtu("br1"), mtu("br2")), (1500, 9000, 9000), "br1 follows its port");
    });
}

#[test]
fn every_attribute_of_a_link_changes_in_place() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        run(&mut kernel, "host", vec![bridge(40, "br0", None), veth(end(50, "p"), end(51, "q"), "host"), up(50, "p")]);
        let alias = "x".repeat(255);
        let change = LinkChange {
            alias: Some(alias.clone()),
            group: Some(7),
            mac: Some("02:00:00:00:00:09".parse().unwrap()),
            mtu: Some(1400),
            up: Some(false),
            rename: Some("r".parse().unwrap()),
            ..Default::default()
        };
        run(&mut kernel, "host", vec![set(50, "p", change)]);
        let snapshot = read(&kernel);
        let r = link(&snapshot, "host", "r");
        assert_eq!((r.group, r.mtu, r.up, r.alias.as_ref()), (7, 1400, false, Some(&alias)));
        let bridge = LinkChange { stp: Some(true), ageing_time: Some(1000), mtu: Some(1450), ..Default::default() };
        let clear = LinkChange { alias: Some(String::new()), master: Some(40), up: Some(true), ..Default::default() };
        run(&mut kernel, "host", vec![set(40, "br0", bridge), set(50, "r", clear)]);
        let snapshot = read(&kernel);
        let r = link(&snapshot, "host", "r");
        assert_eq!((r.alias.as_ref(), r.master, r.up), (None, Some(40), true));
        let br0 = link(&snapshot, "host", "br0");
        let state = br0.bridge.clone().unwrap();
        assert_eq!((state.stp, state.ageing_time, br0.mtu), (true, 1000, 1450));
        let free = LinkChange { master: Some(0), ..Default::default() };
        run(&mut kernel, "host", vec![set(50, "r", free)]);
        assert_eq!(link(&read(&kernel), "host", "r").master, None);
    });
}

#[test]
fn a_failure_names_everything_and_the_rest_is_accounted_for() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        run(&mut kernel, "host", vec![bridge(40, "br0", None)]);
        let ops = vec![
            up(40, "br0"),
            address(99, "gone0", "10.0.0.1/24"),
            address(40, "br0", "10.0.0.1/24"),
            // Given again, as addresses are that may have gone along with another: it is there, which is what was wanted.
            address(40, "br0", "10.0.0.1/24"),
            bridge(41, "br0", None),
            up(41, "br0"),
        ];
        let error = kernel.run(&batch("host", ops)).unwrap_err();
        let outcomes: Vec<_> = (0..6).map(|index| error.outcome(index)).collect();
        let expected =
            [Outcome::Done, Outcome::Failed, Outcome::Done, Outcome::Done, Outcome::Failed, Outcome::Untried];
        assert_eq!(outcomes, expected, "{error:#?}");
        let first = error.first().unwrap().error.to_string();
        assert_eq!(
            first,
            "cannot add address 10.0.0.1/24 to gone0 on the host: no such device (ENODEV): ipv4: Device not found; \
             there is no device with index 99 any more"
        );
        let second = error.failures[1].error.to_string();
        assert!(second.contains("a device called br0") && second.contains("EEXIST"), "{second}");
    });
}

#[test]
fn another_programs_device_is_not_touched_when_an_index_is_lost_to_it() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        sh("ip link add foreign index 50 type bridge");
        let ops = vec![
            veth(end(50, "p"), end(51, "q"), "host"),
            set(50, "p", LinkChange { alias: Some("ours".into()), up: Some(true), ..Default::default() }),
            address(50, "p", "10.0.0.1/24"),
        ];
        let error = kernel.run(&batch("host", ops)).unwrap_err();
        assert_eq!(error.attempted, 1);
        let snapshot = read(&kernel);
        let foreign = link(&snapshot, "host", "foreign");
        assert!(!foreign.up && foreign.alias.is_none());
    });
}

#[test]
fn many_devices_are_deleted_at_once_and_no_others() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let ops =
            (0..300).map(|n| veth(end(100 + 2 * n, &format!("p{n}")), end(101 + 2 * n, &format!("q{n}")), "host"));
        run(&mut kernel, "host", ops.chain([bridge(40, "br0", None)]).collect());
        assert_eq!(read(&kernel).namespaces[&Netns::Host].links.len(), 602);
        let mut ops: Vec<_> = (0..299).map(|n| Op::LinkDelete { link: at(100 + 2 * n, "p") }).collect();
        ops.insert(7, Op::LinkDelete { link: at(99, "gone0") });
        run(&mut kernel, "host", ops);
        let left: Vec<_> = read(&kernel).namespaces[&Netns::Host].links.iter().map(|l| l.name.clone()).collect();
        assert_eq!(left, ["lo", "br0", "p299", "q299"].map(String::from));
        // lo cannot be deleted: the others go all the same.
        let ops = [(1, "lo"), (40, "br0"), (698, "p299")].map(|(i, n)| Op::LinkDelete { link: at(i, n) });
        let error = kernel.run(&batch("host", ops.into())).unwrap_err();
        assert_eq!((error.failures.len(), error.failures[0].index), (1, 0));
        assert_eq!(read(&kernel).namespaces[&Netns::Host].links.len(), 1);
    });
}

/// The kernel removes the ports of a namespace that somebody deleted up to a second later: after the reading, perhaps.
#[test]
fn what_was_to_go_and_has_gone_by_itself_is_no_failure() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        run(&mut kernel, "host", vec![veth(end(10, "v0"), end(11, "v1"), "host"), address(10, "v0", "10.0.0.1/24")]);
        let before = read(&kernel);
        let address = |index| Op::AddressDelete { link: at(index, "v"), address: "10.0.0.2/24".parse().unwrap() };
        let gone = RouteOp { nexthops: vec![hop("10.0.0.254", 99, 1)], ..route("10.9.0.0/16") };
        let gone = Op::RouteDelete { route: gone };
        for op in [Op::LinkDelete { link: at(99, "v") }, address(99), address(10), gone] {
            run(&mut kernel, "host", vec![op]);
        }
        run(&mut kernel, "web", vec![Op::NetnsDelete]);
        assert_eq!(read(&kernel), before);
    });
}

#[test]
fn no_reply_is_lost_however_many_steps_fail() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let ops: Vec<_> = (0..450).map(|n| address(1000 + n, "gone", "10.0.0.1/24")).collect();
        let error = kernel.run(&batch("host", ops)).unwrap_err();
        assert_eq!((error.attempted, error.failures.len()), (200, 200));
        assert!(error.to_string().ends_with("(and 199 more failures of the same batch)"), "{error}");
    });
}

#[test]
fn a_process_inside_does_not_keep_the_ends_of_a_deleted_namespace() {
    sandbox::run(|| {
        let mut kernel = Live::new().unwrap();
        let before = read(&kernel);
        run(&mut kernel, "web", vec![create("m"), veth(end(2, "eth0"), end(50, "web-eth0"), "host")]);
        let mut inside =
            std::process::Command::new("nsenter").args(["--net=/run/netns/web", "sleep", "60"]).spawn().unwrap();
        while sh(&format!("readlink /proc/{}/ns/net", inside.id())) != sh("stat -Lc net:[%i] /run/netns/web") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        run(&mut kernel, "web", vec![Op::NetnsDelete]);
        let settled = kernel.settle();
        let after = read(&kernel);
        inside.kill().unwrap();
        inside.wait().unwrap();
        settled.unwrap();
        assert_eq!(after, before);
    });
}
