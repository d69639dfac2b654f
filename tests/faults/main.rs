//! Faults at every operation of every lab that ships, on the real kernel: each one fails, before it is done and after; the
//! process is killed there; and another program gets in its way. After a failure the kernel holds what it held before,
//! and after a kill the next command brings it to what that command wants, whatever was half done.
//! docs/reliability.md has the table.
//!
//! FAULTS=N takes every Nth point; 1 is all of them, but for a lab of thousands of operations. FAULTS_ONLY=Kill takes those
//! of that name only. Three labs, which together have every kind of operation, are part of every run of the tests; the
//! others are there for `make faults`, which takes some hours. The numbers are printed.

#[path = "../labs/environment.rs"]
mod environment;
#[path = "../common/sandbox.rs"]
mod sandbox;
#[path = "../common/state.rs"]
mod state;

mod crossing;
mod edit;
mod kernel;
mod points;
mod run;

use environment::Environment;
use points::prove;

/// A test for each file.
macro_rules! labs {
    ($($(#[$attribute:meta])* $test:ident: $file:literal in $environment:ident,)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $test() {
                sandbox::run(|| {
                    let _environment = Environment::$environment.start();
                    prove($file);
                });
            }
        )*

        const LABS: &[&str] = &[$($file),*];
    };
}

labs! {
    #[ignore = "make faults"]
    lab_04_gateway: "04-gateway.yaml" in EmptyHost,
    lab_06_published_port: "06-published-port.yaml" in EmptyHost,
    lab_10_uplink: "10-uplink.yaml" in Uplink,
    lab_11_router_dual_stack: "11-router-dual-stack.yaml" in EmptyHost,
    #[ignore = "make faults"]
    lab_01_isolated: "01-isolated.yaml" in EmptyHost,
    #[ignore = "make faults"]
    lab_02_pair: "02-pair.json" in EmptyHost,
    #[ignore = "make faults"]
    lab_03_bridge: "03-bridge.yaml" in EmptyHost,
    #[ignore = "make faults"]
    lab_04_no_gateway: "04-no-gateway.yaml" in EmptyHost,
    #[ignore = "make faults"]
    lab_05_masquerade: "05-masquerade.yaml" in EmptyHost,
    #[ignore = "make faults"]
    lab_07_docker: "07-docker.yaml" in Docker,
    #[ignore = "make faults"]
    lab_08_docker_modes: "08-docker-modes.yaml" in EmptyHost,
    #[ignore = "make faults"]
    lab_09_host_veth: "09-host-veth.toml" in EmptyHost,
    #[ignore = "make faults"]
    lab_11_router: "11-router.toml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_clos: "gallery/clos.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_clos_5_stage: "gallery/clos-5-stage.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_dmz: "gallery/dmz.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_hub_and_spoke: "gallery/hub-and-spoke.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_internet: "gallery/internet.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_linuxrouter: "gallery/linuxrouter.toml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_napt: "gallery/napt.toml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_natnet: "gallery/natnet.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_parallel_links: "gallery/parallel-links.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_port_blocks: "gallery/port-blocks.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_port_map: "gallery/port-map.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_ring: "gallery/ring.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_star: "gallery/star.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_static_routing: "gallery/static-routing.toml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_tenants: "gallery/tenants.yaml" in EmptyHost,
    #[ignore = "make faults"]
    gallery_tree: "gallery/tree.yaml" in EmptyHost,
}

#[test]
fn every_lab_has_a_test() {
    let folder = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies").join(name);
    let mut files: Vec<String> = Vec::new();
    for (name, prefix) in [("", ""), ("gallery", "gallery/")] {
        let entries = std::fs::read_dir(folder(name)).expect("a folder").map(|entry| entry.expect("an entry"));
        let plain = entries.filter(|entry| entry.path().is_file());
        files.extend(plain.map(|entry| format!("{prefix}{}", entry.file_name().to_string_lossy())));
    }
    files.retain(|file| !file.ends_with("README.md"));
    files.sort();
    let mut tested: Vec<&str> = LABS.to_vec();
    tested.sort_unstable();
    assert_eq!(files, tested);
}

/// A run of the engine in a process of its own, which a test of this file kills at an operation of its choice. By itself
/// it is a run that nobody kills.
#[test]
fn a_run_in_its_own_process() {
    match run::ordered() {
        Some(order) => order.carry_out_and_exit(),
        None => sandbox::run(|| {
            let (operations, _) = run::Order::apply("01-isolated.yaml").carry_out().expect("no fault");
            assert!(operations > 0, "nothing was done");
        }),
    }
}
