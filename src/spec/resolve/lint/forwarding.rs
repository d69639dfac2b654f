//! Routes by way of a namespace that passes nothing on.

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::{Hopping, Index, Lab};
use crate::{
    kind::route::Hop,
    model::{Diagnostic, Label, Span, snapshot::Family},
    spec::{
        file::Target,
        resolve::{
            HOST,
            networks::Network,
            scope::{Interface, Scope, What},
        },
    },
};

pub fn check(lab: &Lab<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    let mut ways = Vec::new();
    for Hopping { label, route, hop, span, .. } in lab.hops() {
        let Some((router, network)) = router(lab, index, &label, hop) else { continue };
        ways.push(Way { label, router, network, to: &route.to, via: span });
    }
    let routers = Routers::new(lab, &ways);
    ways.iter().filter_map(|way| warning(lab, index, &routers, way)).collect()
}

/// A route's way by a next hop that somebody in the file has.
struct Way<'a> {
    label: Label,
    router: &'a Label,
    /// Where it is handed over.
    network: Network,
    to: &'a IpNet,
    via: Span,
}

/// Who has the address of a next hop, and on which network.
pub fn router<'a>(lab: &Lab<'a>, index: &Index<'a>, label: &Label, hop: &Hop) -> Option<(&'a Label, Network)> {
    let (via, device) = (hop.via?, hop.dev.as_ref()?);
    let interface = lab.scope.at_device(label, device)?;
    let network = lab.networks.of(interface.segment?);
    index.holders.get(&(network, via)).map(|router| (*router, network))
}

/// What is known of those that others send by.
struct Routers<'a> {
    /// Who sends by each, on each of its networks: up to two, of whom one is another than whoever asks.
    senders: HashMap<&'a Label, HashMap<Network, Vec<&'a Label>>>,
    /// Who is asked by a check from beyond a router, and so is where its way ends.
    asked_from_afar: HashSet<&'a Label>,
}

impl<'a> Routers<'a> {
    fn new(lab: &'a Lab<'_>, ways: &'a [Way<'_>]) -> Self {
        let mut senders: HashMap<&Label, HashMap<Network, Vec<&Label>>> = HashMap::default();
        for way in ways {
            let on = senders.entry(way.router).or_default().entry(way.network).or_default();
            if on.len() < 2 && !on.contains(&&way.label) {
                on.push(&way.label);
            }
        }
        let mut near: HashMap<&Label, HashSet<Network>> = HashMap::default();
        let asked = lab.scope.file.checks.iter().filter_map(|check| {
            let target = match &check.to.target {
                Target::Namespace(label) => label,
                Target::Address(address) => *lab.scope.holders(*address, &check.from).first()?,
            };
            let near = near.entry(&check.from).or_insert_with(|| lab.networks_of(&check.from).collect());
            (!lab.networks_of(target).any(|network| near.contains(&network))).then_some(target)
        });
        let asked_from_afar = asked.collect();
        Self { senders, asked_from_afar }
    }

    /// Whether a default route by a router is meant to lead beyond it. It may as well end there, where the router stands for
    /// all the world: then nobody on another network of it sends by it, or it has an address that only such a one has.
    fn lead_on(&self, lab: &Lab<'_>, index: &Index<'_>, way: &Way<'_>) -> bool {
        if self.asked_from_afar.contains(way.router) {
            return false;
        }
        if index.routed.contains(&(lab.scope.netns(way.router), Family::of(way.to.addr()))) {
            return true;
        }
        let lo = lab.scope.of(way.router).iter().filter(|it| it.what == What::Loopback);
        if lo.flat_map(|it| &it.addresses).any(|net| !net.addr().is_loopback()) {
            return false;
        }
        let on_others = self.senders.get(way.router).into_iter().flatten().filter(|(it, _)| **it != way.network);
        on_others.flat_map(|(_, senders)| senders).any(|sender| **sender != way.label)
    }
}

fn warning(lab: &Lab<'_>, index: &Index<'_>, routers: &Routers<'_>, way: &Way<'_>) -> Option<Diagnostic> {
    let Way { label, router, to, via, .. } = way;
    let judged = router.as_str() != HOST && *router != label && lab.scope.gaps.knows_forwarding(router);
    if !judged || forwards(lab, router) || is_at(lab.scope, router, to) || is_last(lab, router) {
        return None;
    }
    if to.prefix_len() == 0 && !routers.lead_on(lab, index, way) {
        return None;
    }
    let (key, spec) = lab.written(router)?;
    let (place, at) = match &spec.forwarding {
        Some(off) => (off.span, "turned off here".to_owned()),
        None => (key, format!("nothing makes `{router}` forward")),
    };
    let what = format!("`{label}` sends by way of `{router}`, which passes nothing on");
    let help = format!("write {} in namespaces.{router}", lab.scope.pair(place, "forwarding", true));
    Some(Diagnostic::warning("forwarding::missing", what).at(*via, "this next hop").at(place, at).help(help))
}

/// Whether anything of the file makes a namespace pass packets on.
pub fn forwards(lab: &Lab<'_>, label: &Label) -> bool {
    let asked = lab.written(label).and_then(|(_, spec)| spec.forwarding.as_ref()).is_some_and(|it| it.value);
    let by_sysctl = |key: &str| key == "net/ipv4/ip_forward" || key.ends_with("/forwarding");
    asked || lab.rules.forwarding.contains_key(label) || lab.sets(label, by_sysctl)
}

/// Whether a namespace is on one network only: it is where the way ends, as one that stands for the internet is.
fn is_last(lab: &Lab<'_>, label: &Label) -> bool {
    let mut networks = lab.networks_of(label);
    let first = networks.next();
    networks.all(|network| Some(network) == first)
}

/// Whether a namespace is itself where a route leads: it need not forward then.
fn is_at(scope: &Scope<'_>, label: &Label, to: &IpNet) -> bool {
    let holds = |it: &Interface| {
        // On others than lo, a subnet that is led to has neighbours in it.
        let alone = it.what == What::Loopback || to.prefix_len() == to.max_prefix_len();
        alone && it.addresses.iter().any(|net| to.contains(&net.addr()))
    };
    to.prefix_len() > 0 && scope.of(label).iter().any(holds)
}
