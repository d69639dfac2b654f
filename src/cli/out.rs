//! Results go to standard output, by way of here: one that cannot be written is an error, never a panic. What is said
//! beside goes to standard error: where that cannot be written, nobody can be told.

use std::{
    fmt::Display,
    io::{self, BufWriter, Write},
};

use anstream::AutoStream;

use super::Failure;

/// Writes text as it is.
pub fn print(text: impl Display) -> Result<(), Failure> {
    // The standard library writes line by line, and a plan may have a hundred thousand: the buffer is the last but one
    // stop, behind what takes colours out.
    let colours = AutoStream::choice(&io::stdout());
    let buffered: Box<dyn Write> = Box::new(BufWriter::with_capacity(64 * 1024, io::stdout().lock()));
    let mut out = AutoStream::new(buffered, colours);
    write!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::output)
}

/// Says text on standard error and ends its line. A run goes on where nobody listens: half a network is worse.
pub fn say(text: impl Display) {
    say_as_it_is(format_args!("{text}\n"));
}

/// Says text on standard error, as it is.
pub fn say_as_it_is(text: impl Display) {
    // In one piece: nothing buffers this stream, and each piece would be a write of its own.
    let mut whole = AutoStream::new(Vec::new(), AutoStream::choice(&io::stderr()));
    drop(write!(whole, "{text}").and_then(|()| io::stderr().write_all(&whole.into_inner())));
}

/// Writes text and ends its line.
pub fn line(text: impl Display) -> Result<(), Failure> {
    print(format_args!("{text}\n"))
}
