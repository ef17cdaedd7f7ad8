//! The detector of one partition: rows in, alerts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use columns::SnapshotError;
use columns::UsageBatch;
use model::{Alert, Anomaly, Timestamp};

use crate::archive::Archive;
use crate::baseline::Prediction;
use crate::campaign::Sign;
use crate::clock::{BUCKET_MILLIS, BUCKETS_AN_HOUR, bucket_of, hour_of, minute_of, start_of};
use crate::closing::EARLY_MARGIN;
use crate::config::DetectorConfig;
use crate::directory::{Announced, KeyDirectory};
use crate::episode::{CALM_BUCKETS, Episode, SAME_EPISODE_BUCKETS};
use crate::finding::OVERLAP;
use crate::judging::{Case, invert, judged_from};
use crate::known::Trait;
use crate::ledger::{Line, Unkeyed, arrived_at};
use crate::open::{EARLY, EarlySums, OpenWindow, OpenWindows, SUMMED, summed};
use crate::population::Happening;
use crate::probation::Room;
use crate::restated::Restated;
use crate::rows::{Rows, Subject};
use crate::scope::without_key;
use crate::signal::{COUNTS, Scale, Signal};
use crate::sketch::Sketch;
use crate::state::State;
use crate::tally::cut;
use crate::windows::Amounts;

/// How late a row may be and still find its window open.
pub(crate) const ALLOWED_LATENESS_MILLIS: i64 = 2 * Timestamp::MINUTE;
/// How late a row may be and still enter the rings.
const RING_LATENESS_MILLIS: i64 = Timestamp::HOUR;

/// From how far ahead of the newest row on a single row is not believed: two days.
const FAR_AHEAD_MILLIS: i64 = 2 * Timestamp::DAY;

/// The same for the clock of billing lines, which come once a day at best: a month.
const BILLED_FAR_AHEAD_MILLIS: i64 = 31 * Timestamp::DAY;

/// The part of the budget, by entity-day, that usage without a key may spend.
const WITHOUT_KEY_SHARE: f64 = 0.5;
/// What is kept of a hint or a project, in bytes.
const LABEL_BYTES: usize = 96;
/// What an episode takes in memory, about.
const EPISODE_BYTES: usize = 8192;

/// By how much a count must grow before an open window that was no alert is judged again, at
/// the most: other evidence may have come meanwhile.
const JUDGE_AGAIN: f64 = 1.25;

/// Takes what the detector finds.
pub trait Findings {
    /// Takes a new alert, or a new revision of one.
    fn alert(&mut self, alert: Alert);

    /// Returns which windows' scores are wanted.
    fn wants_scores(&self) -> ScoresWanted {
        ScoresWanted::Nothing
    }

    /// Takes the score of one judged window.
    fn score(&mut self, _anomaly: Anomaly) {}
}

/// Which judged windows' scores are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScoresWanted {
    /// None.
    #[default]
    Nothing,
    /// Those above 0: windows that are rarer than a hundred times the budget.
    Notable,
    /// All.
    All,
}

impl Findings for Vec<Alert> {
    fn alert(&mut self, alert: Alert) {
        self.push(alert);
    }
}

/// How a partition's detector is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Keys with a baseline.
    pub keys: usize,
    /// Bytes of state.
    pub state_bytes: usize,
    /// Keys that may be displaced, because nobody has heard of them before.
    pub on_probation: usize,
    /// Keys asleep: not used for so long that only a stub of them is kept.
    pub asleep: usize,
    /// Keys on probation that had to make room for others.
    pub displaced: u64,
    /// Rows of keys for which there was no room.
    pub turned_away: u64,
    /// Rows that came too late for the rings.
    pub too_late: u64,
    /// Rows without a key, or over many keys: they feed no key's baseline.
    pub without_key: u64,
    /// Billing lines that are no usage, cover more than a day, or are alone in being far ahead:
    /// they feed no ledger.
    pub not_billed: u64,
    /// Rows of topics that report what others report too.
    pub counted_elsewhere: u64,
    /// Everything before it has been seen, lateness allowed for; `None` before the first row.
    pub watermark: Option<Timestamp>,
}

/// Windows, baselines and alarms of the keys of one partition.
#[derive(Clone)]
pub struct PartitionDetector {
    pub(crate) config: DetectorConfig,
    pub(crate) directory: Arc<KeyDirectory>,
    pub(crate) state: State,
    pub(crate) open: OpenWindows,
    pub(crate) episodes: BTreeMap<usize, Episode>,
    /// Early notices of episodes that no closed window has confirmed yet, by key.
    pub(crate) notices: BTreeMap<usize, Episode>,
    /// The last day on which each key went beyond the governed multiple of the budget.
    pub(crate) governed: BTreeMap<usize, i64>,
    /// The last day on which each happening was counted for each key.
    pub(crate) happened: BTreeMap<(usize, Happening), i64>,
    /// What keys have shown since it was last asked for.
    pub(crate) signs: Vec<Sign>,
    pub(crate) newest: Option<Timestamp>,
    /// The time of the last row that was far ahead, if none has come since that was not.
    ahead: Option<i64>,
    /// Buckets before this one are closed.
    pub(crate) open_from: i64,
    /// For how many keys there is room, and what came when there was none.
    pub(crate) room: Room,
    pub(crate) sketch: Sketch,
    pub(crate) displaced: u64,
    pub(crate) turned_away: u64,
    too_late: u64,
    without_key: u64,
    not_billed: u64,
    counted_elsewhere: u64,
    /// Roll-ups that may be sent again.
    restated: Restated,
    /// Usage without a key: the same detector, with scopes in place of keys, and a state of its
    /// own, so that keys are compared with keys only.
    pub(crate) without: Option<Box<PartitionDetector>>,
    unkeyed: Unkeyed,
    /// How far billing lines have come, and the last that was far ahead of them.
    billed: Option<i64>,
    billed_ahead: Option<i64>,
    /// The time of the newest erasure that was carried out.
    pub(crate) erased: Option<Timestamp>,
    /// Whether something was erased that is written down in a snapshot.
    pub(crate) forgot: bool,
}

/// One row's part in the windows.
struct Usage {
    slot: usize,
    /// The last moment that the row is about.
    inside: i64,
    amounts: Amounts,
}

impl PartitionDetector {
    /// Makes a detector that knows nothing yet.
    pub fn new(config: DetectorConfig, directory: Arc<KeyDirectory>) -> Self {
        Self {
            room: Room::of(config.max_keys_per_partition),
            sketch: Sketch::default(),
            displaced: 0,
            turned_away: 0,
            config,
            directory,
            state: State::new(),
            open: OpenWindows::new(),
            episodes: BTreeMap::new(),
            notices: BTreeMap::new(),
            governed: BTreeMap::new(),
            happened: BTreeMap::new(),
            signs: Vec::new(),
            newest: None,
            ahead: None,
            open_from: i64::MIN,
            too_late: 0,
            without_key: 0,
            not_billed: 0,
            counted_elsewhere: 0,
            restated: Restated::default(),
            without: None,
            unkeyed: Unkeyed::default(),
            billed: None,
            billed_ahead: None,
            erased: None,
            forgot: false,
        }
    }

    /// Carries everything but configuration and inventory into a snapshot or out of one.
    ///
    /// # Errors
    /// When the disk fails, or a snapshot is damaged or of other state; then what was read so
    /// far is of no use.
    pub fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            config,
            directory,
            state,
            open,
            episodes,
            notices,
            governed,
            happened,
            signs,
            newest,
            ahead,
            open_from,
            room: _,
            sketch,
            displaced,
            turned_away,
            too_late,
            without_key,
            not_billed,
            counted_elsewhere,
            restated,
            without,
            unkeyed,
            billed,
            billed_ahead,
            erased,
            forgot: _,
        } = self;
        debug_assert!(
            signs.is_empty() && unkeyed.is_empty(),
            "what a batch has shown is taken before its offset is passed"
        );
        archive.part("state", |archive| state.archive(archive))?;
        archive.part("open", |archive| open.archive(archive))?;
        archive.map("episodes", episodes)?;
        archive.map("notices", notices)?;
        archive.map("governed", governed)?;
        archive.map("happened", happened)?;
        archive.value("newest", newest)?;
        archive.value("ahead", ahead)?;
        archive.value("open_from", open_from)?;
        archive.part("sketch", |archive| sketch.archive(archive))?;
        archive.value("displaced", displaced)?;
        archive.value("turned_away", turned_away)?;
        archive.value("too_late", too_late)?;
        archive.value("without_key", without_key)?;
        archive.value("not_billed", not_billed)?;
        archive.value("counted_elsewhere", counted_elsewhere)?;
        archive.part("restated", |archive| restated.archive(archive))?;
        archive.value("billed", billed)?;
        archive.value("billed_ahead", billed_ahead)?;
        archive.value("erased", erased)?;
        let mut has_without = without.is_some();
        archive.value("has_without", &mut has_without)?;
        if !has_without {
            *without = None;
        } else {
            let without = without.get_or_insert_with(|| Self::of_scopes(config, directory));
            archive.part("without", |archive| without.archive(archive))?;
        }
        if archive.is_reading() {
            // What was written down before it was erased.
            self.forget_erased();
        }
        Ok(())
    }

    /// Takes another inventory; what is judged from now on follows it.
    pub fn set_directory(&mut self, directory: Arc<KeyDirectory>) {
        if let Some(without) = &mut self.without {
            without.set_directory(directory.clone());
        }
        self.directory = directory;
        self.forget_erased();
    }

    /// Returns whether something was erased since the state was last written down: what is written
    /// of it is not what it is, even if no event came since.
    pub fn has_forgotten(&self) -> bool {
        self.forgot
    }

    /// Says that a snapshot of the state as it is now is durable.
    pub fn was_written(&mut self) {
        self.forgot = false;
    }

    /// Returns how it is doing.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            keys: self.state.keys.len(),
            on_probation: self.state.probation.len(),
            asleep: self.state.stubs.len(),
            displaced: self.displaced,
            turned_away: self.turned_away,
            state_bytes: self.state.bytes()
                + self.open.bytes()
                + self.restated.bytes()
                + self.sketch.bytes()
                + (self.episodes.len() + self.notices.len()) * EPISODE_BYTES
                + (self.governed.len() + self.happened.len()) * 32
                + self
                    .without
                    .as_ref()
                    .map_or(0, |without| without.vitals().state_bytes),
            too_late: self.too_late + self.without.as_ref().map_or(0, |without| without.too_late),
            without_key: self.without_key,
            not_billed: self.not_billed,
            counted_elsewhere: self.counted_elsewhere,
            watermark: self
                .newest
                .map(|newest| newest.plus(-ALLOWED_LATENESS_MILLIS)),
        }
    }

    /// Takes what keys have shown in the buckets closed since the last call.
    pub fn take_signs(&mut self) -> Vec<Sign> {
        if let Some(without) = &mut self.without {
            // Campaigns are of keys.
            without.signs.clear();
        }
        std::mem::take(&mut self.signs)
    }

    /// Takes what was read since the last call that belongs to no key.
    pub fn take_unkeyed(&mut self) -> Unkeyed {
        std::mem::take(&mut self.unkeyed)
    }

    /// Returns the bucket up to which all that belongs to no key has been read: by the time of
    /// live usage, or where there is none, by that of billing lines.
    pub fn read_until(&self) -> Option<i64> {
        let billed = self.billed.map(|billed| bucket_of(minute_of(billed)));
        self.open_from().or(billed)
    }

    /// Returns the first bucket that is not closed, counted in ten minutes since the epoch;
    /// `None` before the first row.
    pub fn open_from(&self) -> Option<i64> {
        self.newest.map(|_| self.open_from)
    }

    /// Takes rows in the order in which they arrived.
    pub fn observe(&mut self, usage_batch: &UsageBatch, findings: &mut dyn Findings) {
        let rows = Rows::new(usage_batch);
        for row in 0..rows.len() {
            if rows.is_counted_elsewhere(row) {
                self.counted_elsewhere += 1;
                continue;
            }
            if rows.is_bill(row) {
                self.bill(usage_batch, row);
                continue;
            }
            if rows.is_record(row) {
                // Lists and logs of keys are no usage, and have clocks of their own.
                self.without_key += 1;
                continue;
            }
            let moment = rows.span(row).1.unwrap_or_else(|| rows.time(row));
            if self.is_far_ahead(moment) {
                self.too_late += 1;
                continue;
            }
            self.advance(Timestamp::from_millis(moment), findings);
            match rows.subject(row) {
                Subject::Key(key) => self.count(&rows, row, key, findings),
                Subject::Scope(scope) => {
                    self.without_key += 1;
                    self.count_without_key(&rows, row, &scope);
                }
                Subject::Nothing => self.without_key += 1,
            }
        }
    }

    /// Counts a row for a key.
    fn count(&mut self, rows: &Rows<'_>, row: usize, key: &str, findings: &mut dyn Findings) {
        let (time, (start, end)) = (rows.time(row), rows.span(row));
        let moment = end.unwrap_or(time);
        let is_rolled = end.is_some() || start.is_some() || rows.requests(row) > 1;
        // A roll-up ends with its time; the window is the one before that moment.
        let inside = if is_rolled { moment - 1 } else { moment };
        if let Some(usage) = self.place(rows, row, key, inside) {
            let begin = start.or(end.map(|_| time));
            let span = begin.map(|begin| moment - begin).filter(|&span| span > 0);
            self.add(rows, row, &usage, (moment, span), findings);
        }
    }

    /// Counts a row for a scope, with the machinery of keys.
    fn count_without_key(&mut self, rows: &Rows<'_>, row: usize, scope: &str) {
        let mut without = self
            .without
            .take()
            .unwrap_or_else(|| Self::of_scopes(&self.config, &self.directory));
        let mut alerts = Vec::new();
        if let Some(newest) = self.newest {
            without.advance(newest, &mut alerts);
        }
        without.count(rows, row, scope, &mut alerts);
        self.unkeyed
            .alerts
            .extend(alerts.into_iter().map(without_key));
        self.without = Some(without);
    }

    /// Makes the detector of usage without a key, with its own part of the budget.
    fn of_scopes(config: &DetectorConfig, directory: &Arc<KeyDirectory>) -> Box<Self> {
        let budget = WITHOUT_KEY_SHARE * config.false_alerts_per_1000_key_days;
        let config = DetectorConfig {
            false_alerts_per_1000_key_days: budget,
            ..config.clone()
        };
        Box::new(Self::new(config, directory.clone()))
    }

    /// Takes a billing line. It moves no watermark: its period may be long past, or not over.
    fn bill(&mut self, usage_batch: &UsageBatch, row: usize) {
        self.without_key += 1;
        let arrived = arrived_at(usage_batch, row);
        let is_ahead = self
            .billed
            .is_some_and(|billed| arrived - billed >= BILLED_FAR_AHEAD_MILLIS);
        let agrees = |known: i64| (arrived - known).abs() < BILLED_FAR_AHEAD_MILLIS;
        if is_ahead && !self.billed_ahead.replace(arrived).is_some_and(agrees) {
            // As with live usage a wrong clock is not believed alone.
            self.not_billed += 1;
            return;
        }
        self.billed = self.billed.max(Some(arrived));
        self.billed_ahead = None;
        let clock = self.billed.max(self.newest.map(Timestamp::millis));
        let bucket = clock.map_or(0, |clock| bucket_of(minute_of(clock)));
        match Line::read(usage_batch, row) {
            Some(line) => self.unkeyed.lines.push(Line { bucket, ..line }),
            None => self.not_billed += 1,
        }
    }

    /// Judges what is still open as if its time had come, at the end of a file.
    pub fn finish(&mut self, findings: &mut dyn Findings) {
        let Some(newest) = self.newest else { return };
        // An hour until the last hourly window is past, an hour of calm, and the lateness.
        let beyond = (BUCKETS_AN_HOUR + CALM_BUCKETS + 2) * BUCKET_MILLIS;
        self.close_until(bucket_of(minute_of(newest.millis() + beyond)), findings);
        if let Some(without) = &mut self.without {
            let mut alerts = Vec::new();
            without.advance(newest, &mut alerts);
            without.finish(&mut alerts);
            self.unkeyed
                .alerts
                .extend(alerts.into_iter().map(without_key));
        }
    }

    /// Returns whether a row is far ahead of all others before it, and alone in that: a wrong
    /// clock must not end the day for everybody. The second row in a row that says so is
    /// believed, since a stream may pause for days.
    fn is_far_ahead(&mut self, moment: i64) -> bool {
        let Some(newest) = self.newest else {
            return false;
        };
        if moment - newest.millis() < FAR_AHEAD_MILLIS {
            return false;
        }
        let known = self.ahead.replace(moment);
        known.is_none_or(|known| (moment - known).abs() >= FAR_AHEAD_MILLIS)
    }

    /// Moves time on: closes every window whose end the watermark has passed.
    fn advance(&mut self, time: Timestamp, findings: &mut dyn Findings) {
        if self.newest.is_some_and(|newest| newest >= time) {
            return;
        }
        self.newest = Some(time);
        self.ahead = None;
        let open_from = bucket_of(minute_of(time.millis() - ALLOWED_LATENESS_MILLIS));
        if self.open_from == i64::MIN {
            self.open_from = open_from;
        }
        if self.open_from < open_from {
            self.close_until(open_from, findings);
            if let Some(without) = &mut self.without {
                let mut alerts = Vec::new();
                without.advance(time, &mut alerts);
                self.unkeyed
                    .alerts
                    .extend(alerts.into_iter().map(without_key));
            }
        }
    }

    /// Finds the slot of a row's key and what it adds; `None` where it is too late or says
    /// nothing new.
    fn place(&mut self, rows: &Rows<'_>, row: usize, key: &str, inside: i64) -> Option<Usage> {
        let newest = self.newest.map_or(inside, Timestamp::millis);
        if inside < newest - RING_LATENESS_MILLIS {
            self.too_late += 1;
            return None;
        }
        let (provider, account) = rows.account(row);
        let mut amounts = rows.amounts(row);
        if let Some(id) = rows.restatable_id(row) {
            let names = [provider, account, id];
            amounts = self.restated.difference(names, inside, amounts);
            if amounts == Amounts::default() {
                return None;
            }
        }
        let names = (provider, account, key);
        Some(Usage {
            slot: self.slot_of(names, minute_of(inside), &amounts)?,
            inside,
            amounts,
        })
    }

    fn add(
        &mut self,
        rows: &Rows<'_>,
        row: usize,
        usage: &Usage,
        (end, span): (i64, Option<i64>),
        findings: &mut dyn Findings,
    ) {
        let Usage {
            slot,
            inside,
            amounts,
        } = *usage;
        let minute = minute_of(inside);
        let bucket = bucket_of(minute);
        if !self.open.is_ready(slot, bucket) {
            self.begin_bucket(slot, minute);
        }
        self.state.windows.advance(slot, minute);
        if !self.state.windows.add(slot, minute, amounts) {
            self.too_late += 1;
            return;
        }
        self.open.forget_sums(slot, bucket + 1);
        if bucket < self.open_from {
            self.open.forget_sums(slot, self.open_from);
            self.open.forget_sums(slot, self.open_from + 1);
            self.label(rows.labels(row), slot, false);
            return;
        }
        let call = rows.call(row, amounts);
        let is_brief = self.is_crowded() && self.state.probation.is_on(slot);
        let open = self.open.window(slot, bucket);
        open.is_used = true;
        open.running
            .count(slot, minute, amounts, &self.state.windows);
        // Once for each bucket: what a key is called changes seldom.
        let mut labels = rows.labels(row);
        for (label, is_known) in labels.iter_mut().zip(&mut open.is_labelled) {
            *label = label.filter(|_| !*is_known);
            *is_known |= label.is_some();
        }
        open.tally.is_brief = is_brief;
        open.marks.note(bucket, end, span);
        let known = &self.state.known;
        let is_novel = |trait_, hash| known.is_new(slot, trait_, hash, bucket);
        let shows_more = open.tally.add(&call, &mut self.state.texts, &is_novel);
        if shows_more && !self.directory.is_empty() {
            let entity = self.state.keys.entity(slot);
            let (directory, at) = (&self.directory, start_of(bucket + 1));
            open.tally.look_up_rules(&|trait_, text| match trait_ {
                Trait::Model => directory.broken_by_model(&entity, at, text),
                _ => directory.broken_by_address(&entity, at, text),
            });
            open.is_special |= open.tally.broken_rule().is_some();
        }
        self.label(labels, slot, true);
        // Early judging waits until the hour before is closed: an alert's identity is its
        // episode's first hour, and must not depend on which of two neighbours fired first.
        if hour_of(bucket) == hour_of(self.open_from) {
            self.judge_open(slot, minute, findings);
        }
    }

    /// Does what the first row of a key's bucket asks for.
    fn begin_bucket(&mut self, slot: usize, minute: i64) {
        let bucket = bucket_of(minute);
        self.refresh(slot, minute);
        if bucket >= self.open_from {
            self.state.born_by(slot, bucket);
            self.prepare(slot, bucket);
        } else if bucket >= self.state.windows.head_bucket(slot) + 2 {
            // The rings would forget them; all of them are closed and judged.
            self.learn_until(slot, bucket - 1);
        }
    }

    /// Returns whether what a bucket shows belongs to an alarm that is known already.
    fn is_told(&self, slot: usize, bucket: i64) -> bool {
        self.notices.contains_key(&slot)
            || self.episodes.get(&slot).is_some_and(|episode| {
                !episode.ended || bucket - episode.last_exceedance <= SAME_EPISODE_BUCKETS
            })
    }

    /// Takes labels for a key's newest, or only where it has none.
    fn label(&mut self, labels: [Option<&str>; 2], slot: usize, is_newest: bool) {
        for (at, label) in labels.into_iter().enumerate() {
            if let Some(label) = label {
                let label = cut(label, LABEL_BYTES);
                let labels = self.state.labels.entry(slot as u32).or_default();
                let is_other = labels[at].as_deref() != Some(label);
                if is_other && (is_newest || labels[at].is_none()) {
                    labels[at] = Some(label.into());
                }
            }
        }
    }

    /// Makes what is expected of an open bucket, at its first row.
    ///
    /// It rests on what has closed before the bucket before it, and so does that one's, should
    /// a row of it still come: each is the same whoever comes first.
    fn prepare(&mut self, slot: usize, bucket: i64) {
        for bucket in (bucket - 1).max(self.open_from)..=bucket {
            let open = self.open.get(slot, bucket);
            if open.is_none_or(|open| open.prediction.is_none()) {
                let prediction = self.predict(slot, bucket);
                let is_special = self.state.is_special(slot, bucket);
                let open = self.open.window(slot, bucket);
                open.next = first_thresholds(&prediction);
                open.is_special |= is_special;
                open.prediction = Some(prediction);
            }
        }
    }

    pub(crate) fn predict(&mut self, slot: usize, bucket: i64) -> Prediction {
        self.learn_until(slot, bucket - 1);
        let announced = match self.directory.announces() {
            false => Announced::default(),
            true => {
                let entity = self.state.keys.entity(slot);
                self.directory.announced(&entity, start_of(bucket + 1))
            }
        };
        self.state
            .baseline
            .predict(slot, bucket, &self.state.peaks, announced)
    }

    /// Judges the open window of a key by what it holds so far: a count can only grow.
    fn judge_open(&mut self, slot: usize, minute: i64, findings: &mut dyn Findings) {
        let bucket = bucket_of(minute);
        let Some(open) = self.open.get(slot, bucket) else {
            return;
        };
        let Some(prediction) = &open.prediction else {
            return;
        };
        if !self.is_due(slot, minute, open, prediction) || self.is_told(slot, bucket) {
            return;
        }
        let entity = self.state.keys.entity(slot);
        let case = Case {
            slot,
            bucket,
            minute,
            early: true,
            open,
            prediction,
            entity: &entity,
            directory: &self.directory,
        };
        let verdict = self.weigh(&case);
        if verdict.is_alert && self.can_alert(slot) {
            let notice = self.notice(&case, &verdict, findings);
            self.state.probation.keep(slot, bucket);
            self.notices.extend(notice.map(|notice| (slot, notice)));
        } else {
            let next = self.thresholds(&case);
            self.open.window(slot, bucket).next = next;
        }
    }

    /// Returns whether any sum of an open window has reached what was inverted for it.
    fn is_due(&self, slot: usize, minute: i64, open: &OpenWindow, prediction: &Prediction) -> bool {
        let sums = self.early_sums(slot, minute, open);
        let is_reached = sums.iter().zip(&open.next).any(|(sum, next)| sum >= next);
        // Nothing judges a young key.
        is_reached && (prediction.age_buckets >= judged_from(Scale::Hour) || open.is_special)
    }

    /// Returns the sums that are judged early.
    fn early_sums(&self, slot: usize, minute: i64, open: &OpenWindow) -> EarlySums {
        let summed = match open.running.get(minute) {
            Some(running) => *running,
            None => summed(slot, minute, &self.state.windows),
        };
        let mut sums = [0; EARLY.len()];
        sums[..SUMMED].copy_from_slice(&summed);
        // Where a key is new, was dormant or breaks a rule, every request may matter.
        sums[SUMMED] = match open.is_special {
            true => open.tally.requests,
            false => open.tally.novel,
        };
        sums[SUMMED + 1] = open.tally.dearest_nanos;
        sums[SUMMED + 2] = open.tally.probes;
        sums
    }

    /// Returns the sums from which an open window that was no alert is judged again.
    fn thresholds(&self, case: &Case<'_>) -> EarlySums {
        let sums = self.early_sums(case.slot, case.minute, case.open);
        let mut next = case.open.next;
        let alpha = self.alpha(case);
        for (at, signal) in EARLY.into_iter().enumerate() {
            if sums[at] < next[at] {
                continue;
            }
            let again = ((sums[at] as f64 * JUDGE_AGAIN).ceil() as u64).saturating_add(1);
            next[at] = again;
            let Some(observed) = ((signal as usize) < COUNTS)
                .then(|| self.state.observed(case, signal))
                .flatten()
            else {
                continue;
            };
            let prior = self.state.pool.tail(case.prediction.class, signal);
            let episodes_of = |rarity| {
                self.state
                    .calibration
                    .episodes_per_day(case.slot, signal, rarity, prior)
            };
            let expected = case.prediction.count(signal);
            let alone = invert(
                expected,
                signal,
                observed,
                &episodes_of,
                alpha * signal.share() * OVERLAP / EARLY_MARGIN,
            );
            let unit = case.prediction.unit(signal.channel());
            next[at] = again
                .min((alone * unit).ceil() as u64)
                .max(sums[at].saturating_add(1));
        }
        next
    }
}

/// Returns the sums below which nothing can be worth judging.
fn first_thresholds(prediction: &Prediction) -> EarlySums {
    let (mean, sd, _) = prediction.dearest;
    EARLY.map(|signal| match signal {
        Signal::Strange10m => 3,
        Signal::Probing => 5,
        Signal::SingleRequest => {
            let dearest = f64::from(mean + 3.0 * sd.max(0.3)).exp();
            dearest.min(1e18) as u64 + 1
        }
        signal => {
            let ordinary = prediction.count(signal).ordinary();
            let sum = (ordinary * prediction.unit(signal.channel())).ceil();
            sum.min(1e18) as u64 + 1
        }
    })
}
