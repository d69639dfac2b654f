//! The names in what is resolved last, looked up where an error keeps it from being resolved.

use super::scope::Scope;
use crate::{
    model::{Label, Spanned},
    spec::file::{ForwardTo, GatewayAt, Route, Target, Via},
};

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
