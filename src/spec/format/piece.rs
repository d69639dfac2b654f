//! What the three notations have in common once they are to be printed: values as they are written, with the comments
//! and blank lines between them.

/// What stands on lines of its own before an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trivia {
    /// One blank line, or more of them.
    Blank,
    /// A comment with its `#`, without blanks at its end.
    Comment(String),
}

/// A comment at the end of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The comment with its `#`, without blanks at its end.
    pub text: String,
    /// The column that it stood in, in characters; `None` for one that is new there.
    pub column: Option<usize>,
    /// Whether more than one blank stood before it.
    pub spaced: bool,
    /// Whether the line is a new one: then the column tells only which others it stood below.
    pub moved: bool,
}

impl Remark {
    /// A comment that stood behind `before` on its line.
    pub fn behind(before: &str, text: &str) -> Self {
        let spaced = before.ends_with("  ") || before.ends_with('\t');
        Self { text: text.trim_end().to_owned(), column: Some(before.chars().count()), spaced, moved: false }
    }
}

/// An entry of a map, an item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The byte that its key, or without one its value, begins at.
    pub at: usize,
    /// What stands above it.
    pub lead: Vec<Trivia>,
    /// Its key as written; several joined by dots in TOML.
    pub key: Option<String>,
    /// The comment at the end of the key's line, where the value is a block below it.
    pub head: Option<Remark>,
    /// Its value.
    pub value: Node,
    /// The comment at the end of the value's line.
    pub remark: Option<Remark>,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// YAML's anchor and tag, as written.
    pub props: String,
    /// The value without them.
    pub body: Body,
}

/// A value without its anchor and tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing is written.
    Empty,
    /// A scalar as written. Further lines are indented as it suits.
    Text(String),
    /// A scalar of which further lines stand as they are.
    Verbatim(String),
    /// A YAML block scalar.
    Block(Block),
    /// A map or a list.
    Items(Items),
}

/// A YAML block scalar: `|` or `>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The header, its indentation in it made ours.
    pub header: String,
    /// Its lines without their common indentation.
    pub lines: Vec<String>,
}

impl Block {
    /// Whether blank lines below it are a part of it.
    pub fn keeps_blanks(&self) -> bool {
        self.header.contains('+')
    }
}

/// Whether items have keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They have.
    Map,
    /// They have not.
    List,
}

/// How a map or list is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By indentation, without brackets: YAML only.
    Block,
    /// In brackets, on one line where that fits.
    Flow,
    /// In brackets, and the author broke the line after the first: kept, unless all within is scalars and fits.
    Broken,
    /// In brackets, an item a line whether it fits or not.
    Tall,
}

/// A map or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items {
    /// The byte that it begins at.
    pub at: usize,
    /// Which of the two it is.
    pub kind: Kind,
    /// How it is laid out.
    pub form: Form,
    /// What is in it.
    pub items: Vec<Item>,
    /// Comments after the last item.
    pub tail: Vec<Trivia>,
}

impl Item {
    /// An item without comments.
    pub fn new(at: usize, key: Option<String>, value: Node) -> Self {
        Self { at, lead: Vec::new(), key, head: None, value, remark: None }
    }
}

impl Node {
    /// A value without anchor and tag.
    pub fn bare(body: Body) -> Self {
        Self { props: String::new(), body }
    }

    /// The map or list that it is.
    pub fn items(&self) -> Option<&Items> {
        match &self.body {
            Body::Items(items) => Some(items),
            Body::Empty | Body::Text(_) | Body::Verbatim(_) | Body::Block(_) => None,
        }
    }
}

impl Items {
    /// An empty map or list.
    pub fn new(at: usize, kind: Kind, form: Form) -> Self {
        Self { at, kind, form, items: Vec::new(), tail: Vec::new() }
    }
}
