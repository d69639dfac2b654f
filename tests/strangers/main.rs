//! What no topology owns is never changed, replaced or removed: for every kind of thing that netwright makes, and beside
//! the programs that a machine has, on the real kernel by the binary.

#[path = "../common/dump.rs"]
mod dump;
#[path = "../common/run.rs"]
mod run;
#[path = "../common/sandbox.rs"]
mod sandbox;
#[path = "../common/shell.rs"]
mod shell;
#[path = "../common/two_bridges.rs"]
mod two_bridges;

mod company;
mod daemons;
mod docker;
mod firewalld;
mod in_the_way;
mod kinds;
mod routing;
mod topologies;
mod tunnel;
mod ufw;
