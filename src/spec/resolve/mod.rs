//! From the file as written to a [`Topology`]: every name looked up, every rule of the language checked, and all that
//! is wrong said in one run.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashSet};

use crate::{
    kind::Topology,
    model::{Diagnostic, Diagnostics, Label, Netns, Spanned},
};

use super::{
    file::{Check, File},
    reach,
};

mod addresses;
mod answers;
mod bridges;
mod checks;
mod facing;
mod firewall;
mod gaps;
mod gateways;
mod held;
mod index;
mod links;
mod lint;
mod listening;
mod mtu;
mod names;
mod namespaces;
mod nets;
mod networks;
mod routes;
mod scope;
mod segments;
mod ways;

pub use held::{Held, held};
use lint::Lab;
use listening::Listening;
use networks::Networks;
use scope::Scope;

#[cfg(test)]
mod tests;

/// Looks up and checks everything. The topology is `None` where an error stands.
pub fn resolve(file: &File) -> (Option<Topology>, Diagnostics) {
    let mut scope = Scope::new(file);
    if let Some(error) = too_many(file) {
        scope.error(error);
        return (None, scope.diagnostics);
    }
    scope.enter_names();
    let bridges = bridges::enter(&mut scope);
    let links = links::enter(&mut scope);
    let networks = Networks::new(&scope);
    addresses::assign(&mut scope, &networks);
    scope.settle();
    addresses::check_clashes(&mut scope, &networks);
    mtu::check(&mut scope);
    segments::check(&mut scope);
    let (routes, written_routes) = routes::resolve(&mut scope);
    let (gateways, written_gateways) = gateways::resolve(&mut scope, &routes);
    let rules = firewall::resolve(&mut scope, &routes, &gateways, &written_gateways);
    let (checks, written_checks) = checks::resolve(&mut scope);
    let namespaces = namespaces::resolve(&mut scope, &rules);
    let host = namespaces::host(&mut scope, &rules);
    let lab = Lab {
        scope: &scope,
        networks: &networks,
        routes: (&routes, &written_routes),
        gateways: (&gateways, &written_gateways),
        rules: &rules,
    };
    let found = lint::check(&lab);
    found.into_iter().for_each(|found| scope.error(found));
    if !file.lost.is_nothing() || scope.diagnostics.has_errors() {
        let forwarding = answers::Rules::new(&rules.inputs, &rules.listening);
        answers::settle(&mut scope, &checks, &written_checks, &forwarding, &[]);
        // Of an item with several undefined names the first has been told.
        names::look_up(&mut scope);
        crate::spec::tidy(&mut scope.diagnostics);
        return (None, scope.diagnostics);
    }
    let mut topology = Topology {
        name: scope.name.clone(),
        description: file.description.clone(),
        prefix: scope.prefix.clone(),
        namespaces,
        host,
        bridges: bridges::build(&scope, &bridges, &rules),
        links: links::build(&scope, &links, &rules),
        routes,
        gateways,
        firewalls: rules.inputs,
        bystanders: rules.bystanders,
        checks,
    };
    judge_checks(&mut scope, &mut topology, &written_checks, &rules.listening);
    crate::spec::tidy(&mut scope.diagnostics);
    ((!scope.diagnostics.has_errors()).then_some(topology), scope.diagnostics)
}

/// Follows what each check sends: who should answer it, and whether it can hold.
fn judge_checks(
    scope: &mut Scope<'_>,
    topology: &mut Topology,
    written: &[&Spanned<Check>],
    listening: &HashMap<Netns, Listening>,
) {
    if topology.checks.is_empty() {
        return;
    }
    let lab = reach::Lab::new(topology);
    let judged = lab.judge_all(&topology.checks);
    scope.diagnostics.0.extend(reach::warnings(&lab, topology, scope.file, &judged));
    let forwarding = answers::Rules::new(&topology.firewalls, listening);
    let responders = answers::settle(scope, &topology.checks, written, &forwarding, &judged);
    for (check, responder) in topology.checks.iter_mut().zip(responders) {
        check.responder = responder;
    }
}

/// The most that a file may ask for, counted in items of all its sections. It keeps time and memory within bounds: a lab of
/// ten thousand namespaces has a quarter of it.
const ITEMS_MAX: usize = 200_000;

fn too_many(file: &File) -> Option<Diagnostic> {
    let routes: usize = file.namespaces.values().map(|namespace| namespace.routes.len()).sum();
    let rules = file.gateways.len() + file.nat.len() + file.port_forwards.len() + file.checks.len();
    let items = file.namespaces.len() + file.bridges.len() + file.links.len() + routes + rules;
    if items <= ITEMS_MAX {
        return None;
    }
    let what = format!("the file asks for {items} things, and at most {ITEMS_MAX} are taken");
    let error = Diagnostic::error("file::too_many", what).at(file.name.span, "this topology");
    Some(error.help("namespaces, bridges, links, routes, rules and checks count; make several topologies of it"))
}

/// The kernel's namespace that the file calls `host`.
const HOST: &str = "host";

/// Per-namespace facts that follow from rules: see [`firewall`].
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// What each namespace's packet filter must do.
    pub inputs: BTreeMap<Netns, crate::kind::firewall::Input>,
    /// What those with nothing but bridges must do, should their policy drop bridged frames.
    pub bystanders: BTreeMap<Netns, crate::kind::firewall::Input>,
    /// Which families each namespace must forward, and what of the file makes it so.
    pub forwarding: BTreeMap<Label, Need>,
    /// Devices that need `route_localnet`, by namespace.
    pub route_localnet: BTreeMap<Netns, BTreeSet<String>>,
    /// IPv6 gateways, which listen to no router advertisement.
    pub ignore_ra: BTreeMap<Netns, BTreeSet<String>>,
    /// The ports that forwards of each namespace listen on.
    pub listening: HashMap<Netns, Listening>,
    /// Link ends whose bridge port needs hairpin.
    pub hairpin: HashSet<scope::EndId>,
}

/// Why a namespace must forward.
#[derive(Debug, Clone)]
pub(super) struct Need {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
    /// What of the file makes it so.
    pub because: &'static str,
    /// Where that is.
    pub span: crate::model::Span,
}
