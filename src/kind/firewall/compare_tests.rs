use super::*;
use crate::{
    kind::firewall::{
        compose::compose,
        flows::flows_of_drifts,
        foreign::foreign_jumps,
        input::{Forward, Input, Interface, NatKind, NatRule, Protocol, Role, forward_rest, nat_rest},
        script::scripts,
    },
    model::{address::KindName, iptables::parse_save},
};

fn forward(port: u16, to_port: u16) -> Forward {
    let rest = forward_rest("host", Protocol::Tcp, (port, port), None);
    Forward {
        address: Address::new(KindName::PortForward, rest),
        listen: None,
        protocol: Protocol::Tcp,
        ports: (port, port),
        to: "192.168.0.2".parse().unwrap(),
        to_ports: (to_port, to_port),
    }
}

fn lab(forwards: Vec<Forward>) -> Composed {
    let range = "192.168.0.0/24".parse().unwrap();
    compose(&Input {
        topology: "t".parse().unwrap(),
        namespace: "host".into(),
        interfaces: vec![Interface {
            name: "br0".parse().unwrap(),
            subnets: vec!["192.168.0.1/24".parse().unwrap()],
            beyond: Vec::new(),
            switches: Vec::new(),
            role: Role::Segment {
                gateway: Some(Address::new(KindName::Gateway, "br0")),
                members: None,
                route_localnet: false,
            },
        }],
        nat: vec![NatRule {
            address: Address::new(KindName::Nat, nat_rest("host", "masquerade", range)),
            kind: NatKind::Masquerade(range),
            out: None,
        }],
        forwards,
    })
}

/// Composed tables as if they had been loaded into one packet filter; what the tools print differs in its text, but not
/// to these functions.
fn loaded(composed: &Composed, variant: Variant) -> Vec<(Variant, Table)> {
    composed.tables.iter().cloned().map(|table| (variant, table)).collect()
}

fn save(variant: Variant, text: &str) -> Vec<(Variant, Table)> {
    parse_save(Family::V4, text).unwrap().into_iter().map(|table| (variant, table)).collect()
}

fn against(composed: &Composed, live: &[(Variant, Table)]) -> Comparison {
    compare(composed, &composed.tables, live, Some(Variant::Nft))
}

fn presence(comparison: &Comparison) -> Vec<(String, Presence)> {
    comparison.resources.iter().map(|(address, drift)| (address.to_string(), drift.presence())).collect()
}

fn drifts(comparison: &Comparison) -> Vec<(DriftKind, String, String)> {
    comparison.drifts.iter().map(|d| (d.kind, d.address.to_string(), format!("{} {}", d.chain, d.rule))).collect()
}

fn chain_mut<'a>(live: &'a mut [(Variant, Table)], name: &str) -> &'a mut Chain {
    live.iter_mut().flat_map(|(_, table)| &mut table.chains).find(|chain| chain.name == name).unwrap()
}

#[test]
fn what_was_loaded_is_the_same_whatever_stands_beside_it() {
    let composed = lab(vec![forward(8088, 80)]);
    let mut live = loaded(&composed, Variant::Nft);
    chain_mut(&mut live, "FORWARD").rules.insert(0, "-j DOCKER-USER".into());
    chain_mut(&mut live, "PREROUTING").rules.push("-m addrtype --dst-type LOCAL -j DOCKER".into());
    live[0].1.chains.push(Chain {
        name: "DOCKER-USER".into(),
        policy: None,
        rules: vec!["-i docker0 -o docker0 -j DROP".into()],
    });
    let comparison = against(&composed, &live);
    assert!(comparison.is_same(), "{:?}", comparison.drifts);
    assert_eq!(comparison.findings, []);
    assert!(comparison.resources.values().all(|drift| drift.presence() == Presence::Same));
    assert_eq!(scripts(&composed.topology, &composed.tables, &live, Some(Variant::Nft)), []);
}

#[test]
fn nothing_live_is_all_absent() {
    let comparison = against(&lab(vec![forward(8088, 80)]), &[]);
    assert_eq!(
        presence(&comparison),
        [
            ("gateway.br0".into(), Presence::Absent),
            ("nat.host:masquerade:192.168.0.0/24".into(), Presence::Absent),
            ("port_forward.host:tcp:8088".into(), Presence::Absent),
            ("firewall.host".into(), Presence::Absent),
        ]
    );
}

#[test]
fn with_the_file_lost_the_live_rules_name_what_is_removed() {
    let live = loaded(&lab(vec![forward(8088, 80)]), Variant::Nft);
    let gone = Composed::nothing("t".parse().unwrap(), "host");
    let comparison = against(&gone, &live);
    assert_eq!(
        presence(&comparison),
        [
            ("gateway.br0".into(), Presence::Unwanted),
            ("nat.host:masquerade:192.168.0.0/24".into(), Presence::Unwanted),
            ("port_forward.host:tcp:8088".into(), Presence::Unwanted),
            ("firewall.host".into(), Presence::Unwanted),
        ]
    );
}

#[test]
fn a_forward_that_comes_goes_or_changes_is_the_only_one_that_differs() {
    let one = lab(vec![forward(8088, 80), forward(9000, 90)]);
    let live = loaded(&one, Variant::Nft);
    let differing = |composed: &Composed| -> Vec<(String, Presence)> {
        presence(&against(composed, &live)).into_iter().filter(|(_, p)| *p != Presence::Same).collect()
    };
    let all = |extra: Option<Forward>, first: u16| {
        lab([Some(forward(8088, first)), Some(forward(9000, 90)), extra].into_iter().flatten().collect())
    };
    assert_eq!(differing(&all(Some(forward(9001, 91)), 80)), [("port_forward.host:tcp:9001".into(), Presence::Absent)]);
    assert_eq!(differing(&lab(vec![forward(9000, 90)])), [("port_forward.host:tcp:8088".into(), Presence::Unwanted)]);
    assert_eq!(differing(&all(None, 81)), [("port_forward.host:tcp:8088".into(), Presence::Differs)]);
}

#[test]
fn a_rule_added_deleted_or_moved_by_hand_is_seen() {
    let composed = lab(vec![forward(8088, 80), forward(9000, 90), forward(9001, 91)]);
    let mut live = loaded(&composed, Variant::Nft);
    chain_mut(&mut live, "NW-FWD-t").rules.push("-s 10.0.0.0/8 -j DROP".into());
    chain_mut(&mut live, "NW-POST-t").rules.pop();
    chain_mut(&mut live, "NW-DNAT-t").rules.swap(0, 2);
    let comparison = against(&composed, &live);
    let mut seen = drifts(&comparison);
    seen.sort();
    let moved = seen.iter().filter(|(kind, ..)| *kind == DriftKind::RuleMoved).count();
    assert!((1..=2).contains(&moved), "{seen:?}");
    seen.retain(|(kind, ..)| *kind != DriftKind::RuleMoved);
    assert_eq!(
        seen,
        [
            (
                DriftKind::RuleMissing,
                "nat.host:masquerade:192.168.0.0/24".into(),
                "NW-POST-t -s 192.168.0.0/24 ! -o br0 -j MASQUERADE".into()
            ),
            (DriftKind::RuleExtra, "firewall.host".into(), "NW-FWD-t -s 10.0.0.0/8 -j DROP".into()),
        ]
    );
}

#[test]
fn a_jump_may_stand_anywhere_but_must_stand_once() {
    let composed = lab(vec![]);
    let mut live = loaded(&composed, Variant::Nft);
    let jump = chain_mut(&mut live, "FORWARD").rules[0].clone();
    chain_mut(&mut live, "FORWARD").rules = vec!["-j DOCKER-USER".into(), jump.clone(), jump.clone()];
    let twice = against(&composed, &live);
    assert_eq!(drifts(&twice), [(DriftKind::JumpExtra, "firewall.host".into(), format!("FORWARD {jump}"))]);
    chain_mut(&mut live, "FORWARD").rules = vec!["-j NW-FWD-t".into()];
    let foreign = against(&composed, &live);
    assert_eq!(drifts(&foreign), [(DriftKind::JumpMissing, "firewall.host".into(), format!("FORWARD {jump}"))]);
    let clinging = foreign_jumps(&composed.topology, &live);
    assert!(clinging[0].message.contains("`-j NW-FWD-t` in FORWARD of table filter"), "{clinging:?}");
}

#[test]
fn the_filter_part_is_wanted_in_each_packet_filter_and_nat_in_one() {
    let composed = lab(vec![]);
    let mut live = loaded(&composed, Variant::Nft);
    live.extend(save(
        Variant::Legacy,
        "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n",
    ));
    let comparison = against(&composed, &live);
    assert!(comparison.drifts.iter().all(|d| d.variant == Variant::Legacy && d.table == TableName::Filter));
    assert_eq!(comparison.resources[&"gateway.br0".parse().unwrap()].presence(), Presence::Differs);
    // Nat that is in the other packet filter stays there, though the default has changed.
    let legacy = loaded(&composed, Variant::Legacy);
    let comparison = against(&composed, &legacy);
    assert!(comparison.is_same(), "{:?}", comparison.drifts);
}

#[test]
fn tables_that_are_no_longer_wanted_are_extra() {
    let live = loaded(&lab(vec![]), Variant::Nft);
    let mut only_filter = lab(vec![]);
    only_filter.tables.retain(|table| table.name == TableName::Filter);
    let comparison = against(&only_filter, &live);
    let kinds: Vec<DriftKind> = comparison.drifts.iter().map(|d| d.kind).collect();
    assert_eq!(kinds, [DriftKind::JumpExtra, DriftKind::ChainExtra, DriftKind::RuleExtra]);
}

#[test]
fn a_foreign_drop_before_our_jump_is_named_where_it_would_catch_the_lab() {
    let composed = lab(vec![forward(8088, 80)]);
    let found = |rules: &[&str]| -> usize {
        let mut live = loaded(&composed, Variant::Legacy);
        let forward = chain_mut(&mut live, "FORWARD");
        forward.rules.splice(0..0, rules.iter().map(|rule| (*rule).to_owned()));
        against(&composed, &live).findings.len()
    };
    for caught in [
        "-j REJECT --reject-with icmp-host-prohibited",
        "-i br0 -j DROP",
        "-i br+ -o eth0 -j DROP",
        "! -i docker0 -j DROP",
        "-d 192.168.0.0/16 -j DROP",
        "-s 192.168.0.2/32 -p tcp -m tcp --dport 25 -j REJECT",
        "-i eth0 -m conntrack --ctstate NEW -j DROP",
        "-m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP",
    ] {
        assert_eq!(found(&[caught]), 1, "{caught}");
    }
    for harmless in [
        "-j DOCKER-USER",
        "-j DOCKER-ISOLATION-STAGE-1",
        "-o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-i docker0 -o docker0 -j DROP",
        "-i eth0 -o eth1 -j DROP",
        "-s 10.0.0.0/8 -i br0 -o eth9 -j DROP",
        "-m conntrack --ctstate INVALID -j DROP",
        "-m set --match-set banned src -j DROP",
        "-m mark --mark 0x1 -j DROP",
        "-j LOG",
    ] {
        assert_eq!(found(&[harmless]), 0, "{harmless}");
    }
    let mut live = loaded(&composed, Variant::Legacy);
    chain_mut(&mut live, "FORWARD").rules.push("-j DROP".into());
    assert_eq!(against(&composed, &live).findings, [], "behind our jump it drops what is left");
    let policy = save(Variant::Legacy, "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j DROP\nCOMMIT\n");
    assert_eq!(against(&composed, &policy).findings, [], "our jump will be put before it");
}

#[test]
fn a_drop_in_a_chain_that_all_traffic_goes_through_is_named_with_the_chain() {
    let composed = lab(vec![forward(8088, 80)]);
    let found = |jump: &str, user: &[&str]| -> Vec<String> {
        let mut live = loaded(&composed, Variant::Legacy);
        chain_mut(&mut live, "FORWARD").rules.insert(0, jump.into());
        let filter = live.iter_mut().map(|(_, table)| table).find(|it| it.name == TableName::Filter).unwrap();
        let chain = |name: &str, rules: &[&str]| Chain {
            name: name.into(),
            rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            ..filter.chains[0].clone()
        };
        let chains = [chain("DOCKER-USER", user), chain("BLOCK", &["-i br0 -j DROP"])];
        filter.chains.extend(chains);
        against(&composed, &live).findings.into_iter().map(|it| it.message).collect()
    };
    let said = found("-j DOCKER-USER", &["-s 192.168.0.0/24 -j DROP", "-j RETURN"]);
    assert!(said[0].starts_with("`-s 192.168.0.0/24 -j DROP` in DOCKER-USER of host"), "{said:?}");
    assert!(found("-j DOCKER-USER", &["-j BLOCK"])[0].contains("in BLOCK of host"));
    assert_eq!(found("-j DOCKER-USER", &["-j RETURN", "-j DROP"]), [""; 0]);
    assert!(found("-i br0 -j DOCKER-USER", &["-j DROP"])[0].contains("`-j DROP` in DOCKER-USER"), "for some traffic");
    assert_eq!(found("-i eth9 -o eth8 -j DOCKER-USER", &["-j DROP"]), [""; 0], "none of it is ours");
    // Docker keeps its bridges apart by two chains.
    let isolation = ["-i docker0 ! -o docker0 -j BLOCK", "-j RETURN"];
    assert_eq!(found("-j DOCKER-USER", &isolation), [""; 0], "what comes from docker0 does not come from br0");
}

#[test]
fn a_foreign_verdict_is_worded_with_its_rule_and_what_to_do() {
    let composed = lab(vec![]);
    let mut live = loaded(&composed, Variant::Nft);
    chain_mut(&mut live, "FORWARD").rules.insert(0, "-i br0 -j DROP".into());
    let findings = against(&composed, &live).findings;
    assert_eq!(
        findings[0].message,
        "`-i br0 -j DROP` in FORWARD of host (iptables-nft) stands before the jump of t and stops traffic that the \
         topology lets pass"
    );
    assert!(findings[0].help.as_ref().unwrap().contains("iptables-nft -D FORWARD -i br0 -j DROP"));
}

#[test]
fn the_flows_of_changed_rules_and_no_others_are_flushed() {
    let one = lab(vec![forward(8088, 80), forward(9000, 90)]);
    let live = loaded(&one, Variant::Nft);
    let changed = against(&lab(vec![forward(8088, 81), forward(9000, 90)]), &live);
    let flows = flows_of_drifts(&changed.drifts, &one.tables, &|_| Vec::new());
    // Those that the old rule sent on, and those that none did.
    assert_eq!(flows.len(), 2);
    for flow in flows {
        assert_eq!((flow.protocol, flow.ports, flow.destination), (Some(6), Some((8088, 8088)), None));
    }
}

#[test]
fn with_its_jump_gone_a_whole_chain_is_to_be_met_again() {
    let one = lab(vec![forward(8088, 80), forward(9000, 90)]);
    let mut live = loaded(&one, Variant::Nft);
    chain_mut(&mut live, "PREROUTING").rules.clear();
    let flows = flows_of_drifts(&against(&one, &live).drifts, &one.tables, &|_| Vec::new());
    assert_eq!(flows.iter().map(|flow| flow.ports).collect::<Vec<_>>(), [Some((8088, 8088)), Some((9000, 9000))]);
}

#[test]
fn a_port_that_somebody_else_publishes_is_an_error_until_it_is_ours() {
    use crate::model::Severity;
    let composed = lab(vec![forward(8088, 80)]);
    let with = |chain: &str, rule: &str, ours: bool| {
        let mut live = if ours { loaded(&composed, Variant::Nft) } else { Vec::new() };
        live.extend(save(Variant::Legacy, &format!("*nat\n:{chain} - [0:0]\n-A {chain} {rule}\nCOMMIT\n")));
        let findings = against(&composed, &live).findings;
        findings.into_iter().map(|finding| (finding.severity, finding.message)).collect::<Vec<_>>()
    };
    let docker = "! -i docker0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 172.17.0.2:80";
    let found = with("DOCKER", docker, false);
    assert_eq!(
        found,
        [(
            Severity::Error,
            format!(
                "the port of port_forward.host:tcp:8088 is published by Docker already: `{docker}` in DOCKER of host \
                 (iptables-legacy) leads it elsewhere"
            )
        )]
    );
    assert_eq!(with("DOCKER", docker, true)[0].0, Severity::Warning);
    let other = "-d 10.0.0.1/32 -p tcp -m tcp --dport 8000:8100 -j DNAT --to-destination 1.2.3.4";
    assert!(with("NW-DNAT-other", other, false)[0].1.contains("published by the topology other already"));
    for (rule, severity) in [
        ("-i eth9 -p tcp -m tcp --dport 8088 -j REDIRECT --to-ports 1", Some(Severity::Warning)),
        (
            "-p tcp -m set --match-set x src -m tcp --dport 8088 -j DNAT --to-destination 1.2.3.4",
            Some(Severity::Warning),
        ),
        ("-p udp -m udp --dport 8088 -j DNAT --to-destination 1.2.3.4", None),
        ("-p tcp -m tcp --dport 8089 -j DNAT --to-destination 1.2.3.4", None),
        ("-p tcp -m tcp --dport 8088 -j ACCEPT", None),
    ] {
        assert_eq!(with("MINE", rule, false).first().map(|(severity, _)| *severity), severity, "{rule}");
    }
}

#[test]
fn a_port_is_published_by_lists_of_ports_and_by_way_of_chains_too() {
    let composed = lab(vec![forward(8088, 80)]);
    let with = |rules: &str| {
        let text = format!("*nat\n:CNI-DN-1 - [0:0]\n:KUBE-NODEPORTS - [0:0]\n:KUBE-EXT-1 - [0:0]\n{rules}COMMIT\n");
        let comparison = against(&composed, &save(Variant::Nft, &text));
        assert_eq!(comparison.published.len(), usize::from(!comparison.findings.is_empty()));
        comparison.findings.into_iter().map(|it| it.message).collect::<Vec<_>>()
    };
    let list = "-A CNI-DN-1 -p tcp -m multiport --dports 80,8000:8100 -j DNAT --to-destination 1.2.3.4\n";
    assert!(with(list)[0].contains("published by a CNI plugin"), "{:?}", with(list));
    let jump = "-A KUBE-NODEPORTS -p tcp -m tcp --dport 8088 -j KUBE-EXT-1\n";
    let target = "-A KUBE-EXT-1 -p tcp -m tcp -j DNAT --to-destination 1.2.3.4:80\n";
    let found = with(&format!("{jump}{target}"));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("published by Kubernetes") && found[0].contains("KUBE-NODEPORTS"), "{found:?}");
    assert_eq!(with(jump), [""; 0], "a chain that leads nowhere publishes nothing");
    assert_eq!(with(&list.replace("80,8000:8100", "80,443")), [""; 0]);
}
