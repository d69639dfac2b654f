//! From a file name to a topology, with everything that is wrong said on stderr.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    Failure,
    args::Reading,
    operand::{self, Format},
};
use crate::{
    exec::memo::Stored,
    kind::Topology,
    model::{Diagnostic, Diagnostics, TopologyName},
    report::{diagnostic, json::Lines, style},
    spec::{self, Source, resolve},
};

/// The most that is read of a file: far more than any lab has, far less than memory.
const LARGEST: u64 = 64 << 20;

/// What reading a topology came to.
#[derive(Debug)]
pub struct Loaded {
    /// The text, for diagnostics.
    pub source: Source,
    /// What was found.
    pub diagnostics: Diagnostics,
    /// The topology, where no error stands.
    pub topology: Option<Topology>,
    /// Its name, also where errors stand, as far as it can be told.
    pub name: Option<TopologyName>,
}

/// The bytes of FILE, and how they are to be read again.
pub fn bytes(file: Option<&Path>, reading: &Reading) -> Result<(Vec<u8>, PathBuf, Format), Failure> {
    if let Some(first) = reading.vars.first() {
        let what = format!("-var {}: files have no variables in this version yet", style::clean(&first.name));
        return Err(Failure::new(what));
    }
    let source = operand::source(file, reading.format, Path::new("")).map_err(Failure::new)?;
    match source {
        operand::Source::Stdin(format) => Ok((read_all(io::stdin().lock(), "-")?, "-".into(), format)),
        operand::Source::File(path) => {
            let shown = style::clean(&path.to_string_lossy()).into_owned();
            let open = std::fs::File::open(&path)
                .map_err(|error| Failure::new(format!("cannot read the topology file {shown}: {}", plain(&error))))?;
            let bytes = read_all(open, &shown)?;
            let Some(format) = reading.format.or_else(|| Format::of_path(&path)) else {
                let why = "its ending tells no format; name it .yaml, .toml or .json, or give -format";
                return Err(Failure::new(format!("cannot read the topology file {shown}: {why}")));
            };
            Ok((bytes, path, format))
        }
    }
}

fn read_all(from: impl Read, shown: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("cannot read the topology file {shown}: {}", plain(&error))))?;
    Ok(bytes)
}

/// An I/O error in lower case, without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// Reads and resolves, and says nothing yet.
pub fn read(bytes: &[u8], path: &Path, format: Format, reading: &Reading) -> Loaded {
    let (source, file, mut diagnostics) = spec::parse(bytes, &path.to_string_lossy(), format);
    let options = resolve::Options { name: reading.name.clone() };
    // A name that is missing or wrong stands in the tree as another one, which must never be taken for it.
    let named = |file: &spec::file::File| {
        let taken = diagnostics.has_errors() && file.name.value.as_str() == spec::file::UNNAMED;
        (!taken).then(|| file.name.value.clone())
    };
    let name = file.as_ref().and_then(|file| reading.name.clone().or_else(|| named(file)));
    let resolved = file.map(|file| resolve::resolve(&file, &options));
    let topology = resolved.and_then(|(topology, more)| {
        diagnostics.0.extend(more.0);
        topology.filter(|_| !diagnostics.has_errors())
    });
    diagnostics.sort();
    Loaded { source, diagnostics, topology, name }
}

impl Loaded {
    /// Says what was found: on stderr, or with `json` a line each where results go.
    pub fn say(&self, json: bool) -> Result<(), Failure> {
        if json {
            let mut lines = Lines::new(io::stdout().lock());
            let one = |found: &Diagnostic| {
                let found = diagnostic::json(found, std::slice::from_ref(&self.source));
                let body = serde_json::json!({
                    "detail": found.help.as_deref().unwrap_or(""), "code": found.code, "labels": found.labels,
                });
                lines.diagnostic(found.severity, &found.message, body)
            };
            return self.diagnostics.0.iter().try_for_each(one).map_err(Failure::output);
        }
        if !self.diagnostics.0.is_empty() {
            let style = diagnostic::Style { color: true, ..diagnostic::Style::default() };
            anstream::eprint!("{}", diagnostic::render(&self.diagnostics, std::slice::from_ref(&self.source), style));
        }
        Ok(())
    }

    /// What was found, for machines.
    pub fn documents(&self) -> Vec<diagnostic::DiagnosticJson> {
        self.diagnostics.0.iter().map(|it| diagnostic::json(it, std::slice::from_ref(&self.source))).collect()
    }

    /// The topology; without it what was found has been said, and that is all there is to say.
    pub fn topology(self, json: bool) -> Result<Topology, Failure> {
        self.say(json)?;
        self.topology.ok_or(Failure::Said)
    }
}

/// A topology with its text, to be stored in a memo or a saved plan.
pub fn stored(bytes: &[u8], path: &Path, format: Format) -> Stored {
    // Standard input has no place.
    let path = match path.as_os_str() == "-" {
        true => path.to_owned(),
        false => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    };
    Stored { path, format: format.as_str().to_owned(), text: String::from_utf8_lossy(bytes).into_owned() }
}

/// Reads a topology that was stored, under the name that it was applied by.
pub fn restore(stored: &Stored, name: &TopologyName) -> Option<Loaded> {
    let format = Format::of_path(format!("x.{}", stored.format))?;
    let reading = Reading { name: Some(name.clone()), ..Reading::default() };
    Some(read(stored.text.as_bytes(), &stored.path, format, &reading))
}
