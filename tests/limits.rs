//! Little of everything, and much going on beside: an error or success, never a hang, and nothing half done that the next
//! command cannot finish.
//!
//! With `NETWRIGHT_LIMITS=all` in the environment every value of a limit is tried, and ten times as many links.

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
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use run::{apply, expect, file, netwright};
use shell::sh;
use state::State;

const BINARY: &str = env!("CARGO_BIN_EXE_netwright");

/// The lab's file; the host is as it is after a first run.
fn lab() -> (String, State) {
    let checks = "checks: [{from: host, to: '127.0.0.1:8080', tcp: true}]\n";
    let path = file("lab", &(include_str!("common/host.yaml").to_owned() + checks));
    sh("ip link set lo up");
    apply(&path);
    expect(&["destroy", &path, "-auto-approve"], 0, &[]);
    (path, State::settled())
}

/// Every value where all are wanted, else some.
fn some(values: impl Iterator<Item = u32>) -> Vec<u32> {
    let step = if is_thorough() { 1 } else { 7 };
    values.step_by(step).collect()
}

fn is_thorough() -> bool {
    std::env::var("NETWRIGHT_LIMITS").is_ok_and(|value| value == "all")
}

/// A run under a shell's limit, `ulimit -n 7`; its code, `None` where it was killed, and its words.
fn limited(limit: &str, words: &str) -> (Option<i32>, String) {
    let script = format!("{limit}; exec {BINARY} {words}");
    let out = fs::File::create("/run/out").expect("a tmpfs");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env("NO_COLOR", "1").stdin(Stdio::null());
    command.stdout(out.try_clone().expect("a handle")).stderr(out);
    let code = bounded(command.spawn().expect("sh"), &script);
    let text = String::from_utf8_lossy(&fs::read("/run/out").expect("a tmpfs")).into_owned();
    assert!(!text.contains("panicked"), "{script}:\n{text}");
    (code, text)
}

/// Waits far longer than any run needs; one that hangs is ended by its id.
fn bounded(mut child: Child, what: &str) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().expect("a child");
            panic!("{what} hangs");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The verb under each value of a limit; whatever it comes to, the next commands finish it.
fn verbs_under(values: &[u32], limit: impl Fn(u32) -> String, codes: &[Option<i32>]) {
    let (path, before) = lab();
    let mut ended = std::collections::BTreeMap::new();
    for verb in ["plan", "apply", "test", "destroy"] {
        for &value in values {
            if matches!(verb, "test" | "destroy") {
                expect(&["apply", &path, "-auto-approve"], 0, &[]);
            }
            let flag = if matches!(verb, "apply" | "destroy") { "-auto-approve" } else { "" };
            let (code, text) = limited(&limit(value), &format!("{verb} {path} {flag}"));
            let run = format!("{verb} under {}: {code:?}\n{text}", limit(value));
            assert!(codes.contains(&code), "{run}");
            assert!(code != Some(1) || text.contains("rror") || text.contains("FAIL"), "{run}");
            *ended.entry((verb, code)).or_insert(0) += 1;
            if State::take() != before {
                let words = |verb: &str| expect(&[verb, &path, "-auto-approve"], 0, &[]);
                if code != Some(0) {
                    words("apply");
                }
                words("destroy");
                if let Err(diff) = before.restored() {
                    panic!("{run}\nafter a later destroy the kernel is not as it was before:\n{diff}");
                }
            }
        }
    }
    println!("{ended:?}");
}

#[test]
fn few_open_files() {
    sandbox::run(|| {
        verbs_under(&some(4..40), |value| format!("ulimit -n {value}"), &[Some(0), Some(1)]);
    });
}

#[test]
fn little_memory() {
    sandbox::run(|| {
        // The allocator's own end is an abort, the loader's 127.
        let codes = [Some(0), Some(1), Some(127), None];
        verbs_under(&some((10..130).step_by(6)), |value| format!("ulimit -v {}", value * 1024), &codes);
    });
}

#[test]
fn a_full_run() {
    sandbox::run(|| {
        let (path, before) = lab();
        for folder in ["/run/netns", "/run/netwright"] {
            for files in some(1..24) {
                for (verb, files) in [("apply", files), ("destroy", files)] {
                    sh(&format!(
                        "mount -t tmpfs -o size=64k,nr_inodes=1000,mode=755 tmpfs {folder}; mount --make-rshared {folder}"
                    ));
                    let resize = |files| sh(&format!("mount -o remount,nr_inodes={files} {folder}"));
                    let start = State::take();
                    if verb == "destroy" {
                        expect(&["apply", &path, "-auto-approve"], 0, &[]);
                        let used = sh(&format!("df --output=iused {folder} | tail -1"));
                        resize(used.trim().parse::<u32>().expect("a number") + files / 8);
                    } else {
                        resize(files);
                    }
                    let ran = netwright(&[verb, &path, "-auto-approve"]);
                    let run = format!("{verb} with {files} files in {folder}: {:?}\n{}", ran.code, ran.text);
                    let told = ran.text.to_lowercase().contains("no space left");
                    assert!(ran.code == Some(0) || ran.code == Some(1) && told, "{run}");
                    resize(1000);
                    if ran.code == Some(1) {
                        expect(&["apply", &path, "-auto-approve"], 0, &[]);
                    }
                    expect(&["destroy", &path, "-auto-approve"], 0, &[]);
                    if let Err(diff) = start.restored() {
                        panic!("{run}\nafter a later destroy:\n{diff}");
                    }
                    sh(&format!("umount {folder}"));
                }
            }
        }
        before.assert_restored("all of it");
    });
}

#[test]
fn signals_all_the_time() {
    sandbox::run(|| {
        let (path, before) = lab();
        for verb in ["plan", "apply", "plan", "destroy"] {
            let mut command = Command::new(BINARY);
            command.args([verb, &path]).args((verb != "plan").then_some("-auto-approve"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("the binary");
            let id = Pid::from_raw(child.id() as i32);
            let mut sent = 0;
            while child.try_wait().expect("a child").is_none() {
                for signal in [
                    Signal::SIGWINCH,
                    Signal::SIGCHLD,
                    Signal::SIGCONT,
                    Signal::SIGURG,
                    Signal::SIGSTOP,
                    Signal::SIGCONT,
                ] {
                    // It is not reaped yet, so that the id is its own.
                    kill(id, signal).expect("a child");
                    sent += 1;
                }
                thread::sleep(Duration::from_micros(500));
            }
            let output = child.wait_with_output().expect("an end");
            assert_eq!(output.status.code(), Some(0), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
            println!("{verb}: {sent} signals");
        }
        before.assert_restored("destroy");
    });
}

/// Runs `work` while a script is repeated.
fn beside(script: &str, work: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rounds = 0;
            while !stop.load(Ordering::SeqCst) {
                sh(script);
                rounds += 1;
            }
            println!("{rounds} rounds beside");
        });
        let stop_at_the_end = StopAtTheEnd(&stop);
        work();
        drop(stop_at_the_end);
    });
}

struct StopAtTheEnd<'a>(&'a AtomicBool);

impl Drop for StopAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn links_and_namespaces_that_come_and_go() {
    sandbox::run(|| {
        let (path, before) = lab();
        let lines: Vec<String> = (0..50)
            .flat_map(|at| [format!("link add c{at} type veth peer name d{at}"), format!("link del c{at}")])
            .collect();
        fs::write("/run/churn", lines.join("\n")).expect("a tmpfs");
        let all = || {
            for _ in 0..10 {
                expect(&["plan", &path], 0, &[]);
            }
            expect(&["apply", &path, "-auto-approve"], 0, &[]);
            for _ in 0..10 {
                expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
            }
            expect(&["list"], 0, &["lab"]);
            expect(&["destroy", &path, "-auto-approve"], 0, &[]);
        };
        beside("ip -batch /run/churn", all);
        beside(
            "ip netns add x; ip link del xx 2>/dev/null || true; ip link add xx type veth peer name yy netns x; ip netns add y; ip netns del x; ip netns del y",
            all,
        );
        before.assert_restored("destroy");
    });
}

#[test]
fn thousands_of_links() {
    sandbox::run(|| {
        let (path, before) = lab();
        let pairs = if is_thorough() { 2500 } else { 250 };
        let lines: Vec<String> = (0..pairs).map(|at| format!("link add c{at} type veth peer name d{at}")).collect();
        fs::write("/run/links", lines.join("\n")).expect("a tmpfs");
        sh("ip netns add crowd; ip -batch /run/links; ip -n crowd -batch /run/links");
        let begun = Instant::now();
        apply(&path);
        expect(&["destroy", &path, "-auto-approve"], 0, &[]);
        println!("beside {pairs} pairs twice: {:?}", begun.elapsed());
        sh("ip netns del crowd; for at in $(seq 0 49); do echo link del c$at; done > /run/del; ip -batch /run/del");
        // And many of its own, between two namespaces.
        let links = pairs.min(2000);
        let own = file(
            "own",
            &format!(
                "name: own\nnamespaces: {{a: {{}}, b: {{}}}}\nlinks:\n  - for: {{n: 1..{links}}}\n    endpoints: ['a:e$n', 'b:e$n']\n"
            ),
        );
        let begun = Instant::now();
        apply(&own);
        let applied = begun.elapsed();
        expect(&["destroy", &own, "-auto-approve"], 0, &[]);
        println!("{links} links of its own: {applied:?}, gone in {:?}", begun.elapsed() - applied);
        drop(before);
    });
}

#[test]
fn a_tool_that_hangs_is_ended_and_named() {
    sandbox::run(|| {
        let (path, before) = lab();
        sh("printf '#!/bin/sh\\nexec sleep 86397\\n' > /run/hangs; chmod +x /run/hangs
            printf '#!/bin/sh\\ncase $0 in *save|*restore) exec sleep 86397;; esac; echo iptables v1.8.9 \\(nf_tables\\)\\n' > /run/partly
            chmod +x /run/partly; cp $(readlink -f /usr/sbin/xtables-nft-multi) /run/multi");
        let hang = |script: &str| sh(&format!("mount --bind {script} $(readlink -f /usr/sbin/xtables-nft-multi)"));
        let back = || sh("umount $(readlink -f /usr/sbin/xtables-nft-multi)");
        let sleeping = || sh("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o '[8]6397' || true");
        let words = ["it did not end within 30 s, and was ended"];
        let before_it = sleeping();
        hang("/run/hangs");
        expect(&["apply", &path, "-auto-approve"], 1, &[words[0], "/usr/sbin/iptables"]);
        back();
        if is_thorough() {
            hang("/run/partly");
            let text = expect(&["apply", &path, "-auto-approve"], 1, &words);
            assert!(text.contains("iptables-nft-restore") || text.contains("iptables-nft-save"), "{text}");
            back();
        }
        assert_eq!(sleeping(), before_it, "it sleeps on");
        before.assert_restored("two runs that could not look");
        apply(&path);
        expect(&["destroy", &path, "-auto-approve"], 0, &[]);
        before.assert_restored("destroy");
    });
}

#[test]
fn a_pipe_as_a_file() {
    sandbox::run(|| {
        let (path, _) = lab();
        sh("mkfifo /run/pipe.yaml");
        // Somebody writes it, as for `<(command)`.
        for (verb, flag) in [("plan", ""), ("validate", ""), ("apply", "-auto-approve"), ("destroy", "-auto-approve")] {
            let mut writer =
                Command::new("sh").args(["-c", &format!("cat {path} > /run/pipe.yaml")]).spawn().expect("sh");
            let (code, text) = limited("true", &format!("{verb} /run/pipe.yaml {flag}"));
            assert_eq!(code, Some(0), "{verb}: {text}");
            writer.wait().expect("a child");
        }
        // Nobody does.
        let verbs: &[&str] = if is_thorough() { &["plan", "destroy", "apply"] } else { &[] };
        for verb in verbs {
            let (code, text) = limited("true", &format!("{verb} /run/pipe.yaml"));
            assert_eq!(code, Some(1), "{verb}: {text}");
            let words = "/run/pipe.yaml: it is a pipe, and nobody has written to it for 30 s";
            assert!(text.contains(words), "{verb}: {text}");
        }
        let (code, text) = limited("true", "apply /dev/zero");
        assert_eq!(code, Some(1), "{text}");
    });
}

#[test]
fn outputs_that_nobody_reads() {
    sandbox::run(|| {
        let (path, before) = lab();
        for (verb, flag) in [("plan", ""), ("apply", "-auto-approve"), ("test", ""), ("destroy", "-auto-approve")] {
            for bad in ["2>/dev/full", ">/dev/full", ">/dev/full 2>&1", ">&-", "2>&-", "2>&1 | true"] {
                let (_, text) = limited("true", &format!("{verb} {path} {flag} {bad}"));
                assert!(!text.contains("panicked"), "{verb} {bad}: {text}");
                // Standard error may be what cannot be written.
                let code = sh(&format!("{BINARY} {verb} {path} {flag} {bad} || echo $?"));
                assert!(!code.contains("101"), "{verb} {bad}: {code}");
            }
            let missing = sh(&format!("{BINARY} {verb} /run/missing.yaml {flag} 2>/dev/full || echo $?"));
            assert_eq!(missing, "1\n", "{verb}");
        }
        expect(&["destroy", &path, "-auto-approve"], 0, &[]);
        before.assert_restored("destroy");
    });
}

#[test]
fn a_bridge_that_was_made_and_not_marked_is_taken_on() {
    sandbox::run(|| {
        let (path, before) = lab();
        // Killed between the two messages.
        sh("ip link add br0 group 28279 type bridge");
        apply(&path);
        assert_eq!(sh("ip -o link show group 28279"), "");
        expect(&["destroy", &path, "-auto-approve"], 0, &[]);
        before.assert_restored("destroy");
        // Without the group it is somebody's.
        sh("ip link add br0 type bridge");
        expect(&["apply", &path, "-auto-approve"], 1, &["somebody else made it"]);
    });
}
