//! Arguments → run → exit code.

use std::io::{self, Write};

use nix::libc::_exit;

/// A large file is a million small pieces of memory: with the C library's allocator a third of the time goes into those.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    end(run());
}

/// What the command line asks for, and the exit code.
fn run() -> u8 {
    if let Err(refusal) = netwright::cli::inherited::mend() {
        return netwright::cli::refused(&refusal);
    }
    // A page of 2 MiB costs more to clear than all that is put into it by most runs. The allocator asks for none of itself,
    // which it does before it comes to this; a machine may give them to everybody.
    let _ = nix::sys::prctl::set_thp_disable(true);
    // The sandbox starts this program anew on the inside: that call is not the command line's. With rights that the
    // caller does not have, it never does.
    let inside = if netwright::cli::inherited::is_secure() { None } else { netwright::sandbox::reentry() };
    match inside {
        Some(result) => netwright::cli::sandboxed(result),
        None => netwright::cli::run(std::env::args_os()),
    }
}

/// Ends the process with what it has used: the allocator would hand its memory back piece by piece first, which takes
/// milliseconds after a plan of a thousand namespaces.
fn end(status: u8) -> ! {
    // Whoever printed has told where that failed.
    let _ = io::stdout().flush();
    // SAFETY: no pointers; nothing of this process is used afterwards.
    unsafe { _exit(status.into()) }
}
