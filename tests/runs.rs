//! Runs of the binary on the real kernel: side by side, killed, interrupted, in part, with output that cannot be written.

#[path = "common/dump.rs"]
mod dump;
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
    process::{Command, Stdio},
};

use dump::Dump;
use run::{apply, expect, file};
use shell::sh;
use two_bridges::LAB;

#[test]
fn a_destroy_that_cannot_know_what_forwarding_was_says_so() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\ngateways: [{{bridge: br0}}]\n"));
        apply(&path);
        sh("rm -r /run/netwright");
        expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
        expect(
            &["destroy", "lab", "-auto-approve"],
            0,
            &["forwarding was before `lab` is not remembered", "Destroy complete!"],
        );
        assert_eq!(sh("ip -o link; ls /run/netns; iptables-save -t filter | grep -c NW- || true").lines().count(), 2);
    });
}

#[test]
fn with_json_every_error_is_a_line_too() {
    sandbox::run(|| {
        let bad = file("bad", "name: bad\nfoo: 1\nnamespaces: {a: {bar: 2}}\n");
        let good = file("good", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n  - endpoints: ['db:eth0', br1]\n"));
        let missing = "/run/missing.yaml".to_owned();
        for (arguments, lines) in
            [(vec!["plan", &bad, "-json"], 2), (vec!["plan", &missing, "-json"], 1), (vec!["apply", &good, "-json"], 1)]
        {
            let said = expect(&arguments, 1, &[]);
            let errors = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line));
            assert_eq!(errors.filter(|line| line["type"] == "diagnostic").count(), lines, "{said}");
        }
    });
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        for verb in ["plan", "validate"] {
            let full = fs::File::options().write(true).open("/dev/full").expect("a device");
            let ran = Command::new(env!("CARGO_BIN_EXE_netwright"))
                .args([verb, &path])
                .stdout(full)
                .output()
                .expect("the binary");
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(1), "{said}");
            assert!(said.contains("cannot write the output: No space left on device"), "{said}");
        }
    });
}

#[test]
fn a_disk_that_is_full_at_the_end_of_a_run_leaves_no_doubt_that_all_is_done() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        sh("mkdir /run/full; mount -t tmpfs -o size=4k tmpfs /run/full");
        // A page of it takes all of the output but for the last byte.
        let said = |verb: &str, room: usize| {
            fs::write("/run/full/out", vec![b'.'; 4096 - room]).expect("a page");
            let out = fs::File::options().append(true).open("/run/full/out").expect("a tmpfs");
            let ran = Command::new(env!("CARGO_BIN_EXE_netwright"))
                .args([verb, &path, "-auto-approve"])
                .stdout(out)
                .output()
                .expect("the binary");
            let written = fs::metadata("/run/full/out").expect("a file").len() as usize - (4096 - room);
            (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned(), written)
        };
        let lengths = ["apply", "destroy"].map(|verb| (verb, said(verb, 4096).2));
        assert!(lengths.iter().all(|(_, length)| (1..4096).contains(length)), "{lengths:?}");
        for (verb, length) in lengths {
            let (code, error, _) = said(verb, length - 1);
            assert_eq!(code, Some(1), "{error}");
            assert!(
                error.contains("Error: everything was done, but the output cannot be written: No space left"),
                "{error}"
            );
            expect(&[verb, &path, "-auto-approve"], 0, &["No changes."]);
        }
    });
}

#[test]
fn what_a_killed_run_left_behind_stands_in_nobodys_way() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        let clean = Dump::settled();
        // Killed between making the file and mounting the namespace on it.
        let killed = "mkdir -p /run/netns
             printf netwright:lab/namespace.web > /run/netns/web; printf netwright:lab/namespace.old > /run/netns/old";
        sh(killed);
        apply(&path);
        expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
        assert_eq!(sh("ls /run/netns"), "");
        sh(killed);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["No changes."]);
        assert_eq!(sh("ls /run/netns"), "");
        clean.assert_restored("destroy");
    });
}

#[test]
fn topologies_that_come_and_go_at_one_moment_do_not_get_in_each_others_way() {
    sandbox::run(|| {
        let clean = Dump::settled();
        let lab = |at: usize| {
            let text = format!(
                "name: lab{at}
namespaces: {{w{at}: {{}}}}
bridges: {{br{at}: {{addresses: [10.{at}.0.1/24]}}}}
links: [{{endpoints: ['w{at}:eth0 10.{at}.0.2/24', br{at}]}}, {{endpoints: ['w{at}:eth1', 'host:p{at}']}}]
gateways: [{{bridge: br{at}}}]
nat: [{{masquerade: 10.{at}.0.0/24}}]
port_forwards: [{{listen: 80{at}, to: 'w{at}:80'}}]
"
            );
            file(&format!("lab{at}"), &text)
        };
        let labs: Vec<String> = (10..15).map(lab).collect();
        for verb in ["apply", "destroy"].repeat(3) {
            let run = |path: &String| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
                command.args([verb, path, "-auto-approve"]).stdin(Stdio::null());
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary")
            };
            let running: Vec<_> = labs.iter().map(run).collect();
            for run in running {
                let output = run.wait_with_output().expect("an end");
                let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
                assert!(output.status.success(), "{verb}: {text}");
            }
            let code = if verb == "apply" { 0 } else { 2 };
            for path in &labs {
                expect(&["plan", path, "-detailed-exitcode"], code, &[]);
            }
        }
        clean.assert_restored("destroy");
    });
}

#[test]
fn what_is_destroyed_with_the_file_lost_is_what_was_added() {
    sandbox::run(|| {
        let clean = Dump::settled();
        let path = file(
            "lab",
            "name: lab
namespaces: {edge: {}, web: {addresses: [10.9.0.1/32]}, db: {}}
bridges: {br0: {addresses: [10.2.0.1/24]}}
links:
  - endpoints: ['edge:lan0 10.1.0.1/24', 'web:eth0 10.1.0.2/24']
  - endpoints: ['host:up0 10.3.0.1/24', 'edge:wan0 10.3.0.2/24']
  - endpoints: ['db:eth0 10.2.0.2/24', br0]
port_forwards:
  - {listen: 8080, to: 'web:80', namespace: edge}
  - {listen: 8080, to: 'db:80'}
nat:
  - {masquerade: 10.1.0.0/24, namespace: edge}
",
        );
        let added = apply(&path);
        let shown = expect(&["show", "lab"], 0, &["firewall.edge", "forwarding"]);
        assert!(!shown.contains("gateway."), "{shown}");
        sh("rm -r /run/netwright/lab");
        let gone = expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        let count = |text: &str, words: &str| -> usize {
            let (before, _) = text.rsplit_once(words).expect("a summary");
            before.rsplit([' ', ',']).find(|word| !word.is_empty()).expect("a count").parse().expect("a number")
        };
        assert_eq!(count(&added, " added,"), count(&gone, " destroyed."), "{added}{gone}");
        clean.assert_restored("destroy");
    });
}

#[test]
fn a_signal_ends_a_run_in_order_and_a_question_with_no() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        let clean = Dump::settled();
        let interrupted = |flags: &[&str]| {
            // Whoever runs the tests may ignore some signals, which children inherit.
            let mut command = Command::new("env");
            command
                .args(["--default-signal", env!("CARGO_BIN_EXE_netwright"), "apply", &path])
                .args(flags)
                .env("NO_COLOR", "1");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut run = command.spawn().expect("the binary");
            std::thread::sleep(std::time::Duration::from_millis(1000));
            sh(&format!("kill -INT {}", run.id()));
            let input = run.stdin.take();
            let output = run.wait_with_output().expect("an end");
            drop(input);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
        };
        let asked = interrupted(&[]);
        assert!(asked.contains("Enter a value:") && asked.contains("Apply cancelled."), "{asked}");
        // Somebody else's turn.
        sh("flock /run/netwright/.lock sleep 3 > /dev/null 2>&1 & sleep 0.2");
        let waiting = interrupted(&["-auto-approve"]);
        assert!(waiting.contains("waiting for another run that changes the network of this host"), "{waiting}");
        assert!(waiting.contains("Interrupt received") && waiting.contains("nothing was done"), "{waiting}");
        clean.assert_restored("a run that was interrupted");
    });
}

#[test]
fn a_file_without_a_name_destroys_nothing() {
    sandbox::run(|| {
        let unnamed = file("unnamed", "name: unnamed\nnamespaces: {web: {}}\n");
        apply(&unnamed);
        for text in ["name: Bad!\n", "namespaces: {web: {}}\n"] {
            expect(&["destroy", &file("bad", text), "-auto-approve"], 1, &["does not tell its topology's name"]);
        }
        expect(&["plan", &unnamed, "-detailed-exitcode"], 0, &["No changes."]);
    });
}

#[test]
fn what_was_left_out_of_an_apply_is_no_drift() {
    sandbox::run(|| {
        let path = file("lab", &format!("{LAB}  - endpoints: ['web:eth0', br0]\n"));
        expect(&["apply", &path, "-auto-approve", "-target", "bridge.br0"], 0, &["1 added"]);
        expect(&["plan", &path, "-refresh-only", "-detailed-exitcode"], 0, &[]);
        expect(&["list"], 0, &["in sync"]);
        apply(&path);
        // By either of its names.
        let words = ["# link.web:eth0 must be replaced"];
        expect(&["plan", &path, "-replace", "link.br0:web-eth0", "-detailed-exitcode"], 2, &words);
        expect(&["plan", &path, "-replace", "namespace.host"], 1, &["the host cannot be made anew"]);
        expect(&["destroy", &path, "-auto-approve", "-target", "link.web:eth0"], 0, &["1 destroyed"]);
        expect(&["list"], 0, &["in sync"]);
        expect(&["plan", &path, "-refresh-only", "-out", "/run/p"], 1, &["leave one of them out"]);
    });
}
