//! What somebody else has or does where a lab stands, thing by thing: left alone, and named where it is in the way.

use crate::{
    dump::Dump,
    run::{apply, expect, file},
    sandbox,
    shell::sh,
    two_bridges::LAB,
};

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
fn another_name_of_a_namespace_is_no_other_namespace() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', 'db:eth0']\n"));
        let clean = Dump::settled();
        apply(&path);
        for alias in ["aaa", "web2", "a-web"] {
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
