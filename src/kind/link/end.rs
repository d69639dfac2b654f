//! One end of a veth pair: an interface of a namespace, or a port of a bridge.

use crate::{
    kind::{
        addresses::{Addresses, Holder},
        conf::Conf,
        rename,
        steps::{Stage, Steps},
    },
    model::{
        Address, Mac, Mark, Netns, TopologyName,
        address::KindName,
        change::{Comparison, Named, Value},
        mark::MARK_GROUP,
        snapshot::{LinkState, NetnsState, Snapshot},
    },
    op::{LinkChange, LinkRef, NewEnd, Op},
};

/// The kernel has no IPv6 on a device whose MTU is below it (linux/ipv6.h).
pub const IPV6_MIN_MTU: u32 = 1280;

/// One end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How the file calls it, such as `web:eth0` or `br0:web-eth0`.
    pub label: String,
    /// Where it lives.
    pub netns: Netns,
    /// Its device's name in the kernel.
    pub device: String,
    /// The device name of the bridge that it is a port of.
    pub bridge: Option<String>,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Its MTU.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// Its addresses.
    pub addresses: Addresses,
    /// Whether a frame may leave by the port that it came in by.
    pub hairpin: bool,
    /// Its own settings of IPv4 and IPv6.
    pub conf: Conf,
    /// Observed: whether it was made as a port of a bridge; `None` where nobody remembers.
    pub was_port: Option<bool>,
    /// Observed: whether it bears the mark that it should.
    pub marked: bool,
    /// Observed: its index and its peer's.
    pub index: u32,
}

impl End {
    /// Where it is: its namespace and device name.
    pub fn place(&self) -> (&Netns, &str) {
        (&self.netns, &self.device)
    }
}

/// How the file calls a namespace, as its mark tells.
pub(super) fn place_label(netns: &Netns, state: &NetnsState) -> String {
    state.mark().map_or_else(|| netns.to_string(), |mark| mark.address.rest().to_owned())
}

impl End {
    pub(super) fn from_state(
        netns: &Netns,
        state: &NetnsState,
        link: &LinkState,
        topology: &TopologyName,
        like: Option<&Self>,
    ) -> Self {
        let master = link.master.and_then(|index| state.link_at(index));
        let bridge = master.and_then(LinkState::mark).filter(|mark| mark.address.kind() == KindName::Bridge);
        let place = bridge.map_or_else(|| place_label(netns, state), |mark| mark.address.rest().to_owned());
        Self {
            label: format!("{place}:{}", link.name),
            netns: netns.clone(),
            device: link.name.clone(),
            bridge: master.map(|master| master.name.clone()),
            mac: link.mac,
            mtu: link.mtu,
            up: link.up,
            addresses: Addresses::observed(state, link.index, like.map(|it| &it.addresses)),
            hairpin: link.port.as_ref().is_some_and(|port| port.hairpin),
            conf: Conf::observed(state, link),
            was_port: None,
            marked: link.is_of(topology) && link.group != MARK_GROUP,
            index: link.index,
        }
    }

    pub(super) fn compare<'a>(has: Option<&'a Self>, wants: Option<&'a Self>, comparison: &mut Comparison) {
        let label = wants.or(has).map_or("", |end| &*end.label);
        let name = |attribute: &'static str| Named(label, attribute);
        let device = |it: &'a Self| &*it.device;
        let bridge = |it: &'a Self| it.bridge.as_deref();
        // A port that turns into an end of its own is another thing; a master that was taken off by hand is put back in
        // its place. Where nobody remembers which it is, another name tells.
        let another = has.zip(wants).is_some_and(|(h, w)| match h.was_port {
            Some(was) => was != w.bridge.is_some(),
            None => h.bridge.is_some() != w.bridge.is_some() && h.device != w.device,
        });
        if another {
            // Both are said, so that it is a change and neither comes nor goes.
            let role = |it: &'a Self| Some(bridge(it).unwrap_or("none").into());
            let device = |it: &'a Self| device(it).into();
            comparison.forcing(name("device"), has.map(device), wants.map(device));
            comparison.forcing(name("bridge"), has.and_then(role), wants.and_then(role));
        } else {
            comparison.of(name("device"), has.map(device), wants.map(device), Value::from);
            comparison.of(name("bridge"), has.and_then(bridge), wants.and_then(bridge), Value::from);
        }
        if wants.is_none_or(|it| it.mac.is_some()) {
            let mac = |it: &Self| it.mac;
            comparison.of(name("mac"), has.and_then(mac), wants.and_then(mac), |mac| Value::Text(mac.to_string()));
        }
        comparison.attribute(name("mtu"), has.map(|it| it.mtu.into()), wants.map(|it| it.mtu.into()));
        comparison.attribute(name("up"), has.map(|it| it.up.into()), wants.map(|it| it.up.into()));
        let addresses = |it: Option<&'a Self>| it.map(|it| &it.addresses);
        Addresses::compare(addresses(has), addresses(wants), name("addresses"), comparison);
        let hairpin = |it: &Self| it.hairpin.then_some(Value::Bool(true));
        comparison.attribute(name("hairpin"), has.and_then(hairpin), wants.and_then(hairpin));
        Conf::compare(has.map(|it| &it.conf), wants.map(|it| &it.conf), name, comparison);
        if let Some(has) = has.filter(|has| !has.marked && wants.is_some()) {
            comparison.noted(name("mark"), None, Some(true.into()), format!("{} bears no mark of ours", has.device));
        }
    }

    pub(super) fn as_new(&self, steps: &Steps<'_>) -> Option<NewEnd> {
        let index = steps.index(&self.netns, &self.device)?;
        Some(NewEnd { index, name: self.device.parse().ok()?, mac: self.mac, mtu: Some(self.mtu) })
    }

    fn master_index(&self, address: &Address, steps: &mut Steps<'_>) -> Option<u32> {
        let bridge = self.bridge.as_deref()?;
        steps.link(address, &self.netns, bridge).map(|link| link.index)
    }

    pub(super) fn lower_new(&self, address: &Address, stage: Stage, steps: &mut Steps<'_>) {
        let Some(link) = steps.link(address, &self.netns, &self.device) else { return };
        let change = LinkChange {
            alias: Some(Mark::new(steps.topology, address).to_string()),
            group: Some(0),
            master: self.master_index(address, steps),
            up: Some(self.up),
            hairpin: self.hairpin.then_some(true),
            link_local: self.goes_without_link_local(steps.snapshot).then_some(false),
            ..LinkChange::default()
        };
        // A bridge of the same namespace may be made in a later batch than a link within one namespace is.
        let stage = if change.master.is_some() { Stage::Configure } else { stage };
        steps.push(stage, &self.netns, address, Op::LinkSet { link: link.clone(), change });
        let holder = Holder { address, netns: &self.netns, link: &link, stage, falls: false };
        self.addresses.lower(None, &holder, steps);
        self.conf.lower((&self.device, &self.device), None, (&self.netns, address), steps);
    }

    pub(super) fn lower_update(&self, address: &Address, has: &Self, renamed: bool, steps: &mut Steps<'_>) {
        let link = LinkRef { index: has.index, name: self.device.clone() };
        if has.device != self.device {
            rename::lower(address, &self.netns, has.index, (&has.device, &self.device), steps);
        }
        let master = match (&has.bridge, &self.bridge) {
            (Some(_), None) => Some(0),
            (_, Some(_)) => self.master_index(address, steps).filter(|_| self.master_differs(has, steps)),
            (None, None) => None,
        };
        let alias = (renamed || !has.marked).then(|| Mark::new(steps.topology, address).to_string());
        let change = LinkChange {
            group: alias.is_some().then_some(0),
            alias,
            mac: self.mac.filter(|_| has.mac != self.mac),
            mtu: (has.mtu != self.mtu).then_some(self.mtu),
            master,
            up: (has.up != self.up).then_some(self.up),
            // A port that changes its bridge is a new port there, without hairpin.
            hairpin: (has.hairpin != self.hairpin || (master.is_some_and(|m| m != 0) && self.hairpin))
                .then_some(self.hairpin),
            ..LinkChange::default()
        };
        if change != LinkChange::default() {
            let op = Op::LinkSet { link: link.clone(), change };
            steps.push(Stage::Configure, &self.netns, address, op);
        }
        let falls = has.up && !self.up;
        let holder = Holder { address, netns: &self.netns, link: &link, stage: Stage::Configure, falls };
        self.addresses.lower(Some(&has.addresses), &holder, steps);
        self.conf.lower((&has.device, &self.device), Some(&has.conf), (&self.netns, address), steps);
    }

    /// Whether it gets no link-local address: nobody could reach it at one, since what comes in by a port is the bridge's, but
    /// the kernel asks for neighbours that have the same one, tells routers of it, and goes through all routes, for each port.
    fn goes_without_link_local(&self, snapshot: &Snapshot) -> bool {
        self.bridge.is_some() && snapshot.has_ipv6() && self.mtu >= IPV6_MIN_MTU
    }

    /// Whether its master is another device than it should be: by name, or because that one is made anew.
    fn master_differs(&self, has: &Self, steps: &Steps<'_>) -> bool {
        let Some(bridge) = &self.bridge else { return has.bridge.is_some() };
        let old = steps.snapshot.namespaces.get(&has.netns).and_then(|state| state.link_at(has.index)?.master);
        old != steps.index(&self.netns, bridge)
    }
}
