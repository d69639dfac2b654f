//! What a run gets from whoever starts it: variables, descriptors, masks, limits, signals, a folder.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    LAB, NETWRIGHT,
    dump::Dump,
    run::{apply, expect, file},
    sandbox, sh,
};

#[test]
fn the_tools_are_the_machines_own_and_get_an_environment_of_ours() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let clean = Dump::settled();
        // Fakes in the PATH, and one that tells what the real tools would get.
        sh(r#"mkdir /run/fake /run/real /run/orig; mount --rbind /usr/sbin /run/orig; ln -s /run/orig/* /run/real/
            for tool in iptables iptables-nft iptables-save iptables-nft-save iptables-restore iptables-nft-restore \
                        ip6tables-nft-save ip6tables-nft-restore ip modprobe sh; do
                printf '#!/bin/sh\necho "$0" >> /run/faked\nexit 1\n' > /run/fake/$tool; chmod +x /run/fake/$tool
            done
            for tool in iptables-nft-save iptables-nft-restore; do
                rm /run/real/$tool
                printf '#!/bin/sh\nenv >> /run/environment\nexec /run/orig/%s "$@"\n' $tool > /run/real/$tool
                chmod +x /run/real/$tool
            done
            mount --bind /run/real /usr/sbin"#);
        let run = |verb: &str| {
            sh(&format!(
                "env PATH=/run/fake:$PATH XTABLES_LIBDIR=/run/fake IPTABLES_LIB_DIR=/run/fake HOME=/run/fake TMPDIR=/none \
                 PWD=/none SHELL=/run/fake/sh BASH_ENV=/run/fake/sh LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 TERM=x COLUMNS=1 \
                 EVIL=1 $N {verb}"
            ))
        };
        run(&format!("apply {path} -auto-approve"));
        run(&format!("plan {path} -detailed-exitcode"));
        run(&format!("test {path}"));
        run("destroy lab -auto-approve");
        // What looks at the kernel later runs the tools as well.
        let environment = sh("test ! -e /run/faked; sort -u /run/environment");
        clean.assert_restored("destroy");
        let names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(names.contains(&"PATH"), "{environment}");
        // The shell that is the fake adds these by itself.
        let others = names.iter().filter(|name| !["PATH", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_"].contains(*name));
        assert_eq!(others.count(), 0, "{environment}");
        assert!(!environment.contains("/run/fake") && !environment.contains("/none"), "{environment}");
    });
}

#[test]
fn with_the_standard_streams_closed_nothing_is_printed_into_our_files() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let clean = Dump::settled();
        for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", ">&- 2>&-"] {
            sh(&format!("$N apply {path} -auto-approve {closed}"));
            expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
            expect(&["list"], 0, &["in sync"]);
            assert_eq!(sh("wc -l < /run/netwright/lab/lock; wc -l < /run/netwright/.lock"), "4\n4\n", "{closed}");
            sh("ls -l /run/netwright/.host/; for record in /run/netwright/.host/*.json /run/netwright/lab/memo.json; do
                    ! grep -q 'Apply complete\\|Error' $record; done");
            sh(&format!("$N destroy lab -auto-approve {closed}"));
        }
        clean.assert_restored("destroy");
    });
}

#[test]
fn whatever_the_umask_is_what_is_made_is_ours_alone() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        for umask in ["000", "022", "077", "777"] {
            sh(&format!("umask {umask}; $N apply {path} -auto-approve"));
            expect(&["plan", &path, "-detailed-exitcode"], 0, &["No changes."]);
            let modes = sh("find /run/netwright -printf '%m %y\\n' | sort -u");
            assert_eq!(modes, "600 f\n700 d\n", "{umask}");
            let open = sh("find /run/netns -maxdepth 0 -perm /022");
            assert_eq!(open, "", "{umask}");
            sh(&format!(
                "umask {umask}; $N destroy lab -auto-approve; umount /run/netns; rm -r /run/netns /run/netwright"
            ));
        }
    });
}

#[test]
fn a_limit_on_files_is_an_error_and_not_the_end() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let clean = Dump::settled();
        let limited = sh(&format!("ulimit -f 0; $N apply {path} -auto-approve 2>&1 | cat; true"));
        assert!(limited.contains("cannot") && limited.contains("EFBIG"), "{limited}");
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        assert_eq!(sh("ls /run/netns 2>/dev/null || true"), "");
        clean.assert_restored("destroy");
        let saved =
            sh(&format!("(ulimit -f 0; $N plan {path} -out /run/plan > /dev/null 2> /run/said) || cat /run/said"));
        assert!(saved.is_empty() || saved.contains("cannot save the plan"), "{saved}");
        apply(&path);
    });
}

#[test]
fn a_folder_that_is_gone_is_no_hindrance() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        for folder in ["mkdir /run/gone; cd /run/gone; rmdir /run/gone", "cd /proc/self/fd", "cd /run/netns"] {
            sh(&format!(
                "mkdir -p /run/netns; {folder}; $N apply {path} -auto-approve; $N plan {path} -detailed-exitcode; $N destroy lab -auto-approve"
            ));
        }
    });
}

#[test]
fn who_ignores_the_end_of_children_gets_a_lab_and_a_sandbox_all_the_same() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let ignoring = |command: &str| sh(&format!("env --ignore-signal=CHLD $N {command}"));
        ignoring(&format!("apply {path} -auto-approve"));
        ignoring(&format!("test {path}"));
        ignoring("destroy lab -auto-approve");
        assert_eq!(ignoring("sandbox -- sh -c 'true & wait; echo inside'"), "inside\n");
        let failed = sh("env --ignore-signal=CHLD $N sandbox -- sh -c 'exit 7' || echo $?");
        assert_eq!(failed, "7\n");
    });
}

#[test]
fn a_signal_that_is_ignored_or_blocked_from_the_start_goes_on_so() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let run = |how: &str, signal: Signal| {
            // Somebody else's turn, for as long as its standard input is open.
            let mut holder = Command::new("flock")
                .args(["/run/netwright/.lock", "sh", "-c", "echo held; cat"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("flock");
            let mut said = String::new();
            BufReader::new(holder.stdout.as_mut().expect("a pipe")).read_line(&mut said).expect("a line");
            let mut run = Command::new("env")
                .args([how, NETWRIGHT, "apply", &path, "-auto-approve"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("env of coreutils");
            let mut errors = BufReader::new(run.stderr.take().expect("a pipe"));
            let mut waits = String::new();
            errors.read_line(&mut waits).expect("a line");
            assert!(waits.contains("waiting for another run"), "{waits}");
            kill(Pid::from_raw(run.id().cast_signed()), signal).expect("a signal");
            if how.contains("ignore") {
                // It has come for certain before the next thing happens.
                kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGCONT).expect("a signal");
                drop(holder.stdin.take());
            }
            let code = run.wait().expect("an end").code();
            drop(holder.stdin.take());
            holder.wait().expect("an end");
            errors.read_to_string(&mut waits).expect("text");
            (code, waits)
        };
        apply(&path);
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
            let name = signal.as_str().trim_start_matches("SIG");
            assert_eq!(run(&format!("--ignore-signal={name}"), signal).0, Some(0), "{name} ignored");
            for how in ["block", "default"] {
                let (code, said) = run(&format!("--{how}-signal={name}"), signal);
                assert_eq!(code, Some(1), "{name} {how}: {said}");
                assert!(said.contains("nothing was done"), "{said}");
            }
        }
    });
}
