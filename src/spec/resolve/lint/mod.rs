//! What a network engineer would catch by eye: a file that can be applied, and whose network will not do what is meant. Each
//! goes by what the file says for certain; what is left to others (DHCP, routing daemons, the host, external bridges) is not
//! judged.

mod alone;
mod apart;
mod forwarding;
mod macs;
mod members;
mod mtus;
mod nobody;
mod ranges;
mod route_mtu;
mod way_back;
mod way_out;

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};

use super::{
    Rules,
    nets::NetMap,
    networks::{Network, Networks},
    scope::{Interface, Scope, What},
};
use crate::{
    kind::{
        gateway::Gateway,
        route::{Hop, Route},
        sysctl,
    },
    model::{Diagnostic, Label, Netns, Span, Spanned, snapshot::Family},
    spec::file,
};

/// A resolved file.
pub struct Lab<'a> {
    /// Its names and interfaces.
    pub scope: &'a Scope<'a>,
    /// Its layer-2 networks.
    pub networks: &'a Networks,
    /// Its routes, and of each how it is written.
    pub routes: (&'a [Route], &'a [&'a file::Route]),
    /// Its gateways, and of each how it is written.
    pub gateways: (&'a [Gateway], &'a [&'a file::Gateway]),
    /// What its rules ask of namespaces.
    pub rules: &'a Rules,
}

/// Everything that is not as it should be.
pub fn check(lab: &Lab<'_>) -> Vec<Diagnostic> {
    let index = Index::new(lab);
    let mut found = macs::check(lab);
    found.extend(mtus::check(lab));
    found.extend(route_mtu::check(lab));
    found.extend(nobody::check(lab, &index));
    found.extend(forwarding::check(lab, &index));
    found.extend(members::check(lab, &index));
    found.extend(way_out::check(lab, &index));
    found.extend(way_back::check(lab, &index));
    found.extend(ranges::check(lab));
    found.extend(apart::check(lab, &index));
    found.extend(alone::check(lab));
    found
}

/// Who has what, looked up by many.
struct Index<'a> {
    /// Who has an address on a network.
    holders: HashMap<(Network, IpAddr), &'a Label>,
    /// Who has an address on its `lo`: it is answered for on every network of an IPv4 one.
    on_lo: HashMap<IpAddr, Vec<&'a Label>>,
    /// Who is on a segment.
    on_segment: HashMap<usize, Vec<(&'a Label, &'a Interface)>>,
    /// Networks on which somebody's addresses are left to others.
    open: HashSet<Network>,
    /// Who has a route of a family that leads beyond its own subnets.
    routed: HashSet<(Netns, Family)>,
    /// Where the routes of all lead to.
    led: NetMap<()>,
    /// Who has a default route of a family.
    defaults: HashSet<(Netns, Family)>,
}

impl<'a> Index<'a> {
    fn new(lab: &Lab<'a>) -> Self {
        let mut index = Self {
            holders: HashMap::default(),
            on_lo: HashMap::default(),
            on_segment: HashMap::default(),
            open: HashSet::default(),
            routed: HashSet::default(),
            led: NetMap::default(),
            defaults: HashSet::default(),
        };
        let all = lab.scope.interfaces.iter().flat_map(|(label, list)| list.iter().map(move |it| (label, it)));
        for (label, interface) in all.filter(|(_, it)| !matches!(it.what, What::Port(..))) {
            let Some(segment) = interface.segment else {
                interface.addresses.iter().for_each(|net| index.on_lo.entry(net.addr()).or_default().push(label));
                continue;
            };
            let network = lab.networks.of(segment);
            if interface.unmanaged {
                index.open.insert(network);
            }
            index.on_segment.entry(segment).or_default().push((label, interface));
            let addresses = interface.addresses.iter().map(|net| (network, net.addr()));
            addresses.for_each(|key| _ = index.holders.entry(key).or_insert(label));
        }
        for route in lab.routes.0 {
            let key = (route.netns.clone(), Family::of(route.to.addr()));
            if route.to.prefix_len() == 0 {
                index.defaults.insert(key.clone());
            }
            index.routed.insert(key);
            index.led.insert(route.to);
        }
        for (netns, family) in lab.gateways.0.iter().flat_map(Gateway::served) {
            index.defaults.insert((netns.clone(), family));
            index.routed.insert((netns.clone(), family));
        }
        index
    }
}

/// A next hop of a route.
struct Hopping<'a> {
    /// Whose route it is.
    label: Label,
    route: &'a Route,
    hop: &'a Hop,
    /// Where its address is written.
    span: Span,
    /// Where the route's destination is.
    to: Span,
}

impl Lab<'_> {
    /// The routes, each with how it is written.
    fn routes(&self) -> impl Iterator<Item = (&Route, &file::Route)> {
        self.routes.0.iter().zip(self.routes.1.iter().copied())
    }

    /// The next hops that are addresses, of all routes.
    fn hops(&self) -> impl Iterator<Item = Hopping<'_>> {
        self.routes().filter_map(|(route, written)| Some((route.label.parse().ok()?, route, written))).flat_map(
            |(label, route, written): (Label, _, _)| {
                let several = written.nexthops.iter().flat_map(|hops| &hops.value).filter_map(|hop| hop.via.as_ref());
                let places = written.via.iter().chain(several).map(|via| via.span);
                let hops = route.hops.iter().filter(|hop| hop.via.is_some());
                hops.zip(places).map(move |(hop, span)| Hopping {
                    label: label.clone(),
                    route,
                    hop,
                    span,
                    to: written.to.span,
                })
            },
        )
    }

    /// The gateways, each with how it is written.
    fn gateways(&self) -> impl Iterator<Item = (&Gateway, &file::Gateway)> {
        self.gateways.0.iter().zip(self.gateways.1.iter().copied())
    }

    /// The networks that a namespace is on.
    fn networks_of(&self, label: &Label) -> impl Iterator<Item = Network> {
        self.scope.of(label).iter().filter_map(|it| it.segment).map(|segment| self.networks.of(segment))
    }

    /// How a namespace is written, and where.
    fn written(&self, label: &Label) -> Option<(Span, &file::Namespace)> {
        let key = Spanned { value: label.clone(), span: Span::default() };
        self.scope.file.namespaces.get_key_value(&key).map(|(key, spec)| (key.span, spec))
    }

    /// Whether a namespace is told to answer for others on their segments.
    fn proxies(&self, label: &Label) -> bool {
        self.sets(label, |key| key.contains("/proxy_arp") || key.contains("/proxy_ndp"))
    }

    /// Whether a sysctl of the file that is not 0 has a name that fits.
    fn sets(&self, label: &Label, fits: impl Fn(&str) -> bool) -> bool {
        let Some((_, spec)) = self.written(label) else { return false };
        let mut on = spec.sysctls.iter().filter(|(_, value)| sysctl::normal(value) != "0");
        on.any(|(key, _)| fits(&sysctl::path_of_key(key)))
    }
}
