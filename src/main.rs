//! Arguments → run → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The sandbox starts this program anew on the inside: that call is not the command line's.
    match netwright::sandbox::reentry() {
        Some(result) => netwright::cli::sandboxed(result),
        None => netwright::cli::run(std::env::args_os()),
    }
}
