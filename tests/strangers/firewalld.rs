//! A ruleset as firewalld loads it: one table of nft's own with base chains at several priorities, a policy among them,
//! deleted and loaded again when somebody changes a zone.

use crate::{
    company::{comes_and_goes, everything, holds, nothing_is_lost},
    dump::Dump,
    run::{apply, expect},
    sandbox,
    shell::sh,
};

const RULESET: &str = r#"
table inet firewalld {
    chain raw_prerouting {
        type filter hook prerouting priority raw + 10; policy accept;
        icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
        meta nfproto ipv6 fib saddr . iif oif missing drop
    }
    chain filter_input {
        type filter hook input priority filter + 10; policy accept;
        ct state { established, related } accept
        iifname "lo" accept
        iifname "br0" accept
        meta l4proto { icmp, ipv6-icmp } accept
        tcp dport 22 accept
        reject with icmpx admin-prohibited
    }
    chain filter_forward {
        type filter hook forward priority filter + 10; policy drop;
        ct state { established, related } accept
        ct status dnat accept
        jump zones
    }
    chain zones {
        iifname { "br0", "tun0" } accept
    }
    chain filter_output {
        type filter hook output priority filter + 10; policy accept;
        oifname "lo" accept
    }
    chain nat_prerouting {
        type nat hook prerouting priority dstnat + 10; policy accept;
        tcp dport 2222 redirect to :22
    }
    chain nat_postrouting {
        type nat hook postrouting priority srcnat + 10; policy accept;
        oifname "eth9" masquerade
    }
}
"#;

fn load() {
    std::fs::write("/run/firewalld.nft", RULESET).expect("a tmpfs");
    sh("nft -f /run/firewalld.nft");
}

#[test]
fn its_table_stays_as_it_is() {
    sandbox::run(|| {
        let path = everything();
        load();
        comes_and_goes(&path, || {});
    });
}

#[test]
fn a_flush_of_everything_shows_and_is_repaired() {
    sandbox::run(|| {
        let path = everything();
        load();
        let before = Dump::settled();
        apply(&path);
        let up = Dump::settled();
        sh("nft flush ruleset");
        load();
        let words = [
            "# firewall.host will be created",
            "# gateway.br0 will be updated in-place",
            "# nat.host:masquerade:10.1.0.0/24 will be created",
            "# port_forward.host:tcp:8088 will be created",
        ];
        expect(&["plan", &path, "-detailed-exitcode"], 2, &words);
        let theirs = sh("nft --stateless list table inet firewalld");
        apply(&path);
        holds(&path);
        assert_eq!(sh("nft --stateless list table inet firewalld"), theirs);
        assert_eq!(up.diff(&Dump::take()), "", "all that was flushed is there again");
        // Flushed once more, and then there is nothing of the rules to take away.
        sh("nft flush ruleset");
        load();
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        before.assert_restored("destroy");
    });
}

#[test]
fn it_starts_after_the_lab_and_is_reloaded() {
    sandbox::run(|| {
        let path = everything();
        load();
        let alone = Dump::settled();
        sh("nft delete table inet firewalld");
        apply(&path);
        let lab = Dump::settled();
        load();
        holds(&path);
        nothing_is_lost(&lab);
        sh("nft delete table inet firewalld");
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
        load();
        holds(&path);
        nothing_is_lost(&lab);
        expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete!"]);
        alone.assert_restored("destroy");
    });
}
