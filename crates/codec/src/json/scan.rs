//! A walk over JSON text, piece by piece.

use wide::u8x16;

/// Where a walk is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    /// The byte that is next.
    pub(crate) at: usize,
}

impl<'a> Scan<'a> {
    /// Starts at the first byte.
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the whole text.
    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the bytes of the whole text.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Returns the bytes that were not passed yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes().get(self.at..).unwrap_or_default()
    }

    /// Returns what was passed since `start`.
    #[inline]
    pub(crate) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Returns the next byte.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    /// Passes a byte if it is the next one.
    #[inline]
    pub(crate) fn pass(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Passes white space.
    #[inline(always)]
    pub(crate) fn space(&mut self) {
        // One comparison where there is none, as in nearly all that programs write.
        while let Some(byte @ ..=b' ') = self.peek()
            && matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
        {
            self.at += 1;
        }
    }

    /// Passes digits, and says whether there was one.
    #[inline]
    pub(crate) fn digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > start
    }

    /// Passes a number (RFC 8259, section 6), or stops where a digit is missing.
    #[inline]
    pub(crate) fn number(&mut self) -> bool {
        self.pass(b'-');
        if !self.pass(b'0') && !self.digits() {
            return false;
        }
        if self.pass(b'.') && !self.digits() {
            return false;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            return self.digits();
        }
        true
    }

    /// Goes on to what ends a run of plain text: a quote, a backslash or a control character.
    #[inline(always)]
    pub(crate) fn plain(&mut self) {
        while let Some(sixteen) = self.rest().first_chunk::<16>() {
            let ends = ends_of_plain(*sixteen);
            if ends != 0 {
                self.at += ends.trailing_zeros() as usize;
                return;
            }
            self.at += 16;
        }
        while !matches!(self.peek(), Some(b'"' | b'\\' | 0..=0x1f) | None) {
            self.at += 1;
        }
    }

    /// Passes a text without escapes, quotes included, and returns what is between them.
    #[inline(always)]
    pub(crate) fn plain_text(&mut self) -> Option<&'a str> {
        if !self.pass(b'"') {
            return None;
        }
        self.plain_text_behind_quote()
    }

    /// Passes a text without escapes, of which the first quote was passed.
    #[inline(always)]
    pub(crate) fn plain_text_behind_quote(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.plain();
        let text = self.since(start);
        self.pass(b'"').then_some(text)
    }
}

/// Returns a bit for each of sixteen bytes that ends plain text.
#[inline(always)]
pub(crate) fn ends_of_plain(sixteen: [u8; 16]) -> u32 {
    let bytes = u8x16::new(sixteen);
    let quotes = bytes.simd_eq(u8x16::splat(b'"'));
    let backslashes = bytes.simd_eq(u8x16::splat(b'\\'));
    let controls = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    (quotes | backslashes | controls).to_bitmask()
}

/// The lowest bit of each byte, and the highest.
const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// The powers of ten up to the ninth.
pub(crate) const POWERS_OF_TEN: [u64; 10] = {
    let mut powers = [1; 10];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Returns the number that the digits are with which eight bytes begin, and how many there are.
///
/// Source of the three multiplications: D. Lemire, "Quickly parsing eight digits", 2018.
#[inline(always)]
pub(crate) const fn leading_digits(eight: u64) -> (u64, usize) {
    // Digits become 0 to 9; a byte from 10 on gets its high bit.
    let values = eight ^ (ONES * b'0' as u64);
    let others = (((values & !HIGH) + ONES * (0x80 - 10)) | values) & HIGH;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // Zeros in front.
    let values = values << (64 - 8 * count);
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    let (mask, even, odd) = (
        0x0000_00ff_0000_00ff,
        100 + (1_000_000 << 32),
        1 + (10_000 << 32),
    );
    let number = (pairs & mask)
        .wrapping_mul(even)
        .wrapping_add(((pairs >> 16) & mask).wrapping_mul(odd));
    (number >> 32, count)
}
