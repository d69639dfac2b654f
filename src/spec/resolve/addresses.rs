//! Addresses: the automatic ones, and clashes of those that are written.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;

use super::{
    HOST,
    networks::{Network, Networks},
    overlap,
    scope::{Interface, Scope, What},
};
use crate::{
    kind::sysctl,
    model::{Diagnostic, Label, Span},
};

/// Gives each end without `addresses`, on a segment with subnets, the lowest free address of each of them.
pub fn assign(scope: &mut Scope<'_>, networks: &Networks) {
    let mut used: HashMap<Network, BTreeSet<IpAddr>> = HashMap::new();
    for list in scope.interfaces.values() {
        for interface in list {
            let Some(segment) = interface.segment else { continue };
            used.entry(networks.of(segment)).or_default().extend(interface.addresses.iter().map(IpNet::addr));
        }
    }
    for (index, link) in scope.file.links.iter().enumerate() {
        for (which, end) in link.endpoints.iter().enumerate() {
            if end.addresses.is_none() {
                assign_end(scope, networks, (index, which), end.span, &mut used);
            }
        }
    }
}

fn assign_end(
    scope: &mut Scope<'_>,
    networks: &Networks,
    id: (usize, usize),
    span: Span,
    used: &mut HashMap<Network, BTreeSet<IpAddr>>,
) {
    let found = scope.interfaces.iter().find_map(|(label, list)| {
        let place = list.iter().position(|it| it.what == What::End(id))?;
        Some((label.clone(), place, list[place].segment?))
    });
    let Some((label, place, segment)) = found else { return };
    let on_bridge = scope.segments[segment].bridge.is_some();
    if scope.segments[segment].external || (on_bridge && label.as_str() == HOST) {
        return;
    }
    for subnet in scope.segments[segment].subnets.clone() {
        let taken = used.entry(networks.of(segment)).or_default();
        match lowest_free(&subnet, taken) {
            Some(address) => {
                taken.insert(address);
                let Ok(net) = IpNet::new(address, subnet.prefix_len()) else { continue };
                if let Some(interface) = scope.interfaces.get_mut(&label).and_then(|list| list.get_mut(place)) {
                    interface.addresses.push(net);
                    interface.unmanaged = false;
                }
            }
            None if !scope.gaps.knows(&label) => {}
            None => {
                let error = Diagnostic::error("address::exhausted", format!("{subnet} has no address left"))
                    .at(span, "for this end")
                    .help("take a larger subnet, or give this end `addresses`");
                scope.error(error);
            }
        }
    }
}

/// The lowest address of `subnet` that is not taken: never its network or broadcast address, but both of a /31 or /127.
fn lowest_free(subnet: &IpNet, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    match subnet {
        IpNet::V4(net) => net.hosts().map(IpAddr::V4).find(|address| !taken.contains(address)),
        // The first address of an IPv6 subnet is the routers' anycast address (RFC 4291, 2.6.1), so it is no host's.
        IpNet::V6(net) => {
            let skip = usize::from(net.prefix_len() < 127);
            net.hosts().skip(skip).map(IpAddr::V6).find(|address| !taken.contains(address))
        }
    }
}

/// One address twice on a segment, one twice in a namespace, IPv6 where it is off, addresses that no host can have.
pub fn check_clashes(scope: &mut Scope<'_>, networks: &Networks) {
    let written = written(scope);
    let mut errors = Vec::new();
    let mut by_network: HashMap<(Network, IpAddr), (Span, usize)> = HashMap::new();
    let mut by_namespace: HashMap<(Label, IpAddr), Span> = HashMap::new();
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
    let find = |what: &What| {
        let mut each = scope.interfaces.iter().flat_map(|(label, list)| list.iter().map(move |it| (label, it)));
        each.find(|(_, it): &(&Label, &Interface)| it.what == *what).map(|(label, it)| (label.clone(), it.segment))
    };
    for (label, spec) in &file.namespaces {
        let list = spec.addresses.iter().flatten();
        all.extend(list.map(|net| Written {
            namespace: label.value.clone(),
            segment: None,
            net: net.value,
            span: net.span,
        }));
    }
    for (label, bridge) in &file.bridges {
        let Some((namespace, segment)) = find(&What::Bridge(label.value.clone())) else { continue };
        let list = bridge.addresses.iter().flatten();
        all.extend(list.map(|net| Written { namespace: namespace.clone(), segment, net: net.value, span: net.span }));
    }
    for (index, link) in file.links.iter().enumerate() {
        for (which, end) in link.endpoints.iter().enumerate() {
            let Some((namespace, segment)) = find(&What::End((index, which))) else { continue };
            let list = end.addresses.iter().flatten();
            all.extend(list.map(|net| Written {
                namespace: namespace.clone(),
                segment,
                net: net.value,
                span: net.span,
            }));
        }
    }
    all
}

/// An IPv6 address where the file's own sysctls turn IPv6 off.
fn without_ipv6(scope: &Scope<'_>, namespace: &Label, net: &IpNet, span: Span) -> Option<Diagnostic> {
    let spec = scope.file.namespaces.iter().find(|(label, _)| label.value == *namespace).map(|(_, spec)| spec)?;
    let device = scope.of(namespace).iter().find(|it| it.addresses.contains(net)).map_or("lo", |it| it.device.as_str());
    let keys = ["all", device].map(|which| format!("net/ipv6/conf/{which}/disable_ipv6"));
    let mut written = spec.sysctls.iter().filter(|(_, value)| sysctl::normal(value) != "0");
    let (key, _) = written.find(|(key, _)| net.addr().is_ipv6() && keys.contains(&sysctl::path_of_key(key)))?;
    let error = Diagnostic::error("address::ipv6_off", format!("{net} is IPv6, which `{}` turns off", key.value));
    Some(error.at(span, "an IPv6 address").at(key.span, "turned off here").help("remove the one or the other"))
}

fn impossible(scope: &Scope<'_>, net: &IpNet, span: Span) -> Option<Diagnostic> {
    let wrong = |why: &str| {
        Some(Diagnostic::error("address::impossible", format!("no interface can have {net}")).at(span, why.to_owned()))
    };
    if net.addr().is_ipv6() && scope.file.ipv6 == Some(false) {
        let error = Diagnostic::error("address::ipv6_off", format!("{net} is IPv6, which this lab turns off"));
        return Some(error.at(span, "an IPv6 address").help("remove `ipv6: false`, or the address"));
    }
    if net.addr().is_unspecified() {
        return wrong("the address that stands for none");
    }
    if net.addr().is_multicast() {
        return wrong("a multicast address");
    }
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 && net.addr() == net.network() => wrong("the network's own address"),
        IpNet::V4(net) if net.prefix_len() < 31 && net.addr() == net.broadcast() => wrong("the broadcast address"),
        IpNet::V4(_) | IpNet::V6(_) => None,
    }
}

/// Whether an address lies in a subnet that the namespace has.
pub fn has_overlap(nets: &[IpNet], range: &IpNet) -> bool {
    nets.iter().any(|net| overlap(&net.trunc(), range))
}
