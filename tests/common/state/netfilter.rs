//! The packet filter: nf_tables as netlink tells it, and what the legacy tools have loaded.

use std::{collections::BTreeSet, fs, process::Command};

use rtnetlink::sys::protocols::NETLINK_NETFILTER;

use super::{
    Section,
    shape::printable,
    wire::{Wire, attribute, attributes, by_number, text},
};

const NFTABLES: u16 = 10 << 8;
const GET_TABLE: u16 = NFTABLES | 1;
const GET_CHAIN: u16 = NFTABLES | 4;
const GET_RULE: u16 = NFTABLES | 7;
const GET_SET: u16 = NFTABLES | 10;
const GET_ELEMENT: u16 = NFTABLES | 13;
const GET_OBJECT: u16 = NFTABLES | 19;
const GET_FLOWTABLE: u16 = NFTABLES | 23;

/// Tables that iptables makes when it looks, and leaves behind empty.
const BUILT_IN: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];

/// Reads the calling thread's namespace.
pub fn read(section: &mut Section) {
    let mut wire = Wire::open(NETLINK_NETFILTER);
    // A kernel without nf_tables refuses.
    let tables = wire.dump(GET_TABLE, &[0; 4]).unwrap_or_default();
    if !tables.is_empty() {
        nftables(&mut wire, &tables, section);
    }
    for (names, tool) in [("ip_tables_names", "iptables-legacy-save"), ("ip6_tables_names", "ip6tables-legacy-save")] {
        let tables = fs::read_to_string(format!("/proc/thread-self/net/{names}")).unwrap_or_default();
        if !tables.trim().is_empty() {
            let output = Command::new(tool).output().expect(tool);
            assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
            legacy(tool, &String::from_utf8_lossy(&output.stdout), section);
        }
    }
}

fn nftables(wire: &mut Wire, tables: &[Vec<u8>], section: &mut Section) {
    let mut dump = |kind| wire.dump(kind, &[0; 4]).unwrap_or_else(|error| panic!("nf_tables {kind}: {error}"));
    let (chains, rules, sets) = (dump(GET_CHAIN), dump(GET_RULE), dump(GET_SET));
    let (objects, flowtables) = (dump(GET_OBJECT), dump(GET_FLOWTABLE));
    let chain_of = |message: &[u8], name: u16| {
        let found = by_number(&message[4..]);
        format!("nft {} {} chain {}", message[0], text(found[&1]), text(found[&name]))
    };
    for rule in &rules {
        section.entry(chain_of(rule, 2)).or_default().push(self::rule(&rule[4..]));
    }
    for chain in &chains {
        const HOOK: u16 = 4;
        const POLICY: u16 = 5;
        const ACCEPT: [u8; 4] = 1u32.to_be_bytes();
        let found = by_number(&chain[4..]);
        let accepts = found.contains_key(&HOOK) && found.get(&POLICY).is_none_or(|it| **it == ACCEPT);
        let name = chain_of(chain, 3);
        // A built-in chain that is empty and accepts: a packet cannot tell it from none.
        if !accepts || section.contains_key(&name) {
            let line = format!("definition = {}", steady(&chain[4..], &[1, 2, 3, 6, 8, 11]));
            section.entry(name).or_default().insert(0, line);
        }
    }
    for set in &sets {
        let found = by_number(&set[4..]);
        let name = format!("nft {} {} set {}", set[0], text(found[&1]), text(found[&2]));
        let mut request = vec![set[0], 0, 0, 0];
        request.extend([attribute(1, found[&1]), attribute(2, found[&2])].concat());
        let elements = wire.dump(GET_ELEMENT, &request).unwrap_or_default();
        let elements = elements.iter().flat_map(|message| by_number(&message[4..]).remove(&3).map(attributes));
        let mut lines: Vec<String> =
            elements.flatten().map(|(_, element)| format!("element {}", steady(element, &[5, 7, 11]))).collect();
        lines.sort();
        lines.insert(0, format!("definition = {}", steady(&set[4..], &[1, 2, 10, 16, 19])));
        section.insert(name, lines);
    }
    for (kind, messages, volatile) in [("object", objects, &[4, 5, 6]), ("flowtable", flowtables, &[4, 5, 6])] {
        for message in &messages {
            let found = by_number(&message[4..]);
            let name = format!("nft {} {} {kind} {}", message[0], text(found[&1]), text(found[&2]));
            section.insert(name, vec![format!("definition = {}", steady(&message[4..], volatile))]);
        }
    }
    for table in tables {
        let found = by_number(&table[4..]);
        let name = format!("nft {} {}", table[0], text(found[&1]));
        let used = section.keys().any(|object| object.starts_with(&format!("{name} ")));
        if used || !BUILT_IN.contains(&text(found[&1]).as_str()) {
            section.insert(name, vec![format!("definition = {}", steady(&table[4..], &[1, 3, 4]))]);
        }
    }
}

/// A rule without its handles, its counters left out.
fn rule(message: &[u8]) -> String {
    const EXPRESSIONS: u16 = 4;
    /// Expressions whose data is what they have counted.
    const COUNTING: [&str; 3] = ["counter", "last", "quota"];
    let mut line = "rule".to_owned();
    for (_, expression) in attributes(by_number(message).get(&EXPRESSIONS).copied().unwrap_or_default()) {
        let found = by_number(expression);
        let name = text(found[&1]);
        let data = found.get(&2).filter(|_| !COUNTING.contains(&name.as_str()));
        line.push_str(&format!(" [{name} {}]", data.map(|data| printable(data)).unwrap_or_default()));
    }
    format!("{line} {}", steady(message, &[1, 2, 3, EXPRESSIONS, 6, 9, 10, 11]))
}

/// Every attribute but those.
fn steady(message: &[u8], volatile: &[u16]) -> String {
    let kept = attributes(message).into_iter().filter(|(number, _)| !volatile.contains(number));
    kept.map(|(number, value)| format!("{number}:{}", printable(value))).collect::<Vec<_>>().join(" ")
}

/// The rules, chains and policies of `iptables-save`, without what a packet cannot tell from nothing.
fn legacy(tool: &str, text: &str, section: &mut Section) {
    let mut table = "";
    let mut tables = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
            tables.insert(name);
        }
        let kept = match line.strip_prefix(':') {
            Some(chain) => {
                let words: Vec<&str> = chain.split(' ').collect();
                (words[1] != "ACCEPT").then(|| format!("{} policy {}", words[0], words[1]))
            }
            None => line.starts_with('-').then(|| line.to_owned()),
        };
        if let Some(kept) = kept {
            section.entry(format!("{tool} {table}")).or_default().push(kept);
        }
    }
}
