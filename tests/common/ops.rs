//! Ops in a few words, for tests of single ones on the real kernel.

use netwright::{
    kernel::{Kernel, Live},
    model::{
        Netns,
        mark::ADDRESS_PROTOCOL,
        snapshot::{Nexthop, ReadRequest, RouteType, Snapshot},
    },
    op::{Batch, LinkChange, LinkRef, NewEnd, Op, RouteOp, Step},
};

/// A named namespace.
pub fn ns(name: &str) -> Netns {
    Netns::from(name.to_owned())
}

/// Ops of one resource in a namespace.
pub fn batch(netns: &str, ops: Vec<Op>) -> Batch {
    let step = |op| Step { address: "link.web:eth0".parse().unwrap(), op };
    Batch { netns: ns(netns), steps: ops.into_iter().map(step).collect() }
}

/// Runs ops, all of which must go well.
pub fn run(kernel: &mut Live, netns: &str, ops: Vec<Op>) {
    if let Err(error) = kernel.run(&batch(netns, ops)) {
        panic!("{error}\n{:#?}", error.failures);
    }
}

/// Everything that is always read.
pub fn read(kernel: &Live) -> Snapshot {
    kernel.read(&ReadRequest::default()).unwrap()
}

/// A device by its index.
pub fn at(index: u32, name: &str) -> LinkRef {
    LinkRef { index, name: name.into() }
}

/// One end of a veth that is made.
pub fn end(index: u32, name: &str) -> NewEnd {
    NewEnd { index, name: name.parse().unwrap(), mac: None, mtu: None }
}

/// Makes a veth.
pub fn veth(end: NewEnd, peer: NewEnd, netns: &str) -> Op {
    Op::VethCreate { end, peer, peer_netns: ns(netns), queues: None }
}

/// Changes a device.
pub fn set(index: u32, name: &str, change: LinkChange) -> Op {
    Op::LinkSet { link: at(index, name), change }
}

/// Raises a device.
pub fn up(index: u32, name: &str) -> Op {
    set(index, name, LinkChange { up: Some(true), ..Default::default() })
}

/// Gives a device an address.
pub fn address(index: u32, name: &str, address: &str) -> Op {
    Op::AddressAdd { link: at(index, name), address: address.parse().unwrap(), protocol: ADDRESS_PROTOCOL }
}

/// A static route to somewhere.
pub fn route(to: &str) -> RouteOp {
    RouteOp {
        to: to.parse().unwrap(),
        table: 254,
        metric: 0,
        protocol: 76,
        kind: RouteType::Unicast,
        src: None,
        mtu: None,
        nexthops: vec![],
    }
}

/// A next hop.
pub fn hop(via: &str, link: u32, weight: u16) -> Nexthop {
    Nexthop { via: Some(via.parse().unwrap()), link: Some(link), weight, onlink: false }
}
