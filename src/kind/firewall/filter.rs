//! The rules of `NW-FWD` (what is let pass) and `NW-RAW` (before connection tracking).

use super::{
    compose::{Line, Scope, Segment, overlap, short},
    input::{NatKind, Role},
};
use ipnet::IpNet;

use crate::model::{IfName, Mark, snapshot::Family};

const REPLIES: &str = "-m conntrack --ctstate RELATED,ESTABLISHED";
const REPLIES_AND_FORWARDS: &str = "-m conntrack --ctstate RELATED,ESTABLISHED,DNAT";

/// The rules of `NW-FWD`.
pub(super) fn forward(scope: &Scope<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = scope.open_segments().flat_map(|segment| pass_segment(scope, segment)).collect();
    // With bridge-nf a FORWARD policy of DROP holds between the ports of a bridge too.
    let switches = scope.input.interfaces.iter().filter(|it| it.switches.contains(&scope.family)).map(|it| &it.name);
    let switches = switches.filter(|name| !scope.open_segments().any(|segment| segment.interface == *name));
    lines.extend(switches.map(|name| scope.shared(format!("-i {name} -o {name} -j ACCEPT"))));
    lines.extend(pass_ranges(scope));
    for target in scope.targets.iter().filter(|target| !scope.open_segments().any(|segment| segment.covers(target))) {
        lines.extend(pass_target(scope, target));
    }
    lines
}

fn pass_segment(scope: &Scope<'_>, segment: &Segment<'_>) -> Vec<Line> {
    let owner = segment.gateway.unwrap_or(&scope.shared);
    // A segment that nat makes is no gateway.
    let whose = if segment.gateway.is_some() { String::new() } else { own_comment(scope) + " " };
    let line = |matches: String| Line { text: format!("{matches} {whose}-j ACCEPT"), owner: owner.clone() };
    let name = segment.interface;
    match &segment.members {
        None => vec![line(format!("-i {name}")), line(format!("-o {name} {REPLIES_AND_FORWARDS}"))],
        Some(members) => members
            .iter()
            .flat_map(|member| {
                [line(format!("-s {member} -i {name}")), line(format!("-d {member} -o {name} {REPLIES_AND_FORWARDS}"))]
            })
            .collect(),
    }
}

/// What is sent to a target that is behind no open segment, and its answers.
fn pass_target(scope: &Scope<'_>, target: &IpNet) -> Vec<Line> {
    let behind: Vec<&IfName> =
        scope.segments.iter().filter(|segment| segment.covers(target)).map(|segment| segment.interface).collect();
    let whose = own_comment(scope);
    let ways = match behind.as_slice() {
        [] => vec![(String::new(), String::new(), String::new())],
        several => {
            several.iter().map(|name| (format!(" -o {name}"), format!(" -i {name}"), format!(" {whose}"))).collect()
        }
    };
    let target = short(*target);
    let lines = ways.into_iter().flat_map(|(out, input, whose)| {
        [
            scope.shared(format!("-d {target}{out} {REPLIES_AND_FORWARDS}{whose} -j ACCEPT")),
            scope.shared(format!("-s {target}{input} {REPLIES} -j ACCEPT")),
        ]
    });
    lines.collect()
}

/// Says of a rule that would read like a gateway's that it is none.
fn own_comment(scope: &Scope<'_>) -> String {
    format!("-m comment --comment \"{}\"", Mark::new(&scope.input.topology, &scope.shared))
}

/// What is translated but comes from behind no segment of ours, such as a network behind a further router.
fn pass_ranges(scope: &Scope<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for rule in scope.input.nat.iter().filter(|rule| rule.kind.family() == scope.family) {
        let range = match &rule.kind {
            NatKind::Masquerade(range) | NatKind::Snat(range, _) => range.trunc(),
            NatKind::Dnat(..) => continue,
        };
        if scope.open_segments().flat_map(|segment| &segment.subnets).any(|subnet| overlap(subnet, &range)) {
            continue;
        }
        let range = short(range);
        let (to, from) = match &rule.out {
            Some(out) => (format!(" -o {out}"), format!(" -i {out}")),
            None => (String::new(), String::new()),
        };
        lines.push(scope.shared(format!("-s {range}{to} -j ACCEPT")));
        lines.push(scope.shared(format!("-d {range}{from} {REPLIES} -j ACCEPT")));
    }
    lines
}

/// The bridges that another namespace routes for, and whether this one has addresses of the family on them.
fn bystanders<'a>(scope: &Scope<'a>) -> impl Iterator<Item = (&'a IfName, bool)> {
    let family = scope.family;
    let all =
        scope.input.interfaces.iter().filter(move |it| it.role == Role::Bystander && it.switches.contains(&family));
    all.map(move |it| (&it.name, it.subnets.iter().any(|net| Family::of(net.addr()) == family)))
}

/// The rules of `NW-RAW`.
pub(super) fn raw(scope: &Scope<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    if scope.family == Family::V4 {
        // route_localnet lets 127.0.0.1 be forwarded; without this it would also let members in to it.
        let open = scope.segments.iter().filter(|segment| segment.route_localnet);
        lines.extend(open.map(|segment| scope.shared(format!("-i {} -d 127.0.0.0/8 -j DROP", segment.interface))));
    }
    // With bridge-nf this namespace tracks a flow as it is switched, before it comes back routed; nat would then take
    // it for an old one and leave it alone. Where nothing is routed there is nothing to spoil.
    let routes = !scope.segments.is_empty()
        || !scope.targets.is_empty()
        || scope.input.nat.iter().any(|rule| rule.kind.family() == scope.family);
    if routes {
        // What is for an address of this namespace may go to a router on that bridge first. Only where this namespace is on
        // the segment itself it may as well be meant for it.
        let untracked = |(name, on_it): (&IfName, bool)| {
            let limit = if on_it { "" } else { " --limit-iface-in" };
            scope.shared(format!("-i {name} -m addrtype ! --dst-type LOCAL{limit} -j CT --notrack"))
        };
        lines.extend(bystanders(scope).map(untracked));
    }
    lines
}
