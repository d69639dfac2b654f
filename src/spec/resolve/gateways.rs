//! Gateways: who their members are, and by which address.

use std::{collections::BTreeSet, net::IpAddr};

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::{
    HOST, routes,
    scope::{Interface, Scope, What},
};
use crate::{
    kind::{
        gateway::{Behind, Gateway, Member},
        route::Route,
    },
    model::{Diagnostic, Label, Netns, Span, snapshot::Family},
    spec::file::{self, GatewayAt},
};

/// The gateways, and of each how it is written.
pub fn resolve<'f>(scope: &mut Scope<'f>, routes: &[Route]) -> (Vec<Gateway>, Vec<&'f file::Gateway>) {
    let file = scope.file;
    let mut given: HashMap<(Netns, Family), Span> = HashMap::default();
    let (mut gateways, mut all_written) = (Vec::new(), Vec::new());
    let mut places: HashMap<String, Span> = HashMap::default();
    let defaults = routes::defaults(routes);
    for written in &file.gateways {
        if scope.gaps.tear(written.span) {
            continue;
        }
        let Some(place) = place(scope, written) else {
            scope.gaps.drop_gateway();
            continue;
        };
        if let Some(first) = places.get(&place.name) {
            let error = Diagnostic::error("gateway::duplicate", format!("`{}` is a gateway twice", place.name))
                .at(written.span, "the second time")
                .at(*first, "the first time")
                .help("make one of them: `members` may name several");
            scope.error(error);
            continue;
        }
        places.insert(place.name.clone(), written.span);
        let behind = behind(scope, written, &place, &defaults);
        let members: Vec<Member> = behind.iter().flat_map(|it| it.members(&place.interface.addresses)).collect();
        for member in &members {
            let key = (member.netns.clone(), Family::of(member.to.addr()));
            let first = given.insert(key, written.span).filter(|_| knows_default(scope, &member.label));
            if let Some(first) = first {
                let what = format!("`{}` has two gateways", member.label);
                let error = Diagnostic::error("gateway::two_for_one", what)
                    .at(written.span, "the second one")
                    .at(first, "the first one")
                    .help("name the `members` of each, or write the default route of that namespace yourself");
                scope.error(error);
            }
        }
        all_written.push(written);
        gateways.push(Gateway {
            name: place.name,
            netns: scope.netns(&place.namespace),
            device: place.interface.device.to_string(),
            addresses: place.interface.addresses.clone(),
            members,
            behind,
        });
    }
    (gateways, all_written)
}

/// Whether it is known that the file gives a namespace no default route.
fn knows_default(scope: &Scope<'_>, label: &str) -> bool {
    label.parse().is_ok_and(|label| scope.gaps.knows_written_routes(&label))
}

struct GatewayPlace {
    name: String,
    namespace: Label,
    interface: Interface,
    segment: usize,
}

fn place(scope: &mut Scope<'_>, written: &file::Gateway) -> Option<GatewayPlace> {
    let (name, namespace, interface) = match &written.at {
        GatewayAt::Bridge(label) => {
            let bridge = scope.bridge(label)?;
            let (namespace, interface) = scope.find(&What::Bridge(bridge.clone()))?;
            (bridge.to_string(), namespace.clone(), interface.clone())
        }
        GatewayAt::Interface(namespace, interface) => {
            let label = scope.namespace(namespace)?;
            let Some(found) = scope.interface(&label, interface.as_str()).cloned() else {
                scope.no_interface(&label, interface.as_str(), interface.span);
                return None;
            };
            (format!("{label}:{}", interface.value), label, found)
        }
    };
    let Some(segment) = interface.segment else {
        let error = Diagnostic::error("gateway::no_segment", format!("the gateway `{name}` is on no segment"))
            .at(written.span, "nobody is behind it")
            .help("a gateway is a bridge, or an interface that is an end of a link");
        scope.error(error);
        return None;
    };
    let external = scope.segments[segment].external;
    let known = match &interface.what {
        What::Bridge(bridge) => scope.gaps.knows(bridge),
        // Its link's subnet may be what could not be read.
        What::Loopback | What::End(_) | What::Port(..) => scope.gaps.knows(&namespace),
    };
    if interface.addresses.is_empty() && !external && known {
        let error = Diagnostic::error("gateway::no_address", format!("the gateway `{name}` has no address"))
            .at(written.span, "members need one to send to")
            .help("give the bridge or the interface `addresses`");
        scope.error(error);
        return None;
    }
    Some(GatewayPlace { name, namespace, interface, segment })
}

fn behind(
    scope: &mut Scope<'_>,
    written: &file::Gateway,
    place: &GatewayPlace,
    defaults: &HashSet<(&Netns, Family)>,
) -> Vec<Behind> {
    let wanted = wanted(scope, written, place);
    // Of an external bridge only the kernel knows the addresses.
    let own: BTreeSet<IpAddr> = place.interface.addresses.iter().map(IpNet::addr).collect();
    let leads = |net: &IpNet| own.is_empty() || own.range(net.network()..=net.broadcast()).next().is_some();
    let mut given: HashSet<(Netns, Family)> = HashSet::default();
    let mut behind = Vec::new();
    for (label, interface) in on_segment(scope, place) {
        // By a device that is down the kernel takes no route.
        if !interface.up || wanted.as_ref().is_some_and(|wanted| !wanted.contains(label)) {
            continue;
        }
        let netns = scope.netns(label);
        // One that is there twice goes by its first interface.
        let lacks = |family| !defaults.contains(&(&netns, family)) && !given.contains(&(netns.clone(), family));
        let lacking: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(|family| lacks(*family)).collect();
        let addresses = interface.addresses.iter().filter(|net| lacking.contains(&Family::of(net.addr())));
        let addresses: Vec<IpNet> = addresses.filter(|net| leads(net)).copied().collect();
        given.extend(addresses.iter().map(|net| (netns.clone(), Family::of(net.addr()))));
        if !addresses.is_empty() {
            behind.push(Behind { label: label.to_string(), netns, dev: interface.device.to_string(), addresses });
        }
    }
    behind
}

/// Everyone on a gateway's segment that may be a member.
fn on_segment<'s>(scope: &'s Scope<'_>, place: &GatewayPlace) -> impl Iterator<Item = (&'s Label, &'s Interface)> {
    scope.on_segment(place.segment).filter(|(label, _)| label.as_str() != HOST && **label != place.namespace)
}

/// The members that the file names; `None` where everyone is one.
fn wanted(scope: &mut Scope<'_>, written: &file::Gateway, place: &GatewayPlace) -> Option<HashSet<Label>> {
    let members = written.members.as_ref()?;
    let there: HashSet<Label> = on_segment(scope, place).map(|(label, _)| label.clone()).collect();
    let mut wanted = HashSet::default();
    for label in members {
        let Some(known) = scope.namespace(label) else {
            // Whoever is meant has its default route by it.
            scope.gaps.drop_gateway();
            continue;
        };
        if scope.gaps.knows(&known) && !there.contains(&known) {
            let what = format!("`{known}` is not on the segment of the gateway `{}`", place.name);
            let error = Diagnostic::error("gateway::not_on_segment", what)
                .at(label.span, "no link of it goes there")
                .help("give it a link to that segment, or take it out of `members`");
            scope.error(error);
        }
        wanted.insert(known);
    }
    Some(wanted)
}
