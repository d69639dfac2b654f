//! Namespaces that are made ahead of their ops: the names of those that no op has asked for go with the run that stops.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use std::{thread, time::Duration};

use netwright::{
    kernel::{Kernel, Live},
    model::Netns,
    op::{Batch, Op, Step},
};
use shell::sh;

/// Creates a namespace.
fn create(at: usize) -> Batch {
    let (name, address) = (format!("n{at}"), format!("namespace.n{at}").parse().unwrap());
    let op = Op::NetnsCreate { mark: format!("netwright:lab/namespace.n{at}") };
    Batch { netns: Netns::from(name), steps: vec![Step { address, op }] }
}

/// The names that are there.
fn names() -> Vec<String> {
    sh("ls /run/netns").split_whitespace().map(ToOwned::to_owned).collect()
}

/// A run of twenty that has done two, once it is ahead of them.
fn ahead_of_two() -> Live {
    let all: Vec<Batch> = (1..=20).map(create).collect();
    let mut kernel = Live::new().unwrap();
    kernel.expect(&all);
    assert!(!std::fs::exists("/run/netns/n1").unwrap(), "nothing shows before it is asked for");
    all[..2].iter().for_each(|batch| kernel.run(batch).unwrap());
    let is_ahead = || {
        thread::sleep(Duration::from_millis(10));
        names().len() >= 5
    };
    assert!((0..500).any(|_| is_ahead()), "only {:?} are there", names());
    kernel
}

#[test]
fn names_that_no_op_has_asked_for_go_when_the_run_stops() {
    sandbox::run(|| {
        let mut kernel = ahead_of_two();
        assert!(names().len() < 12, "too many are there that a kill would leave: {:?}", names());
        kernel.expect(&[]);
        assert_eq!(names(), ["n1", "n2"]);
        assert_eq!(sh("ip -n n2 -o link show lo | grep -o 'netwright:.*'").trim(), "netwright:lab/namespace.n2");
        // And all of them can come by another run.
        let again: Vec<Batch> = (3..=20).map(create).collect();
        kernel.expect(&again);
        again.iter().for_each(|batch| kernel.run(batch).unwrap());
        assert_eq!(names().len(), 20);
    });
}

#[test]
fn a_name_that_somebody_else_has_taken_over_meanwhile_stays() {
    sandbox::run(|| {
        let mut kernel = ahead_of_two();
        sh("ip netns delete n3; ip netns add n3; ip -n n3 link set lo up");
        kernel.expect(&[]);
        assert_eq!(names(), ["n1", "n2", "n3"]);
        assert!(sh("ip -n n3 link show lo").contains("UP"));
    });
}

#[test]
fn a_name_that_is_taken_is_told_of_its_own_op() {
    sandbox::run(|| {
        sh("ip netns add n0; touch /run/netns/n3");
        let all: Vec<Batch> = (1..=20).map(create).collect();
        let mut kernel = Live::new().unwrap();
        kernel.expect(&all);
        all[..2].iter().for_each(|batch| kernel.run(batch).unwrap());
        let error = kernel.run(&all[2]).unwrap_err();
        assert_eq!(error.failures[0].address.to_string(), "namespace.n3");
        assert!(error.failures[0].error.to_string().contains("cannot create namespace `n3`"), "{error}");
        kernel.expect(&[]);
        assert_eq!(names(), ["n0", "n1", "n2", "n3"]);
        // Without anybody ahead the next one comes in its time.
        kernel.run(&all[3]).unwrap();
        assert_eq!(names(), ["n0", "n1", "n2", "n3", "n4"]);
    });
}

#[test]
fn ops_in_another_order_than_was_told_come_all_the_same() {
    sandbox::run(|| {
        let all: Vec<Batch> = (1..=8).map(create).collect();
        let mut kernel = Live::new().unwrap();
        kernel.expect(&all);
        all.iter().rev().for_each(|batch| kernel.run(batch).unwrap());
        assert_eq!(names().len(), 8);
        for at in 1..=8 {
            let mark = sh(&format!("ip -n n{at} -o link show lo | grep -o 'netwright:.*'"));
            assert_eq!(mark.trim(), format!("netwright:lab/namespace.n{at}"));
        }
    });
}
