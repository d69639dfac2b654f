//! Judges the checks of a lab, as many at a time as the machine has processors: none depends on another, and to follow the
//! packets of a large lab takes longer than all the rest of its reading.

use std::{
    num::NonZero,
    panic::resume_unwind,
    thread::{Builder, available_parallelism, scope},
};

use super::{Judgement, Lab};
use crate::kind::check::Check;

/// So many checks are judged in less time than a thread takes to start.
const SHARE_MIN: usize = 64;

impl Lab<'_> {
    /// What is known of each address of each check.
    pub fn judge_all(&self, checks: &[Check]) -> Vec<Vec<Judgement>> {
        let processors = available_parallelism().map_or(1, NonZero::get);
        let share = checks.len().div_ceil(processors).max(SHARE_MIN);
        let (own, others) = checks.split_at(share.min(checks.len()));
        scope(|scope| {
            let start = |share| (share, Builder::new().spawn_scoped(scope, move || self.judge_each(share)));
            let started: Vec<_> = others.chunks(share).map(start).collect();
            let mut judged = self.judge_each(own);
            for (share, worker) in started {
                judged.extend(match worker {
                    Ok(worker) => worker.join().unwrap_or_else(|panic| resume_unwind(panic)),
                    // There are as many threads as this user may have.
                    Err(_) => self.judge_each(share),
                });
            }
            judged
        })
    }

    fn judge_each(&self, checks: &[Check]) -> Vec<Vec<Judgement>> {
        let judge = |check: &Check| check.targets.iter().map(|to| self.judge(&check.from, *to, check.probe)).collect();
        checks.iter().map(judge).collect()
    }
}
