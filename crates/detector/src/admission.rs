//! Which keys have a slot: how one comes in, makes room, falls asleep.
//!
//! ```text
//!            in the inventory, or of the stream's first two days
//!          ┌───────────────────────────────────────────────────┐
//! new id ──┤                                                   ├─▶ known ──▶ asleep (a stub)
//!          └─▶ on probation ──── used again a day later ───────┘     ▲    35 days    │
//!                  │ no room: the lease that ends first              └── used again ─┘
//!                  ▼
//!              forgotten
//! ```
//!
//! Known keys are never displaced. Who has a slot is decided by event time and by what has been
//! used, so that the same rows give the same alerts; while there is room for all, nothing is
//! decided at all.

use model::{Entity, Nanos};

use crate::clock::{bucket_of, start_of};
use crate::detector::PartitionDetector;
use crate::population::Happening;
use crate::probation::{PROBATION_BUCKETS, Probation};
use crate::stub::{ASLEEP_BUCKETS, Stub};
use crate::windows::Amounts;

/// The longest provider, account or key that has a slot: memory is counted in keys. No provider
/// has longer ones.
const MOST_NAME_BYTES: usize = 512;
/// How long after it has fallen asleep a key's slot is given back at the earliest: what is open
/// then was made from what it had learned until it fell asleep, and nothing later.
const AT_REST_BUCKETS: i64 = 3;
/// Keys on probation that may have an alert at a time: made-up ids that are much used are told
/// one by one up to here, and beyond by the flood that they are.
const MOST_ALERTS_ON_PROBATION: usize = 256;

/// Provider, account and key of a row.
pub(crate) type Names<'a> = (&'a str, &'a str, &'a str);

impl PartitionDetector {
    /// Returns the slot of the key of a row; `None` if it has none and there is no room for it.
    pub(crate) fn slot_of(
        &mut self,
        names: Names<'_>,
        minute: i64,
        amounts: &Amounts,
    ) -> Option<usize> {
        let (provider, account, key) = names;
        let (bucket, weight) = (bucket_of(minute), weight(amounts));
        if let Some(slot) = self.state.keys.find(provider, account, key) {
            self.state.probation.extend(slot, bucket, weight);
            return Some(slot);
        }
        let id = self.state.stubs.id(names);
        let stub = self.state.stubs.get(id).cloned();
        let is_expected = stub.is_some() || self.is_expected(names, bucket);
        let has_room = self.state.probation.known() < self.room.known;
        let lease_end = match &stub {
            Some(stub) if stub.is_known && has_room => None,
            None if is_expected && has_room => None,
            _ => Some(Probation::lease(bucket, bucket, weight)),
        };
        let is_short = [provider, account, key]
            .iter()
            .all(|name| name.len() <= MOST_NAME_BYTES);
        let (is_seen_before, can_enter) = match lease_end {
            _ if !is_short => (self.ask(bucket, id, weight).0, false),
            Some(_) if self.state.probation.len() >= self.room.on_probation => {
                let (is_seen_before, lease_end) = self.ask(bucket, id, weight);
                (is_seen_before, self.displace(lease_end))
            }
            _ => (false, true),
        };
        if !is_expected && (!is_seen_before || !can_enter) {
            let account = self.state.account_of_new(provider, account, bucket);
            self.state.floods.count(
                account,
                bucket.max(self.open_from),
                u64::from(!is_seen_before),
                amounts.cost_nanos,
            );
        }
        if !can_enter {
            self.turned_away += 1;
            return None;
        }
        let slot = self.state.keys.insert(names, bucket);
        self.open.begin(slot);
        match stub {
            Some(stub) => {
                self.state.stubs.remove(id);
                self.state.probation.begin(slot, lease_end);
                self.wake(slot, minute, &stub);
            }
            None => {
                self.state.probation.begin(slot, lease_end);
                self.state.begin(slot, minute, &self.directory);
            }
        }
        Some(slot)
    }

    /// Returns whether so many keys are on probation that less is kept of each: an eighth of
    /// those there is room for.
    pub(crate) fn is_crowded(&self) -> bool {
        8 * self.state.probation.len() > self.room.on_probation
    }

    /// Returns whether a key without a history is none that came out of nowhere.
    fn is_expected(&self, (provider, account, key): Names<'_>, bucket: i64) -> bool {
        if self.state.is_first(bucket) {
            return true;
        }
        let entity = || model::Entity {
            provider: provider.to_owned(),
            account: account.to_owned(),
            key: key.to_owned(),
        };
        !self.directory.is_empty() && self.directory.expects(&entity(), start_of(bucket + 1))
    }

    /// Counts an id for which there is no room; returns whether it had come in this bucket
    /// before, and the end of the lease that it asks for by all it has used.
    fn ask(&mut self, bucket: i64, id: u128, weight: u64) -> (bool, i64) {
        let (before, after) = self.sketch.add(bucket, id, weight);
        let weight = weight.max(u64::from(after));
        (before > 0, Probation::lease(bucket, bucket, weight))
    }

    /// Makes room for a lease that ends with a bucket, if another ends earlier.
    fn displace(&mut self, lease_end: i64) -> bool {
        let Some(slot) = self.state.probation.first_before(lease_end) else {
            return false;
        };
        self.release(slot);
        self.displaced += 1;
        true
    }

    /// Takes a slot back with all that belongs to it.
    fn release(&mut self, slot: usize) {
        self.open.forget(slot);
        self.episodes.remove(&slot);
        self.notices.remove(&slot);
        self.governed.remove(&slot);
        for happening in Happening::ALL {
            self.happened.remove(&(slot, happening));
        }
        self.state.release(slot);
    }

    /// Forgets keys whose history was erased: their slot, their alarm and their stub, once for each
    /// erasure. A key that is used afterwards is a new one.
    pub(crate) fn forget_erased(&mut self) {
        let (directory, done) = (self.directory.clone(), self.erased);
        for (
            Entity {
                provider,
                account,
                key,
            },
            time,
        ) in directory.erased_after(done)
        {
            self.erased = self.erased.max(Some(time));
            if let Some(slot) = self.state.keys.find(&provider, &account, &key) {
                self.release(slot);
                self.forgot = true;
            }
            let id = self.state.stubs.id((&provider, &account, &key));
            if self.state.stubs.get(id).is_some() {
                self.state.stubs.remove(id);
                self.forgot = true;
            }
        }
    }

    /// Ends a key's probation if its use in a closed bucket does, and there is room.
    pub(crate) fn end_probation(&mut self, slot: usize, bucket: i64) {
        let probation = &mut self.state.probation;
        if probation.is_on(slot)
            && probation.known() < self.room.known
            && self.state.baseline.age_buckets(slot, bucket) >= PROBATION_BUCKETS
        {
            probation.end(slot);
        }
    }

    /// Returns whether an alert on a key may be raised, as far as room is concerned. The key's
    /// place is to be kept then.
    pub(crate) fn can_alert(&self, slot: usize) -> bool {
        let probation = &self.state.probation;
        if !probation.is_on(slot) || self.is_alarmed(slot) {
            return true;
        }
        let alerts = self.episodes.keys().chain(self.notices.keys());
        let on_probation = alerts.filter(|slot| probation.is_on(**slot));
        on_probation.count() < MOST_ALERTS_ON_PROBATION
    }

    /// Draws a key that returns after weeks to its stub, as if it had given its slot back.
    pub(crate) fn refresh(&mut self, slot: usize, minute: i64) {
        let bucket = bucket_of(minute);
        let asleep_from = i64::from(self.state.last_active.get(slot)) + ASLEEP_BUCKETS;
        if bucket < asleep_from + AT_REST_BUCKETS
            || self.state.baseline.learned(slot) >= asleep_from
        {
            return;
        }
        let stub = self.stub(slot);
        self.wake(slot, minute, &stub);
    }

    fn wake(&mut self, slot: usize, minute: i64, stub: &Stub) {
        self.state.begin_row(slot, minute, bucket_of(minute));
        stub.wake(&mut self.state, slot);
        // One bucket more than the stub knows: so it is seen that the key has been woken.
        self.learn_until(slot, stub.asleep_from() + 1);
    }

    /// Returns the stub of a key as it was when it fell asleep.
    fn stub(&mut self, slot: usize) -> Stub {
        let asleep_from = i64::from(self.state.last_active.get(slot)) + ASLEEP_BUCKETS;
        self.learn_until(slot, asleep_from);
        let class = self.state.baseline.class(slot);
        let state = &mut self.state;
        state
            .calibration
            .pass(slot, asleep_from, class, &mut state.pool);
        Stub::of(state, slot)
    }

    /// Gives back the slots of keys asleep, and those of made-up ids that were not used again;
    /// once a day.
    pub(crate) fn give_back(&mut self, bucket: i64) {
        let slots: Vec<usize> = self.state.keys.slots().collect();
        for slot in slots {
            let is_idle = !self.open.has(slot) && !self.is_alarmed(slot);
            let asleep_from = i64::from(self.state.last_active.get(slot)) + ASLEEP_BUCKETS;
            if is_idle && bucket >= asleep_from + AT_REST_BUCKETS {
                let stub = self.stub(slot);
                let entity = self.state.keys.entity(slot);
                let names = (&*entity.provider, &*entity.account, &*entity.key);
                let id = self.state.stubs.id(names);
                self.state.stubs.insert(id, stub);
                self.release(slot);
            }
        }
        self.state.stubs.shrink(self.room.known);
    }

    /// Puts a key of the stream's first days on probation after all, if it was not used again a
    /// day later; those for which there is no room there are forgotten.
    pub(crate) fn doubt(&mut self, slot: usize) {
        let last_active = i64::from(self.state.last_active.get(slot));
        let used_for = self.state.baseline.age_buckets(slot, last_active);
        let entity = self.state.keys.entity(slot);
        let is_expected = !self.directory.is_empty()
            && self.directory.expects(&entity, start_of(last_active + 1));
        if used_for >= PROBATION_BUCKETS || is_expected || self.is_alarmed(slot) {
            return;
        }
        self.state.probation.doubt(slot, last_active);
        while self.state.probation.len() > self.room.on_probation {
            self.displace(i64::MAX);
        }
    }

    /// Gives back the slot of an id that came in a flood, if it is still on probation when its
    /// birth is no longer watched.
    pub(crate) fn give_back_of_flood(&mut self, slot: usize) {
        if self.state.probation.is_on(slot) && !self.open.has(slot) && !self.is_alarmed(slot) {
            self.release(slot);
        }
    }

    fn is_alarmed(&self, slot: usize) -> bool {
        self.episodes.contains_key(&slot) || self.notices.contains_key(&slot)
    }
}

/// Returns what a row holds its key's place with: its requests and cents.
fn weight(amounts: &Amounts) -> u64 {
    let cents = amounts.cost_nanos / (Nanos::USD as u64 / 100);
    amounts.requests.saturating_add(cents).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use columns::UsageBatchBuilder;
    use model::{
        Alert, CountField, EventSink, Inventory, Partition, Position, TextField, Timestamp,
        UsageRow,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::config::DetectorConfig;
    use crate::directory::KeyDirectory;
    use crate::state::State;

    fn detector() -> PartitionDetector {
        let directory = Arc::new(KeyDirectory::new(&Inventory::default()));
        PartitionDetector::new(DetectorConfig::default(), directory)
    }

    /// Days of wild use of one key.
    fn used(seed: u64) -> PartitionDetector {
        let mut detector = detector();
        let (mut time, mut step) = (Timestamp::parse("2026-04-06T00:00:00Z").unwrap(), seed);
        let mut builder = UsageBatchBuilder::new(Partition::new("usage", 0), 0);
        let position = Position {
            topic: "usage".into(),
            partition: 0,
            offset: 0,
        };
        for _ in 0..3000 {
            step = step
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let pick = |shift: u32, of: u64| (step >> shift) % of;
            time = time.plus(pick(20, 600_000) as i64);
            let mut row = UsageRow::at(time);
            row.set_text(TextField::Kind, "usage");
            row.set_text(TextField::Provider, "openai");
            row.set_text(TextField::Account, "acme");
            row.set_text(TextField::Key, "key_1");
            row.set_text(TextField::KeyHint, "sk-…1234");
            row.set_text(TextField::Model, format!("model-{}", pick(9, 7)));
            row.set_text(TextField::SourceIp, format!("198.51.{}.7", pick(12, 40)));
            row.set_text(TextField::UserAgent, format!("client{}/1", pick(7, 6)));
            row.set_count(CountField::Status, if pick(33, 5) == 0 { 401 } else { 200 });
            row.set_count(
                CountField::Requests,
                1 + pick(40, 4).pow(pick(44, 9) as u32),
            );
            row.set_count(CountField::InputTokens, pick(50, 9000));
            row.cost = Some(Nanos::from_usd(pick(30, 100) as f64 / 100.0));
            builder.row(&row, &position);
        }
        let mut alerts: Vec<Alert> = Vec::new();
        detector.observe(&builder.finish(3000), &mut alerts);
        detector
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_slot_that_was_given_back_holds_nothing_of_its_key(seed in any::<u64>()) {
            let mut detector = used(seed);
            let minute = 29_700_000;
            detector.release(0);
            let slot = detector.state.keys.insert(("openai", "other", "key_2"), 0);
            prop_assert_eq!(slot, 0);
            detector.state.probation.begin(slot, None);
            let directory = KeyDirectory::new(&Inventory::default());
            detector.state.begin(slot, minute, &directory);
            let mut fresh = State::new();
            fresh.keys.insert(("openai", "other", "key_2"), 0);
            fresh.first_bucket = detector.state.first_bucket;
            fresh.begin(0, minute, &directory);
            let state = &detector.state;
            prop_assert_eq!(&state.windows, &fresh.windows);
            prop_assert_eq!(&state.baseline, &fresh.baseline);
            prop_assert_eq!(&state.calibration, &fresh.calibration);
            prop_assert_eq!(&state.known, &fresh.known);
            prop_assert_eq!(&state.lessons, &fresh.lessons);
            prop_assert_eq!(&state.thefts, &fresh.thefts);
            prop_assert_eq!(&state.last_active, &fresh.last_active);
            prop_assert_eq!(&state.longest_silence, &fresh.longest_silence);
            prop_assert_eq!(&state.newborns, &fresh.newborns);
            prop_assert_eq!(state.peaks.bytes(), 0);
            prop_assert!(state.returns.is_empty() && state.recent.is_empty());
            prop_assert!(state.labels.is_empty());
            prop_assert!(detector.episodes.is_empty() && detector.notices.is_empty());
            prop_assert!(detector.governed.is_empty() && detector.happened.is_empty());
            prop_assert!(!detector.open.has(0));
            detector.open.begin(0);
            let (last, first) = (detector.open_from + 1, detector.open_from);
            prop_assert!([first, last].iter().all(|&of| detector.open.get(0, of).is_none()));
            prop_assert!(!detector.open.window(0, last).is_used);
        }

        #[test]
        fn a_key_drawn_to_its_stub_again_is_the_same(seed in any::<u64>()) {
            let mut detector = used(seed);
            let minute = 29_700_000;
            let stub = detector.stub(0);
            detector.wake(0, minute, &stub);
            let woken = Stub::of(&detector.state, 0);
            detector.wake(0, minute, &woken);
            let again = Stub::of(&detector.state, 0);
            prop_assert_eq!(again, woken);
        }
    }
}
