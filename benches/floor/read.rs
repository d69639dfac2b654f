//! Reading every namespace, and telling what is there.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::RawFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use nix::libc;

use super::{
    netlink::{self, Batch, DUMP, attributes, word},
    netns,
};

const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
const RTPROT_RA: u8 = 9;
/// One after the other: asked for together, the kernel takes the lock of all its networking.
const FAMILIES: [u32; 2] = [libc::AF_INET as u32, libc::AF_INET6 as u32];
const ROOM: usize = 64 * 1024;

/// A device, as far as it counts here.
#[derive(Default)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub up: bool,
    pub master: u32,
    pub is_bridge: bool,
    pub is_veth: bool,
}

/// Reads every namespace with a name and the host, and tells it line by line.
pub fn all(mut tell: impl FnMut(String)) -> io::Result<()> {
    let names = netns::names()?;
    let next = AtomicUsize::new(0);
    let told: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());
    netns::on_threads(2, || {
        let mut room = vec![0; ROOM];
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let fd = netns::open(&netns::path(name))?;
            netns::enter(fd)?;
            netns::close(fd);
            let lines = one(&mut room)?;
            told.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), lines);
        }
        Ok(())
    })?;
    let mut told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    told.insert("host".to_owned(), one(&mut vec![0; ROOM])?);
    for (name, lines) in told {
        lines.into_iter().for_each(|line| tell(format!("{name}: {line}")));
    }
    Ok(())
}

/// The devices of the calling thread's namespace.
pub fn host_links() -> io::Result<Vec<Link>> {
    let socket = netlink::open()?;
    let links = links(socket, &mut vec![0; ROOM]);
    netns::close(socket);
    links
}

fn one(room: &mut [u8]) -> io::Result<Vec<String>> {
    let socket = netlink::open()?;
    let links = links(socket, room)?;
    let names: BTreeMap<u32, &str> = links.iter().map(|link| (link.index, &*link.name)).collect();
    let name = |index: u32| names.get(&index).copied().unwrap_or("?");
    let mut lines: Vec<String> = Vec::new();
    for link in &links {
        let (up, master) =
            (if link.up { "up" } else { "down" }, if link.master == 0 { "none" } else { name(link.master) });
        lines.push(format!("link {} {up} master {master}", link.name));
    }
    addresses(socket, room, |index, text| lines.push(format!("address {} {text}", name(index))))?;
    routes(socket, room, |index, text| lines.push(format!("route {text} dev {}", name(index))))?;
    netns::close(socket);
    lines.sort();
    Ok(lines)
}

fn links(socket: RawFd, room: &mut [u8]) -> io::Result<Vec<Link>> {
    let mut batch = Batch::new();
    batch.message(libc::RTM_GETLINK, DUMP);
    batch.link(0, 0, 0);
    batch.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    let mut links = Vec::new();
    batch.dump(socket, room, |payload| {
        let up = word(payload, 8) & libc::IFF_UP as u32 != 0;
        let mut link = Link { index: word(payload, 4), up, ..Link::default() };
        attributes(&payload[16..], |kind, value| match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_MASTER => link.master = word(value, 0),
            libc::IFLA_LINKINFO => attributes(value, |kind, value| {
                if kind == libc::IFLA_INFO_KIND {
                    (link.is_bridge, link.is_veth) = (text(value) == "bridge", text(value) == "veth");
                }
            }),
            _ => {}
        });
        links.push(link);
    })?;
    Ok(links)
}

/// Addresses but those that the kernel gives by itself.
fn addresses(socket: RawFd, room: &mut [u8], mut each: impl FnMut(u32, String)) -> io::Result<()> {
    for family in FAMILIES {
        let mut batch = Batch::new();
        batch.message(libc::RTM_GETADDR, DUMP);
        batch.u32(family);
        batch.u32(0);
        batch.dump(socket, room, |payload| {
            let (length, scope, index) = (payload[1], payload[3], word(payload, 4));
            attributes(&payload[8..], |kind, value| {
                if kind == libc::IFA_ADDRESS && scope == libc::RT_SCOPE_UNIVERSE {
                    each(index, format!("{}/{length}", address(value)));
                }
            });
        })?;
    }
    Ok(())
}

/// Unicast routes of the table `main` but those that the kernel makes by itself.
fn routes(socket: RawFd, room: &mut [u8], mut each: impl FnMut(u32, String)) -> io::Result<()> {
    for family in FAMILIES {
        let mut batch = Batch::new();
        batch.message(libc::RTM_GETROUTE, DUMP);
        [family, 0, 0].into_iter().for_each(|word| batch.u32(word));
        batch.dump(socket, room, |payload| {
            let (length, table, protocol) = (payload[1], payload[4], payload[5]);
            let (mut to, mut via, mut device) = ("default".to_owned(), String::new(), 0);
            attributes(&payload[12..], |kind, value| match kind {
                libc::RTA_DST => to = format!("{}/{length}", address(value)),
                libc::RTA_GATEWAY => via = format!(" via {}", address(value)),
                libc::RTA_OIF => device = word(value, 0),
                _ => {}
            });
            if table == libc::RT_TABLE_MAIN && !matches!(protocol, libc::RTPROT_KERNEL | RTPROT_RA) {
                each(device, format!("{to}{via}"));
            }
        })?;
    }
    Ok(())
}

fn address(bytes: &[u8]) -> IpAddr {
    match <[u8; 4]>::try_from(bytes) {
        Ok(four) => Ipv4Addr::from(four).into(),
        Err(_) => <[u8; 16]>::try_from(bytes).map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from).into(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
