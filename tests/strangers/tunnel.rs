//! A device as a VPN makes it, with addresses, routes and rules: on the host, and moved into a namespace of the lab's.

use crate::{
    company::{EVERYTHING, comes_and_goes, everything, holds},
    dump::Dump,
    run::{apply, expect, file},
    sandbox,
    shell::sh,
};

/// A tunnel that takes everything in two halves, and has a table of its own for what is not marked.
const ON_THE_HOST: &str = "
    ip tuntap add dev tun0 mode tun
    ip link set tun0 mtu 1420 up
    ip address add 10.64.0.2/24 dev tun0; ip address add fd64::2/64 dev tun0 nodad
    ip route add 0.0.0.0/1 via 10.64.0.1; ip route add 128.0.0.0/1 via 10.64.0.1
    ip route add 10.65.0.0/16 via 10.64.0.1 metric 50; ip -6 route add fd65::/48 dev tun0
    ip route add default dev tun0 table 5182
    ip rule add not fwmark 5182 table 5182 pref 200; ip rule add table main suppress_prefixlength 0 pref 100
    sysctl -qw net.ipv4.conf.tun0.rp_filter=2 net.ipv4.conf.tun0.forwarding=0
";

#[test]
fn on_the_host_it_stays_as_it_is() {
    sandbox::run(|| {
        let path = everything();
        sh(ON_THE_HOST);
        comes_and_goes(&path, || {});
    });
}

#[test]
fn it_comes_to_the_host_while_the_lab_is_up() {
    sandbox::run(|| {
        let path = everything();
        // One that forwards on a host that does not: the kernel overwrites that with the host's, both ways.
        sh(&ON_THE_HOST.replace("forwarding=0", "forwarding=1"));
        let comes = "ip tuntap add dev tun1 mode tun; ip link set tun1 up; ip address add 10.74.0.2/24 dev tun1
            ip route add 10.75.0.0/16 via 10.74.0.1; sysctl -qw net.ipv4.conf.tun1.rp_filter=2";
        sh(comes);
        let alone = Dump::settled();
        sh("ip link delete tun1");
        apply(&path);
        sh(comes);
        holds(&path);
        expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete!"]);
        alone.assert_restored("destroy");
    });
}

#[test]
fn inside_a_namespace_it_keeps_its_routes() {
    sandbox::run(|| {
        let path = everything();
        let clean = Dump::settled();
        apply(&path);
        sh("ip tuntap add dev tun0 mode tun
            ip link set tun0 netns web
            ip -n web link set tun0 mtu 1420 up
            ip -n web address add 10.64.0.2/24 dev tun0
            ip -n web route add 0.0.0.0/1 via 10.64.0.1; ip -n web route add 128.0.0.0/1 via 10.64.0.1 proto static
            ip -n web route add default via 10.64.0.1 metric 50; ip -n web -6 route add fd65::/48 dev tun0
            ip -n web rule add to 10.66.0.0/16 table 66; ip -n web route add default dev tun0 table 66");
        let theirs =
            || sh("ip -n web route show table all dev tun0; ip -n web rule; ip -n web -d address show dev tun0");
        let before = theirs();
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
        let words =
            ["web: device tun0 is not of this topology", "web: route to 0.0.0.0/1 by tun0 is not of this topology"];
        expect(&["show", "lab"], 0, &words);
        // By a device of ours it is what somebody typed: that one goes.
        sh("ip -n web route add 10.66.0.0/16 via 10.1.0.3");
        expect(
            &["plan", &path],
            0,
            &["# route.web:10.66.0.0/16 will be destroyed", "0 to add, 0 to change, 1 to destroy"],
        );
        let edited = file("edited", &EVERYTHING.replace("10.7.0.0", "10.8.0.0").replace("[web, db]", "[db]"));
        apply(&edited);
        assert_eq!(theirs(), before, "an edit has changed what is somebody else's");
        // What the file has itself is not theirs to replace, and not ours to take away.
        sh("ip -n web route replace default via 10.64.0.1");
        expect(
            &["plan", &edited],
            1,
            &["the namespace `web` has a route to 0.0.0.0/0 by `tun0` already; that device is not"],
        );
        sh("ip -n web route delete default via 10.64.0.1 metric 0");
        apply(&edited);
        let gone = "# disruption: tun0, which somebody else made, is deleted with it";
        expect(&["destroy", "lab", "-auto-approve"], 0, &[gone, "Destroy complete!"]);
        clean.assert_restored("destroy");
    });
}
