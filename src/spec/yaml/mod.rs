//! YAML to the spanned tree: one document, aliases copied within a budget, merge keys applied, scalars left untyped.

mod merge;
mod syntax;

use std::{collections::BTreeMap, ops::Range};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use self::merge::Merging;
use super::tree::{DEPTH_MAX, Node, Style, Value, too_deep};
use crate::model::{Diagnostic, Diagnostics, Span, Spanned};

/// How much all aliases of a file may copy, in bytes of text with [`NODE_COST`] a value.
const COPY_MAX: usize = 8 << 20;
const NODE_COST: usize = 64;

/// Among how many anchors the one that was meant is looked for, and for how many errors.
const SUGGESTIONS_MAX: usize = 200;

/// Reads one document. `None` after an error that leaves no tree; what can be read past is reported and read past.
pub fn read(source: u32, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX + 1,
        block_nesting_limit: DEPTH_MAX + 1,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { parser, source, text, diagnostics, anchors: BTreeMap::new(), copied: 0, tag: None };
    reader.document().unwrap_or(None)
}

/// The rest of the file cannot be read, and it has been said why.
struct Stop;

/// What an anchor stands for.
struct Anchor {
    place: Span,
    name: String,
    /// `None` while the anchored value is still being read.
    node: Option<Measured>,
}

/// A value with what a copy of it costs and how deep it is.
#[derive(Clone)]
struct Measured {
    node: Node,
    cost: usize,
    height: usize,
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    source: u32,
    text: &'a str,
    diagnostics: &'a mut Diagnostics,
    anchors: BTreeMap<usize, Anchor>,
    copied: usize,
    /// Where the tag of the latest event stands, if it has one.
    tag: Option<Range<usize>>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, range) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) if root.is_some() => {
                    self.another_document(range);
                    return Ok(root);
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                other => root = Some(self.node(other, range, 0)?.node),
            }
        }
    }

    fn another_document(&mut self, range: Range<usize>) {
        let error = Diagnostic::error("file::documents", "the file holds several YAML documents")
            .at(self.span(range), "a second one begins here")
            .help("a topology is one document: take the `---` away, or make it two files");
        super::report(self.diagnostics, error);
    }

    fn next(&mut self) -> Result<(Event<'a>, Range<usize>), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                if !matches!(event, Event::Anchor(..)) {
                    self.tag = span.tag_span().and_then(|tag| tag.byte_range());
                }
                Ok((event, span.byte_range().unwrap_or(0..0)))
            }
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, self.text.len()..self.text.len())),
        }
    }

    fn syntax(&mut self, error: &ScanError) -> Stop {
        let at = error.marker().byte_offset().unwrap_or(self.text.len()).min(self.text.len());
        let diagnostic = match error.kind() {
            ErrorKind::RecursionLimitExceeded => too_deep(Span::new(self.source, super::widen(self.text, at..at + 1))),
            _ => syntax::describe(error, self.text, at, self.source),
        };
        super::report(self.diagnostics, diagnostic);
        Stop
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.source, range)
    }

    /// The value that begins with `event`.
    fn node(&mut self, event: Event<'a>, range: Range<usize>, depth: usize) -> Result<Measured, Stop> {
        let (anchor, measured) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.open(anchor)?;
                (anchor, self.scalar(&text, style, tag.as_deref(), range))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.enter(anchor, tag.as_deref(), "seq", &range, depth)?;
                (anchor, self.list(range, depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.enter(anchor, tag.as_deref(), "map", &range, depth)?;
                (anchor, self.map(range, depth)?)
            }
            Event::Alias(id) => return self.alias(id, range, depth),
            Event::UnresolvedAlias(name) => return Ok(self.unknown_anchor(&name, range)),
            // No other event can stand for a value.
            _ => (0, self.leaf(range, Value::Null)),
        };
        if let Some(open) = self.anchors.get_mut(&anchor) {
            open.node = Some(measured.clone());
            let (name, place) = (open.name.clone(), open.place);
            self.spend(measured.cost, &format!("&{name}"), place)?;
        }
        Ok(measured)
    }

    /// Takes a copy off the budget.
    fn spend(&mut self, cost: usize, what: &str, at: Span) -> Result<(), Stop> {
        self.copied += cost;
        if self.copied <= COPY_MAX {
            return Ok(());
        }
        let error = Diagnostic::error("file::alias_bomb", "the anchors and aliases of this file copy too much")
            .at(at, format!("more than 8 MiB with `{what}`"))
            .help("aliases of aliases grow without bound; write the values out");
        super::report(self.diagnostics, error);
        Err(Stop)
    }

    fn leaf(&self, range: Range<usize>, value: Value) -> Measured {
        Measured { node: Node { span: self.span(range), value }, cost: NODE_COST, height: 0 }
    }

    /// Remembers the anchor of a value that begins: its own event follows that of the value.
    fn open(&mut self, id: usize) -> Result<(), Stop> {
        if id == 0 {
            return Ok(());
        }
        if let (Event::Anchor(_, name), range) = self.next()? {
            let place = self.span(range);
            self.anchors.insert(id, Anchor { place, name: name.into_owned(), node: None });
        }
        Ok(())
    }

    fn enter(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        kind: &str,
        range: &Range<usize>,
        depth: usize,
    ) -> Result<(), Stop> {
        self.open(anchor)?;
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(kind)) {
            self.unknown_tag(tag, range);
        }
        if depth >= DEPTH_MAX {
            super::report(self.diagnostics, too_deep(self.span(super::widen(self.text, range.start..range.start + 1))));
            return Err(Stop);
        }
        Ok(())
    }

    fn unknown_tag(&mut self, tag: &Tag, range: &Range<usize>) {
        let place = self.tag.clone().unwrap_or_else(|| range.clone());
        let error = Diagnostic::error("file::tag", format!("the tag `{}` means nothing here", tag.original()))
            .at(self.span(super::widen(self.text, place)), "this tag")
            .help("take the tag away");
        super::report(self.diagnostics, error);
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, range: Range<usize>) -> Measured {
        let plain = style == ScalarStyle::Plain;
        let style = match tag.map(Tag::core_suffix) {
            None if plain => Style::Plain,
            None | Some(Some("str")) => Style::Text,
            Some(Some("bool" | "int" | "float" | "null")) => Style::Plain,
            Some(_) => {
                if let Some(tag) = tag {
                    self.unknown_tag(tag, &range);
                }
                return self.leaf(range, Value::Invalid);
            }
        };
        if style == Style::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return self.leaf(range, Value::Null);
        }
        // The span of a block scalar takes its last line break along.
        let end = self.text.get(range.clone()).map_or(range.end, |t| range.start + t.trim_end().len());
        let node = Node::scalar(self.span(range.start..end.max(range.start)), text, style);
        Measured { node, cost: NODE_COST + text.len(), height: 0 }
    }

    fn list(&mut self, range: Range<usize>, depth: usize) -> Result<Measured, Stop> {
        let mut items = Vec::new();
        let mut whole = Extent::new(range);
        loop {
            let (event, range) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(whole.close(self, range, Value::List(items)));
            }
            let item = self.node(event, range.clone(), depth + 1)?;
            whole.add(&item, &range);
            items.push(item.node);
        }
    }

    fn map(&mut self, range: Range<usize>, depth: usize) -> Result<Measured, Stop> {
        let mut map = Merging::default();
        let mut whole = Extent::new(range);
        loop {
            let (event, key_range) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let entries = map.finish();
                return Ok(whole.close(self, key_range, Value::Map(entries)));
            }
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, key_range.clone(), depth + 1)?;
            let (event, range) = self.next()?;
            let value = self.node(event, range.clone(), depth + 1)?;
            whole.add(&key, &key_range);
            whole.add(&value, &range);
            self.entry(&mut map, merges, key.node, value.node);
        }
    }

    fn entry(&mut self, map: &mut Merging, merges: bool, key: Node, value: Node) {
        let text = match key.value {
            Value::Scalar(scalar) => scalar.text,
            Value::Null => self.text.get(range_of(key.span)).unwrap_or_default().to_owned(),
            Value::Invalid => return,
            Value::List(_) | Value::Map(_) => {
                let error = Diagnostic::error("type::wrong", "a key must be a word, not a list or a map")
                    .at(key.span, "as a key")
                    .help("text that begins with a bracket needs quotes");
                super::report(self.diagnostics, error);
                return;
            }
        };
        let key = Spanned { value: text, span: key.span };
        let outcome = if merges { map.merge(key.span, value) } else { map.insert(key, value) };
        if let Err(error) = outcome {
            super::report(self.diagnostics, error);
        }
    }

    fn alias(&mut self, id: usize, range: Range<usize>, depth: usize) -> Result<Measured, Stop> {
        let place = self.span(range.clone());
        let Some(anchor) = self.anchors.get(&id) else {
            return Ok(self.leaf(range, Value::Invalid));
        };
        let Some(target) = &anchor.node else {
            let error = Diagnostic::error("file::alias_cycle", format!("the alias `*{}` contains itself", anchor.name))
                .at(place, "this stands inside of what it names")
                .at(anchor.place, "named here")
                .help("a value cannot hold itself; name a smaller part of it");
            super::report(self.diagnostics, error);
            return Ok(self.leaf(range, Value::Invalid));
        };
        if depth + target.height > DEPTH_MAX {
            super::report(self.diagnostics, too_deep(place).at(anchor.place, "through what is named here"));
            return Err(Stop);
        }
        let (target, what) = (target.clone(), format!("*{}", anchor.name));
        self.spend(target.cost, &what, place)?;
        Ok(target)
    }

    fn unknown_anchor(&mut self, name: &str, range: Range<usize>) -> Measured {
        // Whoever has that many errors is not helped by a suggestion, and each costs a look at every anchor.
        let looked_at = if self.diagnostics.0.len() < SUGGESTIONS_MAX { SUGGESTIONS_MAX } else { 0 };
        let known = self.anchors.values().take(looked_at).map(|anchor| anchor.name.as_str());
        let near = super::de::suggest::nearest(name, known).map(str::to_owned);
        let error = Diagnostic::error("file::alias", format!("nothing above is named `&{name}`"))
            .at(self.span(range.clone()), "this alias stands for nothing");
        super::report(
            self.diagnostics,
            match near {
                Some(near) => error.help(format!("did you mean `*{near}`?")),
                None => error.help("text that begins with * needs quotes"),
            },
        );
        self.leaf(range, Value::Invalid)
    }
}

fn range_of(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// From where to where a list or map reaches, and what it costs.
struct Extent {
    start: Range<usize>,
    last: usize,
    cost: usize,
    height: usize,
}

impl Extent {
    fn new(start: Range<usize>) -> Self {
        Self { last: start.end, start, cost: NODE_COST, height: 0 }
    }

    /// Takes in a child whose first event stood at `event`.
    fn add(&mut self, child: &Measured, event: &Range<usize>) {
        // A copied child stands elsewhere; its alias stands here.
        let here = child.node.span.start as usize >= event.start;
        self.last = self.last.max(if here { child.node.span.end as usize } else { event.end });
        self.cost += child.cost;
        self.height = self.height.max(child.height + 1);
    }

    /// Brackets end where they close; blocks end with their last child.
    fn close(self, reader: &Reader<'_>, end: Range<usize>, value: Value) -> Measured {
        let flow = !self.start.is_empty() || !end.is_empty();
        let end = if flow { end.end } else { self.last };
        let node = Node { span: reader.span(self.start.start..end), value };
        Measured { node, cost: self.cost, height: self.height.max(1) }
    }
}
