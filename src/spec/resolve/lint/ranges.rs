//! A range that is translated where nobody in the file has an address in it.

use ipnet::IpNet;

use super::Lab;
use crate::{
    model::{Diagnostic, Label},
    spec::{
        file::{Nat, NatRule},
        resolve::{
            HOST,
            nets::NetMap,
            scope::{Interface, What},
        },
    },
};

/// Not said of the host's rules, nor where the host or others may bring networks that the file does not tell of.
pub fn check(lab: &Lab<'_>) -> Vec<Diagnostic> {
    let judged = |nat: &Nat| nat.namespace.as_ref().is_some_and(|label| label.as_str() != HOST);
    let rules = || lab.scope.file.nat.iter().filter(|nat| judged(nat));
    if rules().next().is_none() || !lab.scope.gaps.are_none() || has_others(lab) {
        return Vec::new();
    }
    let nets = nets(lab);
    let empty = rules().filter_map(|nat| {
        let (NatRule::Masquerade(range) | NatRule::Snat(range, _)) = &nat.rule else { return None };
        let label = nat.namespace.as_ref()?;
        (!nets.overlaps(&range.value)).then(|| {
            let what = format!("nobody in the file is in {}, so this rule changes nothing", range.value);
            Diagnostic::warning("nat::no_source", what)
                .at(range.span, "nothing comes from there")
                .help(help(lab, label))
        })
    });
    empty.collect()
}

/// Whether anybody may be in the lab whose addresses are not in the file.
fn has_others(lab: &Lab<'_>) -> bool {
    let all = lab.scope.interfaces.iter().flat_map(|(label, list)| list.iter().map(move |it| (label, it)));
    let is_others = |(label, it): (&Label, &Interface)| {
        let foreign = it.segment.is_some_and(|segment| lab.networks.is_foreign(lab.networks.of(segment)));
        let is_open = match it.what {
            What::End(_) => it.unmanaged || label.as_str() == HOST,
            What::Bridge(_) => label.as_str() == HOST && !it.addresses.is_empty(),
            What::Loopback | What::Port(..) => false,
        };
        foreign || is_open
    };
    all.into_iter().any(is_others)
}

/// All networks of which the file says that somebody is in them, or that a route leads there.
fn nets(lab: &Lab<'_>) -> NetMap<()> {
    let mut nets: NetMap<()> = NetMap::default();
    for net in lab.scope.interfaces.values().flatten().flat_map(|it| &it.addresses) {
        nets.entry(net);
    }
    for (route, _) in lab.routes().filter(|(route, _)| route.to.prefix_len() > 0) {
        nets.entry(&route.to);
    }
    // What one translates, the next may translate again.
    for nat in &lab.scope.file.nat {
        if let NatRule::Snat(_, to) = &nat.rule {
            for address in [to.first, to.last] {
                nets.entry(&IpNet::from(address));
            }
        }
    }
    nets
}

fn help(lab: &Lab<'_>, label: &Label) -> String {
    let ends = lab.scope.of(label).iter().filter(|it| it.what != What::Loopback);
    let nets: Vec<String> = ends.flat_map(|it| &it.addresses).map(|net| net.trunc().to_string()).collect();
    let on = if nets.is_empty() { String::new() } else { format!("`{label}` is on {}; ", nets.join(", ")) };
    format!("{on}write the range of those whose packets it is to change")
}
