//! Another program that does something at the very moment: just before an operation it makes what that makes, or removes what
//! that is about.

use std::process::{Command, Stdio};

use netwright::{
    kind::steps::FIRST_INDEX,
    model::{
        Netns,
        snapshot::{Family, Variant},
    },
    op::{LinkRef, Op, RouteOp},
};

/// What the other program does, as a script for `sh`.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// What it does.
    does: String,
    /// Where it has made something: whether that is there, and what removes it.
    made: Option<(String, String)>,
}

impl Crossing {
    /// How it gets in the way of an operation; of some nobody can, or nothing comes of it.
    pub fn of(op: &Op, netns: &Netns) -> Option<Self> {
        let ip = match netns {
            Netns::Host => "ip".to_owned(),
            Netns::Named(name) => format!("ip -n {name}"),
        };
        match op {
            Op::NetnsCreate { .. } | Op::NetnsUnpark { .. } => Some(Self::makes(
                format!("ip netns add {netns}"),
                format!("test -e /run/netns/{netns}"),
                format!("ip netns delete {netns}"),
            )),
            Op::NetnsPark { .. } | Op::NetnsDelete => Some(Self::removes(format!("ip netns delete {netns}"))),
            Op::BridgeCreate { name, .. } => Some(Self::makes_device(&ip, name.as_str())),
            Op::VethCreate { end, .. } => Some(Self::makes_device(&ip, end.name.as_str())),
            Op::LinkSet { link, .. }
            | Op::BridgeUp { link }
            | Op::PortPutBack { link, .. }
            | Op::LinkDelete { link }
            | Op::PortGiveBack { link, .. } => Self::removes_device(&ip, link),
            Op::AddressAdd { link, address, .. } => {
                let what = format!("{address} dev {}", link.name);
                Some(Self::makes(
                    format!("{ip} address add {what} nodad"),
                    format!("{ip} address show dev {} to {} | grep -q .", link.name, address.addr()),
                    format!("{ip} address delete {what}"),
                ))
            }
            Op::AddressDelete { link, address } => {
                Some(Self::removes(format!("{ip} address delete {address} dev {}", link.name)))
            }
            Op::AddressPutBack { link, .. } => Self::removes_device(&ip, link),
            Op::RouteAdd { route, .. } => Self::makes_route(&ip, route),
            Op::RouteDelete { route } => Some(Self::removes(format!(
                "{ip} route delete {} table {} metric {}",
                route.to, route.table, route.metric
            ))),
            Op::FirewallLoad { variant, family, table, .. } => {
                Some(Self::flushes(netns, *variant, *family, table.as_str()))
            }
            Op::NetnsDrop { .. }
            | Op::RoutePutBack { .. }
            | Op::SysctlSet { .. }
            | Op::SysctlBorrow { .. }
            | Op::SysctlGiveBack { .. }
            | Op::RecordPutBack { .. }
            | Op::PortBorrow { .. }
            | Op::TableBorrow { .. }
            | Op::TableGiveBack { .. }
            | Op::TableDrop { .. }
            | Op::FlushFlows { .. } => None,
        }
    }

    /// The other program does it; where that fails nothing is in the way.
    pub fn happens(&self) {
        script(&self.does);
    }

    /// Whether what the other one has made is there still.
    pub fn stays(&self) -> bool {
        self.made.as_ref().is_none_or(|(is_there, _)| script(is_there))
    }

    /// The other program removes what it has made.
    pub fn goes(&self) {
        if let Some((_, removes)) = &self.made {
            script(removes);
        }
    }

    fn makes(does: String, is_there: String, removes: String) -> Self {
        Self { does, made: Some((is_there, removes)) }
    }

    fn removes(does: String) -> Self {
        Self { does, made: None }
    }

    fn makes_device(ip: &str, name: &str) -> Self {
        Self::makes(
            format!("{ip} link add {name} type dummy"),
            format!("{ip} -d link show dev {name} | grep -q dummy"),
            format!("{ip} link delete dev {name} type dummy"),
        )
    }

    /// By its index, as `ip` takes one: what is set aside has another name than the operation says. A device that the lab
    /// has found there, such as a NIC, is what it cannot be made without.
    fn removes_device(ip: &str, link: &LinkRef) -> Option<Self> {
        let is_of_the_lab = link.index > FIRST_INDEX;
        is_of_the_lab.then(|| Self::removes(format!("{ip} link delete dev if{}", link.index)))
    }

    fn makes_route(ip: &str, route: &RouteOp) -> Option<Self> {
        let [hop] = &route.nexthops[..] else { return None };
        let what = format!("{} via {} table {} metric {}", route.to, hop.via?, route.table, route.metric);
        Some(Self::makes(
            format!("{ip} route add {what}"),
            format!("{ip} route show table {} {} | grep -q .", route.table, route.to),
            format!("{ip} route delete {what}"),
        ))
    }

    /// As a reload of another firewall does.
    fn flushes(netns: &Netns, variant: Variant, family: Family, table: &str) -> Self {
        let tool = match (variant, family) {
            (Variant::Nft, Family::V4) => "iptables-nft",
            (Variant::Nft, Family::V6) => "ip6tables-nft",
            (Variant::Legacy, Family::V4) => "iptables-legacy",
            (Variant::Legacy, Family::V6) => "ip6tables-legacy",
        };
        let inside = match netns {
            Netns::Host => String::new(),
            Netns::Named(name) => format!("ip netns exec {name} "),
        };
        Self::removes(format!("{inside}{tool} -w -t {table} -F; {inside}{tool} -w -t {table} -X"))
    }
}

fn script(text: &str) -> bool {
    let status = Command::new("sh").args(["-c", text]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.expect("sh").success()
}
