//! The rules of `NW-DNAT` (new destinations) and `NW-POST` (new sources).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    compose::{Jump, Line, Scope, Segment, overlap, short},
    input::{Beyond, Forward, NatKind, NatRule, Protocol, SnatTo, port_range},
};
use crate::model::{IfName, snapshot::Family};

const FORWARDED: &str = "-m conntrack --ctstate DNAT";

/// The rules of `NW-DNAT`: what names an address comes before what serves all of them.
pub(super) fn dnat(scope: &Scope<'_>) -> Vec<Line> {
    let forwards = || scope.input.forwards.iter().filter(|forward| forward.family() == scope.family);
    let mut lines: Vec<Line> = forwards().filter(|forward| forward.listen.is_some()).map(publish).collect();
    for (rule, from, to) in dnat_rules(scope) {
        let text = match from.prefix_len() == from.max_prefix_len() {
            true => format!("-d {} -j DNAT --to-destination {}", from.addr(), host(to.addr())),
            false => format!("-d {from} -j NETMAP --to {to}"),
        };
        lines.push(Line { text, owner: rule.address.clone() });
    }
    lines.extend(forwards().filter(|forward| forward.listen.is_none()).map(publish));
    lines
}

fn dnat_rules<'a>(scope: &Scope<'a>) -> impl Iterator<Item = (&'a NatRule, IpNet, IpNet)> {
    let family = scope.family;
    scope.input.nat.iter().filter(move |rule| rule.kind.family() == family).filter_map(|rule| match &rule.kind {
        NatKind::Dnat(from, to) => Some((rule, from.trunc(), to.trunc())),
        NatKind::Masquerade(_) | NatKind::Snat(..) => None,
    })
}

/// The jumps to `NW-DNAT`: forwards serve the namespace's own addresses, but never loopback's to a neighbour; a dnat
/// serves its address whether the namespace has it or only routes for it.
pub(super) fn dnat_jumps(scope: &Scope<'_>) -> Vec<Jump> {
    let mut jumps = Vec::new();
    if scope.input.forwards.iter().any(|forward| forward.family() == scope.family) {
        let (arriving, leaving) = match scope.family {
            Family::V4 => ("! -d 127.0.0.0/8 ", ""),
            // Replies to [::1] die: there is no route_localnet for IPv6. Better refused than silent.
            Family::V6 => ("! -s fe80::/10 ! -d ::1/128 ", "! -d ::1/128 "),
        };
        jumps.push(("PREROUTING", format!("{arriving}-m addrtype --dst-type LOCAL")));
        jumps.push(("OUTPUT", format!("{leaving}-m addrtype --dst-type LOCAL")));
    }
    for (_, from, _) in dnat_rules(scope) {
        for hook in ["PREROUTING", "OUTPUT"] {
            jumps.push((hook, format!("-d {}", short(from))));
        }
    }
    jumps
}

fn publish(forward: &Forward) -> Line {
    let listen = forward.listen.map(|address| format!("-d {address} ")).unwrap_or_default();
    let (first, last) = forward.ports;
    // A range that keeps its ports needs none in the target; one that shifts names the base that it shifts from.
    let to = match forward.to_ports {
        same if same == forward.ports && first != last => host(forward.to),
        to if first == last => format!("{}:{}", host(forward.to), to.0),
        to => format!("{}:{}/{first}", host(forward.to), port_range(to, '-')),
    };
    let text = format!(
        "{listen}-p {} --dport {} -j DNAT --to-destination {to}",
        forward.protocol.as_str(),
        port_range(forward.ports, ':')
    );
    Line { text, owner: forward.address.clone() }
}

/// An address where a port may follow.
fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The rules of `NW-POST`: what forwards need first, then nat in its order.
pub(super) fn post(scope: &Scope<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = scope.segments.iter().flat_map(|segment| hairpin(scope, segment)).collect();
    for target in scope.strays() {
        let target = short(*target);
        lines.push(scope.shared(format!("-d {target} -m addrtype --src-type LOCAL {FORWARDED} -j MASQUERADE")));
    }
    let rules: Vec<&NatRule> = scope.input.nat.iter().filter(|rule| rule.kind.family() == scope.family).collect();
    for (place, rule) in rules.iter().enumerate() {
        lines.extend(new_source(scope, rule, &rules[place + 1..]));
    }
    lines
}

/// A member that reaches another by the published port, and this namespace itself: the answer must come back here.
fn hairpin(scope: &Scope<'_>, segment: &Segment<'_>) -> Vec<Line> {
    let targets = || scope.targets.iter().filter(|target| segment.covers(target));
    if targets().next().is_none() {
        return Vec::new();
    }
    let name = segment.interface;
    // On an external bridge only the lab's own members are touched.
    let destinations: Vec<Option<IpNet>> =
        if segment.members.is_some() { targets().copied().map(Some).collect() } else { vec![None] };
    let mut lines = Vec::new();
    for subnet in &segment.subnets {
        for to in &destinations {
            let to = short(to.unwrap_or(*subnet));
            lines.push(scope.shared(format!("-s {subnet} -d {to} -o {name} {FORWARDED} -j MASQUERADE")));
        }
    }
    // Who is behind the same further router as the target is answered past this namespace unless it asks for itself.
    for Beyond { target, network } in &segment.beyond {
        let to = short(*target);
        for from in segment.subnets.iter().chain([network]) {
            let from = short(*from);
            lines.push(scope.shared(format!("-s {from} -d {to} -o {name} {FORWARDED} -j MASQUERADE")));
        }
    }
    for to in &destinations {
        let to = to.map(|to| format!("-d {} ", short(to))).unwrap_or_default();
        lines.push(scope.shared(format!("{to}-o {name} -m addrtype --src-type LOCAL {FORWARDED} -j MASQUERADE")));
    }
    lines
}

/// Whose sources a rule changes, and to what: the target with the protocol that it is for.
fn changes(rule: &NatRule) -> Option<(IpNet, Vec<(String, String)>)> {
    match &rule.kind {
        NatKind::Masquerade(range) => Some((range.trunc(), vec![(String::new(), "MASQUERADE".to_owned())])),
        NatKind::Snat(range, to) => Some((range.trunc(), snat_targets(to))),
        NatKind::Dnat(..) => None,
    }
}

fn new_source(scope: &Scope<'_>, rule: &NatRule, later: &[&NatRule]) -> Vec<Line> {
    let Some((range, targets)) = changes(rule) else { return Vec::new() };
    let (mut lines, way) = match &rule.out {
        Some(out) => (Vec::new(), format!(" -o {out}")),
        None => stay_inside(scope, range, later),
    };
    let from = short(range);
    lines.extend(targets.into_iter().map(|(protocol, target)| Line {
        text: format!("-s {from}{way}{protocol} -j {target}"),
        owner: rule.address.clone(),
    }));
    lines
}

/// What keeps a rule without `out` off traffic that stays inside the lab: lines before it, and a match of its own.
fn stay_inside(scope: &Scope<'_>, range: IpNet, later: &[&NatRule]) -> (Vec<Line>, String) {
    let own = scope.within(&range);
    let ours = || scope.open_segments().filter(|segment| segment.members.is_none());
    let mut lines = Vec::new();
    for from in ours() {
        for source in from.subnets.iter().filter(|subnet| overlap(subnet, &range)) {
            let source = if source.prefix_len() > range.prefix_len() { *source } else { range };
            for to in ours().filter(|to| to.interface != from.interface && !own.contains(&to.interface)) {
                for to in &to.subnets {
                    // What leaves the chain here meets no later rule any more: those that it concerns come first.
                    lines.extend(later.iter().flat_map(|rule| between(scope, rule, source, to)));
                    lines.push(scope.shared(format!("-s {} -d {to} -j RETURN", short(source))));
                }
            }
        }
    }
    match own.as_slice() {
        [] => (lines, String::new()),
        [one] => (lines, format!(" ! -o {one}")),
        several => {
            for name in several {
                lines.extend(later.iter().flat_map(|rule| by(rule, range, name)));
                lines.push(scope.shared(format!("-s {} -o {name} -j RETURN", short(range))));
            }
            (lines, String::new())
        }
    }
}

/// A later rule by a named interface, for what goes from one of the lab's subnets to another.
fn between(scope: &Scope<'_>, rule: &NatRule, source: IpNet, to: &IpNet) -> Vec<Line> {
    let (Some((range, targets)), Some(out)) = (changes(rule), &rule.out) else { return Vec::new() };
    if !overlap(&range, &source) {
        return Vec::new();
    }
    let from = short(if range.prefix_len() > source.prefix_len() { range } else { source });
    let line = |(protocol, target)| scope.shared(format!("-s {from} -d {to} -o {out}{protocol} -j {target}"));
    targets.into_iter().map(line).collect()
}

/// A later rule by that interface as it stands, where all that it concerns would leave the chain before it.
fn by(rule: &NatRule, within: IpNet, name: &IfName) -> Vec<Line> {
    let Some((range, targets)) = changes(rule).filter(|(range, _)| within.contains(range)) else { return Vec::new() };
    if rule.out.as_ref() != Some(name) {
        return Vec::new();
    }
    let from = short(range);
    let text = |(protocol, target)| format!("-s {from} -o {name}{protocol} -j {target}");
    targets.into_iter().map(|target| Line { text: text(target), owner: rule.address.clone() }).collect()
}

/// The targets of a snat with the protocol that each is for: ports can be given to what has ports only.
fn snat_targets(to: &SnatTo) -> Vec<(String, String)> {
    let addresses = if to.first == to.last { to.first.to_string() } else { format!("{}-{}", to.first, to.last) };
    let mut targets = Vec::new();
    if let Some(ports) = to.ports {
        let addresses = if to.first.is_ipv6() { format!("[{addresses}]") } else { addresses.clone() };
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let target = format!("SNAT --to-source {addresses}:{}", port_range(ports, '-'));
            targets.push((format!(" -p {}", protocol.as_str()), target));
        }
    }
    targets.push((String::new(), format!("SNAT --to-source {addresses}")));
    targets
}
