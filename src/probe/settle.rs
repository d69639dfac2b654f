//! IPv6 just after an apply: until duplicate address detection is through with an interface's link-local address (one
//! to two seconds), a router asks for no neighbour from it, and a path that will be open looks blocked.

use std::{collections::HashSet, io, path::Path, time::Duration};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use tokio::time::{Instant, sleep};

use super::netns;
use crate::model::Netns;

/// Longer than detection ever takes: up to a second of random delay, then a second of listening.
const BOUND: Duration = Duration::from_millis(3000);
const PAUSE: Duration = Duration::from_millis(50);

/// `IFA_F_DADFAILED` and `IFA_F_TENTATIVE` of linux/if_addr.h.
const FAILED: u32 = 0x08;
const TENTATIVE: u32 = 0x40;

/// Waits until no namespace has an address under detection: a check's path may lead through any of them.
pub(super) async fn settle() {
    let deadline = Instant::now() + BOUND;
    let mut unsettled = namespaces();
    loop {
        unsettled.retain(|netns| {
            // What cannot be read will not settle either; a check that needs it will say so.
            netns::inside(netns, "reading the addresses", detects).unwrap_or(false)
        });
        if unsettled.is_empty() || Instant::now() >= deadline {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// The host, and all that have a name.
fn namespaces() -> Vec<Netns> {
    let entries = std::fs::read_dir(Path::new("/run/netns")).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    std::iter::once(Netns::Host).chain(names.map(|name| Netns::Named(name.into()))).collect()
}

/// Whether detection runs in the namespace that this is called in. On an interface without carrier it waits, perhaps
/// for ever.
fn detects() -> io::Result<bool> {
    let table = match std::fs::read_to_string("/proc/thread-self/net/if_inet6") {
        Ok(table) => table,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let tentative: HashSet<&str> = tentative(&table).collect();
    if tentative.is_empty() {
        return Ok(false);
    }
    Ok(getifaddrs()?.any(|interface| {
        interface.flags.contains(InterfaceFlags::IFF_RUNNING) && tentative.contains(interface.interface_name.as_str())
    }))
}

/// The interfaces of addresses under detection: `fe80…01 02 40 20 c0     eth0`, with the flags in the fifth column.
fn tentative(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(4);
        let flags = u32::from_str_radix(words.next()?, 16).ok()?;
        let interface = words.next()?;
        (flags & TENTATIVE != 0 && flags & FAILED == 0).then_some(interface)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_under_detection_are_found() {
        let table = "fe800000000000000000000000000001 02 40 20 c0     eth0\n\
                     fe800000000000000000000000000002 03 40 20 80     eth1\n\
                     fe800000000000000000000000000003 04 40 20 c8     eth2\n\
                     garbage\n";
        assert_eq!(tentative(table).collect::<Vec<_>>(), ["eth0"]);
    }
}
