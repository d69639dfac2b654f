//! What `net.ipv4.conf.DEVICE` and `net.ipv6.conf.DEVICE` say of one device of ours. It dies with the device, so that
//! nothing has to be given back; it comes with every dump of links, so that it costs nothing to read.

use std::borrow::Cow;

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
pub struct Conf {
    /// Whether 127.0.0.0/8 is routed by it: for a port that is published on 127.0.0.1, and a way in for neighbours where
    /// no rule shields it.
    pub route_localnet: bool,
    /// Whether IPv4 that comes in by it is forwarded; `None` where nobody asks.
    pub forwarding: Option<bool>,
    /// Whether it speaks IPv6; wanted: `None` for what its namespace gives to a new device.
    pub ipv6: Option<bool>,
    /// Wanted: whether the file writes that itself, as a sysctl.
    pub ipv6_is_written: bool,
    /// Whether its link-local address waits a second or two for others that might have it, in which IPv6 is not forwarded by
    /// it; `None` where nobody asks. The kernel heeds it together with that of `all`, which is off unless somebody turned it
    /// on.
    pub accept_dad: Option<bool>,
    /// What its namespace has for all of them; wanted: as far as the file says it.
    pub around: Around,
}

/// What a namespace says of its devices as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Around {
    /// Whether every new device routes 127.0.0.0/8, which is somebody's will and none of ours.
    localnet: bool,
    /// `ip_forward`, which writes the flag of every device.
    forwarding: Option<bool>,
    /// Whether a new device speaks IPv6.
    ipv6: Option<bool>,
    /// Whether IPv6 is off for all, which writes the flag of every device too.
    ipv6_off: bool,
}

impl Around {
    /// What a file says of whether new devices speak IPv6, in a namespace where it is not off for all.
    pub fn wanted(ipv6: Option<bool>) -> Self {
        Self { ipv6, ..Self::default() }
    }
}

impl Conf {
    /// What a device has.
    pub fn observed(state: &NetnsState, link: &LinkState) -> Self {
        let localnet =
            flag(state, sysctl::LOCALNET_DEFAULT) == Some(true) || state.link("lo").is_some_and(|lo| lo.route_localnet);
        let [off, off_for_new] = sysctl::DISABLE_V6;
        let around = Around {
            localnet,
            forwarding: flag(state, sysctl::FORWARD_V4),
            ipv6: flag(state, off_for_new).map(|off| !off),
            ipv6_off: flag(state, off) == Some(true),
        };
        let LinkState { route_localnet, forwarding, ipv6, accept_dad, .. } = *link;
        Self { route_localnet, forwarding, ipv6, accept_dad, around, ipv6_is_written: false }
    }

    /// What a new device has by itself.
    fn of_new(state: Option<&NetnsState>) -> Self {
        let flag = |key| state.and_then(|state| flag(state, key));
        Self {
            route_localnet: false,
            forwarding: flag(sysctl::FORWARD_V4_DEFAULT),
            ipv6: Some(flag(sysctl::DISABLE_V6_FOR_NEW) != Some(true)),
            accept_dad: Some(true),
            ipv6_is_written: false,
            around: Around { forwarding: flag(sysctl::FORWARD_V4), ..Around::default() },
        }
    }

    /// What differs; `name` makes an attribute's name of what it is.
    pub fn compare<N: Into<Cow<'static, str>>>(
        has: Option<&Self>,
        wants: Option<&Self>,
        name: impl Fn(&'static str) -> N,
        comparison: &mut Comparison,
    ) {
        let Some(wants) = wants else { return };
        if wants.route_localnet || has.is_some_and(|has| has.opens(wants)) {
            let before = has.map(|has| has.route_localnet.into());
            comparison.attribute(name("route_localnet"), before, Some(wants.route_localnet.into()));
        }
        if has.is_some_and(|has| has.forwards_otherwise(wants)) {
            let flag = |it: &Self| it.forwarding.map(Into::into);
            comparison.attribute(name("forwarding"), has.and_then(flag), flag(wants));
        }
        if has.map_or(wants.ipv6 == Some(false), |has| has.speaks_otherwise(wants)) {
            let wanted = has.map_or(wants.ipv6, |has| has.is_to_speak(wants));
            comparison.attribute(name("ipv6"), has.and_then(|has| has.ipv6).map(Into::into), wanted.map(Into::into));
        }
        if has.is_some_and(|has| has.waits_otherwise(wants)) {
            let flag = |it: &Self| it.accept_dad.map(Into::into);
            comparison.attribute(name("accept_dad"), has.and_then(flag), flag(wants));
        }
    }

    /// Ops that bring a device from `has` to this; a new one from what it has by itself. It has two names where it gets
    /// another one.
    pub fn lower(
        &self,
        (old, new): (&str, &str),
        has: Option<&Self>,
        place: (&Netns, &Address),
        steps: &mut Steps<'_>,
    ) {
        let (netns, address) = place;
        let has = has.copied().unwrap_or_else(|| Self::of_new(steps.snapshot.namespaces.get(netns)));
        let mut write = |stage, key: &str, on: bool| {
            let device = if stage < Stage::Rename { old } else { new };
            let op = Op::SysctlSet { key: key.replace('*', device), value: u8::from(on).to_string() };
            steps.push(stage, netns, address, op);
        };
        if self.route_localnet && !has.route_localnet {
            write(Stage::Open, "net/ipv4/conf/*/route_localnet", true);
        }
        if has.opens(self) {
            write(Stage::Close, "net/ipv4/conf/*/route_localnet", false);
        }
        if let Some(on) = self.forwarding.filter(|_| has.forwards_otherwise(self)) {
            write(Stage::LinkSysctl, "net/ipv4/conf/*/forwarding", on);
        }
        if let Some(on) = has.is_to_speak(self).filter(|_| has.speaks_otherwise(self)) {
            write(Stage::Ipv6, "net/ipv6/conf/*/disable_ipv6", !on);
        }
        if let Some(on) = self.accept_dad.filter(|_| has.waits_otherwise(self)) {
            write(Stage::Ipv6, "net/ipv6/conf/*/accept_dad", on);
        }
    }

    /// Whether it lets 127.0.0.0/8 in though it should not.
    fn opens(&self, wants: &Self) -> bool {
        self.route_localnet && !wants.route_localnet && !self.around.localnet
    }

    /// Whether it forwards though its namespace does not, or the other way round. Where the namespace itself is to
    /// change, its devices follow.
    fn forwards_otherwise(&self, wants: &Self) -> bool {
        wants.forwarding.is_some()
            && self.around.forwarding == wants.forwarding
            && self.forwarding == wants.forwarding.map(|on| !on)
    }

    /// Whether it should speak IPv6, `None` where nobody says so.
    fn is_to_speak(&self, wants: &Self) -> Option<bool> {
        wants.ipv6.or(wants.around.ipv6).or(self.around.ipv6)
    }

    fn speaks_otherwise(&self, wants: &Self) -> bool {
        let wanted = self.is_to_speak(wants);
        wanted.is_some() && !wants.ipv6_is_written && !self.around.ipv6_off && self.ipv6 == wanted.map(|on| !on)
    }

    fn waits_otherwise(&self, wants: &Self) -> bool {
        wants.accept_dad.is_some() && self.accept_dad == wants.accept_dad.map(|on| !on)
    }
}

fn flag(state: &NetnsState, key: &str) -> Option<bool> {
    state.sysctls.get(key)?.as_deref().map(|value| value != "0")
}
