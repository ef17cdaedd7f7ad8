//! How much a key uses: the slow level of ten days and the fast one of the last hour.
//!
//! Gamma-Poisson sums: decayed counts over decayed hours at profile 1 (DuMouchel 1999). Tokens
//! and money are counted in requests of the key's usual size, so that dispersion means the same
//! for all of them.

use columns::SnapshotError;

use crate::archive::Archive;
use crate::brief::Brief;
use crate::clock::{BUCKETS_A_DAY, BUCKETS_AN_HOUR};
use crate::grid::Grid;
use crate::windows::Channel;

/// Channels with a level: what comes from strange networks is judged against all requests.
const CHANNELS: usize = 3;
const LEVELLED: [Channel; CHANNELS] = [Channel::Requests, Channel::Tokens, Channel::Cost];
/// What a bucket held of each of them.
pub(crate) type Held = [u64; CHANNELS];

/// Half-lives: the slow level 10 days, the fast one 45 minutes.
const SLOW_HALF_LIFE_BUCKETS: f64 = 10.0 * BUCKETS_A_DAY as f64;
const FAST_DECAY: f32 = 0.857_244; // 0.5^(10/45)
/// What is believed of a key before it was seen for long: half a request an hour, for as much
/// as six minutes of evidence.
const PRIOR_COUNT: f32 = 0.05;
const PRIOR_HOURS: f32 = 0.1;
/// The fast level is drawn to the slow one by half an hour of evidence.
const FAST_PRIOR_HOURS: f32 = 0.5;
/// What a level that a person has accepted is worth, in hours.
const ADOPTED_HOURS: f32 = 24.0;
/// How many requests the size of a request is remembered over.
const UNIT_MEMORY_REQUESTS: f64 = 500.0;

/// The place of the hours in a row of sums.
const HOURS: usize = CHANNELS;

/// The columns of levels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Levels {
    slow: Grid<f32>,
    fast: Grid<f32>,
    /// Tokens and requests, nano-dollars and requests, decayed.
    unit: Grid<f32>,
}

impl Levels {
    pub(crate) fn new() -> Self {
        Self {
            slow: Grid::new(CHANNELS + 1),
            fast: Grid::new(CHANNELS + 1),
            unit: Grid::new(4),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { slow, fast, unit } = self;
        archive.grid("slow", slow)?;
        archive.grid("fast", fast)?;
        archive.grid("unit", unit)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize) {
        self.slow.begin(slot, 0.0);
        self.fast.begin(slot, 0.0);
        self.unit.begin(slot, 0.0);
    }

    /// Returns what outlasts weeks of silence: the slow level, and what a request is.
    pub(crate) fn keep(&self, slot: usize) -> [Brief; 2 * CHANNELS + 2] {
        let sums = self.slow.row(slot).iter().chain(self.unit.row(slot));
        let mut kept = [Brief::default(); 2 * CHANNELS + 2];
        kept.iter_mut()
            .zip(sums)
            .for_each(|(kept, &sum)| *kept = Brief::from(sum));
        kept
    }

    /// Takes kept sums for a key's own.
    pub(crate) fn warm(&mut self, slot: usize, kept: &[Brief; 2 * CHANNELS + 2]) {
        let slow = self.slow.row_mut(slot).iter_mut();
        let sums = slow.chain(self.unit.row_mut(slot));
        sums.zip(kept).for_each(|(sum, kept)| *sum = kept.get());
    }

    /// Takes over what another key has learned.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        for grid in [&mut self.slow, &mut self.fast, &mut self.unit] {
            let row = grid.row(from).to_vec();
            grid.row_mut(to).copy_from_slice(&row);
        }
    }

    /// Returns requests (or their equivalents) an hour at profile 1.
    pub(crate) fn slow(&self, slot: usize, channel: Channel) -> f32 {
        let sums = self.slow.row(slot);
        (sums[channel as usize] + PRIOR_COUNT) / (sums[HOURS] + PRIOR_HOURS)
    }

    /// Returns the same by the last hour.
    pub(crate) fn fast(&self, slot: usize, channel: Channel) -> f32 {
        let sums = self.fast.row(slot);
        (sums[channel as usize] + FAST_PRIOR_HOURS * self.slow(slot, channel))
            / (sums[HOURS] + FAST_PRIOR_HOURS)
    }

    /// Returns the decayed count that the slow level rests on.
    pub(crate) fn counted(&self, slot: usize, channel: Channel) -> f32 {
        self.slow.row(slot)[channel as usize]
    }

    /// Returns how much of a channel one request is; 1 where nothing is known.
    pub(crate) fn unit(&self, slot: usize, channel: Channel) -> f32 {
        let unit = self.unit.row(slot);
        let (value, requests) = match channel {
            Channel::Requests | Channel::Strange => return 1.0,
            Channel::Tokens => (unit[0], unit[1]),
            Channel::Cost => (unit[2], unit[3]),
        };
        if value > 0.0 && requests > 0.0 {
            value / requests
        } else {
            1.0
        }
    }

    /// Takes the amounts of an hour that is worth `hours` at profile 1 for the level, as if it
    /// had been so for a day.
    pub(crate) fn adopt(&mut self, slot: usize, amounts: &Held, hours: f32) {
        let mut sums = [ADOPTED_HOURS; CHANNELS + 1];
        for channel in LEVELLED {
            let count = amounts[channel as usize] as f32 / self.unit(slot, channel);
            sums[channel as usize] = count / hours.max(0.05) * ADOPTED_HOURS;
        }
        self.slow.row_mut(slot).copy_from_slice(&sums);
        self.fast
            .row_mut(slot)
            .copy_from_slice(&sums.map(|sum| sum / ADOPTED_HOURS));
    }

    /// Learns a closed bucket: the amounts in the channels' own units, and its `hours` at
    /// profile 1.
    pub(crate) fn learn(
        &mut self,
        slot: usize,
        amounts: &Held,
        hours: f32,
        weight: f32,
        trust: f32,
    ) {
        let requests = amounts[Channel::Requests as usize];
        for (channel, at) in [(Channel::Tokens, 0), (Channel::Cost, 2)] {
            let value = amounts[channel as usize];
            if value > 0 && requests > 0 {
                let unit = self.unit.row_mut(slot);
                let decay = 0.5f64.powf(requests as f64 / UNIT_MEMORY_REQUESTS).max(0.5) as f32;
                unit[at] = unit[at] * decay + weight * value as f32;
                unit[at + 1] = unit[at + 1] * decay + weight * requests as f32;
            }
        }
        let mut counts = [0.0; CHANNELS + 1];
        for channel in LEVELLED {
            let unit = self.unit(slot, channel);
            counts[channel as usize] = amounts[channel as usize] as f32 / unit;
        }
        counts[HOURS] = hours;
        let slow_decay = 0.5f64.powf(1.0 / SLOW_HALF_LIFE_BUCKETS) as f32;
        fold(self.slow.row_mut(slot), &counts, slow_decay, weight * trust);
        fold(self.fast.row_mut(slot), &counts, FAST_DECAY, weight);
    }

    /// Learns `buckets` empty buckets that are worth `hours` at profile 1.
    pub(crate) fn learn_silence(&mut self, slot: usize, buckets: i64, hours: f32) {
        let mut counts = [0.0; CHANNELS + 1];
        counts[HOURS] = hours;
        let slow_decay = 0.5f64.powf(buckets as f64 / SLOW_HALF_LIFE_BUCKETS) as f32;
        fold(self.slow.row_mut(slot), &counts, slow_decay, 1.0);
        let fast_decay = FAST_DECAY.powi(buckets as i32);
        fold(self.fast.row_mut(slot), &counts, fast_decay, 1.0);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slow.bytes() + self.fast.bytes() + self.unit.bytes()
    }
}

fn fold(sums: &mut [f32], counts: &[f32], decay: f32, weight: f32) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = *sum * decay + weight * count;
    }
}

const _: () = assert!(BUCKETS_AN_HOUR == 6);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_settle_on_what_is_usual_and_the_fast_one_follows_a_burst() {
        let mut levels = Levels::new();
        levels.begin(0);
        for _ in 0..14 * BUCKETS_A_DAY {
            levels.learn(0, &[10, 8_000, 2_000_000], 1.0 / 6.0, 1.0, 1.0);
        }
        assert!((levels.slow(0, Channel::Requests) - 60.0).abs() < 1.0);
        assert!((levels.slow(0, Channel::Cost) - 60.0).abs() < 1.0);
        assert!((levels.unit(0, Channel::Cost) - 200_000.0).abs() < 100.0);
        for _ in 0..6 {
            levels.learn(0, &[100, 80_000, 20_000_000], 1.0 / 6.0, 1.0, 1.0);
        }
        assert!(levels.fast(0, Channel::Requests) > 200.0);
        assert!(levels.slow(0, Channel::Requests) < 64.0);
    }

    #[test]
    fn silence_is_learned_as_empty_buckets_are() {
        let mut levels = Levels::new();
        levels.begin(0);
        levels.begin(1);
        for slot in [0, 1] {
            for _ in 0..300 {
                levels.learn(slot, &[10, 0, 0], 1.0 / 6.0, 1.0, 1.0);
            }
        }
        for _ in 0..600 {
            levels.learn(0, &[0; 3], 1.0 / 6.0, 1.0, 1.0);
        }
        levels.learn_silence(1, 600, 100.0);
        let (one, two) = (
            levels.slow(0, Channel::Requests),
            levels.slow(1, Channel::Requests),
        );
        assert!((one / two - 1.0).abs() < 0.2, "{one} {two}");
    }
}
