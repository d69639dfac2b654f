//! From the file as written to a [`Topology`]: every name looked up, every rule of the language checked, and all that
//! is wrong said in one run.

use std::collections::{BTreeMap, HashSet};

use crate::{
    kind::Topology,
    model::{Diagnostic, Diagnostics, Label, Netns},
};

use super::file::File;

mod addresses;
mod bridges;
mod checks;
mod facing;
mod firewall;
mod gateways;
mod held;
mod links;
mod mtu;
mod names;
mod namespaces;
mod routes;
mod scope;
mod segments;

pub use held::{Held, held};
use scope::Scope;

#[cfg(test)]
mod tests;

/// Looks up and checks everything. The topology is `None` where an error stands.
pub fn resolve(file: &File) -> (Option<Topology>, Diagnostics) {
    let mut scope = Scope::new(file);
    if file.incomplete && !file.names_known {
        return (None, scope.diagnostics);
    }
    scope.enter_names();
    let bridges = bridges::enter(&mut scope);
    let links = links::enter(&mut scope);
    let whole = !file.incomplete && !scope.diagnostics.has_errors();
    addresses::assign(&mut scope);
    addresses::check_clashes(&mut scope);
    mtu::check(&mut scope);
    if !whole {
        // What follows goes by addresses: with names unknown or parts unread it would only repeat the same errors. The
        // names in it are looked up all the same, so that all that are undefined are told in one run.
        names::look_up(&mut scope);
        return (None, sorted(scope.diagnostics));
    }
    segments::check(&mut scope);
    let routes = routes::resolve(&mut scope);
    let gateways = gateways::resolve(&mut scope, &routes);
    let rules = firewall::resolve(&mut scope, &routes, &gateways);
    let checks = checks::resolve(&mut scope, &rules);
    let namespaces = namespaces::resolve(&mut scope, &rules);
    let host = namespaces::host(&mut scope, &rules);
    let topology = Topology {
        name: scope.name.clone(),
        description: file.description.clone(),
        prefix: scope.prefix.clone(),
        namespaces,
        host,
        bridges: bridges::build(&mut scope, &bridges, &rules),
        links: links::build(&mut scope, &links, &rules),
        routes,
        gateways,
        firewalls: rules.inputs,
        bystanders: rules.bystanders,
        checks,
    };
    if scope.diagnostics.has_errors() {
        // Of an item with several undefined names the first has been told.
        names::look_up(&mut scope);
    }
    let diagnostics = sorted(scope.diagnostics);
    ((!diagnostics.has_errors()).then_some(topology), diagnostics)
}

/// In the order of the file, each once.
fn sorted(mut diagnostics: Diagnostics) -> Diagnostics {
    let mut seen = HashSet::new();
    diagnostics.0.retain(|diagnostic| seen.insert(diagnostic.clone()));
    diagnostics.sort();
    diagnostics
}

/// "did you mean": the known name nearest to `name`, where one is near.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|it| (strsim::damerau_levenshtein(name, it), it));
    scored.filter(|(distance, _)| *distance <= 1 + name.len() / 4).min().map(|(_, it)| it)
}

/// An undefined name with what is defined.
fn undefined(what: &str, name: &Label, span: crate::model::Span, known: &BTreeMap<Label, ()>) -> Diagnostic {
    let diagnostic =
        Diagnostic::error("name::undefined", format!("there is no {what} `{name}`")).at(span, "not defined");
    match nearest(name.as_str(), known.keys().map(Label::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => diagnostic.help(format!("no {what} is defined in this file")),
        None => {
            let names: Vec<&str> = known.keys().map(Label::as_str).take(12).collect();
            diagnostic.help(format!("defined: {}", names.join(", ")))
        }
    }
}

/// The kernel's namespace that the file calls `host`.
const HOST: &str = "host";

/// Whether two subnets share an address.
fn overlap(a: &ipnet::IpNet, b: &ipnet::IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

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
    pub route_localnet: BTreeMap<Netns, Vec<String>>,
    /// IPv6 gateways, which listen to no router advertisement.
    pub ignore_ra: BTreeMap<Netns, Vec<String>>,
    /// Link ends whose bridge port needs hairpin.
    pub hairpin: Vec<scope::EndId>,
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
