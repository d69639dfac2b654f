//! Arguments → run → exit code.

use std::process::ExitCode;

use netwright::sandbox::{self, SandboxError};

fn main() -> ExitCode {
    if let Some(result) = sandbox::reentry() {
        return ended(result);
    }
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|verb| verb == "sandbox") {
        let command: Vec<_> = args.skip_while(|arg| arg == "--").collect();
        return ended(sandbox::run(&command));
    }
    ExitCode::SUCCESS
}

fn ended(result: Result<ExitCode, SandboxError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(error.exit_code())
    })
}
