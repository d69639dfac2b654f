//! Programs that run for the time of a test.

use std::process::{Child, Command, Stdio};

/// What runs; it ends when the value goes.
pub struct Daemon(Child);

impl Daemon {
    /// Starts a command with its arguments, which has to stay in the foreground.
    pub fn start(command: &[&str]) -> Self {
        let (program, arguments) = command.split_first().expect("a command");
        let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended by itself was missed by the test that needed it.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
