//! Ops of namespaces that come, gathered so that each is filled in one go: to enter a namespace once more costs as much as
//! all that is done in it.

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};

use super::{Stage, Staged};
use crate::{model::Netns, op::Op};

/// The namespaces that come with some ops.
pub struct Gathering(HashMap<Netns, Coming>);

/// A namespace that comes.
#[derive(Default)]
struct Coming {
    /// Whether it has to be there before links are made: another namespace's lead into it, or it has a bridge.
    is_early: bool,
    /// Devices that are raised and given IPv4 addresses with the first ops.
    devices: HashSet<u32>,
    /// Their addresses.
    addresses: HashSet<IpAddr>,
}

impl Gathering {
    /// Of these ops.
    pub fn of(staged: &Staged) -> Self {
        let created = staged.get(&Stage::NetnsCreate).into_iter().flatten();
        let created = created.filter(|(_, step)| matches!(step.op, Op::NetnsCreate { .. }));
        let mut coming: HashMap<Netns, Coming> = created.map(|(netns, _)| (netns.clone(), Coming::default())).collect();
        let all = staged.iter().flat_map(|(stage, ops)| ops.iter().map(move |(netns, step)| (stage, netns, step)));
        for (stage, netns, step) in all {
            match &step.op {
                Op::VethCreate { peer_netns, .. } if peer_netns != netns => {
                    if let Some(peer) = coming.get_mut(peer_netns) {
                        peer.is_early = true;
                    }
                }
                Op::BridgeCreate { .. } => {
                    if let Some(place) = coming.get_mut(netns) {
                        place.is_early = true;
                    }
                }
                Op::LinkSet { link, change } if *stage == Stage::Link && change.up == Some(true) => {
                    coming.get_mut(netns).map(|place| place.devices.insert(link.index));
                }
                Op::AddressAdd { link, address, .. } if *stage == Stage::Link => {
                    let place = coming.get_mut(netns).filter(|place| place.devices.contains(&link.index));
                    place.map(|place| place.addresses.insert(address.addr()));
                }
                _ => {}
            }
        }
        Self(coming)
    }

    /// Where an op is brought forward, or put off, to: where the others of its namespace are. Nobody can tell: what is moved has
    /// to do with that namespace alone, in which nothing was before.
    pub fn stage(&self, stage: Stage, netns: &Netns, op: &Op) -> Stage {
        self.0.get(netns).map_or(stage, |place| place.stage(stage, op))
    }
}

impl Coming {
    /// When an op that was to run in `stage` runs.
    fn stage(&self, stage: Stage, op: &Op) -> Stage {
        match stage {
            Stage::NetnsCreate | Stage::Sysctl if self.is_early => Stage::NetnsCreate,
            Stage::NetnsCreate | Stage::Sysctl => Stage::Link,
            Stage::Route if self.leads_out(op) => Stage::Link,
            other => other,
        }
    }

    /// Whether it is a route that needs nothing but a device that is made from inside, and its address.
    fn leads_out(&self, op: &Op) -> bool {
        let Op::RouteAdd { route, replace: false } = op else { return false };
        let by_its_devices = route.nexthops.iter().all(|hop| hop.link.is_some_and(|link| self.devices.contains(&link)));
        let from_its_address = route.src.is_none_or(|src| self.addresses.contains(&src));
        route.to.addr().is_ipv4() && by_its_devices && from_its_address
    }
}
