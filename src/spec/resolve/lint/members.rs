//! Members of a gateway's segment to whom it is no gateway, since it is on no subnet of theirs.

use std::net::IpAddr;

use foldhash::HashSet;

use super::{Index, Lab};
use crate::{
    kind::gateway::Gateway,
    model::{Diagnostic, Label, snapshot::Family},
    spec::{
        file::{self, GatewayAt},
        resolve::{
            HOST,
            scope::{Interface, Scope},
            segments::is_link_local,
        },
    },
};

pub fn check(lab: &Lab<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    let routers = lab.gateways().map(|(gateway, _)| (&gateway.netns, gateway.device.as_str()));
    let routers: HashSet<_> = routers.collect();
    let mut found = Vec::new();
    for (gateway, written) in lab.gateways() {
        let Some(segment) = segment_of(lab.scope, written) else { continue };
        for (label, interface) in index.on_segment.get(&segment).into_iter().flatten() {
            let netns = lab.scope.netns(label);
            let is_named = |list: &Vec<_>| list.iter().any(|it: &crate::model::Spanned<Label>| it.value == **label);
            let is_member = written.members.as_ref().is_none_or(is_named);
            let is_router = netns == gateway.netns || routers.contains(&(&netns, interface.device.as_str()));
            if !is_member || is_router || label.as_str() == HOST || !interface.up || !lab.scope.gaps.knows_routes(label)
            {
                continue;
            }
            let lacks = |family: &Family| !index.defaults.contains(&(netns.clone(), *family));
            let families = [Family::V4, Family::V6].into_iter().filter(lacks);
            found.extend(families.filter_map(|family| outside(gateway, written, label, interface, family)));
        }
    }
    found
}

fn segment_of(scope: &Scope<'_>, written: &file::Gateway) -> Option<usize> {
    match &written.at {
        GatewayAt::Bridge(bridge) => scope.segment_of_bridge.get(&bridge.value).copied(),
        GatewayAt::Interface(namespace, name) => scope.interface(namespace, name.as_str())?.segment,
    }
}

/// A member that has addresses of a family of which the gateway has some too, and none of them on a subnet of the member's.
fn outside(
    gateway: &Gateway,
    written: &file::Gateway,
    label: &Label,
    interface: &Interface,
    family: Family,
) -> Option<Diagnostic> {
    let nets = interface.addresses.iter().filter(|net| Family::of(net.addr()) == family && !is_link_local(net));
    let ways: Vec<IpAddr> =
        gateway.addresses.iter().map(|net| net.addr()).filter(|it| Family::of(*it) == family).collect();
    let first = nets.clone().next()?;
    if ways.is_empty() || nets.clone().any(|net| ways.iter().any(|way| net.contains(way))) {
        return None;
    }
    let ways: Vec<String> = ways.iter().map(ToString::to_string).collect();
    let what = format!("the gateway `{}` is on no subnet of its member `{label}`", gateway.name);
    let warning = Diagnostic::warning("gateway::outside", what)
        .at(interface.span, format!("`{label}` is on {}", first.trunc()))
        .at(written.span, format!("the gateway is {}", ways.join(", ")))
        .help(format!(
            "it gets no default route: give `{label}` an address in the gateway's subnet, a default route of its own, or leave it out by `members`"
        ));
    Some(warning)
}
