//! The dump that other tests trust: it sees what differs, and only that.

#[path = "common/dump.rs"]
mod dump;
#[path = "common/sandbox.rs"]
mod sandbox;

use std::process::Command;

use dump::Dump;

fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().expect("sh");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

const NETWORK: &str = "
    ip link set lo up
    ip netns add red
    ip -n red link set lo up
    ip link add br0 address 02:00:00:00:00:01 up type bridge
    ip link add port0 address 02:00:00:00:00:02 type veth peer name eth0 address 02:00:00:00:00:03 netns red
    ip link set port0 master br0 up
    ip -n red link set eth0 up
    ip -n red address add 10.0.0.1/24 dev eth0
    ip -n red address add fd00::1/64 dev eth0 nodad
    ip -n red route add default via 10.0.0.2
    iptables -A FORWARD -s 10.0.0.0/24 -j ACCEPT
    iptables -A FORWARD -s 10.0.1.0/24 -j ACCEPT
";

#[test]
fn every_difference_shows() {
    sandbox::run(|| {
        sh(NETWORK);
        let before = Dump::settled();
        for (there, back) in [
            ("ip netns add blue", "ip netns delete blue"),
            ("ip link add br1 type bridge", "ip link delete br1"),
            ("ip link set port0 mtu 1400", "ip link set port0 mtu 1500"),
            ("ip link set port0 alias x", "ip link set port0 alias ''"),
            ("ip link set port0 nomaster", "ip link set port0 master br0"),
            ("ip link set br0 address 02:00:00:00:00:09", "ip link set br0 address 02:00:00:00:00:01"),
            ("ip link set br0 type bridge stp_state 1", "ip link set br0 type bridge stp_state 0"),
            ("ip link set br0 type bridge ageing_time 100", "ip link set br0 type bridge ageing_time 30000"),
            ("bridge link set dev port0 hairpin on", "bridge link set dev port0 hairpin off"),
            ("ip address add 192.0.2.1/24 dev br0", "ip address delete 192.0.2.1/24 dev br0"),
            ("ip -n red address add fd00::2/64 dev eth0 nodad", "ip -n red address delete fd00::2/64 dev eth0"),
            ("ip -n red route add 192.0.2.0/24 dev eth0", "ip -n red route delete 192.0.2.0/24"),
            ("ip -n red route add default via 10.0.0.3 table 9", "ip -n red route delete default table 9"),
            ("ip -n red route replace default via 10.0.0.3", "ip -n red route replace default via 10.0.0.2"),
            ("ip rule add to 192.0.2.0/24 table 9", "ip rule delete to 192.0.2.0/24 table 9"),
            (
                "sysctl -qw net.ipv4.ip_forward=1",
                "sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.accept_redirects=1",
            ),
            (
                "ip netns exec red sysctl -qw net.ipv6.conf.eth0.accept_ra=2",
                "ip netns exec red sysctl -qw net.ipv6.conf.eth0.accept_ra=1",
            ),
            ("iptables -P FORWARD DROP", "iptables -P FORWARD ACCEPT"),
            ("iptables -N mine", "iptables -X mine"),
            ("ip6tables -t mangle -A OUTPUT -j ACCEPT", "ip6tables -t mangle -F"),
            (
                "iptables -D FORWARD 1 && iptables -A FORWARD -s 10.0.0.0/24 -j ACCEPT",
                "iptables -D FORWARD 1 && iptables -A FORWARD -s 10.0.1.0/24 -j ACCEPT",
            ),
            ("iptables-legacy -t nat -A POSTROUTING -j MASQUERADE", "iptables-legacy -t nat -F"),
            ("ip6tables-legacy -P FORWARD DROP", "ip6tables-legacy -P FORWARD ACCEPT"),
            ("nft add table inet mine && nft add chain inet mine forward", "nft delete table inet mine"),
        ] {
            sh(there);
            let diff = before.diff(&Dump::take());
            assert!(!diff.is_empty(), "{there} does not show");
            assert!(diff.lines().count() < 60, "{there} shows as more than it is:\n{diff}");
            sh(back);
            before.assert_restored(back);
        }
    });
}

#[test]
fn traffic_and_a_look_do_not_show() {
    sandbox::run(|| {
        sh(NETWORK);
        sh("ip address add 10.0.0.2/24 dev br0");
        let before = Dump::settled();
        sh("busybox ping -c 2 -w 5 10.0.0.1");
        sh("iptables-legacy -S; ip6tables -S; iptables -t nat -S; ip6tables -t raw -N x; ip6tables -t raw -X x");
        assert_eq!(before.diff(&Dump::take()), "");
    });
}

#[test]
fn what_is_not_restored_is_named() {
    sandbox::run(|| {
        let before = Dump::settled();
        sh("ip link add br1 type bridge");
        let panic = std::panic::catch_unwind(|| before.assert_restored("a change")).unwrap_err();
        let text = panic.downcast_ref::<String>().expect("a message");
        assert!(text.contains("after a change the kernel is not as it was before:\n+host link br1\n"), "{text}");
    });
}
