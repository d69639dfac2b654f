//! The addresses of a device: which of them a file judges, what differs, and the ops that close the gap.

use std::{borrow::Cow, collections::BTreeSet};

use ipnet::IpNet;

use super::steps::{Stage, Steps};
use crate::{
    model::{
        Address, Netns,
        change::{Comparison, Value},
        mark::ADDRESS_PROTOCOL,
        snapshot::{AddressState, NetnsState},
    },
    op::{LinkRef, Op},
};

/// The addresses of one device, as the file wants them or as the kernel has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// Wanted: these and no others.
    Exactly(BTreeSet<IpNet>),
    /// Wanted: what others (a routing daemon, DHCP) give it, and none of ours.
    LeftToOthers,
    /// Observed.
    Seen {
        /// Those that a file may judge: not those that come by themselves, but for those that it names.
        judged: BTreeSet<IpNet>,
        /// Those of them that netwright gave (`IFA_PROTO`; Linux before 5.18 does not tell).
        ours: BTreeSet<IpNet>,
    },
}

/// Where a device is, and for which resource its addresses are changed.
#[derive(Debug)]
pub struct Holder<'a> {
    /// The resource.
    pub address: &'a Address,
    /// The device's namespace.
    pub netns: &'a Netns,
    /// The device.
    pub link: &'a LinkRef,
    /// When addresses are given.
    pub stage: Stage,
    /// Whether the device goes down.
    pub falls: bool,
}

impl Addresses {
    /// What the file wants: what it lists, and where that is nothing, what others give.
    pub fn wanted(listed: impl Iterator<Item = IpNet>) -> Self {
        let listed: BTreeSet<IpNet> = listed.collect();
        if listed.is_empty() { Self::LeftToOthers } else { Self::Exactly(listed) }
    }

    /// What a device has; `like` is what the file wants there.
    pub fn observed(state: &NetnsState, link: u32, like: Option<&Self>) -> Self {
        let comes_by_itself = |it: &AddressState| it.dynamic || it.link_local || it.address.addr().is_loopback();
        let is_named = |it: &AddressState| like.is_some_and(|like| like.iter().any(|net| *net == it.address));
        let judged = state.addresses.of(link).filter(|it| !comes_by_itself(it) || is_named(it));
        let ours = judged.clone().filter(|it| it.protocol == ADDRESS_PROTOCOL);
        Self::Seen { ours: ours.map(|it| it.address).collect(), judged: judged.map(|it| it.address).collect() }
    }

    /// Each that is known: listed in the file, or seen.
    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        match self {
            Self::Exactly(nets) | Self::Seen { judged: nets, .. } => Some(nets),
            Self::LeftToOthers => None,
        }
        .into_iter()
        .flatten()
    }

    /// Whether there is anything to say about them.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Of those that are there, the ones that `after` decides about.
    fn judged_by<'a>(&'a self, after: Option<&Self>) -> &'a BTreeSet<IpNet> {
        static NONE: BTreeSet<IpNet> = BTreeSet::new();
        match (self, after) {
            (Self::Seen { ours, .. }, Some(Self::LeftToOthers)) => ours,
            (Self::Exactly(nets) | Self::Seen { judged: nets, .. }, _) => nets,
            (Self::LeftToOthers, _) => &NONE,
        }
    }

    /// Adds what differs to a comparison, as the attribute `name`.
    pub fn compare<'a>(
        before: Option<&'a Self>,
        after: Option<&'a Self>,
        name: impl Into<Cow<'static, str>>,
        comparison: &mut Comparison,
    ) {
        let some = |nets: &'a BTreeSet<IpNet>| Some(nets).filter(|nets| !nets.is_empty());
        let has = before.and_then(|it| some(it.judged_by(after)));
        let wants = after.and_then(|it| some(it.judged_by(None)));
        let list = |nets: &BTreeSet<IpNet>| Value::List(nets.iter().map(IpNet::to_string).collect());
        match (after, has) {
            // What is left to others is no attribute of ours.
            (Some(Self::LeftToOthers), None) => {}
            _ => comparison.of(name, has, wants, list),
        }
    }

    /// Ops from `before` to these. Where a subnet's primary IPv4 address goes, its others are given again: the kernel
    /// takes them along (unless `promote_secondaries` is set).
    pub fn lower(&self, before: Option<&Self>, holder: &Holder<'_>, steps: &mut Steps<'_>) {
        let none = BTreeSet::new();
        let has = before.map_or(&none, |it| it.judged_by(Some(self)));
        let wanted = self.judged_by(None);
        let Holder { address, netns, link, stage, falls } = *holder;
        let state = steps.snapshot.namespaces.get(netns);
        // The kernel tells a primary address before its secondary ones.
        let told: Vec<&AddressState> = state.into_iter().flat_map(|state| state.addresses.of(link.index)).collect();
        let goes = |net: &IpNet| has.contains(net) && !wanted.contains(net);
        // Addresses go before names change.
        let there = state.and_then(|state| state.link_at(link.index));
        let now = there.map_or_else(|| link.clone(), |there| LinkRef { index: link.index, name: there.name.clone() });
        for gone in told.iter().rev().filter(|it| goes(&it.address)) {
            let op = Op::AddressDelete { link: now.clone(), address: gone.address };
            steps.push(Stage::Withdraw, netns, address, op);
        }
        let goes_along = |net: &IpNet| {
            let primary = told.iter().find(|other| other.address.trunc() == net.trunc());
            net.addr().is_ipv4() && primary.is_some_and(|it| goes(&it.address))
        };
        // The kernel takes the IPv6 addresses of a device that goes down (unless `keep_addr_on_down` is set), and gives
        // none back when it goes up.
        let falls_off = |net: &IpNet| falls && net.addr().is_ipv6();
        for net in wanted {
            if !has.contains(net) || goes_along(net) || falls_off(net) {
                let late = net.addr().is_ipv6() && !has.contains(net);
                let stage = if late { Stage::AddressV6.max(stage) } else { stage };
                let protocol = ADDRESS_PROTOCOL;
                steps.push(stage, netns, address, Op::AddressAdd { link: link.clone(), address: *net, protocol });
            }
        }
        // So are those of others, but for what bears a lifetime: whoever gave that gives it again.
        let others = told.iter().filter(|it| !has.contains(&it.address) && !wanted.contains(&it.address));
        for AddressState { address: net, protocol, .. } in others.filter(|it| !it.dynamic && goes_along(&it.address)) {
            let op = Op::AddressAdd { link: link.clone(), address: *net, protocol: *protocol };
            steps.push(stage, netns, address, op);
        }
    }
}
