//! Which tracked connections must go when rules change: an established flow keeps its old way, UDP without end. Those
//! that a change does not concern stay, by how they are translated already.

use std::net::IpAddr;

use indexmap::IndexSet;
use ipnet::IpNet;

use super::{
    compare::{Drift, DriftKind},
    input::Protocol,
    names::ChainKind,
    rule::Rule,
};
use crate::{
    model::snapshot::{Family, Table},
    op::{FlowMatch, SoFar},
};

/// Whether a rule begins or ends to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Turn {
    Comes,
    Goes,
}

/// A nat rule that begins or ends to work.
struct Changed {
    turn: Turn,
    family: Family,
    chain: ChainKind,
    rule: Rule,
}

/// The flows that changed rules decide about otherwise than before. `wanted` is what will be live, `addresses` tells those
/// of a device.
pub fn flows_of_drifts(drifts: &[Drift], wanted: &[Table], addresses: &dyn Fn(&str) -> Vec<IpAddr>) -> Vec<FlowMatch> {
    // A new forward is missing itself, and so are both jumps to its chain.
    let places: IndexSet<Place<'_>> = drifts.iter().flat_map(|drift| places(drift, wanted)).collect();
    let changed: Vec<Changed> = places.iter().filter_map(Changed::read).collect();
    let flows: IndexSet<FlowMatch> = changed.iter().filter_map(|one| flow(one, &changed, addresses)).collect();
    flows.into_iter().collect()
}

/// A rule that begins or ends to work, as text.
#[derive(PartialEq, Eq, Hash)]
struct Place<'a> {
    turn: Turn,
    family: Family,
    chain: &'a str,
    rule: &'a str,
}

impl Changed {
    fn read(place: &Place<'_>) -> Option<Self> {
        let (chain, _) = ChainKind::split(place.chain)?;
        Some(Self { turn: place.turn, family: place.family, chain, rule: Rule::parse(place.rule) })
    }
}

/// The rules that a difference is about: one, or all of the chain that a missing jump leads to.
fn places<'a>(drift: &'a Drift, wanted: &'a [Table]) -> Vec<Place<'a>> {
    let own = |turn| Place { turn, family: drift.family, chain: &drift.chain, rule: &drift.rule };
    match drift.kind {
        DriftKind::RuleMissing | DriftKind::RuleMoved => vec![own(Turn::Comes)],
        DriftKind::RuleExtra => vec![own(Turn::Goes)],
        DriftKind::JumpMissing => {
            let target = Rule::parse(&drift.rule).target.unwrap_or_default();
            let tables = wanted.iter().filter(|table| table.family == drift.family && table.name == drift.table);
            let chains = tables.filter_map(|table| table.chain(&target));
            let rules = chains.flat_map(|chain| chain.rules.iter().map(|rule| (&*chain.name, &**rule)));
            rules.map(|(chain, rule)| Place { turn: Turn::Comes, family: drift.family, chain, rule }).collect()
        }
        DriftKind::ChainMissing | DriftKind::ChainExtra | DriftKind::JumpExtra => Vec::new(),
    }
}

fn flow(one: &Changed, all: &[Changed], addresses: &dyn Fn(&str) -> Vec<IpAddr>) -> Option<FlowMatch> {
    let rule = &one.rule;
    // The rules that forwards need in `NW-POST` concern flows that the forward's own match finds already.
    if rule.states.is_some() {
        return None;
    }
    let so_far = match one.chain {
        ChainKind::Raw | ChainKind::Forward => return None,
        ChainKind::Dnat => destination(one)?,
        ChainKind::Post => source(one, all, addresses)?,
    };
    let protocol = match rule.protocol.as_ref().and_then(|protocol| protocol.positive()).map(String::as_str) {
        None => None,
        Some("tcp") => Some(Protocol::Tcp.number()),
        Some("udp") => Some(Protocol::Udp.number()),
        Some(_) => return None,
    };
    let flow = FlowMatch {
        family: one.family,
        protocol,
        destination: rule.destination.as_ref().and_then(|net| net.positive().copied()),
        ports: rule.ports.as_ref().and_then(|ports| ports.positive().copied()),
        source: rule.source.as_ref().and_then(|net| net.positive().copied()),
        so_far,
    };
    // Whatever a stranger put there: never everything.
    let is_some = flow.destination.is_some() || flow.ports.is_some() || flow.source.is_some();
    (is_some || matches!(flow.so_far, SoFar::SourceIsIn(_))).then_some(flow)
}

fn destination(one: &Changed) -> Option<SoFar> {
    let to = one.rule.to.as_deref()?;
    let to = to.parse::<IpNet>().ok().or_else(|| range(to).map(|(first, _)| first.into()))?;
    Some(match one.turn {
        Turn::Goes => SoFar::LeadsTo(to),
        Turn::Comes => SoFar::LeadsElsewhere(to),
    })
}

fn source(one: &Changed, all: &[Changed], addresses: &dyn Fn(&str) -> Vec<IpAddr>) -> Option<SoFar> {
    let rule = &one.rule;
    let out = rule.output.as_ref().and_then(|out| out.positive());
    let of_out = || out.map_or_else(Vec::new, |out| addresses(out));
    match (rule.target.as_deref()?, one.turn) {
        // What a rule leaves as it is, is known by where it goes; the exception of a device alone is not.
        ("RETURN", _) if rule.destination.is_none() => None,
        ("RETURN", Turn::Comes) => Some(SoFar::SourceIsNew),
        ("RETURN", Turn::Goes) => Some(SoFar::SourceIsOldOr(Vec::new())),
        // What leaves by that interface has its address already.
        ("MASQUERADE", Turn::Comes) => Some(SoFar::SourceIsOldOr(Vec::new())),
        ("SNAT", Turn::Comes) => {
            let (first, last) = range(rule.to.as_deref()?)?;
            let others = of_out().into_iter().filter(|address| !(first..=last).contains(address));
            Some(SoFar::SourceIsOldOr(others.collect()))
        }
        ("SNAT", Turn::Goes) => Some(SoFar::SourceIsIn(vec![range(rule.to.as_deref()?)?])),
        ("MASQUERADE", Turn::Goes) if out.is_some() => {
            Some(SoFar::SourceIsIn(of_out().into_iter().map(|address| (address, address)).collect()))
        }
        // The same rule but for its exceptions gives the same source as before.
        ("MASQUERADE", Turn::Goes) => (!all.iter().any(|it| is_same_masquerade(it, one))).then_some(SoFar::SourceIsNew),
        _ => None,
    }
}

fn is_same_masquerade(other: &Changed, gone: &Changed) -> bool {
    let plain = |rule: &Rule| rule.output.as_ref().is_none_or(|out| out.not);
    other.turn == Turn::Comes
        && (other.family, other.chain) == (gone.family, gone.chain)
        && other.rule.target == gone.rule.target
        && other.rule.source == gone.rule.source
        && plain(&other.rule)
}

/// The addresses of `ADDR`, `ADDR-ADDR`, either with ports behind; IPv6 in brackets then.
fn range(text: &str) -> Option<(IpAddr, IpAddr)> {
    let addresses = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    let (first, last) = addresses.split_once('-').unwrap_or((addresses, addresses));
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::{TableName, Variant};

    fn drift(kind: DriftKind, chain: &str, rule: &str) -> Drift {
        Drift {
            kind,
            address: "firewall.host".parse().unwrap(),
            variant: Variant::Nft,
            family: Family::V4,
            table: TableName::Nat,
            chain: chain.into(),
            rule: rule.into(),
        }
    }

    fn so_far(drifts: &[Drift]) -> Vec<SoFar> {
        let addresses = |device: &str| match device {
            "up1" => vec!["203.0.113.1".parse().unwrap()],
            _ => Vec::new(),
        };
        flows_of_drifts(drifts, &[], &addresses).into_iter().map(|flow| flow.so_far).collect()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_that_stays_as_it_was_keeps_its_flows() {
        use DriftKind::{RuleExtra, RuleMissing};
        let post = |kind, rule: &str| drift(kind, "NW-POST-lab", rule);
        // Another exception of the same rule.
        let edit = [
            post(RuleExtra, "-s 192.168.0.0/16 ! -o br0 -j MASQUERADE"),
            post(RuleMissing, "-s 192.168.0.0/16 -o br0 -j RETURN"),
            post(RuleMissing, "-s 192.168.0.0/16 -o br1 -j RETURN"),
            post(RuleMissing, "-s 192.168.0.0/16 -j MASQUERADE"),
        ];
        assert_eq!(so_far(&edit), [SoFar::SourceIsOldOr(vec![])]);
        // By one interface only.
        let up1 = address("203.0.113.1");
        let edit = [
            post(RuleExtra, "-s 10.0.0.0/24 -o up1 -j MASQUERADE"),
            post(RuleMissing, "-s 10.0.0.0/24 -o up1 -p tcp -j SNAT --to-source 1.2.3.4-1.2.3.6:1-9"),
        ];
        assert_eq!(so_far(&edit), [SoFar::SourceIsIn(vec![(up1, up1)]), SoFar::SourceIsOldOr(vec![up1])]);
        let snat = [post(RuleExtra, "-s 10.0.0.0/24 -o up1 -j SNAT --to-source 1.2.3.4-1.2.3.6:1-9")];
        assert_eq!(so_far(&snat), [SoFar::SourceIsIn(vec![(address("1.2.3.4"), address("1.2.3.6"))])]);
        assert_eq!(so_far(&[post(RuleExtra, "-s 10.0.0.0/24 -j MASQUERADE")]), [SoFar::SourceIsNew]);
        assert_eq!(so_far(&[post(RuleMissing, "-s 10.0.0.0/24 -d 10.1.0.0/24 -j RETURN")]), [SoFar::SourceIsNew]);
    }

    #[test]
    fn a_forward_changes_what_does_not_lead_to_its_target() {
        let dnat = |kind, to: &str| {
            drift(kind, "NW-DNAT-lab", &format!("-p tcp -m tcp --dport 80 -j DNAT --to-destination {to}"))
        };
        let edit =
            [dnat(DriftKind::RuleExtra, "10.0.0.2:80"), dnat(DriftKind::RuleMissing, "10.0.0.3:19000-19010/9100")];
        let (old, new) = ("10.0.0.2/32".parse().unwrap(), "10.0.0.3/32".parse().unwrap());
        assert_eq!(so_far(&edit), [SoFar::LeadsTo(old), SoFar::LeadsElsewhere(new)]);
        let netmap = drift(DriftKind::RuleMissing, "NW-DNAT-lab", "-d 1.2.3.0/24 -j NETMAP --to 10.0.0.0/24");
        assert_eq!(so_far(&[netmap]), [SoFar::LeadsElsewhere("10.0.0.0/24".parse().unwrap())]);
    }

    #[test]
    fn ends_of_flows_are_read_from_every_form_of_target() {
        for (text, first, last) in [
            ("1.2.3.4", "1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:80", "1.2.3.4", "1.2.3.4"),
            ("1.2.3.4-1.2.3.6", "1.2.3.4", "1.2.3.6"),
            ("fd00::1", "fd00::1", "fd00::1"),
            ("fd00::1-fd00::9", "fd00::1", "fd00::9"),
            ("[fd00::1]:80", "fd00::1", "fd00::1"),
            ("[fd00::1-fd00::9]:1-9", "fd00::1", "fd00::9"),
        ] {
            assert_eq!(range(text), Some((address(first), address(last))), "{text}");
        }
        assert_eq!(range("what:else:is"), None);
    }
}
