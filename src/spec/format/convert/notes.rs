//! The comments of a file, each with the part of the text that it is about.

use std::ops::Range;

use crate::spec::{
    Format,
    format::{
        piece::{Body, Item, Items, Kind, Node, Remark, Trivia},
        toml::{self, Statement},
        yaml,
    },
};

/// The comments of a file.
#[derive(Debug, Default)]
pub struct Notes {
    /// What stands above the item that begins in a range of bytes, or behind it.
    pub notes: Vec<(Range<usize>, Note)>,
    /// What stands after the last item of the map or list that begins at a byte.
    pub tails: Vec<(usize, Kind, Vec<Trivia>)>,
    /// What stands at the end of the file.
    pub end: Vec<Trivia>,
}

/// What stands at an item.
#[derive(Debug)]
pub enum Note {
    /// Above it.
    Above(Vec<Trivia>),
    /// At the end of its line.
    Behind(Remark),
}

/// The comments of a text in the notation `format`; `None` where its parser does not take it.
pub fn notes(text: &str, format: Format) -> Option<Notes> {
    let mut notes = Notes::default();
    match format {
        Format::Yaml => notes.yaml(yaml::read::read(text)?),
        Format::Toml => notes.toml(toml::read::read(text)?),
        Format::Json => {}
    }
    notes.notes.sort_by_key(|(range, _)| range.start);
    Some(notes)
}

impl Notes {
    fn yaml(&mut self, document: yaml::Document) {
        self.above(0..0, document.prologue);
        self.above(0..0, document.root.lead);
        // Behind an anchor of the whole file.
        self.above(0..0, document.root.head.map(|head| Trivia::Comment(head.text)).into_iter().collect());
        self.node(document.root.value);
        self.end = document.tail;
        self.end.extend(document.root.remark.map(|remark| Trivia::Comment(remark.text)));
    }

    fn toml(&mut self, document: toml::Document) {
        for statement in document.statements {
            match statement {
                Statement::Header(header) => {
                    self.above(header.at.clone(), header.lead);
                    self.behind(header.at, header.remark);
                }
                Statement::Pair(pair) => self.item(pair),
            }
        }
        self.end = document.tail;
    }

    fn item(&mut self, item: Item) {
        // A key may be several, joined by dots.
        let range = item.at..item.at + item.key.as_ref().map_or(1, String::len).max(1);
        self.above(range.clone(), item.lead);
        self.behind(range.clone(), item.head);
        self.behind(range, item.remark);
        self.node(item.value);
    }

    fn node(&mut self, node: Node) {
        if let Body::Items(Items { at, kind, items, tail, .. }) = node.body {
            items.into_iter().for_each(|item| self.item(item));
            if !tail.is_empty() {
                self.tails.push((at, kind, tail));
            }
        }
    }

    fn above(&mut self, range: Range<usize>, lead: Vec<Trivia>) {
        if lead.iter().any(|one| matches!(one, Trivia::Comment(_))) {
            self.notes.push((range, Note::Above(lead)));
        }
    }

    fn behind(&mut self, range: Range<usize>, remark: Option<Remark>) {
        self.notes.extend(remark.map(|remark| (range, Note::Behind(remark))));
    }
}
