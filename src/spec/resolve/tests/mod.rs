//! What a file means, and word for word what is said of one that means nothing.

mod addresses;
mod gaps;
#[macro_use]
mod lint;
mod slips;
mod subnets;
mod wrong;

use super::*;
use crate::{
    kind::check::Responder,
    report::diagnostic::{Style, render},
    spec::{self, Format, Source},
};

/// Reads and resolves a file that can at least be read.
fn read(text: &str) -> (Source, Option<Topology>, Diagnostics) {
    let (source, file, diagnostics) = spec::parse(text.as_bytes(), "lab.yaml", Format::Yaml);
    assert!(!diagnostics.has_errors(), "{}", render(&diagnostics, &[source], Style::default()));
    let (topology, diagnostics) = resolve(&file.unwrap());
    (source, topology, diagnostics)
}

/// What is said of a file, drawn.
fn said(text: &str) -> String {
    let (source, topology, diagnostics) = read(text);
    assert!(topology.is_none(), "taken: {text}");
    render(&diagnostics, &[source], Style::default())
}

/// A file without anything wrong.
fn good(text: &str) -> Topology {
    let (source, topology, diagnostics) = read(text);
    assert_eq!(render(&diagnostics, &[source], Style::default()), "\n");
    topology.unwrap()
}

/// A file that is taken, whatever is warned of.
fn taken(text: &str) -> Topology {
    let (source, topology, diagnostics) = read(text);
    topology.unwrap_or_else(|| panic!("{}", render(&diagnostics, &[source], Style::default())))
}

/// What is said of a file that cannot be read whole: the messages only.
fn said_of_part(text: &str) -> Vec<String> {
    read_any(text).0.into_iter().map(|it| it.message).collect()
}

/// Everything that is said of a file that can or cannot be read.
fn read_any(text: &str) -> Diagnostics {
    let (_, file, mut diagnostics) = spec::parse(text.as_bytes(), "lab.yaml", Format::Yaml);
    diagnostics.0.extend(file.into_iter().flat_map(|file| resolve(&file).1.0));
    diagnostics
}

#[test]
fn undefined_names_are_told_beside_what_cannot_be_read() {
    let rest = "bridges: {br0: {adresses: [10.0.0.1/24]}}
links: [{endpoints: ['web:eth0', br1]}, {endpoints: ['wbe:eth0', br0]}]
checks: [{from: db, to: 10.0.0.1}]
";
    assert_eq!(
        said_of_part(&format!("name: lab\nnamespaces: {{web: {{loopback: 7}}}}\n{rest}")),
        [
            "`namespaces.web.loopback` must be true or false, not a number",
            "a bridge has no key `adresses`",
            "there is no namespace or bridge `br1`",
            "there is no namespace or bridge `wbe`",
            "there is no namespace `db`",
        ]
    );
    for other in ["gateway: []", "vars: {n: 1}", "nets: {}"] {
        let said = said_of_part(&format!("name: lab\n{other}\nnamespaces: {{web: {{}}, 'w b': {{}}}}\n{rest}"));
        assert!(said.iter().any(|message| message == "there is no namespace `db`"), "{said:?}");
    }
    // Where a name may stand in what was dropped, nothing is called undefined.
    for namespaces in ["namespace: {web: {}}", "include: [more.yaml]", "nets: {web: {}}", "namespaces: {web: 7}"] {
        let said = said_of_part(&format!("name: lab\n{namespaces}\n{rest}"));
        assert!(said.iter().all(|message| !message.contains("there is no")), "{said:?}");
    }
}

#[test]
fn one_range_leaves_by_several_interfaces_as_one_resource() {
    let topology = good(
        "name: lab
nat:
  - {masquerade: 10.0.0.0/24, out: eth0}
  - {masquerade: 10.0.0.0/24, out: eth1}
  - {masquerade: 10.0.0.0/24}
",
    );
    let input = &topology.firewalls[&crate::model::Netns::Host];
    let addresses: Vec<String> = input.nat.iter().map(|rule| rule.address.to_string()).collect();
    assert_eq!(addresses, ["nat.host:masquerade:10.0.0.0/24"; 3]);
}

#[test]
fn who_answers_a_check_is_found_behind_a_translated_prefix() {
    let topology = good(
        "name: lab
namespaces: {web: {}, out: {routes: [{to: default, via: 10.1.0.1}]}}
bridges: {br0: {addresses: [10.0.0.1/24, 'fd00::1/64']}}
links:
  - endpoints: ['web:eth0 10.0.0.7/24', br0]
  - endpoints: ['out:eth0 10.1.0.2/24', 'host:up 10.1.0.1/24']
gateways: [{bridge: br0}]
nat: [{dnat: 203.0.113.0/28, to: 10.0.0.0/28}]
checks:
  - {from: out, to: '203.0.113.7:80', by: web}
  - {from: out, to: '198.51.100.7:80', by: web}
  - {from: out, to: '198.51.100.7:80'}
",
    );
    // An address that is not in the file is anybody's, unless the check says whose.
    assert_eq!(responders(&topology), [Some(("web", 80)), Some(("web", 80)), None]);
}

/// Who should answer each check, on which port.
fn responders(topology: &Topology) -> Vec<Option<(&str, u16)>> {
    fn one(responder: &Responder) -> (&str, u16) {
        match responder {
            Responder::Namespace(it) => (&it.label, it.port),
            Responder::Unpublished(it) => (&it.instead, it.port),
        }
    }
    topology.checks.iter().map(|check| check.responder.as_ref().map(one)).collect()
}

/// Two sites behind a router each, with the same addresses, and a network between them.
const SITES: &str = "name: lab
namespaces:
  asite: {}
  bsite: {}
  isp: {}
  aweb: {}
  bweb: {}
  aclient: {}
  bclient: {}
bridges:
  bra: { namespace: asite, addresses: [192.168.0.1/24] }
  brb: { namespace: bsite, addresses: [192.168.0.1/24] }
links:
  - endpoints: ['aweb:eth0 192.168.0.2/24', bra]
  - endpoints: ['aclient:eth0 192.168.0.3/24', bra]
  - endpoints: ['bweb:eth0 192.168.0.2/24', brb]
  - endpoints: ['bclient:eth0 192.168.0.3/24', brb]
  - endpoints: ['asite:wan0 203.0.113.1/31', 'isp:a 203.0.113.0/31']
  - endpoints: ['bsite:wan0 203.0.113.3/31', 'isp:b 203.0.113.2/31']
gateways: [{ bridge: bra }, { bridge: brb }]
nat:
  - { masquerade: 192.168.0.0/24, namespace: asite, out: wan0 }
  - { masquerade: 192.168.0.0/24, namespace: bsite, out: wan0 }
port_forwards:
  - { listen: 80, to: 'aweb:8080', namespace: asite }
  - { listen: 80, to: 'bweb:8081', namespace: bsite }
checks:
";

#[test]
fn who_answers_is_who_the_packet_comes_to_where_sites_use_the_same_addresses() {
    let checks = "  - { from: aclient, to: '192.168.0.2:80', by: aweb }
  - { from: bclient, to: '192.168.0.2:80', by: bweb }
  - { from: bclient, to: '192.168.0.2:81' }
  - { from: isp, to: '203.0.113.1:80', by: aweb }
  - { from: isp, to: '203.0.113.3:80', by: bweb }
  - { from: bclient, to: 'bsite:80', by: bweb }
";
    let topology = good(&format!("{SITES}{checks}"));
    let found = [("aweb", 80), ("bweb", 80), ("bweb", 81), ("aweb", 8080), ("bweb", 8081), ("bweb", 8081)].map(Some);
    assert_eq!(responders(&topology), found);
    let wrong = said(&format!("{SITES}  - {{ from: bclient, to: '192.168.0.2:80', by: aweb }}\n"));
    assert!(wrong.contains("`bweb` answers this check, not `aweb`"), "{wrong}");
}

#[test]
fn nobody_answers_a_port_that_is_published_elsewhere_but_whom_the_check_names() {
    let lab = "name: lab
namespaces: { web: {}, db: {} }
bridges: { br0: { addresses: [10.0.0.1/24, 'fd00::1/64'] } }
links: [{ endpoints: ['web:eth0 10.0.0.2/24', br0] }, { endpoints: ['db:eth0 10.0.0.3/24 fd00::3/64', br0] }]
port_forwards: [{ listen: '127.0.0.1:8088', to: 'web:80' }, { listen: 53, protocol: udp, to: 'web:53' }]
gateways: [{ bridge: br0 }]
checks:
";
    let quiet = "  - { from: host, to: '127.0.0.1:8088' }
  - { from: db, to: '10.0.0.1:8088', expect: blocked }
  - { from: db, to: '10.0.0.1:8088', by: host }
  - { from: db, to: '10.0.0.1:8089' }
  - { from: db, to: '10.0.0.1:8088', udp: true }
  - { from: db, to: '[fd00::1]:53', udp: true, expect: blocked }
";
    let topology = good(&format!("{lab}{quiet}"));
    let who = [("web", 80), ("at 127.0.0.1", 8088), ("host", 8088), ("host", 8089), ("host", 8088), ("for IPv4", 53)];
    assert_eq!(responders(&topology), who.map(Some));
}

#[test]
fn where_the_way_is_left_to_others_the_nearest_who_has_the_address_answers_or_who_the_check_says() {
    // A daemon may lead elsewhere what is for the other site.
    let open = SITES.replace("'bclient:eth0 192.168.0.3/24'", "{ namespace: bclient, interface: eth0, addresses: [] }");
    let checks = "  - { from: bclient, to: '192.168.0.2:80' }
  - { from: bclient, to: '192.168.0.2:80', by: aweb }
  - { from: bclient, to: '203.0.113.3:80' }
";
    let topology = good(&format!("{open}{checks}"));
    assert_eq!(responders(&topology), [("bweb", 80), ("aweb", 80), ("bweb", 8081)].map(Some));
}

#[test]
fn a_bridge_takes_as_many_ports_as_the_kernel_gives_it() {
    let lab = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("n{at}: {{}}")).collect();
        let links: Vec<String> = (0..count).map(|at| format!("{{endpoints: ['n{at}:eth0', br0]}}")).collect();
        format!(
            "name: lab\nnamespaces: {{{}}}\nbridges: {{br0: {{}}}}\nlinks: [{}]\n",
            names.join(", "),
            links.join(", ")
        )
    };
    good(&lab(1023));
    let (_, topology, diagnostics) = read(&lab(1025));
    assert!(topology.is_none());
    assert_eq!(diagnostics.0.len(), 1);
    assert_eq!(diagnostics.0[0].message, "the bridge `br0` would have 1025 ports");
}

#[test]
fn a_target_that_cannot_answer_who_comes_from_outside_is_told() {
    let lab = |rest: &str| {
        format!(
            "name: lab
namespaces: {{web: {{}}}}
bridges: {{br0: {{addresses: [10.0.0.1/24]}}}}
links: [{{endpoints: ['web:eth0 10.0.0.2/24', br0]}}]
{rest}
"
        )
    };
    let (_, topology, diagnostics) = read(&lab("port_forwards: [{listen: 80, to: 'web:80'}]"));
    assert!(topology.is_some());
    assert_eq!(diagnostics.0[0].message, "`web` has no IPv4 route beyond its own subnets");
    good(&lab("port_forwards: [{listen: '127.0.0.1:80', to: 'web:80'}]"));
    good(&lab("port_forwards: [{listen: 80, to: 'web:80'}]\ngateways: [{bridge: br0}]"));
}
