//! Saved plans on the real kernel by the binary: each is bound to the state that it was made from. Whatever changes of what
//! it touches or relies on is named and refused, and nothing is done; what is unrelated stands in nobody's way.

#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;
#[path = "common/two_bridges.rs"]
mod two_bridges;

use std::{
    fs,
    net::{TcpListener, UdpSocket},
};

use run::{apply, expect, file};
use shell::sh;
use two_bridges::LAB;

const STALE: &str = "Saved plan is stale";

/// Everything that a refused plan must leave alone.
fn state() -> String {
    sh(r#"for at in '' $(ls /run/netns 2>/dev/null); do
            ip ${at:+-n $at} -o link | sed -E 's/<[^>]*>//; s/ state [A-Z]+ / /'
            ip ${at:+-n $at} -o addr | grep -v fe80 || true
            ip ${at:+-n $at} route | sed 's/ linkdown//'
        done
        iptables-save | grep -v '^#' || true
        cat /proc/sys/net/ipv4/ip_forward"#)
}

/// Plans, does damage, and wants a refusal with these words that has changed nothing.
#[track_caller]
fn refused(plan: &[&str], damage: &str, words: &[&str]) {
    let arguments: Vec<&str> = ["plan"].into_iter().chain(plan.iter().copied()).chain(["-out", "/run/plan"]).collect();
    expect(&arguments, 0, &["Saved the plan to"]);
    sh(damage);
    let before = state();
    let said = expect(&["apply", "/run/plan"], 1, words);
    assert!(said.contains(STALE), "after {damage}:\n{said}");
    assert_eq!(state(), before, "after {damage}: a refused plan changed something:\n{said}");
}

/// Somebody's host: an uplink, a NIC, a bridge.
const HOST: &str = "
    ip link add up0 type veth peer name isp0; ip link set up0 up; ip link set isp0 up; ip addr add 192.0.2.10/24 dev up0
    ip link add nic0 type veth peer name wire0; ip link set nic0 up; ip link set wire0 up
    ip link add br-ext type bridge; ip link set br-ext up; ip addr add 10.5.0.1/24 dev br-ext";

/// A lab that relies on all of it.
const RELIANT: &str = "
name: lab
namespaces:
  web: {}
  db: {}
  host: { routes: [{ to: 10.9.0.0/16, via: 192.0.2.9, src: 192.0.2.10 }] }
bridges:
  br0: { addresses: [10.1.0.1/24] }
  lan: { ports: [nic0] }
  ext: { external: true, interface: br-ext }
links:
  - endpoints: ['web:eth0 10.1.0.2/24', br0]
  - endpoints: ['db:eth0 10.5.0.9/24', ext]
gateways: [{ bridge: br0 }]
nat: [{ masquerade: 10.1.0.0/24, out: up0 }]
port_forwards: [{ listen: 8080, to: 'web:80' }]
";

#[test]
fn what_a_plan_relies_on_and_does_not_make_is_told_and_must_be_the_same() {
    sandbox::run(|| {
        sh(HOST);
        let path = file("lab", RELIANT);
        let plan = [&*path];
        expect(&["plan", &path, "-out", "/run/plan"], 0, &[]);
        let relied = [
            "the bridge `br-ext` in `host` (index ",
            "the device `nic0` in `host` (index ",
            "192.0.2.9 from the host by `up0`",
        ];
        expect(&["show", "/run/plan"], 0, &relied);
        let bridge = "ip link del br-ext; ip link add br-ext type bridge; ip link set br-ext up; ip addr add 10.5.0.1/24 dev br-ext";
        refused(&plan, bridge, &["link.db:eth0: the bridge `br-ext` in `host` is another one than then (index "]);
        refused(&plan, "ip link set br-ext down", &["link.db:eth0: the bridge `br-ext` in `host` is down, was up"]);
        refused(
            &plan,
            "ip link del br-ext",
            &["the bridge `br-ext` in `host` is not there any more", "[conflict::no_bridge]"],
        );
        sh("ip link add br-ext type bridge; ip link set br-ext up; ip addr add 10.5.0.1/24 dev br-ext");
        let nic = "ip link del nic0; ip link add nic0 type veth peer name wire0; ip link set nic0 up";
        refused(&plan, nic, &["bridge.lan: the device `nic0` in `host` is another one than then (index "]);
        refused(
            &plan,
            "ip link set nic0 master br-ext",
            &["bridge.lan: the device `nic0` in `host`: `bridge` is br-ext, was none"],
        );
        refused(
            &plan,
            "ip link set nic0 nomaster; ip link set nic0 down",
            &["the device `nic0` in `host` is down, was up"],
        );
        let uplink = "ip link del up0; ip link add up0 type veth peer name isp0; ip link set isp0 up; ip link set up0 up; ip addr add 192.0.2.10/24 dev up0";
        refused(&plan, uplink, &["the device `up0` in `host` is another one than then (index "]);
        refused(
            &plan,
            "ip addr del 192.0.2.10/24 dev up0",
            &["route.host:10.9.0.0/16: 192.0.2.9 from the host is not reached any more, was by `up0`"],
        );
        sh("ip addr add 192.0.2.10/24 dev up0");
        refused(
            &plan,
            "ip addr del 192.0.2.10/24 dev up0; ip addr add 192.0.2.11/24 dev up0",
            &["route.host:10.9.0.0/16: the address 192.0.2.10 of the host is not there any more, was on `up0`"],
        );
        sh("ip addr flush dev up0; ip addr add 192.0.2.10/24 dev up0");
        refused(
            &plan,
            "ip route add 192.0.2.8/31 dev br-ext",
            &["192.0.2.9 from the host is reached by `br-ext`, was by `up0`"],
        );
        sh("ip route del 192.0.2.8/31 dev br-ext");
        refused(
            &plan,
            "sysctl -qw net.ipv4.ip_forward=1",
            &["namespace.host: was to be updated in-place, and is as it should be"],
        );
        sh("sysctl -qw net.ipv4.ip_forward=0");
        refused(
            &plan,
            "ip route add 10.1.0.128/25 dev br-ext",
            &["10.1.0.1/24 on `br0` overlaps 10.1.0.128/25", "[conflict::overlap]"],
        );
        sh("ip route del 10.1.0.128/25");
        refused(&plan, "ip netns add web", &["the namespace `web` is there already", "[conflict::name_taken]"]);
        sh("ip netns del web");
        refused(&plan, "ip link add br0 type bridge", &["the interface name `br0` in `host` is taken"]);
        sh("ip link del br0");
        refused(&plan, "ip route add 10.9.0.0/16 via 192.0.2.1", &["10.9.0.0/16", "[conflict::route_taken]"]);
        sh("ip route del 10.9.0.0/16");
        let strict = "nft 'add table inet strict; add chain inet strict everything { type filter hook forward priority 0; policy drop; }'";
        refused(
            &plan,
            strict,
            &["chain everything of table inet strict in host (nft) has a policy of drop", "[firewall::foreign_policy]"],
        );
        sh("nft delete table inet strict");
        refused(
            &plan,
            "cp -a /etc/alternatives /run/alternatives; ln -sfn $(command -v iptables-legacy) /run/alternatives/iptables
             ln -sfn $(command -v ip6tables-legacy) /run/alternatives/ip6tables; mount --bind /run/alternatives /etc/alternatives",
            &["the packet filter of the host is iptables-legacy, was iptables-nft"],
        );
        sh("umount /etc/alternatives");
        refused(
            &plan,
            "iptables-legacy -A FORWARD -j ACCEPT",
            &["beside the packet filter of the host, rules are in use by iptables-legacy, were by none"],
        );
        sh("iptables-legacy -F");
        expect(&["plan", &path, "-out", "/run/plan"], 0, &[]);
        let listener = TcpListener::bind("0.0.0.0:8080").expect("a free port");
        expect(
            &["apply", "/run/plan"],
            1,
            &[STALE, "the port of port_forward.host:tcp:8080 is in use", "[conflict::port_in_use]"],
        );
        drop(listener);
        expect(&["apply", "/run/plan"], 0, &["Apply complete!"]);
        expect(&["apply", "/run/plan"], 1, &[STALE, "link.db:eth0: was to be created, and is there by now"]);
    });
}

/// What may happen on a host at any time, and concerns nobody who does not use it.
const UNRELATED: &str = "
    ip netns add stranger; ip -n stranger link set lo up
    ip link add s0 type veth peer name s1 netns stranger; ip link set s0 up; ip -n stranger link set s1 up
    ip addr add 172.20.0.1/24 dev s0; ip route add 172.21.0.0/16 via 172.20.0.2
    ip link add br-s type bridge; ip link set br-s up; ip link del br-s
    ip link add index 20000 name high type bridge; ip -n stranger link add index 30000 name high type bridge
    ip link set wire0 down; ip link set wire0 up; ip link set isp0 down; ip link set isp0 up
    ip addr change 192.0.2.10/24 dev up0 valid_lft 600 preferred_lft 600
    ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:99 dev up0; ip neigh del 192.0.2.9 dev up0
    ip addr add 192.0.2.77/24 dev up0; ip addr add 10.77.0.1/24 dev br-ext
    ip link add docker0 type bridge; ip link set docker0 up; ip addr add 172.17.0.1/16 dev docker0
    iptables -N OTHER; iptables -A OTHER -j RETURN; iptables -A FORWARD -j OTHER; iptables -I FORWARD -i br0 -j DROP; iptables -P FORWARD DROP
    iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE; iptables -A INPUT -p tcp --dport 22 -j ACCEPT
    ip6tables -A INPUT -j ACCEPT; nft add table inet theirs
    ip link set up0 alias uplink; ip rule add from 10.200.0.0/16 table 77; ip route add 10.201.0.0/16 dev s0 table 77
    sysctl -qw net.ipv4.conf.s0.rp_filter=2 net.ipv4.tcp_keepalive_time=7000
    ip netns del stranger; ip netns add another; ip link set br-ext mtu 1400; ip link set up0 mtu 1400
    ip link add p0 type veth peer name p1; ip link set p0 master br-ext up; ip link set p1 up";

#[test]
fn what_is_unrelated_does_not_stand_in_the_way() {
    sandbox::run(|| {
        sh(HOST);
        let path = file("lab", RELIANT);
        let other = "name: other
namespaces: {x: {}}
bridges: {obr: {addresses: [10.40.0.1/24]}}
links: [{endpoints: ['x:eth0 10.40.0.2/24', obr]}]
";
        let other = file("other", other);
        // To make it, to change it, and to remove it.
        expect(&["plan", &path, "-out", "/run/plan"], 0, &[]);
        apply(&other);
        sh(UNRELATED);
        let client = UdpSocket::bind("0.0.0.0:40000").expect("a free port");
        let server = TcpListener::bind("0.0.0.0:9999").expect("a free port");
        expect(&["apply", "/run/plan"], 0, &["Apply complete!"]);
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
        drop((client, server));
        let edited = file("edited", &RELIANT.replace("10.1.0.2/24', br0]", "10.1.0.2/24', br0]\n    mtu: 1400"));
        expect(&["plan", &edited, "-out", "/run/plan"], 0, &[]);
        expect(&["destroy", &other, "-auto-approve"], 0, &[]);
        // This plan touches one link and its bridge: what the rest of the lab relies on is nothing to it.
        sh("ip link del docker0; ip link del s0 2> /dev/null || true; iptables -P FORWARD ACCEPT; ip -n web neigh flush all
            ip link set br-ext down; ip link set br-ext up; ip route add 10.1.0.128/25 dev br-ext; ip -n db link add tap0 type bridge");
        let said = expect(&["apply", "/run/plan"], 0, &["0 added, 2 changed, 0 destroyed"]);
        assert!(!said.contains(STALE), "{said}");
        expect(&["plan", &edited, "-destroy", "-out", "/run/plan"], 0, &[]);
        apply(&other);
        sh(
            "ip link set high alias x; iptables -A FORWARD -s 10.66.0.0/16 -j DROP; ip netns add late; ip neigh flush all",
        );
        expect(&["apply", "/run/plan"], 0, &["Destroy complete!"]);
        expect(&["plan", &other, "-detailed-exitcode"], 0, &["No changes."]);
    });
}

#[test]
fn a_saved_plan_is_about_what_was_there_and_not_about_what_looks_like_it() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        apply(&path);
        expect(&["plan", &path, "-replace", "link.web:eth0", "-out", "/run/plan"], 0, &[]);
        expect(&["apply", "/run/plan"], 0, &["1 added, 0 changed, 1 destroyed"]);
        expect(
            &["apply", "/run/plan"],
            1,
            &[STALE, "link.web:eth0: the device `eth0` in `web` is another one than then"],
        );
        // The inodes of the new namespaces are likely those of the old ones.
        let anew = format!("{} destroy {path} -auto-approve", env!("CARGO_BIN_EXE_netwright"));
        let again = format!("{anew}; {} apply {path} -auto-approve", env!("CARGO_BIN_EXE_netwright"));
        refused(&[&path, "-destroy"], &again, &["the namespace `web` is another one than then"]);
        refused(
            &[&path, "-replace", "namespace.db"],
            "ip -n db link add tun9 type bridge",
            &[
                "namespace.db: the namespace `db`, which goes with all that is in it, holds tun9 of others; held nothing",
            ],
        );
        expect(&["plan", &path, "-replace", "namespace.db", "-out", "/run/plan"], 0, &[]);
        sh("ip -n db link del tun9");
        expect(&["apply", "/run/plan"], 0, &["1 added, 0 changed, 1 destroyed"]);
        refused(
            &[&path, "-destroy"],
            "ip -n web link set eth0 mtu 1400",
            &["link.web:eth0: `web:eth0.mtu` is 1400, was 1500"],
        );
        sh("ip -n web link set eth0 mtu 1500");
        refused(
            &[&path, "-replace", "namespace.db"],
            "ip link set br0 type bridge ageing_time 7700",
            &[
                "bridge.br0: was as it should be, and would be updated in-place now: `ageing_time` is \"77 s\", was \"300 s\"",
            ],
        );
        expect(&["apply", "/run/plan", "-out", "/run/x"], 1, &["-out is plan's"]);
        // A part of the lab: what the other part is like is nothing to it.
        expect(&["plan", &path, "-destroy", "-target", "namespace.db", "-out", "/run/plan"], 0, &[]);
        sh("ip -n web link set eth0 mtu 1400; ip link set br0 type bridge ageing_time 8800; rm -r /run/netwright/lab");
        expect(&["apply", "/run/plan"], 0, &["1 destroyed"]);
    });
}

#[test]
fn the_same_state_is_the_same_state_however_it_came_about() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        expect(&["plan", &path, "-out", "/run/plan"], 0, &[]);
        // What is on the disk by now is nothing to a plan that was approved.
        fs::write(&path, "name: lab\nnamespaces: {x: {}}\n").expect("a tmpfs");
        for _ in 0..2 {
            expect(&["apply", "/run/plan"], 0, &["5 added"]);
            expect(&["apply", "/run/plan"], 1, &[STALE, "namespace.db: was to be created, and is there by now"]);
            expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
        }
        // A plan of nothing is bound too.
        expect(&["apply", "/run/plan"], 0, &[]);
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        expect(&["plan", &path, "-out", "/run/plan"], 0, &["No changes."]);
        expect(&["apply", "/run/plan"], 0, &["0 added, 0 changed, 0 destroyed"]);
        refused(
            &[&path],
            "ip -n web link set eth0 down",
            &["link.web:eth0: was as it should be, and would be updated in-place now"],
        );
    });
}

#[test]
fn a_plan_is_for_the_machine_that_it_was_made_on() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        expect(&["plan", &path, "-out", "/run/plan"], 0, &[]);
        let apply = format!("{} apply /run/plan 2>&1; echo code $?", env!("CARGO_BIN_EXE_netwright"));
        let elsewhere =
            |how: &str| sh(&format!("cat > /run/apply.sh <<'END'\n{how}\n{apply}\nEND\nunshare -nm sh /run/apply.sh"));
        let said = elsewhere("true");
        assert!(
            said.contains("namespace.host: the plan was made in another network namespace than this one"),
            "{said}"
        );
        assert!(said.contains("code 1"), "{said}");
        // As after a reboot.
        let boot = "echo 11111111-2222-3333-4444-555555555555 > /run/boot";
        let said = sh(&format!(
            "cat > /run/apply.sh <<'END'\n{boot}; mount --bind /run/boot /proc/sys/kernel/random/boot_id\n{apply}\nEND\nunshare -m sh /run/apply.sh"
        ));
        assert!(said.contains("namespace.host: the machine has been started anew since then"), "{said}");
        assert!(said.contains("code 1"), "{said}");
        expect(&["apply", "/run/plan"], 0, &["5 added"]);
    });
}

#[test]
fn what_another_topology_borrows_or_gives_back_meanwhile_is_named() {
    sandbox::run(|| {
        let lab = |name: &str, net: u8| {
            let text = format!(
                "name: {name}\nnamespaces: {{{name}-ns: {{}}}}\nbridges: {{{name}-br: {{addresses: [10.{net}.0.1/24]}}}}
links: [{{endpoints: ['{name}-ns:eth0 10.{net}.0.2/24', {name}-br]}}]\ngateways: [{{bridge: {name}-br}}]\n"
            );
            file(name, &text)
        };
        let (one, two) = (lab("one", 50), lab("two", 60));
        let run = |verb: &str| format!("{} {verb} {two} -auto-approve", env!("CARGO_BIN_EXE_netwright"));
        refused(&[&one], &run("apply"), &["namespace.host: `net.ipv4.ip_forward`", "shared with two"]);
        refused(&[&one], &run("destroy"), &["namespace.host: `net.ipv4.ip_forward`"]);
        apply(&one);
        refused(&[&one, "-destroy"], &run("apply"), &["namespace.host: `net.ipv4.ip_forward`", "still needed by two"]);
        refused(&[&one, "-destroy"], &run("destroy"), &["namespace.host: `net.ipv4.ip_forward`", "given back"]);
        // Where nothing is borrowed, others may.
        expect(&["plan", &one, "-replace", "link.one-ns:eth0", "-out", "/run/plan"], 0, &[]);
        apply(&two);
        expect(&["apply", "/run/plan"], 0, &["1 added"]);
    });
}

#[test]
fn a_policy_that_asks_for_other_rules_is_named() {
    sandbox::run(|| {
        let text = "name: lab
namespaces: {web: {}, edge: {forwarding: true}}
bridges: {br0: {}}
links:
  - endpoints: ['web:eth0 10.1.0.2/24', br0]
  - endpoints: ['edge:lan0 10.1.0.1/24', br0]
";
        let path = file("lab", text);
        refused(
            &[&path],
            "iptables -P FORWARD DROP; sysctl -qw net.bridge.bridge-nf-call-iptables=1",
            &["the packet filter of the host drops bridged frames by its FORWARD policy, and did not"],
        );
    });
}

#[test]
fn a_plan_that_is_not_as_it_was_saved_is_refused_and_nothing_is_done() {
    sandbox::run(|| {
        fs::write("/run/part.yaml", "namespaces: {db: {}}\n").expect("a tmpfs");
        let text = "name: lab\ninclude: [part.yaml]\nvars: {mtu: 1400}\nnamespaces: {web: {}}\n\
                    links: [{endpoints: ['web:eth0 10.1.0.1/24', 'db:eth0 10.1.0.2/24'], mtu: $mtu}]\n";
        let path = file("lab", text);
        expect(&["plan", &path, "-var", "mtu=1300", "-out", "/run/good"], 0, &[]);
        let good = fs::read_to_string("/run/good").expect("the plan");
        let document = || serde_json::from_str::<serde_json::Value>(&good).expect("json");
        let before = state();
        let refuse = |bytes: &[u8], words: &[&str]| {
            fs::write("/run/bad", bytes).expect("a tmpfs");
            for arguments in [&["apply", "/run/bad"][..], &["apply", "/run/bad", "-json"], &["show", "/run/bad"]] {
                let said = expect(arguments, 1, words);
                assert!(!said.contains('\u{1b}'), "{said}");
            }
            assert_eq!(state(), before, "{}", String::from_utf8_lossy(bytes));
        };
        let changed = ["is not as it was saved: somebody has changed it"];
        for (at, value, words) in [
            ("/changes/0/address", serde_json::json!("namespace.x"), &changed[..]),
            ("/changes/2/attributes/0/after", serde_json::json!("../../etc"), &changed),
            ("/destroy", serde_json::json!(true), &changed),
            ("/topology", serde_json::json!("other"), &changed),
            ("/source/text", serde_json::json!("name: lab\nnamespaces: {evil: {}}\n"), &changed),
            ("/source/includes/0/text", serde_json::json!("namespaces: {evil: {}}\n"), &changed),
            ("/source/vars/mtu", serde_json::json!("9000"), &changed),
            ("/source/path", serde_json::json!("/etc/shadow"), &changed),
            ("/choices/targets", serde_json::json!(["namespace.web"]), &changed),
            ("/relies_on/0/was", serde_json::json!({}), &changed),
            ("/sum", serde_json::json!(""), &changed),
            ("/topology", serde_json::json!("../../etc"), &["is not a saved plan, or a damaged one"]),
            ("/relies_on/0/was", serde_json::json!({"\u{1b}[2J": "x"}), &["is not a saved plan, or a damaged one"]),
            ("/changes/0/address", serde_json::json!("\u{1b}[31m/../x"), &["is not a saved plan, or a damaged one"]),
            ("/changes", serde_json::json!({}), &["is not a saved plan, or a damaged one"]),
            ("/source", serde_json::json!(7), &["is not a saved plan, or a damaged one"]),
            ("/destroy", serde_json::json!("no"), &["is not a saved plan, or a damaged one"]),
            ("/format_version", serde_json::json!("0.9"), &["is a plan of format"]),
            ("/netwright_version", serde_json::json!("0.0.9"), &["was saved by version 0.0.9 of netwright"]),
        ] {
            let mut document = document();
            *document.pointer_mut(at).unwrap_or_else(|| panic!("{at} in {good}")) = value;
            refuse(document.to_string().as_bytes(), words);
        }
        let mut old = document();
        old.as_object_mut().expect("an object").remove("netwright_version");
        refuse(old.to_string().as_bytes(), &["was saved by another version of netwright"]);
        for cut in [good.len() - 3, good.len() / 2, 40] {
            refuse(&good.as_bytes()[..cut], &["is not a saved plan, or a damaged one"]);
        }
        let deep = format!("{{\"format_version\": {}", "[".repeat(100_000));
        refuse(deep.as_bytes(), &["is not a saved plan, or a damaged one"]);
        refuse(b"{\"format_version\": \"1.0\", \xff}", &["is not a saved plan, or a damaged one"]);
        let huge = fs::File::create("/run/bad").expect("a tmpfs");
        huge.set_len(1 << 40).expect("a file with a hole");
        fs::OpenOptions::new()
            .write(true)
            .open("/run/bad")
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"format_version\": \"1.0\" "))
            .expect("a tmpfs");
        expect(&["apply", "/run/bad"], 1, &["is no saved plan: it is larger than 256 MiB"]);
        // The one that was saved does what it says, with the part and the value that it was made with.
        fs::write("/run/part.yaml", "namespaces: {evil: {}}\n").expect("a tmpfs");
        expect(&["apply", "/run/good"], 0, &["3 added"]);
        assert!(sh("ip -n db link show eth0").contains("mtu 1300"));
    });
}
