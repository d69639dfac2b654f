//! What is wrong with a file or a plan, and where: data only, worded once, drawn by `report`.

use std::ops::Range;

use foldhash::HashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in one of the files that a topology was read from: a byte range, and which copy where a `for` made several of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// Which of the sources, counted from 0.
    pub source: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Which copy of what stands there, by number; 0 where it is the only one.
    pub copy: u32,
}

impl Span {
    /// The bytes `range` of source number `source`.
    pub fn new(source: u32, range: Range<usize>) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { source, start: clamp(range.start), end: clamp(range.end), copy: 0 }
    }

    /// The bytes, for an index into the source's text.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Other bytes of the same source and copy.
    #[must_use]
    pub fn with_range(self, range: Range<usize>) -> Self {
        Self { copy: self.copy, ..Self::new(self.source, range) }
    }

    /// The same bytes, whichever copy it is.
    #[must_use]
    pub fn original(self) -> Self {
        Self { copy: 0, ..self }
    }
}

/// A value with its place in the file. Equality, order and schema are the value's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }

    /// A borrowed view.
    pub fn as_ref(&self) -> Spanned<&T> {
        Spanned { value: &self.value, span: self.span }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: std::fmt::Display> std::fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T: std::hash::Hash> std::hash::Hash for Spanned<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is done while one stands.
    Error,
    /// Said, and gone on.
    Warning,
}

/// A place with what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Labelled {
    /// Where.
    pub span: Span,
    /// A few words, lower case.
    pub text: String,
}

/// One thing that is wrong: what, where, why and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name, `area::what`, such as `name::undefined`.
    pub code: &'static str,
    /// What is wrong, in lower case, naming the object.
    pub message: String,
    /// The places; the first is the main one. Empty for what is about no place of a file.
    pub labels: Vec<Labelled>,
    /// What to do about it.
    pub help: Option<String>,
    /// How many other copies of the same place it is about as well.
    pub others: usize,
}

impl Diagnostic {
    /// An error that is about no place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), labels: Vec::new(), help: None, others: 0 }
    }

    /// A warning that is about no place yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Labelled { span, text: text.into() });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn same_copies(&self, other: &Self) -> bool {
        self.labels.iter().map(|label| label.span.copy).eq(other.labels.iter().map(|label| label.span.copy))
    }
}

/// How many diagnostics are kept of one file, about: a file of junk has millions, and nobody reads them.
pub const ERRORS_MAX: usize = 1000;

/// Diagnostics of which those about copies of one place are one: a `for` repeats its mistakes as often as its parts. There
/// are never many more than [`ERRORS_MAX`].
#[derive(Debug, Default)]
pub struct Gathered {
    all: Vec<Diagnostic>,
    places: HashMap<(Severity, &'static str, Vec<Span>), usize>,
}

impl Gathered {
    /// Adds one, or counts it as another copy of one that is there.
    pub fn push(&mut self, found: Diagnostic) {
        let is_copy = found.labels.first().is_some_and(|label| label.span.copy != 0);
        if is_copy {
            // What is a warning of one copy may be an error of another, which must not get lost behind it.
            let place = (found.severity, found.code, found.labels.iter().map(|label| label.span.original()).collect());
            match self.places.get(&place).and_then(|index| self.all.get_mut(*index)) {
                // Twice of the same copy, it is about something else.
                Some(first) if !first.same_copies(&found) => {
                    first.others += 1 + found.others;
                    return;
                }
                Some(_) => {}
                None => _ = self.places.insert(place, self.all.len()),
            }
        }
        // Warnings never keep an error out.
        let room = match found.severity {
            Severity::Warning => ERRORS_MAX,
            Severity::Error => 2 * ERRORS_MAX,
        };
        if self.all.len() < room {
            self.all.push(found);
        }
    }

    /// Whether no more is added: what is only there to word an error may be left out then.
    pub fn is_full(&self) -> bool {
        self.all.len() >= 2 * ERRORS_MAX
    }

    /// Whether any of them forbids going on.
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(|found| found.severity == Severity::Error)
    }

    /// All of them, in the order in which they came.
    pub fn finish(self) -> Vec<Diagnostic> {
        self.all
    }
}

/// Everything that was found in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether any of them forbids going on.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// In the order of their places in the file, each said once.
    pub fn sort(&mut self) {
        let place = |found: &Diagnostic| found.labels.first().map(|label| (label.span.original(), label.span.copy));
        self.0.sort_by_key(place);
        self.0.dedup();
    }
}
