//! `include`: other files, whose parts come before those of the file that includes them.

use std::path::{Component, Path, PathBuf};

use foldhash::{HashMap, HashSet};

use super::{
    Fetch,
    walk::{Keys, Walk},
};
use crate::{
    model::{Diagnostic, Span, diagnostic::Gathered},
    spec::{
        Format, Source, read_tree, text,
        tree::{Entry, Node, Scalar, Value, duplicate_key},
    },
};

/// The key for variables.
pub const VARS: &str = "vars";
/// The key for other files.
pub const INCLUDE: &str = "include";

/// The keys that hold maps by name: those of all files together.
const MAPS: [&str; 2] = ["namespaces", "bridges"];
/// The keys that hold lists: one after the other.
const LISTS: [&str; 5] = ["links", "gateways", "nat", "port_forwards", "checks"];

/// How many others a file may include.
const FILES_MAX: usize = 256;

/// Files put together.
#[derive(Default)]
pub struct Whole {
    /// The entries of the file with those of all that it includes.
    pub entries: Vec<Entry>,
    /// The entries of each included file as it was read.
    pub included: Vec<Vec<Entry>>,
}

/// A file with all that it includes. `None` where the file is no map, which whoever reads it says.
pub fn gather(walk: &mut Walk, source: Source, root: &Node, fetch: &mut Fetch<'_>) -> Option<Whole> {
    let Value::Map(entries) = &root.value else {
        walk.env.sources.push(source);
        return None;
    };
    let path = PathBuf::from(&source.name);
    walk.env.sources.push(source);
    let (around, seen) = (vec![tidy(&path)], HashSet::from_iter([tidy(&path)]));
    let mut gathering = Gathering { walk, fetch, around, seen, included: Vec::new(), full: false };
    let entries = gathering.file(&path, entries);
    Some(Whole { entries, included: gathering.included })
}

struct Gathering<'a, 'f> {
    walk: &'a mut Walk,
    fetch: &'a mut Fetch<'f>,
    /// The files that include the one that is being read, the first one first.
    around: Vec<PathBuf>,
    /// All files that were asked for so far.
    seen: HashSet<PathBuf>,
    /// The entries of those that were read.
    included: Vec<Vec<Entry>>,
    /// Whether a limit was met: no more files are read then.
    full: bool,
}

impl Gathering<'_, '_> {
    /// The entries of a file with those of what it includes.
    fn file(&mut self, path: &Path, entries: &[Entry]) -> Vec<Entry> {
        for entry in entries {
            match (entry.key.value.as_str(), &entry.value.value) {
                (VARS, Value::Map(variables)) => {
                    variables.iter().for_each(|variable| self.walk.env.define(&variable.key, &variable.value));
                }
                ("name", Value::Scalar(_)) => self.walk.env.name(&entry.value),
                _ => {}
            }
        }
        let mut merged = Merged::default();
        let includes = entries.iter().filter(|entry| entry.key.value == INCLUDE);
        for entry in includes.filter(|entry| entry.value.value != Value::Null) {
            for item in self.items(&entry.value) {
                if let Some((path, entries)) = self.open(path, &item) {
                    self.around.push(tidy(&path));
                    let included = self.file(&path, &entries);
                    self.around.pop();
                    self.included.push(entries);
                    merged.beside(included, &mut self.walk.env.diagnostics);
                }
            }
        }
        let own = entries.iter().filter(|entry| entry.key.value != INCLUDE).cloned();
        if merged.entries.is_empty() {
            return own.collect();
        }
        merged.over(own);
        merged.entries
    }

    /// What an `include` names, its variables put in.
    fn items(&mut self, value: &Node) -> Vec<Node> {
        let mut items = Vec::new();
        match &value.value {
            Value::List(_) => match self.walk.node(value, Keys::Words).value {
                Value::List(made) => items = made,
                _ => return items,
            },
            _ => self.walk.item(value, &mut items),
        }
        items
    }

    /// Reads one file that the file at `from` includes.
    fn open(&mut self, from: &Path, item: &Node) -> Option<(PathBuf, Vec<Entry>)> {
        if self.full {
            return None;
        }
        let Value::Scalar(Scalar { text, .. }) = &item.value else {
            if item.value != Value::Invalid {
                let what = format!("`include` takes paths of files, not {}", item.found());
                let help = "name the file alone, such as base.yaml";
                self.wrong(Diagnostic::error("include::path", what).at(item.span, "no path").help(help));
            }
            self.miss();
            return None;
        };
        let path = from.parent().unwrap_or(Path::new("")).join(text);
        let path_shown = path.display().to_string();
        if self.around.contains(&tidy(&path)) {
            let error = Diagnostic::error("include::cycle", format!("`{path_shown}` includes itself"));
            self.wrong(error.at(item.span, "comes back to itself").help("take this one away"));
            return None;
        }
        // What several files need is read once, as if the first one had included it alone.
        if !self.seen.insert(tidy(&path)) {
            return None;
        }
        let Some(format) = Format::of_path(&path) else {
            let error = Diagnostic::error("include::format", format!("the ending of `{path_shown}` tells no format"));
            self.wrong(error.at(item.span, "which format?").help("name it .yaml, .toml or .json"));
            return None;
        };
        if self.seen.len() > 1 + FILES_MAX {
            return self.limit(item.span, format!("the file includes more than {FILES_MAX} others"));
        }
        let bytes = match (self.fetch)(&path) {
            Ok(bytes) => bytes,
            Err(why) => {
                let error = Diagnostic::error("include::unreadable", format!("cannot read `{path_shown}`: {why}"));
                let help = "the path counts from the folder of the file that includes it";
                self.wrong(error.at(item.span, "included here").help(help));
                return None;
            }
        };
        let before: usize = self.walk.env.sources.iter().map(|source| source.text.len()).sum();
        if before + bytes.len() > text::SIZE_MAX && bytes.len() <= text::SIZE_MAX {
            return self.limit(
                item.span,
                format!("the file and what it includes have more than {} MiB", text::SIZE_MAX >> 20),
            );
        }
        self.tree(item.span, path, format, &bytes)
    }

    fn limit(&mut self, at: Span, what: String) -> Option<(PathBuf, Vec<Entry>)> {
        self.full = true;
        self.wrong(Diagnostic::error("include::limit", what).at(at, "too many with this one"));
        None
    }

    fn tree(&mut self, at: Span, path: PathBuf, format: Format, bytes: &[u8]) -> Option<(PathBuf, Vec<Entry>)> {
        let index = u32::try_from(self.walk.env.sources.len()).unwrap_or(u32::MAX);
        let (source, tree, found) = read_tree(index, bytes, &path.to_string_lossy(), format);
        self.walk.env.sources.push(source);
        self.walk.lost |= found.has_errors();
        for found in found.0 {
            // What is no text has no place of its own.
            let found = if found.labels.is_empty() { found.at(at, "included here") } else { found };
            self.walk.env.diagnostics.push(found);
        }
        match tree.map(|tree| tree.value) {
            Some(Value::Map(entries)) => Some((path, entries)),
            Some(Value::Invalid) | None => {
                self.miss();
                None
            }
            Some(_) => {
                let error = Diagnostic::error("include::shape", format!("`{}` is no topology", path.display()));
                self.wrong(error.at(at, "included here").help("a file is a map with keys such as `namespaces`"));
                None
            }
        }
    }

    fn wrong(&mut self, error: Diagnostic) {
        self.miss();
        self.walk.env.diagnostics.push(error);
    }

    /// Notes that a file is not there that was to be included.
    fn miss(&mut self) {
        self.walk.lost = true;
        self.walk.env.misses_files = true;
    }
}

/// The entries of several files, and where each key stands among them.
#[derive(Default)]
struct Merged {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

impl Merged {
    /// Adds what another included file has. Where both say the same thing, neither is the one that is meant.
    fn beside(&mut self, entries: Vec<Entry>, diagnostics: &mut Gathered) {
        for entry in entries {
            let key = entry.key.value.as_str();
            match self.at(key) {
                Some(there) if is_shared(key) => join(there, entry),
                Some(there) if !matches!(key, "name" | "description" | VARS) && !super::is_for_others(key) => {
                    let error = duplicate_key(key, entry.key.span, Some(there.key.span));
                    diagnostics.push(error.help("two included files say it: say it in the file that includes them"));
                }
                Some(_) => {}
                None => self.push(entry),
            }
        }
    }

    /// Adds what the including file has itself, which goes before what it includes.
    fn over(&mut self, entries: impl Iterator<Item = Entry>) {
        for entry in entries {
            match self.at(&entry.key.value) {
                Some(there) if is_shared(&entry.key.value) => join(there, entry),
                Some(there) => *there = entry,
                None => self.push(entry),
            }
        }
    }

    fn at(&mut self, key: &str) -> Option<&mut Entry> {
        self.places.get(key).and_then(|place| self.entries.get_mut(*place))
    }

    fn push(&mut self, entry: Entry) {
        self.places.insert(entry.key.value.clone(), self.entries.len());
        self.entries.push(entry);
    }
}

/// Whether what several files say under a key is there together.
fn is_shared(key: &str) -> bool {
    MAPS.contains(&key) || LISTS.contains(&key)
}

/// Puts what a later file has under a key behind what is there.
fn join(there: &mut Entry, more: Entry) {
    let key = there.key.value.as_str();
    if MAPS.contains(&key) {
        match (&mut there.value.value, more.value.value) {
            (Value::Map(entries), Value::Map(more)) => entries.extend(more),
            (_, Value::Null) => {}
            // Whatever is no map is said by whoever reads it.
            (there, more) => *there = more,
        }
        return;
    }
    let first = std::mem::replace(&mut there.value.value, Value::Null);
    let mut items = listed(Node { span: there.value.span, value: first });
    items.extend(listed(more.value));
    there.value.value = Value::List(items);
}

/// The items of a list, whose brackets may be left out.
fn listed(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        Value::Null => Vec::new(),
        _ => vec![node],
    }
}

/// A path without `.` and without `x/..` in it, to be compared with others.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, tidied.last()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => _ = tidied.pop(),
            _ => tidied.push(part),
        }
    }
    tidied.into_iter().collect()
}
