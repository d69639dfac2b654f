//! Drafts → batches: every kind says its ops, in stages.

use std::collections::BTreeSet;

use super::{
    build::{Inputs, removes},
    neighbours,
};
use crate::{
    diff::Draft,
    kind::{
        Both, Pair,
        host::HostSettings,
        link::Link,
        steps::{Stage, Steps},
        sysctl,
    },
    model::{Address, Netns, event::Action, snapshot::FirewallState},
    observe::Observed,
    op::{Batch, Op},
};

/// The ops of a plan.
#[derive(Debug, Default)]
pub struct Lowered {
    /// What makes the change, in order.
    pub batches: Vec<Batch>,
    /// What ends it, once all else is done: this cannot be taken back.
    pub ends: Vec<Batch>,
    /// Devices that are needed and neither exist nor will.
    pub missing: Vec<(Address, Netns, String)>,
}

/// Lowers every draft.
pub fn lower(inputs: &Inputs<'_>, observed: &Observed, drafts: &[Draft<'_>]) -> Lowered {
    let is_nothing = drafts.iter().all(|draft| draft.action.is_none());
    if is_nothing && !inputs.snapshot.has_parked() {
        return Lowered::default();
    }
    let mut steps = Steps::new(inputs.name, inputs.snapshot);
    let going = going(drafts);
    enter(drafts, &mut steps);
    for draft in drafts {
        if let Some(action) = draft.action {
            lower_one(draft, action, &going, drafts, &mut steps);
        }
    }
    // An empty plan does nothing; any other leaves no rule behind of what it moves elsewhere.
    let everything = inputs.choices.targets.is_empty() && !is_nothing;
    lower_filters(everything, observed, drafts, &going, &mut steps);
    restore_routes(drafts, &mut steps);
    restore_sysctls(drafts, &mut steps);
    neighbours::forget(observed, drafts, &mut steps);
    steps.finish_parting();
    let missing = std::mem::take(&mut steps.missing);
    let (batches, ends) = steps.into_batches();
    Lowered { batches, ends, missing }
}

/// Namespaces that go.
fn going(drafts: &[Draft<'_>]) -> BTreeSet<Netns> {
    let namespace = |draft: &Draft<'_>| match (&draft.pair, draft.action) {
        (Pair::Namespace(Both { before: Some(before), .. }), Some(action)) if removes(action) => {
            Some(before.netns.clone())
        }
        _ => None,
    };
    drafts.iter().filter_map(namespace).collect()
}

/// Whether a namespace is made.
fn comes(netns: &Netns, drafts: &[Draft<'_>]) -> bool {
    drafts.iter().any(|draft| match (&draft.pair, draft.action) {
        (Pair::Namespace(Both { after: Some(after), .. }), Some(Action::Create | Action::Replace)) => {
            after.netns == *netns
        }
        _ => false,
    })
}

/// Brings the picture of devices from now to then, before any op needs an index: what goes, then what comes.
fn enter(drafts: &[Draft<'_>], steps: &mut Steps<'_>) {
    for draft in drafts.iter().filter(|draft| draft.action.is_some_and(removes)) {
        match &draft.pair {
            Pair::Namespace(Both { before: Some(before), .. }) => steps.forget_netns(&before.netns),
            Pair::Bridge(Both { before: Some(before), .. }) => steps.forget(&before.netns, &before.device),
            Pair::Link(Both { before: Some(before), .. }) => forget_link(before, steps),
            _ => {}
        }
    }
    // Renames free names too, so they are forgotten before any is entered.
    for draft in drafts.iter().filter(|draft| draft.action == Some(Action::Update)) {
        match &draft.pair {
            Pair::Link(Both { before: Some(before), .. }) => forget_link(before, steps),
            Pair::Bridge(Both { before: Some(before), .. }) => steps.forget(&before.netns, &before.device),
            _ => {}
        }
    }
    for draft in drafts {
        let makes = matches!(draft.action, Some(Action::Create | Action::Replace));
        match &draft.pair {
            Pair::Namespace(Both { after: Some(after), .. }) if makes => steps.enter_netns(&after.netns),
            Pair::Bridge(Both { after: Some(after), .. }) if makes => _ = steps.enter(&after.netns, &after.device),
            Pair::Link(Both { after: Some(after), .. }) if makes => after.enter(None, steps),
            Pair::Link(Both { after: Some(after), before }) if draft.action == Some(Action::Update) => {
                after.enter(*before, steps);
            }
            Pair::Bridge(Both { after: Some(after), before: Some(before) }) if draft.action == Some(Action::Update) => {
                steps.enter_as(&after.netns, &after.device, before.index);
            }
            _ => {}
        }
    }
}

fn forget_link(link: &Link, steps: &mut Steps<'_>) {
    for end in &link.ends {
        steps.forget(&end.netns, &end.device);
    }
}

fn lower_one(draft: &Draft<'_>, action: Action, going: &BTreeSet<Netns>, drafts: &[Draft<'_>], steps: &mut Steps<'_>) {
    let gone = |netns: &Netns| going.contains(netns);
    let replaces = action == Action::Replace;
    match &draft.pair {
        Pair::Namespace(both) => {
            if let Some(before) = both.before.filter(|_| removes(action)) {
                before.lower_away(steps);
            }
            if let Some(after) = both.after {
                after.lower_to(both.before.filter(|_| !replaces), steps);
            }
        }
        Pair::Host(both) => HostSettings::lower(both.before, both.after, steps),
        Pair::Bridge(both) => {
            if let Some(before) = both.before.filter(|before| removes(action) && !gone(&before.netns)) {
                // Its ports move first, but for another device that is to have its name.
                let name_is_needed = steps.index(&before.netns, &before.device).is_some();
                let ports_move = !name_is_needed && keeps_ports(before.netns.clone(), &before.device, drafts);
                before.lower_away(ports_move, steps);
            }
            if let Some(after) = both.after {
                after.lower_to(both.before.filter(|_| !replaces), steps);
            }
        }
        Pair::Link(both) => {
            if let Some(before) = both.before.filter(|_| removes(action)) {
                before.lower_away(&draft.address, &gone, steps);
            }
            match (both.before.filter(|_| !replaces), both.after) {
                (None, Some(after)) => after.lower_create(steps),
                (Some(before), Some(after)) => after.lower_update(before, steps),
                (_, None) => {}
            }
        }
        Pair::Route(both) => {
            if let Some(before) = both.before.filter(|before| removes(action) && !gone(&before.netns)) {
                before.lower_away(steps);
            }
            if let Some(after) = both.after {
                after.lower_to(both.before.filter(|_| !replaces), steps);
            }
        }
        Pair::Gateway(both, _) => match (both.before, both.after) {
            (before, Some(after)) => after.lower_to(before, draft.reason.is_some(), steps),
            (Some(before), None) => before.lower_away(&gone, steps),
            (None, None) => {}
        },
        // The rules of one namespace are loaded together, see `lower_filters`.
        Pair::Rules(_) => {}
    }
}

/// Whether links that stay are plugged into a bridge that goes: it goes after they have moved.
fn keeps_ports(netns: Netns, device: &str, drafts: &[Draft<'_>]) -> bool {
    drafts.iter().any(|draft| match (&draft.pair, draft.action) {
        (Pair::Link(Both { before: Some(before), .. }), None | Some(Action::Update)) => {
            before.ends.iter().any(|end| end.netns == netns && end.bridge.as_deref() == Some(device))
        }
        _ => false,
    })
}

/// The rules of a namespace are one load a table, whichever of its resources differ. With `-target` they are loaded
/// where one of them is in the plan.
fn lower_filters(
    everything: bool,
    observed: &Observed,
    drafts: &[Draft<'_>],
    going: &BTreeSet<Netns>,
    steps: &mut Steps<'_>,
) {
    let nothing = FirewallState::default();
    for filter in &observed.filters {
        // Rules tell a gateway that goes by its device; in the plan it has its name.
        let gateways = observed.gateways.iter().filter(|it| it.netns == filter.netns);
        let gateways: BTreeSet<Address> = gateways.map(|it| it.address()).collect();
        let is_of = |address: &Address| filter.comparison.resources.contains_key(address) || gateways.contains(address);
        let planned = everything || drafts.iter().any(|draft| draft.action.is_some() && is_of(&draft.address));
        let state = steps.snapshot.firewall(&filter.netns).unwrap_or(&nothing);
        let in_plan = |address: &Address| drafts.iter().any(|it| it.action.is_some() && it.address == *address);
        let part = !everything && filter.composed.tables.is_empty() && !in_plan(&filter.composed.firewall());
        if planned && !going.contains(&filter.netns) && part {
            filter.lower_without(&in_plan, state, steps);
        } else if planned && !going.contains(&filter.netns) {
            filter.lower(state, steps);
        } else if planned && comes(&filter.netns, drafts) {
            // What is live there goes with the namespace, and all of it is loaded into the new one.
            let anew = FirewallState { live: Vec::new(), ..state.clone() };
            filter.lower(&anew, steps);
        }
    }
}

/// Removing an address, or a device with its routes, takes routes along that the plan does not change: they are put
/// back.
fn restore_routes(drafts: &[Draft<'_>], steps: &mut Steps<'_>) {
    let mut touched: BTreeSet<(Netns, u32)> = BTreeSet::new();
    for (netns, op) in steps.ops() {
        if let Op::AddressDelete { link, .. } = op {
            touched.insert((netns.clone(), link.index));
        }
    }
    if touched.is_empty() {
        return;
    }
    for draft in drafts {
        match (&draft.pair, draft.action) {
            (Pair::Route(Both { after: Some(route), .. }), None) => {
                let devices = route.hops.iter().filter_map(|hop| steps.index(&route.netns, hop.dev.as_deref()?));
                let hit = devices.into_iter().any(|index| touched.contains(&(route.netns.clone(), index)));
                if hit {
                    route.lower_again(steps);
                }
            }
            (Pair::Gateway(Both { after: Some(gateway), .. }, _), None | Some(Action::Update)) => {
                for member in &gateway.members {
                    let index = steps.index(&member.netns, &member.dev);
                    if index.is_some_and(|index| touched.contains(&(member.netns.clone(), index))) {
                        member.lower_to(&draft.address, true, steps);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Sysctls of a device are below its name: where another device bears the name afterwards, what a namespace or the host
/// sets of it is set again.
fn restore_sysctls(drafts: &[Draft<'_>], steps: &mut Steps<'_>) {
    let is_another = |steps: &Steps<'_>, netns: &Netns, path: &str| {
        let Some(device) = sysctl::interface_of_path(path) else { return false };
        let now = steps.snapshot.namespaces.get(netns).and_then(|state| state.link(device)).map(|link| link.index);
        steps.index(netns, device).is_some_and(|then| now.is_some_and(|now| now != then))
    };
    for draft in drafts.iter().filter(|draft| draft.action != Some(Action::Replace)) {
        match &draft.pair {
            Pair::Namespace(Both { before: Some(before), after: Some(after) }) => {
                for (path, value) in &after.sysctls {
                    if before.sysctls.get(path) == Some(value) && is_another(steps, &after.netns, path) {
                        let op = Op::SysctlSet { key: path.clone(), value: value.clone() };
                        steps.push(Stage::LinkSysctl, &after.netns, &draft.address, op);
                    }
                }
            }
            Pair::Host(Both { before: Some(before), after: Some(after) }) => {
                for (path, value) in &after.sysctls {
                    if before.sysctls.get(path) == Some(value) && is_another(steps, &Netns::Host, path) {
                        after.lower_again(path, value, steps);
                    }
                }
            }
            _ => {}
        }
    }
}
