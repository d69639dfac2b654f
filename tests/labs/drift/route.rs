//! A route: missing, another way, or one too many.

use serde_json::Value;

use super::{Found, Place};

/// The protocol numbers of our routes: those of the file, and a gateway's.
const OURS: [&str; 2] = ["76", "77"];

pub fn drifts(place: &Place, found: &mut Found) {
    for (family, flag) in [("IPv4", "-4"), ("IPv6", "-6")] {
        let parsed: Value = serde_json::from_str(&place.run(&format!("ip -j {flag} route show"))).expect("JSON");
        for route in parsed.as_array().expect("a list of routes") {
            if route["protocol"].as_str().is_some_and(|it| OURS.contains(&it)) {
                of_route(place, family, flag, route, found);
            }
        }
    }
    // A namespace of ours is ours whole; the host is not.
    if place.netns.is_some()
        && let Some(end) = place.links.iter().find(|link| link.kind == "veth" && link.ours)
    {
        let script = format!("ip route add 192.0.2.0/24 dev {}", end.name);
        found.add(place, "namespace", "extra route", &end.name, script);
    }
}

fn of_route(place: &Place, family: &str, flag: &str, route: &Value, found: &mut Found) {
    let to = route["dst"].as_str().expect("a destination");
    let metric = route["metric"].as_u64().map(|it| format!(" metric {it}")).unwrap_or_default();
    let sort = format!("{family} route");
    found.add(place, &sort, "missing route", to, format!("ip {flag} route delete {to}{metric}")).cuts();
    if let Some(device) = route["dev"].as_str() {
        let script = format!("ip {flag} route replace {to} dev {device}{metric}");
        found.add(place, &sort, "another way", to, script);
        let script = format!("ip {flag} route delete {to}{metric}; ip {flag} route add {to} dev {device} metric 4242");
        found.add(place, &sort, "another metric", to, script);
    }
}
