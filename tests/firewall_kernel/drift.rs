//! Reading, comparing, repairing and removing.

use netwright::{
    kernel::{
        Kernel, Live, Outcome,
        firewall::{load, read, sample::Sample},
    },
    kind::firewall::{Composed, DriftKind, Presence, Protocol, compose, scripts, topologies_in},
    model::{
        Netns,
        snapshot::{Chain, Family, Table, TableName, Variant},
    },
    op::{Batch, Op, Step},
};

use crate::{
    lab::{apply, apply_input, forward, input, judge, observe},
    sandbox::{inside, sandbox, sh},
};

/// Every table of both packet filters, without the counters and dates.
fn saved() -> String {
    let text = sh("for tool in iptables ip6tables; do for variant in nft legacy; do
        echo \"== $tool-$variant\"; $tool-$variant-save; done; done");
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| match line.split_once(" [") {
        Some((chain, _)) if line.starts_with(':') => chain,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The saves without tables that hold nothing: what the tools leave behind, since they never remove a table.
fn without_empty_tables(saved: &str) -> String {
    let mut kept = Vec::new();
    let mut table: Vec<&str> = Vec::new();
    for line in saved.lines() {
        if line.starts_with("==") {
            kept.push(line);
            continue;
        }
        table.push(line);
        if line == "COMMIT" {
            let empty = |line: &&str| line.starts_with('*') || *line == "COMMIT" || line.ends_with(" ACCEPT");
            if !table.iter().all(empty) {
                kept.append(&mut table);
            }
            table.clear();
        }
    }
    kept.join("\n")
}

const FOREIGN: &str = "
    iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -A FORWARD -j DOCKER-USER
    iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -m comment --comment 'a \"quoted\" one' -j MASQUERADE
    iptables-legacy -A FORWARD -i eth9 -j DROP
    ip6tables -A INPUT -p tcp --dport 22 -j ACCEPT
    ip6tables -t raw -A PREROUTING -i eth9 -j DROP; iptables -t raw -A PREROUTING -i eth9 -j DROP
    ip6tables -t nat -A POSTROUTING -o eth9 -j MASQUERADE";

fn remove(composed: &Composed) {
    let state = read(&[]).unwrap();
    for script in scripts(&composed.topology, &[], &state.live, state.default_variant) {
        load(script.variant, script.family, &[(script.table, &script.text)]).unwrap();
    }
}

#[test]
fn an_empty_namespace_is_read_without_making_tables() {
    sandbox("drift::an_empty_namespace_is_read_without_making_tables", || {
        let state = read(&[]).unwrap();
        assert!(state.is_empty() && state.default_variant.is_none());
        assert_eq!(sh("nft list tables; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names"), "");
        let composed = compose(&input());
        let state = observe(&composed);
        assert!(state.live.is_empty(), "trying the rules out leaves nothing here");
        assert_eq!(sh("nft list tables; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names"), "");
        assert_eq!(state.wanted.len(), composed.tables.len());
    });
}

#[test]
fn what_was_loaded_reads_back_as_wanted_and_goes_without_a_trace() {
    sandbox("drift::what_was_loaded_reads_back_as_wanted_and_goes_without_a_trace", || {
        sh(FOREIGN);
        let before = saved();
        let composed = apply_input(&input());
        let comparison = judge(&composed, &observe(&composed));
        assert!(comparison.is_same(), "{:#?}", comparison.drifts);
        assert_eq!(comparison.findings, []);
        assert!(comparison.resources.values().all(|drift| drift.presence() == Presence::Same));
        assert!(apply(&composed).is_empty(), "a second apply does nothing");
        let state = read(&[]).unwrap();
        assert_eq!(
            topologies_in(&state.live).into_iter().collect::<Vec<_>>(),
            std::slice::from_ref(&composed.topology)
        );
        remove(&composed);
        assert_eq!(saved(), before, "every table was there before, so nothing remains");
    });
}

#[test]
fn with_no_tables_before_only_empty_tables_remain() {
    sandbox("drift::with_no_tables_before_only_empty_tables_remain", || {
        let composed = apply_input(&input());
        remove(&composed);
        let left = saved();
        assert_eq!(
            without_empty_tables(&left),
            "== iptables-nft\n== iptables-legacy\n== ip6tables-nft\n== ip6tables-legacy"
        );
        assert!(!left.contains("NW-"));
    });
}

#[test]
fn every_drift_is_seen_and_repaired() {
    sandbox("drift::every_drift_is_seen_and_repaired", || {
        sh(FOREIGN);
        let composed = apply_input(&input());
        for (damage, kinds) in [
            ("iptables -t nat -D NW-DNAT-web-lab 1", vec![DriftKind::RuleMissing]),
            ("ip6tables -t nat -F NW-POST-web-lab", vec![DriftKind::RuleMissing]),
            ("iptables -A NW-FWD-web-lab -s 10.0.0.0/8 -j DROP", vec![DriftKind::RuleExtra]),
            ("iptables -R NW-FWD-web-lab 1 -i br9 -j ACCEPT", vec![DriftKind::RuleMissing, DriftKind::RuleExtra]),
            ("iptables -D NW-FWD-web-lab 1; iptables -A NW-FWD-web-lab -i br0 -j ACCEPT", vec![DriftKind::RuleMoved]),
            (
                "iptables -D FORWARD -m comment --comment netwright:web-lab -j NW-FWD-web-lab",
                vec![DriftKind::JumpMissing],
            ),
            (
                "iptables -A FORWARD -m comment --comment netwright:web-lab -j NW-FWD-web-lab",
                vec![DriftKind::JumpExtra],
            ),
            ("iptables-legacy -D NW-FWD-web-lab 1", vec![DriftKind::RuleMissing]),
            (
                "iptables -t raw -D PREROUTING -m comment --comment netwright:web-lab -j NW-RAW-web-lab
                 iptables -t raw -F NW-RAW-web-lab; iptables -t raw -X NW-RAW-web-lab",
                vec![DriftKind::ChainMissing, DriftKind::JumpMissing, DriftKind::RuleMissing],
            ),
        ] {
            let good = saved();
            sh(damage);
            let damaged = saved();
            let comparison = judge(&composed, &observe(&composed));
            let mut seen: Vec<DriftKind> = comparison.drifts.iter().map(|drift| drift.kind).collect();
            seen.sort();
            seen.dedup();
            assert_eq!(seen, kinds, "{damage}\n{:#?}", comparison.drifts);
            // Taking a repair back is exact, and so is the repair.
            let repair = apply(&composed);
            for script in repair.iter().rev() {
                load(script.variant, script.family, &[(script.table, &script.undo)]).unwrap();
            }
            assert_eq!(saved(), damaged, "{damage}: taken back");
            apply(&composed);
            assert!(judge(&composed, &observe(&composed)).is_same(), "{damage}: repaired");
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                // A jump is put back at the head of its chain, wherever it stood.
                if kinds.contains(&DriftKind::JumpMissing) || kinds == [DriftKind::JumpExtra] {
                    lines.sort();
                }
                lines
            };
            assert_eq!(sorted(&saved()), sorted(&good), "{damage}: repaired");
        }
    });
}

#[test]
fn a_jump_that_others_were_put_before_is_left_where_it_is() {
    sandbox("drift::a_jump_that_others_were_put_before_is_left_where_it_is", || {
        let composed = apply_input(&input());
        sh(
            "iptables -N DOCKER-USER; iptables -I FORWARD 1 -j DOCKER-USER; iptables -I FORWARD 1 -i docker0 -o docker0 -j DROP",
        );
        let comparison = judge(&composed, &observe(&composed));
        assert!(comparison.is_same());
        assert_eq!(comparison.findings, []);
        sh("iptables -I FORWARD 1 -i br0 -p tcp --dport 25 -j REJECT");
        let comparison = judge(&composed, &observe(&composed));
        assert!(comparison.is_same());
        let finding = &comparison.findings[0];
        let named =
            "`-i br0 -p tcp -m tcp --dport 25 -j REJECT --reject-with icmp-port-unreachable` in FORWARD of host";
        assert!(finding.message.starts_with(named), "{}", finding.message);
    });
}

#[test]
fn rules_that_this_machine_cannot_do_are_named_before_anything_is_touched() {
    sandbox("drift::rules_that_this_machine_cannot_do_are_named_before_anything_is_touched", || {
        // The first is refused by the tool as it reads, the second by the kernel.
        for rule in ["-m nosuch -j ACCEPT", "-j MASQUERADE"] {
            let chain = |rules: &[&str]| Chain {
                name: "NW-FWD-t".into(),
                policy: None,
                rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            };
            let chains = vec![chain(&["-i br0 -j ACCEPT", rule])];
            let error = read(&[Table { family: Family::V4, name: TableName::Filter, chains }]).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("`-A NW-FWD-t {rule}`")), "{text}");
            assert!(text.starts_with("this machine cannot do the IPv4 firewall rules"), "{text}");
            assert_eq!(sh("nft list tables"), "");
        }
    });
}

#[test]
fn without_iptables_the_error_says_what_to_install() {
    sandbox("drift::without_iptables_the_error_says_what_to_install", || {
        sh("iptables-legacy -P FORWARD DROP; mount -t tmpfs tmpfs /usr/sbin");
        let error = read(&compose(&input()).tables).unwrap_err().to_string();
        assert!(error.starts_with("cannot read or change the legacy packet filter"), "{error}");
        let state = read(&[]).unwrap();
        assert!(state.is_empty() && state.default_variant.is_none(), "nothing is wanted, so nothing is needed");
        let error = inside_new_namespace(|| read(&compose(&input()).tables).unwrap_err().to_string());
        assert!(error.starts_with("gateways, nat and port forwards need iptables"), "{error}");
        assert!(error.contains("install the package `iptables` (Debian"), "{error}");
    });
}

fn inside_new_namespace<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    inside("", move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        work()
    })
}

#[test]
fn a_table_that_iptables_cannot_read_is_an_error_and_not_an_empty_one() {
    sandbox("drift::a_table_that_iptables_cannot_read_is_an_error_and_not_an_empty_one", || {
        sh("nft 'add table ip nat; add chain ip nat POSTROUTING { type nat hook postrouting priority 100; }'
            nft 'add rule ip nat POSTROUTING ip saddr @th,0,32 masquerade' 2>/dev/null \
                || nft 'add set ip nat x { type ipv4_addr; }; add rule ip nat POSTROUTING ip saddr @x masquerade'");
        let error = read(&compose(&input()).tables).unwrap_err().to_string();
        assert!(error.starts_with("cannot use the nat table of IPv4: it holds rules that were made by nft"), "{error}");
        assert!(read(&[]).unwrap().live.is_empty());
    });
}

#[test]
fn hundreds_of_forwards_are_one_load_and_read_back_the_same() {
    sandbox("drift::hundreds_of_forwards_are_one_load_and_read_back_the_same", || {
        let mut many = input();
        many.forwards =
            (0..300).map(|n| forward(None, Protocol::Tcp, (10_000 + n, 10_000 + n), "192.168.0.2", (80, 80))).collect();
        let composed = apply_input(&many);
        assert!(judge(&composed, &observe(&composed)).is_same());
        many.forwards.swap(10, 290);
        many.forwards.remove(150);
        let changed = compose(&many);
        let comparison = judge(&changed, &observe(&changed));
        let drifting: Vec<String> = comparison
            .resources
            .iter()
            .filter(|(_, it)| it.presence() != Presence::Same)
            .map(|(a, _)| a.to_string())
            .collect();
        assert_eq!(
            drifting,
            ["port_forward.host:tcp:10010", "port_forward.host:tcp:10150", "port_forward.host:tcp:10290"]
        );
    });
}

/// As many rules as tell it apart from printing them all.
#[test]
fn one_rule_of_each_sort_tells_how_the_tools_print_the_others() {
    sandbox("drift::one_rule_of_each_sort_tells_how_the_tools_print_the_others", || {
        let mut many = input();
        let forwards = |n: u16| {
            let (port, there) = (10_000 + n, 20_000 + 3 * n);
            [
                forward(None, Protocol::Tcp, (port, port), "192.168.0.2", (there, there)),
                forward(None, Protocol::Udp, (port, port), "192.168.0.2", (port, port)),
                forward(Some("203.0.113.5"), Protocol::Tcp, (port, port), "192.168.0.3", (there, there)),
                forward(Some("fd00:9::5"), Protocol::Tcp, (port, port), "fd00:10::3", (there, there)),
                forward(None, Protocol::Udp, (30_000 + 2 * n, 30_001 + 2 * n), "192.168.0.3", (40_000, 40_001)),
            ]
        };
        many.forwards = (0..30).flat_map(forwards).collect();
        let tables = compose(&many).tables;
        let sample = Sample::of(&tables).expect("many of one sort");
        assert!(sample.of <= 256, "outside the first user namespace more are printed whole: {}", sample.of);
        let told = read(&tables).unwrap().wanted;
        for (table, told) in tables.iter().zip(&told) {
            for (chain, told) in table.chains.iter().map(|chain| (chain, told.chain(&chain.name).unwrap())) {
                let mut printed: Vec<String> = Vec::new();
                for rules in chain.rules.chunks(20) {
                    let with = |it: &Chain| if it.name == chain.name { rules.to_vec() } else { Vec::new() };
                    let chains = table.chains.iter().map(|it| Chain { rules: with(it), ..it.clone() }).collect();
                    let whole = read(&[Table { chains, ..*table }]).unwrap().wanted;
                    printed.extend(whole[0].chain(&chain.name).unwrap().rules.iter().cloned());
                }
                assert_eq!(printed, told.rules);
            }
        }
    });
}

#[test]
fn more_rules_than_a_user_namespace_may_load_at_once_are_refused_with_the_remedy() {
    sandbox("drift::more_rules_than_a_user_namespace_may_load_at_once_are_refused_with_the_remedy", || {
        let mut many = input();
        many.forwards = (0..4000)
            .map(|n| forward(None, Protocol::Tcp, (10_000 + n, 10_000 + n), "192.168.0.2", (80, 80)))
            .collect();
        let error = read(&compose(&many).tables).unwrap_err().to_string();
        assert!(error.contains("raise the machine's net.core.wmem_max"), "{error}");
        assert!(!error.contains("`-A"), "no single rule is to blame: {error}");
    });
}

#[test]
fn a_load_that_fails_changes_nothing_and_says_why() {
    sandbox("drift::a_load_that_fails_changes_nothing_and_says_why", || {
        sh("iptables -N NW-FWD-t; iptables -A NW-FWD-t -i br0 -j ACCEPT; iptables -A FORWARD -j NW-FWD-t
            iptables-legacy -N NW-FWD-t; iptables-legacy -A FORWARD -j NW-FWD-t");
        let before = saved();
        for variant in [Variant::Nft, Variant::Legacy] {
            let script = "*filter\n-F NW-FWD-t\n-X NW-FWD-t\nCOMMIT\n";
            let error = load(variant, Family::V4, &[(TableName::Filter, script)]).unwrap_err().error.to_string();
            assert!(error.starts_with("cannot change the filter table of IPv4 with iptables-"), "{error}");
            assert_eq!(saved(), before);
        }
    });
}

/// As somebody's `iptables` is called: counted, with what it is called by.
const COUNTED: &str = r#"
    multi=$(readlink -f /usr/sbin/xtables-nft-multi); cp $multi /run/multi
    printf '#!/bin/bash\necho "$0" >> /run/called\nexec -a "$0" /run/multi "$@"\n' > /run/counts; chmod +x /run/counts
    mount --bind /run/counts $multi"#;

#[test]
fn what_nobody_has_changed_is_not_saved_again() {
    sandbox("drift::what_nobody_has_changed_is_not_saved_again", || {
        sh(
            "iptables -A FORWARD -i br0 -j ACCEPT; ip netns add other; ip netns exec other iptables -A FORWARD -i eth9 -j DROP",
        );
        sh(COUNTED);
        let saves = || sh("grep -c -- -save /run/called || true").trim().parse::<usize>().unwrap();
        let rules = || {
            let state = read(&[]).unwrap();
            let forward = state.live.iter().find_map(|(_, table)| table.chain("FORWARD")).unwrap();
            forward.rules.clone()
        };
        assert_eq!((rules(), saves()), (vec!["-i br0 -j ACCEPT".to_owned()], 1));
        assert_eq!((rules().len(), saves()), (1, 1));
        sh("iptables -A FORWARD -i br1 -j ACCEPT");
        assert_eq!((rules().len(), saves()), (2, 2), "somebody's change is seen");
        assert_eq!(inside("other", rules), ["-i eth9 -j DROP"], "another namespace has its own");
        assert_eq!((rules().len(), saves()), (2, 3));
        // The next one gets its inode, and as many transactions.
        sh(
            "ip netns del other; sleep 0.2; ip netns add other; ip netns exec other iptables -A FORWARD -i eth8 -j DROP",
        );
        assert_eq!(inside("other", rules), ["-i eth8 -j DROP"]);
    });
}

#[test]
fn tables_of_one_packet_filter_are_loaded_together_up_to_the_one_that_is_refused() {
    sandbox("drift::tables_of_one_packet_filter_are_loaded_together_up_to_the_one_that_is_refused", || {
        let load = |variant, table, rule: &str| Op::FirewallLoad {
            variant,
            family: Family::V4,
            table,
            script: format!("*{}\n:NW-T-t - [0:0]\n-A NW-T-t {rule}\nCOMMIT\n", table.as_str()),
        };
        let run = |ops: Vec<Op>| {
            let step = |op| Step { address: "firewall.host".parse().unwrap(), op };
            Live::new().unwrap().run(&Batch { netns: Netns::Host, steps: ops.into_iter().map(step).collect() })
        };
        let loaded = |variant: &str, table: &str| {
            !sh(&format!("iptables-{variant}-save -t {table} | grep NW-T || true")).is_empty()
        };
        for (variant, name) in [(Variant::Nft, "nft"), (Variant::Legacy, "legacy")] {
            let [raw, filter, nat] = [TableName::Raw, TableName::Filter, TableName::Nat];
            let ops = vec![
                load(variant, raw, "-i br0 -j ACCEPT"),
                load(variant, filter, "-i br0 -j NW-NOWHERE"),
                load(variant, nat, "-i br0 -j ACCEPT"),
            ];
            let error = run(ops).unwrap_err();
            let outcomes = [0, 1, 2].map(|place| error.outcome(place));
            assert_eq!(outcomes, [Outcome::Done, Outcome::Failed, Outcome::Untried], "{name}: {error}");
            assert!(
                error.to_string().starts_with(&format!("cannot change the filter table of IPv4 with iptables-{name}")),
                "{error}"
            );
            assert_eq!([loaded(name, "raw"), loaded(name, "filter"), loaded(name, "nat")], [true, false, false]);
        }
        sh(COUNTED);
        let nft = |table| load(Variant::Nft, table, "-i br0 -j ACCEPT");
        run(vec![nft(TableName::Raw), nft(TableName::Filter), nft(TableName::Nat)]).unwrap();
        assert_eq!(["raw", "filter", "nat"].map(|table| loaded("nft", table)), [true; 3]);
        assert_eq!(sh("grep -c -- -restore /run/called").trim(), "1");
    });
}

#[test]
fn tables_go_together_once_nobody_needs_them_and_nothing_is_in_them() {
    sandbox("drift::tables_go_together_once_nobody_needs_them_and_nothing_is_in_them", || {
        let [raw, filter, nat] = [TableName::Raw, TableName::Filter, TableName::Nat];
        let run = |ops: Vec<Op>| {
            let step = |op| Step { address: "firewall.host".parse().unwrap(), op };
            let steps = ops.into_iter().map(step).collect();
            Live::new().unwrap().run(&Batch { netns: Netns::Host, steps }).unwrap();
        };
        let borrow = |user: &str, table| Op::TableBorrow { family: Family::V4, table, user: user.parse().unwrap() };
        let back = |user: &str, table| Op::TableGiveBack { family: Family::V4, table, user: user.parse().unwrap() };
        let tables = || sh("nft list tables | grep -c 'table ip ' || true").trim().parse::<usize>().unwrap();
        for table in ["iptables -t raw", "iptables -t filter", "iptables -t nat", "ip6tables -t nat"] {
            sh(&format!("{table} -A OUTPUT -j ACCEPT; {table} -D OUTPUT -j ACCEPT"));
        }
        assert_eq!(tables(), 3);
        let every = [raw, filter, nat];
        run(every.iter().flat_map(|table| [borrow("one", *table), borrow("two", *table)]).collect());
        // Another topology needs them yet.
        run(every.map(|table| back("one", table)).into());
        assert_eq!(tables(), 3);
        // Somebody has put something into one.
        sh(
            "iptables -A FORWARD -i eth9 -j DROP; timeout 20 nft monitor > /run/told 2>&1 < /dev/null & echo $! > /run/monitor; sleep 0.3",
        );
        run(every.map(|table| back("two", table)).into());
        assert_eq!(sh("nft list tables").lines().collect::<Vec<_>>(), ["table ip filter", "table ip6 nat"]);
        let told = sh("sleep 0.2; kill $(cat /run/monitor); cat /run/told");
        assert_eq!(told.matches("new generation").count(), 1, "{told}");
        assert_eq!(sh("ls /run/netwright/.host"), "", "a record is left");
    });
}
