//! Wanted and live tables → the restore scripts that make one into the other, each atomic in its one table.

use std::{collections::BTreeSet, fmt::Write as _};

use super::names::{own_chain, own_jump};
use crate::{
    model::{
        TopologyName,
        iptables::is_builtin,
        snapshot::{Chain, Family, Table, TableName, Variant},
    },
    op::Op,
};

/// What `iptables-restore --noflush` of a variant and family is fed for one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Which packet filter.
    pub variant: Variant,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Which table.
    pub table: TableName,
    /// From `*table` to `COMMIT`.
    pub text: String,
    /// The script that puts our chains and jumps back as they were before `text`.
    pub undo: String,
}

impl Script {
    /// The operation that loads it.
    pub fn op(self) -> Op {
        Op::FirewallLoad { variant: self.variant, family: self.family, table: self.table, script: self.text }
    }

    /// The operation that takes it back.
    pub fn undo_op(self) -> Op {
        Op::FirewallLoad { variant: self.variant, family: self.family, table: self.table, script: self.undo }
    }
}

/// Where the wanted tables go. Raw and nat go into one packet filter: the one that holds ours already, else the default,
/// since a flow is translated once. Filter goes into every one that has a filter table, since a DROP in either wins.
pub(super) fn place<'a>(
    topology: &TopologyName,
    wanted: &'a [Table],
    live: &[(Variant, Table)],
    default_variant: Option<Variant>,
) -> Vec<(Variant, &'a Table)> {
    let mut placed = Vec::new();
    for table in wanted {
        let holds_ours = |variant: Variant| {
            live.iter().any(|(v, t)| {
                *v == variant && t.family == table.family && t.name != TableName::Filter && has_ours(topology, t)
            })
        };
        let home = default_variant
            .into_iter()
            .chain([Variant::Nft, Variant::Legacy])
            .find(|variant| holds_ours(*variant))
            .or(default_variant);
        let mut variants: BTreeSet<Variant> = home.into_iter().collect();
        if table.name == TableName::Filter {
            let same = |t: &Table| t.family == table.family && t.name == table.name;
            variants.extend(live.iter().filter(|(_, t)| same(t)).map(|(variant, _)| *variant));
        }
        placed.extend(variants.into_iter().map(|variant| (variant, table)));
    }
    placed
}

/// Whether a table holds a chain or a jump of the topology.
pub(super) fn has_ours(topology: &TopologyName, table: &Table) -> bool {
    table.chains.iter().any(|chain| {
        own_chain(topology, table.name, &chain.name).is_some()
            || chain.rules.iter().any(|rule| own_jump(topology, table.name, rule))
    })
}

/// The live table of that packet filter, family and name.
pub(super) fn find(live: &[(Variant, Table)], variant: Variant, family: Family, name: TableName) -> Option<&Table> {
    live.iter().find(|(v, t)| *v == variant && t.family == family && t.name == name).map(|(_, table)| table)
}

/// The scripts that make the topology's part of the live tables into the wanted one; nothing where it is that already.
/// `wanted` is the text that the tools print ([`crate::model::snapshot::FirewallState::wanted`]); empty for removal.
pub fn scripts(
    topology: &TopologyName,
    wanted: &[Table],
    live: &[(Variant, Table)],
    default_variant: Option<Variant>,
) -> Vec<Script> {
    let placed = place(topology, wanted, live, default_variant);
    let mut scripts: Vec<Script> = placed
        .iter()
        .filter_map(|(variant, table)| {
            let before = find(live, *variant, table.family, table.name);
            script(topology, *variant, (table.family, table.name), Some(table), before)
        })
        .collect();
    for (variant, table) in live.iter().filter(|(_, table)| has_ours(topology, table)) {
        let stays = placed.iter().any(|(v, t)| v == variant && t.family == table.family && t.name == table.name);
        if !stays {
            scripts.extend(script(topology, *variant, (table.family, table.name), None, Some(table)));
        }
    }
    scripts
}

/// The script that makes the topology's part of a live table what it was, jumps in their places; nothing where it is that.
pub fn restoration(
    topology: &TopologyName,
    (variant, family, name): (Variant, Family, TableName),
    before: Option<&Table>,
    now: Option<&Table>,
) -> Option<Script> {
    let back = script(topology, variant, (family, name), now, before)?;
    Some(Script { text: back.undo, undo: back.text, ..back })
}

fn script(
    topology: &TopologyName,
    variant: Variant,
    (family, name): (Family, TableName),
    wanted: Option<&Table>,
    before: Option<&Table>,
) -> Option<Script> {
    let changes = Changes::between(topology, name, wanted, before);
    if changes.is_empty() {
        return None;
    }
    Some(Script { variant, family, table: name, text: changes.forward(name), undo: changes.backward(name) })
}

/// What of our part of one table differs.
#[derive(Default)]
struct Changes<'a> {
    /// Our chains that come, go or change: before, after.
    chains: Vec<(Option<&'a Chain>, Option<&'a Chain>)>,
    /// Jumps that are put in at the head of a chain, in their order.
    jumps_in: Vec<(&'a str, &'a str)>,
    /// Jumps that are taken out, with their places, from the first on.
    jumps_out: Vec<(&'a str, usize, &'a str)>,
}

impl<'a> Changes<'a> {
    fn between(topology: &TopologyName, name: TableName, wanted: Option<&'a Table>, before: Option<&'a Table>) -> Self {
        let all = |table: Option<&'a Table>| table.map_or(&[][..], |table| table.chains.as_slice());
        let own = |chain: &&Chain| own_chain(topology, name, &chain.name).is_some();
        let mut changes = Self::default();
        for chain in all(wanted).iter().filter(own) {
            let was = before.and_then(|table| table.chain(&chain.name));
            if was.is_none_or(|was| was.rules != chain.rules) {
                changes.chains.push((was, Some(chain)));
            }
        }
        for chain in all(before).iter().filter(own) {
            if wanted.is_none_or(|table| table.chain(&chain.name).is_none()) {
                changes.chains.push((Some(chain), None));
            }
        }
        for chain in all(before).iter().filter(|chain| !own(chain)) {
            changes.superfluous(topology, name, chain, wanted.and_then(|table| table.chain(&chain.name)));
        }
        for chain in all(wanted).iter().filter(|chain| is_builtin(&chain.name)) {
            let was = before.and_then(|table| table.chain(&chain.name));
            let jumps = chain.rules.iter().filter(|rule| own_jump(topology, name, rule));
            let absent = jumps.filter(|rule| was.is_none_or(|was| !was.rules.contains(rule)));
            changes.jumps_in.extend(absent.map(|rule| (chain.name.as_str(), rule.as_str())));
        }
        changes
    }

    /// The jumps of ours in `chain` that are not wanted, and all but the last of those that stand there twice: `-D`
    /// takes the first.
    fn superfluous(&mut self, topology: &TopologyName, name: TableName, chain: &'a Chain, wanted: Option<&Chain>) {
        for (place, rule) in chain.rules.iter().enumerate() {
            if !own_jump(topology, name, rule) {
                continue;
            }
            let wanted = wanted.is_some_and(|wanted| wanted.rules.contains(rule));
            let again = chain.rules.iter().skip(place + 1).any(|later| later == rule);
            if !wanted || again {
                self.jumps_out.push((&chain.name, place, rule));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.jumps_in.is_empty() && self.jumps_out.is_empty()
    }

    fn forward(&self, name: TableName) -> String {
        let mut text = Text::new(name);
        // Declaring a chain that exists empties it.
        self.chains.iter().filter_map(|(_, after)| *after).for_each(|chain| text.declare(chain));
        for (chain, _, rule) in &self.jumps_out {
            text.line(format_args!("-D {chain} {rule}"));
        }
        for (chain, rule) in self.jumps_in.iter().rev() {
            text.line(format_args!("-I {chain} 1 {rule}"));
        }
        self.chains.iter().filter_map(|(_, after)| *after).for_each(|chain| text.fill(chain));
        self.chains.iter().filter(|(_, after)| after.is_none()).for_each(|(before, _)| text.remove(*before));
        text.commit()
    }

    fn backward(&self, name: TableName) -> String {
        let mut text = Text::new(name);
        self.chains.iter().filter_map(|(before, _)| *before).for_each(|chain| text.declare(chain));
        for (chain, rule) in &self.jumps_in {
            text.line(format_args!("-D {chain} {rule}"));
        }
        for (chain, place, rule) in &self.jumps_out {
            text.line(format_args!("-I {chain} {} {rule}", place + 1));
        }
        self.chains.iter().filter_map(|(before, _)| *before).for_each(|chain| text.fill(chain));
        self.chains.iter().filter(|(before, _)| before.is_none()).for_each(|(_, after)| text.remove(*after));
        text.commit()
    }
}

/// A restore script in the making.
struct Text(String);

impl Text {
    fn new(table: TableName) -> Self {
        Self(format!("*{}\n", table.as_str()))
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }

    fn declare(&mut self, chain: &Chain) {
        self.line(format_args!(":{} - [0:0]", chain.name));
    }

    fn fill(&mut self, chain: &Chain) {
        for rule in &chain.rules {
            self.line(format_args!("-A {} {rule}", chain.name));
        }
    }

    fn remove(&mut self, chain: Option<&Chain>) {
        if let Some(chain) = chain {
            self.line(format_args!("-F {}", chain.name));
            self.line(format_args!("-X {}", chain.name));
        }
    }

    fn commit(mut self) -> String {
        self.0.push_str("COMMIT\n");
        self.0
    }
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
