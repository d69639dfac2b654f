//! The wanted rules as this machine's tools print them: loaded into a namespace that is thrown away, and saved there.
//! What this kernel or its iptables cannot do is found here, before anything is touched.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::{
    super::{KernelError, netns, privilege},
    family_name,
    sample::Sample,
    tools::{self, Action, Refusal, Tool},
};
use crate::model::{
    iptables::{is_builtin, parse_save, words, write_restore},
    snapshot::{Chain, Family, Table, Variant},
};

/// So many rules go into one load everywhere. Outside the first user namespace there is a limit (some hundreds), and whether
/// it is kept only a load of all of them tells.
const FEW: usize = 256;

/// What has been printed once is not printed otherwise as long as this process lives: a run looks at it again.
static PRINTED: Mutex<Vec<Printed>> = Mutex::new(Vec::new());

struct Printed {
    variant: Variant,
    wanted: Vec<Table>,
    canonical: Canonical,
}

/// Wanted tables, in their order, as tools print them.
#[derive(Debug, Clone)]
pub(super) struct Canonical {
    /// The tables.
    pub tables: Vec<Table>,
    /// Whether each rule of them has been printed, and not only one of each sort.
    pub is_whole: bool,
}

/// The wanted tables as the tools of that packet filter print them: all rules, or one of each sort, which takes a tenth of the
/// time with a thousand port forwards. That goes by what is believed of how ports are printed, and whoever finds that the
/// kernel has something else has all of them printed.
pub(super) fn print(wanted: &[Table], variant: Variant) -> Result<Canonical, KernelError> {
    let print = || {
        let fits = |sample: &Sample| sample.of <= FEW || privilege::is_first_user_namespace();
        if let Some(sample) = Sample::of(wanted).filter(fits)
            && let Ok(printed) = print_anew(&sample.tables, variant)
            && let Some(tables) = sample.grow(wanted, printed)
        {
            return Ok(Canonical { tables, is_whole: false });
        }
        print_anew(wanted, variant).map(|tables| Canonical { tables, is_whole: true })
    };
    recall(wanted, variant, |_| true, print)
}

/// The same with each rule printed.
pub(super) fn print_whole(wanted: &[Table], variant: Variant) -> Result<Canonical, KernelError> {
    let print = || print_anew(wanted, variant).map(|tables| Canonical { tables, is_whole: true });
    recall(wanted, variant, |canonical| canonical.is_whole, print)
}

fn recall(
    wanted: &[Table],
    variant: Variant,
    suffices: fn(&Canonical) -> bool,
    print: impl FnOnce() -> Result<Canonical, KernelError>,
) -> Result<Canonical, KernelError> {
    let known = || PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_it = |it: &&Printed| it.variant == variant && suffices(&it.canonical) && it.wanted == wanted;
    if let Some(it) = known().iter().rev().find(is_it) {
        return Ok(it.canonical.clone());
    }
    let canonical = print()?;
    known().push(Printed { variant, wanted: wanted.to_vec(), canonical: canonical.clone() });
    Ok(canonical)
}

fn print_anew(wanted: &[Table], variant: Variant) -> Result<Vec<Table>, KernelError> {
    netns::in_throwaway("cannot make a namespace to try the firewall rules in", || {
        let mut printed = Vec::new();
        let families: BTreeSet<Family> = wanted.iter().map(|table| table.family).collect();
        for family in families {
            let tables: Vec<&Table> = wanted.iter().filter(|table| table.family == family).collect();
            printed.extend(print_family(&tables, variant, family)?);
        }
        wanted.iter().map(|table| same_table(table, &mut printed)).collect()
    })
}

fn print_family(wanted: &[&Table], variant: Variant, family: Family) -> Result<Vec<Table>, KernelError> {
    let tool = |action| {
        tools::find(variant, family, action, tools::default_variant()?)
            .ok_or_else(|| tools::missing_family(variant, family))
    };
    let (restore, save) = (tool(Action::Restore)?, tool(Action::Save)?);
    if let Err(refusal) = tools::restore(&restore, &[], &write_restore(wanted.iter().copied())) {
        return Err(explain(wanted, (variant, family), &restore, refusal));
    }
    let text = tools::save(&save)?;
    parse_save(family, &text)
        .map_err(|error| KernelError::message(format!("cannot read what {save} printed"), error.to_string()))
}

/// Names the rule that was refused. Where it is about one and the tool named none (legacy names the COMMIT), each is tried
/// alone.
fn explain(wanted: &[&Table], (variant, family): (Variant, Family), restore: &Tool, refusal: Refusal) -> KernelError {
    let refusal = match &refusal.line {
        Some(line) if line.starts_with("-A ") => refusal,
        _ if refusal.whole => refusal,
        _ => culprit(wanted, restore).unwrap_or(refusal),
    };
    if refusal.whole {
        let what = format!("cannot try the {} firewall rules that the topology needs", family_name(family));
        return KernelError::message(what, format!("{restore}: {refusal}"));
    }
    KernelError::message(
        format!("this machine cannot do the {} firewall rules that the topology needs", family_name(family)),
        format!("{restore} refuses {refusal}"),
    )
    .hint(refusal.line.as_deref().and_then(|line| advice(line, variant)))
}

/// Where a rule is refused, a module of the kernel is most often what is missing: by its name it can be loaded or looked
/// for.
fn advice(line: &str, variant: Variant) -> Option<String> {
    let modules = modules(line, variant);
    let names = modules.join(" ");
    (!modules.is_empty()).then(|| {
        format!(
            "the kernel may lack a module of that rule: modprobe -a {names} loads them where its packages have them"
        )
    })
}

/// The modules that a rule asks for.
fn modules(line: &str, variant: Variant) -> Vec<String> {
    let mut modules: Vec<String> = match variant {
        Variant::Nft => vec!["nft_compat".to_owned()],
        Variant::Legacy => Vec::new(),
    };
    let words = words(line);
    for pair in words.windows(2) {
        let module = match (&*pair[0], &*pair[1]) {
            ("-m", "tcp" | "udp") => "xt_tcpudp".to_owned(),
            ("-m", name) => format!("xt_{name}"),
            ("-j", "DNAT" | "SNAT") => "xt_nat".to_owned(),
            ("-j", name @ ("MASQUERADE" | "NETMAP" | "CT" | "REDIRECT")) => format!("xt_{name}"),
            _ => continue,
        };
        if !modules.contains(&module) {
            modules.push(module);
        }
    }
    modules
}

fn culprit(wanted: &[&Table], restore: &Tool) -> Option<Refusal> {
    wanted.iter().find_map(|table| {
        let chains: Vec<Chain> =
            table.chains.iter().map(|chain| Chain { rules: Vec::new(), ..chain.clone() }).collect();
        table.chains.iter().enumerate().find_map(|(place, chain)| {
            chain.rules.iter().find_map(|rule| {
                let mut alone = Table { chains: chains.clone(), ..**table };
                alone.chains[place].rules.push(rule.clone());
                let refusal = tools::restore(restore, &[], &write_restore([&alone])).err()?;
                Some(Refusal { line: Some(format!("-A {} {rule}", chain.name)), ..refusal })
            })
        })
    })
}

/// The printed form of a wanted table: its own chains with as many rules each, and the built-in chains that it uses.
fn same_table(wanted: &Table, printed: &mut Vec<Table>) -> Result<Table, KernelError> {
    let place = printed.iter().position(|table| table.family == wanted.family && table.name == wanted.name);
    let same = |table: &Table| {
        wanted.chains.iter().all(|chain| table.chain(&chain.name).is_some_and(|it| it.rules.len() == chain.rules.len()))
    };
    match place.map(|place| printed.swap_remove(place)).filter(same) {
        Some(mut table) => {
            table.chains.retain(|chain| !is_builtin(&chain.name) || wanted.chain(&chain.name).is_some());
            table.chains.sort_by_key(|chain| wanted.chains.iter().position(|it| it.name == chain.name));
            Ok(table)
        }
        None => Err(KernelError::message(
            format!("cannot try the {} firewall rules", family_name(wanted.family)),
            format!("the {} table was loaded, but is not printed as it was loaded", wanted.name.as_str()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_its_modules() {
        let line = "-A NW-POST-lab -s 10.0.0.0/8 -m conntrack --ctstate DNAT -m tcp --dport 1 -j MASQUERADE";
        assert_eq!(modules(line, Variant::Legacy), ["xt_conntrack", "xt_tcpudp", "xt_MASQUERADE"]);
        assert_eq!(modules("-A X -j DNAT --to-destination 1.2.3.4", Variant::Nft), ["nft_compat", "xt_nat"]);
        assert_eq!(advice("-A X -i br0 -j ACCEPT", Variant::Legacy), None);
    }
}
