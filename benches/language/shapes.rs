//! Labs as large as anybody writes them, made here so that no large file is kept.

use serde_json::{Value, json};

/// A lab, by what it is like.
pub struct Shape {
    pub name: &'static str,
    pub file: Value,
}

/// All of them.
pub fn all() -> Vec<Shape> {
    vec![
        Shape { name: "star, automatic addresses", file: star(false) },
        Shape { name: "star, written addresses", file: star(true) },
        Shape { name: "grid of routers", file: grid(100) },
        Shape { name: "2000 port forwards", file: forwards(2000) },
    ]
}

/// Ten bridges with a thousand namespaces each: a gateway and a masquerade per bridge, a check or a route for most.
fn star(written: bool) -> Value {
    let (mut namespaces, mut bridges) = (serde_json::Map::new(), serde_json::Map::new());
    let (mut links, mut gateways, mut nat, mut checks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for b in 0..10 {
        let bridge = format!("br{b}");
        bridges.insert(bridge.clone(), json!({ "addresses": [format!("10.{b}.0.1/20"), format!("fd00:{b}::1/64")] }));
        gateways.push(json!({ "bridge": bridge }));
        nat.push(json!({ "masquerade": format!("10.{b}.0.0/20") }));
        for n in 0..1000 {
            let (name, host) = (format!("n{b}-{n}"), n + 2);
            let route = json!([{ "to": format!("172.16.{}.0/24", n % 250), "via": format!("10.{b}.0.1") }]);
            namespaces.insert(name.clone(), if n % 4 == 0 { json!({ "routes": route }) } else { json!({}) });
            let end = match written {
                true => format!("{name}:eth0 10.{b}.{}.{}/20 fd00:{b}::{host:x}/64", host / 256, host % 256),
                false => format!("{name}:eth0"),
            };
            links.push(json!({ "endpoints": [end, bridge] }));
            let next = format!("n{b}-{}", (n + 1) % 1000);
            match n % 3 {
                0 => checks.push(json!({ "from": name, "to": next, "ping": true })),
                1 => checks.push(json!({ "from": name, "to": format!("{next}:80"), "tcp": true })),
                _ => {}
            }
        }
    }
    json!({
        "name": "star", "namespaces": namespaces, "bridges": bridges, "links": links, "gateways": gateways, "nat": nat,
        "checks": checks,
    })
}

/// Routers in rows and columns, joined by links with a /31 each, every one with a default route by its neighbour's end.
fn grid(side: usize) -> Value {
    let mut namespaces = serde_json::Map::new();
    let (mut links, mut checks) = (Vec::new(), Vec::new());
    for y in 0..side {
        for x in 0..side {
            let name = format!("r{x}-{y}");
            let routes = match (x, y) {
                (0, 0) => json!([]),
                (0, _) => json!([{ "to": "default", "via": format!("r0-{}:s", y - 1) }]),
                _ => json!([{ "to": "default", "via": format!("r{}-{y}:e", x - 1) }]),
            };
            let lo = format!("10.200.{y}.{}/32", x + 1);
            namespaces.insert(name.clone(), json!({ "forwarding": true, "addresses": [lo], "routes": routes }));
            let neighbours = [(x + 1, y, ":e", ":w"), (x, y + 1, ":s", ":n")];
            for (there_x, there_y, near, far) in neighbours.into_iter().filter(|(x, y, ..)| *x < side && *y < side) {
                let first = links.len() * 2;
                let subnet = format!("10.{}.{}.{}/31", first >> 16, (first >> 8) & 255, first & 255);
                let ends = [format!("{name}{near}"), format!("r{there_x}-{there_y}{far}")];
                links.push(json!({ "endpoints": ends, "subnet": subnet }));
            }
            let (to, asked) = (format!("10.200.0.{}", x + 1), (x + y) % 3 == 0);
            if asked {
                checks.push(json!({ "from": name, "to": to, "ping": true }));
            }
        }
    }
    json!({ "name": "grid", "namespaces": namespaces, "links": links, "checks": checks })
}

/// Servers on two bridges, each with a published port and a check of it.
fn forwards(count: usize) -> Value {
    let (mut namespaces, mut bridges) = (serde_json::Map::new(), serde_json::Map::new());
    let (mut links, mut forwards, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..count {
        let (name, bridge, port) = (format!("s{n}"), format!("br{}", n / 1000), 10000 + n);
        bridges.insert(bridge.clone(), json!({ "addresses": [format!("10.{}.0.1/20", n / 1000)] }));
        namespaces.insert(name.clone(), json!({}));
        links.push(json!({ "endpoints": [format!("{name}:eth0"), bridge] }));
        forwards.push(json!({ "listen": port, "to": format!("{name}:80") }));
        checks.push(json!({ "from": "host", "to": format!("127.0.0.1:{port}"), "tcp": true }));
    }
    let gateways: Vec<Value> = bridges.keys().map(|bridge| json!({ "bridge": bridge })).collect();
    json!({
        "name": "forwards", "namespaces": namespaces, "bridges": bridges, "links": links, "gateways": gateways,
        "port_forwards": forwards, "checks": checks,
    })
}
