//! The fake's own habits; that they are the kernel's is proved against the real one.

use super::*;
use crate::{
    kernel::Outcome,
    model::{
        mark::ADDRESS_PROTOCOL,
        snapshot::{Nexthop, RouteType},
    },
    op::{LinkRef, NewEnd, RouteOp},
};

fn web() -> Netns {
    Netns::Named("web".into())
}

fn batch(netns: Netns, ops: Vec<Op>) -> Batch {
    let step = |op| Step { address: "link.web:eth0".parse().unwrap(), op };
    Batch { netns, steps: ops.into_iter().map(step).collect() }
}

fn run(fake: &mut Fake, netns: Netns, ops: Vec<Op>) {
    fake.run(&batch(netns, ops)).unwrap();
}

fn end(index: u32, name: &str) -> NewEnd {
    NewEnd { index, name: name.parse().unwrap(), mac: None, mtu: None }
}

fn veth(index: u32, name: &str, peer: u32, peer_name: &str, peer_netns: Netns) -> Op {
    Op::VethCreate { end: end(index, name), peer: end(peer, peer_name), peer_netns, queues: None }
}

fn at(index: u32) -> LinkRef {
    LinkRef { index, name: format!("d{index}") }
}

fn set(index: u32, change: LinkChange) -> Op {
    Op::LinkSet { link: at(index), change }
}

fn up(index: u32, up: bool) -> Op {
    set(index, LinkChange { up: Some(up), ..Default::default() })
}

fn address(index: u32, address: &str) -> Op {
    Op::AddressAdd { link: at(index), address: address.parse().unwrap(), protocol: ADDRESS_PROTOCOL }
}

fn route(to: &str, via: &str, link: u32) -> RouteOp {
    RouteOp {
        to: to.parse().unwrap(),
        table: 254,
        metric: 0,
        protocol: 76,
        kind: RouteType::Unicast,
        src: None,
        mtu: None,
        nexthops: vec![Nexthop { via: Some(via.parse().unwrap()), link: Some(link), weight: 1, onlink: false }],
    }
}

fn add(route: RouteOp) -> Op {
    Op::RouteAdd { route, replace: false }
}

fn lab() -> Fake {
    let mut fake = Fake::empty();
    run(&mut fake, web(), vec![Op::NetnsCreate { mark: "netwright:lab/namespace.web".into() }]);
    run(&mut fake, web(), vec![veth(2, "eth0", 50, "web-eth0", Netns::Host), up(2, true)]);
    run(&mut fake, web(), vec![address(2, "192.168.0.2/24"), address(2, "fd00::2/64")]);
    run(&mut fake, web(), vec![add(route("0.0.0.0/0", "192.168.0.1", 2)), add(route("::/0", "fd00::1", 2))]);
    fake
}

#[test]
fn a_namespace_takes_its_links_and_their_peers_with_it() {
    let mut fake = lab();
    run(&mut fake, Netns::Host, vec![up(50, true)]);
    assert!(fake.state.namespaces[&Netns::Host].link("web-eth0").unwrap().carrier);
    run(&mut fake, web(), vec![Op::NetnsDelete]);
    assert_eq!(fake.state, Fake::empty().state);
    // What has gone is gone.
    run(&mut fake, web(), vec![Op::NetnsDelete]);
}

#[test]
fn a_link_that_goes_down_loses_its_routes_and_its_ipv6_addresses() {
    let mut fake = lab();
    run(&mut fake, web(), vec![up(2, false)]);
    let web = &fake.state.namespaces[&web()];
    assert_eq!((web.addresses.len(), web.routes.len()), (1, 0));
}

#[test]
fn the_last_address_takes_the_routes_and_the_first_its_secondaries() {
    let mut fake = lab();
    run(&mut fake, web(), vec![address(2, "192.168.0.3/24"), address(2, "10.0.0.1/8")]);
    let delete = |address: &str| Op::AddressDelete { link: at(2), address: address.parse().unwrap() };
    run(&mut fake, web(), vec![delete("192.168.0.2/24")]);
    let state = &fake.state.namespaces[&web()];
    let left: Vec<_> = state.addresses.iter().map(|a| a.address.to_string()).collect();
    assert_eq!(left, ["fd00::2/64", "10.0.0.1/8"]);
    assert_eq!(state.routes.len(), 2);
    run(&mut fake, web(), vec![delete("10.0.0.1/8")]);
    assert_eq!(fake.state.namespaces[&web()].routes.len(), 1);
}

#[test]
fn routes_need_a_next_hop_that_is_reached() {
    let mut fake = lab();
    let far = fake.run(&batch(web(), vec![add(route("10.0.0.0/8", "172.16.0.1", 2))])).unwrap_err();
    assert!(far.failures[0].error.is(Errno::ENETUNREACH));
    let again = fake.run(&batch(web(), vec![add(route("0.0.0.0/0", "192.168.0.9", 2))])).unwrap_err();
    assert!(again.failures[0].error.is(Errno::EEXIST));
    let routes = |fake: &Fake| fake.state.namespaces[&web()].routes.len();
    let all = routes(&fake);
    run(&mut fake, web(), vec![Op::RouteDelete { route: route("::/0", "fd00::7", 2) }]);
    assert_eq!(routes(&fake), all, "another route is no such route");
    run(&mut fake, web(), vec![Op::RouteDelete { route: route("::/0", "fd00::1", 2) }]);
}

#[test]
fn what_is_taken_is_refused_and_what_came_along_has_run() {
    let mut fake = lab();
    let ops = vec![
        veth(3, "eth0", 60, "x", Netns::Host),
        veth(2, "eth1", 60, "x", Netns::Host),
        veth(3, "eth1", 50, "x", Netns::Host),
        veth(3, "eth1", 60, "x", Netns::Host),
        up(3, true),
    ];
    let error = fake.run(&batch(web(), ops)).unwrap_err();
    let outcomes: Vec<_> = (0..5).map(|index| error.outcome(index)).collect();
    let failed = Outcome::Failed;
    assert_eq!(outcomes, [failed, failed, failed, Outcome::Done, Outcome::Untried]);
}

#[test]
fn a_fault_strikes_once_at_its_step() {
    let mut fake = lab();
    fake.fail_at = Some(1);
    let error = fake.run(&batch(web(), vec![up(1, true), address(2, "10.0.0.1/8")])).unwrap_err();
    assert_eq!(error.failures[0].index, 1);
    run(&mut fake, web(), vec![address(2, "10.0.0.1/8")]);
}

#[test]
fn a_borrowed_sysctl_is_given_back_with_what_it_drags_along() {
    let mut fake = Fake::empty();
    run(&mut fake, Netns::Host, vec![veth(2, "a", 3, "b", Netns::Host)]);
    let forward = "net/ipv4/ip_forward".to_owned();
    let along = "net/ipv4/conf/a/forwarding".to_owned();
    let borrow = |user: &str| Op::SysctlBorrow {
        key: forward.clone(),
        value: "1".into(),
        before: "0".into(),
        along: [(along.clone(), "0".to_owned())].into(),
        user: user.parse().unwrap(),
    };
    let give_back = |user: &str| Op::SysctlGiveBack { key: forward.clone(), user: user.parse().unwrap() };
    let request =
        ReadRequest { sysctls: [(Netns::Host, [forward.clone(), along.clone()].into())].into(), ..Default::default() };
    let values = |fake: &Fake| {
        let snapshot = fake.read(&request).unwrap();
        let sysctls = &snapshot.namespaces[&Netns::Host].sysctls;
        (sysctls[&forward].clone().unwrap(), sysctls[&along].clone().unwrap())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(values(&fake), pair("0", "0"));
    run(&mut fake, Netns::Host, vec![borrow("one"), borrow("two")]);
    assert_eq!(values(&fake), pair("1", "1"));
    run(&mut fake, Netns::Host, vec![give_back("one")]);
    assert_eq!(values(&fake), pair("1", "1"));
    run(&mut fake, Netns::Host, vec![give_back("two")]);
    assert_eq!(values(&fake), pair("0", "0"));
    assert!(fake.state.borrowed.is_empty());
}
