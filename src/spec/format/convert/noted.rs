//! The tree of a file with its comments, free of the notation that it was read from.

use std::{collections::BTreeMap, ops::Range};

use foldhash::HashMap;

use super::notes::{Note, Notes};
use crate::spec::{
    format::piece::{Kind, Remark, Trivia},
    tree::{Node, Scalar, Value},
};

/// An entry of a map, an item of a list, or the whole file.
#[derive(Debug)]
pub struct Noted {
    /// Its key, for an entry.
    pub key: Option<String>,
    /// What stands above it, without blank lines at its beginning.
    pub lead: Vec<Trivia>,
    /// The comment at the end of its line.
    pub remark: Option<Remark>,
    /// Its value.
    pub value: Kept,
    /// The comments after the last item of its value.
    pub tail: Vec<Trivia>,
}

/// A value.
#[derive(Debug)]
pub enum Kept {
    /// Nothing.
    Null,
    /// One word, number or text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Noted>),
    /// A map.
    Map(Vec<Noted>),
}

impl Noted {
    /// How many comments stand in and at it.
    pub fn comments(&self) -> usize {
        let count = |trivia: &[Trivia]| trivia.iter().filter(|one| matches!(one, Trivia::Comment(_))).count();
        let inner: usize = self.inner().iter().map(Self::comments).sum();
        count(&self.lead) + count(&self.tail) + usize::from(self.remark.is_some()) + inner
    }

    /// How many comments stand below its own line.
    pub fn comments_within(&self) -> usize {
        self.inner().iter().map(Self::comments).sum::<usize>() + self.tail.len()
    }

    /// What is in it.
    pub fn inner(&self) -> &[Self] {
        match &self.value {
            Kept::List(inner) | Kept::Map(inner) => inner,
            Kept::Null | Kept::Scalar(_) => &[],
        }
    }

    /// Whether it is a list of scalars.
    pub fn is_list_of_scalars(&self) -> bool {
        matches!(&self.value, Kept::List(items) if items.iter().all(Self::is_scalar))
    }

    /// Whether it is a `for` and can stand on one line: everybody writes it at the head of what it repeats.
    pub fn is_for(&self) -> bool {
        let is_map = matches!(self.value, Kept::Map(_)) && self.key.as_deref() == Some("for");
        is_map && self.comments_within() == 0 && self.inner().iter().all(|it| it.is_scalar() || it.is_list_of_scalars())
    }

    /// Whether it is a single word, number or text, or nothing.
    pub fn is_scalar(&self) -> bool {
        matches!(self.value, Kept::Null | Kept::Scalar(_))
    }
}

/// Puts every comment where it belongs, or to the next item after that.
pub fn noted(tree: &Node, notes: Notes) -> Noted {
    let mut starts = BTreeMap::new();
    gather(tree, &mut starts);
    let mut placing = Placing { above: HashMap::default(), behind: HashMap::default(), tails: HashMap::default() };
    let mut end = Vec::new();
    for (range, note) in notes.notes {
        placing.place(&starts, &range, note, &mut end);
    }
    for (at, kind, tail) in notes.tails {
        placing.tails.entry((at, kind == Kind::Map)).or_default().extend(tail.into_iter().map(printable));
    }
    let mut root = placing.item(None, tree);
    let left = std::mem::take(&mut placing.tails);
    let mut left: Vec<_> = left.into_iter().collect();
    left.sort_by_key(|(at, _)| *at);
    root.tail.extend(left.into_iter().flat_map(|(_, tail)| tail));
    root.tail.extend(end.into_iter().chain(notes.end).map(printable));
    // What stood above an item that is left out had a blank line below it.
    while root.tail.pop_if(|last| *last == Trivia::Blank).is_some() {}
    root
}

/// At which byte every item begins, and its number in the order of the walk.
fn gather(node: &Node, starts: &mut BTreeMap<usize, usize>) {
    let mut item = |start: u32, value: &Node| {
        let number = starts.len();
        starts.entry(start as usize).or_insert(number);
        gather(value, starts);
    };
    match &node.value {
        Value::Map(entries) => entries.iter().for_each(|entry| item(entry.key.span.start, &entry.value)),
        Value::List(items) => items.iter().for_each(|one| item(one.span.start, one)),
        Value::Null | Value::Scalar(_) | Value::Invalid => {}
    }
}

/// The comments by the byte that their item begins at; each is taken by the first that asks.
struct Placing {
    above: HashMap<usize, Vec<Trivia>>,
    behind: HashMap<usize, Remark>,
    tails: HashMap<(usize, bool), Vec<Trivia>>,
}

impl Placing {
    fn place(&mut self, starts: &BTreeMap<usize, usize>, range: &Range<usize>, note: Note, end: &mut Vec<Trivia>) {
        let within = || starts.range(range.clone()).map(|(at, number)| (*number, *at));
        let after = || starts.range(range.start..).next().map(|(at, _)| *at);
        let (place, trivia) = match note {
            // Above a header of tables stands what is said of the outermost that begins there.
            Note::Above(lead) => (within().min().map(|(_, at)| at).or_else(after), lead),
            Note::Behind(remark) => {
                if let Some((_, at)) = within().max()
                    && !self.behind.contains_key(&at)
                {
                    self.behind.insert(at, remark);
                    return;
                }
                (after(), vec![Trivia::Comment(remark.text)])
            }
        };
        match place {
            Some(at) => self.above.entry(at).or_default().extend(trivia),
            None => end.extend(trivia),
        }
    }

    fn item(&mut self, key: Option<(&str, u32)>, node: &Node) -> Noted {
        let at = key.map_or(node.span.start, |(_, at)| at) as usize;
        // The whole file begins where its first item does.
        let lead = self.above.remove(&at).unwrap_or_default();
        let lead = lead.into_iter().skip_while(|one| *one == Trivia::Blank).map(printable).collect();
        // Behind the first line of a block stands what is said of the innermost that begins there.
        let behind = if first_start(node) == Some(at) { None } else { self.behind.remove(&at) };
        let remark = behind.map(|it| Remark { text: visible(&it.text), moved: true, ..it });
        let (value, kind) = match &node.value {
            Value::Null | Value::Invalid => (Kept::Null, None),
            Value::Scalar(scalar) => (Kept::Scalar(scalar.clone()), None),
            Value::List(items) => (Kept::List(items.iter().map(|item| self.item(None, item)).collect()), Some(false)),
            Value::Map(entries) => {
                let entry = |entry: &crate::spec::tree::Entry| {
                    self.item(Some((&entry.key.value, entry.key.span.start)), &entry.value)
                };
                (Kept::Map(entries.iter().map(entry).collect()), Some(true))
            }
        };
        let tail = kind.and_then(|is_map| self.tails.remove(&(node.span.start as usize, is_map))).unwrap_or_default();
        Noted { key: key.map(|(key, _)| key.to_owned()), lead, remark, value, tail }
    }
}

/// Where the first item of a map or list begins.
fn first_start(node: &Node) -> Option<usize> {
    let start = match &node.value {
        Value::Map(entries) => entries.first()?.key.span.start,
        Value::List(items) => items.first()?.span.start,
        Value::Null | Value::Scalar(_) | Value::Invalid => return None,
    };
    Some(start as usize)
}

fn printable(trivia: Trivia) -> Trivia {
    match trivia {
        Trivia::Blank => Trivia::Blank,
        Trivia::Comment(text) => Trivia::Comment(visible(&text)),
    }
}

/// A comment without what another notation forbids in it.
fn visible(text: &str) -> String {
    let forbidden = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    text.replace(forbidden, " ").trim_end().to_owned()
}
