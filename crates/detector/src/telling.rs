//! When a key's alert is told, and what of it: new revisions where something changes that
//! matters to a person.

use model::{Anomaly, Metric, Nanos, SeriesPoint, Timestamp};

use crate::campaign::Sign;
use crate::clock::{BUCKET_MILLIS, BUCKETS_AN_HOUR, hour_of, start_of};
use crate::closing::Verdict;
use crate::detector::{Findings, PartitionDetector, ScoresWanted};
use crate::episode::{Episode, Told, score};
use crate::explain::{Telling, tell};
use crate::finding::Finding;
use crate::judge::Expected;
use crate::judging::{Case, scale_of};
use crate::known::Trait;
use crate::signal::Signal;
use crate::windows::Channel;

/// The chance by key-day up to which what a key shows is worth a sign.
const SIGN_BELOW: f64 = 0.3;
/// Hours of the chart kept for each alert.
const SERIES_HOURS: usize = 168;

impl PartitionDetector {
    /// Tells early what an open window shows; returns what was told.
    pub(crate) fn notice(
        &self,
        case: &Case<'_>,
        verdict: &Verdict,
        findings: &mut dyn Findings,
    ) -> Option<Episode> {
        let worst = verdict.worst().cloned()?;
        let mut episode = Episode::open(case.bucket, worst, verdict.alert_rate);
        episode.note(&verdict.round);
        let raised_at = self.newest.unwrap_or_default();
        self.tell(case, &mut episode, raised_at, findings);
        Some(episode)
    }

    /// Notes what a key shows for those who look at many keys.
    pub(crate) fn sign(&mut self, case: &Case<'_>, verdict: &Verdict, raised_at: Timestamp) {
        let chance = verdict.chance();
        let (Some(worst), true) = (verdict.worst(), chance <= SIGN_BELOW) else {
            return;
        };
        let state = &self.state;
        let networks: Vec<u32> = case
            .open
            .tally
            .shares(Trait::Network)
            .iter()
            .filter(|share| state.is_news(case, Trait::Network, share))
            .map(|share| share.place_hash)
            .collect();
        let entry = self.directory.entry(case.entity, raised_at);
        if networks.is_empty() && entry.is_none_or(|entry| entry.vendors.is_empty()) {
            return;
        }
        let mut episode = Episode::open(case.bucket, worst.clone(), verdict.alert_rate);
        episode.note(&verdict.round);
        episode.book_values(&case.open.tally, &state.known, case.slot);
        let (excess, excess_requests) = self.excess(case);
        episode.close_bucket(excess, excess_requests);
        let mut told: Vec<model::Alert> = Vec::new();
        self.tell(case, &mut episode, raised_at, &mut told);
        let is_alert = self
            .episodes
            .get(&case.slot)
            .is_some_and(|episode| !episode.ended);
        self.signs.extend(told.pop().map(|alert| Sign {
            bucket: case.bucket,
            chance,
            networks,
            is_alert,
            alert: Box::new(alert),
        }));
    }

    /// Makes a revision of the key's alert if there is something new to tell.
    pub(crate) fn tell_if_changed(
        &mut self,
        case: &Case<'_>,
        raised_at: Timestamp,
        findings: &mut dyn Findings,
    ) {
        if let Some(mut episode) = self.episodes.remove(&case.slot) {
            self.tell(case, &mut episode, raised_at, findings);
            self.episodes.insert(case.slot, episode);
        }
    }

    fn tell(
        &self,
        case: &Case<'_>,
        episode: &mut Episode,
        raised_at: Timestamp,
        findings: &mut dyn Findings,
    ) {
        if episode.ended && episode.told.is_some_and(|told| told.ended) {
            return;
        }
        let closed = !case.early;
        let ((open_excess, open_requests), open_millis) = if closed {
            ((Nanos::default(), 0.0), 0)
        } else {
            let since = raised_at.millis() - start_of(case.bucket).millis();
            (self.excess(case), since.clamp(0, BUCKET_MILLIS))
        };
        let alpha = self.config.alpha();
        let cost = episode.closed_excess + open_excess;
        let burn = episode.burn_usd_per_hour(open_excess, open_millis);
        let severity = episode.severity(
            &self.config,
            score(alpha, episode.alert_rate),
            cost,
            open_requests,
            burn,
        );
        let now = Told {
            // An alert never calms down: what closed windows asked for once, it asks for until
            // it is handled. A first guess from an open window may still turn out too high.
            severity: severity.max(episode.closed_severity),
            cost,
            families: episode.families(),
            closed,
            ended: episode.ended,
        };
        if closed {
            episode.closed_severity = now.severity;
        }
        let matters = match episode.told {
            None => true,
            Some(told) => {
                now.severity > told.severity
                    || now.ended != told.ended
                    || (now.closed && !told.closed)
                    || now.families > told.families
                    || now.cost.get() > told.cost.get().max(Nanos::USD).saturating_mul(2)
            }
        };
        if !matters {
            return;
        }
        extend_series(&mut episode.series, self.series(case, episode.worst.metric));
        episode.revision += u32::from(episode.told.is_some());
        episode.told = Some(now);
        let open = case
            .early
            .then_some((&case.open.tally, &self.state.known, case.slot));
        let labels = self.state.labels.get(&(case.slot as u32));
        let label = |at: usize| labels.and_then(|labels| labels[at].as_deref());
        findings.alert(tell(
            episode,
            Telling {
                entity: case.entity,
                entry: self.directory.entry(case.entity, raised_at),
                key_hint: label(0),
                project: label(1),
                raised_at,
                alpha,
                severity: now.severity,
                cost,
                burn_usd_per_hour: burn,
                contributors: episode.contributors(open),
                class: case.prediction.class.words(),
            },
        ));
    }

    /// Returns money and requests of a bucket above what was expected of it.
    pub(crate) fn excess(&self, case: &Case<'_>) -> (Nanos, f64) {
        let above = |channel: Channel, signal: Signal| {
            let seen = self.state.windows.bucket(case.slot, channel, case.bucket) as f64;
            // A roll-up of an hour brings the usage of an hour at once.
            let deliveries = (case.prediction.grain as f64 / 10.0).max(1.0);
            let usual = case.prediction.count(signal).mean() * deliveries;
            let expected = usual * case.prediction.unit(channel);
            (seen - expected).max(0.0)
        };
        (
            Nanos::new(above(Channel::Cost, Signal::Cost10m) as i64),
            above(Channel::Requests, Signal::Requests10m),
        )
    }

    /// Returns the last day hour by hour, as far as the key is known.
    fn series(&self, case: &Case<'_>, metric: Metric) -> Vec<SeriesPoint> {
        let (channel, signal) = match metric {
            Metric::Cost => (Channel::Cost, Signal::Cost1h),
            // Tokens are kept for an hour; their chart is that of the requests.
            Metric::Requests | Metric::Tokens => (Channel::Requests, Signal::Requests1h),
        };
        let (slot, state) = (case.slot, &self.state);
        let hour = hour_of(case.bucket);
        let age = case.prediction.age_buckets / BUCKETS_AN_HOUR;
        let unit = case.prediction.unit(channel).max(1e-9);
        let spread = case.prediction.count(signal);
        let natural = 1.0 / scale_of(metric);
        (hour - age.min(24)..=hour)
            .map(|hour| {
                let expected = case.prediction.expected_hour(channel, hour);
                let (low, high) = Expected {
                    slow: (expected / unit) as f32,
                    ..*spread
                }
                .band();
                let seen = match hour == hour_of(case.bucket) {
                    true => state.windows.hour_so_far(slot, channel, case.bucket),
                    false => state.windows.hour(slot, channel, hour),
                };
                let start = Timestamp::from_millis(hour * Timestamp::HOUR);
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

    /// Writes the score of the judged windows of a count that are wanted.
    pub(crate) fn score(&self, case: &Case<'_>, verdict: &Verdict, findings: &mut dyn Findings) {
        for signal in Signal::counts() {
            let Some(observed) = self.state.observed(case, signal) else {
                continue;
            };
            let found = verdict
                .round
                .findings
                .iter()
                .find(|finding| finding.signal == Some(signal));
            let expected = case.prediction.count(signal);
            let natural = case.prediction.unit(signal.channel()) / scale_of(signal.metric());
            let (low, high) = expected.band();
            let neg_log_p = match found {
                Some(finding) => finding.neg_ln_p,
                None => crate::judge::judge(expected, signal, observed).nominal,
            };
            let alert_rate = found.map_or(1e3, Finding::alert_rate);
            let score = score(verdict.alpha, alert_rate);
            if score <= 0.0 && findings.wants_scores() == ScoresWanted::Notable {
                continue;
            }
            findings.score(Anomaly {
                entity: case.entity.clone(),
                metric: signal.metric(),
                window: signal.scale().window(case.bucket, case.minute),
                judged_at: start_of(case.bucket + 1),
                observed: observed * natural,
                expected: expected.mean() * natural,
                expected_low: low * natural,
                expected_high: high * natural,
                neg_log_p,
                episodes_per_day: found.map_or(1.0, |finding| finding.episodes_per_day),
                score,
            });
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
    let surplus = told.len().saturating_sub(SERIES_HOURS);
    told.drain(..surplus);
}
