//! Many small files become few, and days that are over are sorted.
//!
//! Every commit leaves a file for each day it has rows of. A file is sorted by key inside; how many
//! files must be opened for one key is how deep their ranges of keys lie over one another.

use std::collections::BTreeMap;

use columns::Error;
use datafusion::common::ScalarValue;
use deltalake_core::protocol::DeltaOperation;
use model::Timestamp;
use tracing::warn;

use super::{FILE_BYTES, Tended, UpkeepReport};
use crate::day_file::DayFile;

/// Small files of a day that is going on, before they are merged.
const MANY: usize = 16;

/// Small files of a day that is over, before they are merged.
const SEVERAL: usize = 4;

/// How deep ranges of keys of a day that is over may lie over one another.
const DEPTH: usize = 2;

/// Merges what is worth it, a day after the other, the oldest first.
pub(super) async fn compact(tended: &mut Tended, now: Timestamp) -> Result<UpkeepReport, Error> {
    let mut report = UpkeepReport::default();
    let mut days: BTreeMap<i32, Vec<DayFile>> = BTreeMap::new();
    for file in tended.files().await? {
        days.entry(file.day).or_default().push(file);
    }
    let today = now.millis().div_euclid(Timestamp::DAY);
    for (day, files) in days {
        // Late rows of yesterday come today.
        let is_over = i64::from(day) < today - 1;
        let chosen = choose(files, is_over);
        if chosen.is_empty() {
            continue;
        }
        let adds = match tended.rewritten(chosen.clone(), None).await {
            Ok(adds) => adds,
            Err(error) => {
                warn!(%error, day, table = tended.kept.name(), "could not merge a day's files");
                continue;
            }
        };
        let written = adds.len();
        let operation = DeltaOperation::Optimize {
            predicate: None,
            target_size: FILE_BYTES.cast_signed(),
        };
        if tended.replace(&chosen, adds, false, operation).await? {
            report.files_merged += chosen.len();
            report.files_written += written;
        }
    }
    Ok(report)
}

/// Chooses the files of a day that are to be merged.
fn choose(files: Vec<DayFile>, is_over: bool) -> Vec<DayFile> {
    let (mut small, large): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| file.size < FILE_BYTES / 2);
    let is_unsorted = large.iter().any(|file| !file.is_sorted);
    if is_over && (is_unsorted || depth(&large) > DEPTH) {
        return small.into_iter().chain(large).collect();
    }
    // What is larger than all others together would be written again for little.
    small.sort_by_key(|file| file.size);
    let bytes: u64 = small.iter().map(|file| file.size).sum();
    if small.len() > 1 && small.last().is_some_and(|file| file.size * 2 > bytes) {
        small.pop();
    }
    let enough = if is_over { SEVERAL } else { MANY };
    if small.len() >= enough {
        small
    } else {
        Vec::new()
    }
}

/// Returns how many files must be opened at most for keys between two others.
///
/// Ranges that only touch do not count: a busy key ends one file, fills the next, and begins a
/// third, and no sorting makes that better.
fn depth(files: &[DayFile]) -> usize {
    let ranges: Vec<(&str, &str)> = files.iter().filter_map(keys_of).collect();
    // The most lie over one another where some range begins.
    let over = |key: &str| {
        ranges
            .iter()
            .filter(|(least, greatest)| (*least..*greatest).contains(&key))
            .count()
    };
    ranges
        .iter()
        .map(|(least, _)| over(least))
        .max()
        .unwrap_or(0)
}

fn keys_of(file: &DayFile) -> Option<(&str, &str)> {
    match file.bounds("key_id")? {
        (ScalarValue::Utf8(Some(least)), ScalarValue::Utf8(Some(greatest))) => {
            Some((least, greatest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64, keys: (&str, &str)) -> DayFile {
        DayFile::for_test(size, keys)
    }

    #[test]
    fn a_day_that_goes_on_is_merged_when_small_files_are_many() {
        let small = |count| vec![file(1000, ("a", "z")); count];
        assert_eq!(choose(small(MANY - 1), false).len(), 0);
        assert_eq!(choose(small(MANY), false).len(), MANY);
        assert_eq!(choose(small(SEVERAL), true).len(), SEVERAL);
    }

    #[test]
    fn a_day_that_is_over_is_sorted_where_its_large_files_lie_over_one_another() {
        let large = |keys| file(FILE_BYTES, keys);
        let unsorted = vec![large(("a", "z")), large(("b", "y")), large(("a", "x"))];
        assert_eq!(depth(&unsorted), 3);
        assert_eq!(choose(unsorted.clone(), true).len(), 3);
        assert_eq!(choose(unsorted, false).len(), 0, "it goes on");
        let sorted = vec![large(("a", "g")), large(("g", "p")), large(("p", "z"))];
        assert_eq!(depth(&sorted), 1);
        let busy = vec![
            large(("a", "k")),
            large(("k", "k")),
            large(("k", "k")),
            large(("k", "z")),
        ];
        assert_eq!(depth(&busy), 1, "one key fills several files");
        assert_eq!(choose(busy, true).len(), 0);
        let mut grown = vec![file(1000, ("a", "z")); MANY];
        grown.push(file(FILE_BYTES / 4, ("a", "z")));
        assert_eq!(choose(grown, false).len(), MANY, "what has grown is left");
        let mut in_one_commit = large(("a", "z"));
        in_one_commit.is_sorted = false;
        assert_eq!(choose(vec![in_one_commit], true).len(), 1);
        let with_late = sorted.into_iter().chain([file(1000, ("a", "z"))]).collect();
        assert_eq!(
            choose(with_late, true).len(),
            0,
            "one late file is not worth a day"
        );
    }
}
