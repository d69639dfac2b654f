//! Checks: from names to addresses.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::scope::Scope;
use crate::{
    kind::check::{Check, Expect, Probe},
    model::{Diagnostic, Label, Spanned, snapshot::Family},
    spec::file::{self, CheckProbe, Target},
};

/// The checks of the file, with what is written of each. Who should answer them is seen once all of the file is known:
/// [`super::answers`].
pub fn resolve<'f>(scope: &mut Scope<'f>) -> (Vec<Check>, Vec<&'f Spanned<file::Check>>) {
    let file = scope.file;
    file.checks.iter().filter_map(|written| Some((one(scope, written)?, written))).unzip()
}

fn one(scope: &mut Scope<'_>, written: &Spanned<file::Check>) -> Option<Check> {
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
    if let Some(by) = &written.by {
        tells(scope, written, by, probe)?;
    }
    Some(Check {
        title: title(written, probe),
        from: scope.netns(&from),
        from_label: from.to_string(),
        targets,
        responder: None,
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

/// Whether `by` can be told at all: who answers is in an answer alone, and a ping's has no name in it.
fn tells(scope: &mut Scope<'_>, written: &Spanned<file::Check>, by: &Spanned<Label>, probe: Probe) -> Option<()> {
    scope.namespace(by)?;
    let error = match (probe, written.expect) {
        (Probe::Ping, _) => Diagnostic::error("check::by", "a ping does not tell who answers")
            .at(by.span, "no name comes back")
            .help("ask a port, with `tcp` or `udp`"),
        (_, Expect::Blocked) => Diagnostic::error("check::by", "nobody answers a check that expects to be blocked")
            .at(by.span, "an answer of whom?")
            .help("leave `by` out, or `expect: blocked`"),
        (Probe::Tcp(_) | Probe::Udp(_), Expect::Reachable) => return Some(()),
    };
    scope.error(error);
    None
}
