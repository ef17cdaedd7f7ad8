//! Reading a native event by speculating that its fields come as in the event before.
//!
//! A program writes its fields in one order. [`Order`] remembers which field followed which; the
//! name that is expected is compared in place, and the value is read as what that field is.
//! Another order is learned on the way. Declined, and left to the general reader, are escapes,
//! containers, a field given twice, and all that is wrong.

use std::borrow::Cow;

use model::{Nanos, UsageRow};

use super::cursor::Cursor;
use super::field::{FIELDS, FieldKind, SCALARS};
use super::push_extra;
use super::same_day::SameDay;
use crate::Redactor;
use crate::json::scan::{POWERS_OF_TEN, Scan};
use crate::json::{COST_LIMIT, MAX_COUNT};

/// Which field follows which, by the events so far.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// For each field its follower; the last two are for unknown fields and for the beginning.
    next: [u8; FIELDS],
    /// Whether the last event was one.
    is_native: bool,
    /// The texts of the last row that a secret would fit in, one a line: what has to be looked
    /// through.
    texts: Vec<u8>,
    day: SameDay,
}

const UNKNOWN: usize = FieldKind::COUNT;
const BEGINNING: usize = FieldKind::COUNT + 1;
const _: () = assert!(BEGINNING < FIELDS);

impl Default for Order {
    fn default() -> Self {
        Self {
            // The wire's own order, until it is known better.
            next: std::array::from_fn(|index| match index {
                BEGINNING => 0,
                _ => index as u8 + 1,
            }),
            is_native: true,
            texts: Vec::new(),
            day: SameDay::default(),
        }
    }
}

impl Order {
    /// Returns whether the next record is likely to be a native event.
    pub(crate) fn is_native(&self) -> bool {
        self.is_native
    }

    /// Returns the texts of the row that was read last, one a line, but for those that are too
    /// short for a secret; none has an escape.
    pub(crate) fn texts(&self) -> &[u8] {
        &self.texts
    }

    /// Keeps a text that a secret would fit in.
    #[inline(always)]
    fn remember(&mut self, text: &str) {
        if text.len() < Redactor::SHORTEST_BYTES {
            return;
        }
        self.texts.extend_from_slice(text.as_bytes());
        self.texts.push(b'\n');
    }

    /// Remembers whether a record was a native event.
    pub(crate) fn set_native(&mut self, is_native: bool) {
        self.is_native = is_native;
    }
}

/// Reads the fields of one event into an empty row; `false` is no judgement on the event.
pub(super) fn read<'a>(text: &'a str, order: &mut Order, row: &mut UsageRow<'a>) -> bool {
    order.texts.clear();
    let mut reader = Reader {
        rest: Cursor::new(text),
        order,
        seen: 0,
    };
    reader.event(row).is_some()
}

struct Reader<'a, 'o> {
    rest: Cursor<'a>,
    order: &'o mut Order,
    /// A bit for each field that was there.
    seen: u64,
}

impl<'a> Reader<'a, '_> {
    /// Reads one object with nothing but white space around it, which has a time.
    #[inline(always)]
    fn event(&mut self, row: &mut UsageRow<'a>) -> Option<()> {
        self.rest.space();
        if !self.rest.pass(b'{') {
            return None;
        }
        let mut before = BEGINNING;
        loop {
            let goes_on;
            (before, goes_on) = self.expected(before, row);
            if goes_on {
                before = self.member(before, row)?;
            }
            self.rest.space();
            if !self.rest.pass(b',') {
                break;
            }
        }
        let closed = self.rest.pass(b'}');
        self.rest.space();
        let has_time = self.seen >> FieldKind::Time.index() & 1 == 1;
        (closed && has_time && self.rest.peek().is_none()).then_some(())
    }

    /// Reads members as long as they come as expected. Returns the index of the last field, and
    /// whether another member follows, which did not.
    ///
    /// Here is where the time goes: how far it is lives in registers only.
    #[inline(always)]
    fn expected(&mut self, mut before: usize, row: &mut UsageRow<'a>) -> (usize, bool) {
        let (mut rest, mut seen) = (self.rest, self.seen);
        let goes_on = loop {
            let index = usize::from(self.order.next[before % FIELDS]) % FIELDS;
            let Some((kind, name)) = &SCALARS[index] else {
                break true;
            };
            let mut ahead = rest;
            if ahead.peek() == Some(b' ') {
                ahead.skip(1);
            }
            let Some(length) = name.begins(ahead.bytes()) else {
                break true;
            };
            let bit = 1 << index;
            if seen & bit != 0 || ahead.skip(length).is_none() {
                break true;
            }
            if ahead.peek() == Some(b' ') {
                ahead.skip(1);
            }
            if value(*kind, &mut ahead, self.order, row).is_none() {
                break true;
            }
            (before, seen) = (index, seen | bit);
            let follows = ahead.pass(b',');
            rest = ahead;
            if !follows {
                break false;
            }
        };
        (self.rest, self.seen) = (rest, seen);
        (before, goes_on)
    }

    /// Reads a member that did not come as expected, and returns the index of the field.
    #[cold]
    fn member(&mut self, before: usize, row: &mut UsageRow<'a>) -> Option<usize> {
        self.rest.space();
        let name = self.rest.plain_text()?;
        self.rest.space();
        if !self.rest.pass(b':') {
            return None;
        }
        self.rest.space();
        let kind = FieldKind::of(name);
        let index = kind.map_or(UNKNOWN, FieldKind::index);
        self.order.next[before % FIELDS] = index as u8;
        let Some(kind) = kind else {
            self.unknown(name, row)?;
            return Some(index);
        };
        let bit = 1 << index;
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        value(kind, &mut self.rest, self.order, row)?;
        Some(index)
    }

    /// Keeps an unknown field, if it is a scalar.
    fn unknown(&mut self, name: &'a str, row: &mut UsageRow<'a>) -> Option<()> {
        if let Some(value) = self.rest.scanned(any_scalar)? {
            self.order.remember(name);
            self.order.remember(value);
            push_extra(row, Cow::Borrowed(name), Cow::Borrowed(value));
        }
        Some(())
    }
}

/// Reads the value of a field that there was none of before, or declines.
#[inline(always)]
fn value<'a>(
    kind: FieldKind,
    rest: &mut Cursor<'a>,
    order: &mut Order,
    row: &mut UsageRow<'a>,
) -> Option<()> {
    if rest.peek() == Some(b'n') {
        // An event without a time is none.
        let is_null = kind != FieldKind::Time && rest.bytes().starts_with(b"null");
        return is_null.then(|| rest.skip(4))?;
    }
    match kind {
        FieldKind::Text(field) => {
            let text = rest.plain_text()?;
            // An empty text is an unknown, not a name.
            if !text.is_empty() {
                order.remember(text);
                row.text.set(field, Cow::Borrowed(text));
            }
        }
        FieldKind::Count(field) => row.set_count(field, count(rest)?),
        FieldKind::Cost => row.cost = Some(cost(rest)?),
        FieldKind::Time => row.time = order.day.read(rest.plain_text()?)?,
        FieldKind::TimeStart => row.time_start = Some(order.day.read(rest.plain_text()?)?),
        FieldKind::TimeEnd => row.time_end = Some(order.day.read(rest.plain_text()?)?),
        FieldKind::Flag(field) => row.set_flag(field, rest.scanned(flag)?),
        FieldKind::OtherUnits | FieldKind::Extra | FieldKind::Reserved => return None,
    }
    Some(())
}

fn flag(scan: &mut Scan<'_>) -> Option<bool> {
    let rest = scan.rest();
    let (flag, length) = if rest.starts_with(b"true") {
        (true, 4)
    } else if rest.starts_with(b"false") {
        (false, 5)
    } else {
        return None;
    };
    scan.at += length;
    Some(flag)
}

#[inline(always)]
fn count(rest: &mut Cursor<'_>) -> Option<u64> {
    let count = whole_number(rest)?;
    (count <= MAX_COUNT).then_some(count)
}

/// Reads an amount of dollars. Nearly all have nine decimals at most and no exponent.
#[inline(always)]
fn cost(rest: &mut Cursor<'_>) -> Option<Nanos> {
    let before = *rest;
    let dollars = whole_number(rest)?;
    let (mut fraction, mut decimals) = (0, 0);
    if rest.pass(b'.') {
        (fraction, decimals) = rest.whole_number();
        if decimals == 0 {
            return None;
        }
    }
    if decimals > 9 || matches!(rest.peek(), Some(b'e' | b'E')) {
        let cost;
        (cost, *rest) = unusual_cost(before)?;
        return in_limit(cost);
    }
    let nanos = fraction * POWERS_OF_TEN.get(9 - decimals)?;
    let nanos = dollars.checked_mul(POWERS_OF_TEN[9])?.checked_add(nanos)?;
    in_limit(Nanos::new(i64::try_from(nanos).ok()?))
}

/// Reads an amount however it is written, and returns what is behind it.
#[cold]
fn unusual_cost(mut rest: Cursor<'_>) -> Option<(Nanos, Cursor<'_>)> {
    let number = rest.scanned(|scan| scan.number().then(|| scan.since(0)))?;
    Some((Nanos::parse_usd(number).ok()?, rest))
}

#[inline(always)]
fn in_limit(cost: Nanos) -> Option<Nanos> {
    (cost.get().abs() < COST_LIMIT).then_some(cost)
}

/// Passes digits that are a number in JSON, without a zero in front, if it fits.
#[inline(always)]
fn whole_number(rest: &mut Cursor<'_>) -> Option<u64> {
    let zero_in_front = rest.peek() == Some(b'0');
    let (number, digits) = rest.whole_number();
    let is_number = digits == 1 || (digits > 1 && digits <= 18 && !zero_in_front);
    is_number.then_some(number)
}

/// Passes a scalar and returns it as it is kept, without its quotes; null is not kept.
fn any_scalar<'a>(scan: &mut Scan<'a>) -> Option<Option<&'a str>> {
    let start = scan.at;
    match scan.peek()? {
        b'"' => return scan.plain_text().map(Some),
        b'n' => {
            let is_null = scan.rest().starts_with(b"null");
            scan.at += 4;
            return is_null.then_some(None);
        }
        b't' | b'f' => drop(flag(scan)?),
        _ if scan.number() => {}
        _ => return None,
    }
    Some(Some(scan.since(start)))
}
