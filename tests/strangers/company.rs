//! A lab that has a thing of every kind, and what is asked of it in company.

use crate::{
    dump::Dump,
    run::{apply, expect, file},
    shell::sh,
};

/// A namespace, a bridge with a borrowed NIC, veth ends on both sides, addresses, routes on the host and inside, a
/// gateway, nat, a port forward with its chains, sysctls of the host and of a namespace.
pub const EVERYTHING: &str = "
name: lab
namespaces:
  web: {sysctls: {net.ipv4.conf.all.rp_filter: 2}, routes: [{to: 10.7.0.0/16, via: 10.1.0.3}]}
  db: {addresses: [10.255.0.2/32]}
  host: {routes: [{to: 10.9.0.0/16, via: 10.1.0.2}]}
bridges: {br0: {addresses: [10.1.0.1/24, 'fd00:1::1/64'], ports: [nic0]}}
links:
  - endpoints: ['web:eth0', br0]
  - endpoints: ['db:eth0', br0]
  - endpoints: ['db:eth1 10.3.0.2/24', 'host:db0 10.3.0.1/24']
gateways: [{bridge: br0}]
nat: [{masquerade: 10.1.0.0/24}]
port_forwards: [{listen: 8088, to: 'web:80'}]
checks:
  - {from: web, to: db, ping: true}
  - {from: host, to: '127.0.0.1:8088'}
  - {from: web, to: 10.3.0.1, ping: true}
";

/// The NIC that it borrows, with a wire and an address, and the host's loopback.
pub const NIC: &str = "
    ip link set lo up
    ip link add nic0 address 02:00:00:00:01:01 type veth peer name wire0 address 02:00:00:00:01:02
    ip link set nic0 up; ip link set wire0 up
    ip address add 192.0.2.1/24 dev nic0
";

/// The lab in a file, its NIC on the host.
pub fn everything() -> String {
    sh(NIC);
    file("lab", EVERYTHING)
}

/// The lab holds: nothing to do, and its packets arrive.
#[track_caller]
pub fn holds(path: &str) {
    expect(&["plan", path, "-detailed-exitcode"], 0, &["No changes."]);
    expect(&["test", path], 0, &[]);
}

/// No line of what there was has gone or changed: what there is beside it is the lab's. Only the NIC that is borrowed may
/// look otherwise, as a port does.
#[track_caller]
pub fn nothing_is_lost(before: &Dump) {
    let diff = before.diff(&Dump::take());
    let lost = diff.lines().filter(|line| line.starts_with('-') && !line.starts_with("-host link nic0 "));
    let lost: Vec<&str> = lost.collect();
    assert!(lost.is_empty(), "the lab has taken away:\n{}", lost.join("\n"));
}

/// The plan has these errors and the apply is refused; neither changes anything.
#[track_caller]
pub fn is_refused(path: &str, words: &[&str]) {
    let before = Dump::take();
    expect(&["plan", path], 1, words);
    expect(&["apply", path, "-auto-approve"], 1, words);
    let diff = before.diff(&Dump::take());
    assert_eq!(diff, "", "a refused plan changed the kernel");
}

/// The lab comes, is damaged, repaired and edited, and goes, beside what there is, which stays as it is all the time. The
/// host forwards already, since that is the one thing of the host's that the lab would change for its time.
#[track_caller]
pub fn comes_and_goes(path: &str, they_work: impl Fn()) {
    sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    let before = Dump::settled();
    expect(&["plan", path], 0, &[]);
    assert_eq!(before.diff(&Dump::take()), "", "a plan has changed the kernel");
    apply(path);
    holds(path);
    they_work();
    nothing_is_lost(&before);

    sh(
        "ip link delete db0; ip link set web-eth0 nomaster; ip -n web route delete default; iptables -t nat -F NW-POST-lab",
    );
    apply(path);
    let text = EVERYTHING.replace("8088", "8099").replace("10.3.0.", "10.4.0.").replace("10.9.0.0", "10.10.0.0");
    let edited = file("edited", &text);
    apply(&edited);
    holds(&edited);
    they_work();
    nothing_is_lost(&before);

    expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
    they_work();
    before.assert_restored("destroy");
}
