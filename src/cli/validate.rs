//! `validate`: the file alone.

use super::{Exit, Failure, args, load, out};
use crate::{model::Severity, report::diagnostic};

/// Runs the verb.
pub fn run(args: &args::Validate) -> Result<Exit, Failure> {
    let files: Vec<Option<&std::path::Path>> =
        if args.files.is_empty() { vec![None] } else { args.files.iter().map(|file| Some(file.as_path())).collect() };
    let mut valid = true;
    let mut documents = Vec::new();
    for file in files {
        let (bytes, path, format) = load::bytes(file, &args.reading)?;
        let loaded = load::read(&bytes, &path, format, &args.reading);
        valid &= !loaded.diagnostics.has_errors();
        if args.json {
            let list = loaded.diagnostics.0.iter();
            documents.extend(list.map(|it| diagnostic::json(it, std::slice::from_ref(&loaded.source))));
            continue;
        }
        loaded.say(false)?;
        if let Some(topology) = &loaded.topology {
            out::line(format_args!("Success! The topology {} ({}) is valid.", topology.name, path.display()))?;
        }
    }
    if args.json {
        let count = |severity| documents.iter().filter(|it| it.severity == severity).count();
        let document = serde_json::json!({
            "format_version": crate::plan::FORMAT_VERSION,
            "valid": valid,
            "error_count": count(Severity::Error),
            "warning_count": count(Severity::Warning),
            "diagnostics": documents,
        });
        out::line(format_args!("{document:#}"))?;
    }
    if valid { Ok(Exit::Done) } else { Err(Failure::Said) }
}
