//! The packet filter of the fake kernel: it takes what `iptables-restore --noflush` takes, as far as we write it.

use crate::model::{
    iptables::is_builtin,
    snapshot::{Chain, Family, Table, TableName, Variant},
};

/// Applies a script to its table, all of it or nothing.
pub fn load(
    live: &mut Vec<(Variant, Table)>,
    variant: Variant,
    family: Family,
    name: TableName,
    script: &str,
) -> Result<(), String> {
    let is_it = |(v, table): &(Variant, Table)| (*v, table.family, table.name) == (variant, family, name);
    let at = live.iter().position(is_it);
    let mut table = match at {
        Some(at) => live[at].1.clone(),
        None => Table { family, name, chains: built_in(name) },
    };
    apply(&mut table, script)?;
    match at {
        Some(at) => live[at].1 = table,
        None => live.push((variant, table)),
    }
    Ok(())
}

fn built_in(name: TableName) -> Vec<Chain> {
    let names: &[&str] = match name {
        TableName::Raw => &["PREROUTING", "OUTPUT"],
        TableName::Filter => &["INPUT", "FORWARD", "OUTPUT"],
        TableName::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
    };
    let chain = |name: &&str| Chain { name: (*name).to_owned(), policy: Some("ACCEPT".into()), rules: Vec::new() };
    names.iter().map(chain).collect()
}

fn apply(table: &mut Table, script: &str) -> Result<(), String> {
    let header = format!("*{}", format!("{:?}", table.name).to_lowercase());
    let mut lines = script.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let mut committed = false;
    let mut begun = false;
    for (at, line) in &mut lines {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !begun {
            begun = line == header;
            if !begun {
                return Err(format!("line {at}: `{line}` where {header} is due"));
            }
        } else if committed {
            return Err(format!("line {at}: `{line}` after COMMIT"));
        } else if line == "COMMIT" {
            committed = true;
        } else {
            command(table, line).map_err(|why| format!("line {at}: {why}"))?;
        }
    }
    if committed { check_jumps(table) } else { Err("COMMIT is missing".into()) }
}

fn command(table: &mut Table, line: &str) -> Result<(), String> {
    if let Some(declaration) = line.strip_prefix(':') {
        return declare(table, declaration);
    }
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (name, rule) = rest.split_once(' ').unwrap_or((rest, ""));
    let rule = rule.trim();
    match verb {
        "-A" => chain(table, name)?.rules.push(rule.to_owned()),
        "-I" => insert(chain(table, name)?, rule)?,
        "-D" => {
            let chain = chain(table, name)?;
            let at = match rule.parse::<usize>() {
                Ok(number) => number.checked_sub(1).filter(|&at| at < chain.rules.len()),
                Err(_) => chain.rules.iter().position(|other| other == rule),
            };
            chain.rules.remove(at.ok_or("there is no such rule")?);
        }
        "-F" if name.is_empty() => table.chains.iter_mut().for_each(|chain| chain.rules.clear()),
        "-F" => chain(table, name)?.rules.clear(),
        "-X" => delete(table, name)?,
        "-N" => create(table, name, None)?,
        "-P" => chain(table, name)?.policy = Some(rule.to_owned()),
        _ => return Err(format!("`{verb}` is no command that is known here")),
    }
    Ok(())
}

/// `CHAIN POLICY [0:0]`: a chain of ours that is there is emptied, as the real tool does.
fn declare(table: &mut Table, declaration: &str) -> Result<(), String> {
    let mut words = declaration.split_whitespace();
    let name = words.next().ok_or("a chain without a name")?;
    let policy = words.next().filter(|policy| *policy != "-").map(str::to_owned);
    match table.chains.iter_mut().find(|chain| chain.name == name) {
        None => create(table, name, policy),
        Some(chain) if chain.policy.is_some() => {
            chain.policy = policy.or_else(|| chain.policy.take());
            Ok(())
        }
        Some(chain) => {
            chain.rules.clear();
            Ok(())
        }
    }
}

fn create(table: &mut Table, name: &str, policy: Option<String>) -> Result<(), String> {
    if name.is_empty() || name.len() > 28 {
        return Err(format!("`{name}` is no chain's name: 1 to 28 characters"));
    }
    if table.chains.iter().any(|chain| chain.name == name) {
        return Err(format!("chain {name} is there already"));
    }
    table.chains.push(Chain { name: name.to_owned(), policy, rules: Vec::new() });
    Ok(())
}

fn insert(chain: &mut Chain, rule: &str) -> Result<(), String> {
    let (number, rule) = match rule.split_once(' ') {
        Some((first, rest)) if first.bytes().all(|byte| byte.is_ascii_digit()) => {
            (first.parse::<usize>().map_err(|error| error.to_string())?, rest.trim())
        }
        _ => (1, rule),
    };
    let at = number.checked_sub(1).filter(|&at| at <= chain.rules.len()).ok_or("the place is beyond the chain")?;
    chain.rules.insert(at, rule.to_owned());
    Ok(())
}

fn delete(table: &mut Table, name: &str) -> Result<(), String> {
    let target = chain(table, name)?;
    if target.policy.is_some() {
        return Err(format!("chain {name} is built in"));
    }
    if !target.rules.is_empty() {
        return Err(format!("chain {name} is not empty"));
    }
    let from = |chain: &&Chain| chain.rules.iter().any(|rule| jump(rule) == Some(name));
    if let Some(other) = table.chains.iter().find(from) {
        return Err(format!("chain {name} is used by {}", other.name));
    }
    table.chains.retain(|chain| chain.name != name);
    Ok(())
}

fn chain<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Chain, String> {
    table.chains.iter_mut().find(|chain| chain.name == name).ok_or_else(|| format!("there is no chain {name}"))
}

/// Where a rule goes.
fn jump(rule: &str) -> Option<&str> {
    let mut words = rule.split_whitespace();
    words.find(|word| matches!(*word, "-j" | "-g"))?;
    words.next()
}

fn check_jumps(table: &Table) -> Result<(), String> {
    for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
        let Some(target) = jump(rule) else { continue };
        // Targets of the kernel's own are in capitals; chains of ours bear a hyphen.
        let ours = target.starts_with("NW-");
        if ours && !table.chains.iter().any(|chain| chain.name == target) {
            return Err(format!("there is no chain {target} to jump to"));
        }
    }
    Ok(())
}

/// Removes a table of nf_tables that holds nothing.
pub fn drop_if_empty(live: &mut Vec<(Variant, Table)>, family: Family, table: TableName) {
    let empty = |chain: &Chain| {
        is_builtin(&chain.name) && chain.rules.is_empty() && chain.policy.as_deref().is_none_or(|it| it == "ACCEPT")
    };
    live.retain(|(variant, it)| {
        *variant != Variant::Nft || it.family != family || it.name != table || !it.chains.iter().all(empty)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(live: &[(Variant, Table)], name: &str) -> Vec<String> {
        let chain = live.iter().flat_map(|(_, table)| &table.chains).find(|chain| chain.name == name);
        chain.map(|chain| chain.rules.clone()).unwrap_or_default()
    }

    fn restore(live: &mut Vec<(Variant, Table)>, script: &str) -> Result<(), String> {
        load(live, Variant::Nft, Family::V4, TableName::Filter, script)
    }

    #[test]
    fn a_script_comes_whole_or_not_at_all() {
        let mut live = Vec::new();
        let first =
            "*filter\n:NW-FWD-lab - [0:0]\n-I FORWARD 1 -j NW-FWD-lab\n-A NW-FWD-lab -i br0 -j ACCEPT\nCOMMIT\n";
        restore(&mut live, first).unwrap();
        assert_eq!(rules(&live, "FORWARD"), ["-j NW-FWD-lab"]);
        let before = live.clone();
        for bad in [
            "*filter\n-X NW-FWD-lab\nCOMMIT",
            "*filter\n-A FORWARD -j NW-none\nCOMMIT",
            "*filter\n-D FORWARD -j ACCEPT\nCOMMIT",
            "*filter\n-F NW-FWD-lab\n",
            "*nat\nCOMMIT",
            "*filter\n:NW-a-name-that-is-too-long-for-it - [0:0]\nCOMMIT",
        ] {
            assert!(restore(&mut live, bad).is_err(), "{bad}");
            assert_eq!(live, before, "{bad}");
        }
    }

    #[test]
    fn a_declared_chain_is_emptied_and_a_chain_is_removed_after_its_jump() {
        let mut live = Vec::new();
        restore(&mut live, "*filter\n:NW-x - [0:0]\n-A NW-x -j ACCEPT\n-I FORWARD -j NW-x\nCOMMIT").unwrap();
        restore(&mut live, "*filter\n:NW-x - [0:0]\n-A NW-x -j DROP\nCOMMIT").unwrap();
        assert_eq!(rules(&live, "NW-x"), ["-j DROP"]);
        restore(&mut live, "*filter\n-D FORWARD -j NW-x\n-F NW-x\n-X NW-x\nCOMMIT").unwrap();
        assert_eq!(live[0].1.chains, built_in(TableName::Filter));
    }
}
