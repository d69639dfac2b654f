//! What the nat rules and port forwards of a namespace do to a packet.

use std::net::IpAddr;

use ipnet::IpNet;

use super::lab::{Interface, Lab, Node};
use crate::kind::{
    check::Probe,
    firewall::{Forward, Input, NatKind, NatRule, Protocol, Role, SnatTo},
};

/// What a namespace makes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewSource {
    /// Nothing.
    Kept,
    /// The address of the interface by which it leaves.
    Outgoing,
    /// One or the other.
    KeptOrOutgoing,
    /// This.
    Given(IpAddr),
    /// It cannot be told.
    Unknown,
}

/// The new destination of a packet, and of what it asks for there, where a rule gives it one.
pub(super) fn new_destination(input: &Input, local: bool, to: IpAddr, probe: Probe) -> Option<(IpAddr, Probe)> {
    let by = |forward: &Forward| Some((forward.to, served(forward, to, probe).filter(|_| local)?));
    let named = input.forwards.iter().filter(|it| it.listen.is_some()).find_map(by);
    let mapped = || {
        input.nat.iter().find_map(|rule| match &rule.kind {
            NatKind::Dnat(from, new) if from.contains(&to) => Some((translated(to, new), probe)),
            NatKind::Dnat(..) | NatKind::Masquerade(_) | NatKind::Snat(..) => None,
        })
    };
    let bare = || input.forwards.iter().filter(|it| it.listen.is_none()).find_map(by);
    named.or_else(mapped).or_else(bare)
}

/// What a probe asks for behind a forward that serves it.
fn served(forward: &Forward, to: IpAddr, probe: Probe) -> Option<Probe> {
    let (protocol, port) = probe.port()?;
    if !forward.serves(to) || !forward.listened().contains(protocol, port) {
        return None;
    }
    let port = forward.to_ports.0.saturating_add(port.saturating_sub(forward.ports.0));
    Some(match protocol {
        Protocol::Tcp => Probe::Tcp(port),
        Protocol::Udp => Probe::Udp(port),
    })
}

/// What a dnat rule makes of an address: the prefix changes, what is behind it stays.
pub fn translated(address: IpAddr, to: &IpNet) -> IpAddr {
    match (address, to) {
        (IpAddr::V4(address), IpNet::V4(to)) => {
            IpAddr::V4((u32::from(to.network()) | (u32::from(address) & u32::from(to.hostmask()))).into())
        }
        (IpAddr::V6(address), IpNet::V6(to)) => {
            IpAddr::V6((u128::from(to.network()) | (u128::from(address) & u128::from(to.hostmask()))).into())
        }
        // Both sides of a rule are of one family, and so is what it meets.
        (address, _) => address,
    }
}

/// What becomes of the source of a packet that leaves `node` by `out`; `moved`: its destination has been changed here.
pub(super) fn new_source(
    lab: &Lab<'_>,
    node: &Node<'_>,
    out: &Interface<'_>,
    source: IpAddr,
    moved: bool,
) -> NewSource {
    let Some(input) = node.rules else { return NewSource::Kept };
    let mut matching = input.nat.iter().filter(|rule| matches_source(rule, source));
    if moved {
        // Hairpin rules come first.
        let snat = matching.any(|rule| matches!(rule.kind, NatKind::Snat(..)));
        return if snat { NewSource::Unknown } else { NewSource::KeptOrOutgoing };
    }
    for rule in matching {
        match &rule.out {
            Some(name) if name.as_str() != out.device => continue,
            Some(_) => {}
            None if within(out, &rule.kind.matched()) => continue,
            // What goes from one of the lab's subnets to another is left alone.
            None if is_inside(lab, out) && matches!(rule.kind, NatKind::Masquerade(_)) => {
                return NewSource::KeptOrOutgoing;
            }
            None if is_inside(lab, out) => return NewSource::Unknown,
            None => {}
        }
        return match &rule.kind {
            NatKind::Snat(_, SnatTo { first, last, .. }) if first == last => NewSource::Given(*first),
            NatKind::Snat(..) => NewSource::Unknown,
            NatKind::Masquerade(_) | NatKind::Dnat(..) => NewSource::Outgoing,
        };
    }
    NewSource::Kept
}

/// Whether a rule of a namespace is about what has that source.
pub(super) fn may_translate(node: &Node<'_>, source: IpAddr) -> bool {
    node.rules.is_some_and(|input| input.nat.iter().any(|rule| matches_source(rule, source)))
}

fn matches_source(rule: &NatRule, source: IpAddr) -> bool {
    match &rule.kind {
        NatKind::Masquerade(range) | NatKind::Snat(range, _) => range.contains(&source),
        NatKind::Dnat(..) => false,
    }
}

/// Whether an interface's own subnet lies in a range.
fn within(out: &Interface<'_>, range: &IpNet) -> bool {
    out.addresses.iter().any(|net| range.contains(&net.trunc()))
}

/// Whether behind an interface are those whom the namespace routes for, or nobody knows who.
fn is_inside(lab: &Lab<'_>, out: &Interface<'_>) -> bool {
    let facing = lab.facing(out.node, out.device);
    facing.is_none_or(|it| !matches!(it.role, Role::Outer)) || out.unmanaged
}
