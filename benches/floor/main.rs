//! The floor: the same networks with raw netlink and system calls and nothing else, in the fastest order that is known. It
//! makes no plan, looks at nothing before or after, takes nothing back, and owns nothing that it makes.
//!
//! ```text
//! floor star N [QUEUES]     a bridge and N namespaces: lo up, a veth, an address, up, a default route
//! floor mesh                50 routers, 200 links with addresses at both ends, forwarding, 500 routes
//! floor gone [PREFIX]       removes every named namespace and every bridge, and waits until all of it is gone
//! floor read                reads links, addresses and routes of every namespace
//! floor show                the same as text
//! floor unplug N            deletes the first N ports of the bridge, at once
//! ```
//! It is for a sandbox: what is there beside it, it takes for its own.

mod netlink;
mod netns;
mod read;
mod topologies;

use std::{io, process::ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor {}: {error}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> io::Result<()> {
    let number = |text: &str| text.parse::<u32>().map_err(|error| io::Error::other(error.to_string()));
    match words {
        ["star", count] => topologies::star(number(count)?, 1),
        ["star", count, queues] => topologies::star(number(count)?, number(queues)?),
        ["mesh"] => topologies::mesh(),
        ["gone"] => topologies::gone(),
        ["read"] => read::all(|_| {}),
        ["show"] => read::all(|line| println!("{line}")),
        ["unplug", count] => topologies::unplug(number(count)?),
        _ => Err(io::Error::other("no such work")),
    }
}

/// A system call's result.
fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
