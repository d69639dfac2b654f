//! Namespaces that a run makes and is done with before its end. To look at them right away costs little; a moment later, when
//! all links come up, the kernel is busy with those.

use std::collections::BTreeSet;

use foldhash::HashMap;

use crate::{
    model::Netns,
    op::{Batch, Op},
};

/// So many at a time at most: fewer than are read by several threads.
const MANY: usize = 15;
/// And at least, but for the last.
const FEW: usize = 3;
/// What share of those that are left is looked at next: less and less, so that little is left after the last batch.
const SHARE: usize = 3;

/// Those that are left.
pub struct Finished<'a> {
    /// Which of them are done with after which batch.
    by_place: HashMap<usize, Vec<&'a Netns>>,
    /// Those that the run is done with, too few yet.
    waiting: BTreeSet<Netns>,
}

impl<'a> Finished<'a> {
    /// Of a run of these batches.
    pub fn new(batches: &'a [Batch]) -> Self {
        let mut last: HashMap<&Netns, usize> = HashMap::default();
        for (place, batch) in batches.iter().enumerate() {
            if batch.steps.iter().any(|step| matches!(step.op, Op::NetnsCreate { .. })) {
                last.insert(&batch.netns, place);
            }
            let peers = batch.steps.iter().filter_map(|step| match &step.op {
                Op::VethCreate { peer_netns, .. } => Some(peer_netns),
                _ => None,
            });
            for netns in peers.chain([&batch.netns]) {
                last.entry(netns).and_modify(|last| *last = place);
            }
        }
        // What the last one does is looked at after the run in any case.
        last.retain(|_, place| *place + 1 < batches.len());
        let mut by_place: HashMap<usize, Vec<&Netns>> = HashMap::default();
        last.into_iter().for_each(|(netns, place)| by_place.entry(place).or_default().push(netns));
        Self { by_place, waiting: BTreeSet::new() }
    }

    /// After the batch at `place`, enough of them to look at.
    pub fn after(&mut self, place: usize) -> Option<BTreeSet<Netns>> {
        self.waiting.extend(self.by_place.remove(&place).into_iter().flatten().cloned());
        let many = (self.by_place.len() / SHARE).clamp(FEW, MANY);
        let are_many = self.waiting.len() >= many || (self.by_place.is_empty() && !self.waiting.is_empty());
        are_many.then(|| std::mem::take(&mut self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{NewEnd, Step};

    fn batch(name: &str, ops: Vec<Op>) -> Batch {
        let step = |op| Step { address: "namespace.web".parse().unwrap(), op };
        Batch { netns: Netns::Named(name.into()), steps: ops.into_iter().map(step).collect() }
    }

    fn create() -> Op {
        Op::NetnsCreate { mark: "m".into() }
    }

    fn veth_to(name: &str) -> Op {
        let end = |index: u32| NewEnd { index, name: format!("v{index}").parse().unwrap(), mac: None, mtu: None };
        Op::VethCreate { end: end(2), peer: end(3), peer_netns: Netns::Named(name.into()), queues: None }
    }

    fn looks(batches: &[Batch]) -> Vec<(usize, Vec<String>)> {
        let mut finished = Finished::new(batches);
        let look = |place| Some((place, finished.after(place)?.iter().map(Netns::to_string).collect()));
        (0..batches.len()).filter_map(look).collect()
    }

    #[test]
    fn one_is_done_with_after_the_last_that_is_done_in_it_from_wherever() {
        let batches = [
            batch("a", vec![create()]),
            batch("b", vec![create()]),
            batch("old", vec![veth_to("b")]),
            batch("b", vec![veth_to("a")]),
            batch("a", vec![]),
            batch("old", vec![]),
        ];
        assert_eq!(looks(&batches[..4]), [], "the last batch is not waited for");
        assert_eq!(looks(&batches), [(4, vec!["a".to_owned(), "b".to_owned()])]);
    }

    #[test]
    fn what_was_there_before_the_run_is_not_looked_at_on_the_way() {
        assert_eq!(looks(&[batch("old", vec![veth_to("older")]), batch("x", vec![])]), []);
    }

    #[test]
    fn fewer_and_fewer_are_looked_at_together() {
        let mut batches: Vec<Batch> = (0..60).map(|at| batch(&format!("n{at}"), vec![create()])).collect();
        batches.push(batch("host", vec![]));
        let looks = looks(&batches);
        let sizes: Vec<usize> = looks.iter().map(|(_, names)| names.len()).collect();
        assert!(sizes.is_sorted_by(|one, next| one >= next), "{sizes:?}");
        assert_eq!((sizes[0], sizes.iter().sum::<usize>(), looks.last().unwrap().0), (MANY, 60, 59));
        assert!(*sizes.last().unwrap() <= FEW, "{sizes:?}");
    }
}
