//! Ends of one network that can send to nobody on it, since their subnets have nothing in common.

use std::{collections::BTreeMap, net::IpAddr};

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::{Index, Lab};
use crate::{
    kind::check::Expect,
    model::{Diagnostic, Label, Netns, Span, Spanned, snapshot::Family},
    spec::{
        file::{self, Target},
        resolve::{
            HOST,
            nets::NetMap,
            networks::Network,
            scope::{Interface, What},
            segments::is_link_local,
        },
    },
};

/// Someone on a network, with the addresses of one family.
struct Member<'a> {
    label: &'a Label,
    interface: &'a Interface,
    nets: Vec<IpNet>,
    /// Where the first of them is written.
    span: Span,
}

impl Member<'_> {
    fn is_host(&self) -> bool {
        self.label.as_str() == HOST
    }
}

pub fn check(lab: &Lab<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    if !lab.scope.gaps.are_none() {
        return Vec::new();
    }
    let said = Said::new(lab);
    let mut groups: BTreeMap<(Network, Family), Vec<Member<'_>>> = BTreeMap::new();
    let mut unjudged: HashSet<Network> = HashSet::default();
    let all = lab.scope.interfaces.iter().flat_map(|(label, list)| list.iter().map(move |it| (label, it)));
    for (label, interface) in all.filter(|(_, it)| !matches!(it.what, What::Loopback | What::Port(..))) {
        let Some(segment) = interface.segment else { continue };
        let network = lab.networks.of(segment);
        let is_pair = lab.scope.segments.get(segment).is_some_and(|it| it.bridge.is_none());
        // What the host has beside the lab is not known, nor are the addresses that are left to others.
        let is_open = match interface.what {
            What::End(_) => interface.unmanaged || (is_pair && label.as_str() == HOST) || !interface.up,
            What::Bridge(_) | What::Loopback | What::Port(..) => false,
        };
        if is_open || said.is_unnumbered(lab, label, interface) {
            unjudged.insert(network);
        }
        for family in [Family::V4, Family::V6] {
            let nets = interface.addresses.iter().filter(|net| Family::of(net.addr()) == family && !is_link_local(net));
            let nets: Vec<IpNet> = nets.copied().collect();
            let Some(first) = nets.first().filter(|_| interface.up) else { continue };
            let span = written(lab, interface, first).unwrap_or(interface.span);
            groups.entry((network, family)).or_default().push(Member { label, interface, nets, span });
        }
    }
    for (gateway, _) in lab.gateways() {
        let label = lab.scope.label(&gateway.netns);
        let segment = lab.scope.at_device(&label, &gateway.device).and_then(|it| it.segment);
        unjudged.extend(segment.map(|segment| lab.networks.of(segment)));
    }
    let judged = groups
        .into_iter()
        .filter(|((network, _), _)| !unjudged.contains(network) && !lab.networks.is_foreign(*network));
    judged.flat_map(|((_, family), members)| of_group(lab, index, &said, (family, members))).collect()
}

/// What the file says that speaks for subnets of one's own.
struct Said<'a> {
    /// Devices by which a namespace sends to those that are on no subnet of it.
    unnumbered: HashSet<(Netns, &'a str)>,
    /// Addresses that a namespace counts on, by its label.
    counted_on: HashMap<Label, NetMap<()>>,
    /// Whom a check wants to be apart.
    apart: HashSet<&'a Label>,
}

impl<'a> Said<'a> {
    fn new(lab: &'a Lab<'a>) -> Self {
        let mut said =
            Self { unnumbered: HashSet::default(), counted_on: HashMap::default(), apart: HashSet::default() };
        for (route, _) in lab.routes() {
            for hop in &route.hops {
                let Some(device) = &hop.dev else { continue };
                let local = hop.via.is_none_or(|via| is_link_local(&IpNet::from(via)));
                if local || hop.onlink || route.by_route {
                    said.unnumbered.insert((route.netns.clone(), device));
                }
            }
        }
        for hopping in lab.hops() {
            hopping.hop.via.into_iter().for_each(|via| said.count_on(lab, &hopping.label, via));
        }
        for check in &lab.scope.file.checks {
            let targets = match &check.to.target {
                Target::Namespace(label) => vec![label],
                Target::Address(address) => {
                    said.count_on(lab, &check.from, *address);
                    lab.scope.holders(*address, &check.from)
                }
            };
            if check.expect == Expect::Blocked {
                said.apart.insert(&check.from.value);
                said.apart.extend(targets);
            }
        }
        said
    }

    fn is_unnumbered(&self, lab: &Lab<'_>, label: &Label, interface: &Interface) -> bool {
        let key = || (lab.scope.netns(label), interface.device.as_str());
        !self.unnumbered.is_empty() && self.unnumbered.contains(&key())
    }

    fn count_on(&mut self, lab: &Lab<'_>, label: &Label, address: IpAddr) {
        if lab.scope.holders(address, label).first() != Some(&label) {
            self.counted_on.entry(label.clone()).or_default().entry(&IpNet::from(address));
        }
    }

    /// Whether someone is to be left alone with a subnet that is nobody else's.
    fn excuses(&self, lab: &Lab<'_>, member: &Member<'_>) -> bool {
        let counted_on = self.counted_on.get(member.label);
        let counts_on_any = counted_on.is_some_and(|addresses| member.nets.iter().any(|net| addresses.overlaps(net)));
        lab.proxies(member.label) || self.apart.contains(member.label) || counts_on_any
    }
}

fn of_group(
    lab: &Lab<'_>,
    index: &Index<'_>,
    said: &Said<'_>,
    (family, mut members): (Family, Vec<Member<'_>>),
) -> Vec<Diagnostic> {
    let is_single = |net: &IpNet| net.prefix_len() == net.max_prefix_len();
    if share_one(&members) || members.iter().flat_map(|it| &it.nets).any(is_single) {
        return Vec::new();
    }
    // In the order of the file, and the host first: it is never the one who is in the wrong.
    members.sort_by_key(|it| (!it.is_host(), it.interface.span));
    let meetings = Meetings::new(&members);
    // Whoever is on a subnet of another's alone answers to none but by a route.
    let is_routed = |member: &Member<'_>| index.routed.contains(&(lab.scope.netns(member.label), family));
    let meets = |at: usize, member: &Member<'_>| {
        meetings.has_inside(at, member) || (meetings.is_inside(at, member) && is_routed(member))
    };
    let (alone, others): (Vec<_>, Vec<_>) = members.iter().enumerate().partition(|(at, member)| !meets(*at, member));
    // Where nobody meets anybody, the first is taken for right.
    let first = others.first().or(alone.first()).map(|(at, other)| (*at, *other));
    let Some((right, other)) = first else { return Vec::new() };
    // Of two who are apart, it is enough that one is to be.
    if alone.iter().any(|(_, member)| said.excuses(lab, member)) && alone.len() == members.len() {
        return Vec::new();
    }
    let wrong = alone.into_iter().filter(|(at, member)| *at != right && !member.is_host());
    wrong.filter(|(_, member)| !said.excuses(lab, member)).map(|(_, member)| warning(member, other)).collect()
}

/// Whether the first subnet of the first is one of everybody's: so it is nearly always.
fn share_one(members: &[Member<'_>]) -> bool {
    let first = members.first().and_then(|member| member.nets.first());
    first.is_some_and(|first| members.iter().all(|it| it.nets.iter().any(|net| net.trunc() == first.trunc())))
}

/// Who meets whom of a group by a subnet, by their places in it.
struct Meetings {
    addresses: Vec<(IpAddr, usize)>,
    /// Up to two that are on a network: one of them is another than whoever asks.
    nets: NetMap<Vec<usize>>,
}

impl Meetings {
    fn new(members: &[Member<'_>]) -> Self {
        let mut nets: NetMap<Vec<usize>> = NetMap::default();
        let mut addresses = Vec::new();
        for (at, member) in members.iter().enumerate() {
            for net in &member.nets {
                addresses.push((net.addr(), at));
                let on = nets.entry(net);
                if on.len() < 2 && !on.contains(&at) {
                    on.push(at);
                }
            }
        }
        addresses.sort_unstable();
        Self { addresses, nets }
    }

    /// Whether another has an address in a subnet of this one.
    fn has_inside(&self, at: usize, member: &Member<'_>) -> bool {
        member.nets.iter().any(|net| {
            let from = self.addresses.partition_point(|(address, _)| *address < net.network());
            let mut inside = self.addresses.iter().skip(from).take_while(|(address, _)| net.contains(address));
            inside.any(|(_, other)| *other != at)
        })
    }

    /// Whether this one has an address in a subnet of another.
    fn is_inside(&self, at: usize, member: &Member<'_>) -> bool {
        let mut around = member.nets.iter().flat_map(|net| self.nets.holding(net.addr())).flat_map(|(_, on)| on);
        around.any(|other| *other != at)
    }
}

fn warning(member: &Member<'_>, other: &Member<'_>) -> Diagnostic {
    let list = |member: &Member<'_>| {
        let nets: Vec<String> = member.nets.iter().map(|net| net.trunc().to_string()).collect();
        nets.join(", ")
    };
    let name = |member: &Member<'_>| format!("{}:{}", member.label, member.interface.name);
    let what = format!("nobody else on the segment of `{}` is in {}", name(member), list(member));
    Diagnostic::warning("address::apart", what)
        .at(member.span, "can send to nobody there")
        .at(other.span, format!("`{}` is in {}", name(other), list(other)))
        .help("give them addresses of one subnet; where each is to have its own, a route with `dev` leads to the other")
}

/// Where an address of an interface is written; an automatic one is not.
fn written(lab: &Lab<'_>, interface: &Interface, address: &IpNet) -> Option<Span> {
    let list: &[Spanned<IpNet>] = match &interface.what {
        What::End((link, end)) => {
            let end: &file::End = lab.scope.file.links.get(*link)?.endpoints.get(*end)?;
            end.addresses.as_deref()?
        }
        What::Bridge(label) => lab.scope.bridge_spec(label)?.addresses.as_deref()?,
        What::Loopback | What::Port(..) => return None,
    };
    list.iter().find(|it| it.value == *address).map(|it| it.span)
}
