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
