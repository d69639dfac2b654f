//! Several tries of one probe. A try that got no answer is not given up when the next one starts: a slow path's late
//! answer counts as well as a quick one's, and a lab that was applied a moment ago gets its second chance.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{Limits, verdict::Seen};
use crate::kind::check::Expect;

/// How a probe is repeated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    tries: u16,
    interval: Duration,
    bound: Duration,
    /// Whether a refusal may be of the moment (a route that comes up, a listener that starts) and is tried again.
    /// Where no answer is wanted the first refusal is good enough.
    past_refusals: bool,
}

impl Patience {
    pub(super) fn new(expect: Expect, limits: Limits) -> Self {
        let (bound, past_refusals) = match expect {
            Expect::Reachable => (limits.reachable, true),
            Expect::Blocked => (limits.blocked, false),
        };
        Self { tries: limits.tries.max(1), interval: limits.interval, bound, past_refusals }
    }

    fn start_of(&self, start: Instant, attempt: u16) -> Instant {
        start + self.interval * u32::from(attempt)
    }
}

/// Starts tries until one is answered. A try that gets neither answer nor refusal just goes on waiting.
pub(super) async fn fire<T, F>(patience: Patience, attempt: impl Fn(u16) -> F) -> Result<T, Seen>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Seen>> + Send + 'static,
{
    let start = Instant::now();
    let deadline = start + patience.bound;
    let mut running = JoinSet::new();
    let mut started = 0;
    let mut refusal = None;
    loop {
        if started < patience.tries && Instant::now() >= patience.start_of(start, started) {
            running.spawn(attempt(started));
            started += 1;
        }
        let last = started == patience.tries;
        if last && running.is_empty() && refusal.is_some() {
            break;
        }
        let pause_ends = if last { deadline } else { patience.start_of(start, started).min(deadline) };
        tokio::select! {
            biased;
            Some(done) = running.join_next() => match done {
                Ok(Err(seen @ Seen::Refused { .. })) if patience.past_refusals => refusal = Some(seen),
                Ok(result) => return result,
                Err(_) => return Err(Seen::Broken("the probe ended early; please report this as a bug".into())),
            },
            () = sleep_until(pause_ends) => if Instant::now() >= deadline { break },
        }
    }
    Err(refusal.unwrap_or(Seen::Silent { after: patience.bound, hint: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Seen {
        Seen::Refused { words: "no route".into(), by_target: false }
    }

    /// Fires with a clock that jumps ahead wherever everyone waits.
    fn fired<F>(expect: Expect, attempt: impl Fn(u16) -> F) -> (Result<u16, Seen>, Duration)
    where
        F: Future<Output = Result<u16, Seen>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            (fire(Patience::new(expect, Limits::default()), attempt).await, start.elapsed())
        })
    }

    #[test]
    fn the_second_try_may_be_the_one_that_is_answered() {
        let (seen, after) = fired(Expect::Reachable, |attempt| async move {
            if attempt == 0 { std::future::pending().await } else { Ok(attempt) }
        });
        assert_eq!(seen, Ok(1));
        assert!((400..500).contains(&after.as_millis()), "{after:?}");
    }

    #[test]
    fn a_late_answer_to_the_first_try_counts() {
        let (seen, _) = fired(Expect::Reachable, |attempt| async move {
            tokio::time::sleep(Duration::from_millis(1400)).await;
            Ok(attempt)
        });
        assert_eq!(seen, Ok(0));
    }

    #[test]
    fn silence_ends_at_its_bound() {
        for (expect, bound) in [(Expect::Reachable, 5000), (Expect::Blocked, 1000)] {
            let (seen, after) = fired(expect, |_| std::future::pending());
            let bound = Duration::from_millis(bound);
            assert_eq!(seen, Err(Seen::Silent { after: bound, hint: None }));
            assert!(after >= bound && after < bound + Duration::from_millis(50), "{after:?}");
        }
    }

    #[test]
    fn a_refusal_is_tried_again_only_where_an_answer_is_wanted() {
        let (seen, after) = fired(Expect::Blocked, |_| async { Err(refused()) });
        assert_eq!(seen, Err(refused()));
        assert!(after < Duration::from_millis(50), "{after:?}");
        let (seen, after) = fired(Expect::Reachable, |_| async { Err(refused()) });
        assert_eq!(seen, Err(refused()));
        assert!((4000..4100).contains(&after.as_millis()), "{after:?}");
        let (seen, _) =
            fired(Expect::Reachable, |attempt| async move { if attempt == 2 { Ok(attempt) } else { Err(refused()) } });
        assert_eq!(seen, Ok(2));
    }
}
