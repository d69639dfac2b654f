//! The packet filter of the namespace that the calling thread is in, through the tools that the machine's other
//! programs use too, so that everybody sees the same tables.

use std::collections::HashSet;

use crate::{
    model::{
        iptables::{is_builtin, parse_save},
        snapshot::{Family, FirewallState, Table, TableName, Unusable, Variant},
    },
    op::FlowMatch,
};

use super::KernelError;

mod beside;
mod canonical;
mod child;
mod conntrack;
mod empty;
mod hooks;
mod in_use;
mod netfilter;
pub mod sample;
mod tools;
mod unchanged;

use beside::{beside, side_by_side};
pub use empty::delete_if_empty;
use in_use::InUse;
use tools::Action;

/// Reads the live tables of each packet filter that is in use, and has the tools print the wanted ones, which proves
/// that this machine and kernel support them. Where nothing is wanted and nothing is there, nothing is run.
pub fn read(wanted: &[Table]) -> Result<FirewallState, KernelError> {
    let in_use = InUse::read()?;
    if wanted.is_empty() && in_use.is_empty() {
        return Ok(FirewallState::default());
    }
    let default_variant = tools::default_variant()?;
    let live = || read_live(&in_use, wanted, default_variant);
    let (live, printed) = match (wanted, default_variant) {
        ([], _) => (live()?, Vec::new()),
        (_, None) => return live().and(Err(tools::missing())),
        (wanted, Some(variant)) => {
            let (live, printed) = beside(live, || canonical::print(wanted, variant))?;
            let told = printed.is_whole || is_one_sided(&live, variant, &printed.tables);
            let printed = if told { printed } else { canonical::print_whole(wanted, variant)? };
            (live, printed.tables)
        }
    };
    let dropping = if wanted.is_empty() { Vec::new() } else { hooks::dropping()? };
    Ok(FirewallState { default_variant, live, wanted: printed, dropping, unusable: None })
}

/// Whether rules are only to come, or only to go, in each of the chains. Were one of them wrongly taken to be printed
/// otherwise, it would both come and go.
fn is_one_sided(live: &[(Variant, Table)], variant: Variant, wanted: &[Table]) -> bool {
    let chains = wanted.iter().flat_map(|table| table.chains.iter().map(move |chain| (table, chain)));
    chains.filter(|(_, chain)| !is_builtin(&chain.name)).all(|(table, chain)| {
        let is_it = |it: &Table| it.family == table.family && it.name == table.name;
        let there = live.iter().find(|(it, there)| *it == variant && is_it(there));
        let Some(there) = there.and_then(|(_, there)| there.chain(&chain.name)) else { return true };
        let rules: [HashSet<&String>; 2] = [there, chain].map(|chain| chain.rules.iter().collect());
        rules[0].is_subset(&rules[1]) || rules[1].is_subset(&rules[0])
    })
}

/// The same where rules are wanted, for whoever goes on without them: why they cannot be had is a part of the answer.
pub fn read_or_why(wanted: &[Table]) -> FirewallState {
    read(wanted).unwrap_or_else(unusable)
}

/// The same of a namespace that is not there yet.
pub fn of_new_or_why(wanted: &[Table]) -> FirewallState {
    of_new(wanted).unwrap_or_else(unusable)
}

fn unusable(error: KernelError) -> FirewallState {
    let help = error.advice().map(str::to_owned);
    let unusable = Unusable { what: error.without_advice().to_string(), help };
    FirewallState { unusable: Some(unusable), ..FirewallState::default() }
}

/// What there is to know of the packet filter of a namespace that is not there yet.
fn of_new(wanted: &[Table]) -> Result<FirewallState, KernelError> {
    let Some(variant) = tools::default_variant()? else { return Err(tools::missing()) };
    let wanted = canonical::print(wanted, variant)?.tables;
    Ok(FirewallState { default_variant: Some(variant), wanted, ..FirewallState::default() })
}

fn read_live(
    in_use: &InUse,
    wanted: &[Table],
    default_variant: Option<Variant>,
) -> Result<Vec<(Variant, Table)>, KernelError> {
    let pairs: Vec<_> = in_use.pairs().collect();
    let tables = side_by_side(&pairs, |&(variant, family)| read_tables((variant, family), wanted, default_variant))?;
    let pairs = pairs.iter().zip(tables);
    Ok(pairs.flat_map(|((variant, _), tables)| tables.into_iter().map(|table| (*variant, table))).collect())
}

/// The live tables of one packet filter and family.
fn read_tables(
    (variant, family): (Variant, Family),
    wanted: &[Table],
    default_variant: Option<Variant>,
) -> Result<Vec<Table>, KernelError> {
    let Some(tool) = tools::find(variant, family, Action::Save, default_variant) else {
        // Where rules are to be loaded, a DROP in the tables that cannot be read would win over them unseen; and
        // where the tools went after ours had been loaded, a destroy would leave them behind unseen.
        if wanted.is_empty() && !(variant == Variant::Nft && in_use::holds_ours(family, |_| true)?) {
            return Ok(Vec::new());
        }
        return Err(tools::missing_variant(variant, family));
    };
    let text = match variant {
        Variant::Nft => unchanged::text(family, || tools::save(&tool))?,
        Variant::Legacy => tools::save(&tool)?.into(),
    };
    // Said by iptables-nft of a table with rules that only nft itself can express: it neither prints nor changes it.
    let refused = |table: &str| text.contains(&format!("# Table `{table}' is incompatible"));
    let needed = wanted.iter().filter(|table| table.family == family && Some(variant) == default_variant);
    let mut needed = needed.map(|table| table.name.as_str());
    if let Some(table) = needed.find(|table| refused(table)) {
        return Err(unreadable(table, family, &tool));
    }
    // What is ours there could not be removed, and would not even be seen.
    if let Some(table) = [TableName::Raw, TableName::Filter, TableName::Nat]
        .map(TableName::as_str)
        .into_iter()
        .find(|table| refused(table))
        && in_use::holds_ours(family, |name| refused(name))?
    {
        return Err(unreadable(table, family, &tool));
    }
    parse_save(family, &text)
        .map_err(|error| KernelError::message(format!("cannot read what {tool} printed"), error.to_string()))
}

fn unreadable(table: &str, family: Family, tool: &impl std::fmt::Display) -> KernelError {
    KernelError::message(
        format!("cannot use the {table} table of {}", family_name(family)),
        format!("it holds rules that were made by nft and that {tool} cannot read; move them to a table of their own"),
    )
}

/// Why tables could not be loaded.
#[derive(Debug)]
pub struct Unloaded {
    /// Which of the scripts was refused: those before it have been loaded, and it and those after it have not. `None` where the
    /// tool does not say.
    pub place: Option<usize>,
    /// Why.
    pub error: KernelError,
}

/// Feeds scripts about one table each to `iptables-restore --noflush` of a variant and family, in their order: all of a script
/// is done, or nothing of it.
pub fn load(variant: Variant, family: Family, scripts: &[(TableName, &str)]) -> Result<(), Unloaded> {
    let unfound = |error| Unloaded { place: Some(0), error };
    let default = tools::default_variant().map_err(unfound)?;
    let tool = tools::find(variant, family, Action::Restore, default)
        .ok_or_else(|| unfound(tools::missing_variant(variant, family)))?;
    let text: String = scripts.iter().map(|(_, script)| *script).collect();
    tools::restore(&tool, &["--noflush"], &text).map_err(|refusal| {
        let place = match scripts {
            [_] => Some(0),
            _ => refusal.number().and_then(|number| place_of(number, scripts)),
        };
        let meant = place.and_then(|place| scripts.get(place..=place)).unwrap_or(scripts);
        let names: Vec<&str> = meant.iter().map(|(table, _)| table.as_str()).collect();
        let noun = if names.len() == 1 { "table" } else { "tables" };
        let what = format!("cannot change the {} {noun} of {} with {tool}", names.join(", "), family_name(family));
        Unloaded { place, error: KernelError::message(what, refusal.to_string()) }
    })
}

/// Which of the scripts has the line with that number, from 1 on.
fn place_of(number: usize, scripts: &[(TableName, &str)]) -> Option<usize> {
    let mut last = 0;
    scripts.iter().position(|(_, script)| {
        last += script.lines().count();
        number <= last
    })
}

/// Deletes the tracked connections that match any of these, each by its exact tuple.
pub fn flush_flows(flows: &[FlowMatch]) -> Result<(), KernelError> {
    conntrack::flush(flows)
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}
