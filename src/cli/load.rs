//! From a file name to a topology, with everything that is wrong said on stderr.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    Failure,
    args::Reading,
    inherited,
    input::Input,
    operand::{self, Format},
    value::Assignment,
};
use crate::{
    exec::memo::{Included, Stored},
    kind::Topology,
    model::{Diagnostics, TopologyName},
    report::{
        diagnostic::{self, DiagnosticJson},
        json::Lines,
        style,
    },
    spec::{
        self, Given, Source, Surroundings,
        resolve::{self, Held},
    },
};

/// The most that is read of a file: far more than any lab has, far less than memory.
const LARGEST: u64 = 64 << 20;

/// What reading a topology came to.
#[derive(Debug)]
pub struct Loaded {
    /// The file and what it includes, for diagnostics.
    pub sources: Vec<Source>,
    /// What was found.
    pub diagnostics: Diagnostics,
    /// The topology, where no error stands.
    pub topology: Option<Topology>,
    /// Its addresses.
    pub held: Vec<Held>,
    /// Its name, also where errors stand, as far as it can be told.
    pub name: Option<TopologyName>,
    /// What it was read from, to be read again.
    pub stored: Stored,
}

/// What begins the names of environment variables that set the variables of files.
const VAR: &str = "NETWRIGHT_VAR_";

/// The bytes of FILE, its path and how it is written; `format` is that of standard input.
pub fn bytes(file: Option<&Path>, format: Option<Format>) -> Result<(Vec<u8>, PathBuf, Format), Failure> {
    let source = operand::source(file, format, Path::new("")).map_err(Failure::new)?;
    match source {
        operand::Source::Stdin(format) => Ok((read_all(io::stdin().lock(), "-")?, "-".into(), format)),
        operand::Source::File(path) => {
            let shown = style::clean(&path.to_string_lossy()).into_owned();
            let open = Input::open(&path)
                .map_err(|error| Failure::new(format!("cannot read the topology file {shown}: {}", plain(&error))))?;
            let bytes = read_all(open, &shown)?;
            let Some(format) = format.or_else(|| Format::of_path(&path)) else {
                let why = "its ending tells no format; name it .yaml, .toml or .json, or give -format";
                return Err(Failure::new(format!("cannot read the topology file {shown}: {why}")));
            };
            Ok((bytes, path, format))
        }
    }
}

/// Reads and resolves FILE, and says nothing yet.
pub fn file(file: Option<&Path>, reading: &Reading) -> Result<Loaded, Failure> {
    file_beside(file, reading, || ()).map(|(loaded, ())| loaded)
}

/// The same with something that is begun once the text is there: at a pipe that may take as long as it likes.
pub fn file_beside<T>(
    file: Option<&Path>,
    reading: &Reading,
    begin: impl FnOnce() -> T,
) -> Result<(Loaded, T), Failure> {
    let (bytes, path, format) = bytes(file, reading.format)?;
    let begun = begin();
    let mut given = BTreeMap::new();
    for (name, text) in inherited::variables(VAR) {
        if let Ok(text) = text.into_string() {
            given.insert(name, Given { text, must: false });
        }
    }
    for Assignment { name, value } in &reading.vars {
        given.insert(name.clone(), Given { text: value.clone(), must: true });
    }
    let surroundings = Surroundings { name: reading.name.as_ref(), given, fetch: &mut fetch };
    Ok((read(&bytes, &path, format, surroundings), begun))
}

/// Reads an included file: a plain one, so that nobody waits for a pipe or a device.
fn fetch(path: &Path) -> Result<Vec<u8>, String> {
    plain_file(path).map_err(|error| plain(&error))?.ok_or_else(|| "it is no plain file".to_owned())
}

/// The bytes of a plain file, no more than [`LARGEST`]; nothing of a pipe, which can be read but once, nor of a device.
pub fn plain_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
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

fn read(bytes: &[u8], path: &Path, format: Format, surroundings: Surroundings<'_>) -> Loaded {
    let override_ = surroundings.name.cloned();
    let spec::Loaded { sources, file, copies, vars, mut diagnostics } =
        spec::load(bytes, &path.to_string_lossy(), format, surroundings);
    // A name that is missing or wrong stands in the tree as another one, which must never be taken for it.
    let named = |file: &spec::file::File| {
        let taken = diagnostics.has_errors() && file.name.value.as_str() == spec::file::UNNAMED;
        (!taken).then(|| file.name.value.clone())
    };
    let name = file.as_ref().and_then(|file| override_.or_else(|| named(file)));
    let mut topology = None;
    if let Some(file) = &file {
        let (resolved, more) = resolve::resolve(file);
        diagnostics.0.extend(more.0);
        topology = resolved.filter(|_| !diagnostics.has_errors());
    }
    let held = file.zip(topology.as_ref()).map(|(file, topology)| resolve::held(&file, topology)).unwrap_or_default();
    diagnostics.sort();
    copies.explain(&mut diagnostics);
    let stored = stored(&sources, path, format, vars);
    Loaded { sources, diagnostics, topology, held, name, stored }
}

impl Loaded {
    /// Says what was found: on stderr, or with `json` a line each where results go.
    pub fn say(&self, json: bool) -> Result<(), Failure> {
        if json {
            let mut lines = Lines::new(io::stdout().lock());
            let one = |found: DiagnosticJson| {
                let body = serde_json::json!({
                    "detail": found.help.as_deref().unwrap_or(""), "code": found.code, "labels": found.labels,
                });
                lines.diagnostic(found.severity, &found.message, body)
            };
            return self.documents().into_iter().try_for_each(one).map_err(Failure::output);
        }
        draw(&self.diagnostics, &self.sources);
        Ok(())
    }

    /// What was found, for machines.
    pub fn documents(&self) -> Vec<diagnostic::DiagnosticJson> {
        diagnostic::json(&self.diagnostics, &self.sources)
    }

    /// The topology and what it was read from; without it what was found has been said, and that is all there is to say.
    pub fn topology(self, json: bool) -> Result<(Topology, Stored), Failure> {
        self.say(json)?;
        Ok((self.topology.ok_or(Failure::Said)?, self.stored))
    }
}

/// Shows what was found in files on stderr.
pub fn draw(diagnostics: &Diagnostics, sources: &[Source]) {
    if !diagnostics.0.is_empty() {
        let style = diagnostic::Style { color: true, ..diagnostic::Style::default() };
        super::out::say_as_it_is(diagnostic::render(diagnostics, sources, style));
    }
}

/// A topology with its text, to be stored in a memo or a saved plan.
fn stored(sources: &[Source], path: &Path, format: Format, vars: BTreeMap<String, String>) -> Stored {
    // Standard input has no place.
    let path = match path.as_os_str() == "-" {
        true => path.to_owned(),
        false => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    };
    let text = sources.first().map_or_else(String::new, |source| source.text.clone());
    let included = sources.iter().skip(1);
    let includes = included.map(|it| Included { path: PathBuf::from(&it.name), text: it.text.clone() }).collect();
    Stored { path, format: format.as_str().to_owned(), text, includes, vars }
}

/// Reads a topology that was stored, under the name that it was applied by.
pub fn restore(stored: &Stored, name: &TopologyName) -> Option<Loaded> {
    let format = Format::of_path(format!("x.{}", stored.format))?;
    let given = stored.vars.iter().map(|(name, text)| (name.clone(), Given { text: text.clone(), must: false }));
    // The same text with the same variables asks for the same files in the same order.
    let mut includes = stored.includes.iter();
    let mut fetch = |path: &Path| {
        let next = includes.next().ok_or_else(|| format!("{} was not stored", path.display()))?;
        Ok(next.text.clone().into_bytes())
    };
    let surroundings = Surroundings { name: Some(name), given: given.collect(), fetch: &mut fetch };
    Some(read(stored.text.as_bytes(), &stored.path, format, surroundings))
}
