//! Checks: from names to addresses, and who should answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Rules, nets::NetMap, scope::Scope};
use crate::{
    kind::{
        check::{Check, Expect, Probe, Responder},
        firewall::{NatKind, Protocol},
    },
    model::{Diagnostic, Label, Netns, Spanned, snapshot::Family},
    spec::file::{self, CheckProbe, Target},
};

/// The checks of the file.
pub fn resolve(scope: &mut Scope<'_>, rules: &Rules) -> Vec<Check> {
    let file = scope.file;
    let forwarding = Forwarding::new(rules);
    file.checks.iter().filter_map(|written| one(scope, written, &forwarding)).collect()
}

fn one(scope: &mut Scope<'_>, written: &Spanned<file::Check>, forwarding: &Forwarding<'_>) -> Option<Check> {
    if scope.gaps.tear(written.span) {
        // It may ask for something else than it seems to.
        return None;
    }
    let from = scope.namespace(&written.from)?;
    let probe = probe(written)?;
    let targets = match &written.to.target {
        Target::Address(address) => vec![*address],
        Target::Namespace(name) => {
            let name = scope.namespace(&Spanned { value: name.clone(), span: written.to.span })?;
            addresses_of(scope, &from, &name)
        }
    };
    let known = match &written.to.target {
        Target::Namespace(name) => scope.gaps.knows(name),
        Target::Address(_) => true,
    };
    if targets.is_empty() && !known {
        return None;
    }
    if targets.is_empty() {
        let error = Diagnostic::error("check::no_address", "the target of this check has no address in the file")
            .at(written.to.span, "no address to probe")
            .help("give it one, or write the address here");
        scope.error(error);
        return None;
    }
    let responder = responder(scope, &from, &written.to.target, &targets, probe, forwarding);
    let responder = match &written.by {
        Some(by) => Some(wanted(scope, written, by, responder, probe)?),
        None => responder,
    };
    Some(Check {
        title: title(written, probe),
        from: scope.netns(&from),
        from_label: from.to_string(),
        targets,
        responder,
        probe,
        expect: written.expect,
    })
}

/// How it asks. That a probe has one port, of its own or of `to`, has been seen to where the file was read.
fn probe(written: &file::Check) -> Option<Probe> {
    let port = written.to.ports.map(|(port, _)| port);
    match written.probe.as_ref().map(|probe| probe.value) {
        Some(CheckProbe::Ping) => Some(Probe::Ping),
        Some(CheckProbe::Tcp(given)) => given.or(port).map(Probe::Tcp),
        Some(CheckProbe::Udp(given)) => given.or(port).map(Probe::Udp),
        None => Some(port.map_or(Probe::Ping, Probe::Tcp)),
    }
}

fn title(written: &file::Check, probe: Probe) -> String {
    let to = match &written.to.target {
        Target::Namespace(name) => name.to_string(),
        Target::Address(address) => address.to_string(),
    };
    let how = match probe {
        Probe::Ping => "ping".to_owned(),
        Probe::Tcp(port) => format!("tcp {port}"),
        Probe::Udp(port) => format!("udp {port}"),
    };
    let not = match written.expect {
        Expect::Reachable => "",
        Expect::Blocked => " is blocked",
    };
    format!("{} -> {to} {how}{not}", written.from.value)
}

/// Its first address per family on a shared segment, else its first not on lo; oneself with no address: the loopback.
fn addresses_of(scope: &Scope<'_>, from: &Label, name: &Label) -> Vec<IpAddr> {
    let of =
        |family| scope.seen_from(from, name, family).first().copied().or_else(|| scope.first_address(name, family));
    let found: Vec<IpAddr> = [Family::V4, Family::V6].into_iter().filter_map(of).collect();
    if found.is_empty() {
        let on_lo = scope.of(name).iter().flat_map(|it| &it.addresses).map(IpNet::addr);
        let on_lo: Vec<IpAddr> = on_lo.collect();
        return if on_lo.is_empty() && from == name { vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] } else { on_lo };
    }
    found
}

/// How many forwards one after the other are followed: more are a circle.
const STAGES: usize = 8;

/// Who should answer: the target of a forward that the probe meets, else whoever has the address.
fn responder(
    scope: &Scope<'_>,
    from: &Label,
    target: &Target,
    targets: &[IpAddr],
    probe: Probe,
    forwarding: &Forwarding<'_>,
) -> Option<Responder> {
    let (protocol, port) = match probe {
        Probe::Ping => return None,
        Probe::Tcp(port) => (Protocol::Tcp, port),
        Probe::Udp(port) => (Protocol::Udp, port),
    };
    let first = *targets.first()?;
    let holder = match target {
        Target::Namespace(name) => Some(name.clone()),
        Target::Address(address) if address.is_loopback() => Some(from.clone()),
        Target::Address(address) => scope.holder(*address).map(|(label, _)| label.clone()),
    };
    // An address that is not in the file may be the host's, whose forwards serve it as well.
    let mut at = Some(holder.clone().unwrap_or_else(Scope::host));
    let (mut address, mut port, mut moved) = (first, port, false);
    for _ in 0..STAGES {
        let netns = at.as_ref().map(|label| scope.netns(label));
        let Some(next) = forwarding.next(netns.as_ref(), address, protocol, port) else { break };
        ((address, port), moved) = (next, true);
        at = scope.holder(address).map(|(label, _)| label.clone());
    }
    let label = if moved { at? } else { holder? };
    Some(Responder { netns: scope.netns(&label), label: label.to_string(), port })
}

/// Who should answer where the check says it in `by`: the same as `found`, unless nobody of the file has the address.
fn wanted(
    scope: &mut Scope<'_>,
    written: &file::Check,
    by: &Spanned<Label>,
    found: Option<Responder>,
    probe: Probe,
) -> Option<Responder> {
    let label = scope.namespace(by)?;
    let error = match (probe, written.expect, found) {
        (Probe::Ping, ..) => Diagnostic::error("check::by", "a ping does not tell who answers")
            .at(by.span, "no name comes back")
            .help("ask a port, with `tcp` or `udp`"),
        (_, Expect::Blocked, _) => Diagnostic::error("check::by", "nobody answers a check that expects to be blocked")
            .at(by.span, "an answer of whom?")
            .help("leave `by` out, or `expect: blocked`"),
        (_, _, Some(found)) if found.label == label.as_str() => return Some(found),
        (Probe::Tcp(port) | Probe::Udp(port), _, None) => {
            return Some(Responder { netns: scope.netns(&label), label: label.to_string(), port });
        }
        (_, _, Some(found)) => {
            let what = format!("`{}` answers this check, not `{label}`", found.label);
            Diagnostic::error("check::by", what)
                .at(by.span, "who should answer")
                .at(written.to.span, format!("`{}` has port {} of it", found.label, found.port))
                .help("is a port forward missing, or one for this protocol, port or address?")
        }
    };
    scope.error(error);
    None
}

/// Where forwards and dnat rules send what is for an address.
struct Forwarding<'a> {
    rules: &'a Rules,
    /// For each network the first dnat rule: its number, and where it leads.
    dnats: NetMap<Option<(usize, &'a IpNet)>>,
}

impl<'a> Forwarding<'a> {
    fn new(rules: &'a Rules) -> Self {
        let mut dnats: NetMap<Option<_>> = NetMap::default();
        for (number, rule) in rules.inputs.values().flat_map(|input| &input.nat).enumerate() {
            if let NatKind::Dnat(from, to) = &rule.kind {
                dnats.entry(from).get_or_insert((number, to));
            }
        }
        Self { rules, dnats }
    }

    /// Where what is for a port of `address`, which is in `holder`, goes next.
    fn next(&self, holder: Option<&Netns>, address: IpAddr, protocol: Protocol, port: u16) -> Option<(IpAddr, u16)> {
        let forward = holder.and_then(|holder| {
            let number = self.rules.listening.get(holder)?.find(protocol, address, port)?;
            self.rules.inputs.get(holder)?.forwards.get(number)
        });
        if let Some(forward) = forward {
            return Some((forward.to, forward.to_ports.0 + (port - forward.ports.0)));
        }
        // A translated address need not be anyone's.
        let (_, to) = self.dnats.holding(address).filter_map(|(_, dnat)| *dnat).min_by_key(|(number, _)| *number)?;
        Some((translated(address, to), port))
    }
}

/// What a dnat rule makes of an address: the prefix changes, what is behind it stays.
fn translated(address: IpAddr, to: &IpNet) -> IpAddr {
    match (address, to) {
        (IpAddr::V4(address), IpNet::V4(to)) => {
            let host = u32::from(address) & u32::from(to.hostmask());
            Ipv4Addr::from(u32::from(to.network()) | host).into()
        }
        (IpAddr::V6(address), IpNet::V6(to)) => {
            let host = u128::from(address) & u128::from(to.hostmask());
            Ipv6Addr::from(u128::from(to.network()) | host).into()
        }
        // Both sides of a rule are of one family, and so is what it meets.
        (address, _) => address,
    }
}
