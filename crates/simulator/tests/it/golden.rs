//! The bytes of the scenarios that others compare their numbers on.
//!
//! A change here makes every published figure incomparable with the ones before it, so it
//! needs a reason and a line in the changelog. The sums hold for one C library's `exp`,
//! `ln` and `cos`; on another platform a last bit may differ.

use simulator::simulate;

use crate::text;

/// Returns FNV-1a of the events, the inventory and the labels.
fn sums(scenario: &str, seed: u64, scale: f64) -> [u64; 3] {
    let simulation = simulate(scenario, seed, scale).unwrap();
    let inventory = serde_json::to_string(&simulation.inventory).unwrap();
    let labels = serde_json::to_string(&simulation.labels).unwrap();
    [text(&simulation), inventory, labels].map(|text| {
        let eat = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, eat)
    })
}

#[track_caller]
fn check(scenario: &str, seed: u64, scale: f64, expected: [u64; 3]) {
    let actual = sums(scenario, seed, scale);
    assert_eq!(actual, expected, "{scenario} {seed}: {actual:#x?}");
}

#[test]
fn a_seed_gives_the_bytes_it_always_gave() {
    check(
        "full",
        1,
        0.05,
        [
            0x05c5_3625_3754_1d2f,
            0x8347_a207_0a9e_19b3,
            0xaaf1_37ed_3c27_6550,
        ],
    );
    check(
        "small",
        7,
        0.2,
        [
            0x7ff4_2327_8d06_6f09,
            0xa9a0_6c79_c819_d180,
            0x0d8a_d7b7_9360_77a7,
        ],
    );
    check(
        "braintrust",
        7,
        0.4,
        [
            0xad53_5fe5_044b_41f9,
            0x16fa_b201_1569_962f,
            0xb86d_1b15_b381_7b21,
        ],
    );
    check(
        "goals",
        1,
        0.2,
        [
            0x1b45_983d_166a_672d,
            0xdaec_bdb2_b30d_42d9,
            0x5a5e_204d_832b_73a2,
        ],
    );
}
