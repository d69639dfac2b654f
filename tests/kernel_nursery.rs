//! Namespaces that are made ahead of their ops show with these, one by one.

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

/// Long enough for those that come next to be made.
const MEANWHILE: Duration = Duration::from_millis(100);

/// Creates a namespace.
fn create(at: usize) -> Batch {
    let (name, address) = (format!("n{at}"), format!("namespace.n{at}").parse().unwrap());
    let op = Op::NetnsCreate { mark: format!("netwright:lab/namespace.n{at}") };
    Batch { netns: Netns::from(name), steps: vec![Step { address, op }] }
}

/// The mark of one.
fn mark(at: usize) -> String {
    sh(&format!("ip -n n{at} -o link show lo | grep -o 'netwright:.*'")).trim().to_owned()
}

/// The names that are there.
fn names() -> Vec<String> {
    sh("ls /run/netns").split_whitespace().map(ToOwned::to_owned).collect()
}

#[test]
fn nothing_shows_before_its_op() {
    sandbox::run(|| {
        let all: Vec<Batch> = (1..=20).map(create).collect();
        let mut kernel = Live::new().unwrap();
        kernel.expect(&all);
        all[..2].iter().for_each(|batch| kernel.run(batch).unwrap());
        thread::sleep(MEANWHILE);
        assert_eq!(names(), ["n1", "n2"]);
        assert_eq!(mark(2), "netwright:lab/namespace.n2");
        // And all of the others can come by another run.
        let again: Vec<Batch> = (3..=20).map(create).collect();
        kernel.expect(&again);
        again.iter().for_each(|batch| kernel.run(batch).unwrap());
        assert_eq!(names().len(), 20);
        assert_eq!(mark(20), "netwright:lab/namespace.n20");
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
        // With nothing made ahead, the next one is made in its time.
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
            assert_eq!(mark(at), format!("netwright:lab/namespace.n{at}"));
        }
    });
}
