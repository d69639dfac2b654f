//! What is the host's own and cannot be two topologies', or anybody else's: routes under one key, values of settings.

use super::{Finding, build::finding};
use crate::{
    kind::{Topology, route::Route, sysctl},
    model::{
        Diagnostic, Netns, Snapshot, TopologyName,
        mark::ROUTE_PROTOCOL,
        snapshot::{NetnsState, RouteState},
    },
};

/// Everything that stands in the way on the host.
pub fn find(name: &TopologyName, topology: &Topology, snapshot: &Snapshot) -> Vec<Finding> {
    let Some(host) = snapshot.namespaces.get(&Netns::Host) else { return Vec::new() };
    let routes = topology.routes.iter().filter(|route| route.netns == Netns::Host);
    let routes = routes.filter_map(|route| taken(name, route, host));
    let settings = settings(name, topology, snapshot, host);
    routes.chain(settings).map(|diagnostic| finding(&diagnostic)).collect()
}

/// A route of somebody else's under the same destination, table and metric: the kernel holds one of a key.
fn taken(name: &TopologyName, wanted: &Route, host: &NetnsState) -> Option<Diagnostic> {
    let same = |it: &&RouteState| wanted.same_key(&Netns::Host, &it.to, it.table, it.metric);
    let live = host.routes.iter().find(same)?;
    let owner = Route::owner(live, host);
    let holder = match &owner {
        Some(other) if other != name => format!("the topology `{other}` holds it"),
        Some(_) => return None,
        None if live.protocol == ROUTE_PROTOCOL => return None,
        None => "no topology holds it: somebody else made it".to_owned(),
    };
    let by = live.nexthops.iter().find_map(|hop| host.link_at(hop.link?)).map(|link| format!(" by `{}`", link.name));
    let what = format!("the host has a route to {}{} already; {holder}", wanted.to, by.unwrap_or_default());
    let help = "give yours another `metric` or `table`, or remove the other one first";
    Some(Diagnostic::error("conflict::route_taken", what).help(help))
}

/// A value that another topology borrows too changes under it.
fn settings(name: &TopologyName, topology: &Topology, snapshot: &Snapshot, host: &NetnsState) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, wanted) in topology.host.iter().flat_map(|host| &host.sysctls) {
        let Some(live) = host.sysctls.get(path).and_then(Option::as_ref) else { continue };
        let users = snapshot.borrowed.get(path).into_iter().flat_map(|record| &record.users);
        let others: Vec<&str> = users.filter(|user| *user != name).map(TopologyName::as_str).collect();
        if !others.is_empty() && sysctl::normal(live) != sysctl::normal(wanted) {
            let key = sysctl::key_of_path(path);
            let what =
                format!("`{key}` of the host is {live} and needed by {} too; it becomes {wanted}", others.join(", "));
            let help = "where they want another value, their next plan shows it as drift: one host has one value";
            found.push(Diagnostic::warning("host::setting_shared", what).help(help));
        }
    }
    found
}
