//! The walk down a tree: where it is, and what was found wrong on the way.

use foldhash::HashSet;
use serde_json::Value as Json;

use super::text::Wrong;
use crate::{
    model::{Diagnostic, Diagnostics, Severity, Span, diagnostic::Gathered},
    spec::{
        Format, Source,
        tree::{self, Entry, Node, Scalar, Style, Value},
    },
};

/// One step from the root of a file to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step<'n> {
    /// Into a map.
    Key(&'n str),
    /// Into a list.
    Item(usize),
}

/// Where something was dropped because it could not be read, or is not to be relied on: its section, which item or entry of
/// that, and which key of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Loss<'n> {
    /// The key of the file.
    pub section: Option<&'n str>,
    /// The item or entry.
    pub entry: Option<Step<'n>>,
    /// The key of the item or entry.
    pub below: Option<&'n str>,
}

/// Walks a tree and collects what is wrong with it.
pub struct Decoder<'n> {
    sources: &'n [Source],
    /// Which of them the walk is in.
    source: usize,
    path: Vec<Step<'n>>,
    /// What was found wrong so far.
    pub diagnostics: Gathered,
    /// Whether something of the text is not in the tree.
    pub unread: bool,
    /// Whether namespaces or bridges may be among that.
    pub names_unread: bool,
    /// Whether a file could not be included, which may have keys of the whole.
    pub misses_files: bool,
    losses: HashSet<Loss<'n>>,
    torn: HashSet<Span>,
    lost: usize,
    found: usize,
}

impl<'n> Decoder<'n> {
    /// A decoder for the tree that was read from `sources`.
    pub fn new(sources: &'n [Source]) -> Self {
        Self {
            sources,
            source: 0,
            path: Vec::new(),
            diagnostics: Gathered::default(),
            unread: false,
            names_unread: false,
            misses_files: false,
            losses: HashSet::default(),
            torn: HashSet::default(),
            lost: 0,
            found: 0,
        }
    }

    /// Takes note of what the reader of the text found wrong and read past.
    pub fn read_past(&mut self, found: &Diagnostics) {
        let mut errors = found.0.iter().filter(|it| it.severity == Severity::Error);
        self.unread = found.has_errors();
        self.names_unread = errors.any(|error| {
            // Of a key that stands twice the first is there.
            let label = error.labels.first().filter(|_| error.code == "key::duplicate");
            let key = label.and_then(|it| self.text(it.span).get(it.span.start as usize..it.span.end as usize));
            key.is_none_or(|key| matches!(key.trim_matches(['"', '\'']), "namespaces" | "bridges"))
        });
    }

    /// Whether a key that is not there may be in a file that could not be included.
    pub fn may_be_elsewhere(&self) -> bool {
        self.misses_files && self.path.is_empty()
    }

    /// Notes that something is dropped where the walk is, or not to be relied on.
    pub fn lose(&mut self) {
        let key = |step: Option<&Step<'n>>| match step {
            Some(Step::Key(key)) => Some(*key),
            Some(Step::Item(_)) | None => None,
        };
        let mut path = self.path.iter();
        let section = key(path.next());
        let entry = path.next().copied();
        self.losses.insert(Loss { section, entry, below: key(path.next()) });
        self.lost += 1;
    }

    /// Where something was dropped.
    pub fn losses(&self) -> Vec<Loss<'n>> {
        self.losses.iter().copied().collect()
    }

    /// The items in which something was dropped.
    pub fn torn(&mut self) -> HashSet<Span> {
        std::mem::take(&mut self.torn)
    }

    /// Reads the item at `span` by `f`, and notes whether a part of it is dropped.
    pub fn item<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.lost;
        let result = f(self);
        if self.lost > before {
            self.torn.insert(span);
        }
        result
    }

    /// Reports something. What an error is about counts as lost: nothing else is to be judged by it.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.found += 1;
        if diagnostic.severity == Severity::Error {
            self.lose();
        }
        self.diagnostics.push(diagnostic);
    }

    /// The text of the file that a place is in.
    fn text(&self, at: Span) -> &'n str {
        self.sources.get(at.source as usize).map_or("", |source| &source.text)
    }

    /// Whether nothing more is reported. Something was found and lost then.
    pub fn is_full(&self) -> bool {
        self.diagnostics.is_full()
    }

    /// How much was found wrong so far: where it does not grow, a value was read whole.
    pub fn found(&self) -> usize {
        self.found
    }

    /// A key with its value as the file that the walk is in would write it, for help.
    pub fn pair(&self, key: &str, value: impl Into<Json>) -> String {
        let format = self.sources.get(self.source).map_or(Format::Yaml, |source| source.format);
        format!("`{}`", format.pair(key, &value.into()))
    }

    /// The notation of each file that the tree was read from.
    pub fn formats(&self) -> Vec<Format> {
        self.sources.iter().map(|source| source.format).collect()
    }

    /// Runs `f` one step deeper, at a part of the tree that may be another file's.
    pub fn enter<T>(&mut self, step: Step<'n>, at: Span, f: impl FnOnce(&mut Self) -> T) -> T {
        let around = std::mem::replace(&mut self.source, at.source as usize);
        let result = self.within(step, f);
        self.source = around;
        result
    }

    /// Runs `f` one step deeper.
    pub fn within<T>(&mut self, step: Step<'n>, f: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = f(self);
        self.path.pop();
        result
    }

    /// Where the walk is, as in `links[2].mtu`.
    pub fn here(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if out.is_empty() => out.push_str(key),
                Step::Key(key) => out.extend([".", key]),
                Step::Item(index) => out.push_str(&format!("[{index}]")),
            }
        }
        if out.is_empty() { "the file".into() } else { format!("`{}`", out.escape_debug()) }
    }

    /// The key that the walk went through last.
    pub fn last_key(&self) -> Option<&'n str> {
        self.path.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Item(_) => None,
        })
    }

    /// Reports a value of a wrong kind, with what to do about it where that is known.
    pub fn wrong_type(&mut self, node: &Node, expected: &str, help: Option<String>) {
        if matches!(node.value, Value::Invalid) {
            self.lose();
            return;
        }
        if self.is_full() {
            self.found += 1;
            self.lose();
            return;
        }
        let found = node.found();
        let error = Diagnostic::error("type::wrong", format!("{} must be {expected}, not {found}", self.here()))
            .at(self.head(node), format!("expected {expected}"));
        self.push(match self.bare_address(node).or(help) {
            Some(help) => error.help(help),
            None => error,
        });
    }

    /// What to do about a list or map that was meant as an IPv6 address.
    fn bare_address(&self, node: &Node) -> Option<String> {
        let word = self.text(node.span).get(node.span.range())?;
        let part = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'/'));
        match &node.value {
            Value::List(_) => {
                let address = word.strip_prefix('[')?.strip_suffix(']')?;
                let meant = part(address) && address.matches(':').count() >= 2;
                meant.then(|| format!("YAML takes the brackets for a list: write \"{address}\", with quotes"))
            }
            // `fd00::` is the key `fd00:` and nothing after it.
            Value::Map(entries) => match entries.as_slice() {
                [Entry { key, value: Node { value: Value::Null, .. } }] if part(key) && key.contains(':') => {
                    Some(format!("YAML takes the last colon for that of a map: quote it, \"{}:\"", key.value))
                }
                _ => None,
            },
            Value::Null | Value::Scalar(_) | Value::Invalid => None,
        }
    }

    /// The place of a value, cut to its first line where it has several.
    pub fn head(&self, node: &Node) -> Span {
        let written = self.text(node.span).get(node.span.range());
        let line = written.and_then(|text| text.lines().next()).map_or(0, str::len);
        let start = node.span.start as usize;
        let first = match &node.value {
            // A TOML file is a map that begins nowhere.
            Value::Map(entries) if self.path.is_empty() => entries.first().map(|e| e.key.span),
            _ => None,
        };
        first.unwrap_or(Span { end: u32::try_from(start + line).unwrap_or(node.span.end), ..node.span })
    }

    /// The place of a part of a scalar's text.
    pub fn part(&self, node: &Node, range: std::ops::Range<usize>) -> Span {
        tree::part(self.text(node.span), node, range)
    }

    /// The text of a value that is written as a string, or as a plain scalar of YAML.
    pub fn string(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(Scalar { text, style: Style::Text | Style::Plain }) => Some(text),
            Value::Scalar(Scalar { text, .. }) => {
                self.wrong_type(node, expected, Some(format!("put it in quotes: \"{text}\"")));
                None
            }
            _ => {
                self.wrong_type(node, expected, None);
                None
            }
        }
    }

    /// Reports what is wrong with a part of a scalar.
    pub fn wrong(&mut self, node: &Node, wrong: Wrong) {
        let span = wrong.range.map_or(node.span, |range| self.part(node, range));
        let error = Diagnostic::error(wrong.code, wrong.message).at(span, wrong.label);
        self.push(match wrong.help {
            Some(help) => error.help(help),
            None => error,
        });
    }
}
