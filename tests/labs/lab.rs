//! One lab and what is asked of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::Command,
};

use crate::{drift::Drift, dump::Dump, environment::Environment};

/// The folder with the labs.
pub fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "topologies"].iter().collect()
}

/// A topology that ships.
pub struct Lab {
    file: PathBuf,
}

impl Lab {
    /// The lab in that file of the folder.
    pub fn new(file: &str) -> Self {
        Self { file: folder().join(file) }
    }

    /// The whole life of the lab, from an untouched kernel to an untouched kernel.
    pub fn prove(&self, environment: Environment) {
        let _running = environment.start();
        let before = Dump::settled();
        self.expect("plan", &["-detailed-exitcode"], 2);
        assert_eq!(before.diff(&Dump::take()), "", "a plan has changed the kernel");

        self.apply();
        self.is_in_sync();
        let drifts = Drift::possible();
        assert!(drifts.len() > 3, "too few ways to drift were found: {drifts:?}");
        assert!(drifts.iter().any(|it| it.cuts), "no drift is one that the lab's checks have to notice");
        let failed: Vec<&str> = drifts.iter().filter(|it| !self.survives(it)).map(|it| &*it.title).collect();
        assert!(failed.is_empty(), "{} of {} drifts, told above:\n{}", failed.len(), drifts.len(), failed.join("\n"));

        self.expect("destroy", &["-auto-approve"], 0);
        before.assert_restored("destroy");
        self.expect("plan", &["-detailed-exitcode"], 2);
    }

    /// That it can be applied, holds, is repaired after one drift that its checks have to notice, and leaves nothing.
    pub fn prove_the_checks(&self, environment: Environment) {
        let _running = environment.start();
        let before = Dump::take();
        self.apply();
        self.is_in_sync();
        let drift = Drift::possible().into_iter().find(|it| it.cuts).expect("a drift that the checks have to notice");
        self.is_repaired(&drift);
        self.expect("destroy", &["-auto-approve"], 0);
        before.assert_restored("destroy");
    }

    /// That it can be applied, holds, and leaves nothing.
    pub fn prove_at_rest(&self, environment: Environment) {
        let _running = environment.start();
        let before = Dump::take();
        self.apply();
        self.is_in_sync();
        self.expect("destroy", &["-auto-approve"], 0);
        before.assert_restored("destroy");
    }

    /// Applies it.
    pub fn apply(&self) {
        self.expect("apply", &["-auto-approve"], 0);
    }

    fn is_in_sync(&self) {
        let plan = self.expect("plan", &["-detailed-exitcode"], 0);
        assert!(plan.contains("No changes."), "{plan}");
        self.expect("test", &[], 0);
    }

    /// Whether the drift is repaired; after one that is not, the lab is made anew, so that one run tells of all.
    fn survives(&self, drift: &Drift) -> bool {
        let repaired = catch_unwind(AssertUnwindSafe(|| self.is_repaired(drift))).is_ok();
        if !repaired {
            drift.tidy();
            self.expect("destroy", &["-auto-approve"], 0);
            self.apply();
            self.is_in_sync();
        }
        repaired
    }

    fn is_repaired(&self, drift: &Drift) {
        println!("drift: {}", drift.title);
        drift.happen();
        let plan = self.expect("plan", &["-detailed-exitcode"], 2);
        println!("{plan}");
        if drift.cuts {
            self.expect("test", &["-timeout", "1s"], 1);
        }
        self.apply();
        drift.tidy();
        self.is_in_sync();
    }

    /// Runs a verb on the lab's file, wants that exit code and yields what it printed.
    pub fn expect(&self, verb: &str, flags: &[&str], code: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_netwright"))
            .arg(verb)
            .arg(&self.file)
            .args(flags)
            .env("NO_COLOR", "1")
            .output()
            .expect("the binary that cargo has built");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let what = format!("{verb} {} {flags:?}", self.file.display());
        assert_eq!(output.status.code(), Some(code), "{what}: {}\n{stdout}\n{stderr}", output.status);
        stdout.into_owned()
    }
}
