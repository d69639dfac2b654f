//! A routing table: the longest prefix that holds an address, and of several routes those with the lowest metric.

use std::net::IpAddr;

use foldhash::HashMap;
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
    routes: HashMap<IpNet, Vec<Entry<'t>>>,
    /// The prefix lengths that there are, longest first.
    lengths: Vec<u8>,
}

impl<'t> Table<'t> {
    /// Adds a route.
    pub fn add(&mut self, to: IpNet, entry: Entry<'t>) {
        let length = to.prefix_len();
        if let Err(place) = self.lengths.binary_search_by(|other| length.cmp(other)) {
            self.lengths.insert(place, length);
        }
        self.routes.entry(to.trunc()).or_default().push(entry);
    }

    /// The best routes to an address, with their prefix: several where the kernel may take any of them.
    pub fn lookup(&self, address: IpAddr) -> Option<(IpNet, Vec<Way<'t>>)> {
        self.lengths.iter().find_map(|length| {
            let net = IpNet::new(address, *length).ok()?.trunc();
            let entries = self.routes.get(&net)?;
            let best = entries.iter().map(|entry| entry.metric).min()?;
            Some((net, entries.iter().filter(|entry| entry.metric == best).map(|entry| entry.way).collect()))
        })
    }
}
