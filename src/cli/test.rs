//! `test`: proves a topology's checks on the running lab.

use std::path::Path;

use super::{
    Exit, Failure, args, load,
    operand::{self, Operand},
    out,
};
use crate::{
    exec::memo,
    kernel::Live,
    kind::Topology,
    probe::{self, Limits, Status},
    report::{checks, diagnostic},
};

/// Runs the verb.
pub fn run(args: &args::Test) -> Result<Exit, Failure> {
    let topology = topology(args)?;
    Live::check().map_err(Failure::new)?;
    if topology.checks.is_empty() {
        anstream::eprintln!("the topology {} has no checks; write some under `checks:`", topology.name);
    }
    let outcomes = probe::run(&topology.checks, Limits::default())
        .map_err(|error| Failure::new(format!("the checks could not be run: {error}")))?;
    if args.json {
        out::line(checks::json(&outcomes).map_err(Failure::new)?.trim_end())?;
    } else {
        out::print(checks::text(&outcomes))?;
    }
    if let Some(path) = &args.junit {
        let text = checks::junit(topology.name.as_str(), &outcomes);
        std::fs::write(path, text).map_err(|error| {
            Failure::new(format!("cannot write the report {}: {}", path.display(), load::plain(&error)))
        })?;
    }
    let failed = outcomes.iter().any(|outcome| outcome.status != Status::Pass);
    if failed { Err(Failure::Said) } else { Ok(Exit::Done) }
}

fn topology(args: &args::Test) -> Result<Topology, Failure> {
    let operand =
        operand::operand(args.operand.as_deref(), args.reading.format, Path::new("")).map_err(Failure::new)?;
    match operand {
        Operand::Source(_) => {
            let (bytes, path, format) = load::bytes(args.operand.as_deref(), &args.reading)?;
            let loaded = load::read(&bytes, &path, format, &args.reading);
            if args.json && loaded.topology.is_none() {
                out::line(format_args!("{:#}", diagnostic::document(&loaded.documents())))?;
                return Err(Failure::Said);
            }
            loaded.topology(false)
        }
        Operand::Name(name) => {
            let unknown = || Failure::new(format!("no topology `{name}` was applied on this host; name its file"));
            let memo = memo::load(&name).ok_or_else(unknown)?;
            load::restore(&memo.source, &name).ok_or_else(unknown)?.topology(false)
        }
    }
}
