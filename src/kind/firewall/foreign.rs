//! Foreign rules that matter to us: what drops our traffic before we let it pass, and what clings to our chains.

use super::{
    compose::{Composed, overlap},
    names::{ChainKind, own_chain, own_jump},
    rule::{Match, Rule},
};
use crate::model::{
    Diagnostic, TopologyName,
    snapshot::{Chain, DroppingChain, Family, Table, TableName, Variant},
};

/// DROP and REJECT rules that stand before our jump in FORWARD, or in a chain that all traffic goes through there (such
/// as DOCKER-USER), or in one that the lab's traffic is sent to, and would catch that, in either packet filter. Only rules
/// are judged that match by what can be compared with ours: what depends on sets, marks or limits is let alone.
pub fn foreign_verdicts(composed: &Composed, wanted: &[Table], live: &[(Variant, Table)]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for table in wanted.iter().filter(|table| table.name == TableName::Filter) {
        let passed = passed(composed, wanted, table);
        for (variant, live) in live.iter().filter(|(_, t)| t.family == table.family && t.name == table.name) {
            let Some(forward) = live.chain("FORWARD") else { continue };
            let mut ahead = Vec::new();
            walk(live, ("FORWARD", before_our_jump(&composed.topology, forward)), &[], &mut ahead);
            for Met { chain, rule, way } in ahead {
                let parsed = Rule::parse(rule);
                let cut = |traffic: &Traffic| catches(&parsed, traffic) && way.iter().all(|jump| meets(jump, traffic));
                if way.iter().any(|jump| excludes(jump, &parsed)) {
                    continue;
                }
                let found = finding(composed, (*variant, table.family), chain, rule);
                if passed.iter().any(cut) && !findings.contains(&found) {
                    findings.push(found);
                }
            }
        }
    }
    findings
}

/// Chains of nf_tables with a policy of drop, which the lab's traffic has to pass beside ours: an accept in one chain does
/// not end the way through the others.
pub fn foreign_policies(composed: &Composed, wanted: &[Table], dropping: &[DroppingChain]) -> Vec<Diagnostic> {
    let passes = |chain: &&DroppingChain| {
        wanted.iter().any(|table| table.name == TableName::Filter && chain.family.holds(table.family))
    };
    let finding = |chain: &DroppingChain| {
        let (family, table, name) = (chain.family.as_str(), &chain.table, &chain.chain);
        let message = format!(
            "chain {name} of table {family} {table} in {} (nft) has a policy of drop: it stops what the topology lets pass, \
             unless its own rules take it",
            composed.namespace
        );
        Diagnostic::warning("firewall::foreign_policy", message).help(format!(
            "it is not ours to change; `nft list chain {family} {table} {name}` shows what it takes, and `netwright test` \
             whether that is enough"
        ))
    };
    dropping.iter().filter(passes).map(finding).collect()
}

/// The rules before our jump; none where it is missing, since it will be put first.
fn before_our_jump<'a>(topology: &TopologyName, forward: &'a Chain) -> &'a [String] {
    let jump = forward.rules.iter().position(|rule| own_jump(topology, TableName::Filter, rule));
    &forward.rules[..jump.unwrap_or(0)]
}

/// A rule that packets may meet.
struct Met<'a> {
    chain: &'a str,
    rule: &'a str,
    /// The jumps that lead there, but those that all packets take.
    way: Vec<Rule>,
}

/// All rules that packets may meet on their way through a chain's, those of the chains that they are sent to among them.
/// The kernel allows no loop of chains.
fn walk<'a>(table: &'a Table, (chain, rules): (&'a str, &'a [String]), way: &[Rule], met: &mut Vec<Met<'a>>) {
    for rule in rules {
        met.push(Met { chain, rule, way: way.to_vec() });
        let parsed = Rule::parse(rule);
        let Some(target) = &parsed.target else { continue };
        let next = table.chains.iter().find(|it| it.name == *target);
        match (next, parsed.is_for_all()) {
            (Some(next), true) => walk(table, (&next.name, &next.rules), way, met),
            (Some(next), false) => {
                let way: Vec<Rule> = way.iter().cloned().chain([parsed]).collect();
                walk(table, (&next.name, &next.rules), &way, met);
            }
            (None, true) if matches!(&**target, "ACCEPT" | "RETURN" | "DROP" | "REJECT") => return,
            (None, _) => {}
        }
    }
}

fn finding(composed: &Composed, place: (Variant, Family), chain: &str, rule: &str) -> Diagnostic {
    let tool = tool(place.0, place.1);
    Diagnostic::warning(
        "firewall::foreign_verdict",
        format!(
            "`{rule}` in {chain} of {} ({tool}) stands before the jump of {} and stops traffic that the topology lets pass",
            composed.namespace, composed.topology
        ),
    )
    .help(format!(
        "it is not ours to change; if the lab's traffic must pass, delete it (`{tool} -D {chain} {rule}`) or put it \
         behind the jump"
    ))
}

/// The program that speaks to that packet filter and family.
pub(super) fn tool(variant: Variant, family: Family) -> &'static str {
    match (variant, family) {
        (Variant::Nft, Family::V4) => "iptables-nft",
        (Variant::Nft, Family::V6) => "ip6tables-nft",
        (Variant::Legacy, Family::V4) => "iptables-legacy",
        (Variant::Legacy, Family::V6) => "ip6tables-legacy",
    }
}

/// Traffic that one of our rules lets pass.
struct Traffic {
    rule: Rule,
    /// Whether new connections are among it.
    new: bool,
    /// Where what comes in by its interface has its source, and what leaves has its destination.
    behind: Vec<ipnet::IpNet>,
}

fn passed(composed: &Composed, wanted: &[Table], table: &Table) -> Vec<Traffic> {
    let forwards = wanted.iter().any(|nat| {
        let dnat = |chain: &Chain| matches!(ChainKind::split(&chain.name), Some((ChainKind::Dnat, _)));
        nat.family == table.family && nat.chains.iter().any(dnat)
    });
    let own = |chain: &&Chain| own_chain(&composed.topology, TableName::Filter, &chain.name).is_some();
    let rules = table.chains.iter().filter(own).flat_map(|chain| &chain.rules);
    rules
        .map(|text| {
            let rule = Rule::parse(text);
            let new = rule.states.as_ref().is_none_or(|s| forwards && s.value.iter().any(|state| state == "DNAT"));
            let interface = rule.input.as_ref().or(rule.output.as_ref());
            let behind = interface.map(|name| composed.behind(&name.value, table.family)).unwrap_or_default();
            Traffic { rule, new, behind }
        })
        .collect()
}

/// Whether a foreign rule ends some of the traffic.
fn catches(foreign: &Rule, traffic: &Traffic) -> bool {
    matches!(foreign.target.as_deref(), Some("DROP" | "REJECT")) && meets(foreign, traffic)
}

/// Whether some of the traffic matches a foreign rule.
fn meets(foreign: &Rule, traffic: &Traffic) -> bool {
    if foreign.unknown || foreign.source_type.is_some() || foreign.destination_type.is_some() {
        return false;
    }
    let ours = &traffic.rule;
    // A rule about the way between two interfaces is somebody's own where ours does not say by which it lets pass.
    let named = |m: &Option<Match<String>>| m.as_ref().is_some_and(|m| !m.not);
    if ours.input.is_none() && ours.output.is_none() && named(&foreign.input) && named(&foreign.output) {
        return false;
    }
    let sources = if ours.input.is_some() { traffic.behind.as_slice() } else { &[] };
    let destinations = if ours.input.is_none() { traffic.behind.as_slice() } else { &[] };
    device(foreign.input.as_ref(), ours.input.as_ref())
        && device(foreign.output.as_ref(), ours.output.as_ref())
        && network(foreign.source.as_ref(), ours.source.as_ref(), sources)
        && network(foreign.destination.as_ref(), ours.destination.as_ref(), destinations)
        && state(foreign.states.as_ref(), traffic.new)
}

/// Whether nothing that takes a jump can match a rule behind it: they name two devices, or one and all but that.
fn excludes(jump: &Rule, rule: &Rule) -> bool {
    let two = |a: &Option<Match<String>>, b: &Option<Match<String>>| match (a, b) {
        (Some(a), Some(b)) => match (a.not, b.not) {
            (false, false) => !device(Some(a), Some(b)) && !device(Some(b), Some(a)),
            (true, false) => !device(Some(a), Some(b)),
            (false, true) => !device(Some(b), Some(a)),
            (true, true) => false,
        },
        _ => false,
    };
    two(&jump.input, &rule.input) || two(&jump.output, &rule.output)
}

fn device(foreign: Option<&Match<String>>, ours: Option<&Match<String>>) -> bool {
    let (Some(foreign), Some(ours)) = (foreign, ours) else { return true };
    let hit = match foreign.value.strip_suffix('+') {
        Some(start) => ours.value.starts_with(start),
        None => ours.value == foreign.value,
    };
    hit != foreign.not
}

fn network(foreign: Option<&Match<ipnet::IpNet>>, ours: Option<&Match<ipnet::IpNet>>, behind: &[ipnet::IpNet]) -> bool {
    let Some(foreign) = foreign else { return true };
    let hit = |net: &ipnet::IpNet| match foreign.not {
        false => overlap(&foreign.value, net),
        true => !foreign.value.contains(net),
    };
    match ours {
        Some(ours) => hit(&ours.value),
        None => behind.is_empty() || behind.iter().any(hit),
    }
}

fn state(foreign: Option<&Match<Vec<String>>>, new: bool) -> bool {
    let Some(foreign) = foreign else { return true };
    let hit = |state: &str| foreign.value.iter().any(|s| s == state) != foreign.not;
    hit("ESTABLISHED") || (new && hit("NEW"))
}

/// Foreign rules that jump to chains of ours, which keep the chains from being removed.
pub fn foreign_jumps(topology: &TopologyName, live: &[(Variant, Table)]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (_, table) in live {
        for chain in &table.chains {
            for rule in chain.rules.iter().filter(|rule| rule.contains("NW-")) {
                let target = Rule::parse(rule).target.unwrap_or_default();
                if own_chain(topology, table.name, &target).is_some() && !own_jump(topology, table.name, rule) {
                    findings.push(
                        Diagnostic::error(
                            "firewall::foreign_jump",
                            format!(
                                "`{rule}` in {} of table {} is not ours and leads to our chain {target}, which cannot be \
                                 removed while it does",
                                chain.name,
                                table.name.as_str()
                            ),
                        )
                        .help(format!("delete it: `-t {} -D {} {rule}`", table.name.as_str(), chain.name)),
                    );
                }
            }
        }
    }
    findings
}
