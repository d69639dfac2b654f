//! Each kind of thing that netwright makes, and a stranger of that kind: in its place before it comes, in its place while
//! it should be there, and next to it all the time.

use std::fs;

use crate::{
    company::{EVERYTHING, comes_and_goes, everything, holds, is_refused},
    dump::Dump,
    run::{apply, expect, file},
    sandbox,
    shell::sh,
};

/// A stranger in the place of something of the lab's: what makes it, what takes it away again, and what is said.
struct Stranger {
    kind: &'static str,
    comes: &'static str,
    goes: &'static str,
    words: &'static str,
}

const STRANGERS: [Stranger; 9] = [
    Stranger {
        kind: "namespace",
        comes: "ip netns add web; ip -n web link set lo up; ip netns exec web sysctl -qw net.ipv4.conf.all.rp_filter=1",
        goes: "ip netns delete web",
        words: "the namespace `web` is there already; no topology holds it",
    },
    Stranger {
        kind: "bridge",
        comes:
            "ip link add br0 address 02:00:00:00:09:01 type bridge ageing_time 100; ip address add 10.5.0.1/24 dev br0
            ip link set br0 up",
        goes: "ip link delete br0",
        words: "the interface name `br0` in `host` is taken; no topology holds it",
    },
    Stranger {
        kind: "tunnel where the bridge should be",
        comes: "ip tuntap add dev br0 mode tun; ip link set br0 up",
        goes: "ip link delete br0",
        words: "the interface name `br0` in `host` is taken; no topology holds it",
    },
    Stranger {
        kind: "veth end on the host",
        comes: "ip link add db0 address 02:00:00:00:09:02 type veth peer name db1 address 02:00:00:00:09:03
            ip link set db0 up; ip link set db1 up; ip address add 10.3.0.1/24 dev db0",
        goes: "ip link delete db0",
        words: "the interface name `db0` in `host` is taken; no topology holds it",
    },
    Stranger {
        kind: "bridge port by its made-up name",
        comes: "ip tuntap add dev web-eth0 mode tap; ip link set web-eth0 address 02:00:00:00:09:04",
        goes: "ip link delete web-eth0",
        words: "the interface name `web-eth0` in `host` is taken; no topology holds it",
    },
    Stranger {
        kind: "another name of a device",
        comes: "ip link property add dev wire0 altname db0",
        goes: "ip link property del dev wire0 altname db0",
        words: "the interface name `db0` in `host` is taken; it is another name of `wire0`",
    },
    Stranger {
        kind: "route",
        comes: "ip route add 10.9.0.0/16 via 192.0.2.9 proto static",
        goes: "ip route delete 10.9.0.0/16 via 192.0.2.9",
        words: "the host has a route to 10.9.0.0/16 by `nic0` already; no topology holds it",
    },
    Stranger {
        kind: "route that throws away",
        comes: "ip route add blackhole 10.9.0.0/16",
        goes: "ip route delete blackhole 10.9.0.0/16",
        words: "the host has a route to 10.9.0.0/16 already; no topology holds it",
    },
    Stranger {
        kind: "port forward",
        comes: "iptables -t nat -A PREROUTING -p tcp -m tcp --dport 8088 -j DNAT --to-destination 192.0.2.9:80",
        goes: "iptables -t nat -F PREROUTING",
        words: "the port of port_forward.host:tcp:8088 is published by the chain PREROUTING already",
    },
];

#[test]
fn one_that_was_there_first_is_named_and_stays() {
    sandbox::run(|| {
        let path = everything();
        let clean = Dump::settled();
        for Stranger { kind, comes, goes, words } in &STRANGERS {
            println!("a {kind}");
            sh(comes);
            is_refused(&path, &[words]);
            let before = Dump::settled();
            expect(&["destroy", "lab", "-auto-approve"], 0, &["No changes."]);
            assert_eq!(before.diff(&Dump::take()), "", "a destroy of nothing changed the kernel");
            sh(goes);
        }
        clean.assert_restored("what was refused");
        // The NIC is another one's by its name alone, and is given back to whoever had it.
        sh("ip link add theirs type bridge; ip link set nic0 master theirs");
        let before = Dump::settled();
        apply(&path);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        before.assert_restored("destroy");
    });
}

/// What takes things of the lab's away, by the kind of the stranger that comes in their place.
const VACATES: [(&str, &str); 5] = [
    ("route", "ip route delete 10.9.0.0/16"),
    ("namespace", "ip netns delete web"),
    ("bridge", "ip link delete br0"),
    ("veth end on the host", "ip link delete db0"),
    ("bridge port by its made-up name", "true"),
];

#[test]
fn ones_that_come_in_its_place_are_named_and_stay() {
    sandbox::run(|| {
        let path = everything();
        let of_kind = |kind: &str| STRANGERS.iter().find(|it| it.kind == kind).expect("a stranger of the kind");
        let strangers: Vec<&Stranger> = VACATES.iter().map(|(kind, _)| of_kind(kind)).collect();
        strangers.iter().for_each(|it| drop(sh(it.comes)));
        sh("ip link add theirs type bridge; ip link set nic0 master theirs");
        let alone = Dump::settled();
        strangers.iter().for_each(|it| drop(sh(it.goes)));
        sh("ip link set nic0 nomaster");

        apply(&path);
        VACATES.iter().for_each(|(_, vacates)| drop(sh(vacates)));
        strangers.iter().for_each(|it| drop(sh(it.comes)));
        // A NIC that was taken out and given to somebody else is not pulled out there.
        sh("ip link set nic0 master theirs");
        Dump::settled();
        let words: Vec<&str> = strangers.iter().map(|it| it.words).collect();
        is_refused(&path, &words);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        alone.assert_restored("destroy");
        assert_eq!(sh("ls -A /run/netwright/.host | grep -v lock || true"), "", "a record is left");
    });
}

#[test]
fn ones_next_to_it_stay_as_they_are() {
    sandbox::run(|| {
        let path = everything();
        sh("
            ip netns add web2; ip -n web2 link set lo up; ip netns exec web2 sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=1
            ip link add br00 address 02:00:00:00:09:01 type bridge priority 9 ageing_time 200
            ip link add p0 address 02:00:00:00:09:02 type veth peer name eth0 address 02:00:00:00:09:03 netns web2
            ip link set p0 master br00 up; ip link set br00 up; ip -n web2 link set eth0 up
            bridge link set dev p0 hairpin on
            ip address add 10.41.0.1/24 dev br00; ip -n web2 address add 10.41.0.2/24 dev eth0
            ip -n web2 route add default via 10.41.0.1
            ip link set p0 alias netwright; ip link set br00 alias 'netwright:other/bridge.br00'
            ip address add 192.0.2.5/24 dev nic0; ip address add fd99::1/64 dev nic0 nodad
            ip route add 10.9.0.0/16 via 192.0.2.9 metric 50; ip route add 10.9.0.0/16 via 192.0.2.9 table 7
            ip route add 10.90.0.0/16 via 192.0.2.9 proto 76 metric 7
            ip route add default via 192.0.2.9; ip -6 route add default via fd99::9
            ip rule add to 10.90.0.0/16 table 7 pref 300
            iptables -P FORWARD DROP; iptables -A FORWARD -i br00 -j ACCEPT; iptables -A FORWARD -o br00 -j ACCEPT
            iptables -t nat -A POSTROUTING -s 10.1.0.0/24 ! -o br0 -j MASQUERADE
            iptables -t nat -A PREROUTING -p tcp -m tcp --dport 8087 -j DNAT --to-destination 10.41.0.2:80
            iptables -N NW-FWD-lab2; iptables -A NW-FWD-lab2 -s 192.0.2.7 -j DROP
            iptables -A FORWARD -m comment --comment netwright:lab2 -j NW-FWD-lab2
            iptables -t mangle -A FORWARD -j MARK --set-mark 1; ip6tables -t raw -A PREROUTING -p udp -j NOTRACK
            nft 'add table ip lab { chain forward { type filter hook forward priority 5; policy accept; ip saddr 192.0.2.8 drop; }; }'
            sysctl -qw net.ipv4.conf.nic0.rp_filter=2 net.ipv4.conf.nic0.accept_redirects=0 net.ipv4.conf.all.log_martians=1
            sysctl -qw net.ipv4.conf.wire0.forwarding=1
        ");
        comes_and_goes(&path, || {
            sh("busybox ping -c 1 -W 5 10.41.0.2; ip netns exec web2 busybox ping -c 1 -W 5 192.0.2.1");
        });
    });
}

#[test]
fn each_devices_own_forwarding_comes_back() {
    sandbox::run(|| {
        let path = everything();
        // On a host that does not forward there is one that does, and one that new devices would not follow.
        sh(
            "sysctl -qw net.ipv4.conf.wire0.forwarding=1 net.ipv6.conf.wire0.forwarding=1 net.ipv4.conf.default.forwarding=1",
        );
        let before = Dump::settled();
        apply(&path);
        // What somebody sets meanwhile is his.
        sh("sysctl -qw net.ipv4.conf.wire0.rp_filter=2 net.core.somaxconn=1000");
        holds(&path);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        assert_eq!(sh("sysctl -n net.ipv4.conf.wire0.rp_filter net.core.somaxconn"), "2\n1000\n");
        sh("sysctl -qw net.ipv4.conf.wire0.rp_filter=0");
        before.assert_restored("destroy");
    });
}

#[test]
fn a_file_where_a_namespace_should_be_stays() {
    sandbox::run(|| {
        let path = everything();
        sh("mkdir -p /run/netns; ip netns add other");
        let before = Dump::settled();
        let files = "ls -l --time-style=+ /run/netns; cat /run/netns/web 2>/dev/null || true";
        for (comes, goes, words) in [
            ("echo mine > /run/netns/web", "rm /run/netns/web", "the namespace name `web` is taken by a stale file"),
            ("mkdir /run/netns/web", "rmdir /run/netns/web", "the namespace name `web` is taken by a stale file"),
            ("mkfifo /run/netns/web", "rm /run/netns/web", "the namespace name `web` is taken by a stale file"),
            ("ln -s nowhere /run/netns/web", "rm /run/netns/web", "the namespace name `web` is taken by a stale file"),
            ("ln -s other /run/netns/web", "rm /run/netns/web", "it is another name of the namespace `other`"),
            ("ln -s /proc/self/ns/net /run/netns/web", "rm /run/netns/web", "it is another name of the host"),
        ] {
            sh(comes);
            // A pipe would not be read to its end.
            let files = if comes.starts_with("mkfifo") { "ls -l --time-style=+ /run/netns" } else { files };
            let there = sh(files);
            for verb in ["plan", "apply"] {
                expect(&[verb, &path], 1, &[words]);
            }
            expect(&["destroy", "lab", "-auto-approve"], 0, &["No changes."]);
            assert_eq!(sh(files), there);
            sh(goes);
        }
        assert_eq!(before.diff(&Dump::take()), "");
        // Beside namespaces of the lab's it stays too.
        fs::write("/run/netns/webx", "mine").expect("a tmpfs");
        apply(&path);
        apply(&file("edited", &EVERYTHING.replace("8088", "8099")));
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        assert_eq!(fs::read_to_string("/run/netns/webx").expect("the file"), "mine");
        sh("rm /run/netns/webx");
        before.assert_restored("destroy");
    });
}
