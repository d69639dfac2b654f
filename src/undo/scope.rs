//! What a run may change, by its ops.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    kind::{route::metric_of, sysctl},
    model::{
        Address, Netns, Snapshot,
        snapshot::{Depth, Extent, Family, LinkState, NetnsState, Peer, ReadRequest, Table, TableName, Variant},
    },
    op::{Batch, LinkChange, Op, RouteOp, Step, port_key, table_key},
};

/// What a run may change, each with the resource that it is done for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Namespaces that it makes.
    pub made: BTreeMap<Netns, Address>,
    /// Namespaces that it sets aside, with their inodes.
    pub parked: BTreeMap<Netns, (Address, u64)>,
    /// What it changes in namespaces that are there before.
    pub places: BTreeMap<Netns, Place>,
    /// Records of borrowed values.
    pub records: BTreeMap<String, Address>,
}

/// What a run may change in one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Devices that it makes, by index.
    pub made: BTreeMap<u32, Address>,
    /// Devices that it changes, by index.
    pub devices: BTreeMap<u32, Address>,
    /// Addresses that it gives or takes, with their devices.
    #[serde(with = "pairs")]
    pub addresses: BTreeMap<(u32, IpNet), Address>,
    /// Routes that it adds or removes: destination, table and metric.
    #[serde(with = "pairs")]
    pub routes: BTreeMap<(IpNet, u32, u32), Address>,
    /// Sysctls that it writes.
    pub sysctls: BTreeMap<String, Address>,
    /// Tables of the packet filter that it loads.
    #[serde(with = "pairs")]
    pub tables: BTreeMap<TableKey, Address>,
}

/// A table of the packet filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableKey {
    /// Which packet filter.
    pub variant: Variant,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Which table.
    pub name: TableName,
}

/// A map whose keys are no texts, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl Place {
    /// Whether it changes the device with that index, or an address of it.
    pub fn touches(&self, index: u32) -> bool {
        self.devices.contains_key(&index) || self.all_devices().is_some()
    }

    /// Whether devices are all that it changes, and the addresses of none: with an address go routes by other devices.
    fn is_of_devices_alone(&self) -> bool {
        self.addresses.is_empty() && self.routes.is_empty() && self.sysctls.is_empty() && self.tables.is_empty()
    }

    /// Whether it makes the device with that index, or changes it.
    pub fn is_about(&self, index: u32) -> bool {
        self.touches(index) || self.made.contains_key(&index)
    }

    /// Whether routes may come or go by it.
    pub fn has_routes(&self) -> bool {
        !self.devices.is_empty() || !self.routes.is_empty() || self.all_devices().is_some()
    }

    /// Whether it loads that table of the packet filter.
    pub fn loads(&self, variant: Variant, table: &Table) -> bool {
        self.tables.contains_key(&TableKey { variant, family: table.family, name: table.name })
    }

    /// Where a sysctl is written that takes the addresses of all devices along.
    fn all_devices(&self) -> Option<&Address> {
        let of_all = |(key, _): &(&String, &Address)| key.starts_with("net/ipv6/conf/all/disable_ipv6");
        self.sysctls.iter().find(of_all).map(|(_, address)| address)
    }

    /// The resource that a change of the device is done for.
    pub fn of_device(&self, index: u32) -> Option<&Address> {
        self.devices.get(&index).or_else(|| self.all_devices())
    }

    /// A route of several next hops can be put back only while all their devices are up: those that are not will be raised
    /// for a moment.
    pub fn take_in_dead_hops(&mut self, state: &NetnsState) {
        for route in &state.routes {
            let Some(address) = self.routes.get(&(route.to, route.table, route.metric)) else { continue };
            let devices = route.nexthops.iter().filter_map(|hop| state.link_at(hop.link?));
            let dead: Vec<u32> = devices.filter(|link| !link.up).map(|link| link.index).collect();
            self.devices.extend(dead.into_iter().map(|index| (index, address.clone())));
        }
    }

    /// Whose sysctls are written, by name: which device that is has to be known.
    pub fn take_in_owners_of_sysctls(&mut self, state: &NetnsState) {
        for (key, address) in &self.sysctls {
            if let Some(link) = sysctl::interface_of_path(key).and_then(|name| state.link(name)) {
                self.devices.entry(link.index).or_insert_with(|| address.clone());
            }
        }
    }

    fn extend(&mut self, older: Self) {
        self.made.extend(older.made);
        self.devices.extend(older.devices);
        self.addresses.extend(older.addresses);
        self.routes.extend(older.routes);
        self.sysctls.extend(older.sysctls);
        self.tables.extend(older.tables);
    }
}

impl Scope {
    /// Of what a run does, in order.
    pub fn of(batches: &[Batch]) -> Self {
        let mut scope = Self::default();
        let mut names = Names::default();
        for batch in batches {
            for step in &batch.steps {
                scope.add(&batch.netns, step);
                names.follow(&batch.netns, &step.op);
                if let Op::SysctlSet { key, .. } = &step.op
                    && let Some(key) = names.as_before(&batch.netns, key)
                {
                    scope.writes(&batch.netns, &key, &step.address);
                }
            }
        }
        scope
    }

    /// What has to be read to know what was there before, and what is there now.
    pub fn request(&self) -> ReadRequest {
        let with_rules = self.places.iter().filter(|(_, place)| !place.tables.is_empty());
        let filters = Some(with_rules.map(|(netns, _)| netns.clone()).collect());
        // What was made anew under a name that had gone is both.
        let parked = self.parked.keys().map(|netns| (netns, Depth::Inode));
        let made = self.made.keys().map(|netns| (netns, Depth::Links));
        let changed = self.places.keys().map(|netns| (netns, Depth::Whole));
        let places = parked.chain(made).chain(changed).map(|(netns, depth)| (netns.clone(), depth));
        let places = Some(places.collect());
        let mut request = ReadRequest { whole: true, filters, places, ..ReadRequest::default() };
        for (netns, place) in &self.places {
            let keys = place.sysctls.keys().flat_map(|key| with_dependents(key));
            request.sysctls.entry(netns.clone()).or_default().extend(keys);
        }
        request
    }

    /// The same of what was there before: where only devices change, those alone, and nothing of what comes or goes as a whole.
    pub fn request_before(&self) -> ReadRequest {
        let mut request = self.request();
        if let Some(places) = &mut request.places {
            places.retain(|netns, _| self.places.contains_key(netns));
        }
        for (netns, place) in self.places.iter().filter(|(_, place)| place.is_of_devices_alone()) {
            request.devices.insert(netns.clone(), place.devices.keys().copied().collect());
        }
        request
    }

    /// What is not as it was in a reading made before the run: all that it changes anything of, and the other ends of its
    /// devices.
    pub fn touched(&self, before: &Snapshot) -> BTreeMap<Netns, Extent> {
        let mut touched = Touched::default();
        for netns in self.made.keys().chain(self.parked.keys()) {
            touched.whole.insert(netns.clone());
        }
        let gone = self.parked.keys().filter_map(|netns| before.namespaces.get(netns));
        gone.flat_map(|state| &state.links).for_each(|link| touched.add_peer(link));
        for (netns, place) in &self.places {
            let state = before.namespaces.get(netns);
            if !place.is_of_devices_alone() {
                touched.whole.insert(netns.clone());
            }
            for index in place.devices.keys().chain(place.made.keys()) {
                touched.add(netns, *index);
                state.and_then(|state| state.link_at(*index)).into_iter().for_each(|link| touched.add_peer(link));
            }
            touched.devices.entry(netns.clone()).or_default();
        }
        touched.extents(before)
    }

    /// Takes in what an older run may have changed.
    pub fn extend(&mut self, older: Self) {
        self.made.extend(older.made);
        self.parked.extend(older.parked);
        for (netns, place) in older.places {
            self.places.entry(netns).or_default().extend(place);
        }
        self.records.extend(older.records);
    }

    /// The place that an op changes; `None` where the run has made the namespace, which goes as a whole.
    fn place(&mut self, netns: &Netns) -> Option<&mut Place> {
        (!self.made.contains_key(netns)).then(|| self.places.entry(netns.clone()).or_default())
    }

    fn add(&mut self, netns: &Netns, Step { address, op }: &Step) {
        match op {
            Op::NetnsCreate { .. } => _ = self.made.insert(netns.clone(), address.clone()),
            Op::NetnsPark { inode, .. } => _ = self.parked.insert(netns.clone(), (address.clone(), *inode)),
            Op::VethCreate { end, peer, peer_netns, .. } => {
                self.makes(netns, end.index, address);
                self.makes(peer_netns, peer.index, address);
            }
            Op::BridgeCreate { index, .. } => self.makes(netns, *index, address),
            Op::LinkSet { link, .. } | Op::BridgeUp { link } => self.changes(netns, link.index, address),
            Op::AddressAdd { link, address: given, .. } | Op::AddressDelete { link, address: given } => {
                self.changes(netns, link.index, address);
                if let Some(place) = self.place(netns) {
                    place.addresses.insert((link.index, *given), address.clone());
                }
            }
            Op::RouteAdd { route, .. } | Op::RouteDelete { route } => self.routes(netns, route, address),
            Op::SysctlSet { key, .. } => self.writes(netns, key, address),
            Op::SysctlBorrow { key, .. } | Op::SysctlGiveBack { key, .. } => {
                self.writes(netns, key, address);
                self.records.insert(key.clone(), address.clone());
            }
            Op::PortBorrow { link, .. } | Op::PortGiveBack { link, .. } => {
                self.changes(netns, link.index, address);
                self.records.insert(port_key(&link.name), address.clone());
            }
            Op::TableBorrow { family, table, .. } | Op::TableGiveBack { family, table, .. } => {
                self.records.insert(table_key(*family, *table), address.clone());
            }
            Op::FirewallLoad { variant, family, table, .. } => {
                if let Some(place) = self.place(netns) {
                    let key = TableKey { variant: *variant, family: *family, name: *table };
                    place.tables.insert(key, address.clone());
                }
            }
            // Nothing brings tracked connections back. The others are the end of a run, and ways back, which no run goes.
            Op::FlushFlows { .. }
            | Op::LinkDelete { .. }
            | Op::PortPutBack { .. }
            | Op::NetnsDelete
            | Op::NetnsDrop { .. }
            | Op::NetnsUnpark { .. }
            | Op::AddressPutBack { .. }
            | Op::RoutePutBack { .. }
            | Op::RecordPutBack { .. }
            | Op::TableDrop { .. } => {}
        }
    }

    fn makes(&mut self, netns: &Netns, index: u32, address: &Address) {
        if let Some(place) = self.place(netns) {
            place.made.insert(index, address.clone());
        }
    }

    fn changes(&mut self, netns: &Netns, index: u32, address: &Address) {
        if let Some(place) = self.place(netns)
            && !place.made.contains_key(&index)
        {
            place.devices.insert(index, address.clone());
        }
    }

    fn routes(&mut self, netns: &Netns, route: &RouteOp, address: &Address) {
        if let Some(place) = self.place(netns) {
            let metric = metric_of(&route.to, Some(route.metric));
            place.routes.insert((route.to.trunc(), route.table, metric), address.clone());
        }
    }

    fn writes(&mut self, netns: &Netns, key: &str, address: &Address) {
        if let Some(place) = self.place(netns) {
            place.sysctls.insert(key.to_owned(), address.clone());
        }
    }
}

/// What a run touches, as it is found.
#[derive(Default)]
struct Touched {
    whole: BTreeSet<Netns>,
    devices: BTreeMap<Netns, BTreeSet<u32>>,
}

impl Touched {
    /// In a namespace with no more devices than this, all are looked at: it takes no longer.
    const FEW: usize = 32;

    fn add(&mut self, netns: &Netns, index: u32) {
        self.devices.entry(netns.clone()).or_default().insert(index);
    }

    fn add_peer(&mut self, link: &LinkState) {
        if let Some(Peer { index, netns: Some(netns) }) = &link.peer {
            self.add(netns, *index);
        }
    }

    fn extents(self, before: &Snapshot) -> BTreeMap<Netns, Extent> {
        let extent = |netns: &Netns, mut indexes: BTreeSet<u32>| {
            let Some(state) = before.namespaces.get(netns) else { return Extent::Whole };
            // A bridge takes its MTU and its hardware address from its ports.
            indexes.extend(state.links.iter().filter(|link| link.bridge.is_some()).map(|link| link.index));
            let are_few = state.links.len() <= Self::FEW || indexes.len() > state.links.len() / 2;
            if are_few || self.whole.contains(netns) { Extent::Whole } else { Extent::Devices(indexes) }
        };
        let whole = self.whole.iter().map(|netns| (netns.clone(), Extent::Whole)).collect();
        let devices = self.devices.into_iter().map(|(netns, indexes)| (netns.clone(), extent(&netns, indexes)));
        devices.fold(whole, |mut all: BTreeMap<_, _>, one| {
            all.extend([one]);
            all
        })
    }
}

/// Devices that a run renames: their sysctls are written by the new name, and were read by the old one.
#[derive(Default)]
struct Names(BTreeMap<(Netns, String), String>);

impl Names {
    fn follow(&mut self, netns: &Netns, op: &Op) {
        if let Op::LinkSet { link, change: LinkChange { rename: Some(name), .. } } = op {
            let before = self.0.remove(&(netns.clone(), link.name.clone())).unwrap_or_else(|| link.name.clone());
            self.0.insert((netns.clone(), name.to_string()), before);
        }
    }

    /// The key as it was before the device was renamed.
    fn as_before(&self, netns: &Netns, key: &str) -> Option<String> {
        let device = sysctl::interface_of_path(key)?;
        let before = self.0.get(&(netns.clone(), device.to_owned()))?;
        Some(key.replacen(&format!("/{device}/"), &format!("/{before}/"), 1))
    }
}

/// A sysctl with those that the kernel changes along with it; `*` stands for every device.
fn with_dependents(key: &str) -> Vec<String> {
    let mut keys = vec![key.to_owned()];
    if key == sysctl::FORWARD_V4 {
        keys.extend(["net/ipv4/conf/*/forwarding", "net/ipv4/conf/all/accept_redirects"].map(str::to_owned));
    }
    // `all` overwrites (IPv6, and IPv4's forwarding), `default` is handed on to devices that have no value of their own.
    if let ["net", family, "conf", "all" | "default", rest @ ..] = &key.split('/').collect::<Vec<_>>()[..] {
        keys.push(format!("net/{family}/conf/*/{}", rest.join("/")));
    }
    keys
}
