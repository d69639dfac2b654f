//! `convert`: a file in another notation.

use super::{Exit, Failure, args, fmt, load, operand::Format, out, write};
use crate::{
    model::Diagnostics,
    spec::format::convert::{Converted, convert},
};

/// Runs the verb.
pub fn run(args: &args::Convert) -> Result<Exit, Failure> {
    let by_ending = || args.out.as_ref().and_then(Format::of_path);
    let Some(to) = args.to.or_else(by_ending) else {
        return Err(Failure::new("nothing says what to convert to; add -to toml, yaml or json"));
    };
    let (bytes, path, from) = load::bytes(args.file.as_deref(), args.format)?;
    let converted = convert(&bytes, &path.to_string_lossy(), from, to).map_err(|refused| fmt::say(&refused))?;
    let Converted { text, warnings, source } = converted;
    load::draw(&Diagnostics(warnings), &[source]);
    match &args.out {
        Some(path) => write::replace(path, &text)?,
        None => out::print(text)?,
    }
    Ok(Exit::Done)
}
