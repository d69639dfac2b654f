//! Arguments → run → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    netwright::cli::run(std::env::args_os())
}
