//! A device that gets another name in its place.

use super::steps::{Stage, Steps};
use crate::{
    model::{Address, IfName, Netns},
    op::{LinkChange, LinkRef, Op},
};

/// Ops that rename the device with that index. Names may be in each other's way (a swap, a chain): a device whose name
/// another one is to have moves aside first.
pub fn lower(address: &Address, netns: &Netns, index: u32, (old, new): (&str, &str), steps: &mut Steps<'_>) {
    let wanted = steps.index(netns, old).is_some_and(|other| other != index);
    let rename = |name: &str| LinkChange { rename: name.parse().ok(), ..LinkChange::default() };
    let mut now = old.to_owned();
    if wanted {
        let aside = aside_name(index);
        let link = LinkRef { index, name: now };
        steps.push(Stage::RenameAside, netns, address, Op::LinkSet { link, change: rename(&aside) });
        now = aside;
    }
    let link = LinkRef { index, name: now };
    steps.push(Stage::Rename, netns, address, Op::LinkSet { link, change: rename(new) });
}

/// The name that a device bears while it is out of others' way.
pub fn aside(index: u32) -> Option<IfName> {
    aside_name(index).parse().ok()
}

fn aside_name(index: u32) -> String {
    format!("nw-{index:x}")
}
