//! Names that are not defined: what was meant, and those in what is resolved last, looked up where an error keeps it from
//! being resolved.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::Scope;
use crate::{
    model::{Diagnostic, Label, Spanned},
    spec::file::{ForwardTo, GatewayAt, Route, Target, Via},
};

/// How much is compared in all to find what was meant, in letters by letters: whoever writes that many wrong names is
/// not helped by more advice.
const EFFORT_MAX: usize = 20_000_000;

/// How many of the defined names are listed where none is near.
const LISTED: usize = 12;

/// How many letters of a name may be wrong where another is meant by it.
fn reach_of_slip(name: &str) -> usize {
    1 + name.len() / 4
}

/// Finds the names that were meant.
#[derive(Debug, Default)]
pub struct Known {
    effort: usize,
}

impl Known {
    /// "did you mean": the known name nearest to `name`, where one is near.
    pub fn nearest<'a>(&mut self, name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        if self.effort > EFFORT_MAX {
            return None;
        }
        let most = reach_of_slip(name);
        // Every letter too many or too few is a step already.
        let alike = known.filter(|it| it.chars().count().abs_diff(name.chars().count()) <= most);
        let affordable = alike.take_while(|it| {
            self.effort += it.len() * name.len();
            self.effort <= EFFORT_MAX
        });
        let scored = affordable.map(|it| (strsim::damerau_levenshtein(name, it), it));
        scored.filter(|(distance, _)| *distance <= most).min().map(|(_, it)| it)
    }

    /// All known names that may be meant by `name`; `None` where that would be too much to find out.
    pub fn meant<'a>(&mut self, name: &str, known: impl Iterator<Item = &'a Label>) -> Option<Vec<&'a Label>> {
        let most = reach_of_slip(name);
        let mut near = Vec::new();
        for label in known.filter(|it| it.as_str().len().abs_diff(name.len()) <= most) {
            self.effort += label.as_str().len() * name.len();
            if self.effort > EFFORT_MAX {
                return None;
            }
            if strsim::damerau_levenshtein(name, label.as_str()) <= most {
                near.push(label);
            }
        }
        Some(near)
    }

    /// A name that is not among those that are defined.
    pub fn undefined(&mut self, what: &str, name: &Spanned<Label>, known: &[&BTreeMap<Label, ()>]) -> Diagnostic {
        let diagnostic =
            Diagnostic::error("name::undefined", format!("there is no {what} `{name}`")).at(name.span, "not defined");
        let mut all = known.iter().flat_map(|names| names.keys()).map(Label::as_str);
        match self.nearest(name.as_str(), all.clone()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if all.next().is_none() => diagnostic.help(format!("no {what} is defined in this file")),
            None => {
                let first = known.iter().flat_map(|names| names.keys().take(LISTED)).map(Label::as_str);
                let first: Vec<&str> = first.collect::<BTreeSet<_>>().into_iter().take(LISTED).collect();
                diagnostic.help(format!("defined: {}", first.join(", ")))
            }
        }
    }
}

/// Says every name that is not defined in routes, gateways, nat rules, port forwards and checks.
pub fn look_up(scope: &mut Scope<'_>) {
    let file = scope.file;
    file.namespaces.values().flat_map(|namespace| &namespace.routes).for_each(|route| of_route(scope, route));
    for gateway in &file.gateways {
        match &gateway.at {
            GatewayAt::Bridge(bridge) => _ = scope.bridge(bridge),
            GatewayAt::Interface(namespace, _) => _ = scope.namespace(namespace),
        }
        namespaces(scope, gateway.members.iter().flatten());
    }
    namespaces(scope, file.nat.iter().filter_map(|rule| rule.namespace.as_ref()));
    for forward in &file.port_forwards {
        namespaces(scope, &forward.namespace);
        target(scope, &forward.to);
    }
    for check in &file.checks {
        scope.namespace(&check.from);
        target(scope, &check.to);
        namespaces(scope, &check.by);
    }
}

/// Those of one route.
pub fn of_route(scope: &mut Scope<'_>, route: &Route) {
    let hops = route.nexthops.iter().flat_map(|hops| &hops.value).filter_map(|hop| hop.via.as_ref());
    for via in route.via.iter().chain(hops) {
        if let Via::End(namespace, _) = &via.value {
            scope.namespace(&Spanned { value: namespace.clone(), span: via.span });
        }
    }
}

fn namespaces<'a>(scope: &mut Scope<'_>, names: impl IntoIterator<Item = &'a Spanned<Label>>) {
    for name in names {
        scope.namespace(name);
    }
}

fn target(scope: &mut Scope<'_>, to: &Spanned<ForwardTo>) {
    if let Target::Namespace(name) = &to.target {
        scope.namespace(&Spanned { value: name.clone(), span: to.span });
    }
}
