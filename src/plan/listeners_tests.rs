use super::*;
use crate::{
    model::{
        iptables::parse_save,
        snapshot::{Family, Variant},
        socket::Process,
    },
    plan::testing::{observed, texts, topology},
};

const LAB: &str = "
name: lab
namespaces: {web: {}, edge: {}}
bridges: {br0: {addresses: [10.1.0.1/24, 'fd00:1::1/64']}}
links:
  - endpoints: ['web:eth0 10.1.0.2/24 fd00:1::2/64', br0]
  - endpoints: ['web:eth1 10.2.0.2/24', 'edge:eth1 10.2.0.1/24']
gateways: [{bridge: br0}]
port_forwards:
";

fn listener(text: &str) -> Listener {
    let (protocol, address) = text.split_once(' ').unwrap();
    let address: std::net::SocketAddr = address.parse().unwrap();
    Listener {
        protocol: if protocol == "tcp" { Protocol::Tcp } else { Protocol::Udp },
        address: address.ip(),
        port: address.port(),
        v6only: false,
        user: "root".into(),
        processes: vec![Process { pid: 812, name: "nginx".into() }],
    }
}

fn with(forward: &str, listeners: Vec<Listener>) -> Vec<String> {
    let topology = topology(&format!("{LAB}  - {forward}\n"));
    let mut snapshot = Snapshot::default();
    for netns in topology.firewalls.keys() {
        snapshot.namespaces.entry(netns.clone()).or_default().listeners.clone_from(&listeners);
    }
    let observed = observed(&topology, &snapshot);
    texts(&find(&topology, &snapshot, &observed))
}

#[test]
fn whoever_listens_is_named() {
    let forward = "{listen: 8088, to: 'web:80'}";
    let process = |pid, name: &str| Process { pid, name: name.into() };
    let workers = (1..=5).map(|pid| process(pid, "worker")).collect();
    let found = [
        with(forward, vec![listener("tcp 0.0.0.0:8088")]),
        with(forward, vec![Listener { processes: workers, ..listener("tcp 127.0.0.1:8088") }]),
        with(forward, vec![Listener { processes: Vec::new(), ..listener("tcp [fd00:9::1]:8088") }]),
        with("{listen: 40000, to: 'web:53', protocol: udp}", vec![listener("udp 0.0.0.0:40000")]),
        with("{namespace: edge, listen: 8000-8010, to: '10.2.0.2:8000-8010'}", vec![listener("tcp [::]:8010")]),
    ];
    let found = found.concat().join("\n\n");
    insta::assert_snapshot!(found);
}

#[test]
fn what_a_forward_does_not_take_is_no_conflict() {
    let count =
        |forward: &str, listeners: &[&str]| with(forward, listeners.iter().map(|it| listener(it)).collect()).len();
    let v4 = "{listen: '0.0.0.0:8088', to: 'web:80'}";
    assert_eq!(count(v4, &["tcp 0.0.0.0:8089", "udp 0.0.0.0:8088", "tcp [fd00:9::1]:8088"]), 0);
    assert_eq!(count(v4, &["tcp [::]:8088"]), 1, "an IPv6 socket serves IPv4 too");
    let v6only = Listener { v6only: true, ..listener("tcp [::]:8088") };
    assert_eq!(with(v4, vec![v6only]).len(), 0);
    let one = "{listen: '10.1.0.1:8088', to: 'web:80'}";
    assert_eq!(count(one, &["tcp 127.0.0.1:8088", "tcp 10.9.0.1:8088"]), 0);
    assert_eq!(count(one, &["tcp 10.1.0.1:8088"]), 1);
    assert_eq!(count("{listen: '[::]:8088', to: 'web:80'}", &["tcp [::1]:8088"]), 0, "a forward leaves it alone");
}

#[test]
fn sockets_of_one_server_are_one_finding() {
    let socket =
        |pid| Listener { processes: vec![Process { pid, name: "nginx".into() }], ..listener("tcp 0.0.0.0:8088") };
    let found = with("{listen: '0.0.0.0:8088', to: 'web:80'}", vec![socket(1), socket(2)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`nginx` (pid 1), `nginx` (pid 2) of the user root listens"), "{found:?}");
}

#[test]
fn the_proxy_of_an_engine_is_told_by_the_engines_rules() {
    let proxy =
        Listener { processes: vec![Process { pid: 1, name: "docker-proxy".into() }], ..listener("tcp 0.0.0.0:8088") };
    let topology = topology(&format!("{LAB}  - {{listen: '0.0.0.0:8088', to: 'web:80'}}\n"));
    let found = |port: u16, listener: &Listener| {
        let rule = format!("! -i docker0 -p tcp -m tcp --dport {port} -j DNAT --to-destination 172.17.0.2:80");
        let live = parse_save(Family::V4, &format!("*nat\n:DOCKER - [0:0]\n-A DOCKER {rule}\nCOMMIT\n")).unwrap();
        let mut snapshot = Snapshot::default();
        let host = snapshot.namespaces.entry(Netns::Host).or_default();
        host.firewall.live = live.into_iter().map(|table| (Variant::Nft, table)).collect();
        host.listeners.push(listener.clone());
        let observed = observed(&topology, &snapshot);
        find(&topology, &snapshot, &observed).len()
    };
    assert_eq!(found(8088, &proxy), 0);
    assert_eq!(found(8089, &proxy), 1);
    assert_eq!(found(8088, &listener("tcp 0.0.0.0:8088")), 1);
}
