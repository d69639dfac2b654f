//! A routing table: the longest prefix that holds an address, and of several routes those with the lowest metric.

use std::{cmp::Reverse, net::IpAddr};

use ipnet::IpNet;

use crate::{kind::route::Route, model::snapshot::RouteType};

/// One route.
#[derive(Debug, Clone)]
pub(super) struct Entry<'t> {
    /// Its metric.
    pub metric: u32,
    /// Where it leads.
    pub way: Way<'t>,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'t> {
    /// To the subnet of an interface itself.
    Connected(usize),
    /// As a route of the file says, which has that place among them.
    Static(usize, &'t Route),
    /// To a gateway, which has that place among them, by an interface.
    Gateway { place: usize, via: IpAddr, interface: usize },
}

impl Way<'_> {
    /// What it does.
    pub fn kind(&self) -> RouteType {
        match self {
            Self::Static(_, route) => route.kind,
            Self::Connected(_) | Self::Gateway { .. } => RouteType::Unicast,
        }
    }
}

/// The routes of one family.
#[derive(Debug, Default)]
pub(super) struct Table<'t> {
    /// Once settled: longest prefix first, those to one network together.
    routes: Vec<(IpNet, Entry<'t>)>,
    /// The prefix lengths that there are, longest first.
    lengths: Vec<u8>,
}

impl<'t> Table<'t> {
    /// Adds a route, before the table is settled.
    pub fn add(&mut self, to: IpNet, entry: Entry<'t>) {
        self.routes.push((to.trunc(), entry));
    }

    /// Puts the routes in the order in which they are looked up.
    pub fn settle(&mut self) {
        self.routes.sort_by_key(|(net, _)| order(net));
        self.lengths = self.routes.iter().map(|(net, _)| net.prefix_len()).collect();
        self.lengths.dedup();
    }

    /// The best routes to an address, with their prefix: several where the kernel may take any of them.
    pub fn lookup(&self, address: IpAddr) -> Option<(IpNet, Vec<Way<'t>>)> {
        self.lengths.iter().find_map(|length| {
            let net = IpNet::new(address, *length).ok()?.trunc();
            let from = self.routes.partition_point(|(other, _)| order(other) < order(&net));
            let to = || self.routes.iter().skip(from).take_while(|(other, _)| *other == net).map(|(_, entry)| entry);
            let best = to().map(|entry| entry.metric).min()?;
            Some((net, to().filter(|entry| entry.metric == best).map(|entry| entry.way).collect()))
        })
    }
}

fn order(net: &IpNet) -> (Reverse<u8>, IpNet) {
    (Reverse(net.prefix_len()), *net)
}
