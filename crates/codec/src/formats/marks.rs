//! Which formats a document may be of, from one walk over its names.
//!
//! Most signatures have nothing to find in most documents. Each name of a document leads to a slot
//! of a small table, and the slot to the formats that have a mark there; names that share a slot
//! only cost a look too many.

use std::sync::LazyLock;

use super::{DECODERS, Decoder};
use crate::json::{Json, NameHash};

const SLOTS: usize = 1024;

/// A bit for each format, in the order of detection.
static TABLE: LazyLock<[u64; SLOTS]> = LazyLock::new(|| {
    let mut table = [0; SLOTS];
    for (at, decoder) in DECODERS.iter().enumerate() {
        for mark in decoder.marks {
            table[NameHash::of(mark.as_bytes()).slot::<SLOTS>()] |= 1 << at;
        }
    }
    table
});

/// Returns the decoders that have a mark among the names of an object, in the order of detection.
pub(super) fn candidates(json: Json<'_>) -> impl Iterator<Item = &'static Decoder> {
    let table = &*TABLE;
    let slots = json.hashes().map(NameHash::slot::<SLOTS>);
    let mut bits = slots.fold(0, |bits, slot| bits | table[slot]);
    debug_assert!(no_other_fits(json, bits));
    std::iter::from_fn(move || {
        let at = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        DECODERS.get(at).copied()
    })
}

/// Returns whether no signature fits that was filtered out: that its marks are all it may be told
/// by.
fn no_other_fits(json: Json<'_>, bits: u64) -> bool {
    let mut others = DECODERS.iter().enumerate();
    !others.any(|(at, decoder)| bits >> at & 1 == 0 && (decoder.signature)(json).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_bit_for_every_format_and_a_mark_for_every_signature() {
        assert!(DECODERS.len() < 64);
        assert!(DECODERS.iter().all(|decoder| !decoder.marks.is_empty()));
    }
}
