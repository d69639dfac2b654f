//! A gateway: a bridge, or a router's interface, as the way out for everyone on its segment. What it gives its members
//! are default routes; what it lets pass is in the namespace's firewall.

use std::{collections::BTreeSet, net::IpAddr};

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::{
    route::{is_static, metric_of},
    rules::RuleSet,
    steps::{Stage, Steps},
};
use crate::{
    model::{
        Address, Netns, Snapshot, TopologyName,
        address::KindName,
        change::{Comparison, Value},
        mark::GATEWAY_PROTOCOL,
        snapshot::{Family, Nexthop, RouteType, TABLE_MAIN},
    },
    op::{Op, RouteOp},
};

/// A gateway as the file wants it or as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The part of its address after `gateway.`: the bridge's name, or `NAMESPACE:INTERFACE`.
    pub name: String,
    /// The namespace that forwards.
    pub netns: Netns,
    /// The device there.
    pub device: String,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Default routes by it.
    pub members: Vec<Member>,
    /// Of an external bridge, whose addresses only the kernel knows: those who want a default route by it.
    pub behind: Vec<Behind>,
}

/// One default route of one member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The member's name in the file.
    pub label: String,
    /// The member.
    pub netns: Netns,
    /// The default route's destination, which tells the family.
    pub to: IpNet,
    /// The gateway's address in the member's subnet; observed: whatever it goes by.
    pub via: Option<IpAddr>,
    /// The member's device.
    pub dev: String,
}

/// Someone on a gateway's segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Its name in the file.
    pub label: String,
    /// Its namespace.
    pub netns: Netns,
    /// Its device.
    pub dev: String,
    /// Its addresses there, of the families in which it has no default route in the file.
    pub addresses: Vec<IpNet>,
}

impl Gateway {
    /// Who has a default route by it, or will have once the kernel has told its addresses.
    pub fn served(&self) -> impl Iterator<Item = (&Netns, Family)> {
        let members = self.members.iter().map(|it| (&it.netns, Family::of(it.to.addr())));
        let addresses = |it: &Behind| it.addresses.iter().map(|net| Family::of(net.addr())).collect::<Vec<_>>();
        members
            .chain(self.behind.iter().flat_map(move |it| addresses(it).into_iter().map(|family| (&it.netns, family))))
    }
}

/// The default route of a family.
fn default_of(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::V4(ipnet::Ipv4Net::default()),
        Family::V6 => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

impl Behind {
    /// The default routes by whichever of the gateway's addresses lies in its subnets: one a family.
    pub fn members(&self, gateway: &[IpNet]) -> Vec<Member> {
        let by_family = |v4: bool| {
            let mut nets = self.addresses.iter().filter(move |net| net.addr().is_ipv4() == v4);
            nets.find_map(|net| gateway.iter().map(IpNet::addr).find(|address| net.contains(address)))
        };
        let vias = [by_family(true), by_family(false)].into_iter().flatten();
        let member = |via| Member {
            label: self.label.clone(),
            netns: self.netns.clone(),
            to: default_of(Family::of(via)),
            via: Some(via),
            dev: self.dev.clone(),
        };
        vias.map(member).collect()
    }
}

/// A namespace and the family of its default route: it has one of each.
pub type Claim<'a> = (&'a Netns, IpNet);

/// The default routes in namespaces of a topology that may be a gateway's, as members of they know not which.
pub struct Defaults {
    all: Vec<Member>,
    /// Those that a gateway has given, by its address.
    given: HashMap<IpAddr, Vec<usize>>,
    of_claim: HashMap<(Netns, IpNet), Vec<usize>>,
}

impl Defaults {
    /// What the kernel has.
    pub fn of(snapshot: &Snapshot, topology: &TopologyName) -> Self {
        let mut defaults = Self { all: Vec::new(), given: HashMap::default(), of_claim: HashMap::default() };
        for (netns, state) in &snapshot.namespaces {
            let Some(mark) = state.mark().filter(|mark| mark.topology == *topology) else { continue };
            for route in state.routes.iter().filter(|r| r.to.prefix_len() == 0 && r.table == TABLE_MAIN) {
                if route.metric != metric_of(&route.to, None) || !is_static(route.protocol) {
                    continue;
                }
                let hop = route.nexthops.first();
                let via = hop.and_then(|hop| hop.via);
                if let Some(via) = via.filter(|_| route.protocol == GATEWAY_PROTOCOL) {
                    defaults.given.entry(via).or_default().push(defaults.all.len());
                }
                defaults.of_claim.entry((netns.clone(), route.to)).or_default().push(defaults.all.len());
                let link = hop.and_then(|hop| state.link_at(hop.link?));
                let dev = link.map(|link| link.name.clone()).unwrap_or_default();
                let label = mark.address.rest().to_owned();
                defaults.all.push(Member { label, netns: netns.clone(), to: route.to, via, dev });
            }
        }
        defaults
    }

    /// The members of a gateway: those that go by its address, and those that it claims, so that a route that was bent
    /// elsewhere is its own.
    pub fn of_gateway(&self, gateway: &Gateway) -> Vec<Member> {
        let given = gateway.addresses.iter().filter_map(|net| self.given.get(&net.addr())).flatten().copied();
        let mut places: BTreeSet<usize> = given.collect();
        let claims = gateway.members.iter().map(|it| (it.netns.clone(), it.to));
        places.extend(claims.filter_map(|claim| self.of_claim.get(&claim)).flatten());
        places.into_iter().map(|place| self.all[place].clone()).collect()
    }
}

impl Member {
    /// What it is known by.
    pub fn claim(&self) -> Claim<'_> {
        (&self.netns, self.to)
    }

    fn describe(&self) -> String {
        let via = self.via.map(|via| format!(" via {via}")).unwrap_or_default();
        let dev = if self.dev.is_empty() { String::new() } else { format!(" dev {}", self.dev) };
        format!("{}: default{via}{dev}", self.label)
    }

    fn as_op(&self, link: u32) -> RouteOp {
        let to = self.to;
        RouteOp {
            to,
            table: TABLE_MAIN,
            metric: metric_of(&to, None),
            protocol: GATEWAY_PROTOCOL,
            kind: RouteType::Unicast,
            src: None,
            mtu: None,
            nexthops: vec![Nexthop { via: self.via, link: Some(link), weight: 1, onlink: false }],
        }
    }
}

impl Gateway {
    /// `gateway.NAME`.
    pub fn address(&self) -> Address {
        Address::new(KindName::Gateway, &*self.name)
    }

    /// The default routes that are this gateway's business.
    pub fn claims(&self) -> impl Iterator<Item = Claim<'_>> {
        self.members.iter().map(Member::claim)
    }

    /// What differs.
    pub fn compare(before: Option<&Self>, after: Option<&Self>, rules: Option<&RuleSet>) -> Comparison {
        let mut comparison = Comparison::default();
        let device = |it: &Self| Value::from(&*it.device);
        comparison.attribute("interface", before.map(device), after.map(device));
        let members = |it: &Self| {
            let mut list: Vec<String> = it.members.iter().map(Member::describe).collect();
            list.sort();
            (!list.is_empty()).then_some(Value::List(list))
        };
        comparison.attribute("members", before.and_then(members), after.and_then(members));
        if let Some(rules) = rules {
            let of_rules = rules.compare();
            comparison.changes.extend(of_rules.changes);
            comparison.unchanged += of_rules.unchanged;
        }
        comparison
    }

    /// Ops for its members' routes; its rules are the firewall's to load. `anew` where a device or namespace is made anew:
    /// which of the routes went with it is not asked, all are given again.
    pub fn lower_to(&self, before: Option<&Self>, anew: bool, steps: &mut Steps<'_>) {
        let address = self.address();
        let has = before.map_or(&[][..], |it| &it.members);
        let claimed: HashSet<Claim<'_>> = self.claims().collect();
        for gone in has.iter().filter(|it| !claimed.contains(&it.claim())) {
            gone.lower_away(&address, steps);
        }
        let has: HashMap<Claim<'_>, &Member> = has.iter().map(|it| (it.claim(), it)).collect();
        for member in &self.members {
            let old = has.get(&member.claim());
            if anew || old != Some(&member) {
                member.lower_to(&address, old.is_some(), steps);
            }
        }
    }

    /// Ops that take the members' routes away.
    pub fn lower_away(&self, going: &dyn Fn(&Netns) -> bool, steps: &mut Steps<'_>) {
        let address = self.address();
        for member in self.members.iter().filter(|it| !going(&it.netns)) {
            member.lower_away(&address, steps);
        }
    }
}

impl Member {
    /// Puts its route there.
    pub fn lower_to(&self, address: &Address, replace: bool, steps: &mut Steps<'_>) {
        let Some(link) = steps.link(address, &self.netns, &self.dev) else { return };
        let op = Op::RouteAdd { route: self.as_op(link.index), replace };
        steps.push(Stage::Route, &self.netns, address, op);
    }

    fn lower_away(&self, address: &Address, steps: &mut Steps<'_>) {
        let state = steps.snapshot.namespaces.get(&self.netns);
        let Some(link) = state.and_then(|state| state.link(&self.dev)) else { return };
        let op = Op::RouteDelete { route: self.as_op(link.index) };
        steps.push(Stage::WithdrawRoute, &self.netns, address, op);
    }
}
