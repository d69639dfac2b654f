//! A route to a network behind a router, where nobody has a route back.

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;
use serde_json::json;

use super::{Hopping, Index, Lab, forwarding, way_out};
use crate::{
    kind::check::Expect,
    model::{Diagnostic, Label, snapshot::Family},
    spec::{
        file::Target,
        resolve::{
            HOST,
            nets::NetMap,
            networks::Network,
            scope::{Interface, What},
        },
    },
};

/// Said only where everyone at the other end is known, and has no route at all beyond its own subnets.
pub fn check(lab: &Lab<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    if !lab.scope.gaps.are_none() || lab.scope.namespaces.keys().any(|label| lab.proxies(label)) {
        return Vec::new();
    }
    let translators: HashSet<&str> = lab.scope.file.nat.iter().map(|rule| way_out::translator(rule)).collect();
    let asked = asked(lab);
    let mut far_ends = FarEnds::new(lab, index);
    let mut found = Vec::new();
    for Hopping { label, route, hop, to, .. } in lab.hops() {
        let judged = route.hops.len() == 1 && route.to.prefix_len() > 0 && !far_ends.apart.contains(&label);
        let router = forwarding::router(lab, index, &label, hop).filter(|_| judged);
        let Some((router, near)) = router.filter(|(router, _)| **router != label && router.as_str() != HOST) else {
            continue;
        };
        if asked.get(&label).is_some_and(|targets| targets.overlaps(&route.to)) {
            // What comes of it is told with that check.
            continue;
        }
        if translators.contains(router.as_str()) || !forwarding::forwards(lab, router) {
            continue;
        }
        let Some(behind) = lab.scope.toward(router, route.to.network()) else { continue };
        let Some(segment) = behind.segment.filter(|segment| lab.networks.of(*segment) != near) else { continue };
        let Some((member, interface)) = far_ends.mute(lab, index, router, segment, &route.to) else { continue };
        let what = format!("`{label}` has a route to {}, and nobody there has one back", route.to);
        let warning = Diagnostic::warning("route::no_way_back", what)
            .at(to, "no answer comes from there")
            .at(interface.span, format!("`{member}` has no route beyond its own subnets"));
        let help = match way_out::gateway(index, segment, router.as_str()) {
            Some(way) => format!("add {}, or give them a route back", lab.scope.pair(to, "gateways", json!([way]))),
            None => format!("give them a route back by `{router}`"),
        };
        found.push(warning.help(help));
    }
    found
}

/// The addresses that the checks of each namespace ask.
fn asked<'a>(lab: &Lab<'a>) -> HashMap<&'a Label, NetMap<()>> {
    let mut asked: HashMap<&Label, NetMap<()>> = HashMap::default();
    for check in &lab.scope.file.checks {
        let targets = asked.entry(&check.from.value).or_default();
        match &check.to.target {
            Target::Address(address) => targets.insert(IpNet::from(*address)),
            Target::Namespace(label) => {
                let all = lab.scope.of(label).iter().flat_map(|it| &it.addresses);
                all.for_each(|net| targets.insert(IpNet::from(net.addr())));
            }
        }
    }
    asked
}

/// Those at the other ends of routes.
struct FarEnds<'a> {
    members: HashMap<Network, Vec<(&'a Label, &'a Interface)>>,
    /// Whom a check wants to be apart.
    apart: HashSet<&'a Label>,
    judged: HashMap<(Network, IpNet), Option<(&'a Label, &'a Interface)>>,
}

impl<'a> FarEnds<'a> {
    fn new(lab: &Lab<'a>, index: &Index<'a>) -> Self {
        let mut members: HashMap<Network, Vec<(&Label, &Interface)>> = HashMap::default();
        let mut segments: Vec<_> = index.on_segment.iter().collect();
        segments.sort_by_key(|(segment, _)| **segment);
        for (segment, list) in segments {
            members.entry(lab.networks.of(*segment)).or_default().extend(list);
        }
        let blocked = lab.scope.file.checks.iter().filter(|check| check.expect == Expect::Blocked);
        let ends = blocked.flat_map(|check| {
            let target = match &check.to.target {
                Target::Namespace(label) => Some(label),
                Target::Address(address) => lab.scope.holders(*address, &check.from).first().copied(),
            };
            [Some(&check.from.value), target].into_iter().flatten()
        });
        Self { members, apart: ends.collect(), judged: HashMap::default() }
    }

    /// Somebody with an address in `to`, where nobody there can answer.
    fn mute(
        &mut self,
        lab: &Lab<'a>,
        index: &Index<'_>,
        router: &Label,
        segment: usize,
        to: &IpNet,
    ) -> Option<(&'a Label, &'a Interface)> {
        let network = lab.networks.of(segment);
        if let Some(known) = self.judged.get(&(network, *to)) {
            return *known;
        }
        let members = self.members.get(&network).map_or(&[][..], Vec::as_slice);
        let found = self.none_answers(lab, index, router, members, to).filter(|_| !lab.networks.is_foreign(network));
        self.judged.insert((network, *to), found);
        found
    }

    fn none_answers(
        &self,
        lab: &Lab<'_>,
        index: &Index<'_>,
        router: &Label,
        members: &[(&'a Label, &'a Interface)],
        to: &IpNet,
    ) -> Option<(&'a Label, &'a Interface)> {
        let family = Family::of(to.addr());
        let mut first = None;
        for (label, interface) in members.iter().filter(|(label, _)| *label != router) {
            let left = matches!(interface.what, What::End(_)) && interface.unmanaged;
            let is_host = label.as_str() == HOST && !interface.addresses.is_empty();
            if left || is_host || index.routed.contains(&(lab.scope.netns(label), family)) || self.apart.contains(label)
            {
                return None;
            }
            let nets = || interface.addresses.iter().filter(|net| Family::of(net.addr()) == family);
            // A wider subnet may hold whoever asks.
            if nets().any(|net| net.prefix_len() < to.prefix_len()) {
                return None;
            }
            if interface.up && nets().any(|net| to.contains(&net.addr())) {
                first = first.or(Some((*label, *interface)));
            }
        }
        first
    }
}
