//! The detector of one partition: rows in, alerts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use columns::UsageBatch;
use model::{Alert, Anomaly, Timestamp};

use crate::baseline::Prediction;
use crate::campaign::Sign;
use crate::clock::{BUCKET_MILLIS, BUCKETS_AN_HOUR, bucket_of, hour_of, minute_of, start_of};
use crate::config::DetectorConfig;
use crate::directory::{Announced, KeyDirectory};
use crate::episode::{CALM_BUCKETS, Episode, SAME_EPISODE_BUCKETS};
use crate::judging::{Case, invert, judged_from};
use crate::known::Trait;
use crate::open::{EARLY, EarlySums, OpenWindow, OpenWindows};
use crate::population::Happening;
use crate::rows::Rows;
use crate::signal::{COUNTS, Scale, Signal};
use crate::state::State;
use crate::windows::Amounts;

/// How late a row may be and still find its window open.
pub(crate) const ALLOWED_LATENESS_MILLIS: i64 = 2 * Timestamp::MINUTE;
/// How late a row may be and still enter the rings.
const RING_LATENESS_MILLIS: i64 = Timestamp::HOUR;

/// From how far ahead of the newest row on a single row is not believed: two days.
const FAR_AHEAD_MILLIS: i64 = 2 * Timestamp::DAY;

/// By how much a count must grow before an open window that was no alert is judged again, at
/// the most: other evidence may have come meanwhile.
const JUDGE_AGAIN: f64 = 1.25;

/// Takes what the detector finds.
pub trait Findings {
    /// Takes a new alert, or a new revision of one.
    fn alert(&mut self, alert: Alert);

    /// Returns whether the score of every judged window is wanted.
    fn wants_scores(&self) -> bool {
        false
    }

    /// Takes the score of one judged window.
    fn score(&mut self, _anomaly: Anomaly) {}
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
    /// Rows that came too late for the rings.
    pub too_late: u64,
    /// Rows without a key, or over many keys: they feed no key's baseline.
    pub without_key: u64,
    /// Everything before it has been seen, lateness allowed for; `None` before the first row.
    pub watermark: Option<Timestamp>,
}

/// Windows, baselines and alarms of the keys of one partition.
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
    too_late: u64,
    without_key: u64,
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
        }
    }

    /// Takes another inventory; what is judged from now on follows it.
    pub fn set_directory(&mut self, directory: Arc<KeyDirectory>) {
        self.directory = directory;
    }

    /// Returns how it is doing.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            keys: self.state.keys.len(),
            state_bytes: self.state.bytes() + self.open.bytes(),
            too_late: self.too_late,
            without_key: self.without_key,
            watermark: self
                .newest
                .map(|newest| newest.plus(-ALLOWED_LATENESS_MILLIS)),
        }
    }

    /// Takes what keys have shown in the buckets closed since the last call.
    pub fn take_signs(&mut self) -> Vec<Sign> {
        std::mem::take(&mut self.signs)
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
            let (time, (start, end)) = (rows.time(row), rows.span(row));
            let moment = end.unwrap_or(time);
            if self.is_far_ahead(moment) {
                self.too_late += 1;
                continue;
            }
            self.advance(Timestamp::from_millis(moment), findings);
            let is_rolled = end.is_some() || start.is_some() || rows.requests(row) > 1;
            // A roll-up ends with its time; the window is the one before that moment.
            let inside = if is_rolled { moment - 1 } else { moment };
            if let Some(slot) = self.place(&rows, row, inside) {
                let usage = Usage {
                    slot,
                    inside,
                    amounts: rows.amounts(row),
                };
                let begin = start.or(end.map(|_| time));
                let span = begin.map(|begin| moment - begin).filter(|&span| span > 0);
                self.add(&rows, row, &usage, (moment, span), findings);
            }
        }
    }

    /// Judges what is still open as if its time had come, at the end of a file.
    pub fn finish(&mut self, findings: &mut dyn Findings) {
        let Some(newest) = self.newest else { return };
        // An hour until the last hourly window is past, an hour of calm, and the lateness.
        let beyond = (BUCKETS_AN_HOUR + CALM_BUCKETS + 2) * BUCKET_MILLIS;
        self.close_until(bucket_of(minute_of(newest.millis() + beyond)), findings);
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
        }
    }

    /// Finds a row's key, or counts why it has none.
    fn place(&mut self, rows: &Rows<'_>, row: usize, inside: i64) -> Option<usize> {
        let Some((provider, account, key)) = rows.names(row) else {
            self.without_key += 1;
            return None;
        };
        let newest = self.newest.map_or(inside, Timestamp::millis);
        if inside < newest - RING_LATENESS_MILLIS {
            self.too_late += 1;
            return None;
        }
        let (slot, is_new) = self.state.keys.slot(provider, account, key);
        if is_new {
            self.state.grow(slot, minute_of(inside), &self.directory);
            self.open.grow();
        }
        Some(slot)
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
        if bucket >= self.open_from {
            self.state.born_by(slot, bucket);
            self.prepare(slot, bucket);
        } else if bucket >= self.state.windows.head_bucket(slot) + 2 {
            // The rings would forget them; all of them are closed and judged.
            self.learn_until(slot, bucket - 1);
        }
        self.state.windows.advance(slot, minute);
        if !self.state.windows.add(slot, minute, amounts) {
            self.too_late += 1;
            return;
        }
        self.label(rows, row, slot);
        if bucket < self.open_from {
            return;
        }
        let call = rows.call(row, amounts);
        let open = self.open.window(slot, bucket);
        open.is_used = true;
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
        // Early judging waits until the hour before is closed: an alert's identity is its
        // episode's first hour, and must not depend on which of two neighbours fired first.
        if hour_of(bucket) == hour_of(self.open_from) && !self.is_told(slot, bucket) {
            self.judge_open(slot, minute, findings);
        }
    }

    /// Returns whether what a bucket shows belongs to an alarm that is known already.
    fn is_told(&self, slot: usize, bucket: i64) -> bool {
        self.notices.contains_key(&slot)
            || self.episodes.get(&slot).is_some_and(|episode| {
                !episode.ended || bucket - episode.last_exceedance <= SAME_EPISODE_BUCKETS
            })
    }

    fn label(&mut self, rows: &Rows<'_>, row: usize, slot: usize) {
        for (at, label) in rows.labels(row).into_iter().enumerate() {
            if let Some(label) = label {
                let labels = self.state.labels.entry(slot as u32).or_default();
                if labels[at].as_deref() != Some(label) {
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
        let (Some(prediction), true) = (&open.prediction, self.is_due(slot, minute, open)) else {
            return;
        };
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
        if verdict.is_alert {
            let notice = self.notice(&case, &verdict, findings);
            self.notices.extend(notice.map(|notice| (slot, notice)));
        } else {
            let next = self.thresholds(&case);
            self.open.window(slot, bucket).next = next;
        }
    }

    /// Returns whether any sum of an open window has reached what was inverted for it.
    fn is_due(&self, slot: usize, minute: i64, open: &OpenWindow) -> bool {
        let age = open
            .prediction
            .as_ref()
            .map_or(0, |prediction| prediction.age_buckets);
        if age < judged_from(Scale::Hour) && !open.is_special {
            // Nothing judges a key that young.
            return false;
        }
        let sums = self.early_sums(slot, minute, open);
        sums.iter().zip(&open.next).any(|(sum, next)| sum >= next)
    }

    /// Returns the sums that are judged early.
    fn early_sums(&self, slot: usize, minute: i64, open: &OpenWindow) -> EarlySums {
        let (windows, bucket) = (&self.state.windows, bucket_of(minute));
        EARLY.map(|signal| match signal {
            Signal::Requests1m => windows.minute(slot, minute),
            Signal::Requests10m => windows.ten_minutes(slot, minute),
            Signal::Tokens10m | Signal::Cost10m => windows.bucket(slot, signal.channel(), bucket),
            // Where a key is new, was dormant or breaks a rule, every request may matter.
            Signal::Strange10m if open.is_special => open.tally.requests,
            Signal::Strange10m => open.tally.novel,
            Signal::SingleRequest => open.tally.dearest_nanos,
            Signal::Probing => open.tally.probes,
            _ => windows.hour_ending(slot, signal.channel(), bucket),
        })
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
                alpha * signal.share(),
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
