//! What cannot be two topologies', or anybody else's: routes under one key, values of the host's settings.

use super::{Finding, place_name};
use crate::{
    kind::{
        Topology,
        route::{Route, is_static, metric_of, protocol_name, strangers_device},
        sysctl,
    },
    model::{
        Diagnostic, Netns, Snapshot, TopologyName,
        mark::ROUTE_PROTOCOL,
        snapshot::{NetnsState, RouteState, TABLE_MAIN},
    },
    observe::{Observed, Ours},
};

/// Everything that stands in the way.
pub fn find(name: &TopologyName, topology: &Topology, snapshot: &Snapshot, observed: &Observed) -> Vec<Finding> {
    let ours = observed.ours(name);
    let written = topology.routes.iter().map(|route| (&route.netns, route.to, route.table, route.metric));
    let members = topology.gateways.iter().flat_map(|gateway| &gateway.members);
    let given = members.map(|member| (&member.netns, member.to, TABLE_MAIN, metric_of(&member.to, None)));
    let routes = written.chain(given).filter_map(|(netns, to, table, metric)| {
        let state = snapshot.namespaces.get(netns)?;
        let same = |it: &&RouteState| it.to == to && it.table == table && it.metric == metric;
        taken(name, netns, state, state.routes.iter().find(same)?, &ours)
    });
    let host = snapshot.namespaces.get(&Netns::Host);
    let settings = host.into_iter().flat_map(|host| settings(name, topology, snapshot, host));
    routes.chain(settings).map(|diagnostic| Finding::from(&diagnostic)).collect()
}

/// A route of somebody else's under the same destination, table and metric: the kernel holds one of a key.
fn taken(
    name: &TopologyName,
    netns: &Netns,
    state: &NetnsState,
    live: &RouteState,
    ours: &Ours<'_>,
) -> Option<Diagnostic> {
    let is_another = !state.is_of(name);
    let by_stranger = || strangers_device(live, state, &|link| ours.has(netns, link)).is_some();
    let holder = match netns {
        Netns::Host => match Route::owner(live, state) {
            Some(other) if other != *name => format!("the topology `{other}` holds it"),
            Some(_) => return None,
            None if live.protocol == ROUTE_PROTOCOL => return None,
            None => "no topology holds it: somebody else made it".to_owned(),
        },
        Netns::Named(_) if is_another => return None,
        Netns::Named(_) if by_stranger() => {
            "that device is not of this topology, and its routes are left alone".to_owned()
        }
        // What people put into a namespace of ours is for the file to judge, and what a program put there is not.
        Netns::Named(_) if is_static(live.protocol) => return None,
        Netns::Named(_) => format!("it is of the protocol {}, which is left alone", protocol_name(live.protocol)),
    };
    let by = live.nexthops.iter().find_map(|hop| state.link_at(hop.link?)).map(|link| format!(" by `{}`", link.name));
    let place = place_name(netns);
    let what = format!("{place} has a route to {}{} already; {holder}", live.to, by.unwrap_or_default());
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
