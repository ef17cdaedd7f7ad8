//! The rhythm of a service: a daily curve, weekends, a trend, noise and harmless bursts.

use model::{Timestamp, Window};

use crate::batch::{Batch, Grain};
use crate::chance::{self, Rng};
use crate::clock::{self, Zone};
use crate::kinds::Rhythm;

/// Rates change every ten minutes; counts are overdispersed against Poisson by a gamma
/// factor that holds that long.
const BLOCK: i64 = 10 * Timestamp::MINUTE;

/// The parameters of one service's traffic.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    zone: Zone,
    /// Requests an hour, on average over a week without trend.
    per_hour: f64,
    peak_hour: f64,
    /// How far day and night are apart; 0 is flat.
    sharpness: f64,
    /// Weekend against working day.
    weekend: f64,
    trend_per_day: f64,
    noise_sigma: f64,
    /// The autocorrelation of the noise from hour to hour.
    noise_memory: f64,
    /// The shape of the gamma factor; small is wild.
    mix_shape: f64,
    burst_every_hours: f64,
}

impl Curve {
    /// Draws a curve around `per_hour`.
    pub(crate) fn draw(rng: &mut Rng, zone: Zone, per_hour: f64, office_hours: bool) -> Self {
        let (sharpness, weekend) = if office_hours {
            let sharpness = chance::between(rng, 2.5, 4.0);
            (sharpness, chance::between(rng, 0.1, 0.3))
        } else {
            let sharpness = chance::between(rng, 0.15, 1.2);
            (sharpness, chance::between(rng, 0.4, 1.05))
        };
        Self {
            zone,
            per_hour,
            peak_hour: chance::between(rng, 12.5, 16.5),
            sharpness,
            weekend,
            trend_per_day: chance::normal(rng, 0.0, 0.004).clamp(-0.01, 0.01),
            noise_sigma: chance::between(rng, 0.06, 0.2),
            noise_memory: chance::between(rng, 0.6, 0.9),
            mix_shape: chance::log_between(rng, 8.0, 80.0),
            burst_every_hours: chance::between(rng, 48.0, 150.0),
        }
    }

    /// Returns the factors that turn the bare curve into one with mean 1 over a week.
    fn level(&self) -> f64 {
        let hours = (0..24).map(|hour| self.bare(f64::from(hour)));
        let day_mean = hours.sum::<f64>() / 24.0;
        let week_mean = (5.0 + 2.0 * self.weekend) / 7.0;
        1.0 / (day_mean * week_mean)
    }

    /// A von Mises bell over the day: one peak, smooth at midnight.
    fn bare(&self, hour: f64) -> f64 {
        let angle = (hour - self.peak_hour) / 24.0 * std::f64::consts::TAU;
        (self.sharpness * (angle.cos() - 1.0)).exp()
    }

    /// Returns the expected requests an hour at `time`, before noise and bursts.
    fn expected(&self, level: f64, time: Timestamp, start: Timestamp) -> f64 {
        let days = (time.millis() - start.millis()) as f64 / Timestamp::DAY as f64;
        let weekend = if self.zone.is_weekend(time) {
            self.weekend
        } else {
            1.0
        };
        let trend = (1.0 + self.trend_per_day).powf(days);
        self.per_hour * level * self.bare(self.zone.hour(time)) * weekend * trend
    }

    /// Draws the harmless bursts: 1.5 to 4 times for up to an hour, every few days.
    fn bursts(&self, span: Window, rng: &mut Rng) -> Vec<(Window, f64)> {
        let mut bursts = Vec::new();
        let mut time = span.start;
        loop {
            time = time.plus(clock::hours(chance::wait(rng, self.burst_every_hours)));
            if time >= span.end {
                return bursts;
            }
            let end = time.plus(clock::hours(chance::log_between(rng, 0.1, 1.0)));
            bursts.push((Window { start: time, end }, chance::between(rng, 1.5, 4.0)));
            time = end;
        }
    }
}

impl Rhythm for Curve {
    fn batches(&self, span: Window, grain: Grain, rng: &mut Rng) -> Vec<Batch> {
        let bursts = self.bursts(span, rng);
        let level = self.level();
        // The innovation that keeps the noise at `noise_sigma` for this memory.
        let innovation = self.noise_sigma * (1.0 - self.noise_memory * self.noise_memory).sqrt();
        let mut noise = chance::normal(rng, 0.0, self.noise_sigma);
        let mut out = Vec::new();
        let mut start = span.start;
        let mut hour = start.floor_to(Timestamp::HOUR);
        while start < span.end {
            if start.floor_to(Timestamp::HOUR) != hour {
                hour = start.floor_to(Timestamp::HOUR);
                noise = self.noise_memory * noise + chance::normal(rng, 0.0, innovation);
            }
            let end = start.floor_to(BLOCK).plus(BLOCK).min(span.end);
            let burst = bursts
                .iter()
                .find(|(window, _)| window.start < end && start < window.end)
                .map_or(1.0, |(_, factor)| *factor);
            let expected = self.expected(level, start, span.start) * noise.exp() * burst;
            let per_hour = chance::gamma(rng, expected, self.mix_shape);
            grain.pour(per_hour, Window { start, end }, rng, &mut out);
            start = end;
        }
        grain.settle(out, span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four_weeks() -> Window {
        let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
        Window {
            start,
            end: start.plus(28 * Timestamp::DAY),
        }
    }

    fn count(batches: &[Batch], keep: impl Fn(Timestamp) -> bool) -> f64 {
        let kept = batches.iter().filter(|batch| keep(batch.time));
        kept.map(|batch| f64::from(batch.requests)).sum()
    }

    #[test]
    fn the_mean_is_near_the_rate_it_was_drawn_for() {
        for number in 0..6 {
            let mut rng = chance::stream(3, "test", "curve", number);
            let curve = Curve::draw(&mut rng, Zone::Eastern, 50.0, number % 2 == 0);
            let batches = curve.batches(four_weeks(), Grain::Rolled(10), &mut rng);
            let per_hour = count(&batches, |_| true) / (28.0 * 24.0);
            assert!((38.0..65.0).contains(&per_hour), "{number}: {per_hour}");
        }
    }

    #[test]
    fn office_hours_are_empty_at_night_and_thin_at_weekends() {
        let mut rng = chance::stream(3, "test", "office", 0);
        let zone = Zone::Pacific;
        let curve = Curve::draw(&mut rng, zone, 50.0, true);
        let batches = curve.batches(four_weeks(), Grain::Single, &mut rng);
        let all = count(&batches, |_| true);
        let night = count(&batches, |time| !(6.0..23.0).contains(&zone.hour(time)));
        let weekend = count(&batches, |time| zone.is_weekend(time));
        assert!(night / all < 0.05, "{}", night / all);
        assert!(weekend / all < 0.15, "{}", weekend / all);
    }
}
