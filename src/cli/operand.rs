//! What FILE and NAME on the command line mean, and the topology file that is meant where they are left out.

use std::{
    io,
    path::{Path, PathBuf},
};

pub use crate::spec::Format;
use crate::{model::TopologyName, report::style::clean};

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Toml, Self::Yaml, Self::Json]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.as_str()))
    }
}

/// Where a topology is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-`.
    Stdin(Format),
    /// A file, or a saved plan.
    File(PathBuf),
}

/// A FILE|NAME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A file, or what the folder holds.
    Source(Source),
    /// A topology that was applied under that name.
    Name(TopologyName),
}

/// Why an operand names nothing.
#[derive(Debug, thiserror::Error)]
pub enum OperandError {
    /// No operand, and nothing to take in its place.
    #[error("no topology file is named, and {} holds none; name one, or call it {}", .0.display(), DEFAULTS.join(", "))]
    NoneHere(PathBuf),
    /// No operand, and too much to take in its place.
    #[error("no topology file is named, and {} holds several: {}; name the one that is meant", .0.display(), .1.join(", "))]
    SeveralHere(PathBuf, Vec<&'static str>),
    /// `-` says nothing of its format.
    #[error("standard input has no file ending to tell its format by; add -format toml, yaml or json")]
    StdinFormat,
    /// A folder.
    #[error("{} is a folder; name the topology file in it", clean(&.0.to_string_lossy()))]
    Folder(PathBuf),
    /// Neither.
    #[error("{} is neither a file nor the name of a topology: a name {}", clean(&.0.to_string_lossy()), .1)]
    Neither(PathBuf, crate::model::name::NameError),
    /// The folder cannot be looked into.
    #[error("failed to look for a topology file in {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
}

/// What a topology file is called where nobody names it.
pub const DEFAULTS: [&str; 4] = ["topology.toml", "topology.yaml", "topology.yml", "topology.json"];

/// What FILE means in the folder `dir`; `format` is that of `-`. Whether a named file exists is found when it is read.
pub fn source(file: Option<&Path>, format: Option<Format>, dir: &Path) -> Result<Source, OperandError> {
    match file {
        None => only_one(dir).map(Source::File),
        Some(file) if file.as_os_str() == "-" => format.map(Source::Stdin).ok_or(OperandError::StdinFormat),
        Some(file) if dir.join(file).is_dir() => Err(OperandError::Folder(file.to_owned())),
        Some(file) => Ok(Source::File(file.to_owned())),
    }
}

/// What FILE|NAME means in the folder `dir`. A file that exists goes before a name; a path and a topology's file ending
/// always mean a file.
pub fn operand(word: Option<&Path>, format: Option<Format>, dir: &Path) -> Result<Operand, OperandError> {
    let Some(path) = word else { return source(None, format, dir).map(Operand::Source) };
    let is_path = path.as_os_str() == "-"
        || path.components().count() > 1
        || path.is_absolute()
        || Format::of_path(path).is_some()
        || dir.join(path).is_file();
    if is_path {
        return source(word, format, dir).map(Operand::Source);
    }
    match path.to_string_lossy().parse() {
        Ok(name) => Ok(Operand::Name(name)),
        Err(_) if dir.join(path).is_dir() => Err(OperandError::Folder(path.to_owned())),
        Err(error) => Err(OperandError::Neither(path.to_owned(), error)),
    }
}

/// The one file of `dir` that is called as a topology is.
fn only_one(dir: &Path) -> Result<PathBuf, OperandError> {
    let mut found = Vec::new();
    for name in DEFAULTS {
        match dir.join(name).try_exists() {
            Ok(true) => found.push(name),
            Ok(false) => {}
            Err(error) => return Err(OperandError::Unreadable(shown(dir), error)),
        }
    }
    match found.as_slice() {
        [one] => Ok(dir.join(one)),
        [] => Err(OperandError::NoneHere(shown(dir))),
        _ => Err(OperandError::SeveralHere(shown(dir), found)),
    }
}

/// A folder as an error names it.
fn shown(dir: &Path) -> PathBuf {
    if dir.as_os_str().is_empty() || dir == Path::new(".") { "the working folder".into() } else { dir.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(dir.path().join(file), "").unwrap();
        }
        dir
    }

    #[test]
    fn a_folder_with_one_topology_needs_no_name() {
        for file in DEFAULTS {
            let dir = folder(&[file, "other.yaml"]);
            assert_eq!(source(None, None, dir.path()).unwrap(), Source::File(dir.path().join(file)));
        }
    }

    #[test]
    fn none_and_several_are_told_apart() {
        let error = source(None, None, folder(&["lab.yaml"]).path()).unwrap_err();
        assert!(error.to_string().contains("holds none; name one, or call it topology.toml, topology.yaml"), "{error}");
        let error = source(None, None, folder(&["topology.yaml", "topology.toml"]).path()).unwrap_err();
        assert!(error.to_string().contains("holds several: topology.toml, topology.yaml;"), "{error}");
    }

    #[test]
    fn standard_input_needs_a_format() {
        let (dash, dir) = (Some(Path::new("-")), Path::new("."));
        assert_eq!(source(dash, Some(Format::Yaml), dir).unwrap(), Source::Stdin(Format::Yaml));
        assert!(source(dash, None, dir).unwrap_err().to_string().contains("-format"));
        assert_eq!(operand(dash, Some(Format::Json), dir).unwrap(), Operand::Source(Source::Stdin(Format::Json)));
    }

    #[test]
    fn a_word_is_a_file_where_it_can_be_one() {
        let dir = folder(&["lab.plan", "web-lab"]);
        fs::create_dir(dir.path().join("labs")).unwrap();
        let read = |word: &str| operand(Some(Path::new(word)), None, dir.path());
        let file = |word: &str| Operand::Source(Source::File(word.into()));
        for word in ["lab.plan", "web-lab", "missing.yaml", "./missing", "/srv/lab", "labs/web"] {
            assert_eq!(read(word).unwrap(), file(word), "{word}");
        }
        for word in ["db-lab", "labs"] {
            assert_eq!(read(word).unwrap(), Operand::Name(word.parse().unwrap()), "{word}");
        }
        let error = read("Web_Lab").unwrap_err().to_string();
        assert!(error.starts_with("Web_Lab is neither a file nor the name of a topology: a name may hold"), "{error}");
        let error = source(Some(Path::new("labs")), None, dir.path()).unwrap_err();
        assert!(matches!(error, OperandError::Folder(_)), "{error}");
    }
}
