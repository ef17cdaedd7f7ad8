//! State that went through a snapshot is the state that it was.

use std::path::Path;
use std::sync::Arc;

use columns::SnapshotError;
use detector::{Archive, Dedup, KeyDirectory, PartitionDetector, STATE_VERSION};
use model::{Alert, Timestamp};

use crate::bound;
use crate::ledgers::{House, abuse, rows, services, without_key};
use crate::support::{Call, batch, start, steady_weeks};

/// Returns what is written of state.
pub(crate) fn saved(carry: impl FnOnce(&mut Archive<'_>) -> Result<(), SnapshotError>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = Archive::into(&mut bytes).expect("memory takes it");
    carry(&mut archive).expect("memory takes it");
    archive.finish().expect("memory takes it");
    bytes
}

pub(crate) fn restored(
    bytes: &[u8],
    carry: impl FnOnce(&mut Archive<'_>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let mut bytes = bytes;
    let mut archive = Archive::out_of(&mut bytes)?;
    carry(&mut archive)?;
    archive.finish()
}

/// Returns a detector that was made anew from what another one knew.
fn reborn(mut known: PartitionDetector, mut empty: PartitionDetector) -> PartitionDetector {
    let bytes = saved(|archive| known.archive(archive));
    restored(&bytes, |archive| empty.archive(archive)).expect("what was written is read");
    let again = saved(|archive| empty.archive(archive));
    assert!(again == bytes, "what is written of it is the same again");
    empty
}

fn house_reborn(house: House) -> House {
    let empty = House::new();
    let (mut known, mut ledgers) = (house.ledgers, empty.ledgers);
    let bytes = saved(|archive| known.archive(archive));
    restored(&bytes, |archive| ledgers.archive(archive)).expect("what was written is read");
    assert!(saved(|archive| ledgers.archive(archive)) == bytes);
    House {
        detector: reborn(house.detector, empty.detector),
        ledgers,
        alerts: house.alerts,
    }
}

/// Usage with and without keys, an abuse of each, and bills of four months with a dear day.
fn house(rebirths: bool) -> Vec<Alert> {
    let mut calls = steady_weeks("key_1", 4);
    calls.extend(without_key(steady_weeks("key_2", 4), "checkout"));
    calls.extend(abuse("key_1", "search"));
    calls.extend(without_key(abuse("key_2", "checkout"), "checkout"));
    calls.sort_by_key(|call: &Call| call.time);
    let mut bills = services(|day, service| match (day, service) {
        (95, "gpt-5") => 40.0,
        _ => 1.0,
    });
    bills.sort_by_key(|bill| bill.known_at);
    let mut house = House::new();
    let half = calls.len() / 2;
    let batches = (calls[..half].chunks(700).map(batch))
        .chain(bills.chunks(60).map(rows))
        .chain(calls[half..].chunks(700).map(batch));
    for usage_batch in batches {
        house.observe(&usage_batch);
        if rebirths {
            house = house_reborn(house);
        }
    }
    house.finish()
}

#[test]
fn keys_usage_without_one_and_bills_go_on_where_they_were() {
    let alerts = house(false);
    assert!(alerts.len() >= 3, "{}", alerts.len());
    assert!(house(true) == alerts);
}

#[test]
fn a_flood_goes_on_where_it_was() {
    let calls = bound::ordinary();
    let middle = start().plus(4 * Timestamp::DAY + 12 * Timestamp::HOUR);
    let mut all: Vec<bound::Call> = calls.into_iter().chain(bound::flood(30_000)).collect();
    all.sort_by_key(|call| call.time);
    let run = |rebirths: bool| {
        let mut detector = bound::detector(bound::ROOM);
        let mut alerts: Vec<Alert> = Vec::new();
        for calls in all.chunks(3000) {
            detector.observe(&bound::batch(calls), &mut alerts);
            detector.take_signs();
            if rebirths && calls[0].time >= middle {
                detector = reborn(detector, bound::detector(bound::ROOM));
            }
        }
        let vitals = detector.vitals();
        detector.finish(&mut alerts);
        (alerts, vitals.keys, vitals.displaced, vitals.turned_away)
    };
    let (alerts, keys, displaced, turned_away) = run(false);
    assert!(displaced + turned_away > 10_000 && !alerts.is_empty());
    assert!(run(true) == (alerts, keys, displaced, turned_away));
}

#[test]
fn repeats_are_known_after_a_restart() {
    let mut dedup = Dedup::default();
    for at in 0..1000 {
        let time = start().plus(at * Timestamp::MINUTE);
        assert!(!dedup.is_repeat("openai", "acme", &at.to_string(), time));
    }
    let bytes = saved(|archive| dedup.archive(archive));
    let mut other = Dedup::default();
    restored(&bytes, |archive| other.archive(archive)).expect("what was written is read");
    for at in 0..1000 {
        let time = start().plus(at * Timestamp::MINUTE);
        assert!(other.is_repeat("openai", "acme", &at.to_string(), time));
    }
    assert_eq!(other.repeats(), 1000);
    let mut detector = bound::detector(bound::ROOM);
    let error = restored(&bytes, |archive| detector.archive(archive)).expect_err("not its file");
    assert!(matches!(error, SnapshotError::Version(_)), "{error}");
}

/// A snapshot of this version of the state, made when the version began: a change of what is
/// kept that does not read it any more needs another `STATE_VERSION`, and another file.
/// `UPDATE_FIXTURES=1` writes one that is not there.
#[test]
fn a_snapshot_of_this_version_is_read_and_written_as_it_was() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(
        "../../fixtures/snapshots/v{STATE_VERSION}/partition.state"
    ));
    let mut calls = steady_weeks("key_1", 4);
    calls.extend(without_key(steady_weeks("key_2", 4), "checkout"));
    calls.extend(abuse("key_1", "search"));
    calls.sort_by_key(|call: &Call| call.time);
    // In the middle of the abuse.
    let until = start().plus(23 * Timestamp::DAY + 11 * Timestamp::HOUR);
    calls.retain(|call| call.time < until);
    let mut house = House::new();
    for calls in calls.chunks(700) {
        house.observe(&batch(calls));
    }
    let now = saved(|archive| house.detector.archive(archive));
    if std::env::var_os("UPDATE_FIXTURES").is_some() && !file.exists() {
        std::fs::create_dir_all(file.parent().expect("it has a folder")).expect("a folder");
        std::fs::write(&file, &now).expect("a file");
    }
    let then = std::fs::read(&file).expect("UPDATE_FIXTURES=1 writes it");
    let mut detector = House::new().detector;
    restored(&then, |archive| detector.archive(archive)).expect("it is of this version");
    let again = saved(|archive| detector.archive(archive));
    assert!(
        again == then,
        "what is kept has changed: STATE_VERSION has to grow"
    );
}

/// A directory that says that all of a key is to be forgotten up to a moment.
fn erased(key: &str, time: Timestamp) -> Arc<KeyDirectory> {
    let inventory = serde_json::json!({ "changes": [{
        "time": time, "type": "history_erased", "key": key, "account": "acme",
        "provider": "openai",
    }] });
    let inventory = serde_json::from_value(inventory).expect("an inventory");
    Arc::new(KeyDirectory::new(&inventory))
}

pub(crate) fn names(state: &[u8], key: &str) -> bool {
    state
        .windows(key.len())
        .any(|window| window == key.as_bytes())
}

#[test]
fn an_erased_key_is_forgotten_once_and_by_old_snapshots_too() {
    let mut calls = steady_weeks("key_1", 3);
    calls.extend(steady_weeks("key_2", 3));
    calls.sort_by_key(|call: &Call| call.time);
    let mut house = House::new();
    for calls in calls.chunks(700) {
        house.observe(&batch(calls));
    }
    let before = saved(|archive| house.detector.archive(archive));
    assert!(names(&before, "key_1") && names(&before, "key_2"));

    let now = start().plus(21 * Timestamp::DAY);
    house.detector.set_directory(erased("key_1", now));
    let after = saved(|archive| house.detector.archive(archive));
    assert!(!names(&after, "key_1") && names(&after, "key_2"));

    // What was written down before, and is read now.
    let mut reborn = House::new().detector;
    reborn.set_directory(erased("key_1", now));
    restored(&before, |archive| reborn.archive(archive)).expect("what was written is read");
    assert!(saved(|archive| reborn.archive(archive)) == after);

    // Used again, it is a new key, and stays.
    let call = Call::at(now.plus(Timestamp::DAY), "key_1");
    house.observe(&batch(&[call]));
    house.detector.set_directory(erased("key_1", now));
    let used = saved(|archive| house.detector.archive(archive));
    assert!(names(&used, "key_1"));
    let mut reborn = House::new().detector;
    reborn.set_directory(erased("key_1", now));
    restored(&used, |archive| reborn.archive(archive)).expect("what was written is read");
    assert!(saved(|archive| reborn.archive(archive)) == used);
    // Until it is erased again.
    let later = now.plus(2 * Timestamp::DAY);
    house.detector.set_directory(erased("key_1", later));
    let after = saved(|archive| house.detector.archive(archive));
    assert!(!names(&after, "key_1"));
}

#[test]
fn an_erased_key_explains_a_bill_without_its_name() {
    let mut calls = steady_weeks("key_1", 4);
    calls.extend(abuse("key_1", "search"));
    calls.sort_by_key(|call: &Call| call.time);
    let mut house = House::new();
    for calls in calls.chunks(700) {
        house.observe(&batch(calls));
    }
    let before = saved(|archive| house.ledgers.archive(archive));
    assert!(names(&before, "the alert on key key_1"));

    let now = start().plus(60 * Timestamp::DAY);
    house.ledgers.set_directory(erased("key_1", now));
    let after = saved(|archive| house.ledgers.archive(archive));
    assert!(!names(&after, "key_1") && names(&after, "a key that was erased"));

    let mut reborn = House::new().ledgers;
    reborn.set_directory(erased("key_1", now));
    restored(&before, |archive| reborn.archive(archive)).expect("what was written is read");
    assert!(saved(|archive| reborn.archive(archive)) == after);
}
