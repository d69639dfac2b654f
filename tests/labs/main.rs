//! Every lab that ships, on the real kernel: applied, tested, planned empty, drifted and repaired in every way that it
//! can drift, destroyed, and the kernel then as it was before.

#[path = "../common/dump.rs"]
mod dump;
#[path = "../common/sandbox.rs"]
mod sandbox;

mod drift;
mod environment;
mod lab;
mod masquerade;

use std::fs;

use environment::Environment;
use lab::Lab;

/// A test for each file, and the list of them.
macro_rules! labs {
    ($($test:ident: $file:literal in $environment:ident,)*) => {
        $(
            #[test]
            fn $test() {
                sandbox::run(|| Lab::new($file).prove(Environment::$environment));
            }
        )*

        const TESTED: &[&str] = &[$($file),*];
    };
}

labs! {
    lab_01_isolated: "01-isolated.yaml" in EmptyHost,
    lab_02_pair: "02-pair.json" in EmptyHost,
    lab_03_bridge: "03-bridge.yaml" in EmptyHost,
    lab_04_gateway: "04-gateway.yaml" in EmptyHost,
    lab_04_no_gateway: "04-no-gateway.yaml" in EmptyHost,
    lab_05_masquerade: "05-masquerade.yaml" in EmptyHost,
    lab_06_published_port: "06-published-port.yaml" in EmptyHost,
    lab_07_docker: "07-docker.yaml" in Docker,
    lab_08_docker_modes: "08-docker-modes.yaml" in EmptyHost,
    lab_09_host_veth: "09-host-veth.toml" in EmptyHost,
    lab_10_uplink: "10-uplink.yaml" in Uplink,
    lab_11_router: "11-router.toml" in EmptyHost,
    lab_11_router_dual_stack: "11-router-dual-stack.yaml" in EmptyHost,
}

#[test]
fn every_topology_has_a_test() {
    let files = fs::read_dir(lab::folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.filter(|name| name != "README.md").collect();
    files.sort();
    let mut tested = TESTED.to_vec();
    tested.sort_unstable();
    assert_eq!(files, tested);
}
