//! What plan, apply, destroy, list and show have in common: a kernel, a name, and a plan made of them.

use std::time::Duration;

use super::{Failure, interrupt::Watch};
use crate::{
    diff::Choices,
    exec::{
        self,
        lock::{Lock, Waiting},
        memo::{self, Memo},
    },
    kernel::{Kernel, Live},
    kind::{
        Topology,
        made::{ByNetns, Made, NOTHING},
    },
    model::{
        Address, Snapshot, TopologyName,
        event::{Action, Event},
    },
    observe,
    plan::{Inputs, Plan, Prepared, build},
};

/// One topology on this host.
pub struct Session {
    kernel: Live,
    name: TopologyName,
    memo: Option<Memo>,
}

impl Session {
    /// The kernel of this host, after a look at what this process may do.
    pub fn open(name: TopologyName) -> Result<Self, Failure> {
        Live::check().map_err(Failure::new)?;
        let kernel = Live::new().map_err(Failure::new)?;
        let memo = memo::load(&name);
        Ok(Self { kernel, name, memo })
    }

    /// What the last apply left behind for the next one.
    pub fn memo(&self) -> Option<&Memo> {
        self.memo.as_ref()
    }

    /// The lock of this topology.
    pub fn lock(&self, timeout: Duration) -> Result<Lock, Failure> {
        let waiting = Waiting { tell: &mut |text| anstream::eprintln!("{text}"), is_stopped: &is_stopped };
        Lock::take(&self.name, timeout, waiting).map_err(Failure::new)
    }

    /// The lock of the host: whoever has it plans and runs, and nobody else's run comes in between.
    pub fn turn(&self) -> Result<Lock, Failure> {
        let waiting = Waiting { tell: &mut |text| anstream::eprintln!("{text}"), is_stopped: &is_stopped };
        Lock::turn(waiting).map_err(Failure::new)
    }

    /// Reads the kernel as a plan of `topology` needs it. What the first look tells may ask for a second one: rules that
    /// only this host's policy makes necessary.
    pub fn read(&self, topology: Option<&Topology>) -> Result<Snapshot, Failure> {
        let dropped = self.dropped(topology);
        let request_of = |topology: Option<&Topology>| {
            let mut request = observe::request(topology);
            observe::add_dropped(&mut request, &dropped);
            request
        };
        let request = request_of(topology);
        let snapshot = self.kernel.read(&request).map_err(Failure::new)?;
        tracing::debug!(namespaces = snapshot.namespaces.len(), "read");
        let completed = topology.map(|topology| topology.completed(&snapshot));
        let needed = request_of(completed.as_ref());
        if needed == request { Ok(snapshot) } else { self.kernel.read(&needed).map_err(Failure::new) }
    }

    /// The sysctls that were written and of which the topology says nothing any more.
    fn dropped(&self, topology: Option<&Topology>) -> ByNetns {
        topology.map(|topology| topology.dropped(&self.made().sysctls)).unwrap_or_default()
    }

    /// What the last apply made, as far as it is remembered.
    pub fn made(&self) -> &Made {
        self.memo.as_ref().map_or(&NOTHING, |memo| &memo.made)
    }

    /// Reads the kernel and makes the plan.
    pub fn plan(&self, topology: Option<&Topology>, choices: &Choices) -> Result<Prepared, Failure> {
        let snapshot = self.read(topology)?;
        Ok(self.plan_of(topology, choices, &snapshot))
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

    /// Forgets what a topology that is gone had borrowed.
    pub fn forget(&self) -> Result<(), Failure> {
        self.kernel.forget(&self.name).map_err(Failure::new)
    }

    /// Runs a plan.
    pub fn run(&mut self, prepared: &Prepared, tell: &mut dyn FnMut(Event)) -> Result<(), exec::RunError> {
        exec::run(&mut self.kernel, prepared, &is_stopped, tell)
    }
}

/// Whether this process was asked to end.
pub fn is_stopped() -> bool {
    Watch::get().is_some_and(Watch::is_stopped)
}

/// The addresses of everything that a plan to destroy would remove: what a topology has now.
pub fn addresses(prepared: &Prepared) -> Vec<Address> {
    prepared.plan.changes.iter().map(|change| change.address.clone()).collect()
}
