//! When a person takes what a key does for its new normal: the alarm ends, and the baseline
//! jumps instead of creeping.

use crate::clock::start_of;
use crate::detector::PartitionDetector;
use crate::judging::Case;
use crate::theft::block_of;

impl PartitionDetector {
    /// Ends the key's alarm if it was accepted after it had begun, and by the end of this closed
    /// bucket.
    pub(crate) fn accept(&mut self, case: &Case<'_>) {
        let (slot, bucket) = (case.slot, case.bucket);
        let Some(episode) = self.episodes.get_mut(&slot) else {
            return;
        };
        let accepted = self.directory.accepted(case.entity, start_of(bucket + 1));
        let began = start_of(episode.first_bucket);
        let Some(at) = accepted.filter(|&at| at > began && episode.accepted_at.is_none()) else {
            return;
        };
        episode.accept(at, bucket);
        let first_bucket = episode.first_bucket;
        self.state.baseline.adopt(slot, bucket, &self.state.windows);
        // What is expected of buckets that have begun is said anew.
        self.open.forget_expectations(slot);
        self.state.known.accept(slot, first_bucket);
        self.state.windows.clear_strange(slot);
        self.state.thefts.skip_to(slot, block_of(bucket));
    }
}
