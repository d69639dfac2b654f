//! What plan, apply, destroy, list and show have in common: a kernel, a name, and a plan made of them.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use super::{
    Failure,
    interrupt::Watch,
    out,
    part::{self, Part},
};
use crate::{
    diff::Choices,
    exec::{
        self,
        journal::{Journal, Next, Phase},
        lock::{Last, Lock, Waiting},
        memo::{self, Memo},
        rollback::Undone,
        transaction::Transaction,
    },
    kernel::{Kernel, Live},
    kind::{
        Topology,
        made::{ByNetns, Made, NOTHING},
    },
    model::{
        Diagnostic, Netns, Snapshot, TopologyName,
        event::{Action, Event},
        snapshot::{Extent, ReadRequest},
    },
    observe,
    plan::{Finding, Inputs, Plan, Prepared, build},
    report::{
        style::{YELLOW, clean, paint},
        words,
    },
};

/// One topology on this host.
pub struct Session {
    kernel: Box<dyn Kernel>,
    name: TopologyName,
    memo: Option<Memo>,
    /// A run that did not come to its end, or has not yet.
    older: Option<Journal>,
    /// What is there because of the last apply or because of that run, where there is one.
    made: Option<Made>,
}

impl Session {
    /// Some kernel, with what other runs have left of the topology.
    pub fn open(kernel: Box<dyn Kernel>, name: TopologyName) -> Result<Self, Failure> {
        let mut session = Self::with(kernel, name);
        session.recall()?;
        Ok(session)
    }

    /// Some kernel, for whoever holds the locks before anything is recalled: see [`Session::recover`].
    pub fn with(kernel: Box<dyn Kernel>, name: TopologyName) -> Self {
        Self { kernel, name, memo: None, older: None, made: None }
    }

    /// Reads what other runs have left: it may have changed while their end was waited for.
    fn recall(&mut self) -> Result<(), Failure> {
        self.memo = memo::load(&self.name);
        self.older = Journal::load(&self.name).map_err(Failure::new)?;
        self.made = None;
        if let Some(Journal { next: Next::Store(then), .. }) = &self.older {
            let mut made = self.made().clone();
            made.addresses.extend(then.made.addresses.iter().cloned());
            made.addresses.sort();
            made.addresses.dedup();
            self.made = Some(made.beside(&then.made));
        }
        Ok(())
    }

    /// Takes up what a run that did not come to its end has left. With the locks held, so that no other one is under way.
    pub fn recover(&mut self) -> Result<(), Failure> {
        self.recall()?;
        let Some(journal) = self.older.take() else { return Ok(()) };
        let then = match journal.phase {
            Phase::Running | Phase::Ending => "this one goes on from where it stopped",
            Phase::Back => "it was being rolled back, and is so to the end first",
        };
        let head = paint(YELLOW.bold(), "Warning:");
        out::say(format_args!("{head} {}; {then}", clean(&unfinished(&journal))));
        self.kernel.sweep().map_err(Failure::new)?;
        match journal.phase {
            Phase::Running => self.older = Some(journal),
            Phase::Back => {
                let undone = Transaction::resume(journal).roll_back(&mut *self.kernel);
                say_undone(undone)?;
                self.recall()?;
            }
            Phase::Ending => {
                let next = journal.next.clone();
                Transaction::resume(journal).end(&mut *self.kernel, &[], next, None).map_err(Failure::new)?;
                self.recall()?;
            }
        }
        Ok(())
    }

    /// What there is to say of a run that did not come to its end, and is not on its way to it.
    pub fn unfinished(&self) -> Option<Finding> {
        let journal = self.older.as_ref().filter(|journal| !journal.is_running())?;
        let help = match journal.phase {
            Phase::Running | Phase::Ending => "apply and destroy go on from where it stopped",
            Phase::Back => "it was being rolled back: apply and destroy do that to the end first",
        };
        Some(Finding::from(&Diagnostic::warning("run::unfinished", unfinished(journal)).help(help)))
    }

    /// What the last apply left behind for the next one.
    pub fn memo(&self) -> Option<&Memo> {
        self.memo.as_ref()
    }

    /// Notes what a plan is about to change, while what takes long of it is begun where nobody sees it.
    pub fn begin(&mut self, prepared: &Prepared, next: Next) -> Result<Transaction, Failure> {
        let older = self.older.take();
        self.kernel.expect(&prepared.batches);
        Transaction::begin(&*self.kernel, &self.name, &prepared.batches, older, next).map_err(Failure::new)
    }

    /// A run that did not come to its end and for which nothing is left to do.
    pub fn resume(&mut self) -> Option<Transaction> {
        self.older.take().map(Transaction::resume)
    }

    /// The kernel, for what a transaction does.
    pub fn kernel(&mut self) -> &mut dyn Kernel {
        &mut *self.kernel
    }

    /// The lock of this topology.
    pub fn lock(&self, timeout: Duration) -> Result<Lock, Failure> {
        let waiting = Waiting { tell: &mut |text| out::say(text), is_stopped: &is_stopped };
        Lock::take(&self.name, timeout, waiting).map_err(Failure::new)
    }

    /// The lock of the host: whoever has it plans and runs, and nobody else's run comes in between.
    pub fn turn(&self) -> Result<Lock, Failure> {
        let waiting = Waiting { tell: &mut |text| out::say(text), is_stopped: &is_stopped };
        Lock::turn(waiting).map_err(Failure::new)
    }

    /// Reads the kernel as a plan of `topology` needs it. What the first look tells may ask for a second one: rules that
    /// only this host's policy makes necessary.
    fn read(&self, topology: Option<&Topology>) -> Result<Snapshot, Failure> {
        let request = self.request(topology);
        let snapshot = self.kernel.read(&request).map_err(Failure::new)?;
        tracing::debug!(namespaces = snapshot.namespaces.len(), "read");
        let completed = topology.map(|topology| topology.completed(&snapshot));
        match completed {
            None | Some(Cow::Borrowed(_)) => Ok(snapshot),
            Some(Cow::Owned(completed)) => match self.request(Some(&completed)) {
                needed if needed == request => Ok(snapshot),
                needed => self.kernel.read(&needed).map_err(Failure::new),
            },
        }
    }

    /// What there is to look at in namespaces that have just been made: what nobody has written is as it is in any new one, and
    /// only where rules were loaded are there any.
    fn request_of_new(&self, topology: Option<&Topology>) -> ReadRequest {
        let request = self.request(topology);
        let sysctls = topology.map(Topology::sysctls).unwrap_or_default();
        let filters = Some(request.firewalls.keys().cloned().collect());
        ReadRequest { sysctls, filters, ..request }
    }

    fn request(&self, topology: Option<&Topology>) -> ReadRequest {
        let mut request = observe::request(topology);
        observe::add_dropped(&mut request, &self.made().sysctls, &self.dropped(topology));
        if let Some(loaded) = &self.made().filters {
            observe::leave_out_filters(&mut request, topology, loaded);
        }
        request
    }

    /// The sysctls that were written and of which the topology says nothing any more.
    fn dropped(&self, topology: Option<&Topology>) -> ByNetns {
        topology.map(|topology| topology.dropped(&self.made().sysctls)).unwrap_or_default()
    }

    /// What the last apply made, as far as it is remembered.
    pub fn made(&self) -> &Made {
        self.made.as_ref().or(self.memo.as_ref().map(|memo| &memo.made)).unwrap_or(&NOTHING)
    }

    /// Reads the kernel and makes the plan.
    pub fn plan(&self, topology: Option<&Topology>, choices: &Choices) -> Result<Prepared, Failure> {
        self.look(topology, choices).map(|(prepared, _)| prepared)
    }

    /// The same with what was read.
    pub fn look(&self, topology: Option<&Topology>, choices: &Choices) -> Result<(Prepared, Snapshot), Failure> {
        let snapshot = self.read(topology)?;
        self.look_into(topology, choices, snapshot)
    }

    /// Makes the plan of a reading, and reads more where it has to know more.
    fn look_into(
        &self,
        topology: Option<&Topology>,
        choices: &Choices,
        seen: Snapshot,
    ) -> Result<(Prepared, Snapshot), Failure> {
        let prepared = self.plan_of(topology, choices, &seen);
        tracing::debug!(changes = prepared.plan.changes.len(), "planned");
        if prepared.unsure.is_empty() {
            return Ok((prepared, seen));
        }
        let request = ReadRequest { exact: prepared.unsure.clone(), ..self.request(topology) };
        let unsure = prepared.unsure.into_iter().map(|netns| (netns, Extent::Whole)).collect();
        let seen = part::renewed(seen, Vec::new(), unsure, &*self.kernel, &request).map_err(Failure::new)?;
        Ok((self.plan_of(topology, choices, &seen), seen))
    }

    /// The same after a run, which has touched some namespaces: what was read before it, and parts that were read meanwhile,
    /// tell the rest.
    pub fn look_after(
        &self,
        topology: Option<&Topology>,
        choices: &Choices,
        (before, parts): (Snapshot, Vec<Part>),
        touched: BTreeMap<Netns, Extent>,
    ) -> Result<(Prepared, Snapshot), Failure> {
        let request = self.request(topology);
        let seen = part::renewed(before, parts, touched, &*self.kernel, &request).map_err(Failure::new)?;
        tracing::debug!("read again");
        let completed = topology.map(|topology| topology.completed(&seen));
        if let Some(Cow::Owned(completed)) = completed
            && self.request(Some(&completed)) != request
        {
            return self.look(topology, choices);
        }
        self.look_into(topology, choices, seen)
    }

    /// Makes the plan of a reading.
    pub fn plan_of(&self, topology: Option<&Topology>, choices: &Choices, snapshot: &Snapshot) -> Prepared {
        build(&Inputs { name: &self.name, topology, snapshot, memo: self.made(), choices })
    }

    /// Takes out of a plan what the last apply did not make, such as all but a `-target`: its absence is no drift.
    pub fn forget_unmade(&self, plan: &mut Plan) {
        if let Some(memo) = &self.memo {
            plan.changes.retain(|it| it.action != Action::Create || memo.made.addresses.contains(&it.address));
        }
    }

    /// Runs a plan.
    /// Yields what was read of namespaces once nothing was left to be done in them.
    pub fn run(
        &mut self,
        topology: Option<&Topology>,
        prepared: &Prepared,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Vec<Part>, exec::Stopped> {
        let request = self.request_of_new(topology);
        let reader = self.kernel.another();
        part::read_beside(reader, &request, |look| exec::run(&mut *self.kernel, prepared, &is_stopped, tell, look))
    }
}

/// The kernel of this host with a reading under way.
pub struct Ahead {
    /// The kernel.
    pub kernel: Box<dyn Kernel>,
    /// Who had changed the network last when it was begun; `None` where somebody was at it.
    pub last: Option<Last>,
}

impl Ahead {
    /// Begins to read, where this process may do that. Where it may not, there is time to say so when it is needed.
    pub fn begin() -> Option<Self> {
        Live::check().ok()?;
        let last = Lock::last();
        let mut kernel = Live::new().ok()?;
        kernel.read_ahead();
        Some(Self { kernel: Box::new(kernel), last })
    }
}

/// The kernel of this host, after a look at what this process may do.
pub fn live() -> Result<Box<dyn Kernel>, Failure> {
    Live::check().map_err(Failure::new)?;
    Ok(Box::new(Live::new().map_err(Failure::new)?))
}

fn unfinished(journal: &Journal) -> String {
    format!(
        "the last run of `{}` (pid {}, `{}`, {} ago) did not come to its end",
        journal.baseline.topology,
        journal.pid,
        journal.command,
        words::ago(journal.age()),
    )
}

/// What came of the rest of a way back. Where something of it cannot be had, there is still the way forward.
fn say_undone(undone: Undone) -> Result<(), Failure> {
    let Undone { resources, operations, left, blind, unclosed } = undone;
    if let Some(why) = blind.map(|error| error.to_string()).or(unclosed) {
        return Err(Failure::new(format!("the way back of that run cannot be gone to its end: {why}")));
    }
    let (resources, left): (Vec<_>, Vec<_>) = (resources.into_iter().collect(), left.into_iter().collect());
    if operations > 0 || !left.is_empty() {
        out::say_as_it_is(clean(&words::rolled_back(&resources, operations, &left)));
    }
    Ok(())
}

/// Whether this process was asked to end.
pub fn is_stopped() -> bool {
    Watch::get().is_some_and(Watch::is_stopped)
}
