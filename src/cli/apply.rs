//! `apply`: shows the plan, asks, does it, and looks whether it is done.

use std::path::Path;

use super::{
    Exit, Failure,
    args::{self, Running},
    inherited,
    interrupt::Watch,
    leave, load, out, plan,
    run::Run,
    session::{Ahead, Session, is_stopped, live},
};
use crate::{
    diff::Choices,
    exec::{
        self,
        journal::Next,
        lock::Last,
        memo::{Memo, Stored},
    },
    kernel::Kernel,
    kind::{Topology, made::Made},
    model::{Address, TopologyName},
    plan::{Prepared, saved::SavedPlan},
    report::{
        confirm::{self, Answer},
        json::Lines,
        plan::{View, has_errors},
        words::{self, Operation},
    },
};

/// Runs the verb.
pub fn run(args: &args::Apply) -> Result<Exit, Failure> {
    if args.planning.out.is_some() {
        return Err(Failure::new("-out is plan's: apply runs what it shows; use `netwright plan -out PATH`"));
    }
    if let Some(saved) = args.file.as_deref().and_then(saved_plan) {
        return apply_saved(args, saved?);
    }
    if args.planning.refresh_only {
        let plan =
            args::Plan { file: args.file.clone(), planning: args.planning.clone(), reading: args.reading.clone() };
        return plan::run(&plan);
    }
    // Before the kernel's threads are.
    let begin = || if is_stopped() { None } else { Ahead::begin() };
    let (loaded, ahead) = load::file_beside(args.file.as_deref(), &args.reading, begin)?;
    let (topology, stored) = loaded.topology(args.planning.json)?;
    let job = Job {
        name: topology.name.clone(),
        operation: if args.planning.destroy { Operation::Destroy } else { Operation::Apply },
        topology: (!args.planning.destroy).then_some(topology),
        source: Some(stored),
        choices: plan::choices(&args.planning),
        json: args.planning.json,
        approved: None,
    };
    let done = job.run(ahead, &args.running)?;
    leave(job);
    Ok(if args.planning.detailed_exitcode && done == Done::Changed { Exit::Differs } else { Exit::Done })
}

/// A saved plan, where the file is one.
fn saved_plan(path: &Path) -> Option<Result<SavedPlan, Failure>> {
    super::show::saved_plan(path)
}

fn apply_saved(args: &args::Apply, saved: SavedPlan) -> Result<Exit, Failure> {
    let planning = &args.planning;
    let flags =
        planning.destroy || planning.refresh_only || !planning.targets.is_empty() || !planning.replacements.is_empty();
    if flags || args.reading.name.is_some() || !args.reading.vars.is_empty() {
        return Err(Failure::new("a saved plan is applied as it is: it takes no planning flags; make another plan"));
    }
    let name = saved.plan.topology.clone();
    let topology = match saved.plan.destroy {
        true => None,
        false => {
            let loaded = load::restore(&saved.source, &name);
            Some(
                loaded
                    .ok_or_else(|| Failure::new("the saved plan holds no topology that can be read"))?
                    .topology(planning.json)?
                    .0,
            )
        }
    };
    let job = Job {
        name,
        operation: if saved.plan.destroy { Operation::Destroy } else { Operation::Apply },
        topology,
        source: Some(saved.source.clone()),
        choices: saved.choices.clone(),
        json: planning.json,
        approved: Some(saved),
    };
    let done = job.run(None, &args.running)?;
    Ok(if planning.detailed_exitcode && done == Done::Changed { Exit::Differs } else { Exit::Done })
}

/// One run, whichever verb asked for it.
pub struct Job {
    /// Whose.
    pub name: TopologyName,
    /// How its end is worded.
    pub operation: Operation,
    /// What is wanted; `None` to remove everything.
    pub topology: Option<Topology>,
    /// Where that was read.
    pub source: Option<Stored>,
    /// What the command line wants beside.
    pub choices: Choices,
    /// Whether it speaks JSON.
    pub json: bool,
    /// A plan that has been approved: this one, or none.
    pub approved: Option<SavedPlan>,
}

/// What a job came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// There was nothing to do.
    Nothing,
    /// It was done.
    Changed,
}

impl Job {
    /// Plans, asks, runs and verifies, on this machine's kernel, which may be read already.
    pub fn run(&self, ahead: Option<Ahead>, running: &Running) -> Result<Done, Failure> {
        // Before the kernel's threads are.
        if is_stopped() {
            return Err(Failure::new(crate::exec::RunError::Interrupted));
        }
        match ahead {
            Some(Ahead { kernel, last }) => self.run_in(Session::with(kernel, self.name.clone()), last, running),
            None => self.run_on(live()?, running),
        }
    }

    /// The same on any kernel.
    pub fn run_on(&self, kernel: Box<dyn Kernel>, running: &Running) -> Result<Done, Failure> {
        self.run_in(Session::with(kernel, self.name.clone()), None, running)
    }

    fn run_in(&self, mut session: Session, last: Option<Last>, running: &Running) -> Result<Done, Failure> {
        let timeout = running.lock_timeout(inherited::variable(args::LOCK_TIMEOUT).as_deref()).map_err(Failure::new)?;
        let _lock = session.lock(timeout)?;
        let mut turn = session.turn()?;
        if !last.is_some_and(|last| turn.follows(&last)) {
            session.kernel().read_anew();
        }
        session.recover()?;
        let (mut prepared, mut seen) = session.look(self.topology.as_ref(), &self.choices)?;
        if let Some(saved) = &self.approved {
            self.refuse_stale(saved, &session, &prepared)?;
        }
        plan::show(&prepared.plan, self.json, View::Changes)?;
        if has_errors(&prepared.plan) {
            return Err(Failure::Said);
        }
        if !prepared.plan.is_empty() && self.approved.is_none() && !running.auto_approve {
            drop(turn);
            self.ask()?;
            // However long the answer took, what was approved is what runs.
            turn = session.turn()?;
            let (now, seen_now) = session.look(self.topology.as_ref(), &self.choices)?;
            if now.plan.changes != prepared.plan.changes {
                return Err(Failure::new(
                    "the kernel has changed since the plan was shown; nothing was done, plan again",
                ));
            }
            if has_errors(&now.plan) {
                plan::show(&now.plan, self.json, View::Changes)?;
                return Err(Failure::Said);
            }
            (prepared, seen) = (now, seen_now);
        }
        let empty = prepared.plan.is_empty();
        if empty {
            self.close(&mut session, prepared.there.clone())?;
        } else {
            Run { job: self, session: &mut session, seen, keeps: running.no_rollback }.carry_out(&mut prepared)?;
        }
        drop(turn);
        self.say_complete(&prepared).map_err(Failure::after_the_run)?;
        leave(prepared);
        Ok(if empty { Done::Nothing } else { Done::Changed })
    }

    /// Where nothing is to be done, it is remembered all the same what is there.
    fn close(&self, session: &mut Session, there: Vec<Address>) -> Result<(), Failure> {
        let next = self.next(session, there);
        match session.resume() {
            Some(mut older) => older.end(session.kernel(), &[], next, None).map_err(Failure::new),
            None => exec::remember(session.kernel(), &self.name, &next).map_err(Failure::new),
        }
    }

    /// What the plan relies on is looked at once more after the plan has been made anew, so that nothing is missed.
    fn refuse_stale(&self, saved: &SavedPlan, session: &Session, now: &Prepared) -> Result<(), Failure> {
        let (_, seen) = session.look(self.topology.as_ref(), &self.choices)?;
        let differences = saved.differences(&now.plan, &seen);
        if differences.is_empty() { Ok(()) } else { Err(Failure::new(crate::report::stale::refusal(&differences))) }
    }

    fn ask(&self) -> Result<(), Failure> {
        if self.json {
            return Err(Failure::new(words::JSON_CANNOT_ASK));
        }
        let ask = || {
            let mut input = std::io::stdin().lock();
            confirm::ask(self.operation, self.name.as_str(), &mut input, &mut anstream::stdout())
        };
        match Watch::while_asking(self.operation, ask).map_err(Failure::output)? {
            Answer::Approved => Ok(()),
            Answer::Declined => {
                out::line(self.operation.cancelled())?;
                Err(Failure::Said)
            }
            Answer::EndOfInput => {
                out::say(confirm::NOBODY);
                out::line(self.operation.cancelled())?;
                Err(Failure::Said)
            }
        }
    }

    /// What is to be remembered once the kernel is as it is wanted, where these are the resources.
    pub(super) fn next(&self, session: &Session, mut addresses: Vec<Address>) -> Next {
        let source = match (self.source(session), &self.topology) {
            (Some(source), _) => source,
            (None, None) if self.choices.targets.is_empty() => return Next::Forget,
            (None, _) => return Next::Keep,
        };
        // A route of the host without a device bears no mark: only this tells whose it is.
        addresses.extend(self.topology.iter().flat_map(|topology| &topology.routes).map(|route| route.address()));
        addresses.sort();
        addresses.dedup();
        let made = match &self.topology {
            Some(topology) => Made::of(topology, addresses),
            None => Made { addresses, ..session.made().clone() },
        };
        // Of what a -target left out, some may still be as the last apply made it.
        let made = if self.choices.targets.is_empty() { made } else { made.beside(session.made()) };
        Next::Store(Box::new(Memo { source: source.clone(), made }))
    }

    /// What was applied, where something of it is there afterwards.
    fn source<'a>(&'a self, session: &'a Session) -> Option<&'a Stored> {
        match (&self.topology, &self.source) {
            (Some(_), source) => source.as_ref(),
            (None, _) if self.choices.targets.is_empty() => None,
            // What is left of it was made from what was applied then.
            (None, _) => session.memo().map(|memo| &memo.source),
        }
    }

    fn say_complete(&self, prepared: &Prepared) -> Result<(), Failure> {
        let counts = prepared.plan.counts();
        if self.json {
            return Lines::new(std::io::stdout().lock()).complete(self.operation, counts).map_err(Failure::output);
        }
        out::line(format_args!("\n{}", self.operation.complete(counts)))
    }
}
