//! Faults at every operation of every lab that ships, on the real kernel: each one fails, before it is done and after; and
//! the process is killed there. After a failure the kernel holds what it held before, and after a kill the next command
//! brings it to what that command wants, whatever was half done. docs/reliability.md has the table.
//!
//! Each lab takes FAULTS=N of its points (every Nth; 1 is all), so that CI ends in time; the numbers are printed.

#[path = "../labs/environment.rs"]
mod environment;
#[expect(dead_code, reason = "of labs on a fake kernel only the reading of files is of use here")]
#[path = "../common/lab.rs"]
mod lab;
#[path = "../common/sandbox.rs"]
mod sandbox;
#[path = "../common/state.rs"]
mod state;

mod edit;
mod kernel;
mod points;
mod run;

use environment::Environment;
use points::prove;

/// A test for each file.
macro_rules! labs {
    ($($test:ident: $file:literal in $environment:ident,)*) => {
        $(
            #[test]
            fn $test() {
                sandbox::run(|| {
                    let _environment = Environment::$environment.start();
                    prove($file);
                });
            }
        )*
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
    gallery_clos: "gallery/clos.yaml" in EmptyHost,
    gallery_dmz: "gallery/dmz.yaml" in EmptyHost,
    gallery_hub_and_spoke: "gallery/hub-and-spoke.yaml" in EmptyHost,
    gallery_internet: "gallery/internet.yaml" in EmptyHost,
    gallery_linuxrouter: "gallery/linuxrouter.toml" in EmptyHost,
    gallery_napt: "gallery/napt.toml" in EmptyHost,
    gallery_natnet: "gallery/natnet.yaml" in EmptyHost,
    gallery_parallel_links: "gallery/parallel-links.yaml" in EmptyHost,
    gallery_port_blocks: "gallery/port-blocks.yaml" in EmptyHost,
    gallery_port_map: "gallery/port-map.yaml" in EmptyHost,
    gallery_ring: "gallery/ring.yaml" in EmptyHost,
    gallery_static_routing: "gallery/static-routing.toml" in EmptyHost,
    gallery_tenants: "gallery/tenants.yaml" in EmptyHost,
    gallery_tree: "gallery/tree.yaml" in EmptyHost,
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
