//! Reading a native event by speculating that its fields come as in the event before.
//!
//! A program writes its fields in one order. [`Order`] remembers which field followed which; the
//! name that is expected is compared in place, and the value is read as what that field is.
//! Another order is learned on the way. Declined, and left to the general reader, are escapes,
//! containers, a field given twice, and all that is wrong.

use std::borrow::Cow;

use model::{Nanos, UsageRow};

use super::cursor::Cursor;
use super::field::{EXPECTED, Expected, FIELDS, FieldKind};
use super::push_extra;
use super::same_day::SameDay;
use crate::Redactor;
use crate::json::scan::{POWERS_OF_TEN, Scan};
use crate::json::{COST_LIMIT, MAX_COUNT};

/// Which field follows which, by the events so far.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// For each field its follower, if that is known; the last two are for unknown fields and for
    /// the beginning.
    next: [Option<&'static Expected>; FIELDS],
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
            next: [None; FIELDS],
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
    #[cfg(test)]
    pub(super) fn texts(&self) -> &[u8] {
        &self.texts
    }

    /// Returns whether the texts of the row that was read last need a look for secrets.
    pub(crate) fn needs_look(&self) -> bool {
        Redactor::needs_look(&self.texts)
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
        if self.rest.peek() != Some(b'{') {
            return None;
        }
        let mut before = self.expected(BEGINNING, row);
        loop {
            self.rest.space();
            let is_first = before == BEGINNING;
            if !self.rest.pass(if is_first { b'{' } else { b',' }) {
                break;
            }
            before = self.member(before, row)?;
            before = self.expected(before, row);
        }
        let closed = self.rest.pass(b'}');
        self.rest.space();
        let has_time = self.seen >> FieldKind::Time.index() & 1 == 1;
        (closed && has_time && self.rest.peek().is_none()).then_some(())
    }

    /// Reads members as long as they come as expected, each from its comma on or, if it is the
    /// first, from the brace. Returns the index of the last field.
    ///
    /// Here is where the time goes: how far it is lives in registers only.
    #[inline(always)]
    fn expected(&mut self, mut before: usize, row: &mut UsageRow<'a>) -> usize {
        let (mut rest, mut seen) = (self.rest, self.seen);
        let mut ignored = if before == BEGINNING { 0xff } else { 0 };
        while let Some(expected) = self.order.next[before % FIELDS] {
            let Some(length) = expected.lead.begins(rest.bytes(), ignored) else {
                break;
            };
            let mut ahead = rest;
            if seen & expected.bit != 0
                || ahead.skip(length).is_none()
                || value(expected.kind, &mut ahead, self.order, row).is_none()
            {
                break;
            }
            (rest, seen) = (ahead, seen | expected.bit);
            (before, ignored) = (expected.index, 0);
        }
        (self.rest, self.seen) = (rest, seen);
        before
    }

    /// Reads a member that did not come as expected, from behind its comma on, and returns the
    /// index of the field.
    #[cold]
    fn member(&mut self, before: usize, row: &mut UsageRow<'a>) -> Option<usize> {
        self.rest.space();
        let name = self.rest.plain_text()?;
        self.rest.space();
        if !self.rest.pass(b':') {
            return None;
        }
        let is_spaced = self.rest.peek() == Some(b' ');
        self.rest.space();
        let kind = FieldKind::of(name);
        let index = kind.map_or(UNKNOWN, FieldKind::index);
        self.order.next[before % FIELDS] = EXPECTED[usize::from(is_spaced)][index].as_ref();
        let Some(kind) = kind else {
            self.unknown(name, row)?;
            return Some(index);
        };
        let bit = 1 << index;
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        if self.rest.bytes().starts_with(b"null") {
            self.rest.skip(4)?;
            // An event without a time is none.
            return (kind != FieldKind::Time).then_some(index);
        }
        if kind.is_quoted() && !self.rest.pass(b'"') {
            return None;
        }
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

/// Reads the value of a field that there was none of before, from behind its quote if it has one,
/// or declines.
#[inline(always)]
fn value<'a>(
    kind: FieldKind,
    rest: &mut Cursor<'a>,
    order: &mut Order,
    row: &mut UsageRow<'a>,
) -> Option<()> {
    match kind {
        FieldKind::Text(field) => {
            let text = rest.text_to_quote()?;
            // An empty text is an unknown, not a name.
            if !text.is_empty() {
                order.remember(text);
                row.text.set(field, Cow::Borrowed(text));
            }
        }
        FieldKind::Count(field) => row.set_count(field, count(rest)?),
        FieldKind::Cost => row.cost = Some(cost(rest)?),
        FieldKind::Time => row.time = order.day.read(rest.text_to_quote()?)?,
        FieldKind::TimeStart => row.time_start = Some(order.day.read(rest.text_to_quote()?)?),
        FieldKind::TimeEnd => row.time_end = Some(order.day.read(rest.text_to_quote()?)?),
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
