//! Half of a float: what is read often, changed rarely and need not be exact.

use columns::arrow::array::types::UInt16Type;
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

impl Lanes for Brief {
    type Arrow = UInt16Type;

    fn write(self, numbers: &mut Vec<u16>) {
        numbers.push(self.0);
    }

    fn read(numbers: &[u16]) -> Self {
        Self(numbers[0])
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
    fn a_byte_holds_a_spread_to_within_two_and_a_half_percent() {
        for value in [0.003, 0.25, 0.3, 1.0, 17.0, 60.0] {
            let kept = Octaves::from(value).get();
            assert!((kept / value - 1.0).abs() < 0.025, "{value} {kept}");
        }
        assert!(Octaves::from(0.0).get() < 0.002);
    }
}
