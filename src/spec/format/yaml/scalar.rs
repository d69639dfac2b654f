//! The parser's events with the places that they do not tell, and the text of scalars of several lines.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

use crate::spec::format::{flow::STEP, piece::Block};

/// An event with its place and that of its anchor and tag.
#[derive(Clone)]
pub struct Token<'a> {
    /// The event.
    pub event: Event<'a>,
    /// The place of its content.
    pub range: Range<usize>,
    /// The places of its anchor and tag.
    pub props: Vec<Range<usize>>,
    /// Where the header of a block scalar, or the first dash of a list, stands, which the parser does not tell.
    pub mark: Option<usize>,
    /// Where all of it begins.
    pub begin: usize,
}

impl Token<'_> {
    /// Whether it ends something.
    pub fn is_end(&self) -> bool {
        matches!(self.event, Event::SequenceEnd | Event::MappingEnd | Event::DocumentEnd | Event::StreamEnd)
    }

    fn is_block_scalar(&self) -> bool {
        matches!(self.event, Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..))
    }
}

/// Whether a value is a map or list that is laid out by indentation.
pub fn is_block(token: &Token<'_>) -> bool {
    matches!(
        token.event,
        Event::SequenceStart(StructureStyle::Block, ..) | Event::MappingStart(StructureStyle::Block, ..)
    )
}

/// The events of a text, and the places of its comments; `None` where it is no YAML.
pub fn tokens(text: &str) -> Option<(Vec<Token<'_>>, Vec<Range<usize>>)> {
    let options = granit_parser::options! {
        emit_comments: true,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        max_buffered_comment_events: text.len(),
    };
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut comments: Vec<Range<usize>> = Vec::new();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.ok()?;
        let range = span.byte_range()?;
        match event {
            Event::Comment(..) => comments.push(range),
            // The anchor of a value is told after it.
            Event::Anchor(..) => tokens.last_mut()?.props.push(range),
            event => {
                let props = span.tag_span().and_then(|tag| tag.byte_range()).into_iter().collect();
                tokens.push(Token { event, begin: range.start, range, props, mark: None });
            }
        }
    }
    comments.sort_by_key(|comment| comment.start);
    complete(text, &mut tokens);
    Some((tokens, comments))
}

/// Finds the headers of block scalars: the parser tells where their content stands.
fn complete(text: &str, tokens: &mut [Token<'_>]) {
    let mut done = 0;
    for token in tokens {
        token.props.sort_by_key(|range| range.start);
        let after_props = token.props.last().map_or(done, |range| range.end).max(done);
        if token.is_block_scalar() {
            token.mark = mark(text, after_props, &['|', '>']);
        }
        let content = token.mark.unwrap_or(token.range.start);
        token.begin = token.props.first().map_or(content, |range| range.start.min(content));
        done = done.max(token.range.end).max(after_props);
    }
}

/// The next of some characters that stands in no comment.
pub fn mark(text: &str, from: usize, marks: &[char]) -> Option<usize> {
    let mut at = from;
    for line in text.get(from..)?.split_inclusive('\n') {
        let code = if line.trim_start().starts_with('#') { "" } else { without_comment(line) };
        if let Some(found) = code.find(marks) {
            return Some(at + found);
        }
        at += line.len();
    }
    None
}

/// A line without the comment at its end.
pub fn without_comment(line: &str) -> &str {
    let end = [" #", "\t#"].iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    line.get(..end).unwrap_or(line).trim_end()
}

/// A block scalar from its header on, in a block that is indented by `column`.
pub fn block(raw: &str, column: Option<usize>) -> Block {
    let (header, content) = raw.split_once('\n').unwrap_or((raw, ""));
    let header = without_comment(header);
    let explicit = header.chars().find_map(|c| c.to_digit(10)).map(|digit| digit as usize);
    let mut lines: Vec<&str> = content.split('\n').collect();
    // What follows the last line break is no line.
    lines.pop_if(|last| last.trim_matches(' ').is_empty());
    let first = lines.iter().find(|line| !line.trim_matches(' ').is_empty());
    let found = first.map_or(usize::MAX, |line| line.len() - line.trim_start_matches(' ').len());
    let indent = explicit.map_or(found, |digit| column.unwrap_or_default() + digit);
    let strip = |line: &str| {
        let blanks = line.len() - line.trim_start_matches(' ').len();
        line.get(blanks.min(indent)..).unwrap_or_default().to_owned()
    };
    let mut lines: Vec<String> = lines.into_iter().map(strip).collect();
    let header: String = header.chars().map(|c| if c.is_ascii_digit() { digit(STEP) } else { c }).collect();
    if !header.contains('+') {
        while lines.pop_if(|line| line.is_empty()).is_some() {}
    }
    Block { header, lines }
}

fn digit(number: usize) -> char {
    u32::try_from(number).ok().and_then(|number| char::from_digit(number, 10)).unwrap_or('2')
}

/// A scalar of several lines without their indentation, which means nothing.
pub fn rewrapped(raw: &str, style: ScalarStyle) -> String {
    let escapes = style == ScalarStyle::DoubleQuoted;
    // A blank after a backslash is text.
    let trimmed = |line: &str| {
        let short = line.trim_end_matches([' ', '\t']);
        if escapes && short.ends_with('\\') { line.to_owned() } else { short.to_owned() }
    };
    let mut lines = raw.split('\n');
    let first = lines.next().unwrap_or_default();
    let mut out = if raw.contains('\n') { trimmed(first) } else { first.to_owned() };
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_start_matches([' ', '\t']);
        out.push('\n');
        out.push_str(&if lines.peek().is_some() { trimmed(line) } else { line.to_owned() });
    }
    out
}
