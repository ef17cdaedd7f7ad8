//! What is left of an event that is read from its beginning to its end.

use super::field::padded;
use crate::json::scan::{Scan, ends_of_plain, leading_digits};

/// The rest of a JSON text. Compared with a [`Scan`] it knows no place and cannot go back, which
/// lives in two registers and needs one check a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns the bytes that were not passed yet.
    #[inline(always)]
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.0.as_bytes()
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes().first().copied()
    }

    /// Passes so many bytes, if there are as many and a character ends with them.
    #[inline(always)]
    pub(super) fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    /// Passes a byte of ASCII if it is the next one.
    #[inline(always)]
    pub(super) fn pass(&mut self, byte: u8) -> bool {
        self.peek() == Some(byte) && self.skip(1).is_some()
    }

    /// Passes white space.
    #[inline(always)]
    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            if self.skip(1).is_none() {
                return;
            }
        }
    }

    /// Passes a text without escapes, quotes included, and returns what is between them.
    #[inline(always)]
    pub(super) fn plain_text(&mut self) -> Option<&'a str> {
        match self.pass(b'"') {
            true => self.text_to_quote(),
            false => None,
        }
    }

    /// Passes what is left of a text without escapes, with the quote that ends it, and returns
    /// what stands before that.
    #[inline(always)]
    pub(super) fn text_to_quote(&mut self) -> Option<&'a str> {
        let (sixteens, rest) = self.bytes().as_chunks::<16>();
        let mut length = 0;
        let mut ends = 0;
        for sixteen in sixteens {
            ends = ends_of_plain(*sixteen);
            if ends != 0 {
                break;
            }
            length += 16;
        }
        if ends == 0 {
            ends = ends_of_plain(padded(rest));
        }
        length += ends.trailing_zeros() as usize;
        let text = self.0.get(..length)?;
        let is_whole = self.bytes().get(length) == Some(&b'"');
        (is_whole && self.skip(length + 1).is_some()).then_some(text)
    }

    /// Passes digits, and returns the number that they are and how many there are; one of more
    /// than eighteen digits does not fit.
    #[inline(always)]
    pub(super) fn whole_number(&mut self) -> (u64, usize) {
        let Some(eight) = self.bytes().first_chunk::<8>() else {
            return self.long_number(0, 0);
        };
        let (number, digits) = leading_digits(u64::from_le_bytes(*eight));
        match self.skip(digits) {
            Some(()) if digits < 8 => (number, digits),
            _ => self.long_number(number, digits),
        }
    }

    /// Goes on with a number that is longer than eight digits, or near the end.
    #[inline(never)]
    fn digits_behind(self, mut number: u64, mut digits: usize) -> (Self, u64, usize) {
        let mut rest = self;
        while let Some(digit @ b'0'..=b'9') = rest.peek() {
            if rest.skip(1).is_none() {
                break;
            }
            digits += 1;
            number = number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'));
        }
        (rest, number, digits)
    }

    #[inline(always)]
    fn long_number(&mut self, number: u64, digits: usize) -> (u64, usize) {
        let (rest, number, digits) = self.digits_behind(number, digits);
        *self = rest;
        (number, digits)
    }

    /// Passes what a walk passes.
    pub(super) fn scanned<T>(
        &mut self,
        read: impl FnOnce(&mut Scan<'a>) -> Option<T>,
    ) -> Option<T> {
        let mut scan = Scan::new(self.0);
        let found = read(&mut scan)?;
        self.skip(scan.at)?;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_the_number_that_they_spell() {
        for text in [
            "",
            "x",
            "0",
            "7,",
            "42}",
            "00012",
            "1234567",
            "12345678",
            "123456789,",
            "/",
            ":",
            "999999999999999999 ",
            "1234567890123456",
            "12\u{fc}3456789",
            "12345678\u{fc}",
            "1.5",
            "9:/\u{7f}",
        ] {
            for behind in ["", ",\"name\":12", "}"] {
                let text = format!("{text}{behind}");
                let spelt: String = text.chars().take_while(char::is_ascii_digit).collect();
                let mut rest = Cursor::new(&text);
                let number = spelt.parse().unwrap_or(0);
                assert_eq!(rest.whole_number(), (number, spelt.len()), "{text}");
                assert_eq!(rest.0, &text[spelt.len()..], "{text}");
            }
        }
    }

    #[test]
    fn a_text_ends_at_its_quote_and_nowhere_else() {
        for length in 0..40 {
            for behind in ["", ",", "\u{fc}", ",\"input_tokens\":12"] {
                let inside: String = "a!#\u{7f}\u{fc}cdefg"
                    .chars()
                    .cycle()
                    .take(length)
                    .collect();
                let text = format!("\"{inside}\"{behind}");
                let mut rest = Cursor::new(&text);
                assert_eq!(rest.plain_text(), Some(inside.as_str()), "{text}");
                assert_eq!(rest.0, behind);
                let open = text.strip_suffix(&format!("\"{behind}")).unwrap();
                assert_eq!(Cursor::new(open).plain_text(), None, "{text}");
                assert_eq!(
                    Cursor::new(&format!(" {text}")).plain_text(),
                    None,
                    "{text}"
                );
                for odd in ["\\n", "\n", "\u{0}"] {
                    let text = format!("\"{inside}{odd}\"{behind}");
                    assert_eq!(Cursor::new(&text).plain_text(), None, "{text}");
                }
            }
        }
    }
}
