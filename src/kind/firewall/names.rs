//! The names of our chains, and which topologies' chains are live.

use std::{collections::BTreeSet, str::FromStr};

use super::rule::Rule;
use crate::model::{
    TopologyName,
    hash::stable_hash,
    mark::jump_comment,
    snapshot::{Table, TableName, Variant},
};

/// iptables takes 28 characters; `NW-DNAT-`, the longest of our prefixes, leaves this many.
const SUFFIX_MAX: usize = 20;

/// Our chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChainKind {
    /// `NW-RAW-…`, before connection tracking.
    Raw,
    /// `NW-FWD-…`, what is let pass.
    Forward,
    /// `NW-DNAT-…`, new destinations.
    Dnat,
    /// `NW-POST-…`, new sources.
    Post,
}

impl ChainKind {
    /// All of them, in the order of loading.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Forward, Self::Dnat, Self::Post];

    fn prefix(self) -> &'static str {
        match self {
            Self::Raw => "NW-RAW-",
            Self::Forward => "NW-FWD-",
            Self::Dnat => "NW-DNAT-",
            Self::Post => "NW-POST-",
        }
    }

    /// The table that it is in.
    pub fn table(self) -> TableName {
        match self {
            Self::Raw => TableName::Raw,
            Self::Forward => TableName::Filter,
            Self::Dnat | Self::Post => TableName::Nat,
        }
    }

    /// The kind of a chain that bears a name of ours, with what tells whose it is.
    pub fn split(chain: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|kind| Some((kind, chain.strip_prefix(kind.prefix())?)))
    }
}

/// What of a topology's name its chains carry: the whole, or its first 11 characters, `_` and 8 hex digits of a hash. No
/// topology's name holds `_`, so a shortened name is never another's whole one.
pub fn chain_suffix(topology: &TopologyName) -> String {
    let name = topology.as_str();
    match name.get(..11) {
        Some(head) if name.len() > SUFFIX_MAX => format!("{head}_{:08x}", stable_hash(name.as_bytes()) & 0xffff_ffff),
        _ => name.to_owned(),
    }
}

/// The name of a topology's chain.
pub fn chain_name(kind: ChainKind, topology: &TopologyName) -> String {
    format!("{}{}", kind.prefix(), chain_suffix(topology))
}

/// The kind of a chain, where it is the topology's.
pub(super) fn own_chain(topology: &TopologyName, table: TableName, chain: &str) -> Option<ChainKind> {
    let (kind, suffix) = ChainKind::split(chain)?;
    (kind.table() == table && suffix == chain_suffix(topology)).then_some(kind)
}

/// Whether a rule of a chain that is not ours is a jump of the topology: its target and its comment are.
pub(super) fn own_jump(topology: &TopologyName, table: TableName, rule: &str) -> bool {
    // A cheap look first: a machine can hold thousands of foreign rules.
    if !rule.contains("netwright:") {
        return false;
    }
    let rule = Rule::parse(rule);
    rule.comment.as_deref() == Some(&jump_comment(topology))
        && rule.target.as_deref().is_some_and(|target| own_chain(topology, table, target).is_some())
}

/// The topologies that chains or jumps of ours speak of. A shortened chain whose jumps are gone cannot tell its
/// topology's name, and is left out.
pub fn topologies_in(live: &[(Variant, Table)]) -> BTreeSet<TopologyName> {
    let mut found = BTreeSet::new();
    for (_, table) in live {
        for chain in &table.chains {
            if let Some((_, suffix)) = ChainKind::split(&chain.name) {
                found.extend(TopologyName::from_str(suffix).ok());
                continue;
            }
            let comments = chain.rules.iter().filter(|rule| rule.contains("netwright:")).map(|rule| Rule::parse(rule));
            for rule in comments {
                let ours = rule.target.as_deref().and_then(ChainKind::split);
                let name = rule.comment.as_deref().and_then(|comment| comment.strip_prefix("netwright:"));
                if let (Some((_, suffix)), Some(Ok(name))) = (ours, name.map(TopologyName::from_str))
                    && suffix == chain_suffix(&name)
                {
                    found.insert(name);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{iptables::parse_save, snapshot::Family};

    fn topology(name: &str) -> TopologyName {
        name.parse().unwrap()
    }

    #[test]
    fn a_chain_name_fits_and_tells_topologies_apart() {
        assert_eq!(chain_name(ChainKind::Dnat, &topology("web-lab")), "NW-DNAT-web-lab");
        assert_eq!(chain_name(ChainKind::Post, &topology("a2345678901234567890")), "NW-POST-a2345678901234567890");
        let long = chain_name(ChainKind::Dnat, &topology("a23456789012345678901"));
        assert_eq!(long, "NW-DNAT-a2345678901_eff3abf4");
        assert_eq!(long.len(), 28);
        assert_ne!(long, chain_name(ChainKind::Dnat, &topology("a23456789012345678902")));
    }

    #[test]
    fn live_chains_and_jumps_name_their_topologies() {
        let long = topology("a-topology-with-a-long-name");
        let chain = chain_name(ChainKind::Forward, &long);
        let save = format!(
            "*filter\n:FORWARD DROP [0:0]\n:NW-FWD-orphan - [0:0]\n:{chain} - [0:0]\n:NW-FWD-x_00000000 - [0:0]\n\
             -A FORWARD -m comment --comment \"netwright:{long}\" -j {chain}\n\
             -A FORWARD -m comment --comment \"netwright:liar\" -j ACCEPT\nCOMMIT\n"
        );
        let live: Vec<_> = parse_save(Family::V4, &save).unwrap().into_iter().map(|t| (Variant::Nft, t)).collect();
        assert_eq!(topologies_in(&live), BTreeSet::from([long.clone(), topology("orphan")]));
        assert!(own_jump(&long, TableName::Filter, &live[0].1.chains[0].rules[0]));
        assert!(!own_jump(&topology("orphan"), TableName::Filter, &live[0].1.chains[0].rules[0]));
    }
}
