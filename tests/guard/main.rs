//! Attacks: by names, by files where something of ours should be, by who starts the binary and with what.

#[path = "../common/dump.rs"]
mod dump;
#[path = "../common/run.rs"]
mod run;
#[path = "../common/sandbox.rs"]
mod sandbox;
#[path = "../common/shell.rs"]
mod shell;

mod folder;
mod inherited;
mod names;
mod netns;
mod outside;
mod rights;
mod told;

const NETWRIGHT: &str = env!("CARGO_BIN_EXE_netwright");

/// A lab that borrows of the host, has rules, and a namespace to reach.
const LAB: &str = "
name: lab
namespaces: {web: {}}
bridges: {br0: {addresses: [10.1.0.1/24]}}
links: [{endpoints: ['web:eth0 10.1.0.2/24', br0]}]
gateways: [{bridge: br0}]
nat: [{masquerade: 10.1.0.0/24}]
checks: [{from: web, to: 10.1.0.1, ping: true}]
";

/// A script that must succeed, with the binary as `$N`, inside.
fn sh(script: &str) -> String {
    shell::sh(&format!("N={NETWRIGHT}; export NO_COLOR=1\n{script}"))
}
