//! Carrying out a plan: as a whole, or not at all.

use super::{Failure, apply::Job, leave, out, part::Part, session::Session};
use crate::{
    diff::Choices,
    exec::{
        RunError, Stopped,
        rollback::Undone,
        transaction::{EndError, Transaction},
    },
    model::{Address, Diagnostic, Severity, Snapshot, event::Event},
    op::Batch,
    plan::{Prepared, TARGET_UNKNOWN},
    report::{
        json::Lines,
        plan::{View, findings, has_errors, render},
        progress::Progress,
        words,
    },
};

/// How often a run that met another program is done anew.
const RETRIES: usize = 2;
/// How often what a run has left undone, or others have undone since, is done before it counts as what cannot be done.
const PASSES: usize = 3;

/// One run of an approved plan.
pub struct Run<'a> {
    /// What it is for.
    pub job: &'a Job,
    /// The kernel, and what is known of the topology.
    pub session: &'a mut Session,
    /// What the plan was made from.
    pub seen: Snapshot,
    /// Whether what was done before a failure stays.
    pub keeps: bool,
}

/// Why a run stopped.
enum Stop {
    /// It can be taken back.
    Failed {
        /// What happened.
        events: Vec<Event>,
        /// Why, in one line; `None` where the events say it all.
        why: Option<String>,
        /// Whether the same may go well now.
        transient: bool,
        /// Whether tracked connections are gone for good.
        has_flushed: bool,
    },
    /// It cannot: everything has been done, but for this.
    Left(String),
}

impl Stop {
    fn failed(why: String) -> Self {
        Self::Failed { events: Vec::new(), why: Some(why), transient: false, has_flushed: false }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        let why = match failure {
            Failure::Message(text) => Some(text),
            Failure::Output(error) | Failure::Unheard(error) => Some(error.to_string()),
            Failure::Said => None,
        };
        Self::Failed { events: Vec::new(), why, transient: false, has_flushed: false }
    }
}

impl From<Stopped> for Stop {
    fn from(Stopped { error, has_flushed }: Stopped) -> Self {
        let why = match &error {
            RunError::Batch(..) => None,
            RunError::Interrupted => Some(error.to_string()),
        };
        Self::Failed { events: error.events().to_vec(), why, transient: error.is_transient(), has_flushed }
    }
}

impl From<EndError> for Stop {
    fn from(error: EndError) -> Self {
        match error {
            EndError::Left(what) => Self::Left(what),
            reversible @ (EndError::Batch(_) | EndError::Journal(_)) => Self::failed(reversible.to_string()),
        }
    }
}

impl Run<'_> {
    /// Runs the plan. Where another program was in the way it is done anew, as long as it is the very plan that was approved:
    /// `prepared` is then that of the last attempt.
    pub fn carry_out(&mut self, prepared: &mut Prepared) -> Result<(), Failure> {
        let mut retries = 0;
        loop {
            let planned = prepared.plan.changes.iter().map(|change| change.address.clone()).collect();
            let next = self.job.next(self.session, planned);
            let mut transaction = self.session.begin(prepared, next)?;
            let (events, why, transient, has_flushed) = match self.attempt(&mut transaction, prepared) {
                Ok(()) => {
                    leave(transaction);
                    return Ok(());
                }
                Err(Stop::Left(what)) => return Err(left(&what)),
                Err(Stop::Failed { events, why, transient, has_flushed }) => (events, why, transient, has_flushed),
            };
            if self.keeps {
                self.tell(events);
                return Err(self.keep(transaction, why));
            }
            let undone = transaction.roll_back(self.session.kernel());
            if transient && retries < RETRIES && undone.is_whole() {
                retries += 1;
                if let Some(again) = self.plan_again(prepared) {
                    out::say("Another program was in the way: what was done is undone, and done anew.");
                    *prepared = again;
                    continue;
                }
            }
            self.tell(events);
            self.tell(why.map(|why| note(Severity::Error, "run::failed", why)));
            return Err(self.report(undone, has_flushed));
        }
    }

    /// One attempt, from the first op to the last.
    fn attempt(&mut self, transaction: &mut Transaction, prepared: &Prepared) -> Result<(), Stop> {
        let parts = self.run(prepared)?;
        let (ends, there, seen) = self.complete(transaction, prepared, parts)?;
        let next = self.job.next(self.session, there);
        transaction.end(self.session.kernel(), &ends, next, Some(&seen))?;
        leave((ends, seen));
        Ok(())
    }

    fn run(&mut self, prepared: &Prepared) -> Result<Vec<Part>, Stop> {
        let topology = self.job.topology.as_ref();
        let ran = if self.job.json {
            let mut lines = Lines::new(std::io::stdout().lock());
            // Where the reader has gone away the run goes on: half a network is worse than an unread line.
            self.session.run(topology, prepared, &mut |event| drop(lines.event(&event)))
        } else {
            let mut progress = Progress::stderr(prepared.plan.changes.len());
            let ran = self.session.run(topology, prepared, &mut |event| drop(progress.event(&event)));
            drop(progress.erase());
            ran
        };
        Ok(ran?)
    }

    /// Looks at the kernel again: a run that went well leaves nothing to do. What others have undone meanwhile is done once
    /// more where it is of what was approved. Yields all that ends the run, what is there of the
    /// topology, and what was seen.
    fn complete(
        &mut self,
        transaction: &mut Transaction,
        prepared: &Prepared,
        parts: Vec<Part>,
    ) -> Result<(Vec<Batch>, Vec<Address>, Snapshot), Stop> {
        let mut known = (std::mem::take(&mut self.seen), parts);
        let choices = Choices { replace: Vec::new(), ..self.job.choices.clone() };
        let mut ends = prepared.ends.clone();
        let mut pass = 0;
        loop {
            let touched = transaction.scope().touched(&known.0);
            let (mut left, seen) = self.session.look_after(self.job.topology.as_ref(), &choices, known, touched)?;
            // What was to go, by `-target`, is not there to be named.
            left.plan.findings.retain(|it| it.code != TARGET_UNKNOWN);
            if has_errors(&left.plan) {
                out::say_as_it_is(findings(&left.plan.findings));
                return Err(Stop::failed("every operation succeeded, but what came of them cannot be told".to_owned()));
            }
            if left.plan.is_empty() {
                return Ok((ends, left.there, seen));
            }
            let approved = |address: &Address| prepared.plan.changes.iter().any(|change| change.address == *address);
            if pass == PASSES || !left.plan.changes.iter().all(|change| approved(&change.address)) {
                return Err(mismatch(&left));
            }
            transaction.extend(self.session.kernel(), &left.batches).map_err(Failure::new)?;
            known = (seen, self.run(&left)?);
            ends.extend(left.ends);
            pass += 1;
        }
    }

    /// The plan once more, where it is the one that was approved.
    fn plan_again(&mut self, prepared: &Prepared) -> Option<Prepared> {
        let (now, seen) = self.session.look(self.job.topology.as_ref(), &self.job.choices).ok()?;
        self.seen = seen;
        let same = now.plan.changes == prepared.plan.changes && !has_errors(&now.plan);
        same.then_some(now)
    }

    fn tell(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            if self.job.json {
                drop(Lines::new(std::io::stdout().lock()).event(&event));
            } else {
                drop(Progress::stderr(0).event(&event));
            }
        }
    }

    fn keep(&mut self, transaction: Transaction, why: Option<String>) -> Failure {
        let kept = transaction.keep(self.session.kernel());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let also = kept.err().map(|error| format!("\n\n{error}")).unwrap_or_default();
        Failure::new(format!(
            "the run stopped{why}; what was done before it stays, as -no-rollback has it: run the same command again to go \
             on from there, or destroy{also}"
        ))
    }

    fn report(&self, undone: Undone, has_flushed: bool) -> Failure {
        let whole = undone.is_whole();
        let Undone { resources, operations, left, blind, unclosed } = undone;
        if let Some(error) = blind {
            let what = "what the run had done could not be undone, since what is there cannot be read";
            return Failure::new(format!("{what}: {error}\n\n{}", words::GOES_ON));
        }
        let (resources, left) = (resources.into_iter().collect(), left.into_iter().collect());
        self.tell([Event::RolledBack { resources, operations, left }]);
        let flushed = "tracked connections that the run deleted stay deleted: nothing brings them back";
        self.tell(has_flushed.then(|| note(Severity::Warning, "run::flows", flushed.to_owned())));
        match (whole, unclosed) {
            (true, None) => Failure::Said,
            (true, Some(error)) => {
                Failure::new(format!("what was noted for the case that the run fails is still there: {error}"))
            }
            (false, _) => Failure::new(format!("the run could not be undone as a whole\n\n{}", words::GOES_ON)),
        }
    }
}

fn note(severity: Severity, code: &'static str, message: String) -> Event {
    let note = match severity {
        Severity::Error => Diagnostic::error(code, message),
        Severity::Warning => Diagnostic::warning(code, message),
    };
    Event::Note(note)
}

fn left(what: &str) -> Failure {
    Failure::new(format!(
        "everything was done, but something of what it replaced is still there: {what}\n\n{}",
        words::GOES_ON
    ))
}

/// What is not as it should be though every operation went well.
fn mismatch(left: &Prepared) -> Stop {
    let names: Vec<String> = left.plan.changes.iter().map(|change| change.address.to_string()).collect();
    out::say_as_it_is(render(&left.plan, View::Changes));
    let why = format!(
        "every operation succeeded, but the kernel does not match the plan in: {}; another program may be changing them",
        names.join(", ")
    );
    Stop::failed(why)
}
