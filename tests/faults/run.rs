//! Runs of the engine, as the verbs have it: locks, journal, plan, run, a look, the end.

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    rc::Rc,
};

use netwright::{
    cli::{
        Failure,
        apply::{Done, Job},
        args::{Reading, Running},
        load,
    },
    diff::Choices,
    exec::memo::Stored,
    kind::Topology,
    model::Address,
    report::words::Operation,
};

use crate::{
    edit::edited,
    kernel::{Count, Fault, Faulty, Plan},
    sandbox,
};

/// What a run is told to do, as one word of the environment.
const ORDER: &str = "NETWRIGHT_TEST_ORDER";

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Order {
    /// A lab's file.
    pub file: String,
    /// What is done with it.
    pub deed: Deed,
    /// Where faults happen.
    faults: Vec<(usize, usize)>,
}

/// What is done with a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Deed {
    /// It is made.
    Apply,
    /// It is changed in its place.
    Update,
    /// All of it is made anew.
    Replace,
    /// It goes.
    Destroy,
}

/// What this process was told to do.
pub fn ordered() -> Option<Order> {
    let text = env::var(ORDER).ok()?;
    Some(serde_json::from_str(&text).expect("an order"))
}

impl Order {
    pub fn apply(file: &str) -> Self {
        Self::new(file, Deed::Apply)
    }

    pub fn new(file: &str, deed: Deed) -> Self {
        Self { file: file.to_owned(), deed, faults: Vec::new() }
    }

    /// The same with these faults.
    pub fn with(mut self, faults: &[(usize, Fault)]) -> Self {
        let number = |fault| Fault::ALL.iter().position(|it| *it == fault).expect("a fault");
        self.faults = faults.iter().map(|(at, fault)| (*at, number(*fault))).collect();
        self
    }

    fn plan(&self) -> Plan {
        self.faults.iter().map(|(at, number)| (*at, Fault::ALL[*number])).collect()
    }

    /// Does it in this process; tells how many operations that took, and how many of them were no end and no way back.
    pub fn carry_out(&self) -> Result<(usize, usize), (Failure, usize)> {
        let (ran, count) = self.carry_out_counted();
        ran.map(|()| (count.all.get(), count.until_the_end())).map_err(|failure| (failure, count.all.get()))
    }

    /// The same, with all that was counted.
    pub fn carry_out_counted(&self) -> (Result<(), Failure>, Rc<Count>) {
        let (kernel, count) = Faulty::new(self.plan());
        let running = Running { auto_approve: true, parallelism: None, lock_timeout: None, no_rollback: false };
        let ran = self.job().run_on(Box::new(kernel), &running).map(|_: Done| ());
        (ran, count)
    }

    fn job(&self) -> Job {
        let (topology, source) = read(&self.file);
        let addresses = addresses(&topology);
        let wanted = match self.deed {
            Deed::Apply | Deed::Replace => Some(topology.clone()),
            Deed::Update => Some(edited(&topology)),
            Deed::Destroy => None,
        };
        let replace = if self.deed == Deed::Replace { addresses } else { Vec::new() };
        Job {
            name: topology.name,
            operation: if wanted.is_some() { Operation::Apply } else { Operation::Destroy },
            topology: wanted,
            source: Some(source),
            choices: Choices { replace, targets: Vec::new() },
            json: false,
            approved: None,
        }
    }

    /// Does it in a process of its own, which may be killed.
    pub fn carry_out_apart(&self) -> (ExitStatus, String) {
        let output = Command::new(env::current_exe().expect("the test's binary"))
            .args(["--exact", "a_run_in_its_own_process", "--nocapture", "--test-threads=1"])
            .env(ORDER, serde_json::to_string(self).expect("an order"))
            .env(sandbox::INSIDE, "1")
            .stdin(Stdio::null())
            .output()
            .expect("the test's binary");
        let text = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&text).into_owned())
    }

    /// What the process of that does.
    pub fn carry_out_and_exit(&self) {
        if let Err((failure, _)) = self.carry_out() {
            println!("failed: {failure:?}");
        }
    }
}

fn read(file: &str) -> (Topology, Stored) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "topologies", file].iter().collect();
    let reading = Reading::default();
    load::file(Some(&path), &reading).and_then(|loaded| loaded.topology(false)).expect(file)
}

/// What can be made anew.
fn addresses(topology: &Topology) -> Vec<Address> {
    let mut all: Vec<Address> = topology.namespaces.iter().map(|it| it.address()).collect();
    all.extend(topology.bridges.iter().filter(|it| !it.external).map(|it| it.address()));
    all.extend(topology.links.iter().map(|it| it.address()));
    all.extend(topology.routes.iter().map(|it| it.address()));
    all
}
