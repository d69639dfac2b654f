//! `netwright sandbox`, by its command line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};

const NETWRIGHT: &str = env!("CARGO_BIN_EXE_netwright");
/// Somebody who is not root, and has no other rights either.
const NOBODY: u32 = 65534;

fn sandbox(script: &str) -> Command {
    let mut command = Command::new(NETWRIGHT);
    command.args(["sandbox", "--", "sh", "-c", script]);
    command
}

#[track_caller]
fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Whether we can become somebody else; in a sandbox, root may be all there is.
fn is_root_among_others() -> bool {
    geteuid().is_root() && fs::read_to_string("/proc/self/uid_map").unwrap().contains("4294967295")
}

/// What a script prints that must succeed.
#[track_caller]
fn said(script: &str) -> String {
    text(&sandbox(&format!("set -e\n{script}")).output().unwrap())
}

/// What the machine looks like from outside.
fn machine() -> String {
    let dump = "ip -d link; ip address; ip route show table all; ip -6 route show table all; ip netns list; \
                cat /proc/mounts; ls -A /run /run/netns /etc /etc/netns 2>&1; true";
    let dump = text(&Command::new("sh").args(["-c", dump]).output().unwrap());
    // Lifetimes and hold times run on by themselves.
    dump.lines()
        .filter(|line| !line.contains("valid_lft") && !line.contains("expires"))
        .map(|l| l.to_owned() + "\n")
        .collect()
}

/// Whether a process runs that has this argument.
fn runs(argument: &str) -> bool {
    fs::read_dir("/proc").unwrap().any(|entry| {
        let cmdline = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        cmdline.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    })
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_exit_status_is_the_commands() {
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        assert_eq!(sandbox(script).output().unwrap().status.code(), Some(status), "{script}");
    }
    for (program, status, words) in [
        ("no-such-command", 127, "\"no-such-command\" cannot be run: No such file or directory"),
        ("/etc/passwd", 126, "\"/etc/passwd\" cannot be run: Permission denied"),
    ] {
        let output =
            Command::new(NETWRIGHT).args(["sandbox", "--", program]).env("PATH", "/usr/bin:/bin").output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
    }
}

#[test]
fn a_shell_is_run_where_no_command_is_given() {
    let mut child = Command::new(NETWRIGHT)
        .arg("sandbox")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"echo $NETWRIGHT_SANDBOX; exit 4\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(4), &b"1\n"[..]));
}

#[test]
fn the_command_is_root_on_a_host_of_its_own() {
    let words = said(
        "id -u; ls -A /run /etc/netns; ls /sys/class/net; ip -br link show lo | grep -wo UP; ls -d /proc/[0-9]* | head -1; \
         tr '\\0' '\\n' < /proc/1/cmdline | head -1",
    );
    assert_eq!(words, "0\n/etc/netns:\n\n/run:\nlo\nUP\n/proc/1\nnetwright: sandbox init\n");
}

#[test]
fn names_folder_and_environment_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let output =
        sandbox("pwd; uname -n; echo $KEPT; cat /etc/passwd").current_dir(&folder).env("KEPT", "as it was").output();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    assert_eq!(text(&output.unwrap()), format!("{}\n{host}as it was\n{passwd}", folder.path().display()));
}

#[test]
fn nothing_of_it_is_seen_outside() {
    let before = machine();
    let inside = said(
        "ip netns add lab; ip link add br0 type bridge; ip link add eth0 netns lab type veth peer name lab0
         ip address add 192.0.2.1/24 dev br0; ip link set br0 up; ip route add 198.51.100.0/24 via 192.0.2.9
         iptables -t nat -A POSTROUTING -j MASQUERADE; sysctl -qw net.ipv4.ip_forward=1
         mkdir /etc/netns/lab; touch /run/mine; ip netns exec lab ip -br link show eth0; iptables -t nat -S",
    );
    assert!(inside.contains("eth0@") && inside.contains("MASQUERADE"), "{inside}");
    assert_eq!(machine(), before);
}

#[test]
fn a_process_left_behind_is_gone_with_it() {
    let argument = format!("31536000.{}", std::process::id());
    assert_eq!(said(&format!("setsid sleep {argument} & sleep 0.2; kill -0 $! && echo it runs")), "it runs\n");
    assert!(!runs(&argument));
}

#[test]
fn nobody_outlives_a_killed_sandbox() {
    let argument = format!("31536001.{}", std::process::id());
    let mut child = sandbox(&format!("setsid sleep {argument}; true")).spawn().unwrap();
    wait_until("it never ran", || runs(&argument));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("it still runs", || !runs(&argument));
}

#[test]
fn a_signal_goes_to_the_command() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        let name = signal.as_str().trim_start_matches("SIG");
        let script = format!("trap 'echo caught; exit 5' {name}; echo ready; while :; do sleep 0.02; done");
        // Whoever runs the tests may ignore some (nohup, a shell's `&`), which children inherit.
        let mut child = Command::new("env")
            .args(["--default-signal", NETWRIGHT, "sandbox", "--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "caught", "{signal}");
        assert_eq!(child.wait().unwrap().code(), Some(5));
    }
}

#[test]
fn ctrl_c_reaches_the_command_once() {
    let inside =
        "trap 'echo caught' INT; echo ready; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.05; done; echo done; exit 6";
    let mut child = Command::new("env")
        .args([
            "--default-signal",
            "script",
            "-qec",
            // A shell in between would get the Ctrl-C too, and end with 130 itself: dash does not exec its last command.
            &format!("exec {NETWRIGHT} sandbox -- sh -c \"{inside}\""),
            "/dev/null",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert_eq!(lines.next().unwrap(), "ready");
    let mut keyboard = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut keyboard, b"\x03").unwrap();
    let lines: Vec<String> = lines.collect();
    assert_eq!(lines, ["^Ccaught", "done"]);
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

#[test]
fn a_signal_that_comes_at_once_ends_it() {
    // At every moment of its coming up: a lost one would leave the command running.
    for delay in (0..30).map(Duration::from_millis) {
        let argument = format!("31536002.{}", std::process::id());
        let mut child = Command::new(NETWRIGHT).args(["sandbox", "--", "sleep", &argument]).spawn().unwrap();
        std::thread::sleep(delay);
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        wait_until("it still runs", || child.try_wait().unwrap().is_some());
        wait_until("its command still runs", || !runs(&argument));
    }
}

#[test]
fn an_ordinary_user_gets_one_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("netwright");
    fs::copy(NETWRIGHT, &program).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Last, what /proc/net tells of legacy iptables, which only who owns the network namespace may read.
    let script = "set -e; id -u; cat /proc/self/setgroups; ip netns add lab; ip link add eth0 netns lab type veth peer name lab0
                  mkdir /etc/netns/lab; ip netns exec lab ip -br link show eth0 | cut -d@ -f1; iptables -A INPUT -j DROP; iptables -S INPUT
                  find /proc/self/net -name 'ip*_tables_names' ! -readable";
    let mut command = if is_root_among_others() {
        let mut command = Command::new("setpriv");
        let id = NOBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&program);
        command
    } else {
        Command::new(&program)
    };
    let output = command.args(["sandbox", "--", "sh", "-c", script]).current_dir("/").output().unwrap();
    assert_eq!(text(&output), "0\ndeny\neth0\n-P INPUT ACCEPT\n-A INPUT -j DROP\n");
}

#[test]
fn one_in_another() {
    let words = said(&format!(
        "ip link add outer type bridge; touch /run/outer; {NETWRIGHT} sandbox -- sh -c 'ls /sys/class/net; ls -A /run'"
    ));
    assert_eq!(words, "lo\n");
}

#[test]
fn root_still_reads_the_files_of_other_users() {
    // As the user of sudo expects.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lab.yaml");
    fs::write(&file, "theirs\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    if is_root_among_others() {
        std::os::unix::fs::chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    assert_eq!(said(&format!("cat {}", file.display())), "theirs\n");
}

#[test]
fn where_the_kernel_forbids_it_the_setting_is_named() {
    assert!(Path::new("/proc/sys/user/max_user_namespaces").exists());
    // Every user namespace has a limit of its own for those below it. Root in it could do without another: no rights.
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces
         exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all {NETWRIGHT} sandbox -- true"
    );
    let output = sandbox(&script).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(words.contains("the sandbox cannot have namespaces of its own: No space left on device"), "{words}");
    assert!(words.contains("the sysctl user.max_user_namespaces is 0, which forbids it: `sudo sysctl -w"), "{words}");
}
