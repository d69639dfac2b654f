//! What stands in a lab's way on the host, found by the binary on the real kernel before anything is touched.

#[path = "common/dump.rs"]
mod dump;
#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use std::net::{TcpListener, UdpSocket};

use dump::Dump;
use netwright::kernel::netns;
use run::{apply, expect, file};
use shell::sh;

const PUBLISHED: &str = "
name: lab
namespaces: {web: {}, edge: {}}
bridges: {br0: {addresses: [10.1.0.1/24, 'fd00:1::1/64']}}
links:
  - endpoints: ['web:eth0 10.1.0.2/24 fd00:1::2/64', br0]
  - endpoints: ['web:eth1 10.2.0.2/24', 'edge:eth1 10.2.0.1/24']
gateways: [{bridge: br0}]
port_forwards:
  - {listen: 8088, to: 'web:80', protocol: [tcp, udp]}
  - {listen: 9000-9010, to: '10.2.0.2:9000-9010', namespace: edge}
";

#[test]
fn whoever_listens_on_a_published_port_is_named() {
    sandbox::run(|| {
        let path = file("lab", PUBLISHED);
        let clean = Dump::settled();
        let own = format!("(pid {}) of the user root listens on", std::process::id());
        let in_use = |address: &str, protocol: &str| {
            let words = format!("{own} {address} ({protocol}) of the host");
            expect(&["apply", &path, "-auto-approve"], 1, &[&words, "[conflict::port_in_use]"])
        };
        let mapped = TcpListener::bind("[::]:8088").expect("a socket");
        let said = in_use("[::]:8088", "tcp");
        assert_eq!(said.matches("port_in_use").count(), 1, "it serves both families, and is one socket:\n{said}");
        drop(mapped);
        let udp = UdpSocket::bind("0.0.0.0:8088").expect("a socket");
        assert!(!in_use("0.0.0.0:8088", "udp").contains("(tcp)"));
        drop(udp);
        clean.assert_restored("a plan with errors");
        // A client's connection is no listener.
        let server = TcpListener::bind("127.0.0.1:7000").expect("a socket");
        let client = std::net::TcpStream::connect("127.0.0.1:7000");
        drop((server, client));
        apply(&path);
        // Who comes later is cut off, and told.
        let late = TcpListener::bind("0.0.0.0:8088").expect("a socket");
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes.", "Warning: the port of", &own]);
        drop(late);
        let edge = netns::open_existing("edge").expect("a namespace");
        let inside = netns::in_netns(&edge, || Ok(TcpListener::bind("10.2.0.1:9005"))).expect("a thread");
        let inside = inside.expect("a socket");
        expect(&["plan", &path], 0, &["listens on 10.2.0.1:9005 (tcp) of the namespace `edge`"]);
        drop(inside);
        let quiet = expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
        assert!(!quiet.contains("Warning"), "{quiet}");
    });
}

#[test]
fn networks_of_docker_of_vpns_and_of_other_labs_are_told_apart() {
    sandbox::run(|| {
        let path = file("lab", PUBLISHED);
        let other = file("other", "name: other\nbridges: {lan: {addresses: [10.1.0.254/16]}}\n");
        apply(&other);
        sh("ip link add br-0123456789ab type bridge; ip addr add 10.1.0.129/25 dev br-0123456789ab
            ip link set br-0123456789ab up
            ip tuntap add tun0 mode tun; ip link set tun0 up; ip route add 0.0.0.0/1 dev tun0; ip route add fd00:1::/48 dev tun0");
        let words = [
            "overlaps 10.1.0.0/16, which the host reaches by `lan`, the bridge.lan of the topology `other`",
            "overlaps 10.1.0.128/25, which the host reaches by `br-0123456789ab`, a Docker network's bridge",
            "`docker network inspect 0123456789ab` shows which network it is",
            "overlaps fd00:1::/48, which the host reaches by `tun0`, a tunnel that a program such as a VPN holds",
        ];
        let said = expect(&["plan", &path], 0, &words);
        assert_eq!(said.matches("[conflict::overlap]").count(), 3, "all that goes by the VPN is no network:\n{said}");
    });
}

const PLAIN: &str = "
name: lab
namespaces: {web: {}, db: {forwarding: true}}
bridges: {br0: {addresses: [10.1.0.1/24]}, br1: {}}
links:
  - endpoints: ['web:eth0 10.1.0.2/24', br0]
  - endpoints: ['db:eth0', br1]
gateways: [{bridge: br0}]
";

#[test]
fn a_kernel_without_ipv6_does_a_lab_of_ipv4() {
    sandbox::run(|| {
        let path = file("lab", PLAIN);
        let both = file("both", &PLAIN.replace("10.1.0.2/24", "10.1.0.2/24 fd00:1::2/64"));
        sh("mount -t tmpfs tmpfs /proc/sys/net/ipv6");
        let clean = Dump::settled();
        expect(&["plan", &both], 1, &["this kernel has no IPv6, which link.web:eth0 and 1 more need [host::no_ipv6]"]);
        apply(&path);
        expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete!"]);
        clean.assert_restored("destroy");
    });
}

#[test]
fn what_a_container_forbids_is_told_before_anything_is_made() {
    sandbox::run(|| {
        let path = file("lab", PLAIN);
        let clean = Dump::settled();
        let refused = |words: &[&str]| {
            expect(&["apply", &path, "-auto-approve"], 1, words);
        };
        sh("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys");
        refused(&["/proc/sys is read-only here, and namespace.host and", "[host::read_only_sysctls]"]);
        sh("umount /proc/sys; mkdir -p /run/netns; mount -t tmpfs -o ro tmpfs /run/netns");
        refused(&["and /run/netns is closed: it is on a file system that is read-only [host::no_netns_folder]"]);
        // The sandbox itself is one, and a trial another.
        sh("umount /run/netns; echo 2 >/proc/sys/user/max_net_namespaces");
        let three = file("three", "name: lab\nnamespaces: {a: {}, b: {}, c: {}}\n");
        let words = "3 namespaces are to be made where 0 are, and this machine allows 2 in all [host::namespace_limit]";
        expect(&["plan", &three], 1, &[words]);
        sh("echo 100 >/proc/sys/user/max_net_namespaces");
        clean.assert_restored("plans with errors");
        apply(&path);
        sh("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys");
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
    });
}

#[test]
fn sysctls_are_tried_before_their_namespaces_are_made() {
    sandbox::run(|| {
        let lab = |sysctls: &str| {
            let bridges = "bridges: {eth7: {namespace: web}}";
            file("lab", &format!("name: lab\nnamespaces: {{web: {{sysctls: {{{sysctls}}}}}}}\n{bridges}\n"))
        };
        let clean = Dump::settled();
        let wrong = lab("net.ipv4.tcp_ecm: 1, net.ipv4.conf.eth7.rp_filtre: 1, net.ipv4.ip_default_ttl: 999, \
                         net.ipv4.tcp_congestion_control: nosuch, net.ipv4.conf.eth7.rp_filter: loose");
        let words = [
            "this kernel has no sysctl `net.ipv4.tcp_ecm` in `web` [conflict::no_sysctl]",
            "this kernel has no sysctl `net.ipv4.conf.eth7.rp_filtre` in `web`",
            "does not take `999` for the sysctl `net.ipv4.ip_default_ttl` in `web`: invalid argument (EINVAL)",
            "does not take `nosuch` for the sysctl `net.ipv4.tcp_congestion_control`",
            "does not take `loose` for the sysctl `net.ipv4.conf.eth7.rp_filter`",
        ];
        expect(&["apply", &wrong, "-auto-approve"], 1, &words);
        let before = sh("cat /proc/sys/net/ipv4/ip_default_ttl");
        clean.assert_restored("a plan with errors");
        let right = lab(
            "net.ipv4.ip_default_ttl: 7, net.ipv6.conf.default.stable_secret: '2001:0db8:0000:0000:0000:0000:0000:0001'",
        );
        apply(&right);
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_default_ttl"), before, "a trial is not the host's");
        let worse = lab(
            "net.ipv4.ip_default_ttl: 0, net.ipv6.conf.default.stable_secret: '2001:0db8:0000:0000:0000:0000:0000:0001'",
        );
        expect(&["plan", &worse], 1, &["does not take `0` for the sysctl `net.ipv4.ip_default_ttl`"]);
    });
}

#[test]
fn tools_and_modules_that_are_missing_are_named_with_where_they_come_from() {
    sandbox::run(|| {
        let path = file("lab", PUBLISHED);
        let clean = Dump::settled();
        let refused = |words: &[&str]| {
            expect(&["apply", &path, "-auto-approve"], 1, words);
        };
        sh("mount -t tmpfs tmpfs /usr/sbin");
        refused(&[
            "the packet filter of host, edge cannot be used: gateways, nat and port forwards need iptables",
            "install the package `iptables` (Debian",
            "[host::firewall]",
        ]);
        sh("umount /usr/sbin; mkdir /run/sbin; cp -a /usr/sbin/*tables* /run/sbin; rm /run/sbin/ip6tables*
            mount --bind /run/sbin /usr/sbin");
        refused(&["the packet filter of host cannot be used: cannot load the IPv6 rules", "of old Alpine `ip6tables`"]);
        sh("umount /usr/sbin; cp -a /usr/sbin/ip6tables* /run/sbin; rm /run/sbin/iptables-nft-restore
            printf '#!/bin/sh\ncat >/dev/null\necho \"line 7: RULE_APPEND failed (No such file or directory)\" >&2\nexit 4\n' \
                >/run/sbin/iptables-nft-restore
            chmod +x /run/sbin/iptables-nft-restore; mount --bind /run/sbin /usr/sbin");
        refused(&["RULE_APPEND failed", "the kernel may lack a module of that rule: modprobe -a nft_compat xt_"]);
        sh("umount /usr/sbin");
        clean.assert_restored("plans with errors");
        apply(&path);
        sh("mount -t tmpfs tmpfs /usr/sbin");
        expect(&["plan", &path], 1, &["iptables-nft-save is in none of", "[host::firewall]"]);
    });
}

#[test]
fn root_without_a_network_namespace_of_its_own_is_told_so() {
    sandbox::run(|| {
        let path = file("lab", PLAIN);
        let said = sh(&format!(
            "unshare --user --map-root-user {} plan {path} 2>&1 || echo $?",
            env!("CARGO_BIN_EXE_netwright")
        ));
        let why = "this process is root of a user namespace that does not own its network namespace";
        assert!(said.contains(why) && said.contains("`netwright sandbox`") && said.ends_with("1\n"), "{said}");
    });
}
