//! By which way each namespace reaches what is not on its own subnets, and where gateways are.

use std::net::IpAddr;

use foldhash::HashMap;
use ipnet::IpNet;

use super::nets::NetMap;
use crate::{
    kind::{
        gateway::Gateway,
        route::{Hop, Route, metric_of},
    },
    model::{
        Netns,
        snapshot::{RouteType, TABLE_MAIN},
    },
};

/// The routes and gateways of all namespaces.
#[derive(Debug, Default)]
pub struct Ways<'a> {
    routes: HashMap<&'a Netns, NetMap<Option<Way<'a>>>>,
    gateways: HashMap<(&'a Netns, &'a str), &'a Gateway>,
}

/// The next hops of a route, each with its device.
#[derive(Debug)]
pub struct Way<'a> {
    metric: u32,
    /// Next hops whose device is known.
    pub hops: Vec<(Option<IpAddr>, &'a str)>,
}

impl<'a> Ways<'a> {
    /// Those of the file's routes and of its gateways' members.
    pub fn new(routes: &'a [Route], gateways: &'a [Gateway]) -> Self {
        let mut ways = Self::default();
        for route in routes.iter().filter(|it| it.table == TABLE_MAIN && it.kind == RouteType::Unicast) {
            let hop = |Hop { via, dev, .. }: &'a Hop| Some((*via, dev.as_deref()?));
            let hops = route.hops.iter().filter_map(hop).collect();
            ways.add(&route.netns, &route.to, Way { metric: route.metric, hops });
        }
        for member in gateways.iter().flat_map(|gateway| &gateway.members) {
            let hops = vec![(member.via, member.dev.as_str())];
            ways.add(&member.netns, &member.to, Way { metric: metric_of(&member.to, None), hops });
        }
        ways.gateways = gateways.iter().map(|it| ((&it.netns, it.device.as_str()), it)).collect();
        ways
    }

    /// Of several to one network, the one with the lowest metric is taken.
    fn add(&mut self, netns: &'a Netns, to: &IpNet, way: Way<'a>) {
        let slot = self.routes.entry(netns).or_default().entry(to);
        if slot.as_ref().is_none_or(|other| way.metric <= other.metric) {
            *slot = Some(way);
        }
    }

    /// The way to a target by the longest route, with the network that it leads to.
    pub fn to(&self, netns: &Netns, target: &IpNet) -> Option<(IpNet, &Way<'a>)> {
        let (net, way) = self.routes.get(netns)?.around(*target).next()?;
        Some((*net, way.as_ref()?))
    }

    /// The gateway that a device of a namespace is.
    pub fn gateway(&self, netns: &Netns, device: &str) -> Option<&'a Gateway> {
        self.gateways.get(&(netns, device)).copied()
    }
}
