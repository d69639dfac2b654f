//! Sysctls, and the namespace itself.

use super::{Found, Place};

pub fn drifts(place: &Place, found: &mut Found) {
    match &place.netns {
        Some(name) => {
            forwarding(place, found);
            let path = format!("/run/netns/{name}");
            // Done on the host: the namespace goes from under what runs in it.
            let host = Place { netns: None, links: Vec::new() };
            found.add(&host, "namespace", "deleted", &path, format!("ip netns delete {name}")).cuts();
        }
        None => host(place, found),
    }
}

fn forwarding(place: &Place, found: &mut Found) {
    for (family, key) in [("IPv4", "net.ipv4.ip_forward"), ("IPv6", "net.ipv6.conf.all.forwarding")] {
        let now = place.run(&format!("sysctl -n {key}"));
        let (sort, other) = if now.trim() == "0" { ("namespace", 1) } else { ("router", 0) };
        found.add(place, sort, &format!("{family} forwarding"), key, format!("sysctl -qw {key}={other}"));
    }
}

fn host(place: &Place, found: &mut Found) {
    // The host's forwarding is the lab's business only where the lab has rules there.
    if place.run("iptables-save; iptables-legacy-save").contains(":NW-") {
        let script = "sysctl -qw net.ipv4.ip_forward=0".to_owned();
        found.add(place, "host", "forwarding", "net.ipv4.ip_forward", script);
    }
    for bridge in place.links.iter().filter(|link| link.kind == "bridge" && link.ours) {
        let key = format!("net.ipv4.conf.{}.route_localnet", bridge.name);
        if place.run(&format!("sysctl -n {key}")).trim() == "1" {
            found.add(place, "bridge", "route_localnet", &key, format!("sysctl -qw {key}=0"));
        }
    }
}
