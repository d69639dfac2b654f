//! Everything that a sandbox's kernel holds of networks, as lines of text: what two dumps have different is a diff that
//! reads. Read with the machine's own tools, never with the code under test.
//!
//! Left out, since it differs between two readings of a network that is the same:
//! - indexes (`ifindex`, `link_index`, `link_netnsid`) and a bridge's numbers for its ports: handed out anew; names stand for them;
//! - counters, and the rates and ages that go with them;
//! - timers of bridges and their ports, the count of learned addresses, the forwarding database and neighbours, which
//!   traffic fills;
//! - `tentative`, lifetimes and `expires`: duplicate address detection and router advertisements on their way;
//! - built-in chains that are empty and accept, and tables with nothing else: iptables makes them when it looks, and
//!   leaves them behind when the last rule goes (nft-backed and legacy alike); a packet cannot tell them from none;
//! - sysctls that cannot be read, or that are a secret made up by the kernel for each namespace.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use serde_json::Value;

/// Keys, or ends of their paths, of `ip -d -j link` and `ip -j address` that are left out.
const VOLATILE: [&str; 24] = [
    "info_slave_data id",
    "info_slave_data no",
    "designated_port",
    "ifindex",
    "link_index",
    "link_netnsid",
    "hello_timer",
    "tcn_timer",
    "topology_change_timer",
    "gc_timer",
    "hold_timer",
    "message_age_timer",
    "forward_delay_timer",
    "topology_change",
    "topology_change_detected",
    "topology_change_ack",
    "config_pending",
    "fdb_n_learned",
    "multicast_router",
    "tentative",
    "dadfailed",
    "valid_life_time",
    "preferred_life_time",
    "stats64",
];

/// Parts of the names of sysctls that are left out.
const VOLATILE_SYSCTLS: [&str; 3] = ["stable_secret", "tcp_fastopen_key", "nf_conntrack_count"];

/// A kernel's networks at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump(Vec<String>);

impl Dump {
    /// Reads the host and every namespace under `/run/netns`.
    pub fn take() -> Self {
        let mut lines = Vec::new();
        namespace("host", &[], &mut lines);
        for name in netns_names() {
            lines.push(format!("{name} namespace"));
            let file = format!("--net=/run/netns/{name}");
            namespace(&name, &["nsenter", &file, "--"], &mut lines);
        }
        Self(lines)
    }

    /// Reads when the kernel has come to rest. It tells of carrier up to a second late, and makes addresses only then.
    pub fn settled() -> Self {
        let (mut last, mut quiet) = (Self::take(), 0);
        for _ in 0..40 {
            std::thread::sleep(Duration::from_millis(200));
            let next = Self::take();
            quiet = if next == last && !duplicate_detection_runs() { quiet + 1 } else { 0 };
            if quiet == 6 {
                return next;
            }
            last = next;
        }
        panic!("the kernel's networks did not come to rest:\n{}", last.diff(&Self::take()));
    }

    /// Panics with the difference where the kernel does not come to hold what it held then. It gets a moment for that:
    /// it deletes namespaces, and the ends of veth pairs in them, behind our back.
    pub fn assert_restored(&self, after: &str) {
        for _ in 0..15 {
            if Self::take() == *self {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("after {after} the kernel is not as it was before:\n{}", self.diff(&Self::take()));
    }

    /// What `other` has more (`+`) and less (`-`). Of a namespace or a device that only one of them has, the name says
    /// it all: its settings are left out.
    pub fn diff(&self, other: &Self) -> String {
        let diff = similar::TextDiff::from_slices(&self.slices(), &other.slices());
        let common: BTreeSet<String> = self.owners().intersection(&other.owners()).cloned().collect();
        let changed = diff.iter_all_changes().filter(|it| it.tag() != similar::ChangeTag::Equal);
        let told =
            changed.filter(|it| is_owner(it.value()) || owners_of(it.value()).iter().all(|o| common.contains(o)));
        told.map(|it| format!("{}{}\n", it.tag(), it.value())).collect()
    }

    /// The lines that stand for a namespace or a device.
    fn owners(&self) -> BTreeSet<String> {
        self.0.iter().filter(|line| is_owner(line)).cloned().collect()
    }

    fn slices(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

/// Whether a line stands for a whole namespace (`red namespace`) or device (`red link eth0`).
fn is_owner(line: &str) -> bool {
    matches!(line.split(' ').collect::<Vec<_>>()[..], [_, "namespace"] | [_, "link", _])
}

/// The lines that stand for what this line is a setting of.
fn owners_of(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut owners = Vec::new();
    if words[0] != "host" {
        owners.push(format!("{} namespace", words[0]));
    }
    let device = match words[1] {
        "link" | "address" => Some(words[2]),
        "sysctl" => {
            let path: Vec<&str> = words[2].splitn(5, '/').collect();
            let of_device =
                path.len() == 5 && matches!(path[2], "conf" | "neigh") && !matches!(path[3], "all" | "default");
            of_device.then(|| path[3])
        }
        _ => None,
    };
    owners.extend(device.map(|it| format!("{} link {it}", words[0])));
    owners
}

/// The names under `/run/netns`.
pub fn netns_names() -> BTreeSet<String> {
    let Ok(files) = fs::read_dir("/run/netns") else { return BTreeSet::new() };
    files.map(|file| file.expect("an entry").file_name().into_string().expect("a name in UTF-8")).collect()
}

/// Whether an IPv6 address waits for a duplicate to answer; without carrier it waits for ever, which counts as rest.
fn duplicate_detection_runs() -> bool {
    let waits = |enter: &[&str]| {
        let parsed: Value = serde_json::from_str(&run(enter, "ip -j address show tentative up")).expect("json");
        let carrier = |link: &Value| link["flags"].as_array().is_some_and(|it| it.contains(&"LOWER_UP".into()));
        // It tells of devices without any address, too.
        let detects = |link: &Value| link["addr_info"].as_array().is_some_and(|it| !it.is_empty());
        parsed.as_array().expect("a list").iter().any(|link| detects(link) && carrier(link))
    };
    let inside = |name: String| waits(&["nsenter", &format!("--net=/run/netns/{name}"), "--"]);
    waits(&[]) || netns_names().into_iter().any(inside)
}

/// One namespace; `enter` is put before every command.
fn namespace(name: &str, enter: &[&str], lines: &mut Vec<String>) {
    let run = |command: &str| run(enter, command);
    for (what, command) in [("link", "ip -d -j link show"), ("address", "ip -j address show")] {
        let parsed: Value = serde_json::from_str(&run(command)).expect(command);
        let mut section = Vec::new();
        for link in parsed.as_array().expect(command) {
            let title = format!("{name} {what} {}", link["ifname"].as_str().expect("every link has a name"));
            if what == "link" {
                section.push(title.clone());
                flatten(&title, link, &mut section);
            } else {
                flatten(&title, &link["addr_info"], &mut section);
            }
        }
        section.sort();
        lines.append(&mut section);
    }
    for (what, command) in [
        ("route", "ip -d -4 route show table all"),
        ("route", "ip -d -6 route show table all"),
        ("rule", "ip -4 rule show"),
        ("rule", "ip -6 rule show"),
        ("nexthop", "ip nexthop show"),
    ] {
        let text = run(command);
        let mut section: Vec<String> = text.lines().map(|line| format!("{name} {what} {}", steady(line))).collect();
        section.sort();
        lines.append(&mut section);
    }
    for tool in ["iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy"] {
        let rules = filter_rules(&run(&format!("{tool}-save")));
        lines.extend(rules.into_iter().map(|rule| format!("{name} {tool} {rule}")));
    }
    lines.extend(nft_rules(&run("nft --stateless list ruleset")).into_iter().map(|rule| format!("{name} nft {rule}")));
    let folders = "/proc/sys/net/ipv4 /proc/sys/net/ipv6 $(ls -d /proc/sys/net/bridge 2>/dev/null)";
    let sysctls = run(&format!("grep --recursive --no-messages '' {folders} || true"));
    let steady = |line: &&str| !VOLATILE_SYSCTLS.iter().any(|part| line.contains(part));
    let mut section: Vec<String> = sysctls
        .lines()
        .filter(steady)
        .map(|line| format!("{name} sysctl {}", line.strip_prefix("/proc/sys/").expect("a sysctl's path")))
        .collect();
    section.sort();
    assert!(section.len() > 100, "{name}: sysctls were not read");
    lines.append(&mut section);
}

/// What a command prints; it has to succeed.
fn run(enter: &[&str], command: &str) -> String {
    let words = enter.iter().copied().chain(["sh", "-c", command]).collect::<Vec<_>>();
    let output = Command::new(words[0]).args(&words[1..]).output().expect(words[0]);
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("tools print text")
}

/// One line for every leaf, its path in front.
fn flatten(title: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = format!("{title} {key}");
                if !VOLATILE.iter().any(|it| path.strip_suffix(it).is_some_and(|rest| rest.ends_with(' '))) {
                    flatten(&path, value, lines);
                }
            }
        }
        Value::Array(items) if items.iter().all(Value::is_object) => {
            for item in items {
                // Addresses: their order is the order of their making, their text is what tells them apart.
                let key = item["local"].as_str().map(|it| format!(" {it}/{}", item["prefixlen"]));
                flatten(&format!("{title}{}", key.unwrap_or_default()), item, lines);
            }
        }
        Value::Array(items) => {
            let mut words: Vec<String> = items.iter().map(Value::to_string).collect();
            words.sort();
            lines.push(format!("{title} = {}", words.join(" ")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => lines.push(format!("{title} = {value}")),
    }
}

/// A route's line without the time that it has left.
fn steady(line: &str) -> String {
    let mut words = line.split_whitespace();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "expires" => drop(words.next()),
            word => kept.push(word),
        }
    }
    kept.join(" ")
}

/// The rules, chains and policies of `iptables-save`, in their order, each with its table in front; without counters and
/// without what the kernel does not tell from nothing.
fn filter_rules(text: &str) -> Vec<String> {
    let mut tables: Vec<Vec<String>> = Vec::new();
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
            tables.push(Vec::new());
        } else if let Some(chain) = line.strip_prefix(':') {
            let (chain, policy) = chain.split_once(' ').expect("a chain has a policy");
            let policy = policy.split_whitespace().next().expect("a chain has a policy");
            if policy != "ACCEPT" {
                tables.last_mut().expect("chains follow a table").push(format!("{table} {chain} policy {policy}"));
            }
        } else if line.starts_with('-') {
            tables.last_mut().expect("rules follow a table").push(format!("{table} {line}"));
        }
    }
    // The order of tables is that of their making.
    tables.sort();
    tables.concat()
}

/// The lines of `nft list ruleset` that mean something, each with its table and chain in front.
fn nft_rules(text: &str) -> Vec<String> {
    let (mut table, mut chain) = (String::new(), String::new());
    let mut tables: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        let depth = line.len() - line.trim_start_matches('\t').len();
        let line = line.trim();
        match (depth, line) {
            (_, "" | "}") => {}
            (0, title) => {
                table = title.trim_end_matches(" {").to_owned();
                tables.push(Vec::new());
            }
            (1, title) => {
                chain = title.trim_end_matches(" {").to_owned();
                let lines = tables.last_mut().expect("chains follow a table");
                // A chain that somebody made and left empty is something; a built-in one speaks by its hook line.
                lines.push(format!("{table} {chain}"));
            }
            (_, hook) if hook.starts_with("type ") && hook.ends_with("policy accept;") => {
                let lines = tables.last_mut().expect("chains follow a table");
                lines.retain(|it| *it != format!("{table} {chain}"));
            }
            (_, rule) => tables.last_mut().expect("rules follow a table").push(format!("{table} {chain} {rule}")),
        }
    }
    tables.sort();
    tables.concat()
}
