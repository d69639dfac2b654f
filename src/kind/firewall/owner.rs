//! A live rule of our chains → the resource that it was made for, so that `destroy NAME` can tell what it removes with
//! the file lost.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    compose::Composed,
    input::{Protocol, forward_rest, nat_rest},
    names::ChainKind,
    rule::Rule,
};
use crate::model::{Address, Mark, address::KindName, snapshot::Family};

/// What a rule of ours is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// The gateway, or other segment, behind an interface.
    Segment(String),
    /// A nat rule.
    Nat {
        /// `masquerade`, `snat` or `dnat`.
        kind: &'static str,
        /// The range of sources, or the destination.
        matched: IpNet,
    },
    /// A port forward.
    Forward {
        /// The protocol.
        protocol: Protocol,
        /// First and last port.
        ports: (u16, u16),
        /// The address listened on.
        listen: Option<IpAddr>,
    },
    /// Several resources: the namespace's firewall as a whole.
    Shared,
}

impl Owner {
    /// The resource's address.
    pub fn address(&self, composed: &Composed) -> Address {
        match self {
            Self::Segment(interface) => composed.segment(interface),
            Self::Nat { kind, matched } => Address::new(KindName::Nat, nat_rest(&composed.namespace, kind, *matched)),
            Self::Forward { protocol, ports, listen } => {
                let rest = forward_rest(&composed.namespace, *protocol, *ports, *listen);
                Address::new(KindName::PortForward, rest)
            }
            Self::Shared => composed.firewall(),
        }
    }
}

/// What a rule of one of our chains is for; `None` for one that we never write. Takes both the text that is composed
/// and the text that the tools print.
pub fn owner_of(family: Family, chain: ChainKind, rule: &str) -> Option<Owner> {
    let rule = Rule::parse(rule);
    if rule.unknown {
        return None;
    }
    if let Some(comment) = &rule.comment {
        // Only what would read like a gateway's says that it is none.
        let says = Mark::parse(comment).is_some_and(|mark| mark.address.kind() == KindName::Firewall);
        return (says && chain == ChainKind::Forward && passes(&rule).is_some()).then_some(Owner::Shared);
    }
    match chain {
        ChainKind::Raw => matches!(rule.target.as_deref(), Some("DROP" | "CT")).then_some(Owner::Shared),
        ChainKind::Forward => passes(&rule),
        ChainKind::Dnat => leads(&rule),
        ChainKind::Post => renames(family, &rule),
    }
}

fn passes(rule: &Rule) -> Option<Owner> {
    if rule.target.as_deref() != Some("ACCEPT") {
        return None;
    }
    let forwards = rule.states.as_ref().is_some_and(|states| states.value.iter().any(|state| state == "DNAT"));
    match (&rule.input, &rule.output) {
        (Some(input), None) if rule.states.is_none() && rule.destination.is_none() => {
            Some(Owner::Segment(input.positive()?.clone()))
        }
        (None, Some(output)) if forwards && rule.source.is_none() => Some(Owner::Segment(output.positive()?.clone())),
        _ => Some(Owner::Shared),
    }
}

fn leads(rule: &Rule) -> Option<Owner> {
    let destination = match &rule.destination {
        Some(destination) => Some(*destination.positive()?),
        None => None,
    };
    match (rule.target.as_deref(), &rule.ports) {
        (Some("DNAT"), Some(ports)) => {
            let protocol = match rule.protocol.as_ref()?.positive()?.as_str() {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                _ => return None,
            };
            let listen = destination.map(|net| net.addr());
            Some(Owner::Forward { protocol, ports: *ports.positive()?, listen })
        }
        (Some("DNAT" | "NETMAP"), None) => Some(Owner::Nat { kind: "dnat", matched: destination? }),
        _ => None,
    }
}

fn renames(family: Family, rule: &Rule) -> Option<Owner> {
    let range = || match &rule.source {
        Some(source) => source.positive().copied(),
        // The tools print nothing of a range that is everything.
        None => rule.output.is_some().then(|| everything(family)),
    };
    match rule.target.as_deref()? {
        // For what goes between two subnets of the lab: of a rule that stands in full further down.
        "MASQUERADE" | "SNAT" if rule.destination.is_some() => Some(Owner::Shared),
        "MASQUERADE" if rule.states.is_none() => Some(Owner::Nat { kind: "masquerade", matched: range()? }),
        "SNAT" => Some(Owner::Nat { kind: "snat", matched: range()? }),
        "MASQUERADE" | "RETURN" => Some(Owner::Shared),
        _ => None,
    }
}

fn everything(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::V4(Ipv4Net::default()),
        Family::V6 => IpNet::V6(Ipv6Net::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_rule_names_its_resource() {
        use ChainKind::{Dnat, Forward, Post, Raw};
        let host = Composed::nothing("web-lab".parse().unwrap(), "host");
        let cases = [
            (Forward, "-i br0 -j ACCEPT", "gateway.br0"),
            (Forward, "-s 172.17.0.5/32 -i docker0 -j ACCEPT", "gateway.docker0"),
            (Forward, "-o br0 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT", "gateway.br0"),
            (Forward, "-i br2 -o br2 -j ACCEPT", "firewall.host"),
            (Forward, "-i lan0 -m comment --comment \"netwright:web-lab/firewall.host\" -j ACCEPT", "firewall.host"),
            (Dnat, "-p tcp -m tcp --dport 8088 -j DNAT --to-destination 192.168.0.2:80", "port_forward.host:tcp:8088"),
            (
                Dnat,
                "-d 203.0.113.5/32 -p udp -m udp --dport 9000:9010 -j DNAT --to-destination 192.168.0.3",
                "port_forward.host:udp:9000-9010@203.0.113.5",
            ),
            (
                Dnat,
                "-d fd00::1/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:10::3]:80",
                "port_forward.host:tcp:80@fd00::1",
            ),
            (Dnat, "-d 203.0.113.7/32 -j DNAT --to-destination 192.168.0.3", "nat.host:dnat:203.0.113.7/32"),
            (Dnat, "-d 203.0.113.0/24 -j NETMAP --to 192.168.0.0/24", "nat.host:dnat:203.0.113.0/24"),
            (Post, "-s 192.168.0.0/24 ! -o br0 -j MASQUERADE", "nat.host:masquerade:192.168.0.0/24"),
            (Post, "-o up0 -j MASQUERADE", "nat.host:masquerade:0.0.0.0/0"),
            (Post, "-s 192.168.0.0/24 -o eth0 -p tcp -j SNAT --to-source 1.2.3.4:1-9", "nat.host:snat:192.168.0.0/24"),
            (
                Post,
                "-s 192.168.0.0/24 -d 192.168.0.0/24 -o br0 -m conntrack --ctstate DNAT -j MASQUERADE",
                "firewall.host",
            ),
            (Post, "-s 192.168.0.0/24 -d 192.168.1.0/24 -j RETURN", "firewall.host"),
            (Raw, "-d 127.0.0.0/8 -i br0 -j DROP", "firewall.host"),
        ];
        for (chain, rule, address) in cases {
            let owner = owner_of(Family::V4, chain, rule).map(|owner| owner.address(&host).to_string());
            assert_eq!(owner.as_deref(), Some(address), "{rule}");
        }
        let edge = Composed::nothing("web-lab".parse().unwrap(), "edge");
        assert_eq!(
            owner_of(Family::V4, Forward, "-i lan0 -j ACCEPT").unwrap().address(&edge).to_string(),
            "gateway.edge:lan0"
        );
    }

    #[test]
    fn what_we_never_write_has_no_owner() {
        for (chain, rule) in [
            (ChainKind::Forward, "-s 10.0.0.0/8 -j DROP"),
            (ChainKind::Forward, "-i lan0 -m comment --comment \"mine\" -j ACCEPT"),
            (ChainKind::Post, "-s 1.2.3.4/32 -m comment --comment \"netwright:web-lab/firewall.host\" -j RETURN"),
            (ChainKind::Forward, "-i br0 -m set --match-set x src -j ACCEPT"),
            (ChainKind::Dnat, "-p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080"),
            (ChainKind::Dnat, "-j DNAT --to-destination 1.2.3.4"),
            (ChainKind::Post, "-j MASQUERADE"),
            (ChainKind::Raw, "-j LOG"),
        ] {
            assert_eq!(owner_of(Family::V4, chain, rule), None, "{rule}");
        }
    }
}
