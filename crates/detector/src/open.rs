//! Windows that are still open: what the keys of one bucket have shown so far.

use columns::SnapshotError;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::baseline::Prediction;
use crate::clock::bucket_of;
use crate::grain::Marks;
use crate::grid::Grid;
use crate::lessons::TallyLesson;
use crate::signal::{Scale, Signal};
use crate::tally::Tally;
use crate::windows::{Amounts, Channel, Windows};

/// The signals that are judged with every row.
pub(crate) const EARLY: [Signal; 10] = [
    Signal::Requests1m,
    Signal::Requests10m,
    Signal::Requests1h,
    Signal::Tokens10m,
    Signal::Tokens1h,
    Signal::Cost10m,
    Signal::Cost1h,
    Signal::Strange10m,
    Signal::SingleRequest,
    Signal::Probing,
];

/// One number for each of [`EARLY`], in the channel's own unit.
pub(crate) type EarlySums = [u64; EARLY.len()];

/// One key's open bucket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct OpenWindow {
    pub(crate) tally: Tally,
    pub(crate) marks: Marks,
    /// Whether a row has come; an expectation may be made before.
    pub(crate) is_used: bool,
    /// Whether more than counts may speak: the key was dormant, is new, or breaks a rule.
    pub(crate) is_special: bool,
    /// For each signal that is judged early the sum from which judging it again is worth the
    /// time: inverted beforehand, so that a row costs a comparison.
    pub(crate) next: EarlySums,
    pub(crate) prediction: Option<Prediction>,
    /// Whether a row's hint was taken, and its project.
    pub(crate) is_labelled: [bool; 2],
    /// What its newest row has left of the sums that are judged early.
    #[serde(skip)]
    pub(crate) running: Running,
}

/// How many of the early signals are sums of windows; what the others are is in the tally.
pub(crate) const SUMMED: usize = 7;

const _: () = assert!(
    matches!(
        (EARLY[SUMMED], EARLY[SUMMED + 1], EARLY[SUMMED + 2]),
        (Signal::Strange10m, Signal::SingleRequest, Signal::Probing)
    ),
    "what is in the tally stands behind what is summed"
);

/// Sums of windows that end with a minute, kept from row to row, so that a row does not read the
/// rings to be judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Running {
    /// `None` where they are to be added up.
    minute: Option<i64>,
    sums: [u64; SUMMED],
}

impl Running {
    /// Returns the sums that end with a minute, where they are known.
    pub(crate) fn get(&self, minute: i64) -> Option<&[u64; SUMMED]> {
        (self.minute == Some(minute)).then_some(&self.sums)
    }

    /// Counts a row of a minute, which the windows hold already.
    pub(crate) fn count(&mut self, slot: usize, minute: i64, amounts: Amounts, windows: &Windows) {
        if self.minute != Some(minute) {
            self.minute = Some(minute);
            self.sums = summed(slot, minute, windows);
            return;
        }
        for (sum, signal) in self.sums.iter_mut().zip(EARLY) {
            let added = match signal.channel() {
                Channel::Requests => amounts.requests,
                Channel::Tokens => amounts.tokens,
                Channel::Cost => amounts.cost_nanos,
                Channel::Strange => 0,
            };
            *sum = sum.saturating_add(added);
            if signal.channel() != Channel::Cost && *sum >= u64::from(u32::MAX) {
                // The cells of the rings hold no more, and nor do their sums.
                self.minute = None;
            }
        }
    }
}

/// Adds up what is judged early of the windows that end with a minute.
pub(crate) fn summed(slot: usize, minute: i64, windows: &Windows) -> [u64; SUMMED] {
    let bucket = bucket_of(minute);
    std::array::from_fn(|at| {
        let signal = EARLY[at];
        match (signal.scale(), signal.channel()) {
            (Scale::Minute, _) => windows.minute(slot, minute),
            (Scale::TenMinutes, Channel::Requests) => windows.ten_minutes(slot, minute),
            (Scale::TenMinutes, channel) => windows.bucket(slot, channel, bucket),
            (_, channel) => windows.hour_ending(slot, channel, bucket),
        }
    })
}

impl OpenWindow {
    /// Returns what the bucket teaches, once it is closed.
    pub(crate) fn lesson(&self, bucket: i64, trust: f32) -> TallyLesson {
        let dearest = self.tally.dearest_nanos as f64;
        TallyLesson {
            requests: self.tally.requests as f32,
            probes: self.tally.probes as f32,
            // The logarithm of nothing is minus infinity.
            dearest: dearest.ln() as f32,
            marks: self.marks,
            ..TallyLesson::new(bucket, trust)
        }
    }
}

/// The windows of one bucket, and where each key's stands among them.
#[derive(Clone)]
pub(crate) struct Bucket {
    bucket: i64,
    /// One more than the place of a key's window; 0 where it has none.
    places: Grid<u32>,
    slots: Vec<u32>,
    windows: Vec<OpenWindow>,
}

impl Bucket {
    fn new() -> Self {
        Self {
            bucket: i64::MIN,
            places: Grid::new(1),
            slots: Vec::new(),
            windows: Vec::new(),
        }
    }

    /// Carries everything into a snapshot or out of one.
    fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            bucket,
            places,
            slots,
            windows,
        } = self;
        archive.value("bucket", bucket)?;
        archive.grid("places", places)?;
        archive.value("slots", slots)?;
        archive.list("windows", windows)
    }

    /// Returns the place of a key's window, if there is one.
    fn place(&self, slot: usize) -> Option<usize> {
        if self.slots.is_empty() {
            // Also where the column of places is with those who close the bucket.
            return None;
        }
        (self.places.get(slot) as usize).checked_sub(1)
    }

    /// Returns a key's window, if there is one.
    pub(crate) fn get(&self, slot: usize) -> Option<&OpenWindow> {
        self.windows.get(self.place(slot)?)
    }

    /// Drops a key's window; the last one takes its place.
    fn forget(&mut self, slot: usize) {
        let Some(place) = self.place(slot) else {
            return;
        };
        self.windows.swap_remove(place);
        self.slots.swap_remove(place);
        self.places.set(slot, 0);
        if let Some(&moved) = self.slots.get(place) {
            self.places.set(moved as usize, place as u32 + 1);
        }
    }

    /// Returns a key's window.
    fn window(&mut self, slot: usize) -> &mut OpenWindow {
        let place = match self.places.get(slot) as usize {
            0 => {
                let place = self.windows.len();
                if place == self.windows.capacity() {
                    // As in a `Grid`: half of a doubled bucket would be empty.
                    self.windows.reserve_exact(place / 16 + 16);
                    self.slots.reserve_exact(place / 16 + 16);
                }
                self.windows.push(OpenWindow::default());
                self.slots.push(slot as u32);
                self.places.set(slot, place as u32 + 1);
                place
            }
            place => place - 1,
        };
        &mut self.windows[place]
    }

    /// Returns the keys with a row in the bucket, in no order.
    pub(crate) fn used(&self) -> impl Iterator<Item = usize> {
        let windows = self.slots.iter().zip(&self.windows);
        windows
            .filter(|(_, open)| open.is_used)
            .map(|(slot, _)| *slot as usize)
    }

    fn clear(&mut self) {
        for slot in std::mem::take(&mut self.slots) {
            self.places.set(slot as usize, 0);
        }
        self.windows = Vec::new();
    }
}

/// The open buckets of all keys.
///
/// Rows are believed to be late by minutes, so that no more than two buckets are open at a time:
/// the even and the odd one.
#[derive(Clone)]
pub(crate) struct OpenWindows {
    buckets: [Bucket; 2],
}

impl OpenWindows {
    pub(crate) fn new() -> Self {
        Self {
            buckets: [Bucket::new(), Bucket::new()],
        }
    }

    /// Carries everything into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            buckets: [even, odd],
        } = self;
        archive.part("even", |archive| even.archive(archive))?;
        archive.part("odd", |archive| odd.archive(archive))
    }

    /// Begins a key in a slot that is new or was given back, without a window.
    pub(crate) fn begin(&mut self, slot: usize) {
        for of in &mut self.buckets {
            debug_assert!(
                slot >= of.places.row_count() || of.places.get(slot) == 0,
                "a slot is given back without windows"
            );
            of.places.begin(slot, 0);
        }
    }

    /// Returns a key's window of a bucket.
    pub(crate) fn window(&mut self, slot: usize, bucket: i64) -> &mut OpenWindow {
        let of = &mut self.buckets[parity(bucket)];
        debug_assert!(
            of.bucket == bucket || of.slots.is_empty(),
            "at most two are open"
        );
        of.bucket = bucket;
        of.window(slot)
    }

    /// Returns whether a row of a bucket has come and what is expected of it is known.
    pub(crate) fn is_ready(&self, slot: usize, bucket: i64) -> bool {
        self.get(slot, bucket)
            .is_some_and(|open| open.is_used && open.prediction.is_some())
    }

    /// Says that a key's windows before a bucket have changed: what runs in it is added up anew.
    pub(crate) fn forget_sums(&mut self, slot: usize, bucket: i64) {
        let of = &mut self.buckets[parity(bucket)];
        if of.bucket != bucket {
            return;
        }
        if let Some(place) = of.place(slot) {
            of.windows[place].running = Running::default();
        }
    }

    /// Returns a key's window of a bucket, if there is one.
    pub(crate) fn get(&self, slot: usize, bucket: i64) -> Option<&OpenWindow> {
        let of = &self.buckets[parity(bucket)];
        (of.bucket == bucket).then(|| of.get(slot)).flatten()
    }

    /// Forgets what is expected of a key's open windows: its baseline has jumped.
    pub(crate) fn forget_expectations(&mut self, slot: usize) {
        for of in &mut self.buckets {
            if let Some(place) = of.place(slot) {
                of.windows[place].prediction = None;
            }
        }
    }

    /// Returns whether a key has any window.
    pub(crate) fn has(&self, slot: usize) -> bool {
        self.buckets.iter().any(|of| of.place(slot).is_some())
    }

    /// Drops the windows of a key.
    pub(crate) fn forget(&mut self, slot: usize) {
        for of in &mut self.buckets {
            of.forget(slot);
        }
    }

    /// Returns the first bucket that has any window.
    pub(crate) fn first_bucket(&self) -> Option<i64> {
        let used = self.buckets.iter().filter(|of| !of.slots.is_empty());
        used.map(|of| of.bucket).min()
    }

    /// Takes the windows of a bucket, to close it; they are to be given [`Self::back`].
    pub(crate) fn take(&mut self, bucket: i64) -> Bucket {
        std::mem::replace(&mut self.buckets[parity(bucket)], Bucket::new())
    }

    /// Takes the column of places back, when the windows in it are closed.
    pub(crate) fn back(&mut self, bucket: i64, mut closed: Bucket) {
        closed.clear();
        self.buckets[parity(bucket)] = closed;
    }

    pub(crate) fn bytes(&self) -> usize {
        let bytes = |of: &Bucket| {
            let values: usize = of.windows.iter().map(|open| open.tally.bytes()).sum();
            values
                + of.places.bytes()
                + of.slots.capacity() * size_of::<u32>()
                + of.windows.capacity() * size_of::<OpenWindow>()
        };
        self.buckets.iter().map(bytes).sum()
    }
}

fn parity(bucket: i64) -> usize {
    bucket.rem_euclid(2) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_goes_takes_its_windows_and_no_others() {
        let mut open = OpenWindows::new();
        (0..4).for_each(|slot| open.begin(slot));
        for (slot, bucket) in [(0, 7), (1, 7), (2, 7), (1, 8), (3, 8)] {
            let window = open.window(slot, bucket);
            window.is_used = true;
            window.tally.requests = 10 * bucket as u64 + slot as u64;
        }
        open.forget(0);
        open.forget(1);
        let requests = |open: &OpenWindows, slot, bucket| {
            let window = open.get(slot, bucket);
            window.map(|window| window.tally.requests)
        };
        assert!(!open.has(0) && !open.has(1) && open.has(2) && open.has(3));
        assert_eq!(
            [0, 1, 2].map(|at| requests(&open, at, 7)),
            [None, None, Some(72)]
        );
        assert_eq!([1, 3].map(|at| requests(&open, at, 8)), [None, Some(83)]);
        open.begin(1);
        assert_eq!(open.window(1, 7).tally.requests, 0);
        // A bucket that is being closed is no longer open.
        let closing = open.take(7);
        assert!(closing.get(1).is_some() && !open.has(1));
        open.forget_expectations(2);
        assert_eq!(closing.used().collect::<Vec<_>>(), [2]);
        open.back(7, closing);
        assert!(!open.has(2) && open.first_bucket() == Some(8));
    }
}
