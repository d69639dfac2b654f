//! MTUs: whose they are where the file leaves them out, and whether IPv6 can do with them.

use super::scope::{Interface, Scope, What};
use crate::{
    kind::link::IPV6_MIN_MTU,
    model::{Diagnostic, Label, Span},
    spec::file::{Bridge, End, Link},
};

/// The MTU of a veth that has none in the file: the kernel's default for Ethernet.
const DEFAULT: u32 = 1500;

/// The MTU of an end.
pub fn of_end(link: &Link, end: &End) -> u32 {
    end.mtu.as_ref().or(link.mtu.as_ref()).map_or(DEFAULT, |mtu| mtu.value)
}

/// The MTU of a bridge. One that has none in the file has the least of its ports', as the kernel would give it; where
/// ports are not ours the kernel is left to it.
pub fn of_bridge(scope: &Scope<'_>, label: &Label, bridge: &Bridge) -> Option<u32> {
    match &bridge.mtu {
        Some(mtu) => Some(mtu.value),
        None if bridge.ports.is_empty() => {
            Some(ports(scope, label).map(|(link, end)| of_end(link, end)).min().unwrap_or(DEFAULT))
        }
        None => None,
    }
}

/// The ends that are ports of a bridge.
fn ports<'f>(scope: &Scope<'f>, label: &Label) -> impl Iterator<Item = (&'f Link, &'f End)> {
    scope.ports.get(label).into_iter().flatten().copied()
}

/// An interface with an IPv6 address and an MTU that the kernel does no IPv6 with.
pub fn check(scope: &mut Scope<'_>) {
    let has_v6 = |it: &Interface| it.addresses.iter().any(|net| net.addr().is_ipv6());
    let interfaces = scope.interfaces.iter().flat_map(|(label, list)| list.iter().map(move |it| (label, it)));
    let mut found = Vec::new();
    for (label, interface) in interfaces.filter(|(_, it)| has_v6(it)) {
        let Some((mtu, span)) = written_for(scope, interface).filter(|(mtu, _)| *mtu < IPV6_MIN_MTU) else {
            continue;
        };
        let what = format!("`{label}:{}` has an IPv6 address and an MTU of {mtu}", interface.name);
        let error = Diagnostic::error("address::mtu", what)
            .at(span, format!("less than {IPV6_MIN_MTU}"))
            .at(interface.span, "with an IPv6 address")
            .help(format!("IPv6 needs an MTU of {IPV6_MIN_MTU} or more; the kernel turns it off below that"));
        found.push(error);
    }
    found.into_iter().for_each(|error| scope.error(error));
}

/// An interface's MTU with the place where it is written.
pub fn written_for(scope: &Scope<'_>, interface: &Interface) -> Option<(u32, Span)> {
    let of_end = |link: &Link, end: &End| end.mtu.as_ref().or(link.mtu.as_ref()).map(|mtu| (mtu.value, mtu.span));
    match &interface.what {
        What::Loopback => None,
        What::End((index, which)) | What::Port((index, which), _) => {
            let link = scope.file.links.get(*index)?;
            of_end(link, &link.endpoints.get(*which)?.value)
        }
        What::Bridge(label) => {
            let bridge = scope.bridge_spec(label)?;
            match &bridge.mtu {
                Some(mtu) => Some((mtu.value, mtu.span)),
                None if bridge.ports.is_empty() => {
                    ports(scope, label).filter_map(|(l, e)| of_end(l, e)).min_by_key(|it| it.0)
                }
                None => None,
            }
        }
    }
}
