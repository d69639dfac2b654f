//! What rtnetlink tells of a namespace: links with all of theirs, routes, rules and nexthops.

use std::collections::BTreeMap;

use rtnetlink::sys::protocols::NETLINK_ROUTE;

use super::{
    Section,
    shape::{self, Names, Shape::*, Table, device, lines, words},
    wire::{Wire, attribute, attributes, by_number, text, u16_at, u32_at},
};

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;
const RTM_GETRULE: u16 = 34;
const RTM_GETNEIGHTBL: u16 = 66;
const RTM_GETMDB: u16 = 86;
const RTM_GETNSID: u16 = 90;
const RTM_GETNEXTHOP: u16 = 106;

const AF_INET: u8 = 2;
const AF_BRIDGE: u8 = 7;
const AF_INET6: u8 = 10;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;

const LINK: Table = &[
    (1, "address", Address),
    (2, "broadcast", Address),
    (IFLA_IFNAME, "", Volatile),
    (4, "mtu", Number),
    (IFLA_LINK, "link", Device),
    (6, "qdisc", Text),
    (7, "stats", Volatile),
    (10, "master", Device),
    // What a port has again, with the numbers that its bridge has for it; the link's own info tells all of it.
    (12, "protinfo", Volatile),
    (13, "txqueuelen", Number),
    (16, "operstate", Number),
    (17, "linkmode", Number),
    (
        IFLA_LINKINFO,
        "",
        Nest(&[(1, "kind", Text), (2, "", Volatile), (3, "", Volatile), (4, "port kind", Text), (5, "", Volatile)]),
    ),
    (20, "alias", Text),
    (23, "stats64", Volatile),
    (IFLA_AF_SPEC, "", Nest(&[(2, "ipv4", Nest(&[(1, "conf", Array(IPV4_CONF))])), (10, "ipv6", Nest(INET6))])),
    (27, "group", Number),
    (30, "promiscuity", Number),
    (31, "tx queues", Number),
    (32, "rx queues", Number),
    (33, "carrier", Number),
    (35, "carrier changes", Volatile),
    (IFLA_LINK_NETNSID, "netnsid", Volatile),
    (40, "gso max segs", Number),
    (41, "gso max size", Number),
    (47, "carrier up count", Volatile),
    (48, "carrier down count", Volatile),
    (50, "min mtu", Number),
    (51, "max mtu", Number),
    (52, "", Nest(&[(53, "altname", Text)])),
    (54, "permanent address", Address),
    (61, "allmulti", Number),
];

const INET6: Table = &[
    // What router solicitation has come to.
    (1, "flags", Volatile),
    (2, "conf", Array(IPV6_CONF)),
    (3, "stats", Volatile),
    (5, "cacheinfo", Volatile),
    (6, "icmp stats", Volatile),
    (7, "token", Address),
    (8, "addr_gen_mode", Number),
];

const BRIDGE: Table = &[
    (1, "forward_delay", Number),
    (4, "ageing_time", Number),
    (5, "stp_state", Number),
    (6, "priority", Number),
    (7, "vlan_filtering", Number),
    (9, "group_fwd_mask", Number),
    (10, "root id", Address),
    (11, "bridge id", Address),
    // The bridge's number for a port.
    (12, "root port", Volatile),
    (14, "topology change", Volatile),
    (15, "topology change detected", Volatile),
    (16, "hello timer", Volatile),
    (17, "tcn timer", Volatile),
    (18, "topology change timer", Volatile),
    (19, "gc timer", Volatile),
    (20, "group address", Address),
    (22, "mcast_router", Volatile),
    (23, "mcast_snooping", Number),
    (47, "mcast querier", Volatile),
    (48, "fdb learned", Volatile),
];

const PORT: Table = &[
    (1, "state", Number),
    (2, "priority", Number),
    (3, "cost", Number),
    (4, "hairpin", Number),
    (13, "root id", Address),
    (14, "bridge id", Address),
    (15, "designated port", Volatile),
    (17, "id", Volatile),
    (18, "number", Volatile),
    (19, "topology change ack", Volatile),
    (20, "config pending", Volatile),
    (21, "message age timer", Volatile),
    (22, "forward delay timer", Volatile),
    (23, "hold timer", Volatile),
    (25, "multicast_router", Volatile),
    (38, "multicast hosts", Volatile),
    // Memberships come and go with traffic.
    (41, "multicast groups", Volatile),
];

const IPV4_CONF: &[&str] = &[
    "forwarding",
    "mc_forwarding",
    "proxy_arp",
    "accept_redirects",
    "secure_redirects",
    "send_redirects",
    "shared_media",
    "rp_filter",
    "accept_source_route",
    "bootp_relay",
    "log_martians",
    "tag",
    "arp_filter",
    "medium_id",
    "disable_xfrm",
    "disable_policy",
    "force_igmp_version",
    "arp_announce",
    "arp_ignore",
    "promote_secondaries",
    "arp_accept",
    "arp_notify",
    "accept_local",
    "src_valid_mark",
    "proxy_arp_pvlan",
    "route_localnet",
];

const IPV6_CONF: &[&str] = &[
    "forwarding",
    "hop_limit",
    "mtu",
    "accept_ra",
    "accept_redirects",
    "autoconf",
    "dad_transmits",
    "router_solicitations",
    "router_solicitation_interval",
    "router_solicitation_delay",
    "use_tempaddr",
    "temp_valid_lft",
    "temp_prefered_lft",
    "regen_max_retry",
    "max_desync_factor",
    "max_addresses",
    "force_mld_version",
    "accept_ra_defrtr",
    "accept_ra_pinfo",
    "accept_ra_rtr_pref",
    "router_probe_interval",
    "accept_ra_rt_info_max_plen",
    "proxy_ndp",
    "optimistic_dad",
    "accept_source_route",
    "mc_forwarding",
    "disable_ipv6",
    "accept_dad",
];

const ADDRESS: Table = &[
    (1, "peer", Address),
    (2, "local", Address),
    (3, "label", Text),
    (4, "broadcast", Address),
    (5, "anycast", Address),
    (6, "lifetimes", Volatile),
    (8, "flags", Volatile),
    (9, "priority", Number),
    (11, "protocol", Number),
];

const ROUTE: Table = &[
    (1, "", Volatile),
    (2, "from", Address),
    (3, "iif", Device),
    (4, "dev", Device),
    (5, "via", Address),
    (6, "metric", Number),
    (7, "src", Address),
    (8, "", Nest(&[(2, "mtu", Number)])),
    (9, "", Volatile),
    (12, "expires", Volatile),
    (15, "table", Number),
    (20, "pref", Number),
    (30, "nhid", Number),
];

const RULE: Table = &[
    (1, "to", Address),
    (2, "from", Address),
    (3, "iif", Text),
    (4, "goto", Number),
    (6, "priority", Number),
    (10, "fwmark", Number),
    (14, "suppress_prefixlength", Number),
    (15, "table", Number),
    (16, "fwmask", Number),
    (17, "oif", Text),
    (21, "protocol", Number),
];

const NEXTHOP: Table = &[(1, "id", Number), (2, "group", Bytes), (5, "dev", Device), (6, "via", Address)];

const NEIGH_PARAMETERS: Table = &[
    (1, "", Volatile),
    (2, "refcount", Volatile),
    // Drawn anew all the time around its base.
    (3, "reachable_time", Volatile),
    (8, "queue_len", Number),
    (9, "app_probes", Number),
    (10, "ucast_probes", Number),
    (11, "mcast_probes", Number),
];

const NEIGH: Table =
    &[(1, "to", Address), (2, "lladdr", Address), (3, "", Volatile), (4, "", Volatile), (9, "", Volatile)];

/// One end of a link whose other end may be in another namespace.
pub struct End {
    pub index: u32,
    pub name: String,
    pub peer: u32,
    /// This namespace's number for the peer's.
    pub netnsid: Option<i32>,
}

/// What came of a reading beside the lines.
#[derive(Default)]
pub struct Seen {
    pub ends: Vec<End>,
    /// Whether duplicate detection runs somewhere with carrier; without, it waits for ever, which counts as rest.
    pub tentative: bool,
    /// Whether something with carrier has no operational state yet, or never will.
    pub untold: bool,
}

/// Reads all of the calling thread's namespace.
pub fn read(section: &mut Section) -> Seen {
    let mut wire = Wire::open(NETLINK_ROUTE);
    let (names, mut seen, running) = links(&mut wire, section);
    addresses(&mut wire, &names, &running, section, &mut seen);
    bridges(&mut wire, &names, section);
    neighbours(&mut wire, &names, section);
    for (object, kind, header) in
        [("route", RTM_GETROUTE, 12), ("rule", RTM_GETRULE, 12), ("nexthop", RTM_GETNEXTHOP, 8)]
    {
        let messages = wire.dump(kind, &vec![0; header]).unwrap_or_else(|error| panic!("{object}: {error}"));
        let told = messages.iter().filter_map(|message| match kind {
            RTM_GETROUTE => route(message, &names),
            RTM_GETRULE => {
                Some(format!("{} {}", shape::printable(&message[..12]), words(&message[12..], RULE, &names)))
            }
            _ => Some(format!("{} {}", shape::printable(&message[..8]), words(&message[8..], NEXTHOP, &names))),
        });
        section.entry(object.to_owned()).or_default().extend(told);
    }
    seen
}

fn links(wire: &mut Wire, section: &mut Section) -> (Names, Seen, Names) {
    const SKIP_STATS: u32 = 8;
    const IFF_LOWER_UP_AND_UP: u32 = 0x1_0001;
    let mut request = vec![0; 16];
    request.extend(attribute(IFLA_EXT_MASK, &SKIP_STATS.to_ne_bytes()));
    let messages = wire.dump(RTM_GETLINK, &request).expect("links");
    let (mut names, mut running, mut seen) = (Names::new(), Names::new(), Seen::default());
    for message in &messages {
        let found = by_number(&message[16..]);
        let (index, name, flags) = (u32_at(message, 4), text(found[&IFLA_IFNAME]), u32_at(message, 8));
        if flags & IFF_LOWER_UP_AND_UP == IFF_LOWER_UP_AND_UP {
            running.insert(index, name.clone());
            seen.untold |= is_untold(&found);
        }
        if let Some(peer) = found.get(&IFLA_LINK) {
            let netnsid = found.get(&IFLA_LINK_NETNSID).map(|id| u32_at(id, 0) as i32);
            seen.ends.push(End { index, name: name.clone(), peer: u32_at(peer, 0), netnsid });
        }
        names.insert(index, name);
    }
    for message in &messages {
        let name = &names[&u32_at(message, 4)];
        let mut told = vec![format!("type = {}", u16_at(message, 2)), format!("flags = {:#x}", u32_at(message, 8))];
        let elsewhere = by_number(&message[16..]).contains_key(&IFLA_LINK_NETNSID);
        lines(&message[16..], LINK, "", &names, &mut told);
        details(&message[16..], &names, &mut told);
        told.retain(|line| !(elsewhere && line.starts_with("link = ")));
        section.insert(format!("link {name}"), told);
    }
    (names, seen, running)
}

/// Whether the kernel may have yet to tell that a device with carrier is up. Of a bridge that had carrier without a port it
/// never does, nor of devices of most other kinds.
fn is_untold(found: &BTreeMap<u16, &[u8]>) -> bool {
    const IFLA_OPERSTATE: u16 = 16;
    const UNKNOWN: [u8; 1] = [0];
    let info = found.get(&IFLA_LINKINFO).map(|info| by_number(info)).unwrap_or_default();
    let kind = info.get(&1).map(|kind| text(kind)).unwrap_or_default();
    matches!(kind.as_str(), "bridge" | "veth") && found[&IFLA_OPERSTATE] == UNKNOWN
}

/// What a link's kind, and the kind of its master, have of their own: what it means depends on the kind.
fn details(attributes: &[u8], names: &Names, told: &mut Vec<String>) {
    let found = by_number(attributes);
    let Some(info) = found.get(&IFLA_LINKINFO).map(|info| by_number(info)) else { return };
    let table_of = |kind: u16| match info.get(&kind).map(|kind| text(kind)).as_deref() {
        Some("bridge") if kind == 1 => BRIDGE,
        Some("bridge") => PORT,
        _ => &[],
    };
    for (kind, data, path) in [(1, 2, "info "), (4, 5, "port ")] {
        if let Some(data) = info.get(&data) {
            lines(data, table_of(kind), path, names, told);
        }
    }
}

fn addresses(wire: &mut Wire, names: &Names, running: &Names, section: &mut Section, seen: &mut Seen) {
    const TENTATIVE: u32 = 0x40;
    /// Those that come and go while an address is made sure of.
    const ON_THE_WAY: u32 = TENTATIVE | 0x08 | 0x04;
    for message in wire.dump(RTM_GETADDR, &[0; 8]).expect("addresses") {
        let (length, scope, index) = (message[1], message[3], u32_at(&message, 4));
        let found = by_number(&message[8..]);
        let flags = found.get(&8).map_or(u32::from(message[2]), |flags| u32_at(flags, 0));
        seen.tentative |= flags & TENTATIVE != 0 && running.contains_key(&index);
        let own = found.get(&2).or(found.get(&1)).map(|own| shape::address(own)).unwrap_or_default();
        let rest = words(&message[8..], ADDRESS, names);
        let line = format!("address {own}/{length} = scope {scope}, flags {:#x}, {rest}", flags & !ON_THE_WAY);
        section.entry(format!("link {}", device(index, names))).or_default().push(line);
    }
}

/// VLANs of bridges and ports, what was put into their forwarding and multicast databases by hand.
fn bridges(wire: &mut Wire, names: &Names, section: &mut Section) {
    const VLANS: u32 = 2;
    const PERMANENT: u8 = 1;
    const NUD_NOARP: u16 = 0x40;
    let mut request = vec![0; 16];
    request[0] = AF_BRIDGE;
    request.extend(attribute(IFLA_EXT_MASK, &VLANS.to_ne_bytes()));
    for message in wire.dump(RTM_GETLINK, &request).expect("bridges") {
        let Some(vlans) = by_number(&message[16..]).remove(&IFLA_AF_SPEC) else { continue };
        let object = section.entry(format!("link {}", device(u32_at(&message, 4), names))).or_default();
        object.push(format!("vlans = {}", shape::printable(vlans)));
    }
    for message in wire.dump(RTM_GETMDB, &[AF_BRIDGE, 0, 0, 0, 0, 0, 0, 0]).expect("mdb") {
        let Some(entries) = by_number(&message[8..]).remove(&1) else { continue };
        let entries = attributes(entries).into_iter().flat_map(|(_, entry)| attributes(entry));
        for (_, entry) in entries.filter(|(_, entry)| entry[4] == PERMANENT) {
            let port = device(u32_at(entry, 0), names);
            let object = section.entry(format!("link {}", device(u32_at(&message, 4), names))).or_default();
            object.push(format!("multicast {port} = {}", shape::printable(&entry[6..28])));
        }
    }
    let request: Vec<u8> = [AF_BRIDGE].into_iter().chain([0; 11]).collect();
    for message in wire.dump(RTM_GETNEIGH, &request).expect("fdb") {
        if u16_at(&message, 8) & NUD_NOARP != 0 {
            let object = section.entry(format!("link {}", device(u32_at(&message, 4), names))).or_default();
            object.push(format!("fdb {}", words(&message[12..], NEIGH, names)));
        }
    }
}

/// Neighbours that were put in by hand, and the parameters of each device.
fn neighbours(wire: &mut Wire, names: &Names, section: &mut Section) {
    const NUD_PERMANENT: u16 = 0x80;
    const NDTA_NAME: u16 = 1;
    const NDTA_PARMS: u16 = 6;
    const NDTPA_IFINDEX: u16 = 1;
    for message in wire.dump(RTM_GETNEIGH, &[0; 12]).expect("neighbours") {
        if u16_at(&message, 8) & NUD_PERMANENT != 0 {
            let object = section.entry(format!("link {}", device(u32_at(&message, 4), names))).or_default();
            object.push(format!("neighbour {}", words(&message[12..], NEIGH, names)));
        }
    }
    for message in wire.dump(RTM_GETNEIGHTBL, &[0; 4]).expect("neighbour tables") {
        let found = by_number(&message[4..]);
        let Some(parameters) = found.get(&NDTA_PARMS) else { continue };
        // Without a device it is the machine's default, which no namespace can change for itself.
        let Some(index) = by_number(parameters).remove(&NDTPA_IFINDEX) else { continue };
        let object = section.entry(format!("link {}", device(u32_at(index, 0), names))).or_default();
        lines(parameters, NEIGH_PARAMETERS, &format!("{} ", text(found[&NDTA_NAME])), names, object);
    }
}

fn route(message: &[u8], names: &Names) -> Option<String> {
    const CLONED: u32 = 0x200;
    let (family, length, from, tos) = (message[0], message[1], message[2], message[3]);
    let (protocol, scope, kind, flags) = (message[5], message[6], message[7], u32_at(message, 8));
    // What the kernel has learned of the way to one host.
    if flags & CLONED != 0 {
        return None;
    }
    let found = by_number(&message[12..]);
    let none: &[u8] = match family {
        AF_INET => &[0; 4],
        AF_INET6 => &[0; 16],
        _ => &[],
    };
    let to = shape::address(found.get(&1).copied().unwrap_or(none));
    let mut line = format!(
        "{to}/{length}: {}, type {kind}, protocol {protocol}, scope {scope}, tos {tos}, flags {flags:#x}, from /{from}",
        words(&message[12..], ROUTE, names)
    );
    let mut hops = found.get(&9).copied().unwrap_or_default();
    while hops.len() >= 8 {
        let length = usize::from(u16_at(hops, 0));
        let (flags, weight, dev) = (hops[2], u16::from(hops[3]) + 1, device(u32_at(hops, 4), names));
        let rest = words(&hops[8..length], ROUTE, names);
        line.push_str(&format!(", nexthop [{rest}, dev {dev}, weight {weight}, flags {flags:#x}]"));
        hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(line)
}

/// The calling thread's namespace's number for the one behind a file descriptor.
pub fn netnsid(of: std::os::fd::RawFd) -> Option<i32> {
    const NETNSA_NSID: u16 = 1;
    const NETNSA_FD: u16 = 3;
    let mut request = vec![0; 4];
    request.extend(attribute(NETNSA_FD, &of.to_ne_bytes()));
    let answer = Wire::open(NETLINK_ROUTE).query(RTM_GETNSID, &request).ok()??;
    by_number(&answer[4..]).get(&NETNSA_NSID).map(|id| u32_at(id, 0) as i32)
}
