//! `fmt`: files in the one layout.

use std::path::Path;

use similar::TextDiff;

use super::{Exit, Failure, args, load, out, write};
use crate::{
    report::style::clean,
    spec::format::{self, Refused},
};

/// Runs the verb.
pub fn run(args: &args::Fmt) -> Result<Exit, Failure> {
    let files: Vec<Option<&Path>> =
        if args.files.is_empty() { vec![None] } else { args.files.iter().map(|file| Some(file.as_path())).collect() };
    let mut fine = true;
    for file in files {
        match one(file, args) {
            Ok(changed) => fine &= !(changed && args.check),
            Err(Failure::Output(error)) => return Err(Failure::Output(error)),
            // The others are looked at all the same.
            Err(failure) => {
                super::say(&failure);
                fine = false;
            }
        }
    }
    if fine { Ok(Exit::Done) } else { Err(Failure::Said) }
}

/// One file; whether it was not laid out.
fn one(file: Option<&Path>, args: &args::Fmt) -> Result<bool, Failure> {
    let (bytes, path, format) = load::bytes(file, args.format)?;
    let name = path.to_string_lossy();
    let text = format::format(&bytes, &name, format).map_err(|refused| say(&refused))?;
    let changed = text.as_bytes() != bytes;
    if path == Path::new("-") {
        match (args.check, args.diff) {
            (false, false) => out::print(&text)?,
            (_, true) => out::print(unified(&bytes, &text, &name))?,
            (true, false) => {}
        }
    } else if changed {
        if !args.check {
            write::replace(&path, &text)?;
        }
        out::line(clean(&name))?;
        if args.diff {
            out::print(unified(&bytes, &text, &name))?;
        }
    }
    Ok(changed)
}

/// Says why a file is left as it is, or what is to be said of it.
pub fn say(refused: &Refused) -> Failure {
    match refused {
        Refused::Unreadable(source, diagnostics) => {
            load::draw(diagnostics, std::slice::from_ref(source));
            Failure::Said
        }
        Refused::Unproved(why) => Failure::new(why),
    }
}

/// What changes in a file, for people and for `patch`.
fn unified(before: &[u8], after: &str, name: &str) -> String {
    let (before, name) = (String::from_utf8_lossy(before), clean(name));
    TextDiff::from_lines(before.as_ref(), after)
        .unified_diff()
        .header(&format!("old/{name}"), &format!("new/{name}"))
        .to_string()
}
