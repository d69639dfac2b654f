//! Edits, strangers and failures on the real kernel, by the binary: what a newcomer does to a lab, and what is to come
//! of it.

#[path = "common/dump.rs"]
mod dump;
#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use std::{
    fs,
    process::{Command, Stdio},
};

use dump::Dump;
use run::{apply, expect, file};
use shell::sh;

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

/// Two namespaces, two bridges of the host; the links are put after it.
const LAB: &str = "
name: lab
namespaces: {web: {}, db: {}}
bridges: {br0: {addresses: [10.1.0.1/24, 'fd00:1::1/64']}, br1: {addresses: [10.2.0.1/24]}}
links:
";

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
fn with_the_tools_gone_nothing_of_ours_is_left_behind_unseen() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\ngateways: [{{bridge: br0}}]\n"));
        sh("iptables-save; ip6tables-save");
        let clean = Dump::settled();
        apply(&path);
        sh("mount -t tmpfs tmpfs /usr/sbin");
        expect(&["destroy", "lab", "-auto-approve"], 1, &["iptables-nft-save is in none of"]);
        sh("umount /usr/sbin");
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        clean.assert_restored("destroy");
    });
}

#[test]
fn a_destroy_that_cannot_know_what_forwarding_was_says_so() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\ngateways: [{{bridge: br0}}]\n"));
        apply(&path);
        sh("rm -r /run/netwright");
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
        expect(
            &["destroy", "lab", "-auto-approve"],
            0,
            &["forwarding was before `lab` is not remembered", "Destroy complete!"],
        );
        assert_eq!(sh("ip -o link; ls /run/netns; iptables-save -t filter | grep -c NW- || true").lines().count(), 2);
    });
}

#[test]
fn with_json_every_error_is_a_line_too() {
    sandbox::run(|| {
        let bad = file("bad", "name: bad\nfoo: 1\nnamespaces: {a: {bar: 2}}\n");
        let good = file("good", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        let missing = "/run/missing.yaml".to_owned();
        for (arguments, lines) in
            [(vec!["plan", &bad, "-json"], 2), (vec!["plan", &missing, "-json"], 1), (vec!["apply", &good, "-json"], 1)]
        {
            let said = expect(&arguments, 1, &[]);
            let errors = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line));
            assert_eq!(errors.filter(|line| line["type"] == "diagnostic").count(), lines, "{said}");
        }
    });
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        for verb in ["plan", "validate"] {
            let full = fs::File::options().write(true).open("/dev/full").expect("a device");
            let ran = Command::new(env!("CARGO_BIN_EXE_netwright"))
                .args([verb, &path])
                .stdout(full)
                .output()
                .expect("the binary");
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(1), "{said}");
            assert!(said.contains("cannot write the output: No space left on device"), "{said}");
        }
    });
}

#[test]
fn what_a_killed_run_left_behind_stands_in_nobodys_way() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        let clean = Dump::settled();
        // Killed between making the file and mounting the namespace on it.
        let killed = "mkdir -p /run/netns
             printf netwright:lab/namespace.web > /run/netns/web; printf netwright:lab/namespace.old > /run/netns/old";
        sh(killed);
        apply(&path);
        expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
        assert_eq!(sh("ls /run/netns"), "");
        sh(killed);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["No changes."]);
        assert_eq!(sh("ls /run/netns"), "");
        clean.assert_restored("destroy");
    });
}

#[test]
fn topologies_that_come_and_go_at_one_moment_do_not_get_in_each_others_way() {
    sandbox::run(|| {
        let clean = Dump::settled();
        let lab = |at: usize| {
            let text = format!(
                "name: lab{at}
namespaces: {{w{at}: {{}}}}
bridges: {{br{at}: {{addresses: [10.{at}.0.1/24]}}}}
links: [{{endpoints: ['w{at}:eth0 10.{at}.0.2/24', br{at}]}}, {{endpoints: ['w{at}:eth1', 'host:p{at}']}}]
gateways: [{{bridge: br{at}}}]
nat: [{{masquerade: 10.{at}.0.0/24}}]
port_forwards: [{{listen: 80{at}, to: 'w{at}:80'}}]
"
            );
            file(&format!("lab{at}"), &text)
        };
        let labs: Vec<String> = (10..15).map(lab).collect();
        for verb in ["apply", "destroy"].repeat(3) {
            let run = |path: &String| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
                command.args([verb, path, "-auto-approve"]).stdin(Stdio::null());
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary")
            };
            let running: Vec<_> = labs.iter().map(run).collect();
            for run in running {
                let output = run.wait_with_output().expect("an end");
                let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
                assert!(output.status.success(), "{verb}: {text}");
            }
            let code = if verb == "apply" { 0 } else { 2 };
            for path in &labs {
                expect(&["plan", path, "-detailed-exitcode"], code, &[]);
            }
        }
        clean.assert_restored("destroy");
    });
}

#[test]
fn a_chain_of_nft_that_drops_all_it_does_not_know_is_named() {
    sandbox::run(|| {
        let path = file(
            "lab",
            "name: lab
namespaces: {web: {}, isp: {}}
bridges: {br0: {addresses: [10.1.0.1/24]}}
links:
  - endpoints: ['web:eth0 10.1.0.2/24', br0]
  - endpoints: ['host:up0 10.2.0.1/24', 'isp:eth0 10.2.0.2/24']
gateways: [{bridge: br0}]
nat: [{masquerade: 10.1.0.0/24}]
checks: [{from: web, to: 10.2.0.2, ping: true}]
",
        );
        let strict = "add table inet strict; add chain inet strict forwarded { type filter hook forward priority 0; policy drop; }";
        sh(&format!("nft '{strict}'"));
        let named = "chain forwarded of table inet strict in host (nft) has a policy of drop";
        expect(&["apply", &path, "-auto-approve"], 0, &["Apply complete!", named]);
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes.", named]);
        expect(&["test", &path], 1, &[]);
        sh("nft 'add chain inet strict forwarded { policy accept; }'");
        let quiet = expect(&["plan", &path], 0, &[]);
        assert!(!quiet.contains("strict"), "{quiet}");
        expect(&["test", &path], 0, &[]);
    });
}

#[test]
fn what_is_destroyed_with_the_file_lost_is_what_was_added() {
    sandbox::run(|| {
        let clean = Dump::settled();
        let path = file(
            "lab",
            "name: lab
namespaces: {edge: {}, web: {addresses: [10.9.0.1/32]}, db: {}}
bridges: {br0: {addresses: [10.2.0.1/24]}}
links:
  - endpoints: ['edge:lan0 10.1.0.1/24', 'web:eth0 10.1.0.2/24']
  - endpoints: ['host:up0 10.3.0.1/24', 'edge:wan0 10.3.0.2/24']
  - endpoints: ['db:eth0 10.2.0.2/24', br0]
port_forwards:
  - {listen: 8080, to: 'web:80', namespace: edge}
  - {listen: 8080, to: 'db:80'}
nat:
  - {masquerade: 10.1.0.0/24, namespace: edge}
",
        );
        let added = apply(&path);
        let shown = expect(&["show", "lab"], 0, &["firewall.edge", "forwarding"]);
        assert!(!shown.contains("gateway."), "{shown}");
        sh("rm -r /run/netwright/lab");
        let gone = expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        let count = |text: &str, words: &str| -> usize {
            let (before, _) = text.rsplit_once(words).expect("a summary");
            before.rsplit([' ', ',']).find(|word| !word.is_empty()).expect("a count").parse().expect("a number")
        };
        assert_eq!(count(&added, " added,"), count(&gone, " destroyed."), "{added}{gone}");
        clean.assert_restored("destroy");
    });
}

#[test]
fn the_lock_of_a_run_that_was_killed_is_waited_for() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        apply(&path);
        // No process has that number; the kernel has not let go of its lock yet.
        sh("printf '4194305\\n0\\nnetwright apply\\n' > /run/netwright/lab/lock
            flock /run/netwright/lab/lock sleep 1 > /dev/null 2>&1 & sleep 0.2");
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
    });
}

#[test]
fn a_signal_ends_a_run_in_order_and_a_question_with_no() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        let clean = Dump::settled();
        let interrupted = |flags: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
            command.args(["apply", &path]).args(flags).env("NO_COLOR", "1");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut run = command.spawn().expect("the binary");
            std::thread::sleep(std::time::Duration::from_millis(1000));
            sh(&format!("kill -INT {}", run.id()));
            let input = run.stdin.take();
            let output = run.wait_with_output().expect("an end");
            drop(input);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
        };
        let asked = interrupted(&[]);
        assert!(asked.contains("Enter a value:") && asked.contains("Apply cancelled."), "{asked}");
        // Somebody else's turn.
        sh("flock /run/netwright/.lock sleep 3 > /dev/null 2>&1 & sleep 0.2");
        let waiting = interrupted(&["-auto-approve"]);
        assert!(waiting.contains("waiting for another run that changes the network of this host"), "{waiting}");
        assert!(waiting.contains("Interrupt received") && waiting.contains("nothing was done"), "{waiting}");
        clean.assert_restored("a run that was interrupted");
    });
}

#[test]
fn a_nic_that_has_gone_leaves_no_record() {
    sandbox::run(|| {
        let path = file("lab", "name: lab\nbridges: {br0: {ports: [nic0]}}\n");
        sh("ip link add nic0 type veth peer name wire0");
        apply(&path);
        sh("ip link delete nic0");
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        expect(&["list"], 0, &["No topologies."]);
    });
}

#[test]
fn an_end_that_is_left_to_others_keeps_theirs_and_none_of_ours() {
    sandbox::run(|| {
        let link =
            |end: &str| format!("{LAB}  - endpoints: ['{end}', {{bridge: lan}}]\n").replace("br1:", "lan: {}, br1:");
        let (given, left) = (file("given", &link("web:eth0 10.9.0.2/24")), file("left", &link("web:eth0")));
        let addresses = || sh("ip -n web -4 -o addr show eth0 | awk '{print $4}' | sort");
        apply(&given);
        sh("ip -n web addr add 10.9.0.77/24 dev eth0");
        expect(
            &["plan", &left, "-detailed-exitcode"],
            2,
            &["\"10.9.0.2/24\"", "Plan: 0 to add, 1 to change, 0 to destroy."],
        );
        apply(&left);
        assert_eq!(addresses(), "10.9.0.77/24\n", "ours goes, the daemon's stays");
        apply(&given);
        assert_eq!(addresses(), "10.9.0.2/24\n", "what the file lists is all that there is");
    });
}

#[test]
fn a_file_without_a_name_destroys_nothing() {
    sandbox::run(|| {
        let unnamed = file("unnamed", "name: unnamed\nnamespaces: {web: {}}\n");
        apply(&unnamed);
        for text in ["name: Bad!\n", "namespaces: {web: {}}\n"] {
            expect(&["destroy", &file("bad", text), "-auto-approve"], 1, &["does not tell its topology's name"]);
        }
        expect(&["plan", &unnamed, "-detailed-exitcode"], 0, &["No changes."]);
    });
}

#[test]
fn a_veth_that_leads_out_of_the_lab_is_somebody_elses_whatever_it_is_called() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        apply(&path);
        sh("ip -n web link delete eth0; ip link add mine type veth peer name eth0 netns web; ip link set mine up");
        expect(&["plan", &path], 1, &["the interface name `eth0` in `web` is taken", "somebody else made it"]);
        sh("ip link show mine; ip link delete mine");
        apply(&path);
        // With both marks gone it is ours by all else.
        sh("ip -n web link set eth0 alias ''; ip link set web-eth0 alias ''");
        expect(&["plan", &path, "-detailed-exitcode"], 2, &["bears no mark of ours", "0 to add, 1 to change"]);
        apply(&path);
    });
}

#[test]
fn a_route_of_a_daemon_that_is_in_the_way_is_named() {
    sandbox::run(|| {
        let path = file(
            "lab",
            "name: lab
namespaces: {web: {routes: [{to: 10.9.0.0/16, via: 10.1.0.1}]}}
bridges: {br0: {addresses: [10.1.0.1/24]}}
links: [{endpoints: ['web:eth0 10.1.0.2/24', br0]}]
gateways: [{bridge: br0}]
",
        );
        apply(&path);
        for (to, proto) in [("10.9.0.0/16", "bird"), ("default", "dhcp")] {
            sh(&format!("ip -n web route replace {to} via 10.1.0.9 proto {proto}"));
            let words = format!("by `eth0` already; it is of the protocol {proto}, which is left alone");
            expect(&["plan", &path], 1, &["the namespace `web` has a route to", &words]);
            sh(&format!("ip -n web route delete {to}"));
            apply(&path);
        }
    });
}

#[test]
fn what_was_left_out_of_an_apply_is_no_drift() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        expect(&["apply", &path, "-auto-approve", "-target", "bridge.br0"], 0, &["1 added"]);
        expect(&["plan", &path, "-refresh-only", "-detailed-exitcode"], 0, &[]);
        expect(&["list"], 0, &["in sync"]);
        apply(&path);
        // By either of its names.
        let words = ["# link.web:eth0 must be replaced"];
        expect(&["plan", &path, "-replace", "link.br0:web-eth0", "-detailed-exitcode"], 2, &words);
        expect(&["plan", &path, "-replace", "namespace.host"], 1, &["the host cannot be made anew"]);
        expect(&["destroy", &path, "-auto-approve", "-target", "link.web:eth0"], 0, &["1 destroyed"]);
        expect(&["list"], 0, &["in sync"]);
        expect(&["plan", &path, "-refresh-only", "-out", "/run/p"], 1, &["leave one of them out"]);
    });
}

#[test]
fn another_name_of_a_namespace_is_no_other_namespace() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', 'db:eth0']\n"));
        let clean = Dump::settled();
        apply(&path);
        for alias in ["aaa", "web2"] {
            sh(&format!("touch /run/netns/{alias}; mount --bind /run/netns/web /run/netns/{alias}"));
            expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
            expect(&["list"], 0, &["in sync"]);
            let words = format!("the namespace `web` has another name, `{alias}`, which keeps it alive");
            expect(&["destroy", &path, "-auto-approve"], 1, &[&words]);
            let renamed =
                file("renamed", &format!("{LAB}  - endpoints: ['web:eth0', 'db:eth0']\n").replace("db", alias));
            expect(&["plan", &renamed], 1, &[&format!("the namespace name `{alias}` is taken: it is another name of")]);
            sh(&format!("umount /run/netns/{alias}; rm /run/netns/{alias}"));
        }
        expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete!"]);
        clean.assert_restored("destroy");
    });
}

#[test]
fn a_saved_plan_is_about_what_was_there_and_not_about_what_looks_like_it() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        apply(&path);
        expect(&["plan", &path, "-replace", "link.web:eth0", "-out", "/run/plan"], 0, &[]);
        expect(&["apply", "/run/plan"], 0, &["1 added, 0 changed, 1 destroyed"]);
        expect(&["apply", "/run/plan"], 1, &["Saved plan is stale: link.web:eth0 changed"]);
        expect(&["plan", &path, "-destroy", "-out", "/run/plan"], 0, &[]);
        expect(&["destroy", &path, "-auto-approve"], 0, &[]);
        apply(&path);
        expect(&["apply", "/run/plan", "-out", "/run/x"], 1, &["-out is plan's"]);
    });
}

#[test]
fn what_others_have_inside_is_left_alone_and_told() {
    sandbox::run(|| {
        let path =
            file("lab", &format!("{LAB}  - endpoints: [{{namespace: web, interface: eth0, addresses: []}}, br0]\n"));
        let clean = Dump::settled();
        apply(&path);
        sh("ip -n web link add mine type veth peer name yours
            ip -n web address add 10.1.0.7/24 dev eth0
            ip -n web route add 10.9.0.0/16 via 10.1.0.1 proto bird
            ip -n web nexthop add id 5 via 10.1.0.1 dev eth0; ip -n web route add 10.8.0.0/16 nhid 5");
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
        let words = [
            "web: device mine is not of this topology",
            "web: address 10.1.0.7/24 on eth0 is not of this topology",
            "web: route to 10.9.0.0/16 (protocol bird) is not of this topology",
        ];
        expect(&["show", "lab"], 0, &words);
        expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete!"]);
        clean.assert_restored("destroy");
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
