//! From what was seen to pass or fail, and to words.

use std::{net::IpAddr, time::Duration};

use super::Status;
use crate::kind::check::Expect;

/// What one address did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It answered, as it should where it should.
    Answered {
        /// `by db`, or what else is known.
        by: String,
        /// Since the packet that was answered.
        after: Duration,
    },
    /// Somebody answered, but not who should.
    Wrong {
        /// Who, and who should have.
        words: String,
    },
    /// The way there was refused.
    Refused {
        /// By whom and why.
        words: String,
        /// Whether the target itself refused: it was reached.
        by_target: bool,
    },
    /// Nothing came back.
    Silent {
        /// For how long.
        after: Duration,
        /// What may explain it.
        hint: Option<String>,
    },
    /// The probe could not be made.
    Broken(String),
}

/// Whether a check holds, and what was seen of all its addresses.
pub(super) fn judge(expect: Expect, seen: &[(IpAddr, Seen)]) -> (Status, String) {
    if seen.is_empty() {
        return (Status::Fail, "could not be probed: the target has no address".into());
    }
    let holds = seen.iter().all(|(_, seen)| holds(expect, seen));
    let words: Vec<String> = match seen {
        [(_, only)] => vec![describe(only)],
        many => many.iter().map(|(target, seen)| format!("{target} {}", describe(seen))).collect(),
    };
    (if holds { Status::Pass } else { Status::Fail }, words.join("; "))
}

fn holds(expect: Expect, seen: &Seen) -> bool {
    match (expect, seen) {
        (_, Seen::Broken(_)) => false,
        (Expect::Reachable, Seen::Answered { .. }) => true,
        (Expect::Reachable, Seen::Wrong { .. } | Seen::Refused { .. } | Seen::Silent { .. }) => false,
        (Expect::Blocked, Seen::Answered { .. } | Seen::Wrong { .. }) => false,
        (Expect::Blocked, Seen::Refused { by_target, .. }) => !by_target,
        (Expect::Blocked, Seen::Silent { .. }) => true,
    }
}

fn describe(seen: &Seen) -> String {
    match seen {
        Seen::Answered { by, after } => format!("answered {by} in {}", span(*after)),
        Seen::Wrong { words } => words.clone(),
        Seen::Refused { words, .. } => format!("refused: {words}"),
        Seen::Silent { after, hint: None } => format!("no answer in {}", span(*after)),
        Seen::Silent { after, hint: Some(hint) } => format!("no answer in {} ({hint})", span(*after)),
        Seen::Broken(words) => format!("could not be probed: {words}"),
    }
}

/// A span of time with one decimal: `0.2 ms`, `1.5 s`.
fn span(time: Duration) -> String {
    if time < Duration::from_millis(950) {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seen: Seen) -> (IpAddr, Seen) {
        (IpAddr::from([10, 0, 0, 1]), seen)
    }

    fn answered() -> Seen {
        Seen::Answered { by: "by db".into(), after: Duration::from_micros(240) }
    }

    fn silent() -> Seen {
        Seen::Silent { after: Duration::from_millis(1500), hint: None }
    }

    fn refused(by_target: bool) -> Seen {
        Seen::Refused { words: "no".into(), by_target }
    }

    #[test]
    fn every_kind_of_sight_is_judged() {
        let wrong = Seen::Wrong { words: "answered by web, not by db".into() };
        let broken = Seen::Broken("no".into());
        for (seen, reachable, blocked) in [
            (answered(), true, false),
            (wrong, false, false),
            (refused(false), false, true),
            (refused(true), false, false),
            (silent(), false, true),
            (broken, false, false),
        ] {
            let status = |expect| judge(expect, &[at(seen.clone())]).0 == Status::Pass;
            assert_eq!((status(Expect::Reachable), status(Expect::Blocked)), (reachable, blocked), "{seen:?}");
        }
    }

    #[test]
    fn every_address_must_hold_and_is_named() {
        let (status, got) = judge(Expect::Reachable, &[at(answered()), (IpAddr::from([0; 16]), silent())]);
        assert_eq!(status, Status::Fail);
        assert_eq!(got, "10.0.0.1 answered by db in 0.2 ms; :: no answer in 1.5 s");
        assert_eq!(judge(Expect::Blocked, &[at(answered()), at(silent())]).0, Status::Fail);
        assert_eq!(judge(Expect::Blocked, &[at(refused(false)), at(silent())]).0, Status::Pass);
    }

    #[test]
    fn a_check_without_an_address_never_holds() {
        for expect in [Expect::Reachable, Expect::Blocked] {
            assert_eq!(judge(expect, &[]).0, Status::Fail);
        }
    }
}
