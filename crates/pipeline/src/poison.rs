//! Records that a stage does not survive.
//!
//! A defect of ours that one record brings out must not stall its partition: after a crash the
//! same record would be read again, and end the process again. So what was in work when a stage
//! crashed is noted, the process begins anew from its snapshot, and reads those records one by
//! one. The one at which it crashes again is passed over from then on, as a dead letter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use model::{OffsetRange, Partition, Records};
use serde::{Deserialize, Serialize};

/// How many records are passed over at most: with so many it is not the records.
const MOST_PASSED_OVER: usize = 100;
/// How many batches are read one by one at most, without a record of them that crashes alone.
const MOST_SUSPECTS: usize = 20;

/// The records that stages crashed at, kept in a file.
#[derive(Clone, Debug)]
pub struct PoisonFile {
    path: PathBuf,
    poison: Poison,
}

/// Where a stage crashed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Poison {
    /// Offsets that are read one by one, by partition as `topic/number`.
    suspects: BTreeMap<String, Vec<(i64, i64)>>,
    /// Offsets that are not read.
    passed_over: BTreeMap<String, BTreeSet<i64>>,
}

/// What is to be done after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCrash {
    /// Begin anew: what was in work is read one by one.
    ReadOneByOne,
    /// Begin anew: the record is passed over.
    PassOver,
    /// It does not help: records that were passed over already are too many.
    GiveUp,
}

impl PoisonFile {
    /// Reads what earlier crashes have left; no file is no crash.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let poison = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Poison::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, poison })
    }

    /// Takes note of what was in work when a stage crashed; durable when it returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&mut self, crashed: &OffsetRange) -> io::Result<AfterCrash> {
        let after = self.poison.note(crashed);
        if after != AfterCrash::GiveUp {
            let bytes = serde_json::to_vec_pretty(&self.poison)?;
            write_whole(&self.path, &bytes)?;
        }
        Ok(after)
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn shared(&self) -> Arc<Poison> {
        Arc::new(self.poison.clone())
    }
}

impl Poison {
    fn note(&mut self, crashed: &OffsetRange) -> AfterCrash {
        let partition = crashed.partition.to_string();
        let suspects = self.suspects.entry(partition.clone()).or_default();
        let at = suspects
            .iter()
            .position(|(start, end)| *start <= crashed.start && crashed.end <= *end);
        let is_alone = crashed.end - crashed.start == 1;
        let Some(at) = at.filter(|_| is_alone) else {
            // What was read one by one cannot crash together.
            if at.is_some() || self.count_suspects() >= MOST_SUSPECTS {
                return AfterCrash::GiveUp;
            }
            let suspects = self.suspects.entry(partition).or_default();
            suspects.push((crashed.start, crashed.end));
            return AfterCrash::ReadOneByOne;
        };
        suspects.remove(at);
        let count: usize = self.passed_over.values().map(BTreeSet::len).sum();
        let passed_over = self.passed_over.entry(partition).or_default();
        if count >= MOST_PASSED_OVER || !passed_over.insert(crashed.start) {
            return AfterCrash::GiveUp;
        }
        AfterCrash::PassOver
    }

    fn count_suspects(&self) -> usize {
        self.suspects.values().map(Vec::len).sum()
    }

    /// Returns whether a record is passed over.
    pub(crate) fn passes_over(&self, partition: &Partition, offset: i64) -> bool {
        // Nearly always there is none.
        !self.passed_over.is_empty()
            && self
                .passed_over
                .get(&partition.to_string())
                .is_some_and(|offsets| offsets.contains(&offset))
    }

    /// Cuts a batch so that each suspect of it is alone.
    pub(crate) fn part(&self, records: Records) -> Vec<Records> {
        let suspects = match self.suspects.is_empty() {
            true => None,
            false => self.suspects.get(&records.partition().to_string()),
        };
        let is_suspect = |offset| {
            let mut ranges = suspects.into_iter().flatten();
            ranges.any(|(start, end)| (*start..*end).contains(&offset))
        };
        if !records.iter().any(|record| is_suspect(record.offset)) {
            return vec![records];
        }
        let mut parts: Vec<Records> = Vec::new();
        let mut was_suspect = true;
        for record in records.iter() {
            let is_suspect = is_suspect(record.offset);
            if is_suspect || was_suspect {
                parts.push(Records::new(records.partition().clone(), record.offset));
            }
            if let Some(part) = parts.last_mut() {
                let headers = record.headers.iter();
                part.push_with_headers(record.offset, record.time, record.payload, headers);
            }
            was_suspect = is_suspect;
        }
        parts
    }
}

/// Replaces a file, so that after a crash it is the old or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: i64, end: i64) -> OffsetRange {
        let partition = Partition::new("usage", 3);
        OffsetRange {
            partition,
            start,
            end,
        }
    }

    fn records(offsets: std::ops::Range<i64>) -> Records {
        let mut records = Records::new(Partition::new("usage", 3), offsets.start);
        for offset in offsets {
            records.push_with_headers(offset, None, b"{}", [("a", &b"b"[..])]);
        }
        records
    }

    #[test]
    fn what_crashed_is_read_one_by_one_and_then_passed_over() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("poison.json");
        let mut file = PoisonFile::open(&path).unwrap();
        assert_eq!(file.note(&range(10, 14)).unwrap(), AfterCrash::ReadOneByOne);
        assert_eq!(file.note(&range(12, 13)).unwrap(), AfterCrash::PassOver);
        // One that was alone at once may have had bad luck.
        assert_eq!(file.note(&range(20, 21)).unwrap(), AfterCrash::ReadOneByOne);
        assert_eq!(file.note(&range(20, 21)).unwrap(), AfterCrash::PassOver);

        let poison = PoisonFile::open(&path).unwrap().shared();
        let partition = Partition::new("usage", 3);
        for (offset, passes_over) in [(11, false), (12, true), (13, false), (20, true)] {
            assert_eq!(poison.passes_over(&partition, offset), passes_over);
        }
        assert!(!poison.passes_over(&Partition::new("usage", 4), 12));
    }

    #[test]
    fn what_does_not_help_ends() {
        // It was read one by one, and crashed together.
        let mut poison = Poison::default();
        poison.note(&range(10, 14));
        assert_eq!(poison.note(&range(10, 14)), AfterCrash::GiveUp);
        // It was passed over, and crashed again.
        assert_eq!(poison.note(&range(12, 13)), AfterCrash::PassOver);
        poison.note(&range(10, 14));
        assert_eq!(poison.note(&range(12, 13)), AfterCrash::GiveUp);
        // Batches crash, over and over, and none of their records.
        let mut poison = Poison::default();
        let after: Vec<AfterCrash> = (0..30)
            .map(|at| poison.note(&range(at * 10 + at % 2, at * 10 + 9)))
            .collect();
        assert_eq!(
            after.iter().position(|after| *after == AfterCrash::GiveUp),
            Some(20)
        );
    }

    #[test]
    fn suspects_are_alone_and_nothing_else_is() {
        let mut poison = Poison::default();
        poison.note(&range(12, 15));
        let parts = poison.part(records(8..20));
        let cuts: Vec<Vec<i64>> = parts
            .iter()
            .map(|part| part.iter().map(|record| record.offset).collect())
            .collect();
        let alone = [vec![12], vec![13], vec![14]];
        let expected: Vec<Vec<i64>> = [
            vec![(8..12).collect()],
            alone.to_vec(),
            vec![(15..20).collect()],
        ]
        .concat();
        assert_eq!(cuts, expected);
        let mut all = parts.iter().flat_map(Records::iter);
        assert!(all.all(|record| record.headers.text("a") == Some("b")));
        assert_eq!(poison.part(records(20..30)).len(), 1);
    }

    #[test]
    fn many_are_not_the_fault_of_the_records() {
        let mut poison = Poison::default();
        for offset in 0..MOST_PASSED_OVER as i64 {
            poison.note(&range(offset, offset + 1));
            assert_eq!(
                poison.note(&range(offset, offset + 1)),
                AfterCrash::PassOver
            );
        }
        poison.note(&range(1000, 1001));
        assert_eq!(poison.note(&range(1000, 1001)), AfterCrash::GiveUp);
    }
}
