//! To TOML: sections as tables, lists of maps as arrays of tables, what is short in brackets.

use toml_writer::{ToTomlKey, ToTomlValue};

use super::{
    Kept, Noted,
    same::{fraction, is_whole},
    typed::written,
};
use crate::spec::{
    format::{
        lines::width,
        piece::{Body, Form, Item, Items, Kind, Node, Remark, Trivia},
        toml::{Document, Header, Statement, print::DIALECT},
    },
    tree::{Scalar, Style},
};

/// The longest table that is put in brackets, in characters.
const SHORT_MAX: usize = 110;

/// The pieces of a document whose root is a map.
pub fn document(root: Noted) -> Document {
    let mut writer = Writer::default();
    let Noted { mut lead, value, tail, .. } = root;
    if let Kept::Map(mut entries) = value {
        keep_head(&mut entries);
        writer.pending.append(&mut lead);
        writer.table(&[], entries, true);
    }
    let mut document = writer.document;
    document.tail = writer.pending;
    document.tail.extend(tail);
    if let Some(Statement::Pair(Item { lead, .. }) | Statement::Header(Header { lead, .. })) =
        document.statements.first_mut()
    {
        lead.iter_mut().for_each(editor_hint);
    }
    document
}

/// What tells an editor of the schema, in TOML's words.
fn editor_hint(trivia: &mut Trivia) {
    if let Trivia::Comment(text) = trivia
        && let Some(schema) = text.strip_prefix("# yaml-language-server: $schema=")
        && !schema.is_empty()
    {
        *text = format!("#:schema {schema}");
    }
}

/// What stands at the head of the file stays there, though tables move below the other keys.
fn keep_head(entries: &mut [Noted]) {
    let Some(first_pair) = entries.iter().position(|entry| !is_section(entry)) else { return };
    let Some(first) = entries.first_mut().filter(|_| first_pair > 0) else { return };
    let Some(head) = first.lead.iter().rposition(|one| *one == Trivia::Blank) else { return };
    let head: Vec<Trivia> = first.lead.drain(..=head).collect();
    if let Some(pair) = entries.get_mut(first_pair) {
        pair.lead.splice(0..0, head);
    }
}

/// Whether an entry of the whole file becomes a table, or several.
fn is_section(entry: &Noted) -> bool {
    match &entry.value {
        Kept::Map(_) => true,
        Kept::List(items) => !items.is_empty() && items.iter().all(|item| matches!(item.value, Kept::Map(_))),
        Kept::Null | Kept::Scalar(_) => false,
    }
}

#[derive(Default)]
struct Writer {
    document: Document,
    /// Comments that stand above whatever comes next.
    pending: Vec<Trivia>,
    /// Whether they end with what is said of the table that comes next.
    announced: bool,
}

impl Writer {
    /// The entries of the table at `path`: pairs first, since what follows a header belongs to it.
    fn table(&mut self, path: &[String], entries: Vec<Noted>, is_root: bool) {
        // Entries that are told apart by name keep their order, so either all of them become tables or none.
        let with_tables = entries.iter().any(|entry| can_be_table(entry) && !is_short(entry));
        let is_table = |entry: &Noted| match is_root {
            true => is_section(entry),
            false => with_tables && can_be_table(entry),
        };
        let (tables, pairs): (Vec<Noted>, Vec<Noted>) = entries.into_iter().partition(is_table);
        for pair in pairs {
            let mut pair = item(&pair);
            pair.lead = self.lead(pair.lead, false);
            self.document.statements.push(Statement::Pair(pair));
        }
        for table in tables {
            let name = table.key.as_deref().unwrap_or_default().to_toml_key();
            let path: Vec<String> = path.iter().cloned().chain([name]).collect();
            self.section(&path, table);
        }
    }

    /// What becomes a table, or an array of tables.
    fn section(&mut self, path: &[String], section: Noted) {
        let Noted { lead, remark, value, tail, .. } = section;
        match value {
            Kept::Map(entries) => {
                let only_tables =
                    !entries.is_empty() && entries.iter().all(can_be_table) && !entries.iter().all(is_short);
                if only_tables {
                    self.announce(lead, remark);
                } else {
                    self.header(format!("[{}]", path.join(".")), lead, remark);
                }
                self.table(path, entries, false);
            }
            Kept::List(items) => {
                self.announce(lead, remark);
                for item in items {
                    self.header(format!("[[{}]]", path.join(".")), item.lead, item.remark);
                    if let Kept::Map(entries) = item.value {
                        self.table(path, entries, false);
                    }
                    self.pending.extend(item.tail);
                }
            }
            Kept::Null | Kept::Scalar(_) => {}
        }
        self.pending.extend(tail);
    }

    /// Comments on a table that has no header of its own.
    fn announce(&mut self, lead: Vec<Trivia>, remark: Option<Remark>) {
        let lead = self.lead(lead, true);
        self.announced = lead.iter().any(|one| matches!(one, Trivia::Comment(_))) || remark.is_some();
        self.pending = lead;
        self.pending.extend(remark.map(|remark| Trivia::Comment(remark.text)));
    }

    fn header(&mut self, text: String, lead: Vec<Trivia>, remark: Option<Remark>) {
        let lead = self.lead(lead, true);
        self.document.statements.push(Statement::Header(Header { at: 0..0, lead, text, remark }));
    }

    /// What is pending and then `lead`; with a blank line above it where a table begins.
    fn lead(&mut self, lead: Vec<Trivia>, is_table: bool) -> Vec<Trivia> {
        let mut all = std::mem::take(&mut self.pending);
        let announced = std::mem::take(&mut self.announced);
        if is_table && !(announced && lead.is_empty()) || lead.contains(&Trivia::Blank) {
            all.push(Trivia::Blank);
        }
        all.extend(lead);
        all
    }
}

/// Whether an entry of a table may become a table itself.
fn can_be_table(entry: &Noted) -> bool {
    matches!(entry.value, Kept::Map(_)) && !entry.is_for()
}

/// Whether a table has no parts but scalars, lists of them and a `for`, no comments within, and fits on a line.
fn is_short(entry: &Noted) -> bool {
    let parts = entry.inner().iter().all(|one| one.is_scalar() || one.is_list_of_scalars() || one.is_for());
    let Body::Items(items) = body(entry) else { return false };
    parts && entry.comments_within() == 0 && DIALECT.one_line(&items).is_some_and(|text| width(&text) <= SHORT_MAX)
}

fn item(noted: &Noted) -> Item {
    let key = noted.key.as_deref().map(|key| key.to_toml_key());
    let body = body(noted);
    Item { lead: noted.lead.clone(), remark: noted.remark.clone(), ..Item::new(0, key, Node::bare(body)) }
}

fn body(noted: &Noted) -> Body {
    let items = |kind, inner: &[Noted]| {
        let mut items = Items {
            items: inner.iter().map(item).collect(),
            tail: noted.tail.clone(),
            ..Items::new(0, kind, Form::Flow)
        };
        items.form = DIALECT.natural_form(&items);
        Body::Items(items)
    };
    match &noted.value {
        Kept::Null => Body::Verbatim("\"\"".to_owned()),
        Kept::Scalar(one) => Body::Verbatim(scalar(one)),
        Kept::List(inner) => items(Kind::List, inner),
        Kept::Map(inner) => items(Kind::Map, inner),
    }
}

fn scalar(scalar: &Scalar) -> String {
    let text = scalar.text.as_str();
    match (scalar.style, fraction(text)) {
        (Style::Bool, _) => text.to_owned(),
        // To TOML a zero has no sign but as a fraction.
        (Style::Number, Some(fraction)) if text == "-0" => written(fraction),
        (Style::Number, Some(_)) => text.to_owned(),
        (Style::Number, None) if is_whole(text) => text.to_owned(),
        (Style::Number | Style::Plain | Style::Text | Style::Date, _) => text.to_toml_value(),
    }
}
