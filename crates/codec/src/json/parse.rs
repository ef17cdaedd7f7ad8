//! Text to nodes: RFC 8259, strictly.

use std::cell::Cell;

use model::Reason;

use super::scan::Scan;
use super::{
    Kind, MAX_DEPTH, MAX_NODES, MISSING, NameHash, NamesIn, Node, Nodes, Span, Tree, UNESCAPED,
};
use crate::rejection::Rejection;

impl<'a> Tree<'a> {
    /// Parses one document with nothing but white space around it.
    ///
    /// # Errors
    /// [`Reason::Json`] for what is no JSON, [`Reason::Shape`] for what nests deeper than
    /// [`MAX_DEPTH`], [`Reason::TooLarge`] for 2 GiB and more, and for more than [`MAX_NODES`].
    pub(crate) fn parse(text: &'a str) -> Result<Self, Rejection> {
        if text.len() >= UNESCAPED as usize {
            return Err(Rejection::new(Reason::TooLarge, "the document is too long"));
        }
        let mut parser = Parser {
            scan: Scan::new(text),
            unescaped: String::new(),
            // A guess that is right for most documents: a node for every 16 bytes.
            nodes: Nodes {
                list: Vec::with_capacity(text.len() / 16 + 1),
                wide: Vec::new(),
            },
        };
        parser.scan.space();
        parser.value(Name::NONE, 0)?;
        parser.scan.space();
        if parser.scan.peek().is_some() {
            return Err(parser.fault("more after the document"));
        }
        Ok(Tree {
            text,
            unescaped: parser.unescaped,
            nodes: parser.nodes.list,
            wide: parser.nodes.wide,
            ambiguous: Cell::new(MISSING),
            named_faults: Cell::new(0),
            outer: None,
        })
    }
}

fn too_many_nodes() -> Rejection {
    let detail = format!("the document has more than {MAX_NODES} values");
    Rejection::new(Reason::TooLarge, detail)
}

const EMPTY: Span = Span { start: 0, len: 0 };

/// Where the name of a value stands, and its number.
#[derive(Clone, Copy)]
struct Name {
    span: Span,
    hash: NameHash,
}

impl Name {
    /// That of elements and of the document.
    const NONE: Name = Name {
        span: EMPTY,
        hash: NameHash::of(b""),
    };
}

struct Parser<'a> {
    scan: Scan<'a>,
    unescaped: String,
    nodes: Nodes,
}

impl Parser<'_> {
    fn fault(&self, what: &str) -> Rejection {
        Rejection::new(Reason::Json, format!("{what} at byte {}", self.scan.at))
    }

    fn value(&mut self, name: Name, depth: usize) -> Result<(), Rejection> {
        let start = self.scan.at;
        match self.scan.peek() {
            Some(b'"') => {
                let value = self.string()?;
                self.leaf(name, value, Kind::Text);
            }
            Some(b'-' | b'0'..=b'9') => {
                if !self.scan.number() {
                    return Err(self.fault("expected a digit"));
                }
                self.leaf(name, self.span(start), Kind::Number);
            }
            Some(b'{') => return self.container(name, depth, Kind::Object),
            Some(b'[') => return self.container(name, depth, Kind::Array),
            Some(b't') => self.word(name, "true", Kind::True)?,
            Some(b'f') => self.word(name, "false", Kind::False)?,
            Some(b'n') => self.word(name, "null", Kind::Null)?,
            Some(_) => return Err(self.fault("expected a value")),
            None => return Err(self.fault("the document ends early")),
        }
        Ok(())
    }

    fn container(&mut self, name: Name, depth: usize, kind: Kind) -> Result<(), Rejection> {
        if depth >= MAX_DEPTH {
            let detail = format!("the document nests deeper than {MAX_DEPTH}");
            return Err(Rejection::new(Reason::Shape, detail));
        }
        let (start, index) = (self.scan.at, self.nodes.list.len());
        self.leaf(name, EMPTY, kind);
        let end = if kind == Kind::Object { b'}' } else { b']' };
        let (mut names, mut members) = (0, 0);
        self.scan.at += 1;
        self.scan.space();
        if self.scan.peek() == Some(end) {
            self.scan.at += 1;
        } else {
            loop {
                let mut member = Name::NONE;
                if kind == Kind::Object {
                    if self.scan.peek() != Some(b'"') {
                        return Err(self.fault("expected a name"));
                    }
                    let span = self.string()?;
                    let hash = NameHash::of(self.bytes_at(span));
                    member = Name { span, hash };
                    names |= hash.bit();
                    members += 1;
                    self.scan.space();
                    if self.scan.peek() != Some(b':') {
                        return Err(self.fault("expected a colon"));
                    }
                    self.scan.at += 1;
                    self.scan.space();
                }
                if self.nodes.list.len() >= MAX_NODES {
                    return Err(too_many_nodes());
                }
                self.value(member, depth + 1)?;
                self.scan.space();
                match self.scan.peek() {
                    Some(b',') => self.scan.at += 1,
                    Some(byte) if byte == end => {
                        self.scan.at += 1;
                        break;
                    }
                    Some(_) => return Err(self.fault("expected a comma or an end")),
                    None => return Err(self.fault("the document ends early")),
                }
                self.scan.space();
            }
        }
        let value = self.span(start);
        self.nodes.close(index, value, names, members);
        Ok(())
    }

    fn leaf(&mut self, name: Name, value: Span, kind: Kind) {
        let next = self.nodes.list.len() as u32 + 1;
        self.nodes.list.push(Node {
            name: name.span,
            value,
            next,
            kind,
            hash: name.hash,
            names_in: NamesIn::Bits,
            names: 0,
        });
    }

    fn bytes_at(&self, span: Span) -> &[u8] {
        let (from, length) = match span.len & UNESCAPED {
            0 => (self.scan.bytes(), span.len),
            _ => (self.unescaped.as_bytes(), span.len & !UNESCAPED),
        };
        let start = span.start as usize;
        from.get(start..start + length as usize).unwrap_or_default()
    }

    fn span(&self, start: usize) -> Span {
        Span {
            start: start as u32,
            len: (self.scan.at - start) as u32,
        }
    }

    fn word(&mut self, name: Name, word: &str, kind: Kind) -> Result<(), Rejection> {
        let start = self.scan.at;
        let rest = self.scan.bytes().get(start..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.fault("expected a value"));
        }
        self.scan.at += word.len();
        self.leaf(name, self.span(start), kind);
        Ok(())
    }

    /// Reads a text from its first quote to its last.
    fn string(&mut self) -> Result<Span, Rejection> {
        self.scan.at += 1;
        let start = self.scan.at;
        self.scan.plain();
        match self.scan.peek() {
            Some(b'"') => {
                let span = self.span(start);
                self.scan.at += 1;
                Ok(span)
            }
            Some(b'\\') => self.escaped_string(start),
            Some(_) => Err(self.fault("a control character in a text")),
            None => Err(self.fault("the document ends inside of a text")),
        }
    }

    /// Goes on with a text whose first escape is here.
    fn escaped_string(&mut self, start: usize) -> Result<Span, Rejection> {
        let unescaped_start = self.unescaped.len();
        let mut from = start;
        loop {
            self.scan.plain();
            let plain = self.scan.text().get(from..self.scan.at).unwrap_or_default();
            self.unescaped.push_str(plain);
            match self.scan.peek() {
                Some(b'"') => {
                    self.scan.at += 1;
                    return Ok(Span {
                        start: unescaped_start as u32,
                        len: (self.unescaped.len() - unescaped_start) as u32 | UNESCAPED,
                    });
                }
                Some(b'\\') => {
                    self.scan.at += 1;
                    let character = self.escape()?;
                    self.unescaped.push(character);
                    from = self.scan.at;
                }
                Some(_) => return Err(self.fault("a control character in a text")),
                None => return Err(self.fault("the document ends inside of a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Rejection> {
        let byte = self.scan.peek();
        self.scan.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.four_hex_digits()?;
                let mut code = high;
                if (0xd800..0xdc00).contains(&high) {
                    let rest = self.scan.bytes().get(self.scan.at..).unwrap_or_default();
                    if !rest.starts_with(b"\\u") {
                        return Err(self.fault("half of a surrogate pair"));
                    }
                    self.scan.at += 2;
                    let low = self.four_hex_digits()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(self.fault("half of a surrogate pair"));
                    }
                    code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                }
                char::from_u32(code).ok_or_else(|| self.fault("half of a surrogate pair"))?
            }
            _ => return Err(self.fault("an unknown escape")),
        })
    }

    fn four_hex_digits(&mut self) -> Result<u32, Rejection> {
        let digits = self
            .scan
            .bytes()
            .get(self.scan.at..self.scan.at + 4)
            .unwrap_or_default();
        let code = digits.iter().try_fold(0, |code, &digit| {
            Some(code * 16 + char::from(digit).to_digit(16)?)
        });
        match code {
            Some(code) if digits.len() == 4 => {
                self.scan.at += 4;
                Ok(code)
            }
            _ => Err(self.fault("an unknown escape")),
        }
    }
}
