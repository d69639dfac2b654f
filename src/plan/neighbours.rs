//! Who has to forget where an address was.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{
    diff::Draft,
    kind::{
        Both, Pair,
        addresses::Addresses,
        link::End,
        steps::{Stage, Steps},
    },
    model::{Mac, Netns, event::Action},
    observe::Observed,
    op::{LinkChange, LinkRef, Op},
};

/// A device with addresses, as it will be.
struct Addressed<'a> {
    draft: &'a Draft<'a>,
    netns: &'a Netns,
    device: &'a str,
    mac: Option<Mac>,
    addresses: &'a Addresses,
}

/// Where an address is behind another hardware address from now on, neighbours would send to the old one for half a
/// minute and longer. A device that is given its own hardware address once more forgets its neighbours.
pub fn forget(observed: &Observed, drafts: &[Draft<'_>], steps: &mut Steps<'_>) {
    let ends = observed.links.iter().flat_map(|link| &link.ends).map(|end| (end.mac, &end.addresses));
    let bridges = observed.bridges.iter().map(|bridge| (bridge.mac, &bridge.addresses));
    // One address may have several holders: segments apart from each other may use the same subnet.
    let mut before: BTreeMap<IpAddr, BTreeSet<Mac>> = BTreeMap::new();
    for (mac, addresses) in ends.chain(bridges) {
        for net in addresses.iter() {
            before.entry(net.addr()).or_default().extend(mac);
        }
    }
    let after: Vec<Addressed<'_>> = drafts.iter().flat_map(addressed).collect();
    let has_moved = |it: &Addressed<'_>, net: &ipnet::IpNet| {
        before.get(&net.addr()).zip(it.mac.as_ref()).is_some_and(|(old, new)| !old.contains(new))
    };
    let moved: Vec<IpAddr> = after
        .iter()
        .flat_map(|it| it.addresses.iter().filter(|net| has_moved(it, net)).map(|net| net.addr()))
        .collect();
    let stays = |it: &&Addressed<'_>| !matches!(it.draft.action, Some(Action::Create | Action::Replace));
    for device in after.iter().filter(stays) {
        let is_near = |ip: &IpAddr| device.addresses.iter().any(|net| net.contains(ip));
        if device.mac.is_none() || !moved.iter().any(is_near) {
            continue;
        }
        let Some(index) = steps.index(device.netns, device.device) else { continue };
        let link = LinkRef { index, name: device.device.to_owned() };
        let change = LinkChange { mac: device.mac, ..LinkChange::default() };
        steps.push(Stage::Flows, device.netns, &device.draft.address, Op::LinkSet { link, change });
    }
}

fn addressed<'a>(draft: &'a Draft<'a>) -> Vec<Addressed<'a>> {
    match &draft.pair {
        Pair::Link(Both { after: Some(after), .. }) => {
            let one = |end: &'a End| {
                let addresses = &end.addresses;
                Addressed { draft, netns: &end.netns, device: &end.device, mac: end.mac, addresses }
            };
            after.ends.iter().map(one).collect()
        }
        Pair::Bridge(Both { after: Some(after), .. }) => {
            let addresses = &after.addresses;
            vec![Addressed { draft, netns: &after.netns, device: &after.device, mac: after.mac, addresses }]
        }
        _ => Vec::new(),
    }
}
