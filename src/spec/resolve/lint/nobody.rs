//! Addresses that packets are sent to, on a network that the file tells everything of, and that nobody there has.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Hopping, Index, Lab};
use crate::{
    model::{Diagnostic, Label, Span},
    spec::{
        file::{self, NatRule, Target},
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
        let file::Nat { rule: NatRule::Dnat(_, to), namespace, .. } = &nat.value else { continue };
        let label = namespace.as_ref().map_or_else(Scope::host, |it| it.value.clone());
        if to.prefix_len() == to.max_prefix_len() {
            found.extend(target(lab, index, &label, to.addr(), to.span, "nat::nobody"));
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
    closed && !index.holders.contains_key(&(network, address))
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
