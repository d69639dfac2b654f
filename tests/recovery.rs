//! Runs of the binary that fail, are stopped or are killed: what is left of them, and what they say.

#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;
#[path = "common/state.rs"]
mod state;

use std::{
    fs,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use run::{apply, expect, file};
use shell::sh;
use state::State;

/// A lab whose last sysctl the kernel takes, or not.
fn lab(backlog: &str, address: &str) -> String {
    let text = format!(
        "name: lab
namespaces:
  web: {{sysctls: {{net.core.somaxconn: '4096'}}}}
  db: {{sysctls: {{net.core.somaxconn: '{backlog}'}}}}
bridges: {{br0: {{addresses: [10.1.0.1/24]}}}}
links:
  - endpoints: ['web:eth0 {address}/24', br0]
  - endpoints: ['db:eth0 10.1.0.3/24', br0]
gateways: [{{bridge: br0}}]
nat: [{{masquerade: 10.1.0.0/24}}]
"
    );
    file("lab", &text)
}

/// Behind the first namespace that anybody makes on a host: from then on there are a folder and a mount.
fn host() -> State {
    sh("ip netns add first; ip netns delete first; iptables-save -t nat; sysctl -q net.ipv4.ip_forward");
    State::settled()
}

#[test]
fn a_run_that_fails_leaves_no_trace_and_says_so() {
    sandbox::run(|| {
        let before = host();
        let bad = lab("-5", "10.1.0.2");
        let words = [
            "failed to create namespace.db: cannot set sysctl net/core/somaxconn to -5 in namespace `db`: invalid argument (EINVAL)",
            "Rolled back: the network is as it was before the run",
        ];
        expect(&["apply", &bad, "-auto-approve"], 1, &words);
        before.assert_restored("a failed apply");
        let lines = expect(&["apply", &bad, "-auto-approve", "-json"], 1, &["\"type\":\"rollback_complete\""]);
        let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line));
        let undone = lines.into_iter().find(|line| line["type"] == "rollback_complete").expect("a line");
        assert_eq!(undone["rollback"]["left"].as_array().map(Vec::len), Some(0), "{undone}");
        assert!(undone["rollback"]["operations"].as_u64().is_some_and(|count| count > 0), "{undone}");
        before.assert_restored("a failed apply");
        expect(&["list"], 0, &["No topologies."]);
    });
}

#[test]
fn the_pieces_stay_where_that_is_asked_for() {
    sandbox::run(|| {
        let before = host();
        let bad = lab("-5", "10.1.0.2");
        expect(&["apply", &bad, "-auto-approve", "-no-rollback"], 1, &["the run stopped", "-no-rollback"]);
        assert_eq!(sh("ls /run/netns; ls -A /run/netwright/lab"), "db\nweb\nlock\nmemo.json\n");
        // Without that, the next one leads to where it began itself.
        let pieces = State::settled();
        expect(&["apply", &bad, "-auto-approve"], 1, &["Rolled back"]);
        pieces.assert_restored("a failed apply");
        apply(&lab("128", "10.1.0.2"));
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        before.assert_restored("destroy");
    });
}

#[test]
fn what_is_made_anew_comes_back_with_all_that_others_have_inside() {
    sandbox::run(|| {
        host();
        apply(&lab("128", "10.1.0.2"));
        sh("ip -n web link add theirs type bridge; ip -n web address add 192.0.2.1/24 dev theirs
            ip -n web link set theirs up; ip -n web route add 198.51.100.0/24 via 192.0.2.2 proto bird
            ip -n web link set eth0 txqueuelen 77; ip netns exec web sh -c 'echo 2 > /proc/sys/net/ipv4/conf/eth0/rp_filter'");
        let mut inside = Command::new("ip").args(["netns", "exec", "web", "sleep", "100"]).spawn().expect("ip");
        let before = State::settled();
        let bad = lab("-5", "10.1.0.22");
        let every = ["namespace.web", "namespace.db", "bridge.br0", "link.web:eth0"].map(|it| format!("-replace={it}"));
        let mut arguments = vec!["apply", &bad, "-auto-approve"];
        arguments.extend(every.iter().map(String::as_str));
        expect(&arguments, 1, &["Rolled back: the network is as it was before the run"]);
        before.assert_restored("a failed replacement");
        let pid = inside.id();
        assert_eq!(sh(&format!("ip netns identify {pid}")), "web\n", "the process is in the namespace of that name");
        inside.kill().expect("a child");
        inside.wait().expect("a child");
    });
}

/// A star of so many namespaces that one can get a word in.
fn star() -> String {
    file(
        "star",
        "name: star
ipv6: false
namespaces: {n$i: {for: {i: 1..400}}}
bridges: {hub: {subnets: [10.0.0.0/8]}}
links: [{for: {i: 1..400}, endpoints: ['n$i:eth0', 'hub:p$i']}]
",
    )
}

/// Starts an apply, and waits until it has made so many namespaces.
fn half_way(path: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
    command.args(["apply", path, "-auto-approve"]).env("NO_COLOR", "1");
    // What it says is more than a pipe holds that nobody reads.
    let out = fs::File::create("/run/out").expect("a tmpfs");
    command.stdin(Stdio::null()).stdout(out.try_clone().expect("a handle")).stderr(out);
    let mut run = command.spawn().expect("the binary");
    let begun = Instant::now();
    while fs::read_dir("/run/netns").map_or(0, Iterator::count) < 100 {
        if let Some(status) = run.try_wait().expect("a child") {
            panic!("it ended too early: {status}\n{}", end(run).1);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no namespaces were made");
        thread::sleep(Duration::from_millis(2));
    }
    run
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} is waited for in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What the star's run has noted.
fn journal() -> Option<String> {
    fs::read_to_string("/run/netwright/star/journal.json").ok()
}

fn end(mut run: Child) -> (ExitStatus, String) {
    let status = run.wait().expect("an end");
    (status, fs::read_to_string("/run/out").expect("text"))
}

#[test]
fn ctrl_c_stops_in_order_and_takes_everything_back() {
    sandbox::run(|| {
        let before = host();
        let run = half_way(&star());
        sh(&format!("kill -INT {}", run.id()));
        let (status, text) = end(run);
        assert_eq!(status.code(), Some(1), "{text}");
        for words in ["Interrupt received", "the run was interrupted", "Rolled back: the network is as it was"] {
            assert!(text.contains(words), "{text}");
        }
        before.assert_restored("an interrupted apply");
    });
}

#[test]
fn a_run_that_was_killed_is_gone_on_from() {
    sandbox::run(|| {
        let before = host();
        let path = star();
        let (there, back) = ("goes on from where it stopped", "is so to the end first");
        for (signals, says, next) in [
            ("KILL", there, "apply"),
            ("INT INT", back, "apply"),
            ("KILL", there, "destroy"),
            ("INT KILL", back, "destroy"),
        ] {
            let run = half_way(&path);
            let pid = run.id();
            for (number, signal) in signals.split(' ').enumerate() {
                if number > 0 {
                    wait_for("the way back", || journal().is_some_and(|text| text.contains(r#""phase":"back""#)));
                }
                sh(&format!("kill -{signal} {pid}"));
            }
            let (status, text) = end(run);
            assert!(matches!(status.code(), None | Some(130)), "{text}");
            assert!(journal().is_some(), "{text}");
            let warned = format!("the last run of `star` (pid {pid}, ");
            expect(&["plan", &path], 0, &[&warned, "did not come to its end [run::unfinished]"]);
            expect(&["plan", &path, "-json"], 0, &[&warned, r#""code":"run::unfinished""#]);
            expect(&[next, &path, "-auto-approve"], 0, &[&warned, says, "complete!"]);
            assert_eq!(journal(), None, "it is over");
            if next == "apply" {
                expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
                expect(&["destroy", &path, "-auto-approve"], 0, &["Destroy complete! Resources: 801 destroyed."]);
            }
            before.assert_restored(next);
        }
    });
}

#[test]
fn what_another_topologys_killed_run_has_set_aside_is_told() {
    sandbox::run(|| {
        apply(&lab("128", "10.1.0.2"));
        // As a run leaves it that is killed before it makes the bridge anew.
        sh("ip link set br0 group 28272");
        let other = file("other", "name: other\nbridges: {br0: {addresses: [10.2.0.1/24]}}\n");
        let words = [
            "the interface name `br0` in `host` is taken: a run of the topology `lab` has set its bridge.br0 aside \
             [conflict::name_taken]",
            "netwright destroy lab",
        ];
        expect(&["apply", &other, "-auto-approve"], 1, &words);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        apply(&other);
        expect(&["destroy", &other, "-auto-approve"], 0, &["Destroy complete!"]);
    });
}

#[test]
fn what_others_take_away_meanwhile_is_made_again_or_told() {
    sandbox::run(|| {
        let before = host();
        let path = lab("128", "10.1.0.2");
        let mut meddler = Command::new("sh")
            .args(["-c", "while :; do ip netns delete web; ip link delete br0; ip -n db address flush dev eth0; done"])
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        for _ in 0..15 {
            let ran = run::netwright(&["apply", &path, "-auto-approve"]);
            let told = ran.code == Some(0) || ran.text.contains("Error: ");
            assert!(matches!(ran.code, Some(0 | 1)) && told && !ran.text.contains("panicked"), "{}", ran.text);
        }
        meddler.kill().expect("a child");
        meddler.wait().expect("a child");
        apply(&path);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        before.assert_restored("destroy");
    });
}
