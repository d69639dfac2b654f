//! What the rules do to packets, with a FORWARD policy of DROP and bridge-nf on.

use netwright::{kind::firewall::compose, model::snapshot::Variant};

use crate::{
    lab::{apply_input, ask, build, input, judge, observe, serve},
    sandbox::{sandbox, sh},
};

/// From, to, and the answer: who answers, and the source that it saw.
const ANSWERS: [(&str, &str, &str); 31] = [
    // Out by the gateway, masqueraded.
    ("web", "203.0.113.1:7", "out 203.0.113.5"),
    ("web", "[fd00:9::1]:7", "out fd00:9::5"),
    // The true source stays between the lab's own subnets, and on one bridge.
    ("web", "192.168.1.2:7", "app 192.168.0.2"),
    ("app", "192.168.0.2:80", "web 192.168.1.2"),
    ("web", "[fd00:11::2]:7", "app fd00:10::2"),
    ("db", "192.168.0.2:80", "web 192.168.0.3"),
    ("db", "[fd00:10::2]:80", "web fd00:10::3"),
    // Behind a router on a bridge that the host only switches for: masqueraded all the same.
    ("cli", "203.0.113.1:7", "out 203.0.113.5"),
    ("cli", "[fd00:9::1]:7", "out fd00:9::5"),
    // A published port, from outside, with the true source.
    ("out", "203.0.113.5:8088", "web 203.0.113.1"),
    ("out", "[fd00:9::5]:8088", "web fd00:9::1"),
    // From the host itself, loopback too.
    ("", "203.0.113.5:8088", "web 192.168.0.1"),
    ("", "127.0.0.1:8088", "web 192.168.0.1"),
    ("", "[fd00:9::5]:8088", "web fd00:10::1"),
    // By hairpin: another member, and the target itself.
    ("db", "203.0.113.5:8088", "web 192.168.0.1"),
    ("web", "203.0.113.5:8088", "web 192.168.0.1"),
    ("db", "[fd00:9::5]:8088", "web fd00:10::1"),
    ("web", "[fd00:9::5]:8088", "web fd00:10::1"),
    ("app", "203.0.113.5:8088", "web 192.168.1.2"),
    // A forward on one address comes before the bare one.
    ("", "192.168.0.1:8088", "db 192.168.0.1"),
    // Ranges, kept and shifted.
    ("out", "203.0.113.5:9005", "db 203.0.113.1"),
    ("out", "[fd00:9::5]:9005", "db fd00:9::1"),
    ("out", "203.0.113.5:9105", "db 203.0.113.1"),
    ("out", "[fd00:9::5]:9105", "db fd00:9::1"),
    ("", "127.0.0.1:9105", "db 192.168.0.1"),
    // Dnat of an address that the host does not even have, and of a prefix.
    ("out", "198.51.100.7:80", "db 203.0.113.1"),
    ("", "198.51.100.7:80", "db 192.168.0.1"),
    ("web", "198.51.100.7:80", "db 192.168.0.1"),
    ("out", "198.51.100.18:80", "web 203.0.113.1"),
    ("out", "198.51.100.19:80", "db 203.0.113.1"),
    ("app", "198.51.100.19:80", "db 192.168.1.2"),
];

/// From, to: no answer.
const SILENCE: [(&str, &str); 5] = [
    ("out", "203.0.113.5:8089"),
    ("out", "198.51.100.8:80"),
    ("", "[::1]:8088"),
    ("out", "203.0.113.5:80"),
    ("web", "198.51.100.8:80"),
];

fn servers() {
    serve("web", 80);
    for port in [80, 9005, 19005] {
        serve("db", port);
    }
    serve("app", 7);
    serve("out", 7);
}

fn check() {
    let wrong: Vec<String> = ANSWERS
        .iter()
        .filter_map(|(from, to, answer)| {
            let got = ask(from, to);
            (got.as_deref() != Some(*answer)).then(|| format!("{from} -> {to}: {got:?}, not {answer}"))
        })
        .chain(SILENCE.iter().filter_map(|(from, to)| Some(format!("{from} -> {to}: {}", ask(from, to)?))))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", sh("iptables-nft-save; iptables-legacy-save"));
}

/// What must not work before the rules are there, or the proof would prove nothing.
fn check_without() {
    for (from, to) in [
        ("web", "203.0.113.1:7"),
        ("db", "192.168.0.2:80"),
        ("out", "203.0.113.5:8088"),
        ("out", "[fd00:9::5]:8088"),
        ("", "127.0.0.1:8088"),
        ("cli", "203.0.113.1:7"),
        ("out", "198.51.100.7:80"),
    ] {
        assert_eq!(ask(from, to), None, "{from} -> {to} without any rule");
    }
}

fn prove(policy: &str) {
    build();
    servers();
    sh(policy);
    check_without();
    apply_input(&input());
    check();
}

#[test]
fn in_the_nft_packet_filter() {
    sandbox("packets::in_the_nft_packet_filter", || {
        prove("iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP");
    });
}

#[test]
fn with_a_drop_policy_in_both_packet_filters() {
    sandbox("packets::with_a_drop_policy_in_both_packet_filters", || {
        prove(
            "for tool in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do $tool -P FORWARD DROP; done",
        );
    });
}

/// Makes `iptables-legacy` the machine's plain `iptables`, for this sandbox.
fn legacy_by_default() {
    sh("mount -t tmpfs tmpfs /etc/alternatives
        for family in iptables ip6tables; do for tool in '' -save -restore; do
            ln -s /usr/sbin/$family-legacy$tool /etc/alternatives/$family$tool; done; done");
}

#[test]
fn in_the_legacy_packet_filter_where_it_is_the_default() {
    sandbox("packets::in_the_legacy_packet_filter_where_it_is_the_default", || {
        legacy_by_default();
        prove("iptables-legacy -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP");
        let composed = compose(&input());
        let state = observe(&composed);
        assert_eq!(state.default_variant, Some(Variant::Legacy));
        assert!(judge(&composed, &state).is_same());
        assert_eq!(sh("nft list tables"), "", "the other packet filter is not begun");
    });
}

#[test]
fn what_is_in_one_packet_filter_stays_there_when_the_default_changes() {
    sandbox("packets::what_is_in_one_packet_filter_stays_there_when_the_default_changes", || {
        sh("for tool in iptables-legacy ip6tables-legacy; do
                $tool -t nat -N NW-POST-web-lab; $tool -P FORWARD DROP; done
            iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP");
        prove("true");
        let composed = compose(&input());
        let state = observe(&composed);
        assert_eq!(state.default_variant, Some(Variant::Nft));
        // The text that nft's tools print is the text that the legacy ones print.
        assert!(judge(&composed, &state).is_same(), "{:#?}", judge(&composed, &state).drifts);
        assert_eq!(sh("nft list tables"), "table ip filter\ntable ip6 filter\n");
    });
}

#[test]
fn behind_rules_like_those_of_docker() {
    sandbox("packets::behind_rules_like_those_of_docker", || {
        build();
        servers();
        apply_input(&input());
        sh("iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD 1 -j DOCKER-USER
            iptables -P FORWARD DROP
            iptables -I FORWARD 2 -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            iptables -t nat -N DOCKER; iptables -t nat -I PREROUTING 1 -m addrtype --dst-type LOCAL -j DOCKER
            iptables -t nat -I POSTROUTING 1 -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE");
        check();
    });
}

#[test]
fn without_notrack_a_bystanders_flow_is_not_masqueraded() {
    sandbox("packets::without_notrack_a_bystanders_flow_is_not_masqueraded", || {
        build();
        servers();
        apply_input(&input());
        assert_eq!(ask("cli", "203.0.113.1:7").as_deref(), Some("out 203.0.113.5"));
        sh("iptables -t raw -F NW-RAW-web-lab");
        assert_eq!(ask("cli", "203.0.113.1:7"), None, "so the rule is needed");
    });
}

#[test]
fn a_member_does_not_reach_what_listens_on_the_hosts_loopback() {
    sandbox("packets::a_member_does_not_reach_what_listens_on_the_hosts_loopback", || {
        build();
        serve("", 6000);
        sh("ip netns exec db sysctl -qw net.ipv4.conf.all.route_localnet=1
            ip -n db rule add pref 0 to 127.0.0.5 lookup 99
            ip -n db rule add pref 1 lookup local
            ip -n db rule del pref 0 lookup local
            ip -n db route add 127.0.0.5 via 192.168.0.1 src 192.168.0.3 table 99");
        assert_eq!(ask("db", "127.0.0.5:6000").as_deref(), Some(" 192.168.0.3"), "route_localnet lets it in");
        apply_input(&input());
        assert_eq!(ask("db", "127.0.0.5:6000"), None);
        sh("iptables -t raw -F NW-RAW-web-lab");
        assert_eq!(ask("db", "127.0.0.5:6000").as_deref(), Some(" 192.168.0.3"), "so the rule is needed");
    });
}
