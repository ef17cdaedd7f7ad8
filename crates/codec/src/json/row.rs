//! A row of a table as a document.

use std::cell::Cell;
use std::ops::Range;

use super::{Kind, MISSING, NameHash, NamesIn, Node, Nodes, Span, Tree};

impl<'a> Tree<'a> {
    /// Makes one object of texts; an empty text is null.
    ///
    /// `members` are the places in `text` of each name and its value, and `row` is that of all
    /// values. The text is far shorter than the 2 GiB that a place may be at.
    pub(crate) fn of_row(
        text: &'a str,
        row: Range<usize>,
        members: impl Iterator<Item = (Range<usize>, Range<usize>)>,
    ) -> Self {
        let mut nodes = Nodes::default();
        nodes.list.push(Node {
            name: span(0..0),
            value: span(0..0),
            next: 1,
            kind: Kind::Object,
            hash: NameHash::default(),
            names_in: NamesIn::Bits,
            names: 0,
        });
        let mut names = 0;
        for (name, value) in members {
            let kind = if value.is_empty() {
                Kind::Null
            } else {
                Kind::Text
            };
            let hash = NameHash::of(text.as_bytes().get(name.clone()).unwrap_or_default());
            names |= hash.bit();
            nodes.list.push(Node {
                name: span(name),
                value: span(value),
                next: nodes.list.len() as u32 + 1,
                kind,
                hash,
                names_in: NamesIn::Bits,
                names: 0,
            });
        }
        let members = nodes.list.len() - 1;
        nodes.close(0, span(row), names, members);
        Self {
            text,
            unescaped: String::new(),
            nodes: nodes.list,
            wide: nodes.wide,
            ambiguous: Cell::new(MISSING),
            named_faults: Cell::new(0),
            outer: None,
        }
    }
}

fn span(range: Range<usize>) -> Span {
    Span {
        start: range.start as u32,
        len: range.len() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_an_object_of_texts() {
        let text = "ab12x";
        let members = [(0..1, 2..4), (1..2, 4..4), (0..2, 4..5)];
        let tree = Tree::of_row(text, 2..5, members.into_iter());
        let row = tree.root();
        assert_eq!(row.get("a").count().unwrap(), Some(12));
        assert!(row.has("b") && !row.get("b").exists());
        assert_eq!(row.any_case("AB").str(), Some("x"));
        assert_eq!(row.members().count(), 3);
        assert_eq!((row.raw(), row.get("c").raw()), ("12x", ""));
    }
}
