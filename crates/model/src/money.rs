//! Money: exact nano-dollars.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount in thousand-millionths of a dollar, exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(i64);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is not a decimal number.
    #[error("not a decimal number")]
    Syntax,
    /// The amount does not fit, about nine thousand million dollars.
    #[error("amount out of range")]
    Range,
}

impl Nanos {
    /// One dollar.
    pub const USD: i64 = 1_000_000_000;

    /// Returns the amount of `nanos` nano-dollars.
    pub const fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns the amount in nano-dollars.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Returns the amount in dollars, for display and statistics only.
    pub fn to_usd(self) -> f64 {
        self.0 as f64 / Self::USD as f64
    }

    /// Returns the amount nearest to `usd` dollars, saturating; for estimates only.
    pub fn from_usd(usd: f64) -> Self {
        Self((usd * Self::USD as f64).round() as i64)
    }

    /// Parses decimal dollars, with or without exponent, and rounds half-even to nano-dollars once.
    ///
    /// # Errors
    /// [`MoneyError::Syntax`] for anything but a JSON number, [`MoneyError::Range`] when
    /// the amount does not fit.
    pub fn parse_usd(text: &str) -> Result<Self, MoneyError> {
        Self::parse_scaled(text, 0)
    }

    /// Parses a decimal number of 10^`exponent` dollars, -2 for cents and -6 for micros, and
    /// rounds half-even to nano-dollars once.
    ///
    /// # Errors
    /// As [`Self::parse_usd`].
    pub fn parse_scaled(text: &str, exponent: i8) -> Result<Self, MoneyError> {
        let scale = i64::from(exponent);
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (
                mantissa,
                exponent.parse::<i32>().map_err(|_| MoneyError::Syntax)?,
            ),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() || (mantissa.contains('.') && fraction.is_empty()) {
            return Err(MoneyError::Syntax);
        }
        if !whole
            .bytes()
            .chain(fraction.bytes())
            .all(|byte| byte.is_ascii_digit())
        {
            return Err(MoneyError::Syntax);
        }
        let digits = whole
            .bytes()
            .chain(fraction.bytes())
            .map(|byte| byte - b'0');
        // The value is 0.d1d2d3... * 10^point dollars; nano-dollars keep nine more digits.
        let point = whole.len() as i64 + i64::from(exponent) + scale + 9;
        let (mut nanos, mut place) = (0i64, 0i64);
        let (mut first_dropped, mut rest_dropped) = (0u8, false);
        for digit in digits {
            if place < point {
                nanos = nanos
                    .checked_mul(10)
                    .and_then(|n| n.checked_add(i64::from(digit)))
                    .ok_or(MoneyError::Range)?;
            } else if place == point {
                first_dropped = digit;
            } else {
                rest_dropped |= digit != 0;
            }
            place += 1;
        }
        if nanos != 0 {
            for _ in place..point {
                nanos = nanos.checked_mul(10).ok_or(MoneyError::Range)?;
            }
        }
        let half_up = first_dropped > 5 || (first_dropped == 5 && (rest_dropped || nanos % 2 == 1));
        nanos = nanos
            .checked_add(i64::from(half_up))
            .ok_or(MoneyError::Range)?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }
}

impl Add for Nanos {
    type Output = Nanos;
    fn add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }
}

impl Sub for Nanos {
    type Output = Nanos;
    fn sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Nanos) {
        *self = *self + other;
    }
}

impl fmt::Display for Nanos {
    /// Writes dollars with all nine decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (dollars, nanos) = (
            self.0.unsigned_abs() / 1_000_000_000,
            self.0.unsigned_abs() % 1_000_000_000,
        );
        write!(f, "{sign}{dollars}.{nanos:09}")
    }
}

impl Serialize for Nanos {
    /// Writes dollars as an exact JSON number, or nano-dollars where nobody reads it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        if !serializer.is_human_readable() {
            return serializer.serialize_i64(self.0);
        }
        let text = self.to_string();
        let trimmed = text.trim_end_matches('0').trim_end_matches('.');
        serde_json::value::RawValue::from_string(trimmed.to_owned())
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let number = serde_json::Number::deserialize(deserializer)?;
        Self::parse_usd(&number.to_string()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<i64, MoneyError>) {
        assert_eq!(Nanos::parse_usd(text).map(Nanos::get), expected, "{text}");
    }

    #[test]
    fn decimals_are_exact_and_rounded_half_even_once() {
        check("0.00183", Ok(1_830_000));
        check("12", Ok(12_000_000_000));
        check("-0.5", Ok(-500_000_000));
        check("0.0000000005", Ok(0));
        check("0.0000000015", Ok(2));
        check("0.0000000025", Ok(2));
        check("0.00000000250001", Ok(3));
        check("1.83e-3", Ok(1_830_000));
        check("2E3", Ok(2_000_000_000_000));
        check("1e-400", Ok(0));
        check("0e400", Ok(0));
    }

    #[test]
    fn cents_and_micros_are_exact_too() {
        let nanos = |text, exponent| Nanos::parse_scaled(text, exponent).map(Nanos::get);
        assert_eq!(nanos("123.78912", -2), Ok(1_237_891_200));
        assert_eq!(nanos("1", -6), Ok(1_000));
        assert_eq!(nanos("0.0005", -6), Ok(0));
        assert_eq!(nanos("0.0015", -6), Ok(2));
        assert_eq!(nanos("-7", -2), Ok(-70_000_000));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        check("", Err(MoneyError::Syntax));
        check("1.", Err(MoneyError::Syntax));
        check(".5", Err(MoneyError::Syntax));
        check("1,5", Err(MoneyError::Syntax));
        check("NaN", Err(MoneyError::Syntax));
        check("1e", Err(MoneyError::Syntax));
        check("9999999999999", Err(MoneyError::Range));
        check("1e30", Err(MoneyError::Range));
    }

    #[test]
    fn json_keeps_every_nano_dollar() {
        for nanos in [0, 1, 1_830_000, 12_000_000_000, -500_000_000, i64::MAX] {
            let json = serde_json::to_string(&Nanos::new(nanos)).unwrap();
            assert_eq!(Nanos::parse_usd(&json).unwrap().get(), nanos, "{json}");
        }
    }
}
