//! The networks that are measured.

use std::{fs, io, os::fd::RawFd, sync::mpsc, thread};

use nix::libc;

use super::{
    netlink::{self, Batch, CREATE, REQUEST},
    netns, read,
};

const UP: u32 = libc::IFF_UP as u32;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_GROUP: u16 = 27;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const VETH_INFO_PEER: u16 = 1;
const LO: u32 = 1;
/// Indexes of devices that are made, well above what the kernel gives by itself.
const FIRST: u32 = 20_000;
/// As many ports as a bridge may have, rounded.
const PORTS: u32 = 1000;

/// One end of a veth.
struct End<'a> {
    index: u32,
    name: &'a str,
    netns: RawFd,
}

/// Bridges of a star, and how many namespaces each of them has.
fn bridges_of(count: u32) -> (u32, u32) {
    let bridges = if count <= PORTS { 1 } else { count / PORTS + 1 };
    (bridges, count.div_ceil(bridges))
}

/// Namespaces around bridges. One thread makes namespaces while another one fills them: they wait for each other in the
/// kernel for a part of the time only.
pub fn star(count: u32, queues: u32) -> io::Result<()> {
    netns::prepare()?;
    let host = netns::own()?;
    let socket = netlink::open()?;
    let (bridges, size) = bridges_of(count);
    let mut batch = Batch::new();
    for bridge in 0..bridges {
        new_bridge(&mut batch, FIRST + bridge, &format!("br{bridge}"));
        add_address(&mut batch, FIRST + bridge, [10, bridge as u8, 0, 1], 16);
    }
    batch.send(socket)?;
    let (made, coming) = mpsc::sync_channel::<io::Result<(u32, RawFd)>>(64);
    thread::scope(|scope| -> io::Result<()> {
        scope.spawn(move || {
            for at in 0..count {
                let one = netns::create(&format!("n{at}")).and_then(|()| netlink::open());
                if made.send(one.map(|socket| (at, socket))).is_err() {
                    return;
                }
            }
        });
        for one in coming {
            let (at, inside) = one?;
            fill(inside, host, at, queues, size)?;
            netns::close(inside);
        }
        Ok(())
    })?;
    for at in 0..count {
        let master = FIRST + at / size;
        no_link_local(&mut batch, port(at));
        batch.message(libc::RTM_NEWLINK, REQUEST);
        batch.link(port(at), UP, UP);
        batch.attribute(libc::IFLA_MASTER, &master.to_ne_bytes());
        if batch.len() > 60_000 {
            batch.send(socket)?;
        }
    }
    for bridge in 0..bridges {
        raise_bridge(&mut batch, FIRST + bridge);
    }
    batch.send(socket)
}

fn port(at: u32) -> u32 {
    FIRST + 100 + at
}

fn fill(inside: RawFd, host: RawFd, at: u32, queues: u32, size: u32) -> io::Result<()> {
    let (bridge, place) = ((at / size) as u8, at % size + 2);
    let near = End { index: FIRST, name: "eth0", netns: -1 };
    let far = End { index: port(at), name: &format!("n{at}-eth0"), netns: host };
    let mut batch = Batch::new();
    up(&mut batch, LO);
    new_veth(&mut batch, &near, &far, queues, UP);
    add_address(&mut batch, FIRST, [10, bridge, (place >> 8) as u8, place as u8], 16);
    add_route(&mut batch, None, [10, bridge, 0, 1]);
    batch.send(inside)
}

/// Routers in a ring, each with a link to the four next ones, and ten routes by them.
pub fn mesh() -> io::Result<()> {
    const ROUTERS: u32 = 50;
    const LINKS: u32 = 200;
    const ROUTES: u32 = 10;
    netns::prepare()?;
    let mut routers = Vec::new();
    for router in 0..ROUTERS {
        let name = format!("r{router}");
        let one = thread::spawn(move || {
            netns::create(&name)?;
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")?;
            io::Result::Ok((netns::own()?, netlink::open()?))
        });
        routers.push(one.join().map_err(|_| io::ErrorKind::Other)??);
    }
    let end = |router: u32, link: u32| FIRST + router * LINKS + link;
    let address = |link: u32, side: u8| [10, 100, (link >> 6) as u8, (link & 63) as u8 * 4 + side];
    let ends = |link: u32| (link % ROUTERS, (link % ROUTERS + 1 + link / ROUTERS) % ROUTERS);
    let mut batch = Batch::new();
    for router in 0..ROUTERS {
        up(&mut batch, LO);
        for link in (0..LINKS).filter(|link| ends(*link).0 == router) {
            let (there, name, far) = (ends(link).1, format!("l{link}"), format!("l{link}"));
            let near = End { index: end(router, link), name: &name, netns: -1 };
            let far = End { index: end(there, link), name: &far, netns: routers[there as usize].0 };
            new_veth(&mut batch, &near, &far, 1, UP);
            add_address(&mut batch, end(router, link), address(link, 1), 30);
        }
        batch.send(routers[router as usize].1)?;
    }
    for router in 0..ROUTERS {
        for link in (0..LINKS).filter(|link| ends(*link).1 == router) {
            up(&mut batch, end(router, link));
            add_address(&mut batch, end(router, link), address(link, 2), 30);
        }
        for route in 0..ROUTES {
            let link = router + ROUTERS * (route % 4);
            add_route(&mut batch, Some(([172, 16 + route as u8, router as u8, 0], 24)), address(link, 2));
        }
        batch.send(routers[router as usize].1)?;
    }
    Ok(())
}

/// Removes every named namespace and every bridge, and waits for the kernel.
pub fn gone() -> io::Result<()> {
    let socket = netlink::open()?;
    let links = read::host_links()?;
    let mut batch = Batch::new();
    for link in links.iter().filter(|link| link.is_bridge) {
        batch.message(libc::RTM_NEWLINK, REQUEST);
        batch.link(link.index, 0, UP);
    }
    batch.send(socket)?;
    let names = netns::names()?;
    let held: Vec<RawFd> = names.iter().map(|name| netns::open(&netns::path(name))).collect::<io::Result<_>>()?;
    let begun = std::time::Instant::now();
    netns::forget(&names)?;
    println!("names gone after {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    held.into_iter().for_each(netns::close);
    while read::host_links()?.iter().any(|link| link.is_veth) {
        thread::sleep(std::time::Duration::from_millis(2));
    }
    for link in links.iter().filter(|link| link.is_bridge) {
        batch.message(libc::RTM_DELLINK, REQUEST);
        batch.link(link.index, 0, 0);
    }
    batch.send(socket)
}

/// Deletes the first ports, as a group.
pub fn unplug(count: u32) -> io::Result<()> {
    const GROUP: u32 = 4711;
    let socket = netlink::open()?;
    let ports = read::host_links()?.into_iter().filter(|link| link.is_veth);
    let mut batch = Batch::new();
    for link in ports.take(count as usize) {
        batch.message(libc::RTM_NEWLINK, REQUEST);
        batch.link(link.index, 0, 0);
        batch.attribute(IFLA_GROUP, &GROUP.to_ne_bytes());
    }
    batch.send(socket)?;
    batch.message(libc::RTM_DELLINK, REQUEST);
    batch.link(0, 0, 0);
    batch.attribute(IFLA_GROUP, &GROUP.to_ne_bytes());
    batch.send(socket)
}

fn up(batch: &mut Batch, index: u32) {
    batch.message(libc::RTM_NEWLINK, REQUEST);
    batch.link(index, UP, UP);
}

/// Of a port, at whose own address nobody could reach anything. In the message that raises it this comes too late.
fn no_link_local(batch: &mut Batch, index: u32) {
    batch.message(libc::RTM_NEWLINK, REQUEST);
    batch.link(index, 0, 0);
    let families = batch.nest(libc::IFLA_AF_SPEC);
    let family = batch.nest(libc::AF_INET6 as u16);
    batch.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
    batch.end(family);
    batch.end(families);
}

/// Without multicast snooping meanwhile: with it the kernel goes through all ports for each, and arms timers.
fn raise_bridge(batch: &mut Batch, index: u32) {
    set_snooping(batch, index, false);
    up(batch, index);
    set_snooping(batch, index, true);
}

fn set_snooping(batch: &mut Batch, index: u32, on: bool) {
    batch.message(libc::RTM_NEWLINK, REQUEST);
    batch.link(index, 0, 0);
    let info = batch.nest(libc::IFLA_LINKINFO);
    batch.attribute(libc::IFLA_INFO_KIND, b"bridge");
    let data = batch.nest(libc::IFLA_INFO_DATA);
    batch.attribute(IFLA_BR_MCAST_SNOOPING, &[on.into()]);
    batch.end(data);
    batch.end(info);
}

fn new_bridge(batch: &mut Batch, index: u32, name: &str) {
    batch.message(libc::RTM_NEWLINK, CREATE);
    batch.link(index, 0, 0);
    batch.attribute(libc::IFLA_IFNAME, format!("{name}\0").as_bytes());
    let info = batch.nest(libc::IFLA_LINKINFO);
    batch.attribute(libc::IFLA_INFO_KIND, b"bridge");
    batch.end(info);
}

fn new_veth(batch: &mut Batch, near: &End<'_>, far: &End<'_>, queues: u32, flags: u32) {
    batch.message(libc::RTM_NEWLINK, CREATE);
    batch.link(near.index, flags, flags);
    describe(batch, near, queues);
    let info = batch.nest(libc::IFLA_LINKINFO);
    batch.attribute(libc::IFLA_INFO_KIND, b"veth");
    let data = batch.nest(libc::IFLA_INFO_DATA);
    let peer = batch.nest(VETH_INFO_PEER);
    batch.link(far.index, 0, 0);
    describe(batch, far, queues);
    batch.attribute(IFLA_NET_NS_FD, &far.netns.to_ne_bytes());
    batch.end(peer);
    batch.end(data);
    batch.end(info);
}

fn describe(batch: &mut Batch, end: &End<'_>, queues: u32) {
    batch.attribute(libc::IFLA_IFNAME, format!("{}\0", end.name).as_bytes());
    // The kernel's default is one a processor.
    if queues > 0 {
        batch.attribute(IFLA_NUM_TX_QUEUES, &queues.to_ne_bytes());
        batch.attribute(IFLA_NUM_RX_QUEUES, &queues.to_ne_bytes());
    }
}

fn add_address(batch: &mut Batch, index: u32, address: [u8; 4], length: u8) {
    batch.message(libc::RTM_NEWADDR, CREATE);
    batch.u8(libc::AF_INET as u8);
    batch.u8(length);
    batch.u16(0);
    batch.u32(index);
    batch.attribute(libc::IFA_LOCAL, &address);
    batch.attribute(libc::IFA_ADDRESS, &address);
}

fn add_route(batch: &mut Batch, to: Option<([u8; 4], u8)>, via: [u8; 4]) {
    batch.message(libc::RTM_NEWROUTE, CREATE);
    batch.u8(libc::AF_INET as u8);
    batch.u8(to.map_or(0, |(_, length)| length));
    batch.u16(0);
    batch.u8(libc::RT_TABLE_MAIN);
    batch.u8(libc::RTPROT_STATIC);
    batch.u8(libc::RT_SCOPE_UNIVERSE);
    batch.u8(libc::RTN_UNICAST);
    batch.u32(0);
    if let Some((to, _)) = to {
        batch.attribute(libc::RTA_DST, &to);
    }
    batch.attribute(libc::RTA_GATEWAY, &via);
}
