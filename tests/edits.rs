//! Edits of a topology on the real kernel, by the binary: what changes in its place, what is made anew, and what comes of
//! it.

#[path = "common/dump.rs"]
mod dump;
#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;
#[path = "common/two_bridges.rs"]
mod two_bridges;

use dump::Dump;
use run::{apply, expect, file};
use shell::sh;
use two_bridges::LAB;

/// From one topology to another and back and there again: the edit's plan says these words, and all is gone at the end.
#[track_caller]
fn edit(before: &str, after: &str, words: &[&str]) -> String {
    let clean = Dump::settled();
    let (before, after) = (file("before", before), file("after", after));
    apply(&before);
    let plan = expect(&["plan", &after, "-detailed-exitcode"], 2, words);
    apply(&after);
    apply(&before);
    apply(&after);
    expect(&["destroy", &after, "-auto-approve"], 0, &["Destroy complete!"]);
    clean.assert_restored("destroy");
    plan
}

#[test]
fn interfaces_are_renamed_in_a_chain() {
    sandbox::run(|| {
        let links = |names: [&str; 3]| {
            let link = |(at, name): (usize, &&str)| {
                format!("  - endpoints: ['web:{name} 10.1.0.{}/24', {{bridge: br0, interface: p{at}}}]\n", at + 2)
            };
            format!("{LAB}{}", names.iter().enumerate().map(link).collect::<String>())
        };
        edit(
            &links(["eth0", "eth1", "eth2"]),
            &links(["eth1", "eth2", "eth3"]),
            &["Plan: 0 to add, 3 to change, 0 to destroy."],
        );
    });
}

#[test]
fn an_interface_is_renamed_together_with_its_made_up_port() {
    sandbox::run(|| {
        let link = |name: &str| format!("{LAB}  - endpoints: ['web:{name}', br0]\n");
        let words = ["# link.web:lan will be updated in-place", "Plan: 0 to add, 1 to change, 0 to destroy."];
        edit(&link("eth0"), &link("lan"), &words);
    });
}

#[test]
fn only_a_link_that_changes_its_bridge_is_on_another_segment() {
    sandbox::run(|| {
        let link = |port: &str, bridge: &str| {
            format!("{LAB}  - endpoints: ['web:eth0 10.1.0.2/24', {{bridge: {bridge}, interface: {port}}}]\n")
        };
        let renamed = edit(&link("p0", "br0"), &link("p1", "br0"), &["\"p0\" -> \"p1\""]);
        assert!(!renamed.contains("another segment"), "{renamed}");
        edit(&link("p0", "br0"), &link("p0", "br1"), &["web:eth0 is on another segment from then on"]);
    });
}

#[test]
fn a_link_that_gets_a_name_stays_the_device_that_it_is() {
    sandbox::run(|| {
        let unnamed = file("unnamed", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        let named = file("named", &format!("{LAB}  - name: uplink\n    endpoints: ['web:eth0', br0]\n"));
        let indexes = "ip -o link show web-eth0 | cut -d: -f1; ip -n web -o link show eth0 | cut -d: -f1";
        apply(&unnamed);
        let before = sh(indexes);
        let plan = expect(&["plan", &named, "-detailed-exitcode"], 2, &["link.uplink will be updated in-place"]);
        assert!(!plan.contains("disruption"), "{plan}");
        apply(&named);
        assert_eq!(sh(indexes), before);
    });
}

#[test]
fn neighbours_do_not_keep_to_where_an_address_was() {
    sandbox::run(|| {
        let lab = |bridge: &str, links: [&str; 2]| {
            let [one, two] = links.map(|link| format!("  - endpoints: ['{link}', {bridge}]\n"));
            let top = format!(
                "name: lab\nnamespaces: {{web: {{}}, db: {{}}}}\nbridges: {{{bridge}: {{addresses: [10.1.0.1/24]}}}}\n"
            );
            let checks = "checks: [{from: web, to: db, ping: true}, {from: web, to: 10.1.0.1, ping: true}, {from: host, to: db, ping: true}]\n";
            format!("{top}links:\n{one}{two}{checks}")
        };
        // Addresses are given in the file's order, hardware addresses go by names.
        let before = file("before", &lab("br0", ["web:eth0", "db:eth0"]));
        for (bridge, links) in
            [("br0", ["db:eth0", "web:eth0"]), ("br0", ["web:lan", "db:eth0"]), ("br1", ["web:eth0", "db:eth0"])]
        {
            let after = file("after", &lab(bridge, links));
            for path in [&before, &after, &before] {
                apply(path);
                expect(&["test", path], 0, &[]);
            }
        }
    });
}

#[test]
fn a_sysctl_that_the_file_says_nothing_of_any_more_is_as_in_a_new_namespace() {
    sandbox::run(|| {
        let lab = |sysctls: &str, gateway: &str| {
            format!(
                "name: lab
namespaces: {{a: {{{sysctls}}}, edge: {{}}}}
bridges: {{br0: {{namespace: edge, addresses: ['fd00::1/64']}}}}
links: [{{endpoints: ['a:eth0', br0]}}]
{gateway}"
            )
        };
        let written = "sysctls: {net.ipv4.conf.all.rp_filter: 2, net.ipv4.conf.eth0.arp_ignore: 1}";
        let plain = file("plain", &lab("", ""));
        let full = file("full", &lab(written, "gateways: [{bridge: br0}]"));
        let values = || {
            sh("ip netns exec a cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/eth0/arp_ignore
                ip netns exec edge cat /proc/sys/net/ipv6/conf/br0/accept_ra")
        };
        apply(&plain);
        let fresh = values();
        apply(&full);
        assert_eq!(values(), "2\n1\n0\n");
        let words = ["net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0.arp_ignore", "net.ipv6.conf.br0.accept_ra"];
        expect(&["plan", &plain, "-detailed-exitcode"], 2, &words);
        apply(&plain);
        assert_eq!(values(), fresh);
        // It is the file's no more, and so is what somebody else does with it.
        sh("ip netns exec a sysctl -qw net.ipv4.conf.all.rp_filter=2");
        expect(&["plan", &plain, "-detailed-exitcode"], 0, &[]);
        // What goes with its device needs nothing.
        apply(&full);
        apply(&file("less", "name: lab\nnamespaces: {a: {}, edge: {}}\n"));
    });
}

#[test]
fn a_port_that_becomes_an_end_of_its_own_is_another_link() {
    sandbox::run(|| {
        let port =
            file("port", &format!("{LAB}  - endpoints: ['web:eth0 10.1.0.2/24', {{bridge: br0, interface: p0}}]\n"));
        let pair = file("pair", &format!("{LAB}  - endpoints: ['web:eth0 10.1.0.2/24', 'host:p0']\n"));
        apply(&port);
        // By hand it is drift, which is repaired in its place.
        sh("ip link set p0 nomaster");
        expect(&["plan", &port, "-detailed-exitcode"], 2, &["0 to add, 1 to change, 0 to destroy"]);
        apply(&port);
        let words = ["# link.web:eth0 must be replaced", "# forces replacement"];
        expect(&["plan", &pair, "-detailed-exitcode"], 2, &words);
        apply(&pair);
        sh("ip link set p0 master br1");
        expect(&["plan", &pair, "-detailed-exitcode"], 2, &["0 to add, 1 to change, 0 to destroy"]);
        apply(&pair);
        expect(&["plan", &port, "-detailed-exitcode"], 2, &words[..1]);
        apply(&port);
    });
}

#[test]
fn a_bridge_gets_another_device_name_in_its_place() {
    sandbox::run(|| {
        let lab = |first: &str, second: &str| {
            file(
                &format!("{first}{second}"),
                &format!(
                    "name: lab
namespaces: {{web: {{}}, db: {{}}, host: {{routes: [{{to: 10.9.0.0/16, via: 10.1.0.2}}]}}}}
bridges:
  one: {{interface: {first}, addresses: [10.1.0.1/24, 'fd00:1::1/64']}}
  two: {{interface: {second}, addresses: [10.2.0.1/24]}}
links: [{{endpoints: ['web:eth0', one]}}, {{endpoints: ['db:eth0', two]}}]
gateways: [{{bridge: one}}, {{bridge: two}}]
nat: [{{masquerade: 10.1.0.0/24}}]
port_forwards: [{{listen: 81, to: 'web:80'}}]
checks: [{{from: db, to: '10.2.0.1:81'}}, {{from: host, to: '127.0.0.1:81'}}, {{from: web, to: db, ping: true}}]
"
                ),
            )
        };
        sh("ip link set lo up");
        let clean = Dump::settled();
        let indexes = |names: [&str; 2]| names.map(|name| sh(&format!("ip -o link show {name} | cut -d : -f 1")));
        apply(&lab("x0", "y0"));
        let before = indexes(["x0", "y0"]);
        let plan =
            expect(&["plan", &lab("x1", "y0"), "-detailed-exitcode"], 2, &["# bridge.one will be updated in-place"]);
        assert!(!plan.contains("bridge.one must be replaced") && !plan.contains("link.web:eth0 must"), "{plan}");
        for (first, second) in [("x1", "y0"), ("y1", "x1"), ("x0", "y0")] {
            let path = lab(first, second);
            apply(&path);
            assert_eq!(indexes([first, second]), before, "{first} {second}");
            expect(&["test", &path], 0, &[]);
        }
        expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
        clean.assert_restored("destroy");
    });
}

#[test]
fn settings_that_overwrite_each_other_come_out_as_written() {
    sandbox::run(|| {
        sh("ip link set lo up");
        let clean = Dump::settled();
        let lab = |r: &str, rest: &str| {
            let links = "links: [{endpoints: ['r:eth0 10.0.0.1/24', 's:eth0 10.0.0.2/24']}]";
            format!("name: a\nnamespaces: {{r: {{{r}}}, s: {{}}}}\n{links}\n{rest}")
        };
        let host = |host: &str| format!("name: a\nnamespaces: {{host: {{{host}}}}}\n");
        let off = "net.ipv4.conf.eth0.forwarding: 0, net.ipv6.conf.eth0.forwarding: 0";
        let forward = "port_forwards: [{listen: 80, to: 's:80', namespace: r}]";
        let edits = [
            (lab("", forward), lab("", "").replace("r:eth0", "r:eth1")),
            (lab("forwarding: true, sysctls: {net.ipv4.conf.eth0.forwarding: 0}", ""), lab("forwarding: true", "")),
            (lab("sysctls: {net.ipv4.conf.eth0.route_localnet: 1}", ""), lab("", forward)),
            (lab("sysctls: {net.ipv6.conf.all.disable_ipv6: 1}", ""), lab("", "")),
            (host("forwarding: true, sysctls: {net.ipv4.conf.default.forwarding: 0}"), host("forwarding: true")),
            (lab("forwarding: true, sysctls: {net.ipv4.conf.lo.forwarding: 0}", ""), lab("", "")),
            (
                lab("sysctls: {net.ipv6.conf.eth0.disable_ipv6: 0}", ""),
                lab("sysctls: {net.ipv6.conf.eth0.disable_ipv6: 0}", "ipv6: false"),
            ),
            (lab(&format!("sysctls: {{{off}}}"), ""), lab(&format!("forwarding: true, sysctls: {{{off}}}"), "")),
            (lab("", "ipv6: false"), lab("", "")),
        ];
        for (before, after) in edits {
            for text in [&before, &after, &before] {
                apply(&file("a", text));
            }
            expect(&["destroy", "a", "-auto-approve"], 0, &["Destroy complete!"]);
            clean.assert_restored("destroy");
        }
    });
}

/// Nothing but its file tells what is set for new devices: it is looked at where some are to come.
#[test]
fn that_somebody_has_turned_ipv6_off_for_new_devices_is_told_and_mended_where_some_come() {
    sandbox::run(|| {
        let clean = Dump::settled();
        let lab =
            |links: &str| file("lab", &format!("name: lab\nnamespaces: {{a: {{}}, b: {{}}}}\nlinks: [{links}]\n"));
        let one = "{endpoints: ['a:eth0', 'b:eth0']}";
        let first = lab(one);
        apply(&first);
        sh("ip netns exec a sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
        let words = ["net.ipv6.conf.default.disable_ipv6 = \"1\" -> \"0\""];
        expect(&["plan", &first, "-detailed-exitcode"], 0, &["No changes."]);
        let second = lab(&format!("{one}, {{endpoints: ['a:eth1', 'b:eth1']}}"));
        expect(&["plan", &second, "-detailed-exitcode"], 2, &words);
        let saved = file("saved", "");
        expect(&["plan", &second, "-out", &saved], 0, &words);
        expect(&["apply", &saved], 0, &["Apply complete!"]);
        assert_eq!(sh("ip netns exec a sysctl -n net.ipv6.conf.eth1.disable_ipv6").trim(), "0");
        // What the file itself has written is looked at, also when the file drops it.
        let off = "sysctls: {net.ipv6.conf.default.disable_ipv6: 1}";
        let with = format!("name: lab\nnamespaces: {{a: {{{off}}}, b: {{}}}}\nlinks: [{one}]\n");
        apply(&file("lab", &with));
        sh("ip netns exec a sysctl -qw net.ipv6.conf.default.disable_ipv6=0");
        expect(&["plan", &file("lab", &with), "-detailed-exitcode"], 2, &["\"0\" -> \"1\""]);
        apply(&file("lab", &with));
        let first = lab(one);
        expect(&["plan", &first, "-detailed-exitcode"], 2, &words);
        apply(&first);
        assert_eq!(sh("ip netns exec a sysctl -n net.ipv6.conf.default.disable_ipv6").trim(), "0");
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        clean.assert_restored("destroy");
    });
}

/// As a killed run leaves the old one of a bridge beside the new one.
#[test]
fn of_what_bears_one_mark_each_goes() {
    sandbox::run(|| {
        let clean = Dump::settled();
        let lab = file(
            "lab",
            "name: lab\nnamespaces: {web: {}}\nbridges: {br0: {}}\nlinks: [{endpoints: ['web:eth0', br0]}]\n",
        );
        let again = || {
            sh("for i in 1 2; do
                ip link add copy$i type bridge; ip link set copy$i alias netwright:lab/bridge.br0
                ip link add one$i type veth peer two$i
                for it in one$i two$i; do ip link set $it alias netwright:lab/link.web:eth0; done
            done");
        };
        apply(&lab);
        let made = Dump::settled();
        again();
        expect(&["plan", &lab, "-detailed-exitcode"], 2, &["Plan: 0 to add, 0 to change, 4 to destroy."]);
        apply(&lab);
        made.assert_restored("an apply");
        again();
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        clean.assert_restored("destroy");
    });
}

/// The link-local addresses of a device.
fn link_local(device: &str) -> String {
    sh(&format!("ip -6 -o address show dev {device} scope link | grep -o 'fe80::[^ ]*' || true")).trim().to_owned()
}

#[test]
fn only_a_port_goes_without_a_link_local_address() {
    sandbox::run(|| {
        let lab = |links: &str| file("lab", &format!("{LAB}{links}"));
        // The kernel has no IPv6 at all below 1280.
        let ports = "  - endpoints: ['web:eth0', br0]\n  - {endpoints: ['db:eth0', br1], mtu: 1000}\n";
        apply(&lab(ports));
        sh(
            "ip netns exec web sh -c 'until ip -6 -o address show dev eth0 scope link | grep -q fe80; do sleep 0.1; done'",
        );
        assert_eq!(link_local("web-eth0"), "");
        assert_ne!(link_local("br0"), "", "what comes in by a port is the bridge's");
        // It comes with a change of the link that makes a port an end of its own.
        let own = "  - endpoints: ['web:eth0', 'host:web-eth0']\n  - {endpoints: ['db:eth0', br1], mtu: 1400}\n";
        let plan = expect(&["plan", &lab(own)], 0, &["# link.web:eth0 must be replaced"]);
        assert!(plan.contains("# link.db:eth0 will be updated in-place"), "{plan}");
        apply(&lab(own));
        sh("until ip -6 -o address show dev web-eth0 scope link | grep -q fe80; do sleep 0.1; done");
        apply(&lab(ports));
        assert_eq!(link_local("web-eth0"), "");
    });
}
