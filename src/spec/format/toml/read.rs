//! TOML text to statements.

use std::ops::Range;

use toml_parser::{
    Source,
    parser::{Event, EventKind, parse_document},
};

use super::{Document, Header, Statement};
use crate::spec::format::piece::{Body, Form, Item, Items, Kind, Node, Remark, Trivia};

/// Reads a document that [`crate::spec::toml::read`] has taken; `None` where the parser does not.
pub fn read(text: &str) -> Option<Document> {
    let tokens = Source::new(text).lex().into_vec();
    let mut events: Vec<Event> = Vec::new();
    let mut errors = Vec::new();
    parse_document(&tokens, &mut events, &mut errors);
    if !errors.is_empty() {
        return None;
    }
    events.retain(|event| event.kind() != EventKind::Whitespace);
    Reader { text, events, next: 0, lead: Vec::new(), breaks: 0 }.document()
}

struct Reader<'a> {
    text: &'a str,
    events: Vec<Event>,
    next: usize,
    /// What has stood above what comes next.
    lead: Vec<Trivia>,
    /// How many lines have ended since anything stood on one.
    breaks: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<Document> {
        let mut document = Document::default();
        loop {
            self.trivia();
            let Some(event) = self.peek() else {
                document.tail = std::mem::take(&mut self.lead);
                document.tail.pop_if(|last| *last == Trivia::Blank);
                return Some(document);
            };
            let statement = match event.kind() {
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => Statement::Header(self.header()?),
                _ => Statement::Pair(self.pair()?),
            };
            document.statements.push(statement);
        }
    }

    fn peek(&self) -> Option<Event> {
        self.events.get(self.next).copied()
    }

    fn take(&mut self) -> Option<Event> {
        let event = self.peek()?;
        self.next += 1;
        Some(event)
    }

    fn slice(&self, event: Event) -> &str {
        self.text.get(range(event)).unwrap_or_default()
    }

    /// Gathers comments and blank lines up to what comes next.
    fn trivia(&mut self) {
        while let Some(event) = self.peek() {
            match event.kind() {
                EventKind::Newline => self.breaks += 1,
                EventKind::Comment => {
                    self.blank();
                    let text = self.slice(event).trim_end().to_owned();
                    self.lead.push(Trivia::Comment(text));
                }
                _ => break,
            }
            self.next += 1;
        }
        self.blank();
    }

    /// Notes a blank line, where one has been passed.
    fn blank(&mut self) {
        if self.breaks > 1 && self.lead.last() != Some(&Trivia::Blank) {
            self.lead.push(Trivia::Blank);
        }
        self.breaks = 0;
    }

    /// The comment at the end of the line that has been read to here.
    fn remark(&mut self) -> Option<Remark> {
        let event = self.peek().filter(|event| event.kind() == EventKind::Comment)?;
        self.next += 1;
        let before = self.text.get(..event.span().start())?;
        Some(Remark::behind(before.rsplit('\n').next()?, self.slice(event)))
    }

    fn header(&mut self) -> Option<Header> {
        let lead = std::mem::take(&mut self.lead);
        let mut text = String::new();
        let mut at: Option<Range<usize>> = None;
        loop {
            let event = self.take()?;
            text.push_str(self.slice(event));
            let start = at.map_or(event.span().start(), |at| at.start);
            at = Some(start..event.span().end());
            if matches!(event.kind(), EventKind::StdTableClose | EventKind::ArrayTableClose) {
                break;
            }
        }
        Some(Header { at: at?, lead, text, remark: self.remark() })
    }

    /// A key, possibly dotted, with its value and the comment behind that.
    fn pair(&mut self) -> Option<Item> {
        let mut pair = self.entry()?;
        pair.remark = self.remark();
        Some(pair)
    }

    fn entry(&mut self) -> Option<Item> {
        let mut lead = std::mem::take(&mut self.lead);
        let mut key = String::new();
        let at = self.peek()?.span().start();
        loop {
            self.breaks_within(&mut lead);
            let event = self.take()?;
            match event.kind() {
                EventKind::SimpleKey => key.push_str(self.slice(event)),
                EventKind::KeySep => key.push('.'),
                EventKind::KeyValSep => break,
                _ => return None,
            }
        }
        self.breaks_within(&mut lead);
        let value = self.value()?;
        Some(Item { lead, ..Item::new(at, Some(key), value) })
    }

    /// Passes line breaks between a key and its value, which braces allow; comments there go above the key.
    fn breaks_within(&mut self, lead: &mut Vec<Trivia>) {
        while let Some(event) = self.peek() {
            match event.kind() {
                EventKind::Newline => {}
                EventKind::Comment => lead.push(Trivia::Comment(self.slice(event).trim_end().to_owned())),
                _ => break,
            }
            self.next += 1;
        }
    }

    fn value(&mut self) -> Option<Node> {
        let event = self.take()?;
        Some(Node::bare(match event.kind() {
            EventKind::ArrayOpen => Body::Items(self.items(event, Kind::List)?),
            EventKind::InlineTableOpen => Body::Items(self.items(event, Kind::Map)?),
            EventKind::Scalar => Body::Verbatim(self.slice(event).to_owned()),
            _ => return None,
        }))
    }

    fn items(&mut self, open: Event, kind: Kind) -> Option<Items> {
        let broken = self.peek().is_some_and(|event| matches!(event.kind(), EventKind::Newline | EventKind::Comment));
        let form = if broken { Form::Broken } else { Form::Flow };
        let mut items = Items::new(open.span().start(), kind, form);
        // The lead of what is around has been taken by then.
        self.breaks = 0;
        loop {
            self.trivia();
            let event = self.peek()?;
            match event.kind() {
                EventKind::ArrayClose | EventKind::InlineTableClose => {
                    self.next += 1;
                    items.tail = std::mem::take(&mut self.lead);
                    items.tail.pop_if(|last| *last == Trivia::Blank);
                    return Some(items);
                }
                EventKind::ValueSep => self.next += 1,
                EventKind::SimpleKey => items.items.push(self.entry()?),
                _ => {
                    let lead = std::mem::take(&mut self.lead);
                    let item = Item { lead, ..Item::new(event.span().start(), None, self.value()?) };
                    items.items.push(item);
                }
            }
            self.item_remark(&mut items);
        }
    }

    /// The comment behind an item, or behind the comma after it.
    fn item_remark(&mut self, items: &mut Items) {
        if let Some(last) = items.items.last_mut()
            && last.remark.is_none()
        {
            last.remark = self.remark();
        }
    }
}

fn range(event: Event) -> Range<usize> {
    event.span().start()..event.span().end()
}
