//! YAML text to pieces: every scalar as it is written, every comment at the item that it stands at.

use std::{iter::Peekable, ops::Range, vec::IntoIter};

use super::{
    Document, quote,
    scalar::{self, Token, is_block, tokens},
};
use crate::spec::format::piece::{Body, Form, Item, Items, Kind, Node, Remark, Trivia};
use granit_parser::{Event, ScalarStyle, StructureStyle};

/// Reads one document that [`crate::spec::yaml::read`] has taken; `None` where the parser does not.
pub fn read(text: &str) -> Option<Document> {
    let (tokens, comments) = tokens(text)?;
    let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    Reader { text, lines, tokens, next: 0, done: 0, comments: comments.into_iter().peekable(), swallowed: 0 }.document()
}

struct Reader<'a> {
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    tokens: Vec<Token<'a>>,
    /// Which token comes next.
    next: usize,
    /// Where the latest token ends that is any text.
    done: usize,
    comments: Peekable<IntoIter<Range<usize>>>,
    /// Up to where blank lines are a part of a block scalar.
    swallowed: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Option<Document> {
        let root = Item::new(0, None, Node::bare(Body::Empty));
        let mut document =
            Document { prologue: Vec::new(), directives: Vec::new(), marked: false, root, tail: Vec::new() };
        loop {
            let token = self.take()?;
            match &token.event {
                Event::StreamStart | Event::DocumentStart(false, _) => {}
                Event::DocumentStart(true, _) => {
                    document.marked = true;
                    let before = self.slice(0..token.range.start);
                    let directives = before.lines().filter(|line| line.starts_with('%'));
                    document.directives = directives.map(|line| scalar::without_comment(line).to_owned()).collect();
                    document.prologue = self.lead(token.range.start);
                }
                Event::DocumentEnd | Event::StreamEnd => return None,
                _ => {
                    document.root = self.item(token, None);
                    document.tail = self.lead(usize::MAX);
                    return Some(document);
                }
            }
        }
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.next)?.clone();
        self.next += 1;
        if !token.range.is_empty() {
            self.done = token.range.end;
        }
        Some(token)
    }

    /// Where the next token begins that is no end of something.
    fn upcoming(&self) -> usize {
        let ahead = self.tokens.get(self.next..).unwrap_or_default();
        ahead.iter().find(|token| !token.is_end()).map_or(usize::MAX, |token| token.begin)
    }

    /// The item of a list whose value begins with `token`; `column` is that of the innermost block around.
    fn item(&mut self, token: Token<'a>, column: Option<usize>) -> Item {
        let mut item = Item::new(token.range.start, None, Node::bare(Body::Empty));
        item.lead = self.lead(token.begin);
        self.value(token, &mut item, column);
        item
    }

    /// The entry of a map whose key is `token`.
    fn entry(&mut self, token: Token<'a>, column: Option<usize>) -> Option<Item> {
        let lead = self.lead(token.begin);
        let mut item = Item::new(token.range.start, Some(self.key(&token)), Node::bare(Body::Empty));
        item.lead = lead;
        let mut value = self.take()?;
        if matches!(value.event, Event::SequenceStart(StructureStyle::Block, ..)) {
            // The parser tells the place of a list's first dash only where that is indented.
            let from = value.props.last().map_or(token.range.end, |range| range.end);
            value.mark = scalar::mark(self.text, from, &['-']);
        }
        let nothing = value.range.is_empty() && value.props.is_empty() && !is_block(&value);
        let value_begin = if nothing { self.following() } else { value.begin };
        item.head = self.remark(token.range.end, value_begin);
        self.value(value, &mut item, column);
        Some(item)
    }

    /// Where the next token begins, be it the end of something in brackets.
    fn following(&self) -> usize {
        let ahead = self.tokens.get(self.next..).unwrap_or_default();
        ahead.iter().find(|token| !token.is_end() || !token.range.is_empty()).map_or(usize::MAX, |token| token.begin)
    }

    /// Reads the value of an item, with the comments around it.
    fn value(&mut self, token: Token<'a>, item: &mut Item, column: Option<usize>) {
        if is_block(&token) {
            if let (None, Some(last)) = (&item.head, token.props.last()) {
                item.head = self.remark(last.end, self.following());
            }
            item.value = self.node(&token, column).0;
            if item.key.is_none() && item.value.props.is_empty() {
                hoist(item);
            }
            return;
        }
        // A value moves up to its key's line, so comments between the two go above.
        item.lead.extend(self.lead(token.begin).into_iter().filter(|one| *one != Trivia::Blank));
        self.behind_props(&token, item);
        let (node, end) = self.node(&token, column);
        item.value = node;
        let bound = if item.value.is_empty() && item.key.is_some() { 0 } else { self.following() };
        item.remark = self.remark(end, bound);
        match (item.head.take(), &item.remark) {
            (Some(head), None) => item.remark = Some(head),
            (Some(head), Some(_)) => item.lead.push(Trivia::Comment(head.text)),
            (None, _) => {}
        }
    }

    /// Takes the comments between the anchor and tag of a value and the value, which moves up to them.
    fn behind_props(&mut self, token: &Token<'a>, item: &mut Item) {
        let content = token.mark.unwrap_or(token.range.start);
        let Some(last) = token.props.last().filter(|last| !token.range.is_empty() && last.end < content) else {
            return;
        };
        if item.head.is_none() {
            item.head = self.remark(last.end, content);
        }
        item.lead.extend(self.lead(content).into_iter().filter(|one| *one != Trivia::Blank));
    }

    /// A value, and after which byte a comment would be its.
    fn node(&mut self, token: &Token<'a>, column: Option<usize>) -> (Node, usize) {
        let props: Vec<&str> = token.props.iter().map(|range| self.slice(range.clone())).collect();
        let props = props.join(" ");
        let end = token.range.end;
        let (body, end) = match &token.event {
            Event::Scalar(value, style, ..) => self.scalar(token, value, *style, &props, column),
            Event::SequenceStart(style, ..) => self.items(token, Kind::List, *style, column),
            Event::MappingStart(style, ..) => self.items(token, Kind::Map, *style, column),
            // An alias.
            _ => (Body::Text(self.slice(token.range.clone()).to_owned()), end),
        };
        (Node { props, body }, end)
    }

    fn scalar(
        &mut self,
        token: &Token<'a>,
        value: &str,
        style: ScalarStyle,
        props: &str,
        column: Option<usize>,
    ) -> (Body, usize) {
        if let Some(header) = token.mark {
            let block = scalar::block(self.slice(header..token.range.end), column);
            if block.keeps_blanks() {
                self.swallowed = token.range.end;
            }
            // Its header's comment stands behind the header.
            return (Body::Block(block), header);
        }
        let written = self.slice(token.range.clone()).trim_end();
        let end = token.range.start + written.len();
        let body = match style {
            ScalarStyle::Plain if written.is_empty() => Body::Empty,
            ScalarStyle::Plain if !props.contains('!') && !written.contains('\n') && quote::is_trap(value) => {
                Body::Text(quote::double(value))
            }
            _ => Body::Text(scalar::rewrapped(written, style)),
        };
        (body, end)
    }

    fn key(&self, token: &Token<'a>) -> String {
        let props: Vec<&str> = token.props.iter().map(|range| self.slice(range.clone())).collect();
        let props = props.join(" ");
        let raw = self.slice(token.range.clone()).trim_end();
        let text = match &token.event {
            Event::Scalar(value, style, ..) => {
                let plain = *style == ScalarStyle::Plain;
                let trap = plain && !props.contains('!') && quote::is_trap(value);
                match plain && raw.is_empty() {
                    true => "\"\"".to_owned(),
                    false if trap || token.mark.is_some() || raw.contains('\n') => quote::double(value),
                    false => raw.to_owned(),
                }
            }
            _ => raw.to_owned(),
        };
        if props.is_empty() { text } else { format!("{props} {text}") }
    }

    fn items(&mut self, start: &Token<'a>, kind: Kind, style: StructureStyle, parent: Option<usize>) -> (Body, usize) {
        let flow = style == StructureStyle::Flow;
        let first = self.following();
        let broken = self.text.get(start.range.end..first).is_some_and(|gap| gap.contains('\n'));
        let form = match (flow, broken) {
            (true, true) => Form::Broken,
            (true, false) => Form::Flow,
            (false, _) => Form::Block,
        };
        let mut items = Items::new(start.range.start, kind, form);
        let column = if flow { parent } else { Some(self.column(start.mark.unwrap_or(start.range.start))) };
        while let Some(token) = self.take() {
            if matches!(token.event, Event::SequenceEnd | Event::MappingEnd) {
                items.tail = if flow { self.tail_in_brackets(token.begin) } else { self.tail(parent) };
                return (Body::Items(items), token.range.end);
            }
            match kind {
                Kind::Map => items.items.extend(self.entry(token, column)),
                Kind::List => items.items.push(self.item(token, column)),
            }
        }
        (Body::Items(items), start.range.end)
    }

    /// Comments and blank lines before byte `until`.
    fn lead(&mut self, until: usize) -> Vec<Trivia> {
        let mut lead = Vec::new();
        while let Some(comment) = self.comments.next_if(|comment| comment.start < until) {
            self.comment(comment, &mut lead);
        }
        if until < self.text.len() && self.blank_above(until) {
            lead.push(Trivia::Blank);
        }
        lead
    }

    /// The comments before a closing bracket.
    fn tail_in_brackets(&mut self, until: usize) -> Vec<Trivia> {
        let mut tail = self.lead(until);
        if tail.last() == Some(&Trivia::Blank) {
            tail.pop();
        }
        tail
    }

    /// The comments after the last item of a block: those that are indented deeper than what is around it.
    fn tail(&mut self, parent: Option<usize>) -> Vec<Trivia> {
        // What stands behind the next dash belongs to its item.
        let upcoming = self.upcoming();
        let up_to_there = self.text.get(..upcoming).unwrap_or(self.text);
        let until = scalar::mark(up_to_there, self.done, &['-', '?']).unwrap_or(upcoming);
        let mut tail = Vec::new();
        while let Some(comment) = self.comments.peek().cloned() {
            let outside = parent.is_some_and(|parent| self.column(comment.start) <= parent);
            if comment.start >= until || outside {
                break;
            }
            self.comments.next();
            self.comment(comment, &mut tail);
        }
        tail
    }

    fn comment(&self, comment: Range<usize>, trivia: &mut Vec<Trivia>) {
        if self.blank_above(comment.start) {
            trivia.push(Trivia::Blank);
        }
        trivia.push(Trivia::Comment(self.slice(comment).trim_end().to_owned()));
    }

    /// The comment behind byte `end` on its line, where it stands before byte `bound`.
    fn remark(&mut self, end: usize, bound: usize) -> Option<Remark> {
        let line = self.line(end);
        let next = self.comments.peek().cloned().filter(|next| next.start < bound && next.start >= end)?;
        if self.line(next.start) != line {
            return None;
        }
        let comment = self.comments.next()?;
        Some(Remark::behind(self.line_before(comment.start), self.slice(comment)))
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// The number of the line that holds a byte, counted from 1. Lines may be long, so nothing looks for their ends anew.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// The text of a byte's line before it.
    fn line_before(&self, at: usize) -> &'a str {
        let start = self.line(at).checked_sub(1).and_then(|line| self.lines.get(line)).copied();
        self.slice(start.unwrap_or(0)..at)
    }

    /// How many characters stand on a byte's line before it.
    fn column(&self, at: usize) -> usize {
        self.line_before(at).chars().count()
    }

    /// Whether a byte's line has nothing before it but dashes, and a blank line above it.
    fn blank_above(&self, at: usize) -> bool {
        let before = self.line_before(at);
        let start = at - before.len();
        if start <= self.swallowed || before.starts_with("---") || !before.chars().all(|c| matches!(c, ' ' | '-' | '?'))
        {
            return false;
        }
        let above = self.slice(0..start).strip_suffix('\n');
        above.and_then(|above| above.rsplit('\n').next()).is_some_and(|line| line.trim().is_empty())
    }
}

/// Takes what stands above the first item of a list's block item above that item's dash.
fn hoist(item: &mut Item) {
    if let Body::Items(items) = &mut item.value.body
        && let Some(first) = items.items.first_mut()
    {
        let lead = std::mem::take(&mut first.lead);
        item.lead.extend(lead.into_iter().skip_while(|one| *one == Trivia::Blank));
    }
}
