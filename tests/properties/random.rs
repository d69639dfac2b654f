//! Random topologies in the language. A gene is a handful of bytes for each thing that may be there; what it stands for
//! is made to fit together while it is written out, so that nearly all genes are topologies. Zero is the plainest.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

#[derive(Clone)]
pub struct Gene {
    namespaces: [[u8; 5]; 4],
    bridges: [[u8; 9]; 3],
    links: [[u8; 10]; 6],
    routes: [[u8; 6]; 5],
    rest: [u8; 9],
}

impl std::fmt::Debug for Gene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {:?} {:?} {:?}", self.namespaces, self.bridges, self.links, self.routes, self.rest)
    }
}

pub fn gene() -> impl Strategy<Value = Gene> {
    (any::<[[u8; 5]; 4]>(), any::<[[u8; 9]; 3]>(), any::<[[u8; 10]; 6]>(), any::<[[u8; 6]; 5]>(), any::<[u8; 9]>())
        .prop_map(|(namespaces, bridges, links, routes, rest)| Gene { namespaces, bridges, links, routes, rest })
}

/// An edit: some things of `one` become as in `other`, whole or in a single byte.
pub fn mix(one: &Gene, other: &Gene, mask: u64) -> Gene {
    fn genes<const N: usize>(one: &mut [[u8; N]], other: &[[u8; N]], mask: &mut u64) {
        for (one, other) in one.iter_mut().zip(other) {
            match *mask & 3 {
                0 | 1 => {}
                2 => {
                    let at = usize::from(other[0]) % N;
                    one[at] = other[at];
                }
                _ => *one = *other,
            }
            *mask >>= 2;
        }
    }
    let (mut mixed, mut mask) = (one.clone(), mask);
    genes(&mut mixed.namespaces, &other.namespaces, &mut mask);
    genes(&mut mixed.bridges, &other.bridges, &mut mask);
    genes(&mut mixed.links, &other.links, &mut mask);
    genes(&mut mixed.routes, &other.routes, &mut mask);
    let at = usize::from(other.rest[8]) % 8;
    mixed.rest[at] = other.rest[at];
    mixed
}

const NAMESPACES: [&str; 4] = ["a", "b", "c", "d"];

/// An interface by which routes may lead: its namespace, its name, and a router beyond it for each family.
struct Way {
    namespace: String,
    interface: String,
    four: Option<String>,
    six: Option<String>,
    own: Option<String>,
}

#[derive(Default)]
struct Writer {
    namespaces: BTreeMap<String, Map<String, Value>>,
    bridges: Map<String, Value>,
    links: Vec<Value>,
    used: BTreeSet<(String, String)>,
    ways: Vec<Way>,
    /// By bridge: its namespace, and which families it has addresses of.
    segments: BTreeMap<usize, (String, bool, bool)>,
    addressed: Vec<String>,
    gateway_ends: Vec<(String, String)>,
    six: bool,
}

pub fn emit(gene: &Gene) -> Value {
    let mut writer = Writer { six: gene.rest[1] % 8 != 1, ..Writer::default() };
    for (label, gene) in NAMESPACES.iter().zip(&gene.namespaces).filter(|(_, gene)| gene[0] % 4 != 0) {
        writer.namespace(label, gene);
    }
    for (index, gene) in gene.bridges.iter().enumerate().filter(|(_, gene)| gene[0] % 3 != 0) {
        writer.bridge(index, gene);
    }
    if gene.rest[7] % 4 == 1 {
        writer.bridges.insert("docker0".into(), json!({ "external": true }));
        writer.segments.insert(3, ("host".into(), false, false));
    }
    for (index, gene) in gene.links.iter().enumerate().filter(|(_, gene)| gene[0] % 4 != 0) {
        writer.link(index, gene);
    }
    let mut keys = BTreeSet::new();
    for (index, gene) in gene.routes.iter().enumerate().filter(|(_, gene)| gene[0] % 2 != 0) {
        writer.route(index, gene, &mut keys);
    }
    writer.sysctls(gene);
    let mut file = json!({ "name": "lab" });
    if gene.rest[0] % 4 == 1 {
        file["prefix"] = json!("p-");
    }
    if !writer.six {
        file["ipv6"] = json!(false);
    }
    let (gateways, nat, forwards) = writer.rules(&gene.rest);
    file["gateways"] = gateways;
    file["nat"] = nat;
    file["port_forwards"] = forwards;
    file["namespaces"] = json!(writer.namespaces);
    file["bridges"] = json!(writer.bridges);
    file["links"] = json!(writer.links);
    file
}

impl Writer {
    fn namespace(&mut self, label: &str, gene: &[u8; 5]) {
        let mut object = Map::new();
        if gene[1] % 3 == 1 {
            object.insert("forwarding".into(), json!(true));
        }
        if gene[2] % 5 == 1 {
            object.insert("loopback".into(), json!(false));
        }
        let number = label.as_bytes()[0] - b'a';
        match gene[3] % 5 {
            1 => _ = object.insert("addresses".into(), json!([format!("10.255.0.{number}/32")])),
            2 if self.six => {
                let list = json!([format!("10.255.0.{number}/32"), format!("fd00:ff::{number}/128")]);
                object.insert("addresses".into(), list);
            }
            3 => _ = object.insert("addresses".into(), json!([])),
            _ => {}
        }
        self.namespaces.insert(label.into(), object);
    }

    /// `a` … `d` where it is there, else the host.
    fn place(&self, byte: u8) -> String {
        let label = NAMESPACES.get(usize::from(byte % 8)).copied().unwrap_or("host");
        if self.namespaces.contains_key(label) { label.into() } else { "host".into() }
    }

    fn bridge(&mut self, index: usize, gene: &[u8; 9]) {
        let label = format!("br{index}");
        let namespace = if gene[1] % 3 == 1 { self.place(gene[1] / 3) } else { "host".into() };
        let mut object = Map::new();
        if namespace != "host" {
            object.insert("namespace".into(), json!(namespace));
        }
        let device = if gene[7] % 4 == 1 { format!("dev{index}") } else { label.clone() };
        if device != label {
            object.insert("interface".into(), json!(device));
        }
        let narrow = if gene[2] % 16 > 12 { 25 } else { 24 };
        let (four, six) = (!gene[2].is_multiple_of(4), self.six && gene[2] % 8 > 4);
        let mut addresses = Vec::new();
        if four {
            addresses.push(format!("10.0.{index}.1/{narrow}"));
        }
        if four && gene[2] % 16 > 13 {
            addresses.push(format!("10.0.{index}.2/{narrow}"));
        }
        if six {
            addresses.push(format!("fd00:0:0:{index}::1/64"));
        }
        let pool = addresses.is_empty() && gene[8] % 2 == 1;
        if pool {
            object.insert("subnets".into(), json!([format!("10.0.{index}.0/24")]));
        } else if !addresses.is_empty() || gene[8].is_multiple_of(2) {
            object.insert("addresses".into(), json!(addresses));
        }
        for (key, value) in [
            ("mtu", (gene[3] % 4 == 1).then(|| json!(1400))),
            ("stp", (gene[4] % 4 == 1).then(|| json!(true))),
            ("ageing_time", (gene[5] % 4 == 1).then(|| json!(10))),
            ("up", (gene[6] % 6 == 1).then(|| json!(false))),
            ("ports", (namespace == "host" && index == 0 && gene[6] % 5 == 2).then(|| json!(["eth1"]))),
        ] {
            object.extend(value.map(|value| (key.to_owned(), value)));
        }
        self.used.insert((namespace.clone(), device.clone()));
        if gene[6] % 6 != 1 && four {
            let own = Some(format!("10.0.{index}.1"));
            let four = Some(format!("10.0.{index}.99"));
            self.ways.push(Way { namespace: namespace.clone(), interface: device, four, six: None, own });
        }
        self.segments.insert(index, (namespace, four || pool, six));
        self.bridges.insert(label, Value::Object(object));
    }

    fn link(&mut self, index: usize, gene: &[u8; 10]) {
        let Some(near) = Some(self.place(gene[1] % 4)).filter(|near| near != "host") else { return };
        let interface = format!("eth{}", gene[2] % 3);
        let mut near_end = json!({ "namespace": near, "interface": interface });
        let key = (near.clone(), interface.clone());
        if self.used.contains(&key) {
            return;
        }
        let bridge = usize::from(gene[4] % 4);
        let far = match gene[3] % 3 {
            0 if self.segments.contains_key(&bridge) => {
                let label = if bridge == 3 { "docker0".to_owned() } else { format!("br{bridge}") };
                let mut far = json!({ "bridge": label });
                if gene[9] % 4 == 1 {
                    far["interface"] = json!(format!("port{index}"));
                }
                self.port_addresses(index, bridge, gene[6], &mut near_end, &near, &interface, gene[8] % 6 != 1);
                far
            }
            0 => return,
            _ => {
                let other = if gene[3] % 3 == 1 { self.place(gene[4]) } else { "host".into() };
                let name = if other == "host" { format!("h{}", gene[5] % 3) } else { format!("eth{}", gene[5] % 3) };
                let there = (other.clone(), name.clone());
                if self.used.contains(&there) || there == key {
                    return;
                }
                self.used.insert(there);
                let mut far = json!({ "namespace": other, "interface": name });
                let up = gene[8] % 6 != 1 && gene[8] % 6 != 2;
                self.pair_addresses(
                    index,
                    gene[6],
                    [&mut near_end, &mut far],
                    [&near, &other],
                    [&interface, &name],
                    up,
                );
                far
            }
        };
        self.used.insert(key);
        let mut far = far;
        match gene[8] % 6 {
            1 => near_end["up"] = json!(false),
            2 => far["up"] = json!(false),
            3 => near_end["mac"] = json!(format!("02:00:00:00:01:0{index}")),
            _ => {}
        }
        let mut link = json!({ "endpoints": [near_end, far] });
        if gene[9] % 8 > 5 {
            link["endpoints"].as_array_mut().unwrap().reverse();
        }
        if gene[7] % 3 == 1 {
            link["mtu"] = json!(1300);
        }
        if gene[9] % 16 == 2 {
            link["queues"] = json!(2);
        }
        if gene[9] % 4 == 3 {
            link["name"] = json!(format!("wire{index}"));
        }
        // What stands in `subnet` was noted in the end, where it does not belong.
        if let Some(subnet) =
            link["endpoints"].as_array_mut().unwrap().iter_mut().find_map(|end| end.as_object_mut()?.remove("subnet"))
        {
            link["subnet"] = subnet;
        }
        self.links.push(link);
    }

    #[expect(clippy::too_many_arguments, reason = "each is one fact about the end")]
    fn port_addresses(
        &mut self,
        index: usize,
        bridge: usize,
        mode: u8,
        end: &mut Value,
        namespace: &str,
        interface: &str,
        up: bool,
    ) {
        let (_, four, six) = self.segments[&bridge].clone();
        let mut way =
            Way { namespace: namespace.into(), interface: interface.into(), four: None, six: None, own: None };
        let addresses = match (bridge, mode % 6) {
            (3, 1 | 2) => vec![format!("172.17.1.{index}/16")],
            (3, _) => return,
            (_, 1) => vec![format!("10.0.{bridge}.{}/24", 10 + index)],
            (_, 2) if self.six => {
                way.six = Some(format!("fd00:0:0:{bridge}::fe"));
                vec![format!("10.0.{bridge}.{}/24", 10 + index), format!("fd00:0:0:{bridge}::{}/64", 10 + index)]
            }
            (_, 3) => {
                end["addresses"] = json!([]);
                return;
            }
            (_, 4) => vec![format!("10.0.{bridge}.{}/24", 10 + index), format!("10.0.{bridge}.{}/24", 100 + index)],
            _ => {
                way.four = four.then(|| format!("10.0.{bridge}.99"));
                way.six = six.then(|| format!("fd00:0:0:{bridge}::fe"));
                if up {
                    self.ways.push(way);
                }
                return;
            }
        };
        end["addresses"] = json!(addresses);
        let own = addresses[0].split('/').next().map(str::to_owned);
        self.addressed.extend(own.clone());
        way.own = own;
        way.four = Some(if bridge == 3 { "172.17.0.1".into() } else { format!("10.0.{bridge}.99") });
        if up {
            self.ways.push(way);
        }
    }

    fn pair_addresses(
        &mut self,
        index: usize,
        mode: u8,
        ends: [&mut Value; 2],
        namespaces: [&str; 2],
        interfaces: [&str; 2],
        up: bool,
    ) {
        let mode = if self.six { mode % 5 } else { mode % 2 };
        let [near, far] = ends;
        let (mut four, mut six) = (None, None);
        match mode {
            0 => {
                near["subnet"] = json!(format!("10.1.{index}.0/30"));
                four = Some([format!("10.1.{index}.1"), format!("10.1.{index}.2")]);
            }
            3 => near["subnet"] = json!(format!("fd00:1:{index}::/64")),
            1 | 2 => {
                let mut lists = [vec![format!("10.1.{index}.1/30")], vec![format!("10.1.{index}.2/30")]];
                four = Some([format!("10.1.{index}.1"), format!("10.1.{index}.2")]);
                if mode == 2 {
                    six = Some([format!("fd00:1:{index}::1"), format!("fd00:1:{index}::2")]);
                    lists[0].push(format!("fd00:1:{index}::1/64"));
                    lists[1].push(format!("fd00:1:{index}::2/64"));
                }
                let [a, b] = lists;
                near["addresses"] = json!(a);
                far["addresses"] = json!(b);
                self.gateway_ends.push((namespaces[0].into(), interfaces[0].into()));
            }
            _ => {}
        }
        if up {
            let six = six.unwrap_or_default();
            for (this, that) in [(0, 1), (1, 0)] {
                let way = Way {
                    namespace: namespaces[this].into(),
                    interface: interfaces[this].into(),
                    four: four.as_ref().map(|both| both[that].clone()),
                    six: Some(six[that].clone()).filter(|it| !it.is_empty()),
                    own: four.as_ref().filter(|_| mode != 0).map(|both| both[this].clone()),
                };
                self.ways.push(way);
            }
        }
    }

    fn route(&mut self, index: usize, gene: &[u8; 6], keys: &mut BTreeSet<String>) {
        let namespace = if gene[1] % 5 == 4 { "host".to_owned() } else { self.place(gene[1] % 4) };
        let ways: Vec<&Way> = self.ways.iter().filter(|way| way.namespace == namespace).collect();
        let way = |at: u8| ways.get(usize::from(at) % ways.len().max(1)).copied();
        let six = self.six && gene[2] % 2 == 1;
        let to = match (gene[2] % 8, six) {
            (0 | 1, _) if namespace != "host" => "default".to_owned(),
            (_, true) => format!("fd09:{index}::/64"),
            (_, false) => format!("10.9.{index}.0/24"),
        };
        let via = |way: &Way| if six { way.six.clone() } else { way.four.clone() };
        let mut route = json!({ "to": to });
        match gene[3] % 5 {
            0 | 4 => {
                let Some(way) = way(gene[4]) else { return };
                let Some(hop) = via(way) else { return };
                route["via"] = json!(hop);
                if let (4, false, Some(own)) = (gene[3] % 5, six, &way.own) {
                    route["src"] = json!(own);
                }
            }
            1 if to != "default" => {
                let Some(way) = way(gene[4]) else { return };
                route["dev"] = json!(way.interface);
            }
            2 if to != "default" => {
                route["type"] = json!(["blackhole", "unreachable", "prohibit"][usize::from(gene[4] % 3)])
            }
            3 => {
                let hops: BTreeSet<String> = ways.iter().filter_map(|way| via(way)).collect();
                if hops.len() < 2 {
                    return;
                }
                let hops: Vec<Value> =
                    hops.iter().enumerate().map(|(at, hop)| json!({ "via": hop, "weight": at + 1 })).collect();
                route["nexthops"] = json!(hops);
            }
            _ => return,
        }
        match gene[5] % 6 {
            1 => route["metric"] = json!(50),
            2 => route["table"] = json!(100),
            3 => route["mtu"] = json!(1280),
            _ => {}
        }
        if keys.insert(format!("{namespace} {to} {six} {} {}", route["metric"], route["table"])) {
            let object = self.namespaces.entry(namespace).or_default();
            let list = object.entry("routes").or_insert_with(|| json!([]));
            list.as_array_mut().unwrap().push(route);
        }
    }

    fn sysctls(&mut self, gene: &Gene) {
        for (label, gene) in NAMESPACES.iter().zip(&gene.namespaces) {
            let has_eth0 = self.used.contains(&((*label).to_owned(), "eth0".to_owned()));
            let Some(object) = self.namespaces.get_mut(*label) else { continue };
            match gene[4] % 5 {
                1 => _ = object.insert("sysctls".into(), json!({ "net.ipv4.conf.all.rp_filter": 2 })),
                2 if has_eth0 => _ = object.insert("sysctls".into(), json!({ "net.ipv4.conf.eth0.rp_filter": 1 })),
                _ => {}
            }
        }
        if gene.rest[6] % 4 == 1 {
            let host = self.namespaces.entry("host".into()).or_default();
            host.insert("sysctls".into(), json!({ "net.ipv4.conf.all.log_martians": 1 }));
        }
    }

    /// Gateways, nat and port forwards.
    fn rules(&self, gene: &[u8; 9]) -> (Value, Value, Value) {
        let mut gateways = Vec::new();
        let bridge = usize::from(gene[2] % 4);
        if self.segments.get(&bridge).is_some_and(|(_, four, _)| *four || bridge == 3) {
            let label = if bridge == 3 { "docker0".to_owned() } else { format!("br{bridge}") };
            let pool_only = self.bridges[&label].get("subnets").is_some();
            if !pool_only {
                gateways.push(json!({ "bridge": label }));
            }
        } else if let Some((namespace, interface)) = self.gateway_ends.first().filter(|_| gene[2] % 2 == 1) {
            gateways.push(json!({ "namespace": namespace, "interface": interface }));
        }
        let mut nat = Vec::new();
        if gene[3] % 3 == 1 {
            nat.push(json!({ "masquerade": "10.0.0.0/16" }));
        }
        if gene[3] % 5 == 1 {
            nat.push(json!({ "snat": "10.1.0.0/16", "to": "192.0.2.10", "out": "eth0" }));
        }
        let mut forwards = Vec::new();
        let targets = self.addressed.iter().take(usize::from(gene[4] % 3)).enumerate();
        for (at, target) in targets {
            forwards.push(json!({ "listen": 8080 + at, "to": format!("{target}:80") }));
        }
        (json!(gateways), json!(nat), json!(forwards))
    }
}
