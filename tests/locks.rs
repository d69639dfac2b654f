//! Who runs when: one run a topology, one a host, and whoever waits is told for whom.

#[path = "common/dump.rs"]
mod dump;
#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
};

use dump::Dump;
use netwright::exec::lock::{Lock, Waiting};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use run::{apply, expect, file};
use shell::sh;

const NETWRIGHT: &str = env!("CARGO_BIN_EXE_netwright");

const LAB: &str = "
name: lab
namespaces: {web: {}}
bridges: {br0: {addresses: [10.1.0.1/24]}}
links: [{endpoints: ['web:eth0 10.1.0.2/24', br0]}]
gateways: [{bridge: br0}]
nat: [{masquerade: 10.1.0.0/24}]
";

/// A run that goes on beside the test.
struct Beside {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
}

impl Beside {
    fn start(program: &str, arguments: &[&str]) -> Self {
        // Whoever runs the tests may ignore some signals, which children inherit.
        let mut command = Command::new("env");
        command.args(["--default-signal", "NO_COLOR=1", program]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("env of coreutils");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let err = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, out, err }
    }

    /// An apply that has shown its plan and waits for an answer: it has the topology's lock and not the host's.
    fn asking(program: &str, arguments: &[&str]) -> Self {
        let mut run = Self::start(program, arguments);
        let mut said = String::new();
        while !said.contains("Enter a value:") {
            let mut byte = [0];
            run.out.read_exact(&mut byte).unwrap_or_else(|_| panic!("no question in: {said}"));
            said.push(char::from(byte[0]));
        }
        run
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).expect("a signal");
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("a pipe"), "{line}").expect("a reader");
    }

    /// The next line of the errors.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.err.read_line(&mut line).expect("text");
        line
    }

    /// The exit code, and what was said until then.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.out.read_to_string(&mut text).expect("text");
        self.err.read_to_string(&mut text).expect("text");
        (self.child.wait().expect("an end").code(), text)
    }
}

#[test]
fn the_second_run_waits_says_for_whom_and_sees_what_the_first_has_done() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let mut first = Beside::asking(NETWRIGHT, &["apply", &path]);
        let who = format!("(pid {}, `{NETWRIGHT} apply {path}`, for ", first.pid());
        for verb in [vec!["apply", &path], vec!["destroy", "lab"]] {
            let told = [
                "`lab` is being changed by another run ",
                &who,
                " s); try again when it is done, or give -lock-timeout",
            ];
            expect(&[&verb[..], &["-auto-approve"]].concat(), 1, &told);
        }
        let told = [
            "waiting for another run that changes `lab` ",
            &who,
            "`lab` is still being changed by another run ",
            " s) after 1 s of waiting; nothing was done",
        ];
        expect(&["apply", &path, "-auto-approve", "-lock-timeout", "1s"], 1, &told);
        let mut second = Beside::start(NETWRIGHT, &["apply", &path, "-auto-approve", "-lock-timeout", "60s"]);
        let by_variable = format!("NETWRIGHT_LOCK_TIMEOUT=60s {NETWRIGHT} apply {path} -auto-approve");
        let mut third = Beside::start("sh", &["-c", &by_variable]);
        for waiting in [&mut second, &mut third] {
            let line = waiting.hear();
            assert!(line.starts_with(&format!("waiting for another run that changes `lab` {who}")), "{line}");
        }
        first.say("yes");
        let (code, said) = first.end();
        assert!(code == Some(0) && said.contains("Apply complete! Resources: 6 added"), "{said}");
        for waited in [second, third] {
            let (code, said) = waited.end();
            assert!(code == Some(0) && said.contains("No changes."), "{said}");
        }
        // Who only looks waits for nobody.
        let first = Beside::asking(NETWRIGHT, &["apply", &path, "-replace", "namespace.web"]);
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
        expect(&["list"], 0, &["in sync"]);
        assert!(first.end().1.contains("Apply cancelled."));
    });
}

#[test]
fn a_holder_that_is_stopped_is_told_and_one_that_is_killed_holds_nothing() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let first = Beside::asking(NETWRIGHT, &["apply", &path]);
        first.signal(Signal::SIGSTOP);
        let advice = format!(", stopped: `kill -CONT {}` lets it go on)", first.pid());
        // The signal works when its receiver is next looked at.
        let stopped =
            || expect(&["apply", &path, "-auto-approve"], 1, &["is being changed by another run"]).contains(&advice);
        assert!((0..50).any(|_| stopped()), "it is never told that it is stopped");
        first.signal(Signal::SIGKILL);
        apply(&path);
        drop(first.end());
    });
}

#[test]
fn a_holder_in_another_process_namespace_is_not_taken_for_a_dead_one() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let mut first = Beside::asking("unshare", &["--pid", "--fork", "--kill-child", NETWRIGHT, "apply", &path]);
        expect(&["apply", &path, "-auto-approve"], 1, &["another run (pid 1 of another container, `"]);
        first.say("yes");
        assert_eq!(first.end().0, Some(0));
        expect(&["plan", &path, "-detailed-exitcode"], 0, &[]);
    });
}

#[test]
fn what_a_locks_file_says_decides_nothing() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        for garbage in
            ["", "\\0\\377\\0", "1\\n", "1\\n0\\n", "-1\\n-1\\n\\033[2J\\n", "99999999999999999999\\n1\\nx\\n", "{}"]
        {
            sh(&format!(
                "mkdir -p /run/netwright/lab; printf '{garbage}' | tee /run/netwright/lab/lock > /run/netwright/.lock"
            ));
            apply(&path);
            // Held by somebody who does not say who it is.
            let held = format!(
                "flock /run/netwright/lab/lock sh -c 'printf \"{garbage}\" > /run/netwright/lab/lock; {NETWRIGHT} destroy lab -auto-approve 2>&1' || true"
            );
            let said = sh(&held);
            assert!(said.contains("`lab` is being changed by another run; try again"), "{garbage}: {said}");
        }
        sh("head -c 3000000 /dev/urandom > /run/netwright/lab/lock");
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        // No process has that number: its lock is about to end, and is waited for.
        sh("mkdir -p /run/netwright/lab; printf '4194305\\n0\\nnetwright apply\\n' > /run/netwright/lab/lock
            flock /run/netwright/lab/lock sleep 1 > /dev/null 2>&1 & sleep 0.2");
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
    });
}

#[test]
fn a_lock_that_changes_hands_is_told_again_and_the_turn_tells_who_has_it() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        for (lock, what) in [("lab/lock", "`lab`"), (".lock", "the network of this host")] {
            sh("mkdir -p /run/netwright/lab");
            let script = format!(
                "exec 9<> /run/netwright/{lock}; flock 9; since=$(date +%s)
                 printf \"$$\\n$since\\nfirst\\n\" > /run/netwright/{lock}; echo ready; read line
                 printf \"$PPID\\n$since\\nsecond\\n\" > /run/netwright/{lock}; read line"
            );
            let mut holder = Beside::start("sh", &["-c", &script]);
            let mut ready = String::new();
            holder.out.read_line(&mut ready).expect("text");
            let mut waiting = Beside::start(NETWRIGHT, &["apply", &path, "-auto-approve", "-lock-timeout", "60s"]);
            let line = waiting.hear();
            assert!(
                line.starts_with(&format!(
                    "waiting for another run that changes {what} (pid {}, `first`, for ",
                    holder.pid()
                )),
                "{line}"
            );
            holder.say("go on");
            let line = waiting.hear();
            let pid = std::process::id();
            assert!(
                line.starts_with(&format!("waiting for another run that changes {what} (pid {pid}, `second`, for ")),
                "{line}"
            );
            holder.say("end");
            assert_eq!(holder.end().0, Some(0));
            let (code, said) = waiting.end();
            assert_eq!(code, Some(0), "{said}");
        }
    });
}

#[test]
fn a_wait_ends_in_order_by_a_signal() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let clean = Dump::settled();
        let first = Beside::asking(NETWRIGHT, &["apply", &path]);
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let mut second = Beside::start(NETWRIGHT, &["apply", &path, "-auto-approve", "-lock-timeout", "60s"]);
            assert!(second.hear().contains("waiting for another run"));
            second.signal(signal);
            let (code, said) = second.end();
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains("interrupted while another run was waited for; nothing was done"), "{said}");
        }
        assert!(first.end().1.contains("Apply cancelled."));
        clean.assert_restored("waits");
    });
}

#[test]
fn a_lock_that_cannot_be_signed_is_held_all_the_same() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        sh("mkdir -m 700 /run/netwright; mount -t tmpfs -o size=64k,mode=700 tmpfs /run/netwright");
        apply(&path);
        sh("truncate -s 0 /run/netwright/lab/lock; cat /dev/zero > /run/netwright/full 2> /dev/null || true");
        let first = Beside::asking(NETWRIGHT, &["apply", &path, "-replace", "namespace.web"]);
        expect(&["destroy", "lab", "-auto-approve"], 1, &["`lab` is being changed by another run; try again"]);
        assert!(first.end().1.contains("Apply cancelled."));
        sh("rm /run/netwright/full");
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
    });
}

#[test]
fn no_child_of_a_killed_run_keeps_its_locks() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        // The first of the tools that loads rules never ends.
        sh(r#"mkdir /run/real /run/orig; mount --rbind /usr/sbin /run/orig; ln -s /run/orig/* /run/real/
            for tool in iptables-nft-restore ip6tables-nft-restore iptables-legacy-restore; do
                rm /run/real/$tool
                printf '#!/bin/sh\nif mkdir /run/once 2> /dev/null; then echo $$ > /run/pid; mv /run/pid /run/child; exec sleep 600; fi\nexec /run/orig/%s "$@"\n' $tool > /run/real/$tool
                chmod +x /run/real/$tool
            done
            mount --bind /run/real /usr/sbin"#);
        let first = Beside::start(NETWRIGHT, &["apply", &path, "-auto-approve"]);
        sh("while ! test -e /run/child; do sleep 0.02; done");
        let child = fs::read_to_string("/run/child").expect("a number");
        let open = sh(&format!("ls -l /proc/{}/fd", child.trim()));
        assert!(!open.contains("/run/netwright"), "{open}");
        first.signal(Signal::SIGKILL);
        apply(&path);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        sh(&format!("test -d /proc/{0}; kill -9 {0}", child.trim()));
        drop(first.end());
    });
}

#[test]
fn runs_of_one_topology_that_make_and_remove_it_take_turns_without_an_error() {
    sandbox::run(|| {
        let path = file("lab", "name: lab\nnamespaces: {web: {}}\n");
        let clean = Dump::settled();
        let verbs = ["apply", "destroy", "destroy", "apply", "destroy"];
        for _ in 0..6 {
            let start = |verb: &&str| Beside::start(NETWRIGHT, &[verb, &path, "-auto-approve", "-lock-timeout", "60s"]);
            let runs: Vec<Beside> = verbs.iter().map(start).collect();
            for (verb, run) in verbs.iter().zip(runs) {
                let (code, said) = run.end();
                assert_eq!(code, Some(0), "{verb}: {said}");
            }
        }
        expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
        clean.assert_restored("destroy");
        assert_eq!(sh("ls -A /run/netwright; ls /run/netns"), ".lock\n");
    });
}

/// Runs something again and again until it is dropped.
struct Churn(Child);

impl Churn {
    fn start(script: &str) -> Self {
        let script = format!("while ! test -e /run/enough; do {script}; done > /dev/null 2>&1");
        Self(Command::new("sh").args(["-c", &script]).spawn().expect("sh"))
    }

    fn end(mut self) {
        fs::write("/run/enough", "").expect("a tmpfs");
        self.0.wait().expect("an end");
        fs::remove_file("/run/enough").expect("a tmpfs");
    }
}

#[test]
fn a_lock_of_iptables_that_nobody_lets_go_is_an_error_and_no_wait_for_ever() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        // The legacy tools are those that take it.
        sh("mkdir /run/real /run/orig; mount --rbind /usr/sbin /run/orig; ln -s /run/orig/* /run/real/
            for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
                ln -sf /run/orig/xtables-legacy-multi /run/real/$tool
            done
            mount --bind /run/real /usr/sbin; iptables --version | grep legacy; : > /run/xtables.lock");
        let mut holder = Beside::start("flock", &["/run/xtables.lock", "sh", "-c", "echo held; read line"]);
        let mut held = String::new();
        holder.out.read_line(&mut held).expect("text");
        let told =
            ["another program has held the lock of iptables, /run/xtables.lock, for 5 s", "Nothing was changed."];
        expect(&["apply", &path, "-auto-approve"], 1, &told);
        holder.say("end");
        assert_eq!(holder.end().0, Some(0));
        apply(&path);
    });
}

#[test]
fn others_that_come_and_go_at_that_moment_are_no_hindrance() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        sh(
            "iptables -t nat -N THEIRS; iptables -N THEIRS; iptables -I FORWARD -j THEIRS; mkdir -p /run/netns; ip netns add first; ip netns del first",
        );
        let clean = Dump::settled();
        for script in [
            // As Docker does when containers start and stop.
            "iptables -w -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE; iptables -w -t nat -A THEIRS -p tcp --dport 80 -j DNAT --to 172.17.0.2
             iptables -w -A THEIRS -d 172.17.0.2 -j ACCEPT; iptables -w -D THEIRS -d 172.17.0.2 -j ACCEPT
             iptables -w -t nat -D THEIRS -p tcp --dport 80 -j DNAT --to 172.17.0.2; iptables -w -t nat -D POSTROUTING -s 172.17.0.0/16 -j MASQUERADE",
            "ip link add churn0 type veth peer name churn1; ip address add 192.0.2.1/24 dev churn0; ip link set churn0 up; ip link del churn0",
            "ip netns add churn; ip -n churn link set lo up; ip -n churn link add br9 type bridge; ip netns del churn",
            "ip netns add churn; ip link add churn2 type veth peer name eth0 netns churn; ip netns del churn; ip link del churn2",
        ] {
            let churn = Churn::start(script);
            for _ in 0..6 {
                apply(&path);
                expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
            }
            churn.end();
            clean.assert_restored(script);
        }
    });
}

/// What was read before a run has its turn counts where nobody else had one since, and not as soon as somebody may have.
#[test]
fn a_turn_tells_whether_another_run_came_in_between() {
    sandbox::run(|| {
        let turn = || Lock::turn(Waiting { tell: &mut |_| (), is_stopped: &|| false }).unwrap();
        let path = file("lab.yaml", LAB);
        let never = Lock::last().expect("nobody ever had it");
        apply(&path);
        let once = Lock::last().expect("that run is over");
        let mine = turn();
        assert!(mine.follows(&once) && !mine.follows(&never));
        assert!(Lock::last().is_none(), "this process has it");
        drop(mine);
        assert!(Lock::last().is_none(), "this process may have it again");
        expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
        let later = Lock::last().expect("that run is over too");
        assert!(!turn().follows(&once));
        expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
        let latest = Lock::last().expect("and that one");
        let mine = turn();
        assert!(mine.follows(&latest) && !mine.follows(&later));
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert!(!mine.follows(&latest), "others may have changed something since");
    });
}
