//! Numbers in a byte or two: what is read often, changed rarely and need not be exact.

use columns::arrow::array::types::{UInt8Type, UInt16Type};
use serde::{Deserialize, Serialize};

use crate::archive::Lanes;

/// The upper half of an `f32` (the format bfloat16), rounded to the nearest: the range of a
/// float and three significant digits in two bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Brief(u16);

impl Brief {
    pub(crate) fn get(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    /// Returns the sum with a number, which is not below 0, right on average: to the nearest, a
    /// sum of 512 would never become more by ones.
    ///
    /// Whether it is rounded up follows from `salt`, which must differ from sum to sum, and so
    /// not from chance (stochastic rounding; Croci and others 2022).
    pub(crate) fn plus(self, number: f32, salt: u64) -> Self {
        Self::near(self.get() + number, salt)
    }

    /// Takes a number that follows another by a small step, right on average as [`Self::plus`]
    /// is; it is not below 0.
    pub(crate) fn near(value: f32, salt: u64) -> Self {
        let bits = value.to_bits();
        Self((bits.wrapping_add(u32::from(scattered(bits, salt))) >> 16) as u16)
    }
}

/// Returns a number that is spread evenly over all salts, and the same for the same salt.
fn scattered(bits: u32, salt: u64) -> u16 {
    let mixed = (salt ^ u64::from(bits) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 48) as u16
}

/// A number between -16 and 16 in two bytes, in 2048ths.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Fixed(i16);

impl Fixed {
    const ONE: f32 = 2048.0;

    pub(crate) fn get(self) -> f32 {
        f32::from(self.0) / Self::ONE
    }

    /// Takes a number that follows another by a small step, right on average as [`Brief::plus`]
    /// is: to the nearest, a step below half of the last digit would never be taken. What lies
    /// outside is taken for the end that is nearer.
    pub(crate) fn near(value: f32, salt: u64) -> Self {
        let scaled = value * Self::ONE;
        let below = scaled.floor();
        let goes_up = (scaled - below) * 65_536.0 > f32::from(scattered(value.to_bits(), salt));
        // A cast saturates.
        Self((below + if goes_up { 1.0 } else { 0.0 }) as i16)
    }
}

impl From<f32> for Brief {
    fn from(value: f32) -> Self {
        debug_assert!(value.is_finite());
        let bits = value.to_bits();
        // To nearest, ties to even.
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
        Self((rounded >> 16) as u16)
    }
}

/// A positive number in a byte: the logarithm to the base 2 in sixteenths, from 2^-9 to 2^7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Octaves(u8);

impl Octaves {
    pub(crate) fn get(self) -> f32 {
        (f32::from(self.0) / 16.0 - 9.0).exp2()
    }
}

impl From<f32> for Octaves {
    fn from(value: f32) -> Self {
        let octaves = value.max(f32::MIN_POSITIVE).log2();
        Self(((octaves + 9.0) * 16.0).round().clamp(0.0, 255.0) as u8)
    }
}

/// A chance in a byte, by its square root: what is seldom is told apart as well as what is
/// usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Chance(u8);

impl Chance {
    pub(crate) fn get(self) -> f32 {
        let root = f32::from(self.0) / 255.0;
        root * root
    }

    /// Takes a chance that follows another by a small step, right on average as [`Brief::plus`]
    /// is.
    pub(crate) fn near(chance: f32, salt: u64) -> Self {
        let scaled = chance.clamp(0.0, 1.0).sqrt() * 255.0;
        let below = scaled.floor();
        let goes_up = (scaled - below) * 65_536.0 > f32::from(scattered(chance.to_bits(), salt));
        // A cast saturates.
        Self((below + if goes_up { 1.0 } else { 0.0 }) as u8)
    }
}

impl From<f32> for Chance {
    fn from(chance: f32) -> Self {
        // A cast saturates.
        Self((chance.max(0.0).sqrt() * 255.0).round() as u8)
    }
}

impl Lanes for Chance {
    type Arrow = UInt8Type;

    fn write(self, numbers: &mut Vec<u8>) {
        numbers.push(self.0);
    }

    fn read(numbers: &[u8]) -> Self {
        Self(numbers[0])
    }
}

impl Lanes for Brief {
    type Arrow = UInt16Type;

    fn write(self, numbers: &mut Vec<u16>) {
        numbers.push(self.0);
    }

    fn read(numbers: &[u16]) -> Self {
        Self(numbers[0])
    }
}

impl Lanes for Fixed {
    type Arrow = UInt16Type;

    fn write(self, numbers: &mut Vec<u16>) {
        numbers.push(self.0.cast_unsigned());
    }

    fn read(numbers: &[u16]) -> Self {
        Self(numbers[0].cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_survive() {
        for value in [0.0, 1.0, 3.15, 0.001_23, 123_400.0, -7.5] {
            let kept = Brief::from(value).get();
            assert!(
                (kept - value).abs() <= 0.004 * value.abs(),
                "{value} {kept}"
            );
        }
    }

    #[test]
    fn a_sum_of_many_small_numbers_is_right_on_average() {
        let sum = (0..4000).fold(Brief::default(), |sum, salt| sum.plus(1.0, salt));
        assert!((sum.get() - 4000.0).abs() < 400.0, "{}", sum.get());
        assert_eq!(Brief::from(2.0).plus(0.0, 7), Brief::from(2.0));
        assert_eq!(Brief::from(2.0).plus(1.0, 7), Brief::from(3.0));
    }

    #[test]
    fn what_is_fixed_keeps_to_its_range() {
        for value in [0.0, -3.17, 15.9, 0.000_5] {
            let kept = Fixed::near(value, 3).get();
            assert!((kept - value).abs() <= 0.000_5, "{value} {kept}");
        }
        assert!(Fixed::near(1e9, 3).get() > 15.9 && Fixed::near(-1e9, 3).get() == -16.0);
    }

    #[test]
    fn steps_smaller_than_a_digit_are_taken_on_average() {
        let step = 0.000_1;
        let walk = |at: Fixed, salt| Fixed::near(at.get() + step, salt);
        let reached = (0..20_000).fold(Fixed::default(), walk).get();
        assert!((reached - 2.0).abs() < 0.1, "{reached}");
    }

    #[test]
    fn a_chance_in_a_byte_follows_what_happens() {
        let after = |from: f32, happens: f32| {
            (0..500).fold(Chance::from(from), |chance, salt| {
                let known = chance.get();
                Chance::near(known + 0.05 * (happens - known), salt)
            })
        };
        assert!(after(0.5, 0.0).get() < 0.001);
        assert!(after(0.5, 1.0).get() > 0.98);
        for chance in [0.01f32, 0.04, 0.3, 0.9] {
            let kept = Chance::from(chance).get();
            assert!((kept - chance).abs() < 0.004, "{chance} {kept}");
        }
    }

    #[test]
    fn a_byte_holds_a_spread_to_within_two_and_a_half_percent() {
        for value in [0.003, 0.25, 0.3, 1.0, 17.0, 60.0] {
            let kept = Octaves::from(value).get();
            assert!((kept / value - 1.0).abs() < 0.025, "{value} {kept}");
        }
        assert!(Octaves::from(0.0).get() < 0.002);
    }
}
