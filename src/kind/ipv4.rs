//! The IPv4 settings of one device of ours. They die with it, so that nothing has to be given back.

use super::{
    steps::{Stage, Steps},
    sysctl,
};
use crate::{
    model::{
        Address, Netns,
        change::Comparison,
        snapshot::{LinkState, NetnsState},
    },
    op::Op,
};

/// What rules and routing ask of a device, or what it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ipv4 {
    /// Whether 127.0.0.0/8 is routed by it: for a port that is published on 127.0.0.1, and a way in for neighbours where
    /// no rule shields it.
    pub route_localnet: bool,
    /// Observed: whether every new device of the namespace has that, which is somebody's will and none of ours.
    pub localnet_by_default: bool,
    /// Whether what comes in by it is forwarded; `None` where that is its namespace's business alone, which does not
    /// forward.
    pub forwarding: Option<bool>,
}

impl Ipv4 {
    /// What a device has.
    pub fn observed(state: &NetnsState, link: &LinkState) -> Self {
        // `ip_forward` writes every device's own flag, so that a namespace that does not forward has none to compare.
        Self {
            route_localnet: link.route_localnet,
            localnet_by_default: is(state, sysctl::LOCALNET_DEFAULT, "1")
                || state.link("lo").is_some_and(|lo| lo.route_localnet),
            forwarding: link.forwarding.filter(|_| is(state, sysctl::FORWARD_V4, "1")),
        }
    }

    /// What differs; `name` makes an attribute's name of what it is.
    pub fn compare(
        has: Option<&Self>,
        wants: Option<&Self>,
        name: impl Fn(&str) -> String,
        comparison: &mut Comparison,
    ) {
        let Some(wants) = wants else { return };
        if wants.route_localnet || has.is_some_and(|has| has.opens(wants)) {
            let before = has.map(|has| has.route_localnet.into());
            comparison.attribute(name("route_localnet"), before, Some(wants.route_localnet.into()));
        }
        if has.is_some_and(|has| has.stops(wants)) {
            comparison.attribute(name("forwarding"), Some(false.into()), Some(true.into()));
        }
    }

    /// Ops that bring a device from `has` to this.
    pub fn lower(&self, device: &str, has: Option<&Self>, place: (&Netns, &Address), steps: &mut Steps<'_>) {
        let (netns, address) = place;
        let mut write = |key: String, on: bool| {
            let op = Op::SysctlSet { key, value: u8::from(on).to_string() };
            steps.push(Stage::LinkSysctl, netns, address, op);
        };
        let has_localnet = has.is_some_and(|has| has.route_localnet);
        if self.route_localnet && !has_localnet {
            write(route_localnet(device), true);
        }
        if has.is_some_and(|has| has.opens(self)) {
            write(route_localnet(device), false);
        }
        if has.is_some_and(|has| has.stops(self)) {
            write(forwarding(device), true);
        }
    }

    /// A new device has what `default` says, which may differ where the namespace forwarded before us.
    pub fn lower_new(&self, device: &str, place: (&Netns, &Address), steps: &mut Steps<'_>) {
        let state = steps.snapshot.namespaces.get(place.0);
        let stopped =
            state.is_some_and(|state| is(state, sysctl::FORWARD_V4, "1") && is(state, sysctl::FORWARD_V4_DEFAULT, "0"));
        let born = Self { forwarding: stopped.then_some(false), ..Self::default() };
        self.lower(device, Some(&born), place, steps);
    }

    /// Whether it lets 127.0.0.0/8 in though it should not.
    fn opens(&self, wants: &Self) -> bool {
        self.route_localnet && !wants.route_localnet && !self.localnet_by_default
    }

    /// Whether it does not forward though it should.
    fn stops(&self, wants: &Self) -> bool {
        self.forwarding == Some(false) && wants.forwarding == Some(true)
    }
}

fn is(state: &NetnsState, key: &str, wanted: &str) -> bool {
    state.sysctls.get(key).is_some_and(|value| value.as_deref() == Some(wanted))
}

fn route_localnet(device: &str) -> String {
    format!("net/ipv4/conf/{device}/route_localnet")
}

fn forwarding(device: &str) -> String {
    format!("net/ipv4/conf/{device}/forwarding")
}
