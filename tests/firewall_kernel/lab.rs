//! A small machine: two gateway bridges with members, a bridge that is only switched for, a way out, and probes.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use netwright::{
    kernel::firewall::{load, read},
    kind::firewall::{
        Comparison, Composed, Forward, Input, Interface, NatKind, NatRule, Protocol, Role, Script, compare, compose,
        forward_rest, nat_rest, scripts,
    },
    model::{
        Address,
        address::KindName,
        snapshot::{Family, FirewallState},
    },
};

use crate::sandbox::{at, inside, sh};

/// Namespaces and links: `web` and `db` on br0, `app` on br1, `cli` on br2 behind the router `edge` (on br2 and br0),
/// and `out`, the rest of the world, which has no route back to any of them.
pub fn build() {
    // A router asks for neighbours from its link-local address, so it forwards no IPv6 while that is being tried out.
    sh(r#"
    quick=net.ipv6.conf.default.accept_dad=0
    sysctl -qw $quick
    add() { # namespace, bridge, interface, IPv4, IPv6, gateway 4, gateway 6
        if ! ip netns exec $1 true 2>/dev/null; then ip netns add $1; ip netns exec $1 sysctl -qw $quick; fi
        ip -n $1 link set lo up
        ip link add $1-$3 type veth peer name $3 netns $1
        ip link set $1-$3 master $2 up; ip link set $1-$3 type bridge_slave hairpin on
        ip -n $1 link set $3 up
        ip -n $1 addr add $4 dev $3
        ip -n $1 addr add $5 dev $3 nodad
        if [ -n "$6" ]; then ip -n $1 route add default via $6; ip -n $1 -6 route add default via $7; fi
    }
    for i in 0 1; do
        ip link add br$i type bridge
        ip addr add 192.168.$i.1/24 dev br$i
        ip addr add fd00:1$i::1/64 dev br$i nodad
        ip link set br$i up
    done
    ip link add br2 type bridge; ip link set br2 up
    add web br0 eth0 192.168.0.2/24 fd00:10::2/64 192.168.0.1 fd00:10::1
    add db br0 eth0 192.168.0.3/24 fd00:10::3/64 192.168.0.1 fd00:10::1
    add app br1 eth0 192.168.1.2/24 fd00:11::2/64 192.168.1.1 fd00:11::1
    add edge br2 lan0 192.168.2.1/24 fd00:12::1/64 "" ""
    add edge br0 wan0 192.168.0.9/24 fd00:10::9/64 192.168.0.1 fd00:10::1
    add cli br2 eth0 192.168.2.2/24 fd00:12::2/64 192.168.2.1 fd00:12::1
    ip route add 192.168.2.0/24 via 192.168.0.9
    ip -6 route add fd00:12::/64 via fd00:10::9
    ip netns add out; ip netns exec out sysctl -qw net.ipv4.ip_forward=0 $quick
    ip link add eth0 type veth peer name eth0 netns out
    ip addr add 203.0.113.5/24 dev eth0; ip addr add fd00:9::5/64 dev eth0 nodad; ip link set eth0 up
    ip route add default via 203.0.113.1
    ip -n out addr add 203.0.113.1/24 dev eth0; ip -n out addr add fd00:9::1/64 dev eth0 nodad
    ip -n out link set eth0 up; ip -n out link set lo up
    ip -n out route add 198.51.100.0/24 via 203.0.113.5
    for ns in "" edge; do
        ${ns:+ip netns exec $ns} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    done
    sysctl -qw net.ipv4.conf.br0.route_localnet=1 net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
    "#);
}

/// The rules of [`build`]'s machine.
pub fn input() -> Input {
    let segment = |name: &str, v4: &str, v6: &str| Interface {
        name: name.parse().unwrap(),
        subnets: vec![v4.parse().unwrap(), v6.parse().unwrap()],
        beyond: Vec::new(),
        switches: Vec::new(),
        role: Role::Segment {
            gateway: Some(Address::new(KindName::Gateway, name)),
            members: None,
            route_localnet: name == "br0",
        },
    };
    let mut forwards = Vec::new();
    for network in ["192.168.0.", "fd00:10::"] {
        forwards.push(forward(None, Protocol::Tcp, (8088, 8088), &format!("{network}2"), (80, 80)));
        forwards.push(forward(None, Protocol::Udp, (5353, 5353), &format!("{network}2"), (53, 53)));
        forwards.push(forward(None, Protocol::Tcp, (9000, 9010), &format!("{network}3"), (9000, 9010)));
        forwards.push(forward(None, Protocol::Tcp, (9100, 9110), &format!("{network}3"), (19000, 19010)));
    }
    forwards.push(forward(Some("192.168.0.1"), Protocol::Tcp, (8088, 8088), "192.168.0.3", (80, 80)));
    let nat = |kind: NatKind| {
        let address = Address::new(KindName::Nat, nat_rest("host", kind.as_str(), kind.matched()));
        NatRule { address, kind, out: None }
    };
    let masquerade = |range: &str| nat(NatKind::Masquerade(range.parse().unwrap()));
    Input {
        topology: "web-lab".parse().unwrap(),
        namespace: "host".into(),
        interfaces: vec![
            segment("br0", "192.168.0.1/24", "fd00:10::1/64"),
            segment("br1", "192.168.1.1/24", "fd00:11::1/64"),
            Interface {
                name: "br2".parse().unwrap(),
                subnets: Vec::new(),
                beyond: Vec::new(),
                switches: Family::ALL.to_vec(),
                role: Role::Bystander,
            },
        ],
        nat: vec![
            masquerade("192.168.0.0/24"),
            masquerade("192.168.2.0/24"),
            masquerade("fd00:10::/64"),
            masquerade("fd00:12::/64"),
            nat(NatKind::Dnat("198.51.100.7/32".parse().unwrap(), "192.168.0.3/32".parse().unwrap())),
            nat(NatKind::Dnat("198.51.100.16/28".parse().unwrap(), "192.168.0.0/28".parse().unwrap())),
        ],
        forwards,
    }
}

/// A forward in the host.
pub fn forward(listen: Option<&str>, protocol: Protocol, ports: (u16, u16), to: &str, to_ports: (u16, u16)) -> Forward {
    let listen = listen.map(|address| address.parse().unwrap());
    let address = Address::new(KindName::PortForward, forward_rest("host", protocol, ports, listen));
    Forward { address, listen, protocol, ports, to: to.parse().unwrap(), to_ports }
}

/// What was read for a wanted state.
pub fn observe(composed: &Composed) -> FirewallState {
    read(&composed.tables).unwrap()
}

/// The comparison of what was read.
pub fn judge(composed: &Composed, state: &FirewallState) -> Comparison {
    compare(composed, &state.wanted, &state.live, state.default_variant)
}

/// Makes the live tables as wanted, and gives the scripts that did it.
pub fn apply(composed: &Composed) -> Vec<Script> {
    let state = observe(composed);
    let all = scripts(&composed.topology, &state.wanted, &state.live, state.default_variant);
    for script in &all {
        load(script.variant, script.family, &[(script.table, &script.text)]).unwrap();
    }
    all
}

/// Composes and applies.
pub fn apply_input(input: &Input) -> Composed {
    let composed = compose(input);
    apply(&composed);
    composed
}

/// Listens on TCP in a namespace and answers each connection with the namespace's name and the peer's address.
pub fn serve(netns: &'static str, port: u16) {
    inside(netns, move || {
        let listener = TcpListener::bind(("::", port)).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let peer = stream.peer_addr().unwrap().ip().to_canonical();
                let _ = write!(stream, "{netns} {peer}");
            }
        });
    });
}

/// Listens on UDP in a namespace and answers each datagram with the namespace's name.
pub fn serve_udp(netns: &'static str, port: u16) {
    inside(netns, move || {
        let socket = UdpSocket::bind(("::", port)).unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(netns.as_bytes(), peer);
            }
        });
    });
}

/// Connects from a namespace and gives the answer: who answered, and whom it saw.
pub fn ask(netns: &str, to: &str) -> Option<String> {
    let to = at(to);
    inside(netns, move || {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(700)).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    })
}
