//! The detector of one partition: rows in, alerts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use columns::arrow::array::Array;
use columns::{UsageBatch, decimal_cost};
use model::{
    Alert, Anomaly, CountField, Entity, FlagField, Metric, Nanos, SeriesPoint, TextField, Timestamp,
};

use crate::baseline::{Baseline, Lesson};
use crate::calibration::Calibration;
use crate::config::DetectorConfig;
use crate::directory::KeyDirectory;
use crate::episode::{
    CALM_BUCKETS, CALM_FACTOR, Episode, SAME_EPISODE_BUCKETS, Told, Worst, score,
};
use crate::explain::{Telling, tell};
use crate::judge::{Verdict, band, judge, worth_judging};
use crate::keys::KeyTable;
use crate::round::{Round, share_of_test};
use crate::traits::{DIMENSIONS, Traits, network_of};
use crate::windows::{
    BUCKET_MILLIS, BUCKETS, BUCKETS_AN_HOUR, METRICS, NOVELTY, SCALES, Scale, Windows, bucket_of,
};

/// How late a row may be and still find its window open.
const ALLOWED_LATENESS_MILLIS: i64 = 2 * Timestamp::MINUTE;
/// How late a row may be and still enter the rings.
const RING_LATENESS_MILLIS: i64 = Timestamp::HOUR;

/// Age in buckets from which a scale is judged: before, the key's own usage says too little.
const JUDGED_FROM: [i64; SCALES] = [2 * 144, 2 * 144, 4 * 144, 7 * 144];

/// How an open alarm slows learning.
const ALARM_WEIGHT: f32 = 0.1;

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
    config: DetectorConfig,
    directory: Arc<KeyDirectory>,
    keys: KeyTable,
    windows: Windows,
    baseline: Baseline,
    calibration: Calibration,
    traits: Traits,
    /// The newest hint and project of each key, for people.
    labels: Vec<[Option<Box<str>>; 2]>,
    /// Keys seen in each open bucket.
    active: BTreeMap<i64, Vec<usize>>,
    episodes: BTreeMap<usize, Episode>,
    newest: Option<Timestamp>,
    /// Buckets before this one are closed.
    open_from: i64,
    too_late: u64,
    without_key: u64,
    scratch: String,
}

/// One row's part in the windows.
struct Usage {
    slot: usize,
    bucket: i64,
    values: [u64; METRICS],
}

impl PartitionDetector {
    /// Makes a detector that knows nothing yet.
    pub fn new(config: DetectorConfig, directory: Arc<KeyDirectory>) -> Self {
        Self {
            config,
            directory,
            keys: KeyTable::default(),
            windows: Windows::new(),
            baseline: Baseline::new(),
            calibration: Calibration::new(),
            traits: Traits::default(),
            labels: Vec::new(),
            active: BTreeMap::new(),
            episodes: BTreeMap::new(),
            newest: None,
            open_from: i64::MIN,
            too_late: 0,
            without_key: 0,
            scratch: String::new(),
        }
    }

    /// Takes another inventory; alerts made from now on show it.
    pub fn set_directory(&mut self, directory: Arc<KeyDirectory>) {
        self.directory = directory;
    }

    /// Returns how it is doing.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            keys: self.keys.len(),
            state_bytes: self.windows.bytes()
                + self.baseline.bytes()
                + self.calibration.bytes()
                + self.traits.bytes(),
            too_late: self.too_late,
            without_key: self.without_key,
            watermark: self
                .newest
                .map(|newest| newest.plus(-ALLOWED_LATENESS_MILLIS)),
        }
    }

    /// Takes rows in the order in which they arrived.
    pub fn observe(&mut self, usage_batch: &UsageBatch, findings: &mut dyn Findings) {
        for row in 0..usage_batch.rows() {
            let end = usage_batch.span_end(row).map(Timestamp::millis);
            let spanned = end.is_some() || usage_batch.span_start(row).is_some();
            let moment = end.unwrap_or(usage_batch.event_time(row).millis());
            self.advance(Timestamp::from_millis(moment), findings);
            let requests = cell(usage_batch, CountField::Requests, row);
            // A roll-up ends with its time; the window is the one before that moment.
            let inside = if spanned || requests > 1 {
                moment - 1
            } else {
                moment
            };
            if let Some(usage) = self.place(usage_batch, row, inside) {
                self.add(usage_batch, row, &usage, findings);
            }
        }
    }

    /// Judges what is still open as if its time had come, at the end of a file.
    pub fn finish(&mut self, findings: &mut dyn Findings) {
        let Some(newest) = self.newest else { return };
        // An hour until the last hourly window is past, an hour of calm, and the lateness.
        let beyond = (BUCKETS_AN_HOUR + CALM_BUCKETS + 2) * BUCKET_MILLIS;
        self.close_until(bucket_of(newest.millis() + beyond), findings);
    }

    /// Moves time on: closes every window whose end the watermark has passed.
    fn advance(&mut self, time: Timestamp, findings: &mut dyn Findings) {
        if self.newest.is_some_and(|newest| newest >= time) {
            return;
        }
        self.newest = Some(time);
        let open_from = bucket_of(time.millis() - ALLOWED_LATENESS_MILLIS);
        if self.open_from == i64::MIN {
            self.open_from = open_from;
        }
        self.close_until(open_from, findings);
    }

    /// Finds a row's key and bucket, or says why it has none.
    fn place(&mut self, usage_batch: &UsageBatch, row: usize, inside: i64) -> Option<Usage> {
        let key = text(usage_batch, TextField::Key, row);
        let aggregate = usage_batch.flag(FlagField::Aggregate);
        let kind = text(usage_batch, TextField::Kind, row).unwrap_or("usage");
        let over_many = !aggregate.is_null(row) && aggregate.value(row);
        let (Some(key), false, "usage" | "access") = (key, over_many, kind) else {
            self.without_key += 1;
            return None;
        };
        let newest = self.newest.map_or(inside, Timestamp::millis);
        if inside < newest - RING_LATENESS_MILLIS {
            self.too_late += 1;
            return None;
        }
        let bucket = bucket_of(inside);
        let provider = text(usage_batch, TextField::Provider, row).unwrap_or_default();
        let account = text(usage_batch, TextField::Account, row).unwrap_or_default();
        let (slot, new) = self.keys.slot(provider, account, key);
        if new {
            self.windows.grow(bucket);
            self.baseline.grow(bucket);
            self.calibration.grow(bucket);
            self.traits.grow();
            self.labels.push([None, None]);
        }
        let tokens = cell(usage_batch, CountField::InputTokens, row).saturating_add(cell(
            usage_batch,
            CountField::OutputTokens,
            row,
        ));
        let costs = usage_batch.costs();
        let cost = if costs.is_null(row) {
            0
        } else {
            decimal_cost(costs.value(row)).get().max(0)
        };
        let requests = cell(usage_batch, CountField::Requests, row);
        let unfamiliar = match self.network(usage_batch, row, slot, bucket) {
            true => requests,
            false => 0,
        };
        let values = [requests, tokens, cost.unsigned_abs(), unfamiliar];
        Some(Usage {
            slot,
            bucket,
            values,
        })
    }

    fn add(
        &mut self,
        usage_batch: &UsageBatch,
        row: usize,
        usage: &Usage,
        findings: &mut dyn Findings,
    ) {
        let Usage {
            slot,
            bucket,
            values,
        } = *usage;
        let head = self.windows.head(slot);
        if bucket > head {
            if bucket - head >= BUCKETS - 3 {
                // The ring would forget them; all of them are closed and judged.
                self.learn_until(slot, head + 1);
            }
            self.windows.advance(slot, bucket);
        }
        if !self.windows.add(slot, bucket, values) {
            self.too_late += 1;
            return;
        }
        for (dimension, field) in DIMENSIONS.into_iter().enumerate() {
            if let Some(value) = text(usage_batch, field, row) {
                self.traits.note(slot, dimension, value, bucket, values[0]);
            }
        }
        self.label(usage_batch, row, slot);
        if bucket >= self.open_from {
            let active = self.active.entry(bucket).or_default();
            if active.last() != Some(&slot) {
                active.push(slot);
            }
        }
        // Early judging waits until the bucket before is closed: an alert's identity is its
        // episode's first window, and must not depend on which of two neighbours fired first.
        let alarm = self
            .episodes
            .get(&slot)
            .is_some_and(|episode| !episode.ended);
        if bucket == self.open_from && !alarm {
            self.judge_open(slot, bucket, findings);
        }
    }

    /// Notes the network a row came from and returns whether it is new to the key.
    fn network(&mut self, usage_batch: &UsageBatch, row: usize, slot: usize, bucket: i64) -> bool {
        let age = self.baseline.age_buckets(slot, bucket);
        match (
            text(usage_batch, TextField::SourceIpPrefix, row),
            text(usage_batch, TextField::SourceIp, row),
        ) {
            (Some(prefix), _) => self.traits.note_network(slot, prefix, bucket, age),
            (None, Some(address)) => {
                network_of(address, &mut self.scratch);
                self.traits.note_network(slot, &self.scratch, bucket, age)
            }
            (None, None) => false,
        }
    }

    fn label(&mut self, usage_batch: &UsageBatch, row: usize, slot: usize) {
        for (at, field) in [TextField::KeyHint, TextField::Project]
            .into_iter()
            .enumerate()
        {
            if let Some(value) = text(usage_batch, field, row)
                && self.labels[slot][at].as_deref() != Some(value)
            {
                self.labels[slot][at] = Some(value.into());
            }
        }
    }

    /// Learns the closed buckets of a key before `until`.
    fn learn_until(&mut self, slot: usize, until: i64) {
        let head = self.windows.head(slot);
        for bucket in self.baseline.learned(slot) + 1..until.min(head + 1) {
            let mut sums = [[0; SCALES]; METRICS];
            for (metric, sums) in sums.iter_mut().enumerate() {
                for scale in Scale::ALL {
                    sums[scale as usize] = self.windows.sum(slot, metric, scale, bucket);
                }
            }
            let alarm = self
                .episodes
                .get(&slot)
                .is_some_and(|episode| episode.active_in(bucket));
            let weight = if alarm { ALARM_WEIGHT } else { 1.0 };
            self.baseline.learn(
                slot,
                &Lesson {
                    bucket,
                    sums,
                    weight,
                },
            );
        }
        if until > head + 1 {
            self.baseline.learn_silence(slot, until);
        }
    }

    /// Learns what is closed two buckets back and predicts a bucket, once all before it are
    /// closed: the prediction is the same whoever asks first.
    fn prepare(&mut self, slot: usize, bucket: i64) {
        if self.baseline.prediction(slot, 0, bucket).is_none() {
            self.learn_until(slot, bucket - 1);
            self.baseline.predict(slot, bucket);
        }
    }

    /// Judges the open window of a key by what it holds so far: a count can only grow.
    fn judge_open(&mut self, slot: usize, bucket: i64, findings: &mut dyn Findings) {
        self.prepare(slot, bucket);
        let mut round = Round::default();
        for metric in 0..METRICS {
            for scale in Scale::EARLY {
                if let Some((found, _)) = self.judge_window(slot, metric, scale, bucket, true) {
                    round.add(found);
                }
            }
        }
        if let Some((worst, unfamiliar)) = round.beyond(self.config.alpha()) {
            self.exceed(slot, worst, unfamiliar);
            let raised_at = self.newest.unwrap_or_default();
            self.tell_if_changed(slot, bucket, raised_at, false, findings);
        }
    }

    /// Judges one window; `early` skips those that are not worth the time.
    fn judge_window(
        &self,
        slot: usize,
        metric: usize,
        scale: Scale,
        bucket: i64,
        early: bool,
    ) -> Option<(Worst, Verdict)> {
        if self.baseline.age_buckets(slot, bucket) < JUDGED_FROM[scale as usize] {
            return None;
        }
        let prediction = self.baseline.prediction(slot, metric, bucket)?;
        let unit = f64::from(prediction.unit);
        let sum = self.windows.sum(slot, metric, scale, bucket) as f64;
        let observed = sum / unit;
        if sum == 0.0 || (early && !worth_judging(&prediction, scale, observed)) {
            return None;
        }
        let hour = self.windows.sum(slot, metric, Scale::Hour, bucket) as f64 / unit;
        if !Scale::EARLY.contains(&scale)
            && hour <= f64::from(prediction.slow[Scale::Hour as usize])
        {
            // What is long over must not raise or hold an alarm through a long window.
            return None;
        }
        let verdict = judge(&prediction, scale, observed);
        let episodes_per_day =
            self.calibration
                .episodes_per_day(slot, metric, scale, verdict.rarity, verdict.size);
        let (low, high) = band(
            verdict.expected,
            f64::from(prediction.dispersion[scale as usize]),
        );
        let natural = unit / scale_of(metric);
        let worst = Worst {
            metric,
            scale,
            bucket,
            observed: verdict.observed * natural,
            expected: verdict.expected * natural,
            low: low * natural,
            high: high * natural,
            rarity: verdict.rarity,
            episodes_per_day,
        };
        Some((worst, verdict))
    }

    fn exceed(&mut self, slot: usize, worst: Worst, unfamiliar: Option<Worst>) {
        match self.episodes.get_mut(&slot) {
            Some(episode) if worst.bucket - episode.last_exceedance <= SAME_EPISODE_BUCKETS => {
                episode.exceed(worst);
            }
            _ => {
                self.episodes.insert(slot, Episode::open(worst));
                self.traits.begin_episode(slot);
            }
        }
        if let (Some(unfamiliar), Some(episode)) = (unfamiliar, self.episodes.get_mut(&slot)) {
            episode.note_unfamiliar(unfamiliar);
        }
    }

    fn close_until(&mut self, open_from: i64, findings: &mut dyn Findings) {
        while self.open_from < open_from {
            let bucket = self.open_from;
            let has_work = self
                .active
                .first_key_value()
                .is_some_and(|(first, _)| *first <= bucket);
            let unrest = self.episodes.values().any(|episode| !episode.ended);
            if has_work || unrest {
                self.close_bucket(bucket, findings);
                self.open_from = bucket + 1;
            } else {
                // Nothing to close: go to the next bucket that has anything, or to the end.
                let next = self
                    .active
                    .first_key_value()
                    .map_or(open_from, |(first, _)| *first);
                self.open_from = next.clamp(bucket + 1, open_from);
            }
        }
    }

    /// Judges the keys of a closed bucket, in order of their names.
    fn close_bucket(&mut self, bucket: i64, findings: &mut dyn Findings) {
        let mut slots = self.active.remove(&bucket).unwrap_or_default();
        slots.extend(
            self.episodes
                .iter()
                .filter(|(_, e)| !e.ended)
                .map(|(slot, _)| *slot),
        );
        slots.sort_unstable_by(|&a, &b| self.keys.entity(a).cmp(self.keys.entity(b)));
        slots.dedup();
        let raised_at =
            Timestamp::from_millis((bucket + 1) * BUCKET_MILLIS + ALLOWED_LATENESS_MILLIS);
        for slot in slots {
            // An alarm's key may have fallen silent.
            self.windows.advance(slot, bucket);
            self.prepare(slot, bucket);
            self.calibration.pass(slot, bucket);
            let unrest = self.judge_closed(slot, bucket, findings);
            self.settle(slot, bucket, unrest);
            self.tell_if_changed(slot, bucket, raised_at, true, findings);
        }
    }

    /// Judges every window that ends with a closed bucket; returns whether any is not calm.
    fn judge_closed(&mut self, slot: usize, bucket: i64, findings: &mut dyn Findings) -> bool {
        let alpha = self.config.alpha();
        let mut round = Round::default();
        for metric in 0..METRICS {
            for scale in Scale::ALL {
                let Some((worst, verdict)) = self.judge_window(slot, metric, scale, bucket, false)
                else {
                    continue;
                };
                if findings.wants_scores() && metric != NOVELTY {
                    findings.score(self.anomaly(slot, &worst));
                }
                round.add(worst);
                self.calibration
                    .note(slot, metric, scale, bucket, verdict.rarity, verdict.size);
            }
        }
        if let Some((worst, unfamiliar)) = round.beyond(alpha) {
            self.exceed(slot, worst, unfamiliar);
        }
        round.beyond(CALM_FACTOR * alpha).is_some()
    }

    /// Books the closed bucket on the key's episode, and ends it after an hour of calm.
    fn settle(&mut self, slot: usize, bucket: i64, unrest: bool) {
        let (excess, excess_requests) = self.excess(slot, bucket);
        let Some(episode) = self.episodes.get_mut(&slot) else {
            return;
        };
        if episode.ended {
            return;
        }
        if bucket >= episode.first_bucket {
            episode.close_bucket(excess, excess_requests);
            self.traits.close_bucket(slot, bucket);
        }
        if unrest {
            episode.last_unrest = episode.last_unrest.max(bucket);
        }
        if bucket - episode.last_unrest >= CALM_BUCKETS {
            episode.end(bucket);
        }
    }

    /// Returns money and requests of a bucket above what was expected of it.
    fn excess(&self, slot: usize, bucket: i64) -> (Nanos, f64) {
        let above = |metric: usize| {
            let seen = self.windows.bucket(slot, metric, bucket) as f64;
            let expected = self
                .baseline
                .prediction(slot, metric, bucket)
                .map_or(0.0, |p| {
                    f64::from(p.slow[Scale::TenMinutes as usize]) * f64::from(p.unit)
                });
            (seen - expected).max(0.0)
        };
        (
            Nanos::new(above(Metric::Cost as usize) as i64),
            above(Metric::Requests as usize),
        )
    }

    /// Makes a revision of the key's alert if there is something new to tell.
    fn tell_if_changed(
        &mut self,
        slot: usize,
        bucket: i64,
        raised_at: Timestamp,
        closed: bool,
        findings: &mut dyn Findings,
    ) {
        let Some(episode) = self.episodes.get(&slot) else {
            return;
        };
        if episode.ended && episode.told.is_some_and(|told| told.ended) {
            return;
        }
        let (open_excess, open_requests) = if closed {
            (Nanos::default(), 0.0)
        } else {
            self.excess(slot, bucket)
        };
        let open_millis = if closed {
            0
        } else {
            raised_at.millis() - bucket * BUCKET_MILLIS
        };
        let alpha = share_of_test(self.config.alpha());
        let cost = episode.closed_excess + open_excess;
        let burn = episode.burn_usd_per_hour(open_excess, open_millis.clamp(0, BUCKET_MILLIS));
        let score = score(alpha, episode.worst.episodes_per_day);
        let severity = episode.severity(&self.config, score, cost, open_requests, burn);
        let now = Told {
            // An alert never calms down: what closed windows asked for once, it asks for until
            // it is handled. A first guess from an open window may still turn out too high.
            severity: severity.max(episode.closed_severity),
            cost,
            closed,
            ended: episode.ended,
        };
        if closed && let Some(episode) = self.episodes.get_mut(&slot) {
            episode.closed_severity = now.severity;
        }
        let Some(episode) = self.episodes.get(&slot) else {
            return;
        };
        let matters = match episode.told {
            None => true,
            Some(told) => {
                now.severity > told.severity
                    || now.ended != told.ended
                    || (now.closed && !told.closed)
                    || now.cost.get() > 2 * told.cost.get().max(Nanos::USD)
            }
        };
        if !matters {
            return;
        }
        let series = self.series(slot, episode.worst.metric, bucket);
        let entity = self.keys.entity(slot).clone();
        let contributors = self.traits.contributors(
            slot,
            episode.first_bucket,
            (!closed).then_some(bucket),
            self.baseline.age_buckets(slot, bucket),
        );
        let Some(episode) = self.episodes.get_mut(&slot) else {
            return;
        };
        extend_series(&mut episode.series, series);
        episode.revision += u32::from(episode.told.is_some());
        episode.told = Some(now);
        let [key_hint, project] = &self.labels[slot];
        findings.alert(tell(
            episode,
            Telling {
                entity: &entity,
                entry: self.directory.entry(&entity, raised_at),
                key_hint: key_hint.as_deref(),
                project: project.as_deref(),
                raised_at,
                alpha,
                severity: now.severity,
                cost,
                burn_usd_per_hour: burn,
                contributors,
            },
        ));
    }

    /// Returns the last day hour by hour, as far as the key is known.
    fn series(&self, slot: usize, metric: usize, bucket: i64) -> Vec<SeriesPoint> {
        let hour = bucket.div_euclid(BUCKETS_AN_HOUR);
        let age = self.baseline.age_buckets(slot, bucket) / BUCKETS_AN_HOUR;
        let prediction = self
            .baseline
            .prediction(slot, metric, bucket)
            .unwrap_or_default();
        let unit = f64::from(prediction.unit).max(1e-9);
        let dispersion = f64::from(prediction.dispersion[Scale::Hour as usize]);
        (hour - age.min(24)..=hour)
            .map(|hour| {
                let expected = self.baseline.expected_hour(slot, metric, hour);
                let (low, high) = band(expected / unit, dispersion);
                let start = Timestamp::from_millis(hour * Timestamp::HOUR);
                let seen = match hour == bucket.div_euclid(BUCKETS_AN_HOUR) {
                    true => self.windows.hour_so_far(slot, metric, bucket),
                    false => self.windows.hour(slot, metric, hour),
                };
                let natural = 1.0 / scale_of(metric);
                SeriesPoint {
                    start,
                    end: start.plus(Timestamp::HOUR),
                    observed: seen as f64 * natural,
                    expected: expected * natural,
                    low: low * unit * natural,
                    high: high * unit * natural,
                }
            })
            .collect()
    }

    fn anomaly(&self, slot: usize, worst: &Worst) -> Anomaly {
        let entity: &Entity = self.keys.entity(slot);
        Anomaly {
            entity: entity.clone(),
            metric: Metric::ALL[worst.metric],
            window: worst.scale.window(worst.bucket),
            judged_at: Timestamp::from_millis((worst.bucket + 1) * BUCKET_MILLIS),
            observed: worst.observed,
            expected: worst.expected,
            expected_low: worst.low,
            expected_high: worst.high,
            neg_log_p: worst.rarity,
            episodes_per_day: worst.episodes_per_day,
            score: score(share_of_test(self.config.alpha()), worst.episodes_per_day),
        }
    }
}

/// Keeps the hours told before and adds or replaces the newer ones; a week at most.
fn extend_series(told: &mut Vec<SeriesPoint>, newest: Vec<SeriesPoint>) {
    let Some(first) = newest.first().map(|point| point.start) else {
        return;
    };
    told.retain(|point| point.start < first);
    told.extend(newest);
    let surplus = told.len().saturating_sub(168);
    told.drain(..surplus);
}

/// Returns how many of the counted unit make one of the metric's own: nano-dollars a dollar.
fn scale_of(metric: usize) -> f64 {
    if metric == Metric::Cost as usize {
        Nanos::USD as f64
    } else {
        1.0
    }
}

fn text(usage_batch: &UsageBatch, field: TextField, row: usize) -> Option<&str> {
    let column = usage_batch.text(field);
    (!column.is_null(row)).then(|| column.value(row))
}

fn cell(usage_batch: &UsageBatch, field: CountField, row: usize) -> u64 {
    let column = usage_batch.count(field);
    if column.is_null(row) {
        0
    } else {
        column.value(row).max(0).unsigned_abs()
    }
}
