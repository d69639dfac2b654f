//! Files that cannot be read whole, or that name somebody who is not there: all that is wrong with the rest is said in the
//! same run, and nothing that follows from the first error alone.

use super::said_of_part;

/// Clashes that need no more than their own two items.
const CLASHES: &str = "nat: [{masquerade: 10.0.0.0/24}, {masquerade: 10.0.0.0/24}]
port_forwards: [{listen: 80, to: 'web:80'}, {listen: 80, to: 'web:81'}]
gateways: [{bridge: br0}, {bridge: br0}]
";

const SAID_OF_CLASHES: [&str; 5] = [
    "`br0` is a gateway twice",
    "`db` has two routes to 10.9.0.0/16",
    "nat.host:masquerade:10.0.0.0/24 is there twice",
    "port 80 is listened on twice",
    "`net.ipv4.ip_forward` is 1 by the rest of the file, and 0 here",
];

/// A lab with those clashes, and whatever else.
fn lab(namespaces: &str, links: &str, more: &str) -> String {
    format!(
        "name: lab
namespaces:
  web: {{}}
  db:
    routes: [{{to: 10.9.0.0/16, via: 10.0.0.1}}, {{to: 10.9.0.0/16, via: 10.0.0.9}}]
    forwarding: true
    sysctls: {{net.ipv4.ip_forward: 0}}
  {namespaces}
bridges: {{br0: {{addresses: [10.0.0.1/24]}}, br1: {{}}}}
links:
  - endpoints: ['web:eth0 10.0.0.2/24', br0]
  - endpoints: ['db:eth0 10.0.0.3/24', br0]
  {links}
{CLASHES}{more}
"
    )
}

/// What is said besides the clashes, which are all there.
#[track_caller]
fn beside_the_clashes(text: &str) -> Vec<String> {
    let mut said = said_of_part(text);
    for clash in SAID_OF_CLASHES {
        let at = said.iter().position(|message| message == clash);
        assert!(at.is_some(), "{clash} is not among {said:#?}");
        at.map(|at| said.remove(at));
    }
    said
}

#[test]
fn clashes_are_told_beside_a_link_that_cannot_be_read() {
    let said = beside_the_clashes(
        &lab(
            "app: {routes: [{to: default, via: 10.5.0.1}, {to: 10.7.0.0/16, dev: eth0}]}",
            "- endpoints: ['app:eth0 10.5.0.300/24', br1]",
            "port_forwards: []",
        )
        .replace("port_forwards: []", "checks: [{from: web, to: app}]"),
    );
    assert_eq!(said, ["`10.5.0.300` is not an IP address: 300 is greater than 255"]);
    // Of whom such a link is not, everything is known.
    let said = beside_the_clashes(&lab(
        "app: {routes: [{to: default, via: 10.5.0.1}]}",
        "- endpoints: ['web:eth1 10.5.0.300/24', br1]",
        "checks: [{from: web, to: app}]",
    ));
    assert_eq!(
        said,
        [
            "`10.5.0.300` is not an IP address: 300 is greater than 255",
            "the next hop 10.5.0.1 is on no subnet of `app`",
            "the target of this check has no address in the file",
        ]
    );
}

#[test]
fn clashes_are_told_beside_a_name_that_is_undefined() {
    let said = beside_the_clashes(&lab(
        "app: {routes: [{to: 10.7.0.0/16, dev: eth0}]}\n  lone: {routes: [{to: default, via: 10.5.0.1}]}",
        "- endpoints: ['ap:eth0', br0]",
        "",
    ));
    // `app` is meant, so its interface may be there.
    assert_eq!(said, ["the next hop 10.5.0.1 is on no subnet of `lone`", "there is no namespace or bridge `ap`"]);
    let said = beside_the_clashes(&lab(
        "app: {routes: [{to: 10.7.0.0/16, dev: eth0}]}\n  lone: {routes: [{to: default, via: 10.5.0.1}]}",
        "- endpoints: ['nowhere:eth0', br0]",
        "",
    ));
    // Anyone may be meant.
    assert_eq!(said, ["there is no namespace or bridge `nowhere`"]);
}

#[test]
fn clashes_are_told_beside_a_bridge_that_is_not_right() {
    for (bridge, first) in [
        ("br1: {addresses: [10.7.0.1]}", "`10.7.0.1` has no prefix length"),
        ("br1: {adresses: [10.7.0.1/24]}", "a bridge has no key `adresses`"),
        ("br1: {namespace: wbe, addresses: [10.7.0.1/24]}", "there is no namespace `wbe`"),
        (
            "br1: {interface: a-very-long-name-of-a-bridge}",
            "the interface name `a-very-long-name-of-a-bridge` has 28 bytes; the kernel takes at most 15",
        ),
    ] {
        let text = lab(
            "app: {routes: [{to: default, via: 10.7.0.1}]}",
            "- endpoints: ['app:eth0', br1]",
            "checks: [{from: web, to: app}]",
        );
        let text = text.replace("br1: {}", bridge);
        assert_eq!(beside_the_clashes(&text.replace("{bridge: br0}]", "{bridge: br0}, {bridge: br1}]")), [first]);
    }
}

#[test]
fn clashes_are_told_beside_routes_rules_and_checks_that_cannot_be_read() {
    for (namespaces, more, first) in [
        // The route that is left is not the same twice, nor is the default route missing.
        (
            "app: {routes: [{to: 10.1.0.0/16, dev: lo}, {to: 10.1.0.0/16, dev: lo, metric: x}]}",
            "checks: [{from: app, to: 10.0.0.1}]",
            "`namespaces.app.routes[1].metric` must be a whole number, not a string",
        ),
        (
            "app: {routes: [{to: 10.1.0.0/16, via: 10.0.0.300}]}",
            "checks: [{from: app, to: 10.0.0.1}]",
            "`10.0.0.300` is not an IP address: 300 is greater than 255",
        ),
        (
            "app: {routes: [{to: 10.1.0.0/16, via: 'fd00::1'}]}",
            "checks: [{from: app, to: 10.0.0.1}]",
            "fd00::1 is IPv6, beside 10.1.0.0, which is IPv4",
        ),
        ("", "checks: [{from: web, to: 'db:80-81'}]", "a check asks one port, not 80 to 81"),
        ("", "checks: [{from: web, to: db, png: true}]", "a check has no key `png`"),
    ] {
        assert_eq!(beside_the_clashes(&lab(namespaces, "", more)), [first]);
    }
}

#[test]
fn what_a_forward_or_gateway_says_is_not_guessed() {
    let text = |port_forwards: &str| {
        format!(
            "name: lab
namespaces: {{web: {{}}, edge: {{}}}}
links: [{{endpoints: ['web:eth0 10.0.0.2/24', 'edge:lan0 10.0.0.1/24']}}]
gateways: [{{namespace: edge, interface: lan0}}]
port_forwards: [{{listen: 80, to: '10.0.0.2:80', namespace: edge}}, {port_forwards}]
"
        )
    };
    // Without its namespace it would be the host's, and shares nothing with it.
    assert_eq!(said_of_part(&text("{listen: 80, to: 'web:80', namespace: 'a b'}")).len(), 1);
    assert_eq!(
        said_of_part(&text("{listen: 80, to: 'web:80', nmespace: edge}")),
        ["a port forward has no key `nmespace`"]
    );
    assert_eq!(said_of_part(&text("{listen: 81, to: 'wbe:80', namespace: edge}")), ["there is no namespace `wbe`"]);
    // Which default routes it gives is not known.
    let said = said_of_part(
        "name: lab
namespaces: {web: {}, edge: {}}
bridges: {br0: {addresses: [10.0.0.1/24]}}
links: [{endpoints: ['web:eth0', br0]}, {endpoints: ['edge:lan0', br0]}]
gateways: [{bridge: br0, memers: [web]}, {namespace: edge, interface: lan0}]
port_forwards: [{listen: 80, to: 'web:80'}]
",
    );
    assert_eq!(said, ["a gateway has no key `memers`"]);
    // The default route that cannot be read comes before a gateway's.
    let said = said_of_part(
        "name: lab
namespaces: {web: {routes: [{to: default, via: 10.0.0}]}, edge: {}}
bridges: {br0: {addresses: [10.0.0.1/24]}}
links: [{endpoints: ['web:eth0', br0]}, {endpoints: ['edge:lan0', br0]}]
gateways: [{bridge: br0, members: [web]}, {namespace: edge, interface: lan0, members: [web]}]
",
    );
    assert_eq!(said, ["`10.0.0` is neither an address nor NAMESPACE:INTERFACE"]);
}

#[test]
fn a_key_that_stands_twice_hides_nothing_else() {
    let said = beside_the_clashes(&lab("web: {addresses: [10.255.0.1/32]}", "", "checks: [{from: wbe, to: db}]"));
    assert_eq!(said, ["the key `web` stands here twice", "there is no namespace `wbe`"]);
    let said = beside_the_clashes(&lab("", "", "bridges: {br7: {}}\nchecks: [{from: br7, to: db}]"));
    assert_eq!(said, ["the key `bridges` stands here twice"]);
}

#[test]
fn a_loop_is_told_where_it_is_known_that_nothing_cuts_it() {
    let text = |stp: &str| {
        format!(
            "name: lab\nbridges: {{br0: {stp}, br1: {{}}, br2: {{mtu: x}}}}
links: [{{endpoints: [{{bridge: br0, interface: a}}, {{bridge: br0, interface: b}}]}}, {{endpoints: [br1, {{bridge: br1, interface: c}}]}}]\n"
        )
    };
    let mtu = "`bridges.br2.mtu` must be a whole number, not a string";
    let both = [
        "both ends of this link are ports of the bridge `br0`",
        "both ends of this link are ports of the bridge `br1`",
    ];
    assert_eq!(said_of_part(&text("{}")), [mtu, both[0], both[1]]);
    assert_eq!(
        said_of_part(&text("{stp: yes}")),
        ["`bridges.br0.stp` must be true or false, not a string", mtu, both[1]]
    );
}
