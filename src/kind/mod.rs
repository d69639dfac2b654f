//! The resource kinds: one file each, and the registry that names them all.
//!
//! A kind's file says everything that varies by kind: what a resource of it is, what it needs, how it is seen in a
//! [`Snapshot`](crate::model::Snapshot), what of it is compared, and which ops make a difference go away. The registry
//! is [`Pair`]: its matches are exhaustive, so a new kind is a file, a variant here, and what the compiler then asks for.

use crate::model::{Address, Netns, TopologyName, change::Comparison};

pub mod addresses;
pub mod bridge;
pub mod check;
pub mod conf;
pub mod engine;
pub mod firewall;
pub mod gateway;
pub mod host;
pub mod link;
pub mod made;
pub mod namespace;
pub mod rename;
pub mod route;
pub mod rules;
pub mod steps;
pub mod sysctl;
pub mod topology;

pub use topology::Topology;

/// One resource, as the kernel has it and as the file wants it; at least one of the two is there.
#[derive(Debug)]
pub struct Both<'a, T> {
    /// In the kernel.
    pub before: Option<&'a T>,
    /// In the file.
    pub after: Option<&'a T>,
}

/// One resource of any kind, on both sides.
#[derive(Debug, Clone, Copy)]
pub enum Pair<'a> {
    /// A network namespace of ours.
    Namespace(Both<'a, namespace::Namespace>),
    /// What a topology borrows of the host.
    Host(Both<'a, host::HostSettings>),
    /// A bridge of ours.
    Bridge(Both<'a, bridge::Bridge>),
    /// A veth pair.
    Link(Both<'a, link::Link>),
    /// A static route.
    Route(Both<'a, route::Route>),
    /// A gateway, with its rules in the namespace's firewall.
    Gateway(Both<'a, gateway::Gateway>, Option<&'a rules::RuleSet>),
    /// What nat, port forwards and a namespace's firewall are in the kernel: rules.
    Rules(&'a rules::RuleSet),
}

/// Something that one resource gives and another needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Thing<'a> {
    /// A namespace.
    Netns(&'a Netns),
    /// A device of a namespace.
    Device(&'a Netns, &'a str),
    /// The forwarding and filtering of a namespace.
    Forwarding(&'a Netns),
}

// By hand: the derived ones would ask for `T: Copy`, of which there are only references here.
impl<T> Clone for Both<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Both<'_, T> {}

impl<'a, T> Both<'a, T> {
    /// The one that says what it is: the file's where there is one.
    fn either(&self) -> Option<&'a T> {
        self.after.or(self.before)
    }
}

impl<'a> Pair<'a> {
    /// Its address.
    pub fn address(&self) -> Address {
        let address = match self {
            Self::Namespace(both) => both.either().map(namespace::Namespace::address),
            Self::Host(_) => None,
            Self::Bridge(both) => both.either().map(bridge::Bridge::address),
            Self::Link(both) => both.either().map(link::Link::address),
            Self::Route(both) => both.either().map(route::Route::address),
            Self::Gateway(both, _) => both.either().map(gateway::Gateway::address),
            Self::Rules(rules) => Some(rules.address.clone()),
        };
        address.unwrap_or_else(|| host::HostSettings::default().address())
    }

    /// Whether the kernel and the file have it.
    pub fn sides(&self) -> (bool, bool) {
        fn of<T>(both: &Both<'_, T>) -> (bool, bool) {
            (both.before.is_some(), both.after.is_some())
        }
        match self {
            Self::Namespace(both) => of(both),
            // The host is always there; what is borrowed of it only changes.
            Self::Host(_) => (true, true),
            Self::Bridge(both) => of(both),
            Self::Link(both) => of(both),
            Self::Route(both) => of(both),
            Self::Gateway(both, _) => of(both),
            Self::Rules(rules) => rules.sides(),
        }
    }

    /// Whether something of it is in the kernel.
    pub fn is_there(&self) -> bool {
        match self {
            Self::Host(both) => both.before.is_some(),
            other => other.sides().0,
        }
    }

    /// What differs.
    pub fn compare(&self, topology: &TopologyName) -> Comparison {
        match self {
            Self::Namespace(both) => namespace::Namespace::compare(both.before, both.after),
            Self::Host(both) => host::HostSettings::compare(topology, both.before, both.after),
            Self::Bridge(both) => bridge::Bridge::compare(both.before, both.after),
            Self::Link(both) => link::Link::compare(both.before, both.after),
            Self::Route(both) => route::Route::compare(both.before, both.after),
            Self::Gateway(both, rules) => gateway::Gateway::compare(both.before, both.after, *rules),
            Self::Rules(rules) => rules.compare(),
        }
    }

    /// What it gives to others.
    pub fn gives(&self) -> Vec<Thing<'a>> {
        match self {
            Self::Namespace(both) => both.either().map(|it| Thing::Netns(&it.netns)).into_iter().collect(),
            Self::Host(_) => vec![Thing::Forwarding(&Netns::Host)],
            Self::Bridge(both) => both.either().map(|it| Thing::Device(&it.netns, &it.device)).into_iter().collect(),
            Self::Link(both) => {
                let ends = both.either().map_or(&[][..], |it| &it.ends);
                ends.iter().map(|end| Thing::Device(&end.netns, &end.device)).collect()
            }
            Self::Route(_) | Self::Gateway(..) => Vec::new(),
            Self::Rules(rules) => match rules.is_whole() {
                true => vec![Thing::Forwarding(&rules.netns)],
                false => Vec::new(),
            },
        }
    }

    /// What it needs of others.
    pub fn needs(&self) -> Vec<Thing<'a>> {
        match self {
            Self::Namespace(_) | Self::Host(_) => Vec::new(),
            Self::Bridge(both) => both.either().map(|it| Thing::Netns(&it.netns)).into_iter().collect(),
            Self::Link(both) => {
                let ends = both.either().map_or(&[][..], |it| &it.ends);
                let netns = ends.iter().map(|end| Thing::Netns(&end.netns));
                let bridges = ends.iter().filter_map(|end| Some(Thing::Device(&end.netns, end.bridge.as_deref()?)));
                netns.chain(bridges).collect()
            }
            Self::Route(both) => {
                let Some(route) = both.either() else { return Vec::new() };
                let devices = route.hops.iter().filter_map(|hop| hop.dev.as_deref());
                let devices = devices.map(|dev| Thing::Device(&route.netns, dev));
                std::iter::once(Thing::Netns(&route.netns)).chain(devices).collect()
            }
            Self::Gateway(both, _) => {
                let Some(gateway) = both.either() else { return Vec::new() };
                let members = gateway.members.iter().map(|it| Thing::Device(&it.netns, &it.dev));
                let own = Thing::Device(&gateway.netns, &gateway.device);
                members.chain([own, Thing::Forwarding(&gateway.netns)]).collect()
            }
            Self::Rules(rules) if rules.is_whole() => vec![Thing::Netns(&rules.netns)],
            Self::Rules(rules) => vec![Thing::Netns(&rules.netns), Thing::Forwarding(&rules.netns)],
        }
    }
}
