//! A rule's text taken apart, as far as anything here needs to understand it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::iptables::words;

/// A match with `!` before it or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match<T> {
    pub not: bool,
    pub value: T,
}

/// What a rule matches and does. What the parser does not know is only noted to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub source: Option<Match<IpNet>>,
    pub destination: Option<Match<IpNet>>,
    pub input: Option<Match<String>>,
    pub output: Option<Match<String>>,
    pub protocol: Option<Match<String>>,
    pub ports: Option<Match<(u16, u16)>>,
    /// `--dports` of the multiport match, which counts as unknown beside.
    pub several_ports: Vec<(u16, u16)>,
    pub states: Option<Match<Vec<String>>>,
    pub source_type: Option<Match<String>>,
    pub destination_type: Option<Match<String>>,
    pub comment: Option<String>,
    /// Whether it matches by something else too.
    pub unknown: bool,
    pub target: Option<String>,
    /// `--to-destination`, `--to-source` or `--to`.
    pub to: Option<String>,
}

impl Rule {
    /// Takes a rule apart; never fails, since anyone may write any rule.
    pub fn parse(text: &str) -> Self {
        let words = words(text);
        let mut rule = Self::default();
        let mut rest = words.iter().map(String::as_str);
        let mut not = false;
        while let Some(word) = rest.next() {
            match word {
                "!" => {
                    not = true;
                    continue;
                }
                _ if rule.target.is_some() => {
                    if matches!(word, "--to-destination" | "--to-source" | "--to") {
                        rule.to = rest.next().map(str::to_owned);
                    }
                }
                "-j" | "-g" => rule.target = rest.next().map(str::to_owned),
                word => rule.read_match(not, word, &mut rest),
            }
            not = false;
        }
        rule
    }

    /// Whether it matches every packet.
    pub fn is_for_all(&self) -> bool {
        let Self { source, destination, input, output, protocol, ports, states, source_type, destination_type, .. } =
            self;
        let nets = source.is_none() && destination.is_none() && source_type.is_none() && destination_type.is_none();
        let devices = input.is_none() && output.is_none();
        nets && devices && protocol.is_none() && ports.is_none() && states.is_none() && !self.unknown
    }

    fn read_match<'a>(&mut self, not: bool, word: &str, rest: &mut impl Iterator<Item = &'a str>) {
        // The module only announces its options.
        const KNOWN: [&str; 6] = ["comment", "conntrack", "state", "addrtype", "tcp", "udp"];
        let mut text = || Some(Match { not, value: rest.next()?.to_owned() });
        match word {
            "-i" => self.input = text(),
            "-o" => self.output = text(),
            "-p" => self.protocol = text(),
            "-s" => self.source = known(&mut self.unknown, text().and_then(network)),
            "-d" => self.destination = known(&mut self.unknown, text().and_then(network)),
            "--dport" => self.ports = known(&mut self.unknown, text().and_then(ports)),
            "--dports" => {
                self.unknown = true;
                let all = text().filter(|m| !m.not).map(|m| m.value).unwrap_or_default();
                self.several_ports = all.split(',').filter_map(port_range).collect();
            }
            "--ctstate" | "--state" => {
                self.states = text().map(|m| Match { not, value: m.value.split(',').map(str::to_owned).collect() });
            }
            "--src-type" => self.source_type = text(),
            "--dst-type" => self.destination_type = text(),
            // Narrows the type, which is as much as anybody here asks for.
            "--limit-iface-in" => {}
            "--comment" => self.comment = text().map(|m| m.value),
            "-m" => self.unknown |= text().is_none_or(|m| !KNOWN.contains(&m.value.as_str())),
            option if option.starts_with('-') => self.unknown = true,
            _ => {}
        }
    }
}

/// A match whose value was not understood must not look like none.
fn known<T>(unknown: &mut bool, value: Option<T>) -> Option<T> {
    *unknown |= value.is_none();
    value
}

fn network(m: Match<String>) -> Option<Match<IpNet>> {
    let value = m.value.parse().or_else(|_| m.value.parse::<IpAddr>().map(IpNet::from)).ok()?;
    Some(Match { not: m.not, value })
}

fn ports(m: Match<String>) -> Option<Match<(u16, u16)>> {
    Some(Match { not: m.not, value: port_range(&m.value)? })
}

/// `80`, or `80:90`.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

impl<T> Match<T> {
    /// The value, where it is not negated.
    pub fn positive(&self) -> Option<&T> {
        (!self.not).then_some(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_taken_apart() {
        let rule = Rule::parse(
            "! -s fe80::/10 -d ::1 -i br+ ! -o br0 -p tcp -m tcp --dport 80:90 -m conntrack --ctstate A,B -j DNAT --to-destination [::2]:1 --random",
        );
        assert!(rule.source.as_ref().unwrap().not);
        assert_eq!(rule.destination.unwrap().value, "::1/128".parse().unwrap());
        assert_eq!(rule.input.unwrap().value, "br+");
        assert!(rule.output.unwrap().not);
        assert_eq!(rule.ports.unwrap().value, (80, 90));
        assert_eq!(rule.states.unwrap().value, ["A", "B"]);
        assert_eq!(rule.to.as_deref(), Some("[::2]:1"));
        assert!(!rule.unknown);
    }

    #[test]
    fn what_it_does_not_know_is_noted_and_nothing_panics() {
        assert!(Rule::parse("-m set --match-set banned src -j DROP").unknown);
        assert!(!Rule::parse("-j REJECT --reject-with icmp-port-unreachable").unknown);
        for text in ["", "!", "-s", "-m", "--dport x -j", "-p", "\""] {
            let _ = Rule::parse(text);
        }
    }
}
