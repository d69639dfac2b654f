//! `validate`: the file alone.

use super::{
    Exit, Failure, args,
    load::{self, Loaded},
    out,
};
use crate::{
    diff,
    model::Diagnostic,
    report::{addresses, diagnostic},
};

/// Runs the verb.
pub fn run(args: &args::Validate) -> Result<Exit, Failure> {
    let files: Vec<Option<&std::path::Path>> =
        if args.files.is_empty() { vec![None] } else { args.files.iter().map(|file| Some(file.as_path())).collect() };
    let mut valid = true;
    let mut documents = Vec::new();
    let mut held = Vec::new();
    for file in files {
        let mut loaded = match load::file(file, &args.reading) {
            Ok(loaded) => loaded,
            // The others are looked at all the same.
            Err(Failure::Message(message)) => {
                valid = false;
                match args.json {
                    true => documents.push(diagnostic::json_of_failure("file::unreadable", &message)),
                    false => super::say(&Failure::Message(message)),
                }
                continue;
            }
            Err(failure) => return Err(failure),
        };
        check_order(&mut loaded);
        valid &= !loaded.diagnostics.has_errors();
        if args.json {
            documents.extend(loaded.documents());
            let name = loaded.topology.as_ref().map_or_else(String::new, |topology| topology.name.to_string());
            held.extend(addresses::json(&name, &loaded.held));
            continue;
        }
        loaded.say(false)?;
        if let Some(topology) = &loaded.topology {
            let path = loaded.sources.first().map_or("-", |source| &source.name);
            out::line(format_args!("Success! The topology {} ({path}) is valid.", topology.name))?;
            if args.addresses && !loaded.held.is_empty() {
                out::print(format_args!("\n{}", addresses::text(&loaded.held)))?;
            }
        }
    }
    if args.json {
        let mut document = diagnostic::document(&documents);
        if args.addresses {
            document["addresses"] = held.into();
        }
        out::line(format_args!("{document:#}"))?;
    }
    if valid { Ok(Exit::Done) } else { Err(Failure::Said) }
}

/// A plan goes by the graph of what needs what; that there is an order is seen here already.
fn check_order(loaded: &mut Loaded) {
    if let Some(Err(cycle)) = loaded.topology.as_ref().map(diff::check_order) {
        loaded.diagnostics.push(Diagnostic::error("graph::cycle", cycle.to_string()));
        loaded.topology = None;
    }
}
