//! What is usual for each key, for people: the baselines as they stand.

use model::{Entity, Metric, Timestamp};

use crate::clock::start_of;
use crate::detector::PartitionDetector;
use crate::directory::Announced;
use crate::signal::{Scale, Signal};
use crate::windows::Channel;

/// Nano-dollars of a dollar.
const NANOS: f64 = 1e9;

/// What one key is expected to do in the windows that go on, in one metric, announced changes
/// left aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Usual {
    /// The key.
    pub entity: Entity,
    /// What is counted; costs are in dollars.
    pub metric: Metric,
    /// How it bursts: what it is compared with.
    pub class: &'static str,
    /// The minutes that one delivery of its feed covers.
    pub feed_minutes: i64,
    /// When it was first seen, or known to exist.
    pub known_since: Timestamp,
    /// By its slow level and the profile of its week: ten minutes, an hour, a day. Tokens are not
    /// judged by day.
    pub expected: [Option<f64>; 3],
    /// An hour by the level of late, which follows within hours.
    pub recent_hour: f64,
    /// The most requests it has made in ten minutes and in an hour.
    pub highest: Option<[f64; 2]>,
    /// The event time of the windows.
    pub as_of: Timestamp,
}

impl PartitionDetector {
    /// Returns what is usual for the keys with a baseline, at most so many of them.
    pub fn usual(&self, keys: usize) -> Vec<Usual> {
        let slots = self.state.keys.slots().take(keys);
        slots.flat_map(|slot| self.usual_of(slot)).collect()
    }

    fn usual_of(&self, slot: usize) -> [Usual; 3] {
        let now = self.open_from().unwrap_or(0);
        let baseline = &self.state.baseline;
        let prediction = baseline.predict(slot, now, &self.state.peaks, Announced::default());
        Metric::ALL.map(|metric| {
            let (channel, signals, scale) = match metric {
                Metric::Requests => (
                    Channel::Requests,
                    [
                        Some(Signal::Requests10m),
                        Some(Signal::Requests1h),
                        Some(Signal::Requests24h),
                    ],
                    1.0,
                ),
                Metric::Tokens => (
                    Channel::Tokens,
                    [Some(Signal::Tokens10m), Some(Signal::Tokens1h), None],
                    1.0,
                ),
                Metric::Cost => (
                    Channel::Cost,
                    [
                        Some(Signal::Cost10m),
                        Some(Signal::Cost1h),
                        Some(Signal::Cost24h),
                    ],
                    NANOS,
                ),
            };
            // Levels count in requests: one is so much of the metric.
            let unit = prediction.unit(channel) / scale;
            let slow = |signal| f64::from(prediction.count(signal).slow) * unit;
            let fast = |signal| f64::from(prediction.count(signal).fast) * unit;
            Usual {
                entity: self.state.keys.entity(slot),
                metric,
                class: prediction.class.words(),
                feed_minutes: prediction.grain,
                known_since: start_of(now - prediction.age_buckets),
                expected: signals.map(|signal| signal.map(slow)),
                recent_hour: signals[1].map_or(0.0, fast),
                highest: (metric == Metric::Requests).then(|| {
                    [Scale::TenMinutes, Scale::Hour].map(|scale| prediction.highest_in(scale))
                }),
                as_of: start_of(now),
            }
        })
    }
}
