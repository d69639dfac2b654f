//! What the file alone tells of who reaches whom, against real packets: the labs that ship, and random routed labs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "reach/random.rs"]
mod random;
#[path = "common/run.rs"]
mod run;
#[path = "common/sandbox.rs"]
mod sandbox;

use std::{collections::BTreeSet, env, fs, net::IpAddr, path::PathBuf, time::Duration};

use netwright::{
    kind::{
        Topology,
        check::{Answerer, Check, Expect, Probe, Responder},
    },
    model::Netns,
    probe::{self, Limits, Status},
    report::diagnostic::{Style, render},
    spec::{
        self, Format,
        reach::{Judgement, Lab, Taker, Verdict},
        resolve,
    },
};

/// Nobody listens there; a port forward may lead on.
const PORT: u16 = 8088;

/// Enough for every run of the suite; more with REACH_CASES, from another seed with REACH_SEED.
const CASES: u64 = 5;

/// Nobody has these; a dnat may lead on from some.
const NOBODY: [&str; 4] = ["10.1.0.200", "198.51.100.99", "203.0.113.1", "203.0.113.2"];

fn read(path: &str) -> Result<Topology, String> {
    let text = fs::read(path).unwrap();
    let (source, file, mut diagnostics) = spec::parse(&text, path, Format::of_path(path).unwrap());
    let topology = file.and_then(|file| {
        let (topology, more) = resolve::resolve(&file);
        diagnostics.0.extend(more.0);
        topology
    });
    topology.filter(|_| !diagnostics.has_errors()).ok_or_else(|| render(&diagnostics, &[source], Style::default()))
}

/// Every address that the file gives to anyone, and a few that it gives to nobody.
fn addresses(topology: &Topology) -> BTreeSet<IpAddr> {
    let on_lo = topology.namespaces.iter().flat_map(|it| it.addresses.iter());
    let bridges = topology.bridges.iter().flat_map(|it| it.addresses.iter());
    let ends = topology.links.iter().flat_map(|it| &it.ends).flat_map(|it| it.addresses.iter());
    let given = on_lo.chain(bridges).chain(ends).map(|net| net.addr());
    given.chain(["127.0.0.1", "::1"].into_iter().chain(NOBODY).map(|it| it.parse().unwrap())).collect()
}

/// What was compared.
#[derive(Debug, Default)]
struct Tally {
    reached: usize,
    stopped: usize,
    unknown: usize,
    takers: usize,
}

/// A probe that a namespace sends to an address.
type Asked = (Netns, IpAddr, Probe);

/// Where nobody listens a TCP reset tells that somebody was reached.
fn reached(asked: &[Asked], limits: Limits) -> Vec<bool> {
    let check = |(from, to, probe): &Asked| Check {
        title: format!("{from} -> {to} {probe:?}"),
        from: from.clone(),
        from_label: from.to_string(),
        targets: vec![*to],
        responder: None,
        probe: *probe,
        expect: Expect::Blocked,
    };
    let checks: Vec<Check> = asked.iter().map(check).collect();
    let outcomes = probe::run(&checks, limits).unwrap();
    outcomes.iter().for_each(|it| assert!(!it.got.contains("could not be probed"), "{}: {}", it.title, it.got));
    outcomes.into_iter().map(|it| it.status == Status::Fail).collect()
}

/// Asks from every namespace for every address, and wants each verdict to be borne out.
fn compare(topology: &Topology, tally: &mut Tally) -> Vec<String> {
    let lab = Lab::new(topology);
    let from = topology.namespaces.iter().map(|it| it.netns.clone()).chain([Netns::Host]);
    let mut judged: Vec<(Asked, Verdict)> = Vec::new();
    let mut takers: Vec<(Asked, Taker)> = Vec::new();
    for (from, to) in from.flat_map(|from| addresses(topology).into_iter().map(move |to| (from.clone(), to))) {
        for probe in [Probe::Ping, Probe::Tcp(PORT)] {
            let Judgement { verdict, taker } = lab.judge(&from, to, probe);
            let taker = taker.filter(|it| matches!(verdict, Verdict::Reached { .. }) && it.unpublished.is_none());
            takers.extend(taker.filter(|_| probe != Probe::Ping).map(|taker| ((from.clone(), to, probe), taker)));
            match verdict {
                Verdict::Reached { .. } => tally.reached += 1,
                Verdict::Stopped(_) => tally.stopped += 1,
                Verdict::Unknown => tally.unknown += 1,
            }
            if verdict != Verdict::Unknown {
                judged.push(((from.clone(), to, probe), verdict));
            }
        }
    }
    let quick = Limits {
        blocked: Duration::from_millis(150),
        interval: Duration::from_millis(60),
        tries: 2,
        ..Limits::default()
    };
    let patient = Limits { blocked: Duration::from_millis(3000), ..Limits::default() };
    // A bridge hears of its ports' carrier up to a second late: what is silent at first is asked again, with patience.
    let mut wrong = judged;
    for limits in [quick, patient] {
        let asked: Vec<Asked> = wrong.iter().map(|(asked, _)| asked.clone()).collect();
        let mut seen = if asked.is_empty() { Vec::new() } else { reached(&asked, limits) }.into_iter();
        wrong.retain(|(_, verdict)| seen.next() != Some(matches!(verdict, Verdict::Reached { .. })));
    }
    tally.takers += takers.len();
    let said = |((from, to, probe), verdict): (Asked, Verdict)| format!("{from} -> {to} {probe:?}: {verdict:?}");
    wrong.into_iter().map(said).chain(not_taken(takers)).collect()
}

/// Listens where each probe should end, and yields those that somebody else answers or nobody.
fn not_taken(takers: Vec<(Asked, Taker)>) -> Vec<String> {
    let check = |((from, to, probe), taker): (Asked, Taker)| Check {
        title: format!("{from} -> {to} {probe:?}, which {} takes", taker.label),
        from_label: from.to_string(),
        from,
        targets: vec![to],
        responder: taker.probe.port().map(|(_, port)| {
            Responder::Namespace(Answerer { netns: taker.netns, label: taker.label.to_string(), port })
        }),
        probe,
        expect: Expect::Reachable,
    };
    let checks: Vec<Check> = takers.into_iter().map(check).collect();
    let outcomes = probe::run(&checks, Limits::default()).unwrap().into_iter();
    // Where a namespace is on one segment twice, answers go another way than what they answer, and a connection that stands may
    // carry nothing: that tells of nobody.
    let told = |it: &probe::Outcome| it.status == Status::Fail && !it.got.contains("something silent");
    outcomes.filter(told).map(|it| format!("{}: {}", it.title, it.got)).collect()
}

/// Compares, destroys the lab that has been applied, and yields where its verdicts are not borne out.
fn prove(path: &str, tally: &mut Tally) -> String {
    let wrong = compare(&read(path).unwrap(), tally);
    run::expect(&["destroy", path, "-auto-approve"], 0, &[]);
    if wrong.is_empty() {
        return String::new();
    }
    format!("{path}:\n{}\n{}\n", fs::read_to_string(path).unwrap(), wrong.join("\n"))
}

/// Applies a random lab; `false` where it is none, or the kernel does not take it.
fn try_apply(path: &str) -> bool {
    let applied = read(path).is_ok() && run::netwright(&["apply", path, "-auto-approve"]).code == Some(0);
    if !applied {
        // What was done before the kernel refused.
        run::netwright(&["destroy", path, "-auto-approve"]);
    }
    applied
}

/// As every host has it; and what it filters by reverse path is not the file's.
fn host() {
    let script = "ip link set lo up; for it in all default; do echo 0 > /proc/sys/net/ipv4/conf/$it/rp_filter; done";
    assert!(std::process::Command::new("sh").args(["-ec", script]).status().unwrap().success());
}

#[test]
fn verdicts_about_shipped_labs_are_borne_out_by_pings() {
    sandbox::run(|| {
        host();
        let mut tally = Tally::default();
        for lab in ["04-gateway.yaml", "05-masquerade.yaml", "09-host-veth.toml", "11-router-dual-stack.yaml"] {
            let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "topologies", lab].iter().collect();
            run::apply(path.to_str().unwrap());
            assert_eq!(prove(path.to_str().unwrap(), &mut tally), "");
        }
        println!("{tally:?}");
        assert!(tally.reached > 50 && tally.stopped > 20, "too little is judged: {tally:?}");
    });
}

#[test]
fn verdicts_about_random_labs_are_borne_out_by_pings() {
    sandbox::run(|| {
        host();
        let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let first = number("REACH_SEED").unwrap_or(1);
        let (mut tally, mut wrong) = (Tally::default(), String::new());
        let (mut seed, mut cases, mut refused) = (first, 0, 0);
        while cases < number("REACH_CASES").unwrap_or(CASES) {
            let text = random::lab(seed);
            let path = run::file(&format!("lab-{seed}"), &text);
            seed += 1;
            if try_apply(&path) {
                wrong.push_str(&prove(&path, &mut tally));
                cases += 1;
            } else {
                refused += 1;
            }
            assert!(refused < 20 + 2 * cases, "too many labs are refused");
        }
        println!("{cases} labs, {refused} refused, {tally:?}");
        assert!(wrong.is_empty(), "{wrong}");
        assert!(tally.reached > 0 && tally.stopped > 0 && tally.takers > 0, "{tally:?}");
    });
}
