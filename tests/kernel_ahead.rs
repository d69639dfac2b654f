//! What is read of the real kernel before it is known what for comes to the same as what is read afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use netwright::{
    kernel::{Kernel, Live},
    model::{
        Netns,
        snapshot::{Chain, Family, ReadRequest, Snapshot, Table, TableName},
        socket::{Ports, Protocol},
    },
    op::{Batch, Op, Step},
};
use shell::sh;

/// Long enough for a reading to be over.
const MEANWHILE: Duration = Duration::from_millis(500);

fn ns(name: &str) -> Netns {
    Netns::from(name.to_owned())
}

fn ahead() -> Live {
    let mut kernel = Live::new().unwrap();
    kernel.read_ahead();
    thread::sleep(MEANWHILE);
    kernel
}

/// Twenty namespaces, each a little different.
fn build() {
    sh("ip link set lo up
        ip link add br0 type bridge; ip addr add 10.0.0.1/24 dev br0; ip link set br0 up
        for i in $(seq 20); do
            ip netns add n$i; ip link add p$i type veth peer name eth0 netns n$i; ip link set p$i master br0 up
            ip -n n$i link set lo up; ip -n n$i link set eth0 up; ip -n n$i addr add 10.0.0.1$i/24 dev eth0
            ip -n n$i route add default via 10.0.0.1
        done
        ip netns exec n1 sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        ip netns exec n2 sysctl -qw net.ipv6.conf.all.disable_ipv6=1
        ip netns exec n3 sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv4.tcp_ecn=0
        ip netns exec n4 sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
        ip netns exec n5 iptables -A FORWARD -j DROP
        touch /run/netns/stale; ip netns add twice; touch /run/netns/again
        mount --bind /run/netns/twice /run/netns/again; sleep 3");
}

fn keys(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|key| (*key).to_owned()).collect()
}

/// What plans ask for, and what none asks for at once.
fn requests() -> Vec<ReadRequest> {
    let of_most = [
        "net/ipv4/ip_forward",
        "net/ipv6/conf/all/forwarding",
        "net/ipv6/conf/all/disable_ipv6",
        "net/ipv6/conf/default/disable_ipv6",
    ];
    let named: Vec<Netns> = (1..=20).map(|at| ns(&format!("n{at}"))).collect();
    let plain: BTreeMap<_, _> = named.iter().map(|netns| (netns.clone(), keys(&of_most))).collect();
    let mut several = plain.clone();
    several.insert(ns("n3"), keys(&["net/ipv4/tcp_ecn", "net/ipv4/ip_forward"]));
    several.insert(ns("n6"), keys(&["net/ipv4/conf/*/forwarding", "net/ipv4/no_such_key"]));
    several.remove(&ns("n7"));
    let none = || Some(BTreeSet::from([Netns::Host]));
    let rules = vec!["-i eth0 -j ACCEPT".to_owned()];
    let chain = Chain { name: "NW-FWD-t".into(), policy: None, rules };
    let table = Table { family: Family::V4, name: TableName::Filter, chains: vec![chain] };
    let port = Ports { protocol: Protocol::Tcp, first: 22, last: 80 };
    vec![
        ReadRequest::default(),
        ReadRequest { sysctls: plain.clone(), filters: none(), ..ReadRequest::default() },
        ReadRequest { sysctls: several.clone(), filters: Some([ns("n5")].into()), ..ReadRequest::default() },
        ReadRequest { sysctls: several.clone(), exact: [ns("n3"), ns("n8")].into(), ..ReadRequest::default() },
        ReadRequest {
            sysctls: several,
            filters: none(),
            firewalls: [(ns("n9"), vec![table])].into(),
            ports: [(ns("n10"), [port].into())].into(),
            ..ReadRequest::default()
        },
        ReadRequest { whole: true, sysctls: plain, ..ReadRequest::default() },
    ]
}

#[test]
fn a_reading_that_was_begun_ahead_is_the_one_that_is_asked_for() {
    sandbox::run(|| {
        build();
        let plain = |request: &ReadRequest| Live::new().unwrap().read(request).unwrap();
        for request in requests() {
            let (mut before, mut told) = (plain(&request), ahead().read(&request).unwrap());
            // What has just come up is busy for a while.
            while plain(&request) != before {
                (before, told) = (plain(&request), ahead().read(&request).unwrap());
            }
            assert_eq!(told, before, "{request:#?}");
        }
    });
}

#[test]
fn it_is_taken_once_and_forgotten_where_something_is_changed() {
    sandbox::run(|| {
        let names = |snapshot: Snapshot| snapshot.namespaces.into_keys().collect::<Vec<_>>();
        let read = |kernel: &Live| names(kernel.read(&ReadRequest::default()).unwrap());
        let kernel = ahead();
        sh("ip netns add late");
        assert_eq!(read(&kernel), [Netns::Host], "as it was when it was begun");
        assert_eq!(read(&kernel), [Netns::Host, ns("late")]);
        let mut kernel = ahead();
        let create = Op::NetnsCreate { mark: "netwright:lab/namespace.web".into() };
        let step = Step { address: "namespace.web".parse().unwrap(), op: create };
        kernel.run(&Batch { netns: ns("web"), steps: vec![step] }).unwrap();
        assert_eq!(read(&kernel), [Netns::Host, ns("late"), ns("web")]);
    });
}

#[test]
fn a_name_that_leads_elsewhere_by_then_is_read_anew() {
    sandbox::run(|| {
        sh("ip netns add a; ip netns add b; ip netns add c");
        let kernel = ahead();
        sh("ip netns delete a; ip netns add a; ip -n a link set lo up; ip netns delete b");
        let sysctls = ["a", "b", "c"].map(|name| (ns(name), keys(&["net/ipv4/tcp_ecn"]))).into();
        let snapshot = kernel.read(&ReadRequest { sysctls, ..ReadRequest::default() }).unwrap();
        assert_eq!(snapshot.namespaces.keys().cloned().collect::<Vec<_>>(), [Netns::Host, ns("a"), ns("c")]);
        assert!(snapshot.namespaces[&ns("a")].link("lo").unwrap().up);
        assert!(snapshot.namespaces[&ns("a")].sysctls["net/ipv4/tcp_ecn"].is_some());
    });
}
