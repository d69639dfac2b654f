//! Spanning trees: which ports of bridges are not decided yet.

use std::collections::HashMap;

use super::{KernelError, link, netns};
use crate::model::{Netns, snapshot::LinkState};

/// States of a port (linux/if_bridge.h).
const DISABLED: u8 = 0;
const LEARNING: u8 = 2;

/// How many ports of bridges with STP in a namespace are up and neither forward nor block: each is listened to and learns for
/// the bridge's forward delay, 15 s by default.
pub fn undecided(place: &Netns) -> Result<usize, KernelError> {
    let mut socket = match place {
        Netns::Host => netns::open_socket()?,
        Netns::Named(name) => netns::socket_in(netns::open_existing(name)?)?,
    };
    let seen =
        socket.dump(&link::dump(), |payload| Ok(Some((link::decode(payload)?.state, link::port_state(payload)?))));
    let seen = seen.map_err(|error| error.into_error("cannot read the links").in_netns(place))?;
    Ok(count(&seen))
}

fn count(seen: &[(LinkState, Option<u8>)]) -> usize {
    let trees: HashMap<u32, bool> = seen
        .iter()
        .map(|(link, _)| (link.index, link.up && link.bridge.as_ref().is_some_and(|bridge| bridge.stp)))
        .collect();
    let waits = |(link, state): &&(LinkState, Option<u8>)| {
        let in_tree = link.master.is_some_and(|master| trees.get(&master).copied().unwrap_or_default());
        // One that was raised a moment ago is not taken in yet.
        in_tree && link.up && link.carrier && state.is_some_and(|state| (DISABLED..=LEARNING).contains(&state))
    };
    seen.iter().filter(waits).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::BridgeState;

    fn bridge(index: u32, stp: bool) -> (LinkState, Option<u8>) {
        let bridge = Some(BridgeState { stp, ageing_time: 30000 });
        (LinkState { index, up: true, carrier: true, bridge, ..LinkState::default() }, None)
    }

    fn port(master: u32, carrier: bool, state: u8) -> (LinkState, Option<u8>) {
        (LinkState { index: 9, up: true, carrier, master: Some(master), ..LinkState::default() }, Some(state))
    }

    #[test]
    fn a_port_is_waited_for_until_it_forwards_or_blocks() {
        let undecided = |state| count(&[bridge(1, true), bridge(2, false), port(1, true, state)]);
        assert_eq!([0, 1, 2, 3, 4].map(undecided), [1, 1, 1, 0, 0]);
        assert_eq!(count(&[bridge(1, true), port(1, false, 0)]), 0, "nothing is at its other end");
        assert_eq!(count(&[bridge(2, false), port(2, true, 0)]), 0, "no spanning tree");
        let mut down = bridge(1, true);
        down.0.up = false;
        assert_eq!(count(&[down, port(1, true, 0)]), 0, "a bridge that is down");
    }
}
