//! Snapshot → observed resources, by way of the kinds.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use crate::{
    kind::{
        Topology,
        bridge::Bridge,
        firewall,
        gateway::{Defaults, Gateway},
        host::HostSettings,
        link::Link,
        made::{ByNetns, Made},
        namespace::Namespace,
        route::{Route, metric_of},
        rules::{Filter, RuleSet},
        sysctl,
        topology::BRIDGE_NF,
    },
    model::{
        Address, Netns, Snapshot, TopologyName,
        address::KindName,
        machine::{DeviceKind, Trial},
        snapshot::{FirewallState, LinkState, NetnsState, ReadRequest, TABLE_MAIN},
    },
};

/// What has to be read of the kernel for a plan of `topology`.
pub fn request(topology: Option<&Topology>) -> ReadRequest {
    let mut request = ReadRequest::default();
    let Some(topology) = topology else { return request };
    for namespace in &topology.namespaces {
        let mut keys: Vec<&str> = namespace.sysctls.keys().map(String::as_str).chain(sysctl::DISABLE_V6).collect();
        if namespace.sysctls.get(sysctl::FORWARD_V4).is_some_and(|value| value == "1") {
            keys.push(sysctl::FORWARD_V4_DEFAULT);
        }
        request.sysctls.entry(namespace.netns.clone()).or_default().extend(keys.into_iter().map(str::to_owned));
        if namespace.sysctls.contains_key(sysctl::DISABLE_V6_FOR_NEW) {
            request.exact.insert(namespace.netns.clone());
        }
    }
    request.trial = trial(topology);
    let unsure = request.trial.sysctls.iter().filter(|key| !sysctl::is_the_namespaces_own(key)).cloned();
    request.sysctls.entry(Netns::Host).or_default().extend(unsure);
    let of_host = [sysctl::FORWARD_V4_DEFAULT, sysctl::LOCALNET_DEFAULT, sysctl::DISABLE_V6_FOR_NEW].map(str::to_owned);
    request.sysctls.entry(Netns::Host).or_default().extend(of_host);
    for bridge in &topology.bridges {
        request.sysctls.entry(bridge.netns.clone()).or_default().extend(bridge.sysctls.keys().cloned());
    }
    if let Some(host) = &topology.host {
        let keys = request.sysctls.entry(Netns::Host).or_default();
        keys.extend(host.sysctls.keys().cloned());
        keys.extend(host.sysctls.keys().flat_map(|key| keys_along(key)));
    }
    for netns in topology.bystanders.keys() {
        let keys = BRIDGE_NF.iter().map(|key| (*key).to_owned());
        request.sysctls.entry(netns.clone()).or_default().extend(keys);
    }
    for (netns, input) in &topology.firewalls {
        request.firewalls.insert(netns.clone(), firewall::compose(input).tables);
        let ports = input.forwards.iter().map(firewall::Forward::listened);
        request.ports.entry(netns.clone()).or_default().extend(ports);
    }
    request
}

/// What has to be tried out: what the file writes of sysctls, and the devices that it makes.
fn trial(topology: &Topology) -> Trial {
    let mut trial = Trial::default();
    for (key, value) in topology.namespaces.iter().flat_map(|it| &it.sysctls) {
        if sysctl::is_of_course(key) && matches!(&**value, "0" | "1") {
            continue;
        }
        let key = sysctl::of_default(key);
        if sysctl::is_the_namespaces_own(&key) {
            trial.values.insert((key.clone(), value.clone()));
        }
        trial.sysctls.insert(key);
    }
    trial.kinds.extend((!topology.links.is_empty()).then_some(DeviceKind::Veth));
    trial.kinds.extend(topology.bridges.iter().any(|it| !it.external).then_some(DeviceKind::Bridge));
    trial
}

/// Where only some namespaces can have rules of the topology, those of others say nothing to its plan: they take an eighth of
/// the time of a reading.
pub fn leave_out_filters(request: &mut ReadRequest, topology: Option<&Topology>, loaded: &BTreeSet<Netns>) {
    let mut filters = loaded.clone();
    filters.insert(Netns::Host);
    if let Some(topology) = topology {
        filters.extend(topology.firewalls.keys().chain(topology.bystanders.keys()).cloned());
    }
    request.filters = Some(filters);
}

/// And what has to be read beside, of sysctls that were `written` and those of them that the topology says nothing of any more.
pub fn add_dropped(request: &mut ReadRequest, written: &ByNetns, dropped: &ByNetns) {
    let of_new = written.iter().filter(|(_, keys)| keys.contains(sysctl::DISABLE_V6_FOR_NEW));
    request.exact.extend(of_new.map(|(netns, _)| netns.clone()));
    for (netns, keys) in dropped {
        request.sysctls.entry(netns.clone()).or_default().extend(keys.iter().cloned());
        request.trial.sysctls.extend(keys.iter().map(|key| sysctl::of_default(key)));
    }
}

/// What the kernel overwrites when a key is written; `*` stands for every device.
fn keys_along(key: &str) -> BTreeSet<String> {
    let keys: &[&str] = match key {
        sysctl::FORWARD_V4 => &["net/ipv4/conf/*/forwarding", "net/ipv4/conf/all/accept_redirects"],
        sysctl::FORWARD_V6 => &["net/ipv6/conf/*/forwarding"],
        _ => &[],
    };
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// Everything of one topology that the kernel has.
#[derive(Debug, Default)]
pub struct Observed {
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// What is borrowed of the host.
    pub host: Option<HostSettings>,
    /// Bridges.
    pub bridges: Vec<Bridge>,
    /// Veth pairs.
    pub links: Vec<Link>,
    /// Static routes, but those that are a gateway's.
    pub routes: Vec<Route>,
    /// Gateways.
    pub gateways: Vec<Gateway>,
    /// The packet filter of each namespace that has or wants rules.
    pub filters: Vec<Filter>,
    /// The rules of gateways.
    pub gateway_rules: Vec<RuleSet>,
    /// All other rules as resources.
    pub rule_sets: Vec<RuleSet>,
}

/// Reads `name`'s resources out of the snapshot; `topology` says what to look for beside what bears marks, `memo` what
/// was there after the last apply.
pub fn observe(snapshot: &Snapshot, name: &TopologyName, topology: Option<&Topology>, memo: &Made) -> Observed {
    let bridges = Bridge::observe(snapshot, name, topology.map_or(&[], |it| &it.bridges));
    let filters = filters(snapshot, name, topology);
    let all_sets: Vec<RuleSet> = filters.iter().flat_map(Filter::rule_sets).collect();
    let (of_gateways, rule_sets): (Vec<RuleSet>, Vec<RuleSet>) =
        all_sets.into_iter().partition(|set| set.address.kind() == KindName::Gateway);
    let links = Link::observe(snapshot, name, topology.map_or(&[], |it| &it.links), memo);
    let of_gateways = named(of_gateways, topology, &bridges, &links);
    let gateways = gateways(snapshot, name, topology, &bridges, &of_gateways);
    let ours = Ours::new(name, &bridges, &links);
    let is_ours = |netns: &Netns, link: &LinkState| ours.has(netns, link);
    let mut routes = Route::observe(snapshot, name, topology.map_or(&[], |it| &it.routes), &memo.addresses, &is_ours);
    // Of one destination, table and metric there is one route, so a gateway's member is that route.
    let members: HashSet<_> = gateways.iter().flat_map(|it| &it.members).map(|it| (&it.netns, it.to)).collect();
    routes.retain(|route| {
        let is_default = route.table == TABLE_MAIN && route.metric == metric_of(&route.to, None);
        !(is_default && members.contains(&(&route.netns, route.to)))
    });
    Observed {
        namespaces: Namespace::observe(snapshot, name, topology.map_or(&[], |it| &it.namespaces)),
        host: HostSettings::observe(snapshot, name, topology.and_then(|it| it.host.as_ref())),
        links,
        routes,
        bridges,
        gateways,
        filters,
        gateway_rules: of_gateways,
        rule_sets,
    }
}

impl Observed {
    /// Which devices are `name`'s.
    pub fn ours<'a>(&'a self, name: &'a TopologyName) -> Ours<'a> {
        Ours::new(name, &self.bridges, &self.links)
    }
}

/// The devices of a topology.
pub struct Ours<'a> {
    name: &'a TopologyName,
    places: HashSet<(&'a Netns, &'a str)>,
}

impl<'a> Ours<'a> {
    fn new(name: &'a TopologyName, bridges: &'a [Bridge], links: &'a [Link]) -> Self {
        let bridges = bridges.iter().map(|it| (&it.netns, &*it.device));
        let ends = links.iter().flat_map(|link| &link.ends).map(|end| end.place());
        Self { name, places: bridges.chain(ends).collect() }
    }

    /// Whether it was found to be one, with its mark or without.
    pub fn is_found(&self, netns: &Netns, device: &str) -> bool {
        self.places.contains(&(netns, device))
    }

    /// Whether it is one: found so, or by a mark, which the `lo` of a namespace bears too.
    pub fn has(&self, netns: &Netns, link: &LinkState) -> bool {
        self.is_found(netns, &link.name) || link.is_of(self.name)
    }
}

/// How the file calls a namespace of the topology.
fn label_of(netns: &Netns, state: &NetnsState) -> String {
    match netns {
        Netns::Host => "host".to_owned(),
        Netns::Named(name) => state.mark().map_or_else(|| name.to_string(), |mark| mark.address.rest().to_owned()),
    }
}

fn filters(snapshot: &Snapshot, name: &TopologyName, topology: Option<&Topology>) -> Vec<Filter> {
    let nothing = FirewallState::default();
    let mut netns: BTreeSet<&Netns> = topology.iter().flat_map(|it| it.firewalls.keys()).collect();
    for (at, state) in &snapshot.namespaces {
        if firewall::topologies_in(&state.firewall.live).contains(name) {
            netns.insert(at);
        }
    }
    let one = |netns: &Netns| {
        let state = snapshot.namespaces.get(netns);
        let input = topology.and_then(|it| it.firewalls.get(netns));
        let label = match (input, state) {
            (Some(input), _) => input.namespace.clone(),
            (None, Some(state)) => label_of(netns, state),
            (None, None) => netns.to_string(),
        };
        Filter::compare(name, &label, netns, input, snapshot.firewall(netns).unwrap_or(&nothing))
    };
    netns.into_iter().map(one).collect()
}

/// Rules tell a gateway that the file does not name (any more) by its device: here it gets the name that it had, the
/// bridge's that bears the mark, or that of its interface.
fn named(sets: Vec<RuleSet>, topology: Option<&Topology>, bridges: &[Bridge], links: &[Link]) -> Vec<RuleSet> {
    let mut named: Vec<RuleSet> = Vec::new();
    for mut set in sets {
        let wanted = topology.is_some_and(|it| it.gateways.iter().any(|gateway| gateway.address() == set.address));
        if !wanted {
            let device = set.address.rest().rsplit(':').next().unwrap_or_default();
            let bridge = bridges.iter().find(|it| it.netns == set.netns && it.device == device);
            let is_end = set.netns == Netns::Host && links.iter().any(|it| it.end_at(&set.netns, device).is_some());
            let rest = match bridge {
                Some(bridge) if !bridge.label.is_empty() => bridge.label.clone(),
                _ if is_end => format!("host:{device}"),
                _ => set.address.rest().to_owned(),
            };
            set.address = Address::new(KindName::Gateway, rest);
        }
        match named.iter_mut().find(|it| it.address == set.address) {
            Some(same) => same.join(set),
            None => named.push(set),
        }
    }
    named
}

/// A gateway is there where its rules or a default route that it gave are. Which gateways to look for: the file's, and
/// every bridge of ours, since `destroy NAME` has no file.
fn gateways(
    snapshot: &Snapshot,
    name: &TopologyName,
    topology: Option<&Topology>,
    bridges: &[Bridge],
    rules: &[RuleSet],
) -> Vec<Gateway> {
    let mut candidates: BTreeMap<String, Gateway> = BTreeMap::new();
    for bridge in bridges {
        let addresses = bridge.addresses.iter().copied().collect();
        let gateway = Gateway {
            name: bridge.label.clone(),
            netns: bridge.netns.clone(),
            device: bridge.device.clone(),
            addresses,
            members: Vec::new(),
            behind: Vec::new(),
        };
        candidates.insert(bridge.label.clone(), gateway);
    }
    for set in rules {
        candidates.entry(set.address.rest().to_owned()).or_insert_with(|| Gateway {
            name: set.address.rest().to_owned(),
            netns: set.netns.clone(),
            device: set.address.rest().rsplit(':').next().unwrap_or_default().to_owned(),
            addresses: addresses_of(snapshot, set),
            members: Vec::new(),
            behind: Vec::new(),
        });
    }
    for wanted in topology.iter().flat_map(|it| &it.gateways) {
        candidates.insert(wanted.name.clone(), wanted.clone());
    }
    let wanted: HashMap<&str, &Gateway> =
        topology.iter().flat_map(|it| &it.gateways).map(|it| (&*it.name, it)).collect();
    let mut takers: HashMap<(Netns, IpNet), String> = HashMap::default();
    for gateway in topology.iter().flat_map(|it| &it.gateways) {
        for (netns, to) in gateway.claims() {
            takers.entry((netns.clone(), to)).or_insert_with(|| gateway.name.clone());
        }
    }
    let rules: HashMap<&str, &RuleSet> = rules.iter().map(|set| (set.address.rest(), set)).collect();
    let defaults = Defaults::of(snapshot, name);
    let mut found: Vec<Gateway> = Vec::new();
    for (label, candidate) in candidates {
        let mut members = defaults.of_gateway(&candidate);
        // One route is one gateway's: that of the file that wants it, else the first that may have given it.
        members.retain(|it| {
            let taker = takers.entry((it.netns.clone(), it.to)).or_insert_with(|| label.clone());
            *taker == label
        });
        let set = rules.get(&*label);
        let live = set.is_some_and(|set| set.sides().0);
        // One that has nobody behind it and needs no rule is nothing in the kernel.
        let nothing = set.is_none() && wanted.get(&*label).is_some_and(|it| it.members.is_empty());
        if !members.is_empty() || live || nothing {
            found.push(Gateway { members, ..candidate });
        }
    }
    found
}

fn addresses_of(snapshot: &Snapshot, set: &RuleSet) -> Vec<ipnet::IpNet> {
    let Some(state) = snapshot.namespaces.get(&set.netns) else { return Vec::new() };
    let device = set.address.rest().rsplit(':').next().unwrap_or_default();
    let Some(link) = state.link(device) else { return Vec::new() };
    state.addresses.iter().filter(|it| it.link == link.index).map(|it| it.address).collect()
}

/// The topologies that own something here, by their marks, rules and borrowed values.
pub fn topologies(snapshot: &Snapshot) -> BTreeSet<TopologyName> {
    let mut names = BTreeSet::new();
    for state in snapshot.namespaces.values() {
        names.extend(state.links.iter().filter_map(|link| link.mark()).map(|mark| mark.topology));
        names.extend(firewall::topologies_in(&state.firewall.live));
    }
    names.extend(snapshot.borrowed.values().flat_map(|record| record.users.iter().cloned()));
    names
}
