//! Looking things up in a document.
//!
//! A lookup never fails: what is not there is an absent [`Json`], which answers every question
//! with `None`, so that paths can be chained. Reading a value fails only where a wrong value would
//! become a wrong number, and then names its path.

use model::{Nanos, Reason};

use super::{Kind, MISSING, NameHash, NameSet, Tree};
use crate::rejection::Rejection;

/// The largest count an event may claim.
pub(crate) const MAX_COUNT: u64 = 1_000_000_000_000;

/// The first amount that the decimal column cannot hold, in nano-dollars.
pub(crate) const COST_LIMIT: i64 = 1_000_000_000 * Nanos::USD;

/// How many faults of a document are named by their whole path.
const MAX_NAMED_FAULTS: u32 = 32;

/// What an amount of money is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Whole dollars.
    #[default]
    Dollars,
    /// Hundredths of a dollar.
    Cents,
    /// Millionths of a dollar.
    Micros,
}

impl Unit {
    fn exponent(self) -> i8 {
        match self {
            Self::Dollars => 0,
            Self::Cents => -2,
            Self::Micros => -6,
        }
    }
}

/// A value of a document, or the absence of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'t> {
    pub(super) tree: &'t Tree<'t>,
    pub(super) at: u32,
}

impl<'t> Json<'t> {
    pub(super) fn new(tree: &'t Tree<'_>, at: u32) -> Self {
        Self { tree, at }
    }

    /// Returns the member of that name; absent if there is none, or this is no object.
    ///
    /// Of two members of one name it is the first, and the row that is read from it is refused.
    // Inlined, so that the number of a name that is known is known too.
    #[inline(always)]
    pub(crate) fn get(self, name: &str) -> Json<'t> {
        self.member(name, NameHash::of(name.as_bytes()))
    }

    /// Returns the member of that name, whose number is known.
    pub(super) fn member(self, name: &str, hash: NameHash) -> Json<'t> {
        let tree = self.tree;
        let mut found = MISSING;
        let Some((mut at, once)) = tree.first_with(self.at, hash) else {
            return Self::new(tree, found);
        };
        let (_, end) = self.range();
        while at < end
            && let Some(member) = tree.node(at)
        {
            if member.hash == hash && tree.text_of(member.name) == name {
                if found == MISSING {
                    found = at;
                    if once {
                        break;
                    }
                } else {
                    tree.mark(at);
                }
            }
            at = member.next;
        }
        Self::new(tree, found)
    }

    /// Returns the member of that name in small or capital letters: one source writes the same
    /// column as `ResourceId`, `resourceId` and `resourceid`.
    ///
    /// Of two spellings it is the first, and nothing is refused: JSON may well have both.
    #[inline(always)]
    pub(crate) fn any_case(self, name: &str) -> Json<'t> {
        self.member_in_any_case(name, NameHash::of(name.as_bytes()))
    }

    fn member_in_any_case(self, name: &str, hash: NameHash) -> Json<'t> {
        let missing = Self::new(self.tree, MISSING);
        let Some((_, once)) = self.tree.first_with(self.at, hash) else {
            return missing;
        };
        let fits = |spelling: &str| spelling == name || spelling.eq_ignore_ascii_case(name);
        let mut members = self.members_of(hash);
        if once {
            let only = members.next().filter(|member| fits(member.name()));
            return only.unwrap_or(missing);
        }
        let first = members.find(|member| fits(member.name()));
        first.map_or(missing, |member| self.get(member.name()))
    }

    /// Returns the first of these members, in small or capital letters, that says something.
    pub(crate) fn first_of_any_case(self, names: &[&str]) -> Json<'t> {
        let mut members = names.iter().map(|name| self.any_case(name));
        let missing = Self::new(self.tree, MISSING);
        members
            .find(|member| member.exists() && !member.raw().is_empty())
            .unwrap_or(missing)
    }

    /// Follows names downwards.
    pub(crate) fn path(self, names: &[&str]) -> Json<'t> {
        names.iter().fold(self, |json, name| json.get(name))
    }

    /// Returns the first of these members that is there and not null.
    pub(crate) fn first(self, names: &[&str]) -> Json<'t> {
        let mut members = names.iter().map(|name| self.get(name));
        let missing = Self::new(self.tree, MISSING);
        members.find(|member| member.exists()).unwrap_or(missing)
    }

    /// Returns what is not there.
    pub(crate) fn absent(self) -> Json<'t> {
        Self::new(self.tree, MISSING)
    }

    /// Returns whether there is a value, and not null.
    pub(crate) fn exists(self) -> bool {
        !matches!(self.kind(), None | Some(Kind::Null))
    }

    /// Returns whether there is such a member, be it null.
    pub(crate) fn has(self, name: &str) -> bool {
        self.get(name).at != MISSING
    }

    /// Returns whether there is anything, be it null.
    pub(crate) fn is_there(self) -> bool {
        self.at != MISSING
    }

    /// Returns whether this is an object.
    pub(crate) fn is_object(self) -> bool {
        self.kind() == Some(Kind::Object)
    }

    /// Returns whether this is an array.
    pub(crate) fn is_array(self) -> bool {
        self.kind() == Some(Kind::Array)
    }

    /// Returns a text; an empty one is an unknown.
    pub(crate) fn str(self) -> Option<&'t str> {
        self.is_text()
            .then(|| self.value())
            .filter(|text| !text.is_empty())
    }

    /// Returns a text or the digits of a number, as ids come in both; `-` is an unknown too.
    pub(crate) fn label(self) -> Option<&'t str> {
        match self.kind()? {
            Kind::Text | Kind::Number => Some(self.value()),
            _ => None,
        }
        .filter(|text| !matches!(*text, "" | "-"))
    }

    /// Returns this if it is a number, also one in a text, and else something that is absent.
    pub(crate) fn numeric(self) -> Json<'t> {
        let numeric = self.label().is_some_and(|text| text.parse::<f64>().is_ok());
        if numeric {
            self
        } else {
            Self::new(self.tree, MISSING)
        }
    }

    /// Returns a truth value, also one in a text or as 0 and 1.
    pub(crate) fn flag(self) -> Option<bool> {
        match self.kind()? {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => match self.label()? {
                "true" | "True" | "TRUE" | "1" => Some(true),
                "false" | "False" | "FALSE" | "0" => Some(false),
                _ => None,
            },
        }
    }

    /// Returns a count: a whole number from 0 to 1e12, also in a text or with a fraction of zero.
    ///
    /// # Errors
    /// [`Reason::Number`] for any other number, [`Reason::WrongType`] for what is none.
    pub(crate) fn count(self) -> Result<Option<u64>, Rejection> {
        let Some(text) = self.digits()? else {
            return Ok(None);
        };
        let count = match text.parse::<u64>() {
            Ok(count) => Some(count),
            // 812.0 and 8.12e2; the limit is far below what a double holds exactly.
            Err(_) => text
                .parse::<f64>()
                .ok()
                .filter(|number| number.fract() == 0.0 && (0.0..=MAX_COUNT as f64).contains(number))
                .map(|number| number as u64),
        };
        match count {
            Some(count) if count <= MAX_COUNT => Ok(Some(count)),
            _ => Err(self.fault(
                Reason::Number,
                format_args!("not a whole number from 0 to {MAX_COUNT}"),
            )),
        }
    }

    /// Returns an amount of money, exact to the nano-dollar and rounded half-even once; it may be
    /// negative.
    ///
    /// # Errors
    /// [`Reason::Number`] for an amount of a thousand million dollars and more,
    /// [`Reason::WrongType`] for what is no number.
    pub(crate) fn money(self, unit: Unit) -> Result<Option<Nanos>, Rejection> {
        let Some(text) = self.digits()? else {
            return Ok(None);
        };
        match Nanos::parse_scaled(text, unit.exponent()) {
            Ok(cost) if cost.get().abs() < COST_LIMIT => Ok(Some(cost)),
            _ => Err(self.fault(
                Reason::Number,
                format_args!("not an amount below 1000000000 dollars"),
            )),
        }
    }

    /// Returns a finite number, also one in a text.
    ///
    /// # Errors
    /// [`Reason::Number`] beyond 1e308, [`Reason::WrongType`] for what is no number.
    pub(crate) fn number(self) -> Result<Option<f64>, Rejection> {
        let Some(text) = self.digits()? else {
            return Ok(None);
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.fault(Reason::Number, format_args!("not a finite number"))),
        }
    }

    /// Returns the elements of an array; anything else has none.
    pub(crate) fn items(self) -> impl Iterator<Item = Json<'t>> {
        self.is_array()
            .then(|| self.children())
            .into_iter()
            .flatten()
    }

    /// Returns the members of an object; anything else has none.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'t str, Json<'t>)> {
        let members = self.is_object().then(|| self.children());
        members
            .into_iter()
            .flatten()
            .map(|member| (member.name(), member))
    }

    /// Returns the value as it stands in the document, a text without its quotes.
    pub(crate) fn raw(self) -> &'t str {
        self.value()
    }

    /// Returns the document's tree.
    pub(crate) fn tree(self) -> &'t Tree<'t> {
        self.tree
    }

    /// Makes a rejection that names where this value is; `what` never quotes it.
    pub(crate) fn fault(self, reason: Reason, what: std::fmt::Arguments<'_>) -> Rejection {
        // A path is found by walking from the root. A list of bad elements must not be walked
        // once for each of them, and nobody reads more than the first.
        let faults = &self.tree.named_faults;
        faults.set(faults.get().saturating_add(1));
        let place = if faults.get() <= MAX_NAMED_FAULTS {
            self.place()
        } else {
            self.name().to_owned()
        };
        Rejection::new(reason, format!("`{place}` is {what}"))
    }

    /// Returns the nodes from this one to the first that is not inside of it.
    pub(super) fn range(self) -> (u32, u32) {
        let next = self.tree.node(self.at).map_or(self.at, |node| node.next);
        (self.at, next)
    }

    /// Names the way from the root, such as `usage.input_tokens` or `data.0.results`.
    pub(crate) fn place(self) -> String {
        let mut place = match self.tree.outer {
            Some((outer, at)) => Json::new(outer, at).place(),
            None => String::new(),
        };
        let mut here = Self::new(self.tree, 0);
        while here.at < self.at {
            let children = here.children().enumerate();
            let Some((index, child)) = children.filter(|(_, child)| child.at <= self.at).last()
            else {
                break;
            };
            if !place.is_empty() {
                place.push('.');
            }
            if here.is_array() {
                place.push_str(&index.to_string());
            } else {
                place.push_str(child.name());
            }
            here = child;
        }
        place
    }

    /// Returns the text of a number, bare or in quotes; an absent, null or empty one is unknown.
    fn digits(self) -> Result<Option<&'t str>, Rejection> {
        match self.kind() {
            None | Some(Kind::Null) => Ok(None),
            Some(Kind::Number) => Ok(Some(self.value())),
            Some(Kind::Text) => {
                let text = self.value().trim();
                if matches!(text, "" | "-") {
                    return Ok(None);
                }
                // NaN and inf are words of f64's own grammar and no numbers.
                let numeric = text.bytes().all(|byte| {
                    byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E')
                });
                if numeric {
                    Ok(Some(text))
                } else {
                    Err(self.fault(Reason::WrongType, format_args!("not a number")))
                }
            }
            Some(_) => Err(self.fault(Reason::WrongType, format_args!("not a number"))),
        }
    }

    fn kind(self) -> Option<Kind> {
        Some(self.tree.node(self.at)?.kind)
    }

    /// Returns whether this is a text.
    pub(crate) fn is_text(self) -> bool {
        self.kind() == Some(Kind::Text)
    }

    /// Returns the members whose names have a number; nearly all of those have one name.
    fn members_of(self, hash: NameHash) -> impl Iterator<Item = Json<'t>> {
        let tree = self.tree;
        let members = match tree.first_with(self.at, hash) {
            Some((at, _)) => Children {
                at,
                ..self.children()
            },
            None => self.absent().children(),
        };
        members.filter(move |member| tree.node(member.at).is_some_and(|node| node.hash == hash))
    }

    /// Returns the numbers of the names of an object; anything else has none.
    pub(crate) fn hashes(self) -> impl Iterator<Item = NameHash> {
        let members = self.is_object().then(|| self.children());
        let tree = self.tree;
        members
            .into_iter()
            .flatten()
            .filter_map(move |member| Some(tree.node(member.at)?.hash))
    }

    /// Returns which names an object may have, for who asks for very many of them.
    pub(crate) fn names(self) -> NameSet {
        self.hashes().collect()
    }

    fn name(self) -> &'t str {
        let node = self.tree.node(self.at);
        node.map_or("", |node| self.tree.text_of(node.name))
    }

    fn value(self) -> &'t str {
        let node = self.tree.node(self.at);
        node.map_or("", |node| self.tree.text_of(node.value))
    }

    fn children(self) -> Children<'t> {
        let (start, end) = self.range();
        Children {
            tree: self.tree,
            at: start.saturating_add(1),
            end,
        }
    }
}

/// The values right below another one.
struct Children<'t> {
    tree: &'t Tree<'t>,
    at: u32,
    end: u32,
}

impl<'t> Iterator for Children<'t> {
    type Item = Json<'t>;

    fn next(&mut self) -> Option<Json<'t>> {
        if self.at >= self.end {
            return None;
        }
        let child = Json::new(self.tree, self.at);
        self.at = self.tree.node(self.at)?.next;
        Some(child)
    }
}
