//! Addresses that packets are sent to, on a network that the file tells everything of, and that nobody there has.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Hopping, Index, Lab};
use crate::{
    model::{Diagnostic, Label, Span},
    spec::{
        file::{NatRule, Target},
        resolve::{
            scope::{Interface, Scope},
            segments::is_link_local,
        },
    },
};

pub fn check(lab: &Lab<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    // Where anything is unknown, it may be the one who has the address; so may who answers for others.
    if !lab.scope.gaps.are_none() || lab.scope.namespaces.keys().any(|label| lab.proxies(label)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for Hopping { label, hop, span, .. } in lab.hops() {
        let Some((address, device)) = hop.via.zip(hop.dev.as_ref()) else { continue };
        let interface = lab.scope.at_device(&label, device);
        let interface = interface.filter(|it| it.addresses.iter().any(|net| net.contains(&address)));
        found.extend(interface.and_then(|it| next_hop(lab, index, &label, it, address, span)));
    }
    for forward in &lab.scope.file.port_forwards {
        let Target::Address(address) = forward.to.target else { continue };
        let label = forward.namespace.as_ref().map_or_else(Scope::host, |it| it.value.clone());
        found.extend(target(lab, index, &label, address, forward.to.span, "forward::nobody"));
    }
    for nat in &lab.scope.file.nat {
        let label = nat.namespace.as_ref().map_or_else(Scope::host, |it| it.value.clone());
        match &nat.rule {
            NatRule::Dnat(_, to) if to.prefix_len() == to.max_prefix_len() => {
                found.extend(target(lab, index, &label, to.addr(), to.span, "nat::nobody"));
            }
            NatRule::Snat(_, to) if to.first == to.last => {
                let out = nat.out.as_ref().and_then(|out| lab.scope.interface(&label, out.as_str()));
                found.extend(out.and_then(|out| source(lab, index, (&label, out), to.first, to.span)));
            }
            NatRule::Masquerade(_) | NatRule::Snat(..) | NatRule::Dnat(..) => {}
        }
    }
    found
}

/// Whether nobody on the network of an interface has an address, as far as the file says it all.
fn is_nobodys(lab: &Lab<'_>, index: &Index<'_>, interface: &Interface, address: IpAddr) -> bool {
    // Link-local addresses come by themselves.
    if is_link_local(&IpNet::from(address)) {
        return false;
    }
    let Some(network) = interface.segment.map(|segment| lab.networks.of(segment)) else { return false };
    let closed = !index.open.contains(&network) && !lab.networks.is_foreign(network);
    // A namespace answers ARP for each of its addresses by each of its interfaces; neighbour discovery is strict.
    let is_there = |label: &&Label| lab.networks_of(label).any(|it| it == network);
    let by_lo = address.is_ipv4() && index.on_lo.get(&address).into_iter().flatten().any(is_there);
    closed && !by_lo && !index.holders.contains_key(&(network, address))
}

fn next_hop(
    lab: &Lab<'_>,
    index: &Index<'_>,
    label: &Label,
    interface: &Interface,
    address: IpAddr,
    span: Span,
) -> Option<Diagnostic> {
    if interface.addresses.iter().any(|net| net.addr() == address) {
        let what = format!("the next hop {address} is `{label}` itself");
        let warning = match address {
            IpAddr::V4(_) => Diagnostic::warning("route::nexthop_own", what),
            // The kernel says "Gateway can not be a local address".
            IpAddr::V6(_) => Diagnostic::error("route::nexthop_own", what),
        };
        let at = format!("the address of its own `{}`", interface.name);
        return Some(warning.at(span, at).help("write the address of the router on that segment"));
    }
    is_nobodys(lab, index, interface, address).then(|| {
        Diagnostic::warning("route::nexthop_nobody", format!("nobody has the address of the next hop {address}"))
            .at(span, "leads to nobody")
            .at(interface.span, "nobody on the segment of this interface has it")
            .help("write the address of a router of that segment, or give it to one")
    })
}

fn target(
    lab: &Lab<'_>,
    index: &Index<'_>,
    label: &Label,
    address: IpAddr,
    span: Span,
    code: &'static str,
) -> Option<Diagnostic> {
    let interface = lab.scope.toward(label, address)?;
    is_nobodys(lab, index, interface, address).then(|| {
        Diagnostic::warning(code, format!("nobody has the address {address}"))
            .at(span, "leads to nobody")
            .at(interface.span, "nobody on the segment of this interface has it")
            .help("write the address of a namespace of that segment, or give it to one")
    })
}

/// What is sent with an address of the segment that it leaves to is answered there only where somebody has the address.
fn source(
    lab: &Lab<'_>,
    index: &Index<'_>,
    (label, out): (&Label, &Interface),
    address: IpAddr,
    span: Span,
) -> Option<Diagnostic> {
    let net = out.addresses.iter().filter(|net| net.contains(&address)).max_by_key(|net| net.prefix_len())?;
    let is_routed = index.led.holding(address).next().is_some_and(|(to, ())| to.prefix_len() > net.prefix_len());
    (!is_routed && is_nobodys(lab, index, out, address)).then(|| {
        Diagnostic::warning("nat::nobody", format!("nobody has the address {address}"))
            .at(span, "no answer to it comes in")
            .at(out.span, "nobody on the segment of this interface has it")
            .help(format!(
                "give `{label}` the address as well, on this interface or on its lo, or write one that it has"
            ))
    })
}
