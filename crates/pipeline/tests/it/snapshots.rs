//! What the stages knew is there again after a crash, exactly, or is read from the log again.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use casebook::AlertFilter;
use columns::HistoryWriter;
use model::{Alert, Partition, Records};
use pipeline::SnapshotFolder;
use tempfile::TempDir;

use crate::support::{Setup, story};

const PARTITIONS: usize = 3;

/// Cuts lines into batches of three partitions, a key's events in one of them.
pub(crate) fn batches(lines: &[Vec<u8>], cut: usize) -> VecDeque<Records> {
    let mut offsets = [0; PARTITIONS];
    let mut batches = VecDeque::new();
    for chunk in lines.chunks(cut) {
        let mut parts: Vec<Records> = (0..PARTITIONS)
            .map(|number| Records::new(Partition::new("usage", number as i32), offsets[number]))
            .collect();
        for line in chunk {
            let event: serde_json::Value = serde_json::from_slice(line).unwrap();
            let account = event["account"].as_str().unwrap();
            let number = account.bytes().map(usize::from).sum::<usize>() % PARTITIONS;
            parts[number].push(offsets[number], None, line);
            offsets[number] += 1;
        }
        batches.extend(parts.into_iter().filter(|part| !part.is_empty()));
    }
    batches
}

async fn with_snapshots() -> (Setup, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut setup = Setup::new().await;
    setup.snapshots = Some(SnapshotFolder::new(folder.path().join("snapshots"), "test"));
    (setup, folder)
}

async fn alerts(setup: &Setup) -> Vec<Alert> {
    setup.casebook.alerts(AlertFilter::default()).await.unwrap()
}

/// Returns the folders of the snapshots, the newest first.
fn snapshots(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join("snapshots")).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.reverse();
    folders
}

/// Returns the names and bytes of a snapshot's files.
fn content(snapshot: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(snapshot)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Checks that no snapshot has seen what history has not.
async fn assert_not_ahead(setup: &Setup) {
    for snapshot in setup.snapshots.as_ref().unwrap().snapshots() {
        for (partition, offset) in snapshot.offsets() {
            let has = setup.history.next_offset(&partition).await.unwrap();
            assert!(has >= Some(offset), "{partition}: {has:?} < {offset}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_at_any_batch_change_neither_rows_nor_alerts_nor_state() {
    let lines = story();
    let (whole, whole_folder) = with_snapshots().await;
    whole.run(batches(&lines, 5000)).await;

    let (mut broken, broken_folder) = with_snapshots().await;
    broken.checkpoint_rows = 1000;
    let (mut crashes, mut restored) = (0, 0);
    for cut in [5000, 1700, 900, 2777].iter().cycle() {
        let after = 7 + 5 * crashes % 16;
        let read_before = broken.vitals.records.load(Ordering::Relaxed);
        let outcome = broken.try_run(batches(&lines, *cut), after).await;
        let read = broken.vitals.records.load(Ordering::Relaxed) - read_before;
        restored += usize::from((read as usize) < lines.len());
        assert_not_ahead(&broken).await;
        if outcome.is_ok() {
            break;
        }
        crashes += 1;
        assert!(crashes < 1000, "it gets further every time");
    }
    assert!(crashes >= 5 && restored >= 5, "{crashes} {restored}");

    assert_eq!(broken.history.rows(), whole.history.rows());
    let (one, other) = (alerts(&whole).await, alerts(&broken).await);
    assert!(one.len() >= 7, "{}", one.len());
    assert_eq!(one, other);
    let (one, other) = (snapshots(&whole_folder), snapshots(&broken_folder));
    for ((name, one), (_, other)) in content(&one[0]).iter().zip(content(&other[0])) {
        assert!(*one == other, "{name}: the state is another");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn written_in_place_or_from_a_copy_they_are_the_same() {
    let lines = story();
    let lines = &lines[..40_000];
    let (mut copied, copied_folder) = with_snapshots().await;
    copied.checkpoint_rows = 3000;
    copied.run(batches(lines, 1000)).await;
    let (mut in_place, in_place_folder) = with_snapshots().await;
    (in_place.copy, in_place.checkpoint_rows) = (false, 3000);
    in_place.run(batches(lines, 1000)).await;
    for setup in [&copied, &in_place] {
        // One on the way at least, beside the one at the end.
        assert!(setup.vitals.snapshots.load(Ordering::Relaxed) > 1);
        assert_not_ahead(setup).await;
    }
    assert_eq!(in_place.history.rows(), copied.history.rows());
    assert_eq!(alerts(&in_place).await, alerts(&copied).await);
    let (one, other) = (snapshots(&copied_folder), snapshots(&in_place_folder));
    for ((name, one), (_, other)) in content(&one[0]).iter().zip(content(&other[0])) {
        assert!(*one == other, "{name}: the state is another");
    }
}

/// Runs to two thirds and ends, changes the snapshots, runs on, and compares with one run.
async fn survives(change: impl FnOnce(&TempDir), reads_all_again: bool) {
    let lines = story();
    let lines = &lines[..lines.len() / 2];
    let whole = Setup::new().await;
    whole.run(batches(lines, 5000)).await;
    let (broken, folder) = with_snapshots().await;
    for part in [2, 3] {
        let part = &lines[..lines.len() * part / 4];
        broken.run(batches(part, 5000)).await;
    }
    assert!(snapshots(&folder).len() >= 2);
    change(&folder);
    let summary = broken.run(batches(lines, 5000)).await;
    assert_eq!(broken.history.rows(), whole.history.rows());
    assert_eq!(alerts(&broken).await, alerts(&whole).await);
    assert_eq!(summary.events as usize == lines.len(), reads_all_again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_gives_way_to_the_one_before() {
    let damage = |name: &'static str, change: fn(&mut Vec<u8>)| {
        move |folder: &TempDir| {
            let path = snapshots(folder)[0].join(name);
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            // Not in place: files of partitions that rest are linked.
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    };
    survives(damage("usage-0.state", |bytes| bytes[40_000] ^= 1), false).await;
    survives(damage("shared.state", |bytes| bytes.truncate(100)), false).await;
    survives(damage("manifest.json", Vec::clear), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_usable_snapshot_the_log_is_read_from_its_beginning() {
    let remove = |folder: &TempDir| fs::remove_dir_all(folder.path().join("snapshots")).unwrap();
    survives(remove, true).await;
    let age = |folder: &TempDir| {
        for snapshot in snapshots(folder) {
            let path = snapshot.join("manifest.json");
            let json = fs::read_to_string(&path).unwrap();
            let version = |number: u32| format!("\"state_version\": {number}");
            let older = json.replace(&version(detector::STATE_VERSION), &version(0));
            assert_ne!(json, older);
            fs::write(path, older).unwrap();
        }
    };
    survives(age, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_ahead_of_history_is_not_used() {
    let lines = story();
    let lines = &lines[..20_000];
    let (first, folder) = with_snapshots().await;
    first.run(batches(lines, 5000)).await;
    // The same snapshots beside a history that has lost everything.
    let mut second = Setup::new().await;
    second.snapshots = Some(SnapshotFolder::new(folder.path().join("snapshots"), "test"));
    second.run(batches(lines, 5000)).await;
    assert_eq!(second.history.rows(), first.history.rows());
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_that_cannot_be_saved_stop_nothing_and_are_counted() {
    let (setup, folder) = with_snapshots().await;
    fs::write(folder.path().join("snapshots"), "in the way").unwrap();
    let lines = story();
    let summary = setup.run(batches(&lines[..20_000], 5000)).await;
    assert_eq!(summary.events, 20_000);
    assert!(setup.vitals.snapshot_failures.load(Ordering::Relaxed) > 0);
    assert!(setup.vitals.last_error().unwrap().contains("snapshot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_are_kept_and_what_was_not_finished_goes() {
    let (setup, folder) = with_snapshots().await;
    let lines = story();
    for part in 1..=6 {
        setup.run(batches(&lines[..part * 3000], 5000)).await;
        fs::create_dir(folder.path().join("snapshots/0000000099.tmp")).unwrap();
    }
    setup.run(batches(&lines[..20_000], 5000)).await;
    let names: Vec<String> = snapshots(&folder)
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["0000000007", "0000000006", "0000000005"]);
}
