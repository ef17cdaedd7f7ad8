//! A JSON document as one flat list of nodes, borrowed from its text.
//!
//! Every decoder but the native one reads from it. It exists beside `serde_json::Value` because
//! money needs the digits as they stand, a name that is given twice must be seen, and one
//! allocation for the nodes is all that a document may cost. Measured once on the fixtures, in lists
//! of 200 on one core: 560 to 950 MB/s, three to six times as fast as `serde_json::Value`.

mod inner;
mod name;
mod node;
mod parse;
mod path;
mod row;
pub(crate) mod scan;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use model::Reason;

use crate::rejection::Rejection;

use name::{Indexed, NameIndex};
pub(crate) use name::{NameHash, NameSet};
pub use node::Unit;
pub(crate) use node::{COST_LIMIT, Json, MAX_COUNT};
pub(crate) use path::Path;

/// The deepest nesting that is read.
pub(crate) const MAX_DEPTH: usize = 64;

/// A parsed document: its nodes in the order of the text, a container before what is in it.
///
/// A node is 32 bytes and stands for two bytes of text at least, so that a tree takes at most 16
/// times its text, or twice that while the list grows, and never more than [`MAX_NODES`]. An object
/// of many members has 640 bytes more. Texts with escapes are resolved into one
/// buffer that is never longer than the document.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    text: &'a str,
    unescaped: String,
    nodes: Vec<Node>,
    /// The names of objects that have more than [`MAX_BIT_NAMES`].
    wide: Vec<NameIndex>,
    /// The first member that was read although its object names it twice, or [`MISSING`].
    ambiguous: Cell<u32>,
    /// How many faults were named by their whole path.
    named_faults: Cell<u32>,
    /// The document that has this one in a text, and the node of the text.
    outer: Option<(&'a Tree<'a>, u32)>,
}

/// How many nodes a document may have: four times as many as an ordinary one of
/// [`crate::rows::MAX_UNPACKED_BYTES`].
pub(crate) const MAX_NODES: usize = 1 << 20;

/// The most members that the bits of a word tell apart well enough.
const MAX_BIT_NAMES: usize = 16;

/// No node.
const MISSING: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    name: Span,
    /// What the value says: a text without its quotes, anything else as it stands.
    value: Span,
    /// The next node that is not inside of this one.
    next: u32,
    kind: Kind,
    /// That of the name.
    hash: NameHash,
    /// Where the names of this object are.
    names_in: NamesIn,
    /// Of an object, the bits of its names: most lookups are for what is not there, and end here.
    /// Of a wide one, its place in [`Tree::wide`].
    names: u64,
}

/// Where the names of an object are. With bits of their own, none is there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamesIn {
    Bits,
    OwnBits,
    /// In [`Tree::wide`].
    Wide,
    OwnWide,
}

/// The nodes of a document while it is read.
#[derive(Debug, Default)]
struct Nodes {
    list: Vec<Node>,
    wide: Vec<NameIndex>,
}

impl Nodes {
    /// Closes the object or array at `index`: all that was added after it is inside of it.
    /// `names` are the bits of its names, `members` how many there are.
    fn close(&mut self, index: usize, value: Span, names: u64, members: usize) {
        let next = self.list.len() as u32;
        let is_wide = members > MAX_BIT_NAMES;
        let (names, own_bits) = if is_wide {
            let (mut names, mut own_bits) = (NameIndex::default(), true);
            let mut at = index + 1;
            while let Some(node) = self.list.get(at) {
                own_bits &= names.insert(node.hash, at - index);
                at = node.next as usize;
            }
            self.wide.push(names);
            (self.wide.len() as u64 - 1, own_bits)
        } else {
            (names, names.count_ones() as usize == members)
        };
        if let Some(node) = self.list.get_mut(index) {
            node.value = value;
            node.next = next;
            node.names_in = match (is_wide, own_bits) {
                (false, false) => NamesIn::Bits,
                (false, true) => NamesIn::OwnBits,
                (true, false) => NamesIn::Wide,
                (true, true) => NamesIn::OwnWide,
            };
            node.names = names;
        }
    }
}

/// A part of the document, or of what was unescaped of it.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    /// The length in bytes; the highest bit says that the part is one of `unescaped`.
    len: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    False,
    True,
    Number,
    Text,
    Array,
    Object,
}

const UNESCAPED: u32 = 1 << 31;

impl<'a> Tree<'a> {
    /// Returns the document's value.
    pub(crate) fn root<'t>(&'t self) -> Json<'t>
    where
        'a: 't,
    {
        Json::new(self, 0)
    }

    /// Says of which text this is the document.
    fn inside_of(mut self, text: Json<'a>) -> Self {
        self.outer = Some((text.tree, text.at));
        self
    }

    /// Notes that a member was looked up that is given twice, here and in what is around.
    fn mark(&self, at: u32) {
        if self.ambiguous.get() == MISSING {
            self.ambiguous.set(at);
        }
        if let Some((outer, at)) = self.outer {
            outer.mark(at);
        }
    }

    /// Returns the node of a member that was looked up and is given twice, below `node`.
    ///
    /// What was looked up outside of `node` counts too: it may have come into the row.
    pub(crate) fn ambiguous(&self) -> Option<Json<'_>> {
        let at = self.ambiguous.get();
        (at != MISSING).then(|| Json::new(self, at))
    }

    /// Refuses a document of which a member was looked up that is given twice.
    ///
    /// # Errors
    /// [`Reason::DuplicateField`].
    pub(crate) fn unambiguous(&self) -> Result<(), Rejection> {
        let Some(twice) = self.ambiguous() else {
            return Ok(());
        };
        // Without opening it: each row of a list comes here.
        let what = match twice.raw().trim_start().starts_with(['{', '[']) {
            true if twice.is_text() => "given twice, or has a name inside of its text twice",
            _ => "given twice",
        };
        Err(twice.fault(Reason::DuplicateField, format_args!("{what}")))
    }

    /// Forgets an ambiguous member inside of `node`, so that its neighbours can be read.
    pub(crate) fn forgive(&self, node: Json<'_>) {
        let (start, end) = node.range();
        if (start..end).contains(&self.ambiguous.get()) {
            self.ambiguous.set(MISSING);
        }
    }

    /// Returns what the texts with escapes say, one after the other.
    pub(crate) fn unescaped(&self) -> &str {
        &self.unescaped
    }

    fn text_of(&self, span: Span) -> &str {
        let start = span.start as usize;
        let end = start + (span.len & !UNESCAPED) as usize;
        let from = if span.len & UNESCAPED == 0 {
            self.text
        } else {
            &self.unescaped
        };
        from.get(start..end).unwrap_or_default()
    }

    /// Returns the member of an object from which on to look for that number, unless none has it,
    /// and whether no two have it.
    fn first_with(&self, at: u32, name: NameHash) -> Option<(u32, bool)> {
        let node = self.node(at)?;
        let only = matches!(node.names_in, NamesIn::OwnBits | NamesIn::OwnWide);
        if matches!(node.names_in, NamesIn::Bits | NamesIn::OwnBits) {
            return (node.names & name.bit() != 0).then_some((at + 1, only));
        }
        let has_number = |distance| {
            self.node(at + distance)
                .is_some_and(|node| node.hash == name)
        };
        match self.wide.get(node.names as usize)?.first(name, has_number) {
            Indexed::Absent => None,
            Indexed::At(distance) => Some((at + distance, only)),
            Indexed::Unknown => Some((at + 1, only)),
        }
    }

    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)
    }
}
