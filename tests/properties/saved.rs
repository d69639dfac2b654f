//! What may happen between `plan -out` and `apply`: to what is nobody's business of the plan's, and to what it relies on.

use netwright::{
    kernel::fake::Fake,
    kind::Topology,
    model::{
        Netns, Raw,
        snapshot::{AddressState, Family, LinkState, NetnsState, Nexthop, RouteState, RouteType, TableName, Variant},
    },
    op::Op,
    plan::{
        Prepared,
        relies::{Fact, Relied, Thing},
    },
};
use proptest::{prelude::*, sample::Index};

/// One thing that somebody does who has nothing to do with the lab.
pub type Event = (u8, Index);

pub fn event() -> impl Strategy<Value = Event> {
    (0..16u8, any::<Index>())
}

/// Whether a device is one that the plan relies on.
fn is_relied(relied: &[Relied], at: &Netns, device: &str) -> bool {
    relied.iter().any(|it| match &it.thing {
        Thing::Device { netns, name } => netns == at && name == device,
        Thing::Way { .. } => device == "eth0",
        _ => false,
    })
}

/// Does it, where it concerns nothing that the plan relies on or is to make.
pub fn elsewhere(fake: &mut Fake, relied: &[Relied], prepared: &Prepared, (kind, place): Event) -> Option<String> {
    let going = |netns: &Netns| {
        let mut batches = prepared.batches.iter().filter(|batch| batch.netns == *netns);
        batches.any(|batch| batch.steps.iter().any(|step| matches!(step.op, Op::NetnsPark { .. })))
    };
    let host = fake.state.namespaces.get_mut(&Netns::Host)?;
    let foreign: Vec<usize> = (0..host.links.len())
        .filter(|at| {
            let link = &host.links[*at];
            let holds_ours = host.links.iter().any(|it| it.master == Some(link.index) && it.mark().is_some());
            let foreign = link.mark().is_none() && link.name != "lo" && !holds_ours;
            foreign && !is_relied(relied, &Netns::Host, &link.name)
        })
        .collect();
    let some = || (!foreign.is_empty()).then(|| *place.get(&foreign));
    let said = |what: &str| Some(what.to_owned());
    match kind {
        0 => {
            let lo = host.links[0].clone();
            let link = LinkState { index: 70_000, name: "x0".into(), mtu: 1500, ..LinkState::default() };
            let state = NetnsState { links: vec![lo, link].into(), cookie: Some(99), ..NetnsState::default() };
            fake.state.namespaces.insert(Netns::Named("late".into()), state);
            said("a namespace came")
        }
        1 => {
            fake.state.namespaces.get_mut(&Netns::Named("q".into()))?.cookie = Some(77);
            said("another topology's namespace was made anew")
        }
        2 => {
            host.links.push(LinkState { index: 50_000, name: "late0".into(), mtu: 1500, ..LinkState::default() });
            said("a device with a high index came")
        }
        3 => {
            let link = &mut host.links[some()?];
            (link.index, link.mac) = (40_000, "02:11:22:33:44:55".parse().ok());
            Some(format!("{} was made anew", link.name))
        }
        4 => {
            let link = &mut host.links[some()?];
            link.up = !link.up;
            Some(format!("{} went up or down", link.name))
        }
        5 => {
            host.links.iter_mut().for_each(|link| link.carrier = !link.carrier);
            said("carriers flapped")
        }
        6 => {
            let link = host.links.iter_mut().find(|link| link.name == "docker0")?;
            link.mtu = 1400;
            said("the MTU of docker0 followed a port")
        }
        7 => {
            let eth0 = host.link("eth0")?.index;
            host.addresses.push(AddressState {
                link: eth0,
                address: "203.0.113.9/32".parse().unwrap(),
                dynamic: true,
                link_local: false,
                nodad: false,
                dad_failed: false,
                protocol: 0,
                label: None,
                raw: Raw::default(),
            });
            said("the uplink got one more address")
        }
        8 => {
            let eth0 = host.link("eth0")?.index;
            host.routes.push(RouteState {
                to: "203.0.113.128/25".parse().unwrap(),
                table: 254,
                metric: 7,
                protocol: 4,
                kind: Some(RouteType::Unicast),
                src: None,
                mtu: None,
                nexthops: vec![Nexthop { via: None, link: Some(eth0), weight: 1, onlink: false }],
                raw: Raw::default(),
            });
            said("a route came")
        }
        9 => {
            host.routes.retain(|route| route.to != "198.51.100.0/24".parse().unwrap());
            said("a route went")
        }
        10 => {
            host.sysctls.insert("net/ipv4/tcp_keepalive_time".into(), Some("7000".into()));
            said("a setting changed")
        }
        11 | 12 => {
            let (table, name, chain) = match kind {
                11 => (TableName::Filter, "filter", "FORWARD"),
                _ => (TableName::Nat, "nat", "POSTROUTING"),
            };
            let script = format!("*{name}\n-A {chain} -s 172.17.0.0/16 -j ACCEPT\nCOMMIT\n");
            let load = Op::FirewallLoad { variant: Variant::Nft, family: Family::V4, table, script };
            super::damage::run(fake, &Netns::Host, load)?;
            said("somebody's rule came")
        }
        13 => {
            if relied.iter().any(|it| it.was.contains_key(&Fact::Stops)) {
                return None;
            }
            let live = host.firewall.live.iter_mut().flat_map(|(_, table)| &mut table.chains);
            live.filter(|chain| chain.name == "FORWARD").for_each(|chain| chain.policy = Some("DROP".into()));
            said("the policy of FORWARD is DROP")
        }
        14 => {
            let ours = |(netns, state): (&Netns, &NetnsState)| {
                let stays = state.mark().is_some_and(|mark| mark.topology.as_str() == "lab") && !going(netns);
                stays.then(|| netns.clone())
            };
            let staying: Vec<Netns> = fake.state.namespaces.iter().filter_map(ours).collect();
            let netns = (!staying.is_empty()).then(|| place.get(&staying))?;
            let links = &mut fake.state.namespaces.get_mut(netns)?.links;
            links.push(LinkState { index: 60_000, name: "wg7".into(), mtu: 1420, ..LinkState::default() });
            Some(format!("somebody's device came into {netns}, which stays"))
        }
        _ => {
            let other = fake.state.namespaces.get_mut(&Netns::Named("other".into()))?;
            other.routes.clear();
            other.cookie = Some(88);
            said("somebody's namespace changed")
        }
    }
}

/// Does something to one thing of others, or to a whole namespace, that the plan relies on.
pub fn here(fake: &mut Fake, relied: &[Relied], (kind, place): Event) -> Option<String> {
    let hits: Vec<&Relied> = relied
        .iter()
        .filter(|it| {
            matches!(it.thing, Thing::Host | Thing::Namespace { .. } | Thing::Device { .. } | Thing::Record { .. })
        })
        .collect();
    let hit = place.get(&hits);
    match &hit.thing {
        Thing::Host if kind.is_multiple_of(2) => fake.state.boot = Some("another".into()),
        Thing::Host => fake.state.namespaces.get_mut(&Netns::Host)?.cookie = Some(55),
        Thing::Namespace { netns } => fake.state.namespaces.get_mut(netns)?.cookie = Some(66),
        Thing::Device { netns, name } => {
            let state = fake.state.namespaces.get_mut(netns)?;
            let link = state.links.iter_mut().find(|link| link.name == *name)?;
            match kind % 3 {
                0 => link.index += 1000,
                1 if hit.was.contains_key(&Fact::Up) => link.up = !link.up,
                1 => link.kind = Some("tun".into()),
                _ => state.links.retain(|link| link.name != *name),
            }
        }
        Thing::Record { key } => {
            let record = fake.state.borrowed.entry(key.clone()).or_default();
            record.users.insert("third".parse().unwrap());
        }
        Thing::Setting { .. } | Thing::Way { .. } | Thing::Source { .. } | Thing::PacketFilter { .. } => return None,
    }
    Some(format!("{hit:?} is another"))
}

/// Whether damage to a lab is nothing to a plan of what is wanted next: settings of which it says nothing or that go with
/// their namespace, and others' addresses on ends that are left to others.
pub fn is_nobodys(damage: &str, wanted: Option<&Topology>) -> bool {
    let Some((netns, what)) = damage.split_once(": ") else { return false };
    if let Some(what) = what.strip_prefix("write ") {
        let key = what.split(' ').next().unwrap_or_default();
        let stays = wanted.iter().flat_map(|it| &it.namespaces).find(|it| it.netns.as_str() == netns);
        return stays.is_none_or(|it| !it.sysctls.contains_key(key));
    }
    let mut ends = wanted.iter().flat_map(|it| &it.links).flat_map(|link| &link.ends);
    what.starts_with("add 10.77.") && ends.any(|end| end.netns.as_str() == netns && end.addresses.is_empty())
}
