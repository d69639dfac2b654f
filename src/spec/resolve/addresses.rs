//! Addresses: the automatic ones, and clashes of those that are written.

use std::{collections::BTreeSet, net::IpAddr};

use foldhash::{HashMap, HashSet};
use ipnet::{IpAddrRange, IpNet};

use super::{
    HOST,
    nets::NetMap,
    networks::{Network, Networks},
    scope::{EndId, Interface, Scope, Segment, What},
};
use crate::{
    kind::sysctl,
    model::{Diagnostic, Label, Span, Spanned},
};

/// How many addresses a file may leave to be given, in all: each end gets one of every subnet of its segment.
const GIVEN_MAX: usize = 1 << 18;

/// Gives each end without `addresses`, on a segment with subnets, the lowest free address of each of them.
pub fn assign(scope: &mut Scope<'_>, networks: &Networks) {
    let mut pools = Pools::default();
    for interface in scope.interfaces.values().flatten() {
        let Some(segment) = interface.segment else { continue };
        let network = networks.of(segment);
        pools.used.extend(interface.addresses.iter().map(|net| (network, net.addr())));
    }
    for (index, link) in scope.file.links.iter().enumerate() {
        for (which, end) in link.endpoints.iter().enumerate() {
            let lacks = end.addresses.is_none();
            if lacks && assign_end(scope, networks, (index, which), end.span, &mut pools).is_none() {
                return;
            }
        }
    }
    let found: Vec<Diagnostic> = pools.giving.iter().flat_map(|segment| overlaps(&scope.segments[*segment])).collect();
    found.into_iter().for_each(|found| scope.error(found));
}

/// Subnets of one segment that share addresses: whoever gets some has two that lead to the same neighbours.
fn overlaps(segment: &Segment) -> Vec<Diagnostic> {
    let mut places: NetMap<Span> = NetMap::default();
    segment.subnets.iter().for_each(|subnet| *places.entry(subnet) = subnet.span);
    let mut found = Vec::new();
    for inner in &segment.subnets {
        let mut around = places.around(inner.value).filter(|(outer, _)| **outer != inner.value);
        let Some((outer, span)) = around.next() else { continue };
        let what = format!("the subnet {} lies within {outer} of the same segment", inner.value);
        let warning = Diagnostic::warning("address::overlap", what)
            .at(inner.span, inner.to_string())
            .at(*span, format!("{outer} around it"))
            .help("an end that has no `addresses` gets one of each: take one of the two away, or another subnet");
        found.push(warning);
    }
    found
}

/// What is left to give.
#[derive(Default)]
struct Pools {
    /// The addresses of each network that somebody has.
    used: HashSet<(Network, IpAddr)>,
    /// The addresses of each subnet of a network that have not been looked at: all before them are somebody's.
    rest: HashMap<(Network, IpNet), IpAddrRange>,
    given: usize,
    /// Segments that gave any.
    giving: BTreeSet<usize>,
}

impl Pools {
    /// Takes the lowest free address of a subnet on a network.
    fn take(&mut self, network: Network, subnet: &IpNet) -> Option<IpAddr> {
        let rest = self.rest.entry((network, *subnet)).or_insert_with(|| hosts(subnet));
        let address = rest.find(|address| self.used.insert((network, *address)))?;
        self.given += 1;
        Some(address)
    }
}

/// Gives an end what it lacks. `None` where no more are given to anybody.
fn assign_end(scope: &mut Scope<'_>, networks: &Networks, id: EndId, span: Span, pools: &mut Pools) -> Option<()> {
    let what = What::End(id);
    let Some((label, Interface { segment: Some(segment), .. })) = scope.find(&what) else { return Some(()) };
    let Segment { bridge, subnets, external } = &scope.segments[*segment];
    if *external || (bridge.is_some() && label.as_str() == HOST) {
        return Some(());
    }
    let mut given = Vec::new();
    let mut exhausted = Vec::new();
    for subnet in subnets {
        match pools.take(networks.of(*segment), subnet) {
            Some(address) => given.extend(IpNet::new(address, subnet.prefix_len())),
            None if !scope.gaps.knows(label) => {}
            None => exhausted.push(subnet),
        }
        if pools.given > GIVEN_MAX {
            let what = format!("the file asks for more than {GIVEN_MAX} automatic addresses");
            let error = Diagnostic::error("address::many", what).at(span, "no more from this end on");
            scope.error(error.help("every end gets one of each subnet of its segment; take fewer subnets"));
            return None;
        }
    }
    if !given.is_empty() {
        pools.giving.insert(*segment);
    }
    let exhausted: Vec<Diagnostic> = exhausted.into_iter().map(|subnet| no_address_left(subnet, span)).collect();
    if let Some(interface) = scope.find_mut(&what).filter(|_| !given.is_empty()) {
        interface.addresses.extend(given);
        interface.unmanaged = false;
    }
    exhausted.into_iter().for_each(|error| scope.error(error));
    Some(())
}

fn no_address_left(subnet: &Spanned<IpNet>, end: Span) -> Diagnostic {
    Diagnostic::error("address::exhausted", format!("{} has no address left", subnet.value))
        .at(end, "for this end")
        .at(subnet.span, "all of this are taken")
        .help("take a larger subnet, or give this end `addresses`")
}

/// The addresses of `subnet` that are given, from the lowest on: never its network or broadcast address, but both of a
/// /31 or /127.
fn hosts(subnet: &IpNet) -> IpAddrRange {
    let mut hosts = subnet.hosts();
    // The first address of an IPv6 subnet is the routers' anycast address (RFC 4291, 2.6.1), so it is no host's.
    if matches!(subnet, IpNet::V6(net) if net.prefix_len() < 127) {
        hosts.next();
    }
    hosts
}

/// One address twice on a segment, one twice in a namespace, IPv6 where it is off, addresses that no host can have.
pub fn check_clashes(scope: &mut Scope<'_>, networks: &Networks) {
    let written = written(scope);
    let mut errors = Vec::new();
    let mut by_network: HashMap<(Network, IpAddr), (Span, usize)> = HashMap::default();
    let mut by_namespace: HashMap<(Label, IpAddr), Span> = HashMap::default();
    for Written { namespace, segment, net, span } in written {
        errors.extend(impossible(scope, &net, span));
        errors.extend(without_ipv6(scope, &namespace, &net, span));
        let key = |segment| (networks.of(segment), net.addr());
        let there = segment.and_then(|segment| by_network.insert(key(segment), (span, segment)));
        let first = by_namespace.insert((namespace.clone(), net.addr()), span).or(there.map(|(first, _)| first));
        let help = match segment.zip(there).filter(|(segment, (_, other))| segment != other) {
            Some(_) => "bridges that a link joins are one segment, on which an address is one interface's",
            None => "an address is one interface's of a segment, and of a namespace",
        };
        if let Some(first) = first.filter(|first| *first != span) {
            let what = format!("{} is given twice", net.addr());
            errors.push(
                Diagnostic::error("address::duplicate", what)
                    .at(span, "the second time")
                    .at(first, "the first time")
                    .help(help),
            );
        }
    }
    for error in errors {
        scope.error(error);
    }
}

struct Written {
    namespace: Label,
    segment: Option<usize>,
    net: IpNet,
    span: Span,
}

/// Every address with the span of where it is written.
fn written(scope: &Scope<'_>) -> Vec<Written> {
    let file = scope.file;
    let mut all = Vec::new();
    let mut add = |namespace: &Label, segment: Option<usize>, list: Option<&Vec<Spanned<IpNet>>>| {
        let list = list.into_iter().flatten();
        all.extend(list.map(|net| Written { namespace: namespace.clone(), segment, net: net.value, span: net.span }));
    };
    for (label, spec) in &file.namespaces {
        add(label, None, spec.addresses.as_ref());
    }
    for (label, bridge) in &file.bridges {
        let Some((namespace, it)) = scope.find(&What::Bridge(label.value.clone())) else { continue };
        add(namespace, it.segment, bridge.addresses.as_ref());
    }
    for (index, link) in file.links.iter().enumerate() {
        for (which, end) in link.endpoints.iter().enumerate() {
            let Some((namespace, it)) = scope.find(&What::End((index, which))) else { continue };
            add(namespace, it.segment, end.addresses.as_ref());
        }
    }
    all
}

/// An IPv6 address where the file's own sysctls turn IPv6 off.
fn without_ipv6(scope: &Scope<'_>, namespace: &Label, net: &IpNet, span: Span) -> Option<Diagnostic> {
    if !net.addr().is_ipv6() {
        return None;
    }
    let spec = scope.spec(namespace).filter(|spec| !spec.sysctls.is_empty())?;
    let device = scope.of(namespace).iter().find(|it| it.addresses.contains(net)).map_or("lo", |it| it.device.as_str());
    let keys = ["all", device].map(|which| format!("net/ipv6/conf/{which}/disable_ipv6"));
    let mut written = spec.sysctls.iter().filter(|(_, value)| sysctl::normal(value) != "0");
    let (key, _) = written.find(|(key, _)| keys.contains(&sysctl::path_of_key(key)))?;
    let error = Diagnostic::error("address::ipv6_off", format!("{net} is IPv6, which `{}` turns off", key.value));
    Some(error.at(span, "an IPv6 address").at(key.span, "turned off here").help("remove the one or the other"))
}

fn impossible(scope: &Scope<'_>, net: &IpNet, span: Span) -> Option<Diagnostic> {
    let wrong = |why: &str| {
        let error = Diagnostic::error("address::impossible", format!("no interface can have {net}"));
        Some(
            error.at(span, why.to_owned()).help("take another address of the subnet, or write the right prefix length"),
        )
    };
    if let Some(off) = scope.ipv6_off().filter(|_| net.addr().is_ipv6()) {
        let error = Diagnostic::error("address::ipv6_off", format!("{net} is IPv6, which this lab turns off"));
        let help = format!("remove {}, or the address", scope.pair(off, "ipv6", false));
        return Some(error.at(span, "an IPv6 address").at(off, "turned off here").help(help));
    }
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 && net.addr() == net.network() => wrong("the network's own address"),
        IpNet::V4(net) if net.prefix_len() < 31 && net.addr() == net.broadcast() => wrong("the broadcast address"),
        IpNet::V4(_) | IpNet::V6(_) => None,
    }
}
