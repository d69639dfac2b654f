//! Random cases: how many, how they become topologies, and what a run of one did.

use netwright::{kind::Topology, model::TopologyName, plan::Prepared};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};

use crate::{lab, random};

/// Of every case's topology.
pub fn name() -> TopologyName {
    "lab".parse().unwrap()
}

/// Enough for every run of the suite; more with PROPTEST_CASES.
pub fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}

/// So many cases.
pub fn config(cases: u32) -> Config {
    Config {
        cases,
        // Damage that a lab has no place for is drawn again.
        max_global_rejects: cases * 4,
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..Config::default()
    }
}

/// A topology from a gene, by way of the language; one that the language refuses is passed over.
pub fn read(gene: &random::Gene) -> Result<(String, Topology), TestCaseError> {
    let text = serde_json::to_string_pretty(&random::emit(gene)).unwrap();
    match lab::topology(&text, "lab.json") {
        Ok(topology) => Ok((text, topology)),
        Err(why) => Err(TestCaseError::reject(why)),
    }
}

/// What a plan runs, an op a line.
pub fn script(prepared: &Prepared) -> String {
    let mut text = String::new();
    for batch in prepared.batches.iter().chain(&prepared.ends) {
        for step in &batch.steps {
            text.push_str(&format!("{} {}: {}\n", batch.netns, step.address, lab::words(&step.op)));
        }
    }
    text
}
