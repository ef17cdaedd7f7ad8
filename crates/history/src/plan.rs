//! What a commit adds to a table.

use std::collections::HashMap;

use columns::arrow::array::RecordBatch;
use columns::{CommitReceipt, Error, UsageBatch};
use model::{OffsetRange, Partition};

/// What a commit will write, once what is known has been taken out.
pub(crate) struct Plan {
    /// The next offset of each partition, before and then after the commit.
    pub(crate) next: HashMap<Partition, Option<i64>>,
    /// The usage rows that the table has not seen.
    pub(crate) rows: Vec<RecordBatch>,
    ranges: Vec<OffsetRange>,
    rows_written: u64,
    rows_known: u64,
    /// Whether any partition's offset grows.
    pub(crate) moved: bool,
}

impl Plan {
    /// Begins with the next offset of each partition, as the table knows it.
    pub(crate) fn new(known: HashMap<Partition, Option<i64>>) -> Self {
        Self {
            next: known,
            rows: Vec::new(),
            ranges: Vec::new(),
            rows_written: 0,
            rows_known: 0,
            moved: false,
        }
    }

    /// Says what the commit did, once it is version `version`.
    pub(crate) fn receipt(&self, version: u64) -> CommitReceipt {
        CommitReceipt {
            version,
            rows_written: self.rows_written,
            rows_known: self.rows_known,
            ranges: self.ranges.clone(),
        }
    }

    /// Adds what is new of a batch.
    pub(crate) fn add(
        &mut self,
        usage_batch: &UsageBatch,
        gap_accepted: bool,
    ) -> Result<(), Error> {
        let range = usage_batch.range();
        let known = self.next.get(&range.partition).copied().flatten();
        if let Some(stored) = known
            && range.start > stored
            && !gap_accepted
        {
            let partition = range.partition.to_string();
            return Err(Error::Gap {
                partition,
                stored,
                start: range.start,
            });
        }
        let first_new = known.map_or(0, |known| {
            // Offsets grow within a batch.
            usage_batch
                .offsets()
                .values()
                .partition_point(|&offset| offset < known)
        });
        let rows = usage_batch
            .columns()
            .slice(first_new, usage_batch.rows() - first_new);
        self.rows_known += first_new as u64;
        self.rows_written += rows.num_rows() as u64;
        if rows.num_rows() > 0 {
            self.rows.push(rows);
        }
        if known.is_none_or(|known| range.end > known) {
            self.next.insert(range.partition.clone(), Some(range.end));
            self.moved = true;
        }
        self.ranges.push(range.clone());
        Ok(())
    }
}
