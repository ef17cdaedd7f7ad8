//! Windows that are still open: what the keys of one bucket have shown so far.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::baseline::{Prediction, TallyLesson};
use crate::grain::Marks;
use crate::signal::SIGNALS;
use crate::tally::Tally;

/// One key's open bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenWindow {
    pub(crate) tally: Tally,
    pub(crate) marks: Marks,
    /// Whether a row has come; an expectation may be made before.
    pub(crate) is_used: bool,
    /// Whether more than counts may speak: the key was dormant, is new, or breaks a rule.
    pub(crate) is_special: bool,
    pub(crate) prediction: Option<Box<Prediction>>,
    /// For each signal that is judged early the sum from which judging it again is worth the
    /// time: inverted beforehand, so that a row costs a comparison.
    pub(crate) next: [u64; SIGNALS],
}

impl OpenWindow {
    /// Returns what the bucket teaches, once it is closed.
    pub(crate) fn lesson(&self, trust: f32) -> TallyLesson {
        TallyLesson {
            trust,
            requests: self.tally.requests,
            dearest_nanos: self.tally.dearest_nanos,
            probes: self.tally.probes,
            marks: self.marks,
        }
    }
}

/// The open buckets of all keys.
#[derive(Default)]
pub(crate) struct OpenWindows {
    by_bucket: BTreeMap<i64, HashMap<u32, OpenWindow>>,
}

impl OpenWindows {
    /// Returns a key's window of a bucket.
    pub(crate) fn window(&mut self, slot: usize, bucket: i64) -> &mut OpenWindow {
        self.by_bucket
            .entry(bucket)
            .or_default()
            .entry(slot as u32)
            .or_default()
    }

    /// Returns a key's window of a bucket, if there is one.
    pub(crate) fn get(&self, slot: usize, bucket: i64) -> Option<&OpenWindow> {
        self.by_bucket.get(&bucket)?.get(&(slot as u32))
    }

    /// Forgets what is expected of a key's open windows: its baseline has jumped.
    pub(crate) fn forget_expectations(&mut self, slot: usize) {
        for windows in self.by_bucket.values_mut() {
            if let Some(window) = windows.get_mut(&(slot as u32)) {
                window.prediction = None;
            }
        }
    }

    /// Returns whether a key has any window.
    pub(crate) fn has(&self, slot: usize) -> bool {
        let mut buckets = self.by_bucket.values();
        buckets.any(|windows| windows.contains_key(&(slot as u32)))
    }

    /// Drops the windows of a key.
    pub(crate) fn forget(&mut self, slot: usize) {
        for windows in self.by_bucket.values_mut() {
            windows.remove(&(slot as u32));
        }
    }

    /// Returns the first bucket that has any window.
    pub(crate) fn first_bucket(&self) -> Option<i64> {
        self.by_bucket.first_key_value().map(|(bucket, _)| *bucket)
    }

    /// Takes the windows of a bucket, to close it.
    pub(crate) fn take(&mut self, bucket: i64) -> HashMap<u32, OpenWindow> {
        self.by_bucket.remove(&bucket).unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> usize {
        let windows: usize = self.by_bucket.values().map(HashMap::capacity).sum();
        let held = |window: &OpenWindow| {
            let predicted = usize::from(window.prediction.is_some());
            predicted * size_of::<Prediction>() + window.tally.bytes()
        };
        let open = self.by_bucket.values().flat_map(HashMap::values);
        windows * size_of::<(u32, OpenWindow)>() + open.map(held).sum::<usize>()
    }
}
