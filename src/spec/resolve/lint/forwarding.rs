//! Routes by way of a namespace that passes nothing on.

use ipnet::IpNet;

use super::{Hopping, Index, Lab};
use crate::{
    kind::route::Hop,
    model::{Diagnostic, Label, Span},
    spec::resolve::{
        HOST,
        scope::{Interface, Scope, What},
    },
};

pub fn check(lab: &Lab<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for Hopping { label, route, hop, span } in lab.hops() {
        let router = router(lab, index, &label, hop);
        found.extend(router.and_then(|router| warning(lab, &label, router, &route.to, span)));
    }
    found
}

/// Who has the address of a next hop.
fn router<'a>(lab: &Lab<'a>, index: &Index<'a>, label: &Label, hop: &Hop) -> Option<&'a Label> {
    let (via, device) = (hop.via?, hop.dev.as_ref()?);
    let interface = lab.scope.at_device(label, device)?;
    let network = lab.networks.of(interface.segment?);
    index.holders.get(&(network, via)).copied()
}

fn warning(lab: &Lab<'_>, label: &Label, router: &Label, to: &IpNet, via: Span) -> Option<Diagnostic> {
    let judged = router.as_str() != HOST && router != label && lab.scope.gaps.knows_forwarding(router);
    if !judged || forwards(lab, router) || is_at(lab.scope, router, to) || is_last(lab, router) {
        return None;
    }
    let (key, spec) = lab.written(router)?;
    let (place, at) = match &spec.forwarding {
        Some(off) => (off.span, "turned off here".to_owned()),
        None => (key, format!("nothing makes `{router}` forward")),
    };
    let what = format!("`{label}` sends by way of `{router}`, which passes nothing on");
    let help = format!("write {} in namespaces.{router}", lab.scope.pair("forwarding", true));
    Some(Diagnostic::warning("forwarding::missing", what).at(via, "this next hop").at(place, at).help(help))
}

/// Whether anything of the file makes a namespace pass packets on.
fn forwards(lab: &Lab<'_>, label: &Label) -> bool {
    let asked = lab.written(label).and_then(|(_, spec)| spec.forwarding.as_ref()).is_some_and(|it| it.value);
    let by_sysctl = |key: &str| key == "net/ipv4/ip_forward" || key.ends_with("/forwarding");
    asked || lab.rules.forwarding.contains_key(label) || lab.sets(label, by_sysctl)
}

/// Whether a namespace is on one network only: it is where the way ends, as one that stands for the internet is.
fn is_last(lab: &Lab<'_>, label: &Label) -> bool {
    let mut networks = lab.scope.of(label).iter().filter_map(|it| it.segment).map(|segment| lab.networks.of(segment));
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
