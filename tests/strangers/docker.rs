//! A Docker engine with a published port, before the lab and after it: its rules, its bridge and its containers stay and
//! work, while containers start and stop.

use crate::{
    company::{comes_and_goes, everything, holds, nothing_is_lost},
    dump::Dump,
    run::{apply, expect},
    sandbox,
    shell::sh,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/env/docker.sh");
const FOLDER: &str = "/run/docker-strangers";

/// An engine; it ends when the value goes.
struct Docker;

impl Docker {
    /// Starts it. Where it does not find forwarding `as-it-is`, it finds it off.
    fn start(forwarding: &str) -> Self {
        sh(&format!("{SCRIPT} start {FOLDER} {forwarding}"));
        Self
    }

    /// A container with its own port 80 published there.
    fn publish(&self, name: &str, port: u16) {
        self.client(&format!("run --detach --name {name} -p {port}:80 web /bin/busybox httpd -f -p 80 -h /www"));
    }

    fn client(&self, arguments: &str) {
        sh(&format!("{SCRIPT} client {FOLDER} {arguments}"));
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        drop(std::process::Command::new(SCRIPT).args(["stop", FOLDER]).status());
    }
}

/// Somebody on a wire of the host's, who routes by it.
const NEIGHBOUR: &str = "
    ip netns add out
    ip link add out0 address 02:00:00:00:02:01 type veth peer name eth0 address 02:00:00:00:02:02 netns out
    ip link set out0 up; ip -n out link set eth0 up; ip -n out link set lo up
    ip address add 198.51.100.1/24 dev out0; ip -n out address add 198.51.100.2/24 dev eth0
    ip -n out route add default via 198.51.100.1
";

/// A published container answers the neighbour, the host and the lab, and gets out itself.
#[track_caller]
fn works(name: &str, port: u16) {
    sh(&format!(
        "get() {{ busybox timeout 5 busybox wget -qO- $1; }}
         test $(ip netns exec out busybox timeout 5 busybox wget -qO- http://198.51.100.1:{port}/) = web
         test $(get http://127.0.0.1:{port}/) = web
         test $(get http://172.17.0.2/) = web
         {SCRIPT} client {FOLDER} exec {name} /bin/busybox ping -c 1 -W 5 198.51.100.2"
    ));
}

#[test]
fn the_lab_comes_and_goes_beside_it() {
    sandbox::run(|| {
        let path = everything();
        sh(NEIGHBOUR);
        let docker = Docker::start("");
        docker.publish("pub", 8081);
        works("pub", 8081);
        comes_and_goes(&path, || works("pub", 8081));
    });
}

#[test]
fn containers_come_and_go_beside_the_lab() {
    sandbox::run(|| {
        let path = everything();
        sh(NEIGHBOUR);
        let docker = Docker::start("");
        docker.publish("pub", 8081);
        docker.publish("going", 8083);
        let before = Dump::settled();
        apply(&path);
        // Ones that were there before the lab go, ones that came with it stay.
        docker.publish("coming", 8082);
        docker.client("rm --force going");
        docker.client("network create --subnet 172.30.0.0/24 another");
        docker.client("network connect another pub");
        holds(&path);
        works("coming", 8082);
        sh("test $(ip netns exec web busybox timeout 5 busybox wget -qO- http://172.17.0.2/) = web");
        expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete!"]);
        works("pub", 8081);
        works("coming", 8082);
        docker.client("network disconnect another pub");
        docker.client("network rm another");
        docker.client("rm --force coming");
        let rest = before.diff(&Dump::take());
        let ours = ["NW-", "br0 ", "db0", "web-eth0"];
        assert!(!ours.iter().any(|word| rest.contains(word)), "something of the lab is left:\n{rest}");
    });
}

#[test]
fn an_engine_that_starts_after_the_lab_stays_when_it_goes() {
    sandbox::run(|| {
        let path = everything();
        sh(NEIGHBOUR);
        apply(&path);
        let lab = Dump::settled();
        let docker = Docker::start("as-it-is");
        docker.publish("pub", 8081);
        nothing_is_lost(&lab);
        holds(&path);
        works("pub", 8081);
        let both = Dump::settled();
        let words =
            ["`net.ipv4.ip_forward` of the host stays on: `docker0`, a Docker network's bridge, came after `lab`"];
        expect(&["destroy", &path, "-auto-approve"], 0, &words);
        works("pub", 8081);
        let alone = Dump::settled();
        let lost = both.diff(&alone);
        // IPv6, which this engine does not route, is no longer forwarded.
        let mut lost =
            lost.lines().filter(|line| !line.contains("sysctl net/ipv6/") && !line.contains("anycast fe80::"));
        let theirs = ["DOCKER", "docker0", "172.17.", "ip_forward"];
        let of_docker = lost.find(|line| theirs.iter().any(|word| line.contains(word)));
        assert_eq!(of_docker, None, "something of Docker's went with the lab");
        // Nothing of it is remembered: the next lab finds a host that forwards.
        apply(&path);
        holds(&path);
        expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete!"]);
        works("pub", 8081);
        alone.assert_restored("another round");
        expect(&["list"], 0, &["No topologies."]);
    });
}
