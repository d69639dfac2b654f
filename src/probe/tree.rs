//! Spanning trees just after an apply: for twice a bridge's forward delay, half a minute, its ports pass nothing, and a path
//! that will be open looks blocked.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use crate::{kernel::stp, kind::Topology, model::Netns};

/// Longer than a tree takes by the kernel's defaults: 20 s until what was heard before has aged, and twice 15 s of delay.
const BOUND: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until every port of the topology's bridges with STP forwards or blocks. `waiting` is called once where there is
/// something to wait for.
pub fn settle_trees(topology: &Topology, waiting: impl FnOnce()) {
    let places: BTreeSet<&Netns> = topology.bridges.iter().filter(|it| it.stp).map(|it| &it.netns).collect();
    // What cannot be read is no reason to wait: a check that needs it will say so.
    let settled = || places.iter().all(|place| stp::undecided(place).map_or(true, |count| count == 0));
    if settled() {
        return;
    }
    waiting();
    let deadline = Instant::now() + BOUND;
    while !settled() && Instant::now() < deadline {
        thread::sleep(PAUSE);
    }
}
