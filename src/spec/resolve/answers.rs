//! Who should answer each check: whoever the packet comes to as the file is; where that depends on what the file does not
//! decide, whoever has the address.

use std::{collections::BTreeMap, net::IpAddr};

use foldhash::HashMap;
use ipnet::IpNet;

use super::{listening::Listening, nets::NetMap, scope::Scope};
use crate::{
    kind::{
        check::{Answerer, Check, Probe, Responder, Unpublished},
        firewall::{Input, NatKind, Protocol},
    },
    model::{Diagnostic, Label, Netns, Spanned},
    spec::{
        file::{self, Target},
        reach::{Judgement, Taker, translated},
    },
};

/// Who should answer each check, and an error where its `by` says otherwise. `judged` has what is known of the packets of
/// each; it is empty where an error stands in the way of following them.
pub fn settle(
    scope: &mut Scope<'_>,
    checks: &[Check],
    written: &[&Spanned<file::Check>],
    rules: &Rules<'_>,
    judged: &[Vec<Judgement>],
) -> Vec<Option<Responder>> {
    let one = |(at, (check, written)): (usize, (&Check, &&Spanned<file::Check>))| {
        let asked = Asked::new(check, written)?;
        let taker = judged.get(at).and_then(|judged| judged.first()?.taker.as_ref());
        let found = match taker {
            Some(taker) => taken(scope, &asked, taker),
            None => looked_up(scope, &asked, rules),
        };
        match &written.by {
            Some(by) => found.wanted(scope, written, by, asked.port),
            None => found.responder(scope),
        }
    };
    checks.iter().zip(written).enumerate().map(one).collect()
}

/// A check that asks a port.
struct Asked<'a> {
    from: &'a Label,
    target: &'a Target,
    address: IpAddr,
    probe: Probe,
    protocol: Protocol,
    port: u16,
}

impl<'a> Asked<'a> {
    fn new(check: &Check, written: &'a file::Check) -> Option<Self> {
        let (protocol, port) = check.probe.port()?;
        let address = *check.targets.first()?;
        Some(Self { from: &written.from, target: &written.to.target, address, probe: check.probe, protocol, port })
    }
}

/// Whom the file knows to be asked in the end.
struct Found {
    /// Those who may be: one, unless several have the address; none where it is nobody's of the file.
    labels: Vec<Label>,
    port: u16,
    /// Where the port is published, but not at the address.
    unpublished: Option<Unpublished>,
}

impl Found {
    /// Who should answer where the check does not say it.
    fn responder(self, scope: &Scope<'_>) -> Option<Responder> {
        let first = || self.labels.first().map(|label| responder(scope, label, self.port));
        self.unpublished.map(Responder::Unpublished).or_else(first)
    }

    /// Who should answer where the check says it in `by`: one of those who may, unless nobody of the file has the address.
    fn wanted(
        &self,
        scope: &mut Scope<'_>,
        written: &file::Check,
        by: &Spanned<Label>,
        port: u16,
    ) -> Option<Responder> {
        let Some(first) = self.labels.first() else { return Some(responder(scope, by, port)) };
        if self.labels.contains(by) {
            return Some(responder(scope, by, self.port));
        }
        let error = Diagnostic::error("check::by", format!("`{first}` answers this check, not `{by}`"))
            .at(by.span, "who should answer")
            .at(written.to.span, format!("`{first}` has port {} of it", self.port))
            .help("is a port forward missing, or one for this protocol, port or address?");
        scope.error(error);
        None
    }
}

fn responder(scope: &Scope<'_>, label: &Label, port: u16) -> Responder {
    Responder::Namespace(Answerer { netns: scope.netns(label), label: label.to_string(), port })
}

/// Who gets it by the way of the packet. A namespace that is asked by its name is meant, whoever else has its address.
fn taken(scope: &Scope<'_>, asked: &Asked<'_>, taker: &Taker) -> Found {
    let port = taker.probe.port().map_or(asked.port, |(_, port)| port);
    match asked.target {
        Target::Namespace(name) if taker.holder.as_ref().is_some_and(|holder| holder != name.as_str()) => {
            Found { labels: vec![name.clone()], port: asked.port, unpublished: None }
        }
        Target::Namespace(_) | Target::Address(_) => {
            let labels = vec![scope.label(&taker.netns)];
            Found { labels, port, unpublished: taker.unpublished.clone() }
        }
    }
}

/// How many forwards one after the other are followed: more are a circle.
const STAGES: usize = 8;

/// Who gets it by the addresses of the file, wherever they are: the target of a forward that the probe meets, else whoever
/// has the address.
fn looked_up(scope: &Scope<'_>, asked: &Asked<'_>, rules: &Rules<'_>) -> Found {
    let mut labels = match asked.target {
        Target::Namespace(name) => vec![name.clone()],
        Target::Address(address) if address.is_loopback() => vec![asked.from.clone()],
        Target::Address(address) => owned(scope.holders(*address, asked.from)),
    };
    let unpublished = labels.first().and_then(|label| {
        let forwards = &rules.inputs.get(&scope.netns(label))?.forwards;
        Unpublished::find(label.as_str(), forwards, asked.probe, asked.address)
    });
    let (mut address, mut port) = (asked.address, asked.port);
    for stage in 0..STAGES {
        // An address that is not in the file may be the host's, whose forwards serve it as well.
        let at = labels.first().cloned().or_else(|| (stage == 0).then(Scope::host));
        let next = rules.next(at.as_ref().map(|label| scope.netns(label)).as_ref(), address, asked.protocol, port);
        let Some(next) = next else { break };
        (address, port) = next;
        labels = owned(scope.holders(address, at.as_ref().unwrap_or(asked.from)));
    }
    Found { labels, port, unpublished }
}

fn owned(labels: Vec<&Label>) -> Vec<Label> {
    labels.into_iter().cloned().collect()
}

/// Where forwards and dnat rules send what is for an address.
pub struct Rules<'a> {
    inputs: &'a BTreeMap<Netns, Input>,
    listening: &'a HashMap<Netns, Listening>,
    /// For each network the first dnat rule: its number, and where it leads.
    dnats: NetMap<Option<(usize, &'a IpNet)>>,
}

impl<'a> Rules<'a> {
    /// The rules of namespaces, and on which ports their forwards listen.
    pub fn new(inputs: &'a BTreeMap<Netns, Input>, listening: &'a HashMap<Netns, Listening>) -> Self {
        let mut dnats: NetMap<Option<_>> = NetMap::default();
        for (number, rule) in inputs.values().flat_map(|input| &input.nat).enumerate() {
            if let NatKind::Dnat(from, to) = &rule.kind {
                dnats.entry(from).get_or_insert((number, to));
            }
        }
        Self { inputs, listening, dnats }
    }

    /// Where what is for a port of `address`, which is in `holder`, goes next.
    fn next(&self, holder: Option<&Netns>, address: IpAddr, protocol: Protocol, port: u16) -> Option<(IpAddr, u16)> {
        let forward = holder.and_then(|holder| {
            let number = self.listening.get(holder)?.find(protocol, address, port)?;
            self.inputs.get(holder)?.forwards.get(number)
        });
        if let Some(forward) = forward {
            return Some((forward.to, forward.to_ports.0 + (port - forward.ports.0)));
        }
        // A translated address need not be anyone's.
        let (_, to) = self.dnats.holding(address).filter_map(|(_, dnat)| *dnat).min_by_key(|(number, _)| *number)?;
        Some((translated(address, to), port))
    }
}
