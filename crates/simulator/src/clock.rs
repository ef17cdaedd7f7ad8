//! Local days and hours of the people and services behind a key.

use model::Timestamp;
use rand::RngExt;

use crate::chance::Rng;

/// Where a key's owner lives. The offsets are those of summer time, which holds through
/// every scenario, so no run contains a change of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// US Pacific, UTC-7.
    Pacific,
    /// US Eastern, UTC-4.
    Eastern,
    /// Central Europe, UTC+2.
    CentralEurope,
}

impl Zone {
    /// Draws a zone: Pacific 40 %, Eastern 50 %, Central Europe 10 %.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.random::<f64>() {
            share if share < 0.4 => Self::Pacific,
            share if share < 0.9 => Self::Eastern,
            _ => Self::CentralEurope,
        }
    }

    const fn offset_millis(self) -> i64 {
        let hours = match self {
            Self::Pacific => -7,
            Self::Eastern => -4,
            Self::CentralEurope => 2,
        };
        hours * Timestamp::HOUR
    }

    /// Returns the number of the local day, counted from 1970-01-01.
    pub(crate) const fn day(self, time: Timestamp) -> i64 {
        (time.millis() + self.offset_millis()).div_euclid(Timestamp::DAY)
    }

    /// Returns the local hour of the day, `[0, 24)`.
    pub(crate) fn hour(self, time: Timestamp) -> f64 {
        let millis = (time.millis() + self.offset_millis()).rem_euclid(Timestamp::DAY);
        millis as f64 / Timestamp::HOUR as f64
    }

    /// Returns whether the local day is Saturday or Sunday.
    pub(crate) const fn is_weekend(self, time: Timestamp) -> bool {
        day_is_weekend(self.day(time))
    }

    /// Returns the moment of `hour` on the local day `day`.
    pub(crate) fn at(self, day: i64, hour: f64) -> Timestamp {
        let millis = (hour * Timestamp::HOUR as f64).round() as i64;
        Timestamp::from_millis(day * Timestamp::DAY + millis - self.offset_millis())
    }
}

/// Returns the weekday of a day counted from 1970-01-01, which was a Thursday; Monday is 0.
pub(crate) const fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// Returns whether a day counted from 1970-01-01 is a Saturday or a Sunday.
pub(crate) const fn day_is_weekend(day: i64) -> bool {
    weekday(day) >= 5
}

/// Returns the milliseconds of so many hours.
pub(crate) fn hours(hours: f64) -> i64 {
    (hours * Timestamp::HOUR as f64).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monday_morning_in_europe_is_sunday_night_in_california() {
        let time = Timestamp::parse("2026-04-06T05:30:00Z").unwrap();
        assert_eq!(weekday(Zone::CentralEurope.day(time)), 0);
        assert!((Zone::CentralEurope.hour(time) - 7.5).abs() < 1e-9);
        assert_eq!(weekday(Zone::Pacific.day(time)), 6);
        assert!(Zone::Pacific.is_weekend(time));
        assert!((Zone::Pacific.hour(time) - 22.5).abs() < 1e-9);
    }

    #[test]
    fn day_and_hour_lead_back_to_the_moment() {
        let time = Timestamp::parse("2026-05-04T03:15:00Z").unwrap();
        for zone in [Zone::Pacific, Zone::Eastern, Zone::CentralEurope] {
            assert_eq!(zone.at(zone.day(time), zone.hour(time)), time);
        }
    }
}
