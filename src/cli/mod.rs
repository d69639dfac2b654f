//! The command line: one thin file a verb.

use std::{ffi::OsString, fmt::Display, io};

pub mod apply;
pub mod args;
mod argv;
mod convert;
mod destroy;
mod fmt;
mod help;
pub mod inherited;
mod input;
mod interrupt;
mod list;
pub mod load;
pub mod operand;
mod out;
mod part;
mod plan;
mod run;
mod session;
mod show;
mod test;
mod validate;
mod value;
pub mod version;
mod write;

use crate::{
    model::Severity,
    report::{
        diagnostic,
        json::Lines,
        style::{self, RED, paint},
    },
    sandbox::SandboxError,
};
use args::Verb;

/// What a verb came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or nothing to do.
    Done,
    /// 2: with `-detailed-exitcode`, there is a difference.
    Differs,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Differs => 2,
        }
    }
}

/// The exit code of a verb that was not done.
const FAILED: u8 = 1;

/// Leaves values that a verb has used to the end of its process: to free a thousand namespaces piece by piece takes
/// milliseconds. Not for what does something when it goes, such as a lock.
fn leave<T>(used: T) {
    std::mem::forget(used);
}

/// Why a verb was not done: exit code 1.
#[derive(Debug)]
pub enum Failure {
    /// It has been said already.
    Said,
    /// What is to be said.
    Message(String),
    /// The output cannot be written, or nobody reads it any more.
    Output(io::Error),
    /// The same of what is said at the end of a run, when all is done.
    Unheard(io::Error),
}

impl Failure {
    fn new(message: impl Display) -> Self {
        Self::Message(message.to_string())
    }

    fn output(error: io::Error) -> Self {
        Self::Output(error)
    }

    /// The failure of a run that has come to its end.
    fn after_the_run(self) -> Self {
        match self {
            Self::Output(error) => Self::Unheard(error),
            other @ (Self::Said | Self::Message(_) | Self::Unheard(_)) => other,
        }
    }
}

/// Runs the command line and gives its exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match args::parse(words) {
        Ok(cli) => cli,
        Err(refusal) => return refusal.report(),
    };
    if cli.no_color {
        style::without_colours();
    }
    if let Err(failure) = log() {
        return refused(&failure);
    }
    if !matches!(cli.verb, Verb::Sandbox(_)) {
        inherited::survive_file_limit();
    }
    let done = match &cli.verb {
        Verb::Sandbox(args) => return sandbox(args),
        Verb::Validate(args) => validate::run(args),
        Verb::Fmt(args) => fmt::run(args),
        Verb::Convert(args) => convert::run(args),
        Verb::Plan(args) => plan::run(args),
        Verb::Apply(args) => apply::run(args),
        Verb::Destroy(args) => destroy::run(args),
        Verb::Test(args) => test::run(args),
        Verb::List(args) => list::run(args),
        Verb::Show(args) => show::run(args),
        Verb::Schema(args) => schema(args),
        Verb::Version(args) => version(args),
    };
    match done {
        Ok(exit) => exit.code(),
        Err(failure) => {
            match failure {
                Failure::Message(message) if cli.verb.prints_lines() => say_line(&message),
                Failure::Message(message) if cli.verb.prints_document() => say_document(&message),
                failure => say(&failure),
            }
            FAILED
        }
    }
}

/// Says why nothing is done at all, and gives the exit code.
pub fn refused(failure: &Failure) -> u8 {
    say(failure);
    FAILED
}

/// With `NETWRIGHT_LOG` set to a level (error, warn, info, debug, trace), what happens inside is told on stderr.
fn log() -> Result<(), Failure> {
    let Some(level) = inherited::variable(LOG).filter(|level| !level.is_empty()) else { return Ok(()) };
    let text = level.to_string_lossy();
    let level: tracing::level_filters::LevelFilter = text
        .parse()
        .map_err(|_| Failure::new(format!("{LOG} is `{text}`: it takes error, warn, info, debug, trace or off")))?;
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_ansi(false).init();
    Ok(())
}

/// The environment's say in what is told of the inside.
const LOG: &str = "NETWRIGHT_LOG";

/// Says an error to whoever reads a line an event. The reader may have gone away.
fn say_line(message: &str) {
    let (summary, detail) = message.split_once("\n\n").unwrap_or((message, ""));
    let body = serde_json::json!({ "detail": detail });
    drop(Lines::new(io::stdout().lock()).diagnostic(Severity::Error, summary, body));
}

/// Says an error to whoever reads one document.
fn say_document(message: &str) {
    let found = [diagnostic::json_of_failure("run::failed", message)];
    drop(out::line(format_args!("{:#}", diagnostic::document(&found))));
}

fn say(failure: &Failure) {
    match failure {
        Failure::Said => {}
        Failure::Message(message) => out::say(format_args!("{} {message}", paint(RED.bold(), "Error:"))),
        Failure::Output(error) | Failure::Unheard(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Failure::Output(error) => {
            out::say(format_args!("{} cannot write the output: {error}", paint(RED.bold(), "Error:")));
        }
        Failure::Unheard(error) => {
            let what = "everything was done, but the output cannot be written";
            out::say(format_args!("{} {what}: {error}", paint(RED.bold(), "Error:")));
        }
    }
}

fn version(args: &args::Version) -> Result<Exit, Failure> {
    match args.json {
        true => out::line(format_args!("{:#}", version::json()))?,
        false => out::print(version::text())?,
    }
    Ok(Exit::Done)
}

fn schema(args: &args::Schema) -> Result<Exit, Failure> {
    let schema = match args.of {
        args::SchemaOf::Topology => crate::spec::schema(),
        args::SchemaOf::Plan => crate::plan::schema(),
    };
    out::line(format_args!("{schema:#}"))?;
    Ok(Exit::Done)
}

fn sandbox(args: &args::Sandbox) -> u8 {
    sandboxed(crate::sandbox::run(&args.command))
}

/// The exit code of what ran in a sandbox, or of what kept it from running.
pub fn sandboxed(result: Result<u8, SandboxError>) -> u8 {
    result.unwrap_or_else(|error| {
        say(&Failure::new(&error));
        error.exit_code()
    })
}
