//! Results go to standard output, by way of here: one that cannot be written is an error, never a panic.

use std::{fmt::Display, io::Write};

use super::Failure;

/// Writes text as it is.
pub fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::output)
}

/// Writes text and ends its line.
pub fn line(text: impl Display) -> Result<(), Failure> {
    print(format_args!("{text}\n"))
}
