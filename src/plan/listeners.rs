//! Processes that listen where a forward is to: a forward takes packets before any socket of the namespace does, so that
//! the process hears nothing more from outside, without a word to anybody.

use super::place_name;
use crate::{
    kind::{Topology, firewall::Forward, rules::Filter},
    model::{
        Diagnostic, Netns, Severity, Snapshot,
        socket::{Listener, Protocol},
    },
    observe::Observed,
};

/// Of the ports that the kernel gives to whoever does not ask for one, the first: a UDP socket there is likely a client's,
/// and gone in a moment.
const FIRST_EPHEMERAL: u16 = 32768;

/// Programs that listen on what their engine publishes by rules of its own.
const PROXIES: [&str; 2] = ["docker-proxy", "rootlessport"];

/// Every forward that takes the packets of a process: an error where the forward is still to be made, and a warning where
/// it is there.
pub fn find(topology: &Topology, snapshot: &Snapshot, observed: &Observed) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (netns, input) in &topology.firewalls {
        let Some(state) = snapshot.namespaces.get(netns) else { continue };
        let filter = observed.filters.iter().find(|filter| filter.netns == *netns);
        for forward in &input.forwards {
            let hit = state.listeners.iter().filter(|listener| forward.takes_from(listener));
            for listener in one_a_place(hit).iter().filter(|it| !is_said(it, forward, filter)) {
                let severity = severity(listener, forward, filter);
                found.push(Diagnostic { severity, ..diagnostic(netns, forward, listener) });
            }
        }
    }
    found
}

/// A server may have a socket for each of its workers.
fn one_a_place<'a>(listeners: impl Iterator<Item = &'a Listener>) -> Vec<Listener> {
    let mut places: Vec<Listener> = Vec::new();
    for listener in listeners {
        let same = |it: &&mut Listener| it.address == listener.address && it.port == listener.port;
        match places.iter_mut().find(same) {
            Some(place) => {
                let new = listener.processes.iter().filter(|it| !place.processes.contains(it)).cloned();
                let new: Vec<_> = new.collect();
                place.processes.extend(new);
            }
            None => places.push(listener.clone()),
        }
    }
    places
}

/// Whether the rules of the engine that it belongs to have been named.
fn is_said(listener: &Listener, forward: &Forward, filter: Option<&Filter>) -> bool {
    let published = filter.is_some_and(|filter| filter.comparison.published.contains(&forward.address));
    let is_proxy = |name: &str| PROXIES.contains(&name);
    published && listener.processes.iter().any(|process| is_proxy(&process.name))
}

fn severity(listener: &Listener, forward: &Forward, filter: Option<&Filter>) -> Severity {
    let drift = filter.and_then(|filter| filter.comparison.resources.get(&forward.address));
    let is_there = drift.is_some_and(|drift| drift.missing == 0);
    let is_client = listener.protocol == Protocol::Udp && listener.port >= FIRST_EPHEMERAL;
    if is_there || is_client { Severity::Warning } else { Severity::Error }
}

fn diagnostic(netns: &Netns, forward: &Forward, listener: &Listener) -> Diagnostic {
    let protocol = listener.protocol.as_str();
    let address = std::net::SocketAddr::new(listener.address, listener.port);
    let (who, stop) = holder(listener);
    let place = place_name(netns);
    let what = format!("the port of {} is in use: {who} listens on {address} ({protocol}) of {place}", forward.address);
    let help = format!(
        "the forward would take what comes in for it, and the process would hear no more of it; let the forward listen on \
         another {protocol} port, or {stop}"
    );
    Diagnostic::error("conflict::port_in_use", what).help(help)
}

/// Who it is, and how it is made to let go.
fn holder(listener: &Listener) -> (String, &'static str) {
    /// Of the workers of a server, the first tells enough.
    const NAMED: usize = 3;
    let user = &listener.user;
    if listener.processes.is_empty() {
        let who = format!(
            "a socket of the user {user} that no process in sight holds (another container's, or the kernel's)"
        );
        return (who, "end what it belongs to");
    }
    let mut names: Vec<String> =
        listener.processes.iter().take(NAMED).map(|it| format!("`{}` (pid {})", it.name, it.pid)).collect();
    let more = listener.processes.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    (format!("{} of the user {user}", names.join(", ")), "stop that process first")
}

#[cfg(test)]
#[path = "listeners_tests.rs"]
mod tests;
