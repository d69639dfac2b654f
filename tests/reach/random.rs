//! Small random labs of routers: segments, addresses, routes, gateways, nat, and now and then something that is wrong.

use serde_json::{Map, Value, json};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_003).unwrap() % sides
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.roll(one_in) == 0
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// An interface of a namespace on a segment.
struct Seat {
    namespace: usize,
    interface: String,
    segment: usize,
    host: usize,
    v6: bool,
}

impl Seat {
    fn address(&self, v6: bool) -> String {
        match v6 {
            false => format!("10.{}.0.{}", self.segment, self.host),
            true => format!("fd00:{}::{}", self.segment, self.host),
        }
    }

    fn addresses(&self) -> String {
        let six = if self.v6 { format!(" {}/64", self.address(true)) } else { String::new() };
        format!("{}/24{six}", self.address(false))
    }
}

struct Writer {
    dice: Dice,
    count: usize,
    seats: Vec<Seat>,
    links: Vec<Value>,
    bridges: Map<String, Value>,
}

/// The lab of a seed.
pub fn lab(seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..8 {
        dice.roll(2);
    }
    let count = 2 + dice.roll(4);
    let mut writer = Writer { dice, count, seats: Vec::new(), links: Vec::new(), bridges: Map::new() };
    // A chain or so, and something across it.
    for segment in 1..=(count - 1 + writer.dice.roll(2)) {
        let one = if segment < count { segment - 1 } else { writer.dice.roll(count) };
        let other = if segment < count { segment } else { writer.dice.roll(count) };
        if one != other {
            writer.segment(segment, one, other);
        }
    }
    let namespaces: Map<String, Value> = (0..count).map(|it| (NAMES[it].to_owned(), writer.namespace(it))).collect();
    let gateways: Vec<Value> = (0..writer.dice.roll(3)).filter_map(|_| writer.gateway()).collect();
    let nat: Vec<Value> = (0..writer.dice.roll(3)).map(|_| writer.nat()).collect();
    let forwards: Vec<Value> = (0..writer.dice.roll(3)).map(|_| writer.forward()).collect();
    let Writer { links, bridges, .. } = writer;
    let lab = json!({
        "name": "reach", "namespaces": namespaces, "bridges": bridges, "links": links, "gateways": gateways, "nat": nat,
        "port_forwards": forwards,
    });
    serde_json::to_string_pretty(&lab).unwrap()
}

impl Writer {
    fn seat(&mut self, namespace: usize, segment: usize) -> String {
        let interface = format!("eth{segment}");
        let host = 2 + namespace;
        let v6 = !self.dice.chance(4);
        let seat = Seat { namespace, interface, segment, host, v6 };
        let place = if namespace < self.count { NAMES[namespace] } else { "host" };
        let text = format!("{place}:{} {}", seat.interface, seat.addresses());
        self.seats.push(seat);
        text
    }

    /// One end as an object where it is down, else in short.
    fn end(&mut self, text: String) -> Value {
        if !self.dice.chance(25) {
            return json!(text);
        }
        let mut words = text.split(' ');
        let (place, interface) = words.next().unwrap().split_once(':').unwrap();
        json!({ "namespace": place, "interface": interface, "addresses": words.collect::<Vec<_>>(), "up": false })
    }

    fn segment(&mut self, segment: usize, one: usize, other: usize) {
        let (a, b) = (self.seat(one, segment), self.seat(other, segment));
        let (a, b) = (self.end(a), self.end(b));
        match self.dice.roll(4) {
            0 | 1 => self.links.push(json!({ "endpoints": [a, b] })),
            2 => {
                let name = format!("br{segment}");
                let mut bridge = Map::new();
                if self.dice.chance(2) {
                    bridge.insert(
                        "addresses".into(),
                        json!([format!("10.{segment}.0.1/24"), format!("fd00:{segment}::1/64")]),
                    );
                }
                self.bridges.insert(name.clone(), bridge.into());
                self.links.push(json!({ "endpoints": [a, name] }));
                self.links.push(json!({ "endpoints": [b, name] }));
            }
            // Two bridges with a cable, one of them within a namespace that may be on it itself.
            _ => {
                let (left, right) = (format!("l{segment}"), format!("r{segment}"));
                let home = NAMES[self.dice.roll(self.count)];
                self.bridges.insert(left.clone(), json!({ "addresses": [format!("10.{segment}.0.1/24")] }));
                self.bridges
                    .insert(right.clone(), json!({ "namespace": home, "addresses": [format!("10.{segment}.0.9/24")] }));
                self.links.push(json!({ "endpoints": [a, left] }));
                self.links.push(json!({ "endpoints": [b, right] }));
                self.links.push(json!({ "endpoints": [left, right] }));
            }
        }
    }

    fn namespace(&mut self, namespace: usize) -> Value {
        let mut spec = Map::new();
        if !self.dice.chance(3) {
            spec.insert("forwarding".into(), json!(true));
        }
        if self.dice.chance(3) {
            spec.insert(
                "addresses".into(),
                json!([format!("10.255.0.{namespace}/32"), format!("fd00:ff::{namespace}/128")]),
            );
        }
        if self.dice.chance(15) {
            spec.insert("loopback".into(), json!(false));
        }
        let routes: Vec<Value> = (0..1 + self.dice.roll(4)).filter_map(|_| self.route(namespace)).collect();
        spec.insert("routes".into(), routes.into());
        let sysctls = self.sysctls(namespace);
        if !sysctls.is_empty() {
            spec.insert("sysctls".into(), sysctls.into());
        }
        spec.into()
    }

    /// What may stand in a packet's way.
    fn sysctls(&mut self, namespace: usize) -> Map<String, Value> {
        let mut sysctls = Map::new();
        if self.dice.chance(3) {
            let filter = 1 + usize::from(self.dice.chance(4));
            sysctls.insert("net.ipv4.conf.all.rp_filter".into(), json!(1));
            sysctls.insert("net.ipv4.conf.default.rp_filter".into(), json!(filter));
        }
        if self.dice.chance(15) {
            sysctls.insert("net.ipv4.icmp_echo_ignore_all".into(), json!(1));
        }
        if self.dice.chance(8)
            && let Some(seat) = self.seats.iter().find(|it| it.namespace == namespace)
        {
            let forwards = u8::from(self.dice.chance(2));
            sysctls.insert(format!("net.ipv4.conf.{}.forwarding", seat.interface), json!(forwards));
        }
        sysctls
    }

    /// Another's address on a segment of the namespace, or one that nobody has.
    fn router(&mut self, namespace: usize, v6: bool) -> Option<String> {
        let own: Vec<usize> =
            self.seats.iter().filter(|it| it.namespace == namespace && (it.v6 || !v6)).map(|it| it.segment).collect();
        if own.is_empty() {
            return None;
        }
        let segment = own[self.dice.roll(own.len())];
        if self.dice.chance(20) {
            return Some(if v6 { format!("fd00:{segment}::77") } else { format!("10.{segment}.0.77") });
        }
        let others: Vec<String> = self
            .seats
            .iter()
            .filter(|it| it.segment == segment && it.namespace != namespace && (it.v6 || !v6))
            .map(|it| it.address(v6))
            .collect();
        if others.is_empty() { None } else { Some(others[self.dice.roll(others.len())].clone()) }
    }

    fn route(&mut self, namespace: usize) -> Option<Value> {
        let v6 = self.dice.chance(3);
        let segment = 1 + self.dice.roll(self.count);
        let net = match self.dice.roll(4) {
            0 if v6 => "fd00:ff::/64".to_owned(),
            0 => "10.255.0.0/16".to_owned(),
            _ if v6 => format!("fd00:{segment}::/64"),
            _ => format!("10.{segment}.0.0/24"),
        };
        let metric = 1 + self.dice.roll(3);
        if self.dice.chance(12) {
            let kind = ["blackhole", "unreachable", "prohibit"][self.dice.roll(3)];
            return Some(json!({ "to": net, "type": kind, "metric": metric }));
        }
        let to = if self.dice.chance(2) { "default".to_owned() } else { net };
        let via = self.router(namespace, v6)?;
        if self.dice.chance(8) {
            let other = self.router(namespace, v6).filter(|other| *other != via)?;
            return Some(json!({ "to": to, "nexthops": [{ "via": via }, { "via": other }], "metric": metric }));
        }
        Some(json!({ "to": to, "via": via, "metric": metric }))
    }

    fn gateway(&mut self) -> Option<Value> {
        let seat = &self.seats[self.dice.roll(self.seats.len())];
        let bridge = self.bridges.iter().find(|(_, it)| it.get("addresses").is_some() && it.get("namespace").is_none());
        match bridge.filter(|_| self.dice.roll(2) == 0) {
            Some((name, _)) => Some(json!({ "bridge": name })),
            None => Some(json!({ "namespace": NAMES[seat.namespace], "interface": seat.interface })),
        }
    }

    fn forward(&mut self) -> Value {
        let place = if self.dice.chance(3) { "host" } else { NAMES[self.dice.roll(self.count)] };
        let seat = &self.seats[self.dice.roll(self.seats.len())];
        json!({ "listen": 8088, "to": format!("{}:80", seat.address(false)), "namespace": place })
    }

    fn nat(&mut self) -> Value {
        let place = if self.dice.chance(4) { "host" } else { NAMES[self.dice.roll(self.count)] };
        let segment = 1 + self.dice.roll(self.count);
        let seat = &self.seats[self.dice.roll(self.seats.len())];
        match self.dice.roll(4) {
            0 => json!({ "dnat": format!("203.0.113.{segment}"), "to": seat.address(false), "namespace": place }),
            1 => json!({ "snat": format!("10.{segment}.0.0/24"), "to": "203.0.113.99", "namespace": place }),
            _ if seat.v6 && segment.is_multiple_of(2) => {
                json!({ "masquerade": format!("fd00:{segment}::/64"), "namespace": place })
            }
            _ => json!({ "masquerade": format!("10.{segment}.0.0/24"), "namespace": place }),
        }
    }
}
