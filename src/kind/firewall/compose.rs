//! Input → the wanted tables, with what each rule is for.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{
    filter,
    input::{Beyond, Input, Interface, NatKind, Role},
    names::{ChainKind, chain_name, own_chain},
    nat,
};
use crate::model::{
    Address, IfName, TopologyName,
    address::KindName,
    mark::jump_comment,
    snapshot::{Chain, Family, Table, TableName},
};

/// The wanted rules of one topology in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// Whose they are.
    pub topology: TopologyName,
    /// How the file calls the namespace.
    pub namespace: String,
    /// The tables that are needed, in the order of loading. Built-in chains hold our jumps only.
    pub tables: Vec<Table>,
    /// For each of our chains, the resource of each rule.
    owners: BTreeMap<(Family, ChainKind), Vec<Address>>,
    /// What the segments are called (by their gateways), and their subnets.
    segments: BTreeMap<String, (Address, Vec<IpNet>)>,
}

impl Composed {
    /// What is wanted where nothing is: for `destroy`, and for a namespace that has no firewall in the file.
    pub fn nothing(topology: TopologyName, namespace: impl Into<String>) -> Self {
        let namespace = namespace.into();
        Self { topology, namespace, tables: Vec::new(), owners: BTreeMap::new(), segments: BTreeMap::new() }
    }

    /// The resource of chains, jumps, and the rules that serve several resources.
    pub fn firewall(&self) -> Address {
        Address::new(KindName::Firewall, &*self.namespace)
    }

    /// The resource that the rule with that place in one of our chains is for.
    pub fn owner(&self, family: Family, chain: ChainKind, index: usize) -> Address {
        self.owners.get(&(family, chain)).and_then(|all| all.get(index)).cloned().unwrap_or_else(|| self.firewall())
    }

    /// The wanted rules that are for a resource, as they were composed. For `firewall.NS` the jumps are among them.
    pub fn rules_of(&self, address: &Address) -> Vec<WantedRule<'_>> {
        let mut rules = Vec::new();
        for table in &self.tables {
            for chain in &table.chains {
                let kind = own_chain(&self.topology, table.name, &chain.name);
                for (index, rule) in chain.rules.iter().enumerate() {
                    let owner = kind.map_or_else(|| self.firewall(), |kind| self.owner(table.family, kind, index));
                    if owner == *address {
                        rules.push(WantedRule { family: table.family, table: table.name, chain: &chain.name, rule });
                    }
                }
            }
        }
        rules
    }

    /// The resource that an interface with members is: the gateway that the file makes it, or `firewall.NS` where it
    /// makes it none; what the file no longer names (or where there is no file) was a gateway.
    pub fn segment(&self, interface: &str) -> Address {
        self.segments.get(interface).map(|(address, _)| address.clone()).unwrap_or_else(|| {
            let at = if self.namespace == "host" { String::new() } else { format!("{}:", self.namespace) };
            Address::new(KindName::Gateway, format!("{at}{interface}"))
        })
    }

    /// The subnets behind an interface.
    pub(super) fn behind(&self, interface: &str, family: Family) -> Vec<IpNet> {
        let subnets = self.segments.get(interface).map(|(_, subnets)| subnets.as_slice()).unwrap_or_default();
        subnets.iter().map(IpNet::trunc).filter(|net| Family::of(net.addr()) == family).collect()
    }
}

/// A wanted rule with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedRule<'a> {
    /// IPv4 or IPv6.
    pub family: Family,
    /// In which table.
    pub table: TableName,
    /// In which chain.
    pub chain: &'a str,
    /// The rule.
    pub rule: &'a str,
}

/// A rule of one of our chains, for one resource.
pub(super) struct Line {
    pub text: String,
    pub owner: Address,
}

/// What the rules of one family follow from.
pub(super) struct Scope<'a> {
    pub input: &'a Input,
    pub family: Family,
    pub segments: Vec<Segment<'a>>,
    /// Where forwards and dnat lead, in file order.
    pub targets: Vec<IpNet>,
    /// The resource of what serves several.
    pub shared: Address,
}

/// A segment, as one family sees it.
pub(super) struct Segment<'a> {
    pub interface: &'a IfName,
    pub subnets: Vec<IpNet>,
    pub beyond: Vec<Beyond>,
    pub gateway: Option<&'a Address>,
    pub members: Option<Vec<IpAddr>>,
    pub route_localnet: bool,
    pub passes: Passes,
}

/// What is let pass to and from a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passes {
    /// All that comes from it, and what answers it or was forwarded to it.
    All,
    /// What was forwarded to its targets, and their answers.
    Targets,
}

impl Segment<'_> {
    /// Whether all of `net` is behind it.
    pub fn covers(&self, net: &IpNet) -> bool {
        if self.beyond.iter().any(|it| it.target == *net) {
            return true;
        }
        match &self.members {
            None => self.subnets.iter().any(|subnet| subnet.contains(net)),
            Some(members) => members.iter().any(|member| IpNet::from(*member).contains(net)),
        }
    }
}

/// Whether two networks have an address in common.
pub(super) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// An address alone, a prefix with its length: both as people write them.
pub(super) fn short(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.trunc().to_string() }
}

impl<'a> Scope<'a> {
    fn new(input: &'a Input, family: Family) -> Self {
        let mut targets: Vec<IpNet> = Vec::new();
        let forwards = input.forwards.iter().map(|forward| IpNet::from(forward.to));
        let dnats = input.nat.iter().filter_map(|rule| match &rule.kind {
            NatKind::Dnat(_, to) => Some(to.trunc()),
            NatKind::Masquerade(_) | NatKind::Snat(..) => None,
        });
        for target in forwards.chain(dnats).filter(|net| Family::of(net.addr()) == family) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        let segments = input.interfaces.iter().filter_map(|interface| Segment::new(interface, family)).collect();
        let shared = Address::new(KindName::Firewall, &*input.namespace);
        Self { input, family, segments, targets, shared }
    }

    /// The targets that are behind no segment of ours.
    pub fn strays(&self) -> impl Iterator<Item = &IpNet> {
        self.targets.iter().filter(|target| !self.segments.iter().any(|segment| segment.covers(target)))
    }

    /// The segments that all may leave.
    pub fn open_segments(&self) -> impl Iterator<Item = &Segment<'a>> {
        self.segments.iter().filter(|segment| segment.passes == Passes::All)
    }

    /// The interfaces whose own subnet lies in the range.
    pub fn within(&self, range: &IpNet) -> Vec<&'a IfName> {
        let own = |interface: &&Interface| interface.subnets.iter().any(|subnet| range.contains(&subnet.trunc()));
        self.input.interfaces.iter().filter(own).map(|interface| &interface.name).collect()
    }

    /// A rule that serves several resources.
    pub fn shared(&self, text: String) -> Line {
        Line { text, owner: self.shared.clone() }
    }
}

impl<'a> Segment<'a> {
    fn new(interface: &'a Interface, family: Family) -> Option<Self> {
        let (gateway, members, route_localnet, passes) = match &interface.role {
            Role::Segment { gateway, members, route_localnet } => {
                (gateway.as_ref(), members, route_localnet, Passes::All)
            }
            Role::Target { members, route_localnet } => (None, members, route_localnet, Passes::Targets),
            Role::Bystander | Role::Outer => return None,
        };
        let of_family = |net: &IpNet| Family::of(net.addr()) == family;
        let subnets: Vec<IpNet> = interface.subnets.iter().map(IpNet::trunc).filter(of_family).collect();
        let members: Option<Vec<IpAddr>> = members
            .as_ref()
            .map(|all| all.iter().copied().filter(|address| Family::of(*address) == family).collect::<Vec<_>>());
        let beyond: Vec<Beyond> = interface.beyond.iter().copied().filter(|it| of_family(&it.target)).collect();
        let used = members.as_ref().map_or(!subnets.is_empty(), |members| !members.is_empty()) || !beyond.is_empty();
        used.then_some(Self {
            interface: &interface.name,
            subnets,
            beyond,
            gateway,
            members,
            route_localnet: *route_localnet,
            passes,
        })
    }
}

/// A jump: the built-in chain that it stands in, and the rule.
pub(super) type Jump = (&'static str, String);

/// Makes the wanted rules. Pure, and the same input always gives the same text.
pub fn compose(input: &Input) -> Composed {
    let mut composed = Composed::nothing(input.topology.clone(), &*input.namespace);
    for interface in &input.interfaces {
        if let Role::Segment { gateway, .. } = &interface.role {
            let address = gateway.clone().unwrap_or_else(|| composed.firewall());
            composed.segments.insert(interface.name.to_string(), (address, interface.subnets.clone()));
        }
    }
    for family in Family::ALL {
        let scope = Scope::new(input, family);
        for table in [TableName::Raw, TableName::Filter, TableName::Nat] {
            composed.add_table(&scope, table);
        }
    }
    composed
}

impl Composed {
    fn add_table(&mut self, scope: &Scope<'_>, name: TableName) {
        let mut builtin: Vec<Chain> = Vec::new();
        let mut own: Vec<Chain> = Vec::new();
        for kind in ChainKind::ALL.into_iter().filter(|kind| kind.table() == name) {
            let lines = lines(scope, kind);
            if lines.is_empty() {
                continue;
            }
            let (rules, owners) = lines.into_iter().map(|line| (line.text, line.owner)).unzip();
            self.owners.insert((scope.family, kind), owners);
            let chain = chain_name(kind, &self.topology);
            let tail = format!("-m comment --comment \"{}\" -j {chain}", jump_comment(&self.topology));
            for (hook, matches) in jumps(scope, kind) {
                let rule = if matches.is_empty() { tail.clone() } else { format!("{matches} {tail}") };
                match builtin.iter_mut().find(|chain| chain.name == hook) {
                    Some(chain) => chain.rules.push(rule),
                    None => builtin.push(Chain { name: hook.into(), policy: None, rules: vec![rule] }),
                }
            }
            own.push(Chain { name: chain, policy: None, rules });
        }
        if !own.is_empty() {
            builtin.append(&mut own);
            self.tables.push(Table { family: scope.family, name, chains: builtin });
        }
    }
}

/// The rules of one of our chains. A line that is there already would never be reached a second time.
fn lines(scope: &Scope<'_>, kind: ChainKind) -> Vec<Line> {
    let all = match kind {
        ChainKind::Raw => filter::raw(scope),
        ChainKind::Forward => filter::forward(scope),
        ChainKind::Dnat => nat::dnat(scope),
        ChainKind::Post => nat::post(scope),
    };
    let mut seen = foldhash::HashSet::default();
    all.into_iter().filter(|line| seen.insert(line.text.clone())).collect()
}

fn jumps(scope: &Scope<'_>, kind: ChainKind) -> Vec<Jump> {
    match kind {
        ChainKind::Raw => vec![("PREROUTING", String::new())],
        ChainKind::Forward => vec![("FORWARD", String::new())],
        ChainKind::Dnat => nat::dnat_jumps(scope),
        ChainKind::Post => vec![("POSTROUTING", String::new())],
    }
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
