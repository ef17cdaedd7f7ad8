//! Reading a native event by speculating that its fields come as in the event before.
//!
//! A program writes its fields in one order. [`Order`] remembers which field followed which; the
//! name that is expected is compared in place, and the value is read as what that field is.
//! Another order is learned on the way. Declined, and left to the general reader, are escapes,
//! containers, a field given twice, and all that is wrong.

use std::borrow::Cow;

use model::{Nanos, Timestamp, UsageRow};

use super::field::{FieldKind, SCALARS};
use super::push_extra;
use crate::Redactor;
use crate::json::scan::Scan;
use crate::json::{COST_LIMIT, MAX_COUNT};

/// Which field follows which, by the events so far.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// For each field its follower; the last two are for unknown fields and for the beginning.
    next: [u8; FieldKind::COUNT + 2],
    /// Whether the last event was one.
    is_native: bool,
    /// The texts of the last row that a secret would fit in, one a line: what has to be looked
    /// through.
    texts: Vec<u8>,
}

const UNKNOWN: usize = FieldKind::COUNT;
const BEGINNING: usize = FieldKind::COUNT + 1;

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

    /// Remembers whether a record was a native event.
    pub(crate) fn set_native(&mut self, is_native: bool) {
        self.is_native = is_native;
    }
}

/// Reads the fields of one event into an empty row; `false` is no judgement on the event.
pub(super) fn read<'a>(text: &'a str, order: &mut Order, row: &mut UsageRow<'a>) -> bool {
    order.texts.clear();
    let mut reader = Reader {
        scan: Scan::new(text),
        order,
        seen: 0,
    };
    reader.event(row).is_some()
}

struct Reader<'a, 'o> {
    scan: Scan<'a>,
    order: &'o mut Order,
    /// A bit for each field that was there.
    seen: u64,
}

impl<'a> Reader<'a, '_> {
    /// Reads one object with nothing but white space around it, which has a time.
    fn event(&mut self, row: &mut UsageRow<'a>) -> Option<()> {
        self.scan.space();
        if !self.scan.pass(b'{') {
            return None;
        }
        let mut before = BEGINNING;
        loop {
            self.scan.space();
            before = self.member(before, row)?;
            self.scan.space();
            if !self.scan.pass(b',') {
                break;
            }
        }
        let closed = self.scan.pass(b'}');
        self.scan.space();
        let has_time = self.seen >> FieldKind::Time.index() & 1 == 1;
        (closed && has_time && self.scan.peek().is_none()).then_some(())
    }

    /// Reads a name and its value, and returns the index of the field.
    #[inline(always)]
    fn member(&mut self, before: usize, row: &mut UsageRow<'a>) -> Option<usize> {
        let mut index = usize::from(*self.order.next.get(before)?);
        let expected = SCALARS.get(index).and_then(Option::as_ref);
        let rest = self.scan.rest();
        let mut kind = expected.map(|(kind, _)| *kind);
        if let Some(length) = expected.and_then(|(_, name)| name.begins(rest)) {
            self.scan.at += length;
        } else {
            let name = self.name()?;
            kind = FieldKind::of(name);
            index = kind.map_or(UNKNOWN, FieldKind::index);
            *self.order.next.get_mut(before)? = index as u8;
            if kind.is_none() {
                self.unknown(name, row)?;
                return Some(index);
            }
        }
        self.scan.space();
        self.value(kind?, row)?;
        Some(index)
    }

    /// Passes a name that was not expected, and the colon.
    #[cold]
    fn name(&mut self) -> Option<&'a str> {
        let name = self.scan.plain_text()?;
        self.scan.space();
        self.scan.pass(b':').then_some(name)
    }

    /// Keeps an unknown field, if it is a scalar.
    #[cold]
    fn unknown(&mut self, name: &'a str, row: &mut UsageRow<'a>) -> Option<()> {
        self.scan.space();
        if let Some(value) = self.any_scalar()? {
            self.remember(name);
            self.remember(value);
            push_extra(row, Cow::Borrowed(name), Cow::Borrowed(value));
        }
        Some(())
    }

    /// Keeps a text that a secret would fit in.
    #[inline(always)]
    fn remember(&mut self, text: &str) {
        if text.len() < Redactor::SHORTEST_BYTES {
            return;
        }
        self.order.texts.extend_from_slice(text.as_bytes());
        self.order.texts.push(b'\n');
    }

    #[inline(always)]
    fn value(&mut self, kind: FieldKind, row: &mut UsageRow<'a>) -> Option<()> {
        let bit = 1u64 << kind.index();
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        if self.scan.peek() == Some(b'n') {
            // An event without a time is none.
            return (self.null() && kind != FieldKind::Time).then_some(());
        }
        match kind {
            FieldKind::Text(field) => {
                let text = self.scan.plain_text()?;
                // An empty text is an unknown, not a name.
                if !text.is_empty() {
                    self.remember(text);
                    row.text.set(field, Cow::Borrowed(text));
                }
            }
            FieldKind::Count(field) => *row.counts.get_mut(field as usize)? = Some(self.count()?),
            FieldKind::Cost => row.cost = Some(self.cost()?),
            FieldKind::Time => row.time = self.time()?,
            FieldKind::TimeStart => row.time_start = Some(self.time()?),
            FieldKind::TimeEnd => row.time_end = Some(self.time()?),
            FieldKind::Flag(field) => *row.flags.get_mut(field as usize)? = Some(self.flag()?),
            FieldKind::OtherUnits | FieldKind::Extra | FieldKind::Reserved => return None,
        }
        Some(())
    }

    fn null(&mut self) -> bool {
        let is_null = self.scan.rest().starts_with(b"null");
        self.scan.at += if is_null { 4 } else { 0 };
        is_null
    }

    fn time(&mut self) -> Option<Timestamp> {
        Timestamp::parse(self.scan.plain_text()?).ok()
    }

    #[inline(always)]
    fn count(&mut self) -> Option<u64> {
        let count = self.whole_number()?;
        (count <= MAX_COUNT).then_some(count)
    }

    fn flag(&mut self) -> Option<bool> {
        let rest = self.scan.rest();
        let (flag, length) = if rest.starts_with(b"true") {
            (true, 4)
        } else if rest.starts_with(b"false") {
            (false, 5)
        } else {
            return None;
        };
        self.scan.at += length;
        Some(flag)
    }

    /// Reads an amount of dollars. Nearly all have nine decimals at most and no exponent.
    fn cost(&mut self) -> Option<Nanos> {
        let start = self.scan.at;
        let dollars = self.whole_number()?;
        let (mut fraction, mut decimals) = (0, 0);
        if self.scan.pass(b'.') {
            (fraction, decimals) = self.digits();
            if decimals == 0 {
                return None;
            }
        }
        let cost = if decimals <= 9 && !matches!(self.scan.peek(), Some(b'e' | b'E')) {
            const POWERS: [u64; 10] = {
                let mut powers = [1; 10];
                let mut at = 1;
                while at < powers.len() {
                    powers[at] = powers[at - 1] * 10;
                    at += 1;
                }
                powers
            };
            let nanos = fraction * POWERS.get(9 - decimals)?;
            let nanos = dollars.checked_mul(POWERS[9])?.checked_add(nanos)?;
            Nanos::new(i64::try_from(nanos).ok()?)
        } else {
            self.scan.at = start;
            if !self.scan.number() {
                return None;
            }
            Nanos::parse_usd(self.scan.since(start)).ok()?
        };
        (cost.get().abs() < COST_LIMIT).then_some(cost)
    }

    /// Passes digits that are a number in JSON, without a zero in front, if it fits.
    #[inline(always)]
    fn whole_number(&mut self) -> Option<u64> {
        let zero_in_front = self.scan.peek() == Some(b'0');
        let (number, digits) = self.digits();
        let is_number = digits == 1 || (digits > 1 && digits <= 18 && !zero_in_front);
        is_number.then_some(number)
    }

    /// Passes digits, and returns their number, of eighteen at most, and how many there are.
    #[inline(always)]
    fn digits(&mut self) -> (u64, usize) {
        let (mut number, mut digits) = (0u64, 0);
        for byte in self.scan.rest() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            // What does not fit is not asked for.
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            digits += 1;
        }
        self.scan.at += digits;
        (number, digits)
    }

    /// Passes a scalar and returns it as it is kept, without its quotes; null is not kept.
    fn any_scalar(&mut self) -> Option<Option<&'a str>> {
        let start = self.scan.at;
        match self.scan.peek()? {
            b'"' => return self.scan.plain_text().map(Some),
            b'n' => return self.null().then_some(None),
            b't' | b'f' => drop(self.flag()?),
            _ if self.scan.number() => {}
            _ => return None,
        }
        Some(Some(self.scan.since(start)))
    }
}
