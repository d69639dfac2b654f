//! Every lab that ships, on the real kernel: applied, tested, planned empty, drifted and repaired in every way that it
//! can drift, destroyed, and the kernel then as it was before. The gallery's labs, whose drifts would be the same ones
//! over again, drift in one way that their checks have to notice, and the large ones in none.

#[path = "../common/dump.rs"]
mod dump;
#[path = "../common/sandbox.rs"]
mod sandbox;

mod drift;
mod environment;
mod lab;
mod masquerade;

use std::{
    collections::BTreeSet,
    fs,
    sync::{PoisonError, RwLock},
};

use environment::Environment;
use lab::Lab;

/// Beside a thousand namespaces that come and go, checks of other labs are sometimes not answered in time: large labs have
/// the machine for themselves (under nextest by .config/nextest.toml).
static MACHINE: RwLock<()> = RwLock::new(());

/// A test for each file that proves it in that way, beside others (`read`) or alone (`write`), and the list of them.
macro_rules! labs {
    ($list:ident by $prove:ident, $turn:ident: $($test:ident: $file:literal in $environment:ident,)*) => {
        $(
            #[test]
            fn $test() {
                let _turn = MACHINE.$turn().unwrap_or_else(PoisonError::into_inner);
                sandbox::run(|| Lab::new($file).$prove(Environment::$environment));
            }
        )*

        const $list: &[&str] = &[$($file),*];
    };
}

labs! {
    LABS by prove, read:
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

labs! {
    GALLERY by prove_the_checks, read:
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

labs! {
    LARGE by prove_at_rest, write:
    gallery_clos_5_stage: "gallery/clos-5-stage.yaml" in EmptyHost,
    gallery_star: "gallery/star.yaml" in EmptyHost,
}

#[test]
fn every_topology_has_a_test() {
    let files = |folder: &str| {
        let entries = fs::read_dir(lab::folder().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let names = entries.filter(|path| path.is_file()).map(|path| path.file_name().unwrap().to_owned());
        let names = names.map(|name| format!("{folder}{}", name.to_str().unwrap()));
        names.filter(|name| !name.ends_with("README.md")).collect::<BTreeSet<String>>()
    };
    let tested = |lists: &[&[&str]]| lists.concat().into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(files(""), tested(&[LABS]));
    assert_eq!(files("gallery/"), tested(&[GALLERY, LARGE]));
}

#[test]
fn the_large_labs_are_short() {
    for file in LARGE {
        let lines = fs::read_to_string(lab::folder().join(file)).unwrap().lines().count();
        assert!(lines < 40, "{file} has {lines} lines");
    }
}

#[test]
fn the_gallery_counts_its_lines() {
    let folder = lab::folder().join("gallery");
    let table = fs::read_to_string(folder.join("README.md")).unwrap();
    for file in [GALLERY, LARGE].concat() {
        let name = file.trim_start_matches("gallery/");
        let lines = fs::read_to_string(folder.join(name)).unwrap().lines().count();
        let row = table.lines().find(|line| line.starts_with(&format!("| [{name}]({name}) |")));
        assert!(row.is_some_and(|row| row.ends_with(&format!("| {lines} |"))), "{name} has {lines} lines: {row:?}");
    }
}
