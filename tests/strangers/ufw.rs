//! Rules as ufw loads them: chains of its own that the built-in ones jump to, policies of DROP, and a restore that
//! replaces whole tables.

use crate::{
    company::{comes_and_goes, everything, holds},
    dump::Dump,
    run::{apply, expect},
    sandbox,
    shell::sh,
};

/// With `PING` standing for what a ping is in the family.
const RULES: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
:ufw-before-forward - [0:0]
:ufw-user-forward - [0:0]
:ufw-after-forward - [0:0]
:ufw-before-output - [0:0]
-A INPUT -j ufw-before-input
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-after-forward
-A OUTPUT -j ufw-before-output
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input PING -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
-A ufw-before-output -o lo -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22
-A POSTROUTING -o eth9 -j MASQUERADE
COMMIT
";

/// Replaces the tables, as `iptables-restore` without a word does, in both families.
fn load(variant: &str) {
    for (tool, ping) in [("iptables", "-p icmp"), ("ip6tables", "-p ipv6-icmp")] {
        std::fs::write("/run/ufw.rules", RULES.replace("PING", ping)).expect("a tmpfs");
        sh(&format!("{tool}{variant}-restore < /run/ufw.rules"));
    }
}

#[test]
fn its_chains_and_policies_stay_as_they_are() {
    sandbox::run(|| {
        let path = everything();
        load("");
        comes_and_goes(&path, || {});
    });
}

/// It is reloaded with the lab up: what was in its tables is gone, shows, and comes back.
fn reload(variant: &str, words: &[&str]) {
    let path = everything();
    load(variant);
    let before = Dump::settled();
    apply(&path);
    holds(&path);
    let up = Dump::settled();
    load(variant);
    expect(&["plan", &path, "-detailed-exitcode"], 2, words);
    apply(&path);
    holds(&path);
    assert_eq!(up.diff(&Dump::take()), "", "all that was replaced is there again");
    load(variant);
    expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
    before.assert_restored("destroy");
}

#[test]
fn a_restore_of_whole_tables_shows_and_is_repaired() {
    sandbox::run(|| {
        let words = [
            "# firewall.host will be updated in-place",
            "# gateway.br0 will be updated in-place",
            "# nat.host:masquerade:10.1.0.0/24 will be created",
        ];
        reload("", &words);
    });
}

#[test]
fn so_does_one_of_the_legacy_tables() {
    sandbox::run(|| {
        reload("-legacy", &["# firewall.host will be updated in-place", "# gateway.br0 will be updated in-place"]);
    });
}

#[test]
fn it_is_enabled_after_the_lab_and_disabled_before_it_goes() {
    sandbox::run(|| {
        let path = everything();
        let clean = Dump::settled();
        apply(&path);
        load("");
        apply(&path);
        holds(&path);
        // A disable flushes the built-in chains and deletes its own.
        for tool in ["iptables", "ip6tables"] {
            sh(&format!(
                "for chain in INPUT FORWARD OUTPUT; do {tool} -P $chain ACCEPT; {tool} -F $chain; done
                 for chain in $({tool} -S | sed -n 's/^-N \\(ufw-.*\\)/\\1/p'); do {tool} -F $chain; done
                 for chain in $({tool} -S | sed -n 's/^-N \\(ufw-.*\\)/\\1/p'); do {tool} -X $chain; done
                 {tool} -t nat -F PREROUTING; {tool} -t nat -F POSTROUTING"
            ));
        }
        // Its flush took our jumps along.
        expect(&["plan", &path, "-detailed-exitcode"], 2, &["# firewall.host will be updated in-place"]);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        clean.assert_restored("destroy");
    });
}
