//! `destroy`: removes what a topology owns, the file lost or not.

use std::path::Path;

use super::{
    Exit, Failure,
    apply::Job,
    args, load,
    operand::{self, Operand},
    out,
};
use crate::{
    diff::Choices,
    kernel::{Kernel, Live},
    model::TopologyName,
    observe,
    report::words::Operation,
};

/// Runs the verb.
pub fn run(args: &args::Destroy) -> Result<Exit, Failure> {
    let names = if args.all { all(args.json)? } else { vec![named(args)?] };
    for name in names {
        let job = Job {
            name,
            operation: Operation::Destroy,
            topology: None,
            source: None,
            choices: Choices { replace: Vec::new(), targets: args.targets.clone() },
            json: args.json,
            approved: None,
        };
        job.run(None, &args.running)?;
    }
    Ok(Exit::Done)
}

/// The topologies that own something on this host.
fn all(json: bool) -> Result<Vec<TopologyName>, Failure> {
    Live::check().map_err(Failure::new)?;
    let kernel = Live::new().map_err(Failure::new)?;
    let snapshot = kernel.read(&observe::request(None)).map_err(Failure::new)?;
    let names = observe::topologies(&snapshot);
    if names.is_empty() && !json {
        out::line("No topology owns anything on this host.")?;
    }
    Ok(names.into_iter().collect())
}

fn named(args: &args::Destroy) -> Result<TopologyName, Failure> {
    let operand =
        operand::operand(args.operand.as_deref(), args.reading.format, Path::new("")).map_err(Failure::new)?;
    match operand {
        Operand::Name(name) => Ok(args.reading.name.clone().unwrap_or(name)),
        Operand::Source(_) => {
            if let Some(name) = &args.reading.name {
                return Ok(name.clone());
            }
            let loaded = load::file(args.operand.as_deref(), &args.reading)?;
            // Whatever else is wrong with the file, its name is enough to know what to remove.
            match &loaded.name {
                Some(name) => Ok(name.clone()),
                None => {
                    loaded.say(args.json)?;
                    Err(Failure::new("the file does not tell its topology's name; use `netwright destroy NAME`"))
                }
            }
        }
    }
}
