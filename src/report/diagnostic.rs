//! Draws diagnostics for people, and spells them out for machines.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents, ThemeCharacters, ThemeStyles,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lines::Lines;
use crate::{
    model::{Diagnostic, Diagnostics, Severity, Span, diagnostic::Labelled},
    spec::Source,
};

/// A line longer than this is shown in part.
const LINE_MAX: usize = 400;
/// How much of a long line is shown on each side of a place.
const MARGIN: usize = 60;

/// How diagnostics are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With terminal colours.
    pub color: bool,
    /// With box drawing characters, else ASCII.
    pub unicode: bool,
    /// How many columns there are.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, unicode: true, width: 100 }
    }
}

/// Draws all of them, one after the other, with the lines of the files that they are about.
pub fn render(diagnostics: &Diagnostics, sources: &[Source], style: Style) -> String {
    let pages: Vec<Page> = sources.iter().map(Page::new).collect();
    let characters = if style.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() };
    let styles = if style.color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme { characters, styles })
        .with_width(style.width.max(40))
        .with_links(false)
        .with_urls(false)
        .with_context_lines(1)
        .tab_width(4);
    let mut out = String::new();
    for diagnostic in &diagnostics.0 {
        let drawn = Drawn::new(diagnostic, &pages);
        // Writing to a string fails only where miette does, and then the words alone must do.
        if handler.render_report(&mut out, &drawn).is_err() {
            out.push_str(&diagnostic.message);
        }
        out.push('\n');
    }
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

/// A diagnostic for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiagnosticJson {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name, such as `name::undefined`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The places, the main one first; empty for what is about no place of a file.
    pub labels: Vec<LabelJson>,
}

/// A place in a file, for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabelJson {
    /// The path, as it was given.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The first byte, counted from 0 without a byte order mark.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What is to be said of it.
    pub text: String,
}

/// All of them for machines.
pub fn json(diagnostics: &Diagnostics, sources: &[Source]) -> Vec<DiagnosticJson> {
    let sources: Vec<(&Source, Lines)> = sources.iter().map(|source| (source, Lines::new(&source.text))).collect();
    diagnostics.0.iter().map(|diagnostic| one_json(diagnostic, &sources)).collect()
}

fn one_json(diagnostic: &Diagnostic, sources: &[(&Source, Lines)]) -> DiagnosticJson {
    let label = |label: &Labelled| {
        let source = sources.get(label.span.source as usize);
        let position = |(source, lines): &(&Source, Lines)| lines.position(&source.text, label.span.start as usize);
        let (line, column) = source.map_or((0, 0), position);
        LabelJson {
            file: source.map_or_else(String::new, |(source, _)| source.name.clone()),
            line,
            column,
            start: label.span.start,
            end: label.span.end,
            text: label.text.clone(),
        }
    };
    DiagnosticJson {
        severity: diagnostic.severity,
        code: diagnostic.code.to_owned(),
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone(),
        labels: diagnostic.labels.iter().map(label).collect(),
    }
}

/// What has no place in a file, for machines: a summary, and what to do after an empty line.
pub fn json_of_failure(code: &str, text: &str) -> DiagnosticJson {
    let (message, help) = match text.split_once("\n\n") {
        Some((message, help)) => (message, Some(help.to_owned())),
        None => (text, None),
    };
    let (code, message) = (code.to_owned(), message.to_owned());
    DiagnosticJson { severity: Severity::Error, code, message, help, labels: Vec::new() }
}

/// The one document of a verb that found these and has nothing else to say.
pub fn document(found: &[DiagnosticJson]) -> serde_json::Value {
    let count = |severity| found.iter().filter(|it| it.severity == severity).count();
    serde_json::json!({
        "format_version": crate::plan::FORMAT_VERSION,
        "valid": count(Severity::Error) == 0,
        "error_count": count(Severity::Error),
        "warning_count": count(Severity::Warning),
        "diagnostics": found,
    })
}

/// A source made ready to be shown: its lines are known, and nothing in it drives the terminal.
#[derive(Debug)]
struct Page {
    name: String,
    text: String,
    lines: Lines,
}

impl Page {
    fn new(source: &Source) -> Self {
        let text = harmless(&source.text);
        let lines = Lines::new(&text);
        Self { name: source.name.clone(), text, lines }
    }

    /// The number of the line of a byte, from 0.
    fn line(&self, at: usize) -> usize {
        self.lines.line(at)
    }

    /// Where a line begins and ends, its line break left out.
    fn bounds(&self, line: usize) -> (usize, usize) {
        self.lines.bounds(&self.text, line)
    }

    fn is_long(&self, line: usize) -> bool {
        let (start, end) = self.bounds(line);
        end - start > LINE_MAX
    }

    /// The bytes to mark for a span: inside of the text, and not much of a long line.
    fn marked(&self, span: Span) -> SourceSpan {
        let len = self.text.len();
        // The empty line after the last line break cannot be drawn: what is missing there is missing after the text.
        let last = self.text.trim_end().len();
        if span.start as usize >= last {
            return SourceSpan::new(last.into(), 0);
        }
        let start = self.text.floor_char_boundary((span.start as usize).min(len));
        let mut end = self.text.ceil_char_boundary((span.end as usize).clamp(start, len));
        if self.is_long(self.line(start)) {
            end = self.text.ceil_char_boundary(end.min(start + MARGIN));
        }
        SourceSpan::new(start.into(), end - start)
    }
}

/// The text, byte for byte as long, with `?` for what a terminal would act on.
fn harmless(text: &str) -> String {
    let hidden =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => out.push(' '),
            c if c.is_control() || hidden(c) => out.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => out.push(c),
        }
    }
    out
}

impl SourceCode for Page {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (from, to) = (span.offset(), span.offset() + span.len());
        let first = self.line(from).saturating_sub(before);
        let last_byte = if span.is_empty() { from } else { to - 1 };
        let last = (self.line(last_byte) + after).min(self.lines.count() - 1);
        let mut start = self.bounds(first).0;
        let mut end = self.bounds(last).1;
        let mut line = first;
        let mut column = 0;
        if before == 0 || (first..=last).any(|line| self.is_long(line)) {
            line = self.line(from);
            let begin = self.bounds(line).0;
            start = if before == 0 { from } else { begin.max(from.saturating_sub(MARGIN)) };
            start = self.text.floor_char_boundary(start);
            column = self.lines.position(&self.text, start).1 - 1;
            end = self.text.ceil_char_boundary(self.bounds(self.line(last_byte)).1.min(to + MARGIN));
        }
        let data = self.text.get(start..end).ok_or(MietteError::OutOfBounds)?;
        let shown = SourceSpan::new(start.into(), end - start);
        let contents =
            MietteSpanContents::new_named(self.name.clone(), data.as_bytes(), shown, line, column, last - first + 1);
        Ok(Box::new(contents))
    }
}

/// One diagnostic as miette wants it: about one source; what is in others goes into its own part.
#[derive(Debug)]
struct Drawn<'a> {
    code: String,
    message: String,
    help: Option<String>,
    severity: miette::Severity,
    page: Option<&'a Page>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Self>,
}

impl<'a> Drawn<'a> {
    fn new(diagnostic: &Diagnostic, pages: &'a [Page]) -> Self {
        let severity = match diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        };
        let mut drawn = Self {
            code: diagnostic.code.to_owned(),
            message: harmless(&diagnostic.message),
            help: diagnostic.help.as_deref().map(harmless),
            severity,
            page: None,
            labels: Vec::new(),
            elsewhere: Vec::new(),
        };
        let Some(main) = diagnostic.labels.first() else { return drawn };
        drawn.page = pages.get(main.span.source as usize);
        for label in &diagnostic.labels {
            if label.span.source == main.span.source {
                drawn.labels.extend(drawn.page.and_then(|page| label_in(page, label, main)));
            } else {
                drawn.elsewhere.push(Self::other(label, pages));
            }
        }
        drawn
    }

    /// A label in another source than the main one.
    fn other(label: &Labelled, pages: &'a [Page]) -> Self {
        let page = pages.get(label.span.source as usize);
        Self {
            code: String::new(),
            message: harmless(&label.text),
            help: None,
            severity: miette::Severity::Advice,
            labels: page.and_then(|page| label_in(page, label, label)).into_iter().collect(),
            page,
            elsewhere: Vec::new(),
        }
    }
}

/// A label for miette; none for one that a long line keeps far from the main one.
fn label_in(page: &Page, label: &Labelled, main: &Labelled) -> Option<LabeledSpan> {
    let line = page.line(label.span.start as usize);
    let far = label.span.start.abs_diff(main.span.start) as usize > LINE_MAX;
    if far && (page.is_long(line) || page.is_long(page.line(main.span.start as usize))) {
        return None;
    }
    let (text, span) = (Some(harmless(&label.text)), page.marked(label.span));
    Some(if label == main {
        LabeledSpan::new_primary_with_span(text, span)
    } else {
        LabeledSpan::new_with_span(text, span)
    })
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn code<'c>(&'c self) -> Option<Box<dyn fmt::Display + 'c>> {
        if self.code.is_empty() { None } else { Some(Box::new(&self.code)) }
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'c>(&'c self) -> Option<Box<dyn fmt::Display + 'c>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display + 'c>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.page.map(|page| page as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() { None } else { Some(Box::new(self.labels.iter().cloned())) }
    }

    fn related<'r>(&'r self) -> Option<Box<dyn Iterator<Item = &'r dyn miette::Diagnostic> + 'r>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(self.elsewhere.iter().map(|drawn| drawn as &dyn miette::Diagnostic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> [Source; 2] {
        let source =
            |name: &str, text: &str| Source { name: name.into(), text: text.into(), format: crate::spec::Format::Yaml };
        [source("a.yaml", "name: a\r\nlinks: é\u{1b}[2J\r\n"), source("b.yaml", "x: 1\ny: 2\n")]
    }

    fn diagnostics() -> Diagnostics {
        let first = Diagnostic::error("name::undefined", "no namespace is called `é`")
            .at(Span::new(0, 16..18), "not defined")
            .at(Span::new(1, 5..6), "this one is near")
            .help("define it");
        let second = Diagnostic::warning("host::ipv6", "the host would lose its default route");
        Diagnostics(vec![first, second])
    }

    #[test]
    fn places_in_several_files_are_drawn_and_nothing_drives_the_terminal() {
        insta::assert_snapshot!(render(&diagnostics(), &sources(), Style::default()));
    }

    #[test]
    fn ascii_and_colour_are_a_choice() {
        let plain = render(&diagnostics(), &sources(), Style { unicode: false, ..Style::default() });
        assert!(!plain.contains(['╭', '│', '\u{1b}']), "{plain}");
        let colour = render(&diagnostics(), &sources(), Style { color: true, ..Style::default() });
        assert!(colour.contains("\u{1b}[31m") && !colour.contains("\u{1b}[2J"), "{colour}");
    }

    #[test]
    fn machines_get_every_place() {
        let all = json(&diagnostics(), &sources());
        let [json, none] = all.as_slice() else { panic!("{all:?}") };
        let places: Vec<_> = json.labels.iter().map(|l| (l.file.as_str(), l.line, l.column)).collect();
        assert_eq!(places, [("a.yaml", 2, 8), ("b.yaml", 2, 1)]);
        assert_eq!((none.labels.len(), none.help.as_ref()), (0, None));
    }

    #[test]
    fn a_place_past_the_end_is_drawn_at_the_end() {
        let past = Diagnostic::error("a::b", "x").at(Span::new(0, 900..901), "here");
        let other = Diagnostic::error("a::b", "y").at(Span::new(7, 0..1), "no such source");
        let drawn = render(&Diagnostics(vec![past, other]), &sources(), Style::default());
        assert!(drawn.contains("here") && drawn.contains('y') && !drawn.contains("Failed"), "{drawn}");
    }
}
