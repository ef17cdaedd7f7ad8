//! What happens when a bucket is closed: every key that was used in it is judged once more, by
//! everything that is known of it, and what it has shown is learned.

use std::collections::BTreeMap;

use model::{Entity, Timestamp};

use crate::baseline::{Lesson, Prediction};
use crate::clock::{
    BUCKET_MILLIS, BUCKETS_A_DAY, BUCKETS_AN_HOUR, MINUTES_A_BUCKET, day_of, ends_hour, hour_of,
};
use crate::detector::{ALLOWED_LATENESS_MILLIS, Findings, PartitionDetector, ScoresWanted};
use crate::directory::KeyDirectory;
use crate::episode::{CALM_BUCKETS, CALM_FACTOR, Episode, SAME_EPISODE_BUCKETS};
use crate::finding::{Finding, Round, joint};
use crate::judging::Case;
use crate::lessons::TallyLesson;
use crate::open::{Bucket, OpenWindow};
use crate::pool::GOVERNED_AT;
use crate::population::Happening;
use crate::signal::{Family, Signal};
use crate::state::{NEWBORN_BUCKETS, Newborn};
use crate::theft::{BLOCK_BUCKETS, BLOCK_HOURS, block_of};
use crate::windows::Channel;

/// How an open alarm slows learning, and how gathering evidence of slow theft does.
const ALARM_WEIGHT: f32 = 0.1;
const SUSPECT_TRUST: f32 = 0.25;
const SUSPECT_EVIDENCE: f64 = 3.0;
/// How long after its last use a key's empty buckets still teach how it scatters: two hours. A
/// longer silence says nothing of that.
const SILENT_BUCKETS: i64 = 2 * BUCKETS_AN_HOUR;
/// How much further beyond the budget an open window must be than a closed one: what is closed
/// meanwhile may still change a little how seldom it is.
pub(crate) const EARLY_MARGIN: f64 = 3.0;
/// What a vendor's notice does to the budget of the keys it stored.
const NOTICE_FACTOR: f64 = 3.0;
/// For how many buckets what a voice said counts beside what others say: an hour.
const VOICE_BUCKETS: i64 = BUCKETS_AN_HOUR;
/// Buckets without any usage that are told to the sources one by one.
const LONGEST_PAUSE: i64 = 7 * BUCKETS_A_DAY;

/// What a round of judging comes to.
pub(crate) struct Verdict {
    pub(crate) round: Round,
    /// The rate of false alerts, by key-day, at which this begins to be an alert.
    pub(crate) alert_rate: f64,
    pub(crate) alpha: f64,
    pub(crate) is_alert: bool,
}

impl Verdict {
    /// Returns the chance by key-day of what the voices say, alone or together.
    pub(crate) fn chance(&self) -> f64 {
        let said = || self.round.chances.iter().flatten().copied();
        let alone = said().fold(1.0, f64::min) * said().count() as f64;
        alone.min((-joint(&self.round.chances)).exp()).min(1.0)
    }

    /// Returns the finding that is told.
    pub(crate) fn worst(&self) -> Option<&Finding> {
        let worst = self.round.worst()?;
        if worst.signal == Some(Signal::Joint) {
            return self.round.speaker().or(Some(worst));
        }
        Some(worst)
    }
}

/// Returns the event time at which a bucket is closed.
fn closed_at(bucket: i64) -> Timestamp {
    Timestamp::from_millis((bucket + 1) * BUCKET_MILLIS + ALLOWED_LATENESS_MILLIS)
}

impl PartitionDetector {
    /// Returns the accepted false alerts by key-day for a key: the budget, as the governor
    /// holds it for keys like this one.
    pub(crate) fn alpha(&self, case: &Case<'_>) -> f64 {
        let governed = self.config.alpha() * self.state.pool.factor(case.prediction.class);
        if case.prediction.announced.notice {
            NOTICE_FACTOR * governed
        } else {
            governed
        }
    }

    /// Judges a case by every signal, and by all voices together.
    pub(crate) fn weigh(&self, case: &Case<'_>) -> Verdict {
        let mut round = self.state.judge(case);
        let mut chances = round.chances;
        if let Some(recent) = self.state.recent.get(&(case.slot as u32)) {
            for (chance, (said, bucket)) in chances.iter_mut().zip(recent) {
                if case.bucket - i64::from(*bucket) < VOICE_BUCKETS {
                    let known = chance.get_or_insert(1.0);
                    *known = known.min(f64::from(*said));
                }
            }
        }
        // What was said of late speaks beside what is said now, never for itself.
        let nominal = match round.findings.is_empty() {
            true => 0.0,
            false => joint(&chances),
        };
        if nominal > Signal::Joint.threshold() {
            let rarity = crate::calibration::Rarity {
                nominal,
                size: nominal.ln(),
            };
            let prior = self.state.pool.tail(case.prediction.class, Signal::Joint);
            let episodes =
                self.state
                    .calibration
                    .episodes_per_day(case.slot, Signal::Joint, rarity, prior);
            round.findings.push(Finding {
                family: Family::Volume,
                signal: Some(Signal::Joint),
                metric: model::Metric::Requests,
                window: Signal::Joint.scale().window(case.bucket, case.minute),
                observed: 0.0,
                expected: 0.0,
                low: 0.0,
                high: 0.0,
                neg_ln_p: nominal,
                size: nominal.ln(),
                episodes_per_day: episodes,
                share: Signal::Joint.share(),
                note: None,
            });
        }
        let alert_rate = round.worst().map_or(f64::INFINITY, Finding::alert_rate);
        let alpha = self.alpha(case);
        let asked = if case.early {
            alpha / EARLY_MARGIN
        } else {
            alpha
        };
        Verdict {
            round,
            alert_rate,
            alpha,
            is_alert: alert_rate < asked,
        }
    }

    pub(crate) fn close_until(&mut self, open_from: i64, findings: &mut dyn Findings) {
        while self.open_from < open_from {
            let bucket = self.open_from;
            let next = self.open.first_bucket().unwrap_or(open_from);
            let is_quiet = next > bucket
                && self.episodes.values().all(|episode| episode.ended)
                && self.notices.is_empty();
            if is_quiet && next.min(open_from) - bucket > LONGEST_PAUSE {
                // A pause of the whole stream: nobody was silent, nothing was delivered.
                self.open_from = next.min(open_from) - LONGEST_PAUSE;
                continue;
            }
            self.close_bucket(bucket, findings);
            self.open_from = bucket + 1;
        }
    }

    /// Judges the keys of a closed bucket, in the order in which they were first seen. What they
    /// add to what keys have in common are whole numbers, so that this order does not show in it.
    fn close_bucket(&mut self, bucket: i64, findings: &mut dyn Findings) {
        let closing = self.open.take(bucket);
        let mut slots: Vec<usize> = closing.used().collect();
        self.close_sources(bucket, &slots);
        self.close_floods(bucket, findings);
        let open_alarms = self.episodes.iter().filter(|(_, episode)| !episode.ended);
        slots.extend(open_alarms.map(|(slot, _)| *slot));
        let noticed = self.notices.iter();
        slots.extend(
            noticed
                .filter(|(_, notice)| notice.first_bucket <= bucket)
                .map(|(slot, _)| *slot),
        );
        slots.sort_unstable();
        slots.dedup();
        let (directory, mut entity) = (self.directory.clone(), Entity::default());
        for slot in slots {
            self.state.keys.write_entity(slot, &mut entity);
            self.close_key((slot, bucket), &closing, (&entity, &directory), findings);
        }
        self.open.back(bucket, closing);
        if ends_hour(bucket) {
            self.close_hour(bucket);
        }
    }

    fn close_sources(&mut self, bucket: i64, slots: &[usize]) {
        let mut active: BTreeMap<&str, u32> = BTreeMap::new();
        // Made-up ids are not missing when they are silent.
        for &slot in slots
            .iter()
            .filter(|&&slot| !self.state.probation.is_on(slot))
        {
            *active.entry(self.state.keys.provider(slot)).or_default() += 1;
        }
        self.state.sources.close(bucket, &active);
    }

    /// Judges how many ids came that were never seen before.
    fn close_floods(&mut self, bucket: i64, findings: &mut dyn Findings) {
        for alert in self
            .state
            .floods
            .close(bucket, &self.config, closed_at(bucket))
        {
            findings.alert(alert);
        }
    }

    fn close_key(
        &mut self,
        (slot, bucket): (usize, i64),
        closing: &Bucket,
        (entity, directory): (&Entity, &KeyDirectory),
        findings: &mut dyn Findings,
    ) {
        let last_minute = (bucket + 1) * MINUTES_A_BUCKET - 1;
        let (silent, made);
        let open = match closing.get(slot) {
            Some(open) => open,
            None => {
                silent = OpenWindow::default();
                &silent
            }
        };
        // An alarm's key may have fallen silent.
        self.state.windows.advance(slot, bucket * MINUTES_A_BUCKET);
        let prediction = match &open.prediction {
            Some(prediction) => prediction,
            None => {
                made = self.predict(slot, bucket);
                &made
            }
        };
        self.count_blocks(slot, bucket, prediction);
        if open.is_used {
            self.note_birth(slot, bucket);
            self.end_probation(slot, bucket);
        }
        if !self.state.is_of_flood(slot) {
            self.state
                .calibration
                .pass(slot, bucket, prediction.class, &mut self.state.pool);
        }
        let case = Case {
            slot,
            bucket,
            minute: last_minute,
            early: false,
            open,
            prediction,
            entity,
            directory,
        };
        let strange = self.state.newness(&case).strange_bucket;
        self.state.windows.set_strange(slot, bucket, strange);
        let verdict = self.weigh(&case);
        match findings.wants_scores() {
            ScoresWanted::Nothing => {}
            ScoresWanted::Notable if verdict.round.findings.is_empty() => {}
            _ => self.score(&case, &verdict, findings),
        }
        self.note(&case, &verdict);
        self.raise(&case, &verdict);
        self.settle(&case, &verdict);
        self.accept(&case);
        let raised_at = closed_at(bucket);
        self.tell_if_changed(&case, raised_at, findings);
        self.sign(&case, &verdict, raised_at);
        if open.is_used {
            let suspect = self.state.thefts.evidence(slot) > SUSPECT_EVIDENCE;
            let lesson = open.lesson(bucket, if suspect { SUSPECT_TRUST } else { 1.0 });
            self.state.lessons.insert(slot, lesson);
            open.tally.teach(&mut self.state.known, slot, bucket);
            self.state.note_active(slot, bucket);
            self.note_newborn(slot, bucket);
        }
    }

    /// Notes exceedances, and what the voices have said, for what comes later.
    fn note(&mut self, case: &Case<'_>, verdict: &Verdict) {
        let (slot, bucket) = (case.slot, case.bucket);
        for finding in &verdict.round.findings {
            let Some(signal) = finding.signal else {
                let happening = match finding.family {
                    Family::Model => Happening::NewModel,
                    Family::Rule => Happening::BrokenRule,
                    _ => continue,
                };
                self.note_happening(slot, bucket, happening);
                continue;
            };
            let rarity = crate::calibration::Rarity {
                nominal: finding.neg_ln_p,
                size: finding.size,
            };
            self.state.calibration.note(slot, signal, bucket, rarity);
            // The finest window that the feed allows says how high the hour peaks.
            let finest = match case.prediction.grain {
                grain if grain > 10 => Signal::Requests1h,
                _ => Signal::Requests10m,
            };
            if signal == finest && finding.observed > 3.0 * finding.expected {
                let an_hour = finding.observed * 60.0 / finest.scale().minutes() as f64;
                let ratio = an_hour / case.prediction.level().max(1e-3);
                self.state.peaks.learn(slot, hour_of(bucket), ratio as f32);
            }
        }
        if verdict
            .round
            .chances
            .iter()
            .flatten()
            .any(|&chance| chance < 0.3)
        {
            let recent = self
                .state
                .recent
                .entry(slot as u32)
                .or_insert([(1.0, i32::MIN / 2); crate::finding::VOICES]);
            for ((said, when), chance) in recent.iter_mut().zip(verdict.round.chances) {
                let Some(chance) = chance else { continue };
                let is_old = bucket - i64::from(*when) >= VOICE_BUCKETS;
                if chance < 0.3 && (is_old || chance <= f64::from(*said)) {
                    (*said, *when) = (chance as f32, bucket as i32);
                }
            }
        }
        if verdict.alert_rate < GOVERNED_AT * self.config.alpha() && !self.state.is_of_flood(slot) {
            let last = self.governed.insert(slot, bucket);
            if last.is_none_or(|last| bucket - last > BUCKETS_A_DAY) {
                self.state.pool.add_governed(case.prediction.class);
            }
        }
    }

    /// Counts a happening once a day and key.
    fn note_happening(&mut self, slot: usize, bucket: i64, happening: Happening) {
        let day = day_of(bucket);
        let last = self.happened.insert((slot, happening), day);
        if last.is_none_or(|last| last < day) {
            self.state.population.add(happening);
        }
    }

    fn note_newborn(&mut self, slot: usize, bucket: i64) {
        let requests = self
            .state
            .windows
            .hour_ending(slot, Channel::Requests, bucket);
        let nanos = self.state.windows.hour_ending(slot, Channel::Cost, bucket);
        if let Some(newborn) = self.state.newborns.get_mut(&(slot as u32)) {
            newborn.busiest_requests = newborn.busiest_requests.max(requests);
            newborn.busiest_nanos = newborn.busiest_nanos.max(nanos);
        }
    }

    /// Counts a birth, with the key's first bucket that is closed; one of a flood counts for
    /// nothing.
    fn note_birth(&mut self, slot: usize, bucket: i64) {
        let is_first = |newborn: &Newborn| newborn.is_birth && !newborn.is_counted;
        if !self
            .state
            .newborns
            .get(&(slot as u32))
            .is_some_and(is_first)
        {
            return;
        }
        let entity = self.state.keys.entity(slot);
        let account = self
            .state
            .account_of_new(&entity.provider, &entity.account, bucket);
        let is_of_flood =
            self.state.probation.is_on(slot) && self.state.floods.is_flood(&account, bucket);
        if let Some(newborn) = self.state.newborns.get_mut(&(slot as u32)) {
            (newborn.is_counted, newborn.is_of_flood) = (true, is_of_flood);
        }
        if !is_of_flood {
            self.state.population.add(Happening::Birth);
        }
    }

    /// Opens the key's alarm, or takes one more bucket into it.
    fn raise(&mut self, case: &Case<'_>, verdict: &Verdict) {
        let (slot, bucket) = (case.slot, case.bucket);
        let is_due = self
            .notices
            .get(&slot)
            .is_some_and(|notice| notice.first_bucket <= bucket);
        let notice = if is_due {
            self.notices.remove(&slot)
        } else {
            None
        };
        let found = match (verdict.is_alert, verdict.worst()) {
            (true, Some(worst)) => Some((worst.clone(), verdict.alert_rate)),
            _ => None,
        };
        // What was noticed early is an alert, also in the rare case that it looks a little more
        // ordinary once its bucket is closed.
        let found = found.or(notice
            .as_ref()
            .map(|notice| (notice.worst.clone(), notice.alert_rate)));
        let found = found.filter(|_| notice.is_some() || self.can_alert(slot));
        if let Some((worst, alert_rate)) = found {
            if notice.is_none() {
                self.state.probation.keep(slot, bucket);
            }
            match self.episodes.get_mut(&slot) {
                Some(episode) if episode.goes_on(bucket) => {
                    episode.exceed(bucket, &worst, alert_rate);
                }
                _ => {
                    let mut episode = Episode::open(bucket, worst, alert_rate);
                    if let Some(notice) = notice {
                        episode.revision = notice.revision;
                        episode.told = notice.told;
                        episode.fired = notice.fired;
                    }
                    self.episodes.insert(slot, episode);
                }
            }
            self.state.calibration.note_alarm(slot);
        }
        if let Some(episode) = self.episodes.get_mut(&slot)
            && !episode.ended
        {
            episode.note(&verdict.round);
        }
    }

    /// Books the closed bucket on the key's episode, and ends it after an hour of calm.
    fn settle(&mut self, case: &Case<'_>, verdict: &Verdict) {
        let (excess, excess_requests) = self.excess(case);
        let bucket = case.bucket;
        let Some(episode) = self.episodes.get_mut(&case.slot) else {
            return;
        };
        if episode.ended {
            return;
        }
        episode.close_bucket(excess, excess_requests);
        episode.book_values(&case.open.tally, &self.state.known, case.slot);
        if verdict.alert_rate < CALM_FACTOR * verdict.alpha {
            episode.last_unrest = episode.last_unrest.max(bucket);
        }
        if bucket - episode.last_unrest >= CALM_BUCKETS {
            episode.end(bucket);
        }
    }

    /// Cumulates the evidence of slow theft over the blocks that have ended.
    fn count_blocks(&mut self, slot: usize, bucket: i64, prediction: &Prediction) {
        let (block, counted) = (block_of(bucket), self.state.thefts.counted(slot));
        if block - counted > 3 {
            // The ring of hours does not hold them; a long pause says nothing of a level.
            self.state.thefts.skip_to(slot, block - 1);
            return;
        }
        for ended in counted + 1..block {
            let last = (ended + 1) * BLOCK_BUCKETS - 1;
            let is_young = self.state.baseline.age_buckets(slot, last) < 7 * BUCKETS_A_DAY;
            let provider = self.state.keys.provider(slot);
            let has_gap = (last + 1 - BLOCK_BUCKETS..=last)
                .any(|bucket| self.state.sources.is_gap(provider, bucket));
            if is_young || has_gap {
                self.state.thefts.skip_to(slot, ended);
                continue;
            }
            let count: u64 = (ended * BLOCK_HOURS..(ended + 1) * BLOCK_HOURS)
                .map(|hour| self.state.windows.hour(slot, Channel::Requests, hour))
                .sum();
            let mean: f64 = (ended * BLOCK_HOURS..(ended + 1) * BLOCK_HOURS)
                .map(|hour| prediction.expected_hour(Channel::Requests, hour))
                .sum();
            let dispersion = prediction.count(Signal::Requests6h).dispersion;
            self.state
                .thefts
                .count(slot, ended, count as f64, mean, f64::from(dispersion));
        }
    }

    /// Learns the closed buckets of a key before `until`.
    pub(crate) fn learn_until(&mut self, slot: usize, until: i64) {
        let mut bucket = self.state.baseline.learned(slot) + 1;
        while bucket < until {
            let lesson = self.state.lessons.remove(slot, bucket);
            let provider = self.state.keys.provider(slot);
            let sources = &self.state.sources;
            let is_near = self
                .state
                .baseline
                .was_used_before(slot, bucket, SILENT_BUCKETS);
            if lesson.is_some() || (is_near && !sources.is_gap(provider, bucket)) {
                self.learn_bucket(slot, bucket, lesson);
                bucket += 1;
                continue;
            }
            let near_end = if is_near { bucket + 1 } else { until };
            let next = self.state.lessons.next(slot, bucket, near_end);
            let next = next.unwrap_or(near_end);
            let is_gap = |bucket| sources.is_gap(provider, bucket);
            self.state.baseline.learn_silence(slot, next, &is_gap);
            bucket = next;
        }
    }

    fn learn_bucket(&mut self, slot: usize, bucket: i64, lesson: Option<TallyLesson>) {
        let is_quarantined = self
            .episodes
            .get(&slot)
            .is_some_and(|episode| episode.quarantines(bucket));
        let weight = if is_quarantined { ALARM_WEIGHT } else { 1.0 };
        let mut trust = 1.0;
        if let Some(lesson) = lesson {
            self.state
                .baseline
                .learn_tally(slot, bucket, &lesson, weight);
            trust = lesson.trust;
        }
        let lesson = Lesson {
            bucket,
            weight,
            trust,
        };
        self.state
            .baseline
            .learn(slot, &lesson, &self.state.windows);
    }

    /// What an hour of event time brings for all keys: births are over, days begin.
    fn close_hour(&mut self, bucket: i64) {
        self.state.sweep(bucket);
        // A day's lessons come into force an hour after its beginning: an open bucket and a
        // closed one are judged by the same.
        if hour_of(bucket).rem_euclid(24) != 0 {
            return;
        }
        let day = day_of(bucket);
        let grown: Vec<u32> = self
            .state
            .newborns
            .iter()
            .filter(|(_, newborn)| bucket - newborn.bucket >= NEWBORN_BUCKETS)
            .map(|(slot, _)| *slot)
            .collect();
        for slot in grown {
            let was_alarmed = self.episodes.contains_key(&(slot as usize));
            let Some(newborn) = self.state.newborns.remove(&slot) else {
                continue;
            };
            if newborn.is_of_flood {
                self.give_back_of_flood(slot as usize);
                continue;
            }
            if !newborn.is_birth {
                self.doubt(slot as usize);
            }
            if !was_alarmed {
                let dollars = newborn.busiest_nanos as f64 / model::Nanos::USD as f64;
                self.state
                    .population
                    .add_busiest(newborn.busiest_requests, dollars);
            }
        }
        self.give_back(bucket);
        let known = self.state.probation.known() + self.state.stubs.len();
        self.state.population.add_days(known as i64);
        self.state.population.begin_day(day);
        self.state.pool.begin_day(day, self.config.alpha());
        self.governed
            .retain(|_, last| bucket - *last <= BUCKETS_A_DAY);
        self.happened.retain(|_, last| *last >= day - 1);
        self.episodes.retain(|_, episode| {
            !episode.ended || bucket - episode.last_exceedance <= 2 * SAME_EPISODE_BUCKETS
        });
    }
}
