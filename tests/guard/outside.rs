//! What happens in a sandbox stays there. The machine outside is a sandbox too, with things of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::{
    LAB, NETWRIGHT,
    dump::Dump,
    run::{apply, file},
    sandbox, sh,
};

/// The networks, the mounts, and what is below /run, with contents.
fn outside() -> (Dump, String) {
    let files = "cat /proc/self/mountinfo; ls -lAR --time-style=full-iso /run /etc/netns 2> /dev/null || true
                 find /run -type f -exec md5sum {} + | sort";
    (Dump::take(), sh(files))
}

fn machine() -> (Dump, String) {
    let path = file("outer", &LAB.replace("lab", "outer").replace("web", "out").replace("10.1.", "10.2."));
    apply(&path);
    sh("iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE; nft add table inet mine; ip route add 198.51.100.0/24 via 10.2.0.9
        ip netns add theirs; ip netns exec theirs ip link set lo up");
    Dump::settled();
    outside()
}

#[test]
fn nothing_of_a_lab_in_a_sandbox_is_seen_outside() {
    sandbox::run(|| {
        let before = machine();
        let lab = file("lab", LAB);
        let before = (before.0, outside().1);
        let inside = format!(
            "set -e; cp /dev/stdin /run/lab.yaml; {NETWRIGHT} apply /run/lab.yaml -auto-approve; {NETWRIGHT} test /run/lab.yaml
             ip -n web link delete eth0; iptables -F; iptables -t nat -F; ip netns delete web; ip link delete br0
             echo 0 > /proc/sys/net/ipv4/ip_forward; iptables -P FORWARD DROP; rm -r /run/netwright
             {NETWRIGHT} apply /run/lab.yaml -auto-approve; {NETWRIGHT} destroy -all -auto-approve
             {NETWRIGHT} apply /run/lab.yaml -auto-approve; mkdir -p /etc/netns/web; echo > /etc/netns/web/hosts"
        );
        sh(&format!("$N sandbox -- sh -c '{inside}' < {lab}"));
        let after = outside();
        assert_eq!(before.0.diff(&after.0), "");
        assert_eq!(before.1, after.1);
    });
}

#[test]
fn a_sandbox_that_is_killed_at_any_moment_leaves_nothing_outside() {
    sandbox::run(|| {
        let lab = file("lab", LAB);
        machine();
        let before = outside();
        for rounds in 1..8 {
            let inside = format!(
                "cp {lab} /etc/netns/ 2> /dev/null; cat > /run/lab.yaml <<'end'\n{LAB}\nend\n
                 while :; do {NETWRIGHT} apply /run/lab.yaml -auto-approve > /dev/null || exit
                 echo applied; {NETWRIGHT} destroy lab -auto-approve > /dev/null || exit; echo destroyed; done"
            );
            let mut child = Command::new(NETWRIGHT)
                .args(["sandbox", "--", "sh", "-c", &inside])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a sandbox");
            let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
            for _ in 0..rounds / 2 {
                lines.next().expect("a line").expect("a line");
            }
            // Somewhere in the run that follows.
            std::thread::sleep(std::time::Duration::from_millis(13 * rounds));
            child.kill().expect("a child");
            child.wait().expect("an end");
            // The last one of the inside that could do anything has gone when the pipe ends.
            assert!(lines.all(|line| line.is_ok()));
            let after = outside();
            assert_eq!(before.0.diff(&after.0), "");
            assert_eq!(before.1, after.1);
        }
    });
}
