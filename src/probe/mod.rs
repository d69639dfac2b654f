//! Checks on the running lab: real packets from a namespace to addresses, and who answered them.
//!
//! What is proved: a `reachable` check holds when every address answers, and where we could listen ourselves, when the
//! answer came from the namespace that the check names. A `blocked` check holds when no address answers: silence, or a
//! refusal by the network (an ICMP error, no route, a packet filter). A TCP reset does not say who sent it. Where
//! something is known to listen at the target (ours or the user's own), a reset can only come from the network, and
//! counts as blocked; where nothing is known of the target, it counts as the target's own answer: it was reached.

mod icmp;
mod netns;
mod ping;
mod refusal;
mod responder;
mod settle;
mod sockets;
mod tcp;
mod tree;
mod udp;
mod verdict;
mod volley;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{sync::OnceCell, task::JoinSet};

use crate::kind::check::{Check, Expect, Probe};
pub use tree::settle_trees;

use responder::Responders;
use verdict::Seen;
use volley::Patience;

/// How many addresses are asked at the same time. Each holds a listener and, where nothing answers, all its tries of two
/// handles each, and a process may usually have 1024 files open.
const AT_ONCE: usize = 40;

/// How often an address is asked that does not answer.
const TRIES: u16 = 11;

/// How long silence is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For an answer that should come.
    pub reachable: Duration,
    /// For an answer that should not come.
    pub blocked: Duration,
    /// Between one try and the next.
    pub interval: Duration,
    /// How many tries.
    pub tries: u16,
}

/// How long an answer may take where nobody says: the kernel tells a bridge of a port's carrier up to a second late, and
/// later on a busy machine (linkwatch), so that just after an apply a frame may be lost that will not be a moment later.
/// Of a thousand ports that come up at once, three seconds were too few in three runs of ten.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Silence that is shorter proves nothing, however little time there is.
const SILENCE_MIN: Duration = Duration::from_secs(1);

impl Limits {
    /// An answer may take that long, and no answer is one that has not come in a fifth of it. The last fifth sees no new
    /// try, so that the last one has some time too.
    pub fn within(timeout: Duration) -> Self {
        Self {
            reachable: timeout,
            blocked: SILENCE_MIN.max(timeout / 5),
            interval: timeout * 4 / 5 / u32::from(TRIES - 1),
            tries: TRIES,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::within(TIMEOUT)
    }
}

/// Whether a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It holds.
    Pass,
    /// It does not, or it could not be made.
    Fail,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The check's title.
    pub title: String,
    /// Whether it holds.
    pub status: Status,
    /// What was expected.
    pub expected: Expect,
    /// What was seen, in words: `answered by db in 0.2 ms`, `no answer in 1.5 s`.
    pub got: String,
    /// How long it took.
    pub elapsed: Duration,
}

/// Runs checks, some at a time, and gives their outcomes in the checks' order. A check that cannot be made (its
/// namespace is missing, say) fails and says why; the error is for when no check at all could be made. It brings its own
/// runtime, and so must not be called from asynchronous code.
pub fn run(checks: &[Check], limits: Limits) -> io::Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut outcomes = Vec::with_capacity(checks.len());
        let settled = Arc::new(OnceCell::new());
        let mut rest = checks;
        while !rest.is_empty() {
            let (some, later) = rest.split_at(as_many_as_fit(rest));
            outcomes.extend(run_together(some, limits, &settled).await);
            rest = later;
        }
        Ok(outcomes)
    })
}

/// How many of the first checks can be run at the same time: one at least, however many addresses it has.
fn as_many_as_fit(checks: &[Check]) -> usize {
    let asked = checks.iter().scan(0, |asked, check| {
        *asked += check.targets.len();
        Some(*asked)
    });
    asked.take_while(|asked| *asked <= AT_ONCE).count().max(1)
}

/// Runs checks at the same time. Their listeners start before the first and stop after the last.
async fn run_together(checks: &[Check], limits: Limits, settled: &Arc<OnceCell<()>>) -> Vec<Outcome> {
    let responders = Arc::new(Responders::start(checks));
    let mut running = JoinSet::new();
    for (index, check) in checks.iter().cloned().enumerate() {
        let (responders, settled) = (Arc::clone(&responders), Arc::clone(settled));
        running.spawn(async move {
            if check.targets.iter().any(IpAddr::is_ipv6) {
                settled.get_or_init(settle::settle).await;
            }
            (index, run_one(check, &responders, limits).await)
        });
    }
    let mut outcomes: Vec<Option<Outcome>> = vec![None; checks.len()];
    while let Some(done) = running.join_next().await {
        if let Ok((index, outcome)) = done {
            outcomes[index] = Some(outcome);
        }
    }
    if let Some(responders) = Arc::into_inner(responders) {
        responders.stop().await;
    }
    outcomes.into_iter().zip(checks).map(|(outcome, check)| outcome.unwrap_or_else(|| lost(check))).collect()
}

/// The outcome of a check whose task ended without one, which only a defect of ours can bring about.
fn lost(check: &Check) -> Outcome {
    Outcome {
        title: check.title.clone(),
        status: Status::Fail,
        expected: check.expect,
        got: "could not be probed: the probe ended early; please report this as a bug of netwright".into(),
        elapsed: Duration::ZERO,
    }
}

async fn run_one(check: Check, responders: &Responders, limits: Limits) -> Outcome {
    let start = Instant::now();
    let mut probes = JoinSet::new();
    for (index, &target) in check.targets.iter().enumerate() {
        let probe = probe(&check, target, responders, limits);
        probes.spawn(async move { (index, target, probe.await) });
    }
    let mut seen: Vec<(usize, IpAddr, Seen)> = Vec::with_capacity(check.targets.len());
    while let Some(done) = probes.join_next().await {
        seen.push(
            done.unwrap_or_else(|_| (usize::MAX, IpAddr::from([0; 4]), Seen::Broken("the probe ended early".into()))),
        );
    }
    seen.sort_by_key(|(index, ..)| *index);
    let seen: Vec<(IpAddr, Seen)> = seen.into_iter().map(|(_, target, seen)| (target, seen)).collect();
    let (status, got) = verdict::judge(check.expect, &seen);
    Outcome { title: check.title, status, expected: check.expect, got, elapsed: start.elapsed() }
}

/// The probe of one address of a check.
fn probe(
    check: &Check,
    target: IpAddr,
    responders: &Responders,
    limits: Limits,
) -> impl Future<Output = Seen> + Send + use<> {
    let patience = Patience::new(check.expect, limits);
    let from = check.from.clone();
    let who = responders.who_answers(check, target);
    let probe = check.probe;
    async move {
        let who = match who {
            Ok(who) => who,
            Err(words) => return Seen::Broken(words),
        };
        match probe {
            Probe::Ping => {
                let answer = volley::fire(patience, |seq| ping::attempt(from.clone(), target, seq)).await;
                answer.map_or_else(|seen| seen, |after| Seen::Answered { by: format!("by {target}"), after })
            }
            Probe::Tcp(port) => {
                let target = SocketAddr::new(target, port);
                match volley::fire(patience, |_| tcp::attempt(from.clone(), target)).await {
                    Ok(connected) => tcp::identify(connected, target, &who).await,
                    Err(seen) => who.explain(seen, target.ip()),
                }
            }
            Probe::Udp(port) => {
                let target = SocketAddr::new(target, port);
                match volley::fire(patience, |_| udp::attempt(from.clone(), target, who.clone())).await {
                    Ok(answer) => udp::identify(&answer, target, &who),
                    Err(seen) => who.explain(udp::explain(seen, &who), target.ip()),
                }
            }
        }
    }
}
