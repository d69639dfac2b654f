//! The fast dump that tests of faults go by: it sees what differs, and only that.

#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;
#[path = "common/state.rs"]
mod state;

use std::time::Instant;

use shell::sh;
use state::State;

const NETWORK: &str = "
    ip link set lo up
    ip netns add red; ip netns add green
    ip -n red link set lo up
    ip link add br0 address 02:00:00:00:00:01 up type bridge
    ip link add port0 address 02:00:00:00:00:02 type veth peer name eth0 address 02:00:00:00:00:03 netns red
    ip link add twin0 address 02:00:00:00:00:04 type veth peer name twin1 address 02:00:00:00:00:05
    ip link set port0 master br0 up
    ip link set twin0 up; ip link set twin1 up
    ip -n red link set eth0 up
    ip -n red address add 10.0.0.1/24 dev eth0
    ip -n red address add fd00::1/64 dev eth0 nodad
    ip -n red route add default via 10.0.0.2
    iptables -A FORWARD -s 10.0.0.0/24 -j ACCEPT
    iptables -A FORWARD -s 10.0.1.0/24 -j ACCEPT
    mkdir -p /run/netwright/lab; echo '{}' > /run/netwright/lab/memo.json
";

/// A change, what takes it back, and a part of a line of the difference that it must show as.
const CASES: &[(&str, &str, &str)] = &[
    ("ip netns add blue", "ip netns delete blue", "+blue namespace"),
    (
        "touch /run/netns/pink; mount --bind /run/netns/red /run/netns/pink",
        "umount /run/netns/pink; rm /run/netns/pink",
        "+pink namespace",
    ),
    ("touch /run/netns/pink", "rm /run/netns/pink", "+/run name pink is a file"),
    ("mount -t tmpfs tmpfs /run/netwright/lab", "umount /run/netwright/lab", "+/run mount /run/netwright/lab: tmpfs"),
    ("echo '{ }' > /run/netwright/lab/memo.json", "echo '{}' > /run/netwright/lab/memo.json", "memo.json"),
    ("mkdir /run/netwright/x; touch /run/netwright/x/y", "rm -r /run/netwright/x", "+/run file /run/netwright/x/y"),
    ("chmod 600 /run/netwright/lab/memo.json", "chmod 644 /run/netwright/lab/memo.json", "mode 600"),
    ("ip link add br1 type bridge", "ip link delete br1", "+host link br1\n"),
    ("ip link set port0 mtu 1400", "ip link set port0 mtu 1500", "+host link port0 mtu = 1400"),
    ("ip link set port0 alias x", "ip link set port0 alias ''", "+host link port0 alias = x"),
    ("ip link set port0 group 9", "ip link set port0 group 0", "+host link port0 group = 9"),
    ("ip link property add dev port0 altname p", "ip link property del dev port0 altname p", "altname = p"),
    ("ip link set port0 txqueuelen 7", "ip link set port0 txqueuelen 1000", "txqueuelen = 7"),
    ("ip link set port0 nomaster", "ip link set port0 master br0", "-host link port0 master = br0"),
    ("ip link set port0 promisc on", "ip link set port0 promisc off", "+host link port0 promiscuity = 2"),
    ("ip link set twin0 down", "ip link set twin0 up", "+host link twin1 operstate"),
    ("ip link set br0 address 02:00:00:00:00:09", "ip link set br0 address 02:00:00:00:00:01", "02:00:00:00:00:09"),
    (
        "ip -n red link set eth0 name eth1",
        "ip -n red link set eth1 name eth0; ip -n red route replace default via 10.0.0.2",
        "+host link port0 peer = red eth1",
    ),
    ("ip link set br0 type bridge stp_state 1", "ip link set br0 type bridge stp_state 0", "stp_state = 1"),
    (
        "ip link set br0 type bridge ageing_time 100",
        "ip link set br0 type bridge ageing_time 30000",
        "ageing_time = 100",
    ),
    (
        "ip link set br0 type bridge mcast_snooping 0",
        "ip link set br0 type bridge mcast_snooping 1",
        "mcast_snooping = 0",
    ),
    ("bridge link set dev port0 hairpin on", "bridge link set dev port0 hairpin off", "hairpin = 1"),
    (
        "bridge link set dev port0 learning off",
        "bridge link set dev port0 learning on",
        "host link port0 port attribute 8",
    ),
    (
        "bridge mdb add dev br0 port port0 grp 239.1.1.1 permanent",
        "bridge mdb delete dev br0 port port0 grp 239.1.1.1 permanent",
        "+host link br0 multicast port0",
    ),
    (
        "bridge fdb add 02:00:00:00:00:77 dev port0 master static",
        "bridge fdb delete 02:00:00:00:00:77 dev port0 master",
        "+host link port0 fdb",
    ),
    (
        "ip address add 192.0.2.1/24 dev br0",
        "ip address delete 192.0.2.1/24 dev br0",
        "+host link br0 address 192.0.2.1/24",
    ),
    (
        "ip -n red address add fd00::2/64 dev eth0 nodad",
        "ip -n red address delete fd00::2/64 dev eth0",
        "+red link eth0 address fd00::2/64",
    ),
    ("ip -n red route add 192.0.2.0/24 dev eth0", "ip -n red route delete 192.0.2.0/24", "+red route 192.0.2.0/24"),
    ("ip -n red route add default via 10.0.0.3 table 9", "ip -n red route delete default table 9", "table 9"),
    ("ip -n red route replace default via 10.0.0.3", "ip -n red route replace default via 10.0.0.2", "via 10.0.0.3"),
    (
        "ip -n red route add 192.0.2.0/24 nexthop via 10.0.0.3 nexthop via 10.0.0.4 weight 3",
        "ip -n red route delete 192.0.2.0/24",
        "nexthop [via 10.0.0.4, dev eth0, weight 3",
    ),
    ("ip -n red route add local 192.0.2.5 dev lo", "ip -n red route delete local 192.0.2.5 dev lo", "table 255"),
    ("ip -n red -6 route add fd01::/64 via fd00::9", "ip -n red -6 route delete fd01::/64", "+red route fd01::/64"),
    ("ip rule add to 192.0.2.0/24 table 9", "ip rule delete to 192.0.2.0/24 table 9", "+host rule"),
    ("ip -n red nexthop add id 7 via 10.0.0.5 dev eth0", "ip -n red nexthop delete id 7", "+red nexthop"),
    (
        "ip -n red neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        "ip -n red neigh delete 10.0.0.9 dev eth0",
        "+red link eth0 neighbour to 10.0.0.9",
    ),
    (
        "ip -n red ntable change name arp_cache dev eth0 app_probes 2",
        "ip -n red ntable change name arp_cache dev eth0 app_probes 0",
        "red link eth0 arp_cache app_probes = 2",
    ),
    (
        "sysctl -qw net.ipv4.ip_forward=1",
        "sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.accept_redirects=1",
        "+host sysctl net/ipv4/ip_forward = 1",
    ),
    (
        "sysctl -qw net.ipv4.conf.default.rp_filter=1",
        "sysctl -qw net.ipv4.conf.default.rp_filter=0",
        "+host sysctl net/ipv4/conf/default/rp_filter = 1",
    ),
    (
        "ip netns exec red sysctl -qw net.ipv6.conf.eth0.accept_ra=2",
        "ip netns exec red sysctl -qw net.ipv6.conf.eth0.accept_ra=1",
        "+red link eth0 ipv6 conf accept_ra = 2",
    ),
    (
        "ip netns exec red sysctl -qw net.ipv4.conf.eth0.route_localnet=1",
        "ip netns exec red sysctl -qw net.ipv4.conf.eth0.route_localnet=0",
        "+red link eth0 ipv4 conf route_localnet = 1",
    ),
    ("iptables -P FORWARD DROP", "iptables -P FORWARD ACCEPT", "chain FORWARD definition"),
    ("iptables -N mine", "iptables -X mine", "chain mine definition"),
    ("ip6tables -t mangle -A OUTPUT -j ACCEPT", "ip6tables -t mangle -F", "chain OUTPUT rule"),
    (
        "iptables -D FORWARD 1 && iptables -A FORWARD -s 10.0.0.0/24 -j ACCEPT",
        "iptables -D FORWARD 1 && iptables -A FORWARD -s 10.0.1.0/24 -j ACCEPT",
        "chain FORWARD rule",
    ),
    (
        "ip netns exec green iptables -A INPUT -m comment --comment words -j DROP",
        "ip netns exec green iptables -F",
        "words",
    ),
    ("iptables-legacy -t nat -A POSTROUTING -j MASQUERADE", "iptables-legacy -t nat -F", "nat -A POSTROUTING"),
    ("ip6tables-legacy -P FORWARD DROP", "ip6tables-legacy -P FORWARD ACCEPT", "FORWARD policy DROP"),
    ("nft add table inet mine", "nft delete table inet mine", "+host nft 1 mine definition"),
    (
        "nft 'add table inet mine; add chain inet mine x; add rule inet mine x tcp dport 80 counter drop'",
        "nft delete table inet mine",
        "chain x rule",
    ),
    (
        "nft 'add table inet mine; add set inet mine s { type ipv4_addr; elements = { 10.0.0.1 } }'",
        "nft delete table inet mine",
        "set s element",
    ),
];

#[test]
fn every_change_shows_and_is_gone_when_undone() {
    sandbox::run(|| {
        sh(NETWORK);
        // The legacy tools make their tables when they are first asked, and leave them behind.
        sh("iptables-legacy -t nat -S; ip6tables-legacy -S; ip6tables -t mangle -S");
        let before = State::settled();
        for (there, back, shown) in CASES {
            sh(there);
            // It tells of carrier a moment later.
            let shows = || before.diff(&State::take()).contains(shown);
            let shows = (0..100).any(|_| {
                shows() || {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    false
                }
            });
            let diff = before.diff(&State::take());
            assert!(shows, "{there} does not show as {shown}:\n{diff}");
            assert!(diff.lines().count() < 60, "{there} shows as more than it is:\n{diff}");
            sh(back);
            before.assert_restored(back);
        }
        let begun = Instant::now();
        State::take();
        println!("{} kinds of change; a reading of three namespaces: {:?}", CASES.len(), begun.elapsed());
    });
}

#[test]
fn traffic_and_a_look_do_not_show() {
    sandbox::run(|| {
        sh(NETWORK);
        sh("ip address add 10.0.0.2/24 dev br0");
        let before = State::settled();
        sh("busybox ping -c 2 -w 5 10.0.0.1");
        sh("iptables-legacy -S; ip6tables -S; iptables -t nat -S; ip6tables -t raw -N x; ip6tables -t raw -X x");
        assert_eq!(before.diff(&State::take()), "");
    });
}

#[test]
fn what_the_kernel_makes_up_can_be_left_out() {
    sandbox::run(|| {
        let make = "ip netns add red; ip link add br0 up type bridge
            ip link add port0 type veth peer name eth0 netns red; ip link set port0 master br0 up
            ip -n red link set eth0 up; ip -n red link set lo up; ip -n red address add 10.0.0.1/24 dev eth0";
        let taken = || {
            sh(make);
            let settled = State::settled();
            (settled, State::take_without_made_up())
        };
        let (exact, alike) = taken();
        sh("ip link delete br0; ip netns delete red; while ip link show port0; do sleep 0.05; done 2>/dev/null");
        let (exact_again, alike_again) = taken();
        assert_ne!(exact.diff(&exact_again), "", "hardware addresses are kept");
        assert_eq!(alike.diff(&alike_again), "");
        sh("ip -n red link set eth0 address 02:00:00:00:00:03");
        State::settled();
        let given = alike.diff(&State::take_without_made_up());
        assert!(given.contains("red link eth0 address = 02:00:00:00:00:03"), "{given}");
    });
}
