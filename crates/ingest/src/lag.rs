//! How far reading is behind the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Partition;

/// Records that are in the log and were not read yet, by partition; clones share one.
#[derive(Clone, Debug, Default)]
pub struct Lag(Arc<Mutex<BTreeMap<Partition, u64>>>);

impl Lag {
    /// Returns those of all partitions together.
    pub fn total(&self) -> u64 {
        self.lock().values().sum()
    }

    /// Returns those of each partition that is read.
    pub fn by_partition(&self) -> BTreeMap<Partition, u64> {
        self.lock().clone()
    }

    pub(crate) fn set<'p>(&self, lags: impl Iterator<Item = (&'p Partition, u64)>) {
        let mut known = self.lock();
        let mut count = 0;
        for (partition, lag) in lags {
            count += 1;
            match known.get_mut(partition) {
                Some(known) => *known = lag,
                None => {
                    known.insert(partition.clone(), lag);
                }
            }
        }
        if known.len() > count {
            // Some are not read by us any more; those that are come again at the next call.
            known.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Partition, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
