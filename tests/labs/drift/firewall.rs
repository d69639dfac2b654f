//! Our chains: emptied, with a rule less or one more, in another order, or without their jump.

use super::{Found, Place};

/// How the names of our chains begin.
const CHAINS: &str = "NW-";

pub fn drifts(place: &Place, found: &mut Found) {
    for tool in ["iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy"] {
        let saved = place.run(&format!("{tool}-save"));
        let mut lines = saved.lines();
        while let Some(line) = lines.next() {
            if let Some(table) = line.strip_prefix('*') {
                let rules: Vec<&str> = lines.by_ref().take_while(|it| *it != "COMMIT").collect();
                of_table(place, &format!("{tool} -t {table}"), &rules, found);
            }
        }
    }
}

/// `command` is the tool with its table, `lines` what it saves of that table.
fn of_table(place: &Place, command: &str, lines: &[&str], found: &mut Found) {
    for line in lines {
        if let Some(chain) = line.strip_prefix(':').filter(|it| it.starts_with(CHAINS)) {
            let chain = chain.split(' ').next().expect("a name");
            let start = format!("-A {chain} ");
            let rules: Vec<&str> = lines.iter().filter_map(|it| it.strip_prefix(&start)).collect();
            of_chain(place, command, chain, &rules, found);
        } else if let Some(jump) = line.strip_prefix("-A ").filter(|it| it.contains(&format!("-j {CHAINS}"))) {
            let from = jump.split(' ').next().expect("a chain");
            if !from.starts_with(CHAINS) {
                // Published ports are the only way in: without this jump they are no more.
                let cuts = from == "PREROUTING" && command.ends_with("-t nat");
                let sort = format!("{command} {from}");
                found.add(place, &sort, "no jump", from, format!("{command} -D {jump}")).cuts_if(cuts);
            }
        }
    }
}

fn of_chain(place: &Place, command: &str, chain: &str, rules: &[&str], found: &mut Found) {
    let sort = format!("{command} {chain}");
    let more = "-s 192.0.2.1 -j ACCEPT";
    let mut add = |way, script| {
        found.add(place, &sort, way, chain, script);
    };
    add("a rule in front", format!("{command} -I {chain} 1 {more}"));
    add("a rule at the end", format!("{command} -A {chain} {more}"));
    if let [first, .., last] = rules {
        add("a rule less", format!("{command} -D {chain} 1"));
        let other_order = format!("{command} -D {chain} {}; {command} -I {chain} 1 {last}", rules.len());
        if first != last {
            add("another order", other_order);
        }
    }
    if !rules.is_empty() {
        add("emptied", format!("{command} -F {chain}"));
    }
}
