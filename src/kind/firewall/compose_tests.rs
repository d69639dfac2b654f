use super::*;
use crate::{
    kind::firewall::{
        input::{Forward, NatRule, Protocol, SnatTo, forward_rest, nat_rest},
        owner::owner_of,
    },
    model::iptables::write_restore,
};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn segment(name: &str, subnets: &[&str]) -> Interface {
    Interface {
        name: name.parse().unwrap(),
        subnets: subnets.iter().map(|subnet| net(subnet)).collect(),
        beyond: Vec::new(),
        switches: Vec::new(),
        role: Role::Segment {
            gateway: Some(Address::new(KindName::Gateway, name)),
            members: None,
            route_localnet: false,
        },
    }
}

fn localnet(mut interface: Interface) -> Interface {
    if let Role::Segment { route_localnet, .. } = &mut interface.role {
        *route_localnet = true;
    }
    interface
}

fn outer(name: &str, subnets: &[&str]) -> Interface {
    Interface { role: Role::Outer, ..segment(name, subnets) }
}

fn bystander(name: &str, families: &[Family]) -> Interface {
    Interface { role: Role::Bystander, switches: families.to_vec(), ..segment(name, &[]) }
}

fn nat(kind: NatKind, out: Option<&str>) -> NatRule {
    let address = Address::new(KindName::Nat, nat_rest("host", kind.as_str(), kind.matched()));
    NatRule { address, kind, out: out.map(|out| out.parse().unwrap()) }
}

fn masquerade(range: &str, out: Option<&str>) -> NatRule {
    nat(NatKind::Masquerade(net(range)), out)
}

fn snat(range: &str, first: &str, last: &str, ports: Option<(u16, u16)>, out: Option<&str>) -> NatRule {
    let to = SnatTo { first: first.parse().unwrap(), last: last.parse().unwrap(), ports };
    nat(NatKind::Snat(net(range), to), out)
}

fn dnat(from: &str, to: &str) -> NatRule {
    nat(NatKind::Dnat(net(from), net(to)), None)
}

fn forward(listen: Option<&str>, protocol: Protocol, ports: (u16, u16), to: &str, to_ports: (u16, u16)) -> Forward {
    let listen = listen.map(|address| address.parse().unwrap());
    Forward {
        address: Address::new(KindName::PortForward, forward_rest("host", protocol, ports, listen)),
        listen,
        protocol,
        ports,
        to: to.parse().unwrap(),
        to_ports,
    }
}

fn input(interfaces: Vec<Interface>, nat: Vec<NatRule>, forwards: Vec<Forward>) -> Input {
    Input { topology: "web-lab".parse().unwrap(), namespace: "host".into(), interfaces, nat, forwards }
}

/// The composed text of one family; and a proof that what is composed decodes to what it was composed for.
fn text(input: &Input, family: Family) -> String {
    let composed = compose(input);
    for table in &composed.tables {
        for chain in &table.chains {
            let Some((kind, _)) = ChainKind::split(&chain.name) else { continue };
            for (index, rule) in chain.rules.iter().enumerate() {
                let owner = composed.owner(table.family, kind, index);
                // With the file, and with it lost.
                for known in [&composed, &Composed::nothing(input.topology.clone(), "host")] {
                    let decoded = owner_of(table.family, kind, rule).map(|owner| owner.address(known));
                    assert_eq!(decoded.as_ref(), Some(&owner), "{rule}");
                }
            }
        }
    }
    write_restore(composed.tables.iter().filter(|table| table.family == family))
}

fn chain<'a>(text: &'a str, chain: &str) -> Vec<&'a str> {
    let start = format!("-A {chain} ");
    text.lines().filter_map(|line| line.strip_prefix(start.as_str())).collect()
}

#[test]
fn the_rules_are_those_that_were_proven_with_packets() {
    let lab = input(
        vec![
            localnet(segment("br0", &["192.168.0.1/24"])),
            segment("br1", &["192.168.1.1/24"]),
            bystander("br2", &[Family::V4]),
        ],
        vec![masquerade("192.168.0.0/24", None)],
        vec![
            forward(None, Protocol::Tcp, (8088, 8088), "192.168.0.2", (80, 80)),
            forward(None, Protocol::Tcp, (9000, 9010), "192.168.0.3", (9000, 9010)),
            forward(None, Protocol::Tcp, (9100, 9110), "192.168.0.3", (19000, 19010)),
        ],
    );
    assert_eq!(
        text(&lab, Family::V4),
        "\
*raw
:NW-RAW-web-lab - [0:0]
-A PREROUTING -m comment --comment \"netwright:web-lab\" -j NW-RAW-web-lab
-A NW-RAW-web-lab -i br0 -d 127.0.0.0/8 -j DROP
-A NW-RAW-web-lab -i br2 -m addrtype ! --dst-type LOCAL --limit-iface-in -j CT --notrack
COMMIT
*filter
:NW-FWD-web-lab - [0:0]
-A FORWARD -m comment --comment \"netwright:web-lab\" -j NW-FWD-web-lab
-A NW-FWD-web-lab -i br0 -j ACCEPT
-A NW-FWD-web-lab -o br0 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
-A NW-FWD-web-lab -i br1 -j ACCEPT
-A NW-FWD-web-lab -o br1 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
-A NW-FWD-web-lab -i br2 -o br2 -j ACCEPT
COMMIT
*nat
:NW-DNAT-web-lab - [0:0]
:NW-POST-web-lab - [0:0]
-A PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -m comment --comment \"netwright:web-lab\" -j NW-DNAT-web-lab
-A OUTPUT -m addrtype --dst-type LOCAL -m comment --comment \"netwright:web-lab\" -j NW-DNAT-web-lab
-A POSTROUTING -m comment --comment \"netwright:web-lab\" -j NW-POST-web-lab
-A NW-DNAT-web-lab -p tcp --dport 8088 -j DNAT --to-destination 192.168.0.2:80
-A NW-DNAT-web-lab -p tcp --dport 9000:9010 -j DNAT --to-destination 192.168.0.3
-A NW-DNAT-web-lab -p tcp --dport 9100:9110 -j DNAT --to-destination 192.168.0.3:19000-19010/9100
-A NW-POST-web-lab -s 192.168.0.0/24 -d 192.168.0.0/24 -o br0 -m conntrack --ctstate DNAT -j MASQUERADE
-A NW-POST-web-lab -o br0 -m addrtype --src-type LOCAL -m conntrack --ctstate DNAT -j MASQUERADE
-A NW-POST-web-lab -s 192.168.0.0/24 -d 192.168.1.0/24 -j RETURN
-A NW-POST-web-lab -s 192.168.0.0/24 ! -o br0 -j MASQUERADE
COMMIT
"
    );
    assert_eq!(text(&lab, Family::V6), "", "nothing of this lab speaks IPv6");
}

#[test]
fn ipv6_is_the_same_but_for_loopback_and_brackets() {
    let lab = input(
        vec![localnet(segment("br0", &["fd00:10::1/64"])), bystander("br2", &[Family::V6])],
        vec![masquerade("fd00:10::/64", None)],
        vec![
            forward(None, Protocol::Tcp, (8088, 8088), "fd00:10::2", (80, 80)),
            forward(Some("fd00::5"), Protocol::Udp, (53, 53), "fd00:10::2", (53, 53)),
            forward(None, Protocol::Tcp, (9000, 9010), "fd00:10::3", (9000, 9010)),
            forward(None, Protocol::Tcp, (9100, 9110), "fd00:10::3", (19000, 19010)),
        ],
    );
    assert_eq!(
        text(&lab, Family::V6),
        "\
*raw
:NW-RAW-web-lab - [0:0]
-A PREROUTING -m comment --comment \"netwright:web-lab\" -j NW-RAW-web-lab
-A NW-RAW-web-lab -i br2 -m addrtype ! --dst-type LOCAL --limit-iface-in -j CT --notrack
COMMIT
*filter
:NW-FWD-web-lab - [0:0]
-A FORWARD -m comment --comment \"netwright:web-lab\" -j NW-FWD-web-lab
-A NW-FWD-web-lab -i br0 -j ACCEPT
-A NW-FWD-web-lab -o br0 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
-A NW-FWD-web-lab -i br2 -o br2 -j ACCEPT
COMMIT
*nat
:NW-DNAT-web-lab - [0:0]
:NW-POST-web-lab - [0:0]
-A PREROUTING ! -s fe80::/10 ! -d ::1/128 -m addrtype --dst-type LOCAL -m comment --comment \"netwright:web-lab\" -j NW-DNAT-web-lab
-A OUTPUT ! -d ::1/128 -m addrtype --dst-type LOCAL -m comment --comment \"netwright:web-lab\" -j NW-DNAT-web-lab
-A POSTROUTING -m comment --comment \"netwright:web-lab\" -j NW-POST-web-lab
-A NW-DNAT-web-lab -d fd00::5 -p udp --dport 53 -j DNAT --to-destination [fd00:10::2]:53
-A NW-DNAT-web-lab -p tcp --dport 8088 -j DNAT --to-destination [fd00:10::2]:80
-A NW-DNAT-web-lab -p tcp --dport 9000:9010 -j DNAT --to-destination [fd00:10::3]
-A NW-DNAT-web-lab -p tcp --dport 9100:9110 -j DNAT --to-destination [fd00:10::3]:19000-19010/9100
-A NW-POST-web-lab -s fd00:10::/64 -d fd00:10::/64 -o br0 -m conntrack --ctstate DNAT -j MASQUERADE
-A NW-POST-web-lab -o br0 -m addrtype --src-type LOCAL -m conntrack --ctstate DNAT -j MASQUERADE
-A NW-POST-web-lab -s fd00:10::/64 ! -o br0 -j MASQUERADE
COMMIT
"
    );
}

#[test]
fn a_gateway_alone_gets_what_lets_it_pass_and_no_more() {
    let plain = text(&input(vec![segment("br0", &["192.168.0.1/24"])], vec![], vec![]), Family::V4);
    assert!(plain.starts_with("*filter\n") && !plain.contains("*nat") && !plain.contains("*raw"), "{plain}");
    let localnet = text(&input(vec![localnet(segment("br0", &["192.168.0.1/24"]))], vec![], vec![]), Family::V4);
    assert_eq!(chain(&localnet, "NW-RAW-web-lab"), ["-i br0 -d 127.0.0.0/8 -j DROP"]);
    assert!(!localnet.contains("*nat"));
}

#[test]
fn a_lab_that_needs_nothing_gets_nothing() {
    assert!(compose(&input(vec![outer("eth0", &["10.0.0.2/24"])], vec![], vec![])).tables.is_empty());
}

#[test]
fn a_bridge_that_is_only_switched_for_is_let_pass_and_stays_tracked() {
    let alone = text(&input(vec![bystander("br2", &[Family::V4])], vec![], vec![]), Family::V4);
    assert_eq!(chain(&alone, "NW-FWD-web-lab"), ["-i br2 -o br2 -j ACCEPT"]);
    assert!(!alone.contains("*raw"));
}

#[test]
fn masquerade_spares_the_interfaces_whose_subnet_lies_in_the_range() {
    let post = |interfaces: Vec<Interface>, rule: NatRule| -> Vec<String> {
        let text = text(&input(interfaces, vec![rule], vec![]), Family::V4);
        chain(&text, "NW-POST-web-lab").into_iter().map(str::to_owned).collect()
    };
    let br0 = || segment("br0", &["192.168.0.1/24"]);
    let br1 = || segment("br1", &["192.168.1.1/24"]);
    assert_eq!(post(vec![br0()], masquerade("192.168.0.0/24", None)), ["-s 192.168.0.0/24 ! -o br0 -j MASQUERADE"]);
    assert_eq!(post(vec![br0()], masquerade("192.168.0.9/24", None)), ["-s 192.168.0.0/24 ! -o br0 -j MASQUERADE"]);
    assert_eq!(
        post(vec![br0(), br1()], masquerade("192.168.0.0/16", None)),
        ["-s 192.168.0.0/16 -o br0 -j RETURN", "-s 192.168.0.0/16 -o br1 -j RETURN", "-s 192.168.0.0/16 -j MASQUERADE"]
    );
    assert_eq!(
        post(vec![br0()], masquerade("192.168.0.128/25", None)),
        ["-s 192.168.0.128/25 -j MASQUERADE"],
        "the subnet is wider than the range"
    );
    assert_eq!(
        post(vec![br0(), br1()], masquerade("192.168.0.128/25", None)),
        ["-s 192.168.0.128/25 -d 192.168.1.0/24 -j RETURN", "-s 192.168.0.128/25 -j MASQUERADE"]
    );
    assert_eq!(
        post(vec![br0(), br1()], masquerade("192.168.0.0/24", Some("eth0"))),
        ["-s 192.168.0.0/24 -o eth0 -j MASQUERADE"]
    );
    assert_eq!(
        post(vec![br0(), outer("wan", &["192.168.0.200/30"])], masquerade("192.168.0.0/24", None)),
        ["-s 192.168.0.0/24 -o br0 -j RETURN", "-s 192.168.0.0/24 -o wan -j RETURN", "-s 192.168.0.0/24 -j MASQUERADE"]
    );
}

#[test]
fn nat_keeps_its_order_and_snat_takes_ranges_and_ports() {
    let lab = input(
        vec![segment("br0", &["192.168.0.1/24", "fd00:10::1/64"])],
        vec![
            snat("192.168.0.0/28", "203.0.113.5", "203.0.113.5", None, Some("eth0")),
            masquerade("192.168.0.0/24", Some("eth1")),
            snat("192.168.0.0/24", "203.0.113.5", "203.0.113.9", Some((1024, 2048)), Some("eth0")),
            snat("fd00:10::/64", "fd00:9::5", "fd00:9::9", Some((1024, 2048)), None),
        ],
        vec![],
    );
    assert_eq!(
        chain(&text(&lab, Family::V4), "NW-POST-web-lab"),
        [
            "-s 192.168.0.0/28 -o eth0 -j SNAT --to-source 203.0.113.5",
            "-s 192.168.0.0/24 -o eth1 -j MASQUERADE",
            "-s 192.168.0.0/24 -o eth0 -p tcp -j SNAT --to-source 203.0.113.5-203.0.113.9:1024-2048",
            "-s 192.168.0.0/24 -o eth0 -p udp -j SNAT --to-source 203.0.113.5-203.0.113.9:1024-2048",
            "-s 192.168.0.0/24 -o eth0 -j SNAT --to-source 203.0.113.5-203.0.113.9",
        ]
    );
    assert_eq!(
        chain(&text(&lab, Family::V6), "NW-POST-web-lab"),
        [
            "-s fd00:10::/64 ! -o br0 -p tcp -j SNAT --to-source [fd00:9::5-fd00:9::9]:1024-2048",
            "-s fd00:10::/64 ! -o br0 -p udp -j SNAT --to-source [fd00:9::5-fd00:9::9]:1024-2048",
            "-s fd00:10::/64 ! -o br0 -j SNAT --to-source fd00:9::5-fd00:9::9",
        ]
    );
}

#[test]
fn dnat_serves_its_address_even_where_it_is_only_routed_here() {
    let lab = input(
        vec![segment("br0", &["192.168.0.1/24"])],
        vec![dnat("203.0.113.7/32", "192.168.0.3/32"), dnat("198.51.100.0/28", "192.168.0.16/28")],
        vec![
            forward(None, Protocol::Tcp, (80, 80), "192.168.0.2", (80, 80)),
            forward(Some("203.0.113.7"), Protocol::Tcp, (80, 80), "192.168.0.2", (81, 81)),
        ],
    );
    let text = text(&lab, Family::V4);
    assert_eq!(
        chain(&text, "NW-DNAT-web-lab"),
        [
            "-d 203.0.113.7 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:81",
            "-d 203.0.113.7 -j DNAT --to-destination 192.168.0.3",
            "-d 198.51.100.0/28 -j NETMAP --to 192.168.0.16/28",
            "-p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80",
        ]
    );
    let jump = "-m comment --comment \"netwright:web-lab\" -j NW-DNAT-web-lab";
    assert_eq!(
        chain(&text, "PREROUTING"),
        [
            format!("! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL {jump}"),
            format!("-d 203.0.113.7 {jump}"),
            format!("-d 198.51.100.0/28 {jump}")
        ]
    );
}

#[test]
fn on_an_external_bridge_only_the_labs_members_pass() {
    let mut docker = localnet(segment("docker0", &["172.17.0.1/16"]));
    if let Role::Segment { gateway, members, .. } = &mut docker.role {
        *gateway = None;
        *members = Some(vec!["172.17.0.5".parse().unwrap(), "fd00::5".parse().unwrap()]);
    }
    let lab = input(vec![docker], vec![], vec![forward(None, Protocol::Tcp, (80, 80), "172.17.0.5", (80, 80))]);
    let text = text(&lab, Family::V4);
    let whose = "-m comment --comment \"netwright:web-lab/firewall.host\"";
    assert_eq!(
        chain(&text, "NW-FWD-web-lab"),
        [
            format!("-s 172.17.0.5 -i docker0 {whose} -j ACCEPT"),
            format!("-d 172.17.0.5 -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT {whose} -j ACCEPT")
        ]
    );
    assert_eq!(
        chain(&text, "NW-POST-web-lab"),
        [
            "-s 172.17.0.0/16 -d 172.17.0.5 -o docker0 -m conntrack --ctstate DNAT -j MASQUERADE",
            "-d 172.17.0.5 -o docker0 -m addrtype --src-type LOCAL -m conntrack --ctstate DNAT -j MASQUERADE"
        ]
    );
}

#[test]
fn what_lies_behind_no_segment_is_let_pass_by_its_addresses() {
    let lab = input(
        vec![outer("wan", &["10.0.0.1/31"])],
        vec![masquerade("192.168.7.0/24", Some("eth0"))],
        vec![forward(None, Protocol::Tcp, (80, 80), "192.168.7.2", (80, 80))],
    );
    let text = text(&lab, Family::V4);
    assert_eq!(
        chain(&text, "NW-FWD-web-lab"),
        [
            "-s 192.168.7.0/24 -o eth0 -j ACCEPT",
            "-d 192.168.7.0/24 -i eth0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-d 192.168.7.2 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT",
            "-s 192.168.7.2 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ]
    );
    assert_eq!(
        chain(&text, "NW-POST-web-lab"),
        [
            "-d 192.168.7.2 -m addrtype --src-type LOCAL -m conntrack --ctstate DNAT -j MASQUERADE",
            "-s 192.168.7.0/24 -o eth0 -j MASQUERADE",
        ]
    );
}

#[test]
fn the_wanted_rules_of_a_resource_are_told() {
    let lab = input(
        vec![segment("br0", &["192.168.0.1/24", "fd00:10::1/64"])],
        vec![snat("192.168.0.0/24", "203.0.113.5", "203.0.113.5", Some((1024, 2048)), None)],
        vec![forward(None, Protocol::Tcp, (80, 80), "192.168.0.2", (80, 80))],
    );
    let composed = compose(&lab);
    let count = |address: &str| composed.rules_of(&address.parse().unwrap()).len();
    assert_eq!(count("gateway.br0"), 4, "two a family");
    assert_eq!(count("nat.host:snat:192.168.0.0/24"), 3);
    assert_eq!(count("port_forward.host:tcp:80"), 1);
    assert_eq!(count("firewall.host"), 7, "five jumps, and what hairpin and the host itself need");
    let all: usize = composed.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum();
    assert_eq!(all, 4 + 3 + 1 + 7);
}

#[test]
fn a_later_rule_is_met_though_an_earlier_one_leaves_the_labs_own_traffic_alone() {
    let to: IpAddr = "192.168.1.1".parse().unwrap();
    let snat = nat(NatKind::Snat(net("192.168.0.0/25"), SnatTo { first: to, last: to, ports: None }), Some("br1"));
    let lab = input(
        vec![segment("br0", &["192.168.0.1/24"]), segment("br1", &["192.168.1.1/24"])],
        vec![nat(NatKind::Masquerade(net("192.168.0.0/24")), None), snat],
        vec![],
    );
    assert_eq!(
        chain(&text(&lab, Family::V4), "NW-POST-web-lab"),
        [
            "-s 192.168.0.0/25 -d 192.168.1.0/24 -o br1 -j SNAT --to-source 192.168.1.1",
            "-s 192.168.0.0/24 -d 192.168.1.0/24 -j RETURN",
            "-s 192.168.0.0/24 ! -o br0 -j MASQUERADE",
            "-s 192.168.0.0/25 -o br1 -j SNAT --to-source 192.168.1.1",
        ]
    );
}
