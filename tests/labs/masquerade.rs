//! Lab 5 from the far side: whom does the internet see?

use std::{
    fs::File,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::PoisonError,
    thread,
    time::Duration,
};

use nix::sched::{CloneFlags, setns};

use crate::{MACHINE, environment::Environment, lab::Lab, sandbox};

/// Does something inside a namespace, on a thread of its own, since a thread cannot be trusted to find the way back.
fn inside<T: Send + 'static>(netns: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(format!("/run/netns/{netns}")).expect(netns);
    let thread = thread::spawn(move || {
        setns(file, CloneFlags::CLONE_NEWNET).expect("a namespace of the sandbox's own");
        work()
    });
    thread.join().expect("no panic")
}

/// The source address that a listener in `to` sees of a connection from `from` to `address`.
fn seen_source(from: &str, to: &str, address: SocketAddr) -> IpAddr {
    let listener = inside(to, move || TcpListener::bind(address).expect("the address is there"));
    let _client =
        inside(from, move || TcpStream::connect_timeout(&address, Duration::from_secs(5)).expect("an answer"));
    listener.accept().expect("a connection").1.ip()
}

#[test]
fn the_internet_sees_the_hosts_address() {
    let _turn = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    sandbox::run(|| {
        let _host = Environment::EmptyHost.start();
        Lab::new("05-masquerade.yaml").apply();
        let host: IpAddr = "203.0.113.1".parse().unwrap();
        let web: IpAddr = "192.168.0.2".parse().unwrap();
        assert_eq!(seen_source("web", "internet", "203.0.113.7:80".parse().unwrap()), host);
        // Between neighbours nothing is masqueraded.
        assert_eq!(seen_source("web", "db", "192.168.0.3:80".parse().unwrap()), web);
    });
}

#[test]
fn the_chain_is_the_one_from_the_book() {
    let _turn = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    sandbox::run(|| {
        let _host = Environment::EmptyHost.start();
        Lab::new("05-masquerade.yaml").apply();
        let saved = Command::new("iptables-save").args(["-t", "nat"]).output().expect("iptables-save");
        let saved = String::from_utf8(saved.stdout).unwrap();
        let rules: Vec<&str> = saved.lines().filter(|line| line.contains("-j MASQUERADE")).collect();
        assert!(matches!(rules[..], [rule] if rule.ends_with("-s 192.168.0.0/24 ! -o br0 -j MASQUERADE")), "{saved}");
    });
}
