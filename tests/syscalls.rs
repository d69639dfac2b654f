//! Every call to the kernel of plan, apply and destroy fails once, or is the last one that the process makes: an error
//! that names it or success, never a panic or a hang, and nothing that the next command cannot finish.
//!
//! `common/fault.c` is put before the C library, so that the binary is the one that everybody runs. There are some five
//! thousand points, which take more than an hour: one in `NETWRIGHT_FAULT_STRIDE` is tried, beginning at
//! `NETWRIGHT_FAULT_FIRST`. With `NETWRIGHT_FAULT_SHOW` set, what failed runs leave is shown.

#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;
#[path = "common/shell.rs"]
mod shell;
#[path = "common/state.rs"]
mod state;

use std::{
    collections::BTreeMap,
    fmt, fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::errno::Errno;
use run::{expect, netwright};
use shell::sh;
use state::State;

/// How many points there are between one that is tried and the next, where nobody says.
const STRIDE: usize = 199;
/// Far more than any run needs.
const BOUND: Duration = Duration::from_secs(60);

/// A lab that borrows of the host, has rules for it, and a namespace behind it.
const LAB: &str = include_str!("common/host.yaml");

/// What may become of each call.
const FAULTS: &[(&str, &[Errno])] = &[
    ("access", &[Errno::ENOMEM]),
    ("bind", &[Errno::ENOMEM]),
    ("fdopendir", &[Errno::ENOMEM]),
    ("flock", &[Errno::ENOLCK]),
    ("fstatfs64", &[Errno::EIO]),
    ("fsync", &[Errno::EIO]),
    ("ftruncate64", &[Errno::EIO]),
    ("getifaddrs", &[Errno::ENOBUFS]),
    ("mkdir", &[Errno::ENOSPC]),
    ("mount", &[Errno::ENOMEM, Errno::EBUSY]),
    ("open64", &[Errno::EMFILE, Errno::EACCES]),
    ("openat64", &[Errno::EMFILE]),
    ("opendir", &[Errno::EMFILE]),
    ("pidfd_spawnp", &[Errno::EAGAIN]),
    ("pipe2", &[Errno::EMFILE]),
    ("poll", &[Errno::EINTR, Errno::ENOMEM]),
    ("posix_spawnp", &[Errno::EAGAIN]),
    ("pthread_create", &[Errno::EAGAIN]),
    ("read", &[Errno::EIO, Errno::EINTR]),
    ("recv", &[Errno::ENOBUFS, Errno::EINTR]),
    ("recvfrom", &[Errno::ENOBUFS, Errno::EINTR]),
    ("rename", &[Errno::ENOSPC]),
    ("rmdir", &[Errno::EBUSY]),
    ("send", &[Errno::ENOBUFS, Errno::EINTR]),
    ("sendto", &[Errno::ENOBUFS, Errno::EINTR]),
    ("setns", &[Errno::ENOMEM]),
    ("setsockopt", &[Errno::ENOMEM]),
    ("signalfd", &[Errno::EMFILE]),
    ("socket", &[Errno::EMFILE]),
    ("symlink", &[Errno::ENOSPC]),
    ("umount2", &[Errno::EBUSY]),
    ("unlink", &[Errno::EBUSY]),
    ("unlinkat", &[Errno::EBUSY]),
    ("unshare", &[Errno::ENOSPC]),
    ("waitpid", &[Errno::EINTR]),
    ("write", &[Errno::ENOSPC, Errno::EINTR]),
];

/// Calls that leave something behind: a process may be killed before and after each.
const KILLS: &[&str] = &[
    "flock",
    "mkdir",
    "mount",
    "posix_spawnp",
    "rename",
    "rmdir",
    "send",
    "sendto",
    "symlink",
    "umount2",
    "unlink",
    "unlinkat",
    "unshare",
    "write",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Fails(Errno),
    KilledBefore,
    KilledAfter,
}

/// One fault: the call, by its number among those of its name.
#[derive(Debug, Clone, Copy)]
struct Point {
    call: &'static str,
    number: usize,
    what: What,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.call, self.number, self.what)
    }
}

/// What came of a run with a fault.
struct Ran {
    /// `None` where it was killed.
    code: Option<i32>,
    text: String,
}

#[test]
fn a_call_that_fails_or_is_the_last_one_leaves_nothing_that_the_next_command_cannot_finish() {
    sandbox::run(|| {
        let lab = run::file("lab", LAB);
        fs::write("/run/fault.c", include_str!("common/fault.c")).expect("a tmpfs");
        sh("cc -O1 -shared -fPIC -o /run/fault.so /run/fault.c -ldl; ip link set lo up");
        // What the first run ever leaves behind for good: the mount of /run/netns, the tables that iptables makes.
        expect(&["apply", &lab, "-auto-approve"], 0, &[]);
        expect(&["destroy", &lab, "-auto-approve"], 0, &[]);
        let mut trial = Trial { lab, before: State::settled(), tried: 0, left: 0, absorbed: 0, wrong: Vec::new() };
        for verb in ["plan", "apply", "destroy"] {
            trial.verb(verb);
        }
        println!(
            "{} points tried; {} runs went on to success, {} failed runs left something for the next command",
            trial.tried, trial.absorbed, trial.left
        );
        assert!(trial.wrong.is_empty(), "{} of them:\n{}", trial.wrong.len(), trial.wrong.join("\n"));
    });
}

struct Trial {
    lab: String,
    before: State,
    tried: usize,
    left: usize,
    absorbed: usize,
    wrong: Vec<String>,
}

impl Trial {
    fn verb(&mut self, verb: &str) {
        let begun = Instant::now();
        if verb == "destroy" {
            self.apply();
        }
        let points = self.points(verb);
        if verb == "apply" {
            self.command("destroy");
        }
        if verb == "destroy" {
            self.apply();
        }
        let start = if verb == "destroy" { State::settled() } else { self.before.clone() };
        let mut start = start;
        let chosen: Vec<&Point> = points.iter().skip(number("FIRST", 0)).step_by(number("STRIDE", STRIDE)).collect();
        for point in &chosen {
            self.tried += 1;
            let ran = self.run(verb, Some(point));
            let wrong = self.wrong.len();
            self.judge(verb, point, &ran);
            self.after(verb, point, &ran, &mut start);
            if self.wrong.len() > wrong && std::env::var_os("NETWRIGHT_FAULT_SHOW").is_some() {
                println!("{}", self.wrong[wrong..].join("\n"));
            }
        }
        if verb == "destroy" {
            self.command("destroy");
        }
        println!("{verb}: {} of {} points in {:?}", chosen.len(), points.len(), begun.elapsed());
    }

    /// All points of a run that goes well.
    fn points(&self, verb: &str) -> Vec<Point> {
        let ran = self.run(verb, None);
        assert_eq!(ran.code, Some(0), "{verb}: {}", ran.text);
        let text = fs::read_to_string("/run/calls").expect("the counts");
        let counts: BTreeMap<&str, usize> = text
            .lines()
            .map(|line| line.split_once(' ').expect("two words"))
            .map(|(call, count)| (call, count.parse().expect("a number")))
            .collect();
        let mut points = Vec::new();
        for (call, errnos) in FAULTS {
            let count = counts.get(call).copied().unwrap_or_else(|| panic!("fault.c does not know {call}"));
            let kills = KILLS.contains(call).then_some([What::KilledBefore, What::KilledAfter]);
            let whats: Vec<What> =
                errnos.iter().map(|&errno| What::Fails(errno)).chain(kills.into_iter().flatten()).collect();
            points.extend((1..=count).flat_map(|number| whats.iter().map(move |&what| Point { call, number, what })));
        }
        points
    }

    fn run(&self, verb: &str, point: Option<&Point>) -> Ran {
        let out = fs::File::create("/run/out").expect("a tmpfs");
        let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
        command.args([verb, &self.lab]).args((verb != "plan").then_some("-auto-approve"));
        command.env("NO_COLOR", "1").env("LD_PRELOAD", "/run/fault.so").env("NETWRIGHT_CALLS", "/run/calls");
        if let Some(Point { call, number, what }) = point {
            let what = match what {
                What::Fails(errno) => (*errno as i32).to_string(),
                What::KilledBefore => "before".to_owned(),
                What::KilledAfter => "after".to_owned(),
            };
            command.env("NETWRIGHT_FAULT", format!("{call}:{number}:{what}"));
        }
        command.stdin(Stdio::null()).stdout(out.try_clone().expect("a handle")).stderr(out);
        let mut child = command.spawn().expect("the binary");
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().expect("a child") {
                Some(status) => break Some(status),
                None if begun.elapsed() > BOUND => {
                    child.kill().expect("a child");
                    child.wait().expect("a child");
                    break None;
                }
                None => thread::sleep(Duration::from_millis(3)),
            }
        };
        let text = String::from_utf8_lossy(&fs::read("/run/out").expect("a tmpfs")).into_owned();
        let mut text = told(&text);
        if status.is_none() {
            text.push_str("\nit HUNG");
        }
        Ran { code: status.and_then(|status| status.code()), text }
    }

    /// Whether the run ended as a run may.
    fn judge(&mut self, verb: &str, point: &Point, ran: &Ran) {
        let mut complain = |why: &str| self.wrong.push(format!("{verb}: {point}: {why}:\n{}", ran.text));
        // The iptables crate gives up its thread where it cannot read what the tool prints, and we say so.
        let in_the_crate = ran.text.contains("thread 'tool'") && ran.text.contains("its thread panicked");
        if ran.text.contains("panicked") && !in_the_crate || ran.text.contains("HUNG") {
            return complain("a panic or a hang");
        }
        match (point.what, ran.code) {
            (What::Fails(_), Some(0)) => self.absorbed += 1,
            (What::Fails(errno), Some(1)) => {
                let text = ran.text.to_lowercase();
                let words = std::io::Error::from(errno).to_string().to_lowercase();
                let words = [words.split(" (os").next().unwrap_or(&words), &format!("{errno:?}").to_lowercase()];
                // What could not be written is not to be read either.
                let told = text.contains("error:") && words.iter().any(|word| text.contains(word));
                if !told && point.call != "write" && !in_the_crate {
                    complain("the message does not tell the errno");
                }
            }
            (What::KilledBefore | What::KilledAfter, None | Some(0)) => {}
            (_, code) => complain(&format!("it ended with {code:?}")),
        }
    }

    /// What the run left is what was there before, or what the next command makes whole.
    fn after(&mut self, verb: &str, point: &Point, ran: &Ran, start: &mut State) {
        let failed = ran.code == Some(1);
        let now = State::take();
        if now == *start && (verb != "destroy" || ran.code != Some(0)) {
            return;
        }
        if verb == "plan" {
            if let Err(diff) = self.before.restored() {
                self.wrong.push(format!("plan: {point}: it changed something:\n{diff}{}", ran.text));
                self.reset();
            }
            return;
        }
        if failed {
            let diff = start.diff(&now);
            self.left += 1;
            // Behind its last step there is only the way forward.
            let is_done = ran.text.contains("everything was done");
            if !is_done && start.restored().is_err() {
                self.wrong.push(format!("{verb}: {point}: it was not put back:\n{diff}{}", ran.text));
            }
            if std::env::var_os("NETWRIGHT_FAULT_SHOW").is_some() {
                let end = ran.text.lines().filter(|line| line.contains("Error:")).collect::<Vec<_>>().join(" ");
                println!("left: {verb}: {point}: {} lines: {end}", diff.lines().count());
            }
        }
        let mut verbs = vec!["apply", "destroy"];
        if ran.code == Some(0) {
            verbs.remove(0);
        }
        for next in verbs {
            let next_ran = netwright(&[next, &self.lab, "-auto-approve"]);
            if next_ran.code != Some(0) {
                let why =
                    format!("{verb}: {point}: the next {next} failed:\n{}\nafter:\n{}", told(&next_ran.text), ran.text);
                self.wrong.push(why);
            }
        }
        if let Err(diff) = self.before.restored() {
            let why = format!("{verb}: {point}: a later destroy does not restore:\n{diff}after:\n{}", ran.text);
            self.wrong.push(why);
            self.reset();
        }
        if verb == "destroy" {
            self.apply();
            *start = State::settled();
        }
    }

    fn apply(&mut self) {
        run::apply(&self.lab);
    }

    #[track_caller]
    fn command(&self, verb: &str) {
        expect(&[verb, &self.lab, "-auto-approve"], 0, &[]);
    }

    /// By hand, so that one fault does not show at every later point.
    fn reset(&self) {
        netwright(&["destroy", "lab", "-auto-approve"]);
        sh("for name in $(ls /run/netns); do umount /run/netns/$name || true; rm -f /run/netns/$name; done
            for link in $(ls /proc/sys/net/ipv4/conf); do case $link in all|default|lo) ;; *) ip link delete $link || true ;; esac; done
            rm -rf /run/netwright; for tool in iptables ip6tables; do for table in filter nat raw mangle; do
            $tool -t $table -F; $tool -t $table -X; done; done
            sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.accept_redirects=1 net.ipv6.conf.all.forwarding=0 || true");
        if let Err(diff) = self.before.restored() {
            panic!("cannot get back to the beginning:\n{diff}\n{}", self.wrong.join("\n"));
        }
    }
}

/// A run's words without the plan that it shows beside.
fn told(text: &str) -> String {
    let lines =
        text.lines().filter(|line| !(line.is_empty() || line.starts_with(' ') || line.contains("topology and made")));
    lines.map(|line| format!("{line}\n")).collect()
}

fn number(name: &str, default: usize) -> usize {
    match std::env::var(format!("NETWRIGHT_FAULT_{name}")) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}
