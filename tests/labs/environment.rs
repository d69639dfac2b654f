//! What a lab finds on its host.

use std::process::Command;

/// What stands in the sandbox before the lab comes.
#[derive(Clone, Copy)]
pub enum Environment {
    /// Nothing but its loopback.
    EmptyHost,
    /// A Docker engine with a container.
    Docker,
    /// A NIC called eth1 with a router on its wire.
    Uplink,
}

/// Where Docker lives: on the sandbox's own tmpfs, so that nothing of it stays.
const DOCKER: &str = "/run/docker-lab";

impl Environment {
    /// Sets it up; it ends when the value goes.
    pub fn start(self) -> Running {
        // As every host has it.
        let lo = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip");
        assert!(lo.success());
        match self {
            Self::EmptyHost => {}
            Self::Docker => script("docker.sh", &["start", DOCKER]),
            Self::Uplink => script("uplink.sh", &[]),
        }
        Running(self)
    }
}

/// An environment while it stands.
pub struct Running(Environment);

impl Drop for Running {
    fn drop(&mut self) {
        if let Environment::Docker = self.0 {
            script("docker.sh", &["stop", DOCKER]);
        }
    }
}

fn script(name: &str, arguments: &[&str]) {
    let path = format!("{}/tests/env/{name}", env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(&path).args(arguments).status().expect(name);
    assert!(status.success(), "{name} {arguments:?}: {status}");
}
