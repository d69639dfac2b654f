//! Every verb with its flags. What they do is the verbs' own; this is how they are written.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    time::Duration,
};

use clap::{
    Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    argv, help,
    operand::Format,
    value::{self, Assignment},
};
use crate::model::{Address, TopologyName};

/// The environment's say in how long to wait for another run.
pub const LOCK_TIMEOUT: &str = "NETWRIGHT_LOCK_TIMEOUT";

/// Keeps a Linux machine's virtual network equal to a file.
///
/// A topology file says which namespaces, bridges, links, addresses, routes, NAT rules and port forwards there should
/// be. `plan` shows what differs between the file and the running kernel, `apply` makes the difference go away,
/// `destroy` removes what the file made and nothing else.
#[derive(Debug, Parser)]
#[command(name = "netwright", version, after_help = help::AFTER, args_override_self = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Print without colours
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check a topology file alone: no kernel, no privilege
    #[command(after_help = help::VALIDATE)]
    Validate(Validate),
    /// Rewrite topology files in the one layout; comments, order and meaning stay
    #[command(after_help = help::FMT)]
    Fmt(Fmt),
    /// Write a topology file in another notation: YAML, TOML or JSON
    #[command(after_help = help::CONVERT)]
    Convert(Convert),
    /// Show what apply would do now; changes nothing
    #[command(after_help = help::PLAN)]
    Plan(Plan),
    /// Make the network equal to the file: shows the plan, asks, does it
    #[command(after_help = help::APPLY)]
    Apply(Apply),
    /// Remove what a topology owns, and nothing else
    #[command(after_help = help::DESTROY)]
    Destroy(Destroy),
    /// Run a topology's checks on the running lab
    #[command(after_help = help::TEST)]
    Test(Test),
    /// Run a command, or a shell, on a private host that vanishes with it
    #[command(after_help = help::SANDBOX)]
    Sandbox(Sandbox),
    /// List the topologies on this host
    #[command(after_help = help::LIST)]
    List(List),
    /// Show a running lab, or a saved plan
    #[command(after_help = help::SHOW)]
    Show(Show),
    /// Print the JSON Schema of topology files or of plans
    #[command(after_help = help::SCHEMA)]
    Schema(Schema),
    /// Print the version
    #[command(after_help = help::VERSION)]
    Version(Version),
}

impl Verb {
    /// Whether it prints one JSON object a line.
    pub fn prints_lines(&self) -> bool {
        match self {
            Self::Plan(args) => args.planning.json,
            Self::Apply(args) => args.planning.json,
            Self::Destroy(args) => args.json,
            Self::Validate(_) | Self::Test(_) | Self::Sandbox(_) | Self::List(_) | Self::Show(_) => false,
            Self::Fmt(_) | Self::Convert(_) | Self::Schema(_) | Self::Version(_) => false,
        }
    }

    /// Whether it prints one JSON document.
    pub fn prints_document(&self) -> bool {
        match self {
            Self::Validate(args) => args.json,
            Self::Test(args) => args.json,
            Self::List(args) => args.json,
            Self::Show(args) => args.json,
            Self::Plan(_) | Self::Apply(_) | Self::Destroy(_) => false,
            Self::Fmt(_) | Self::Convert(_) | Self::Sandbox(_) | Self::Schema(_) | Self::Version(_) => false,
        }
    }
}

/// How a topology is read.
#[derive(Debug, Clone, Default, Args)]
pub struct Reading {
    /// The format of standard input, where the file is `-`: toml, yaml or json
    #[arg(long, value_name = "FORMAT", hide_possible_values = true, help_heading = "Reading the file")]
    pub format: Option<Format>,
    /// Call the topology NAME instead of what its file says: another name makes another copy of the lab
    #[arg(long, value_name = "NAME", help_heading = "Reading the file")]
    pub name: Option<TopologyName>,
    /// Set a variable of the file in place of its default; NETWRIGHT_VAR_NAME in the environment does the same
    #[arg(long = "var", value_name = "NAME=VALUE", help_heading = "Reading the file")]
    pub vars: Vec<Assignment>,
}

/// What a plan is to be made of.
#[derive(Debug, Clone, Default, Args)]
pub struct Planning {
    /// Plan to remove everything that the topology owns
    #[arg(long)]
    pub destroy: bool,
    /// Only show what has changed on this host since the last apply
    #[arg(long, conflicts_with = "destroy")]
    pub refresh_only: bool,
    /// Only this resource and what it needs; may be given several times
    #[arg(long = "target", value_name = "ADDRESS")]
    pub targets: Vec<Address>,
    /// Make this resource anew, even where it could be changed in its place; may be given several times
    #[arg(long = "replace", value_name = "ADDRESS", conflicts_with_all = ["destroy", "refresh_only"])]
    pub replacements: Vec<Address>,
    /// Save the plan to this file
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Exit with 2 where something differs, 0 where nothing does
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

/// How a plan is run.
#[derive(Debug, Clone, Args)]
pub struct Running {
    /// Do not ask for approval
    #[arg(long)]
    pub auto_approve: bool,
    /// Taken, and of no effect in this version: one thing is done at a time
    #[arg(long, value_name = "N", value_parser = value::parallelism)]
    pub parallelism: Option<usize>,
    /// How long to wait for another run on this host to end, such as 30s [default: NETWRIGHT_LOCK_TIMEOUT, or not at all]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub lock_timeout: Option<Duration>,
    /// Where a step fails, leave what was done before it, to look at; otherwise everything is put back as it was
    #[arg(long)]
    pub no_rollback: bool,
}

impl Running {
    /// How long to wait for another run: the flag, else `environment` (that of [`LOCK_TIMEOUT`]), else not at all.
    pub fn lock_timeout(&self, environment: Option<&OsStr>) -> Result<Duration, String> {
        match (self.lock_timeout, environment) {
            (Some(flag), _) => Ok(flag),
            (None, Some(text)) if !text.is_empty() => {
                let text = text.to_string_lossy();
                value::duration(&text).map_err(|why| format!("invalid value '{text}' of {LOCK_TIMEOUT}: {why}"))
            }
            (None, _) => Ok(Duration::ZERO),
        }
    }
}

/// `validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// Topology files; `-` is standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub reading: Reading,
    /// Also print who has which address, those that are given automatically too
    #[arg(long)]
    pub addresses: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// `fmt`.
#[derive(Debug, Args)]
pub struct Fmt {
    /// Topology files; `-` is standard input, laid out on standard output
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write nothing; exit with 1 where a file is not laid out
    #[arg(long)]
    pub check: bool,
    /// Show what changes, as a unified diff
    #[arg(long)]
    pub diff: bool,
    /// The format of standard input, where the file is `-`: toml, yaml or json
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<Format>,
}

/// `convert`.
#[derive(Debug, Args)]
pub struct Convert {
    /// The topology file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The notation to write: toml, yaml or json; may be left out where -o names a file that tells it
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub to: Option<Format>,
    /// The file to write instead of standard output
    #[arg(short, long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// The format of standard input, where the file is `-`: toml, yaml or json
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<Format>,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// The topology file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// What to plan.
    #[command(flatten)]
    pub planning: Planning,
    /// How the file is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The topology file, or a plan that `plan -out` saved
    #[arg(value_name = "FILE|PLAN")]
    pub file: Option<PathBuf>,
    /// How to run it.
    #[command(flatten)]
    pub running: Running,
    /// What to plan.
    #[command(flatten)]
    pub planning: Planning,
    /// How the file is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `destroy`.
#[derive(Debug, Args)]
pub struct Destroy {
    /// The topology file, or the name of the topology
    #[arg(value_name = "FILE|NAME")]
    pub operand: Option<PathBuf>,
    /// Everything that any topology owns on this host
    #[arg(long, conflicts_with_all = ["operand", "name", "targets"])]
    pub all: bool,
    /// Only this resource and what needs it; may be given several times
    #[arg(long = "target", value_name = "ADDRESS")]
    pub targets: Vec<Address>,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    /// How to run it.
    #[command(flatten)]
    pub running: Running,
    /// How the file is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The topology file, or the name of a running topology
    #[arg(value_name = "FILE|NAME")]
    pub operand: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
    /// How long an answer may take; where none may come, silence for a fifth of it is enough, and at least a second
    #[arg(long, value_name = "DURATION", value_parser = value::timeout, default_value = "5s")]
    pub timeout: Duration,
    /// Also write a JUnit report to this file
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// How the file is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `sandbox`.
#[derive(Debug, Args)]
pub struct Sandbox {
    /// What to run in it; a shell where nothing is given
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

/// `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The name of a running topology, or a plan that `plan -out` saved
    #[arg(value_name = "NAME|PLAN")]
    pub operand: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// Of what there is a schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A topology file.
    #[default]
    Topology,
    /// A plan, as `show PLAN -json` prints it.
    Plan,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of what: topology or plan
    #[arg(value_name = "OF", default_value = "topology", hide_possible_values = true)]
    pub of: SchemaOf,
}

/// `version`.
#[derive(Debug, Args)]
pub struct Version {
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// Verbs that are promised for a later version.
const LATER: [&str; 8] = ["exec", "shell", "graph", "import", "watch", "capture", "completions", "man"];

/// Why there is nothing to do: the arguments are wrong, or ask for help.
#[derive(Debug)]
pub enum Refusal {
    /// What clap says: bad usage, the help, the version.
    Usage(Box<clap::Error>),
    /// A verb that is not there yet.
    Later(&'static str),
}

impl Refusal {
    /// Says so, help on stdout and errors on stderr, and tells the exit code: 2 is taken for "there is a difference".
    pub fn report(&self) -> u8 {
        match self {
            // Where the reader has gone away there is nobody left to tell.
            Self::Usage(error) => drop(error.print()),
            Self::Later(verb) => super::out::say(later(verb)),
        }
        self.exit_code()
    }

    /// 0 for help and version that were asked for, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) => u8::from(error.use_stderr()),
            Self::Later(_) => 1,
        }
    }
}

fn later(verb: &str) -> String {
    format!("error: `netwright {verb}` is not in this version yet; `netwright --help` lists the verbs that are")
}

/// Reads the arguments, the program's name first.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Refusal> {
    let words = argv::normalise(words);
    let verb = words.iter().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    if let Some(later) = LATER.into_iter().find(|later| verb.is_some_and(|verb| verb == later)) {
        return Err(Refusal::Later(later));
    }
    let mut ours = words.iter().take_while(|word| *word != "--");
    let colour = if ours.any(|word| word == "--no-color") { clap::ColorChoice::Never } else { clap::ColorChoice::Auto };
    let in_sandbox = verb.is_some_and(|verb| verb == "sandbox");
    let refuse = |mut error: clap::Error| {
        if in_sandbox && error.kind() == ErrorKind::UnknownArgument {
            let tip = "write -- before what is to be run: netwright sandbox -- CMD".into();
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        }
        Refusal::Usage(Box::new(error))
    };
    let mut command = Cli::command().color(colour);
    let matches = command.try_get_matches_from_mut(&words).map_err(refuse)?;
    Cli::from_arg_matches(&matches).map_err(|error| refuse(error.format(&mut command)))
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
