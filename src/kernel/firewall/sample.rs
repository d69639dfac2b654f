//! Many rules that differ in their ports alone, and one of each such sort. How a tool prints that one tells how it prints
//! the others, as far as a port is printed as it is written.

use std::{collections::HashMap, ops::Range};

use crate::model::snapshot::{Chain, Table};

/// From this many rules on it pays.
const WORTH_IT: usize = 32;

/// A rule without its ports: what stands before, between and after them, and which of them are the same as an earlier one.
/// `80:80` is printed otherwise than `80:90`.
type Sort = (Vec<String>, Vec<usize>);

/// Tables with one rule of each sort, and which of them each rule of the whole ones is like.
#[derive(Debug)]
pub struct Sample {
    /// The tables.
    pub tables: Vec<Table>,
    /// How many rules the whole ones have.
    pub of: usize,
    /// By table and chain, for each rule the place of the one that is like it.
    like: Vec<Vec<Vec<usize>>>,
}

impl Sample {
    /// Takes one; `None` where that would leave out little.
    pub fn of(tables: &[Table]) -> Option<Self> {
        let rules = count(tables);
        if rules < WORTH_IT {
            return None;
        }
        let mut sample = Self { tables: Vec::new(), of: rules, like: Vec::new() };
        for table in tables {
            let (chains, like) = table.chains.iter().map(of_chain).unzip();
            sample.tables.push(Table { chains, ..*table });
            sample.like.push(like);
        }
        (count(&sample.tables) <= rules / 2).then_some(sample)
    }

    /// The whole tables as they are printed, where the sample is `printed` so. `None` where that cannot be told.
    pub fn grow(&self, whole: &[Table], printed: Vec<Table>) -> Option<Vec<Table>> {
        let mut grown = Vec::with_capacity(printed.len());
        for (at, mut table) in printed.into_iter().enumerate() {
            for chain in &mut table.chains {
                let place = whole[at].chains.iter().position(|it| it.name == chain.name)?;
                let (written, sample) = (&whole[at].chains[place].rules, &self.tables[at].chains[place].rules);
                let forms = sample.iter().zip(&chain.rules).map(|(written, printed)| Form::of(written, printed));
                let forms: Vec<Form<'_>> = forms.collect::<Option<_>>()?;
                let like = written.iter().zip(&self.like[at][place]);
                chain.rules =
                    like.map(|(rule, &like)| Some(forms.get(like)?.filled_by(rule))).collect::<Option<_>>()?;
            }
            grown.push(table);
        }
        Some(grown)
    }
}

fn count(tables: &[Table]) -> usize {
    tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum()
}

fn of_chain(chain: &Chain) -> (Chain, Vec<usize>) {
    let mut sorts: HashMap<Sort, usize> = HashMap::new();
    let mut rules = Vec::new();
    let place = |rule: &String| {
        *sorts.entry(sort_of(rule)).or_insert_with(|| {
            rules.push(rule.clone());
            rules.len() - 1
        })
    };
    let like = chain.rules.iter().map(place).collect();
    (Chain { name: chain.name.clone(), policy: chain.policy.clone(), rules }, like)
}

fn sort_of(rule: &str) -> Sort {
    let ports = ports(rule);
    let values: Vec<&str> = ports.iter().map(|range| &rule[range.clone()]).collect();
    let same = values.iter().map(|value| values.iter().position(|it| it == value).unwrap_or_default()).collect();
    let starts = std::iter::once(0).chain(ports.iter().map(|range| range.end));
    let ends = ports.iter().map(|range| range.start).chain([rule.len()]);
    (starts.zip(ends).map(|(start, end)| rule[start..end].to_owned()).collect(), same)
}

/// A rule as it is printed, and from which port of what was written each of its own comes.
struct Form<'a> {
    printed: &'a str,
    ports: Vec<(Range<usize>, usize)>,
}

impl<'a> Form<'a> {
    fn of(written: &str, printed: &'a str) -> Option<Self> {
        let before = ports(written);
        let from = |range: Range<usize>| {
            let place = before.iter().position(|it| written[it.clone()] == printed[range.clone()])?;
            Some((range, place))
        };
        let ports: Vec<_> = ports(printed).into_iter().map(from).collect::<Option<_>>()?;
        (ports.len() == before.len()).then_some(Self { printed, ports })
    }

    /// The same with the ports of another rule of its sort.
    fn filled_by(&self, written: &str) -> String {
        let before = ports(written);
        let mut text = String::with_capacity(self.printed.len() + 4);
        let mut end = 0;
        for (range, place) in &self.ports {
            text.push_str(&self.printed[end..range.start]);
            text.push_str(&written[before[*place].clone()]);
            end = range.end;
        }
        text.push_str(&self.printed[end..]);
        text
    }
}

/// Where a rule names ports that are printed as they are written: `--dport 80` or `80:90`, and the end of
/// `--to-destination 10.0.0.1:80`.
fn ports(rule: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut option = "";
    let mut at = 0;
    for word in rule.split(' ') {
        match option {
            "--dport" => match word.split_once(':') {
                None => found.extend(port(word, at)),
                Some((first, last)) => {
                    let (first, last) = (port(first, at), port(last, at + first.len() + 1));
                    // The whole range and half of it have words of their own.
                    found.extend(first.zip(last).into_iter().flat_map(|(first, last)| [first, last]));
                }
            },
            "--to-destination" => {
                if let Some((host, last)) = word.rsplit_once(':').filter(|(host, _)| !host.ends_with(':')) {
                    // One that is part of an address of IPv6 has no bracket before it.
                    let is_port = !host.contains(':') || host.ends_with(']');
                    found.extend(port(last, at + host.len() + 1).filter(|_| is_port));
                }
            }
            _ => {}
        }
        option = word;
        at += word.len() + 1;
    }
    found
}

/// One that has no meaning beside itself: neither end of all ports, and no digit that could be dropped.
fn port(text: &str, at: usize) -> Option<Range<usize>> {
    let number: u16 = text.parse().ok()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && number != u16::MAX;
    plain.then_some(at..at + text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::{Family, TableName};

    fn named(rule: &str) -> Vec<&str> {
        ports(rule).into_iter().map(|range| &rule[range]).collect()
    }

    fn table(rules: Vec<String>) -> Table {
        let chain = |name: &str, rules| Chain { name: name.into(), policy: None, rules };
        let chains = vec![chain("A", rules), chain("B", vec!["-j ACCEPT".into()])];
        Table { family: Family::V4, name: TableName::Nat, chains }
    }

    fn forward(dport: &str, to: &str) -> String {
        format!("-p tcp -m tcp --dport {dport} -j DNAT --to-destination {to}")
    }

    #[test]
    fn ports_are_found_where_they_are_ports() {
        assert_eq!(named(&forward("80", "10.0.0.1:8080")), ["80", "8080"]);
        assert_eq!(named(&forward("80:90", "10.0.0.1")), ["80", "90"]);
        assert_eq!(named(&forward("80", "[fd00::1]:81")), ["80", "81"]);
        assert_eq!(named(&forward("0:90", "fd00::81")), Vec::<&str>::new());
        assert_eq!(named(&forward("1024:65535", "10.0.0.1:80-90/1000")), Vec::<&str>::new());
        assert_eq!(named("-s 10.0.0.1/32 --sport 7 -m comment --comment \"--dport 80\""), Vec::<&str>::new());
        assert_eq!(named("--dport"), Vec::<&str>::new());
        assert_eq!(named("--dport 080 --dport +80 --dport 70000"), Vec::<&str>::new());
    }

    #[test]
    fn one_of_each_sort_is_taken_and_tells_of_the_others() {
        let mut rules: Vec<String> =
            (0..50).map(|n| forward(&(1000 + n).to_string(), &format!("10.0.0.1:{}", 9000 + n))).collect();
        rules.extend((0..50).map(|n| forward(&(2000 + n).to_string(), &format!("10.0.0.1:{}", 2000 + n))));
        rules.insert(50, forward("53", "10.0.0.2"));
        let whole = [table(rules)];
        let sample = Sample::of(&whole).unwrap();
        assert_eq!(sample.tables[0].chains[0].rules.len(), 3);
        // A tool that prints the match first, and hosts with their length.
        let print = |rule: &String| {
            let rule = rule.replace("-p tcp -m tcp", "-m tcp -p 6").replace("10.0.0.1:", "10.0.0.1/32:");
            rule.replace("-m comment", "-m COMMENT")
        };
        let printed = |tables: &[Table]| -> Vec<Table> {
            let chain = |chain: &Chain| Chain { rules: chain.rules.iter().map(print).collect(), ..chain.clone() };
            tables.iter().map(|table| Table { chains: table.chains.iter().map(chain).collect(), ..*table }).collect()
        };
        assert_eq!(sample.grow(&whole, printed(&sample.tables)).unwrap(), printed(&whole));
    }

    #[test]
    fn what_the_tool_makes_of_ports_is_not_guessed() {
        let rules = (0..50).map(|n| forward(&format!("{}:{}", 1000 + n, 2000 + n), "10.0.0.1")).collect();
        let whole = [table(rules)];
        let sample = Sample::of(&whole).unwrap();
        for (from, to) in
            [("1000:2000", "1000"), ("1000:2000", "1000:2001"), ("--dport 1000:2000", "--dports 1000:2000")]
        {
            let mut printed = sample.tables.clone();
            printed[0].chains[0].rules[0] = printed[0].chains[0].rules[0].replace(from, to);
            assert_eq!(sample.grow(&whole, printed), None, "{to}");
        }
        let mut printed = sample.tables.clone();
        printed[0].chains[0].rules.clear();
        assert_eq!(sample.grow(&whole, printed), None);
    }

    #[test]
    fn few_rules_and_rules_of_many_sorts_are_taken_whole() {
        let few = (0..20).map(|n| forward(&(1000 + n).to_string(), "10.0.0.1")).collect();
        let many = (0..50).map(|n| forward("80", &format!("10.0.0.{n}"))).collect();
        assert!(Sample::of(&[table(few)]).is_none());
        assert!(Sample::of(&[table(many)]).is_none());
    }
}
