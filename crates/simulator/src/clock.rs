//! Local days and hours of the people and services behind a key.

use model::{Timestamp, Window};
use rand::RngExt;

use crate::chance::Rng;

/// Where a key's owner lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// US Pacific, UTC-7 in summer.
    Pacific,
    /// US Eastern, UTC-4 in summer.
    Eastern,
    /// Central Europe, UTC+2 in summer.
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

    const fn summer_offset_millis(self) -> i64 {
        let hours = match self {
            Self::Pacific => -7,
            Self::Eastern => -4,
            Self::CentralEurope => 2,
        };
        hours * Timestamp::HOUR
    }

    fn offset_millis(self, time: Timestamp) -> i64 {
        let winter = i64::from(!self.summer(time).contains(time)) * Timestamp::HOUR;
        self.summer_offset_millis() - winter
    }

    /// Returns the summer time of the year of `time`, by the rules since 2007: second Sunday
    /// of March to first of November, 2 o'clock local, in the US; last Sunday of March to
    /// last of October, 1 o'clock UTC, in Europe. Holds until 2099.
    fn summer(self, time: Timestamp) -> Window {
        // A day off at New Year, where every zone has winter on both sides.
        let year = 1970 + (time.millis() as f64 / (365.2425 * Timestamp::DAY as f64)) as i64;
        let march = (year - 1970) * 365 + (year - 1968) / 4 + 59;
        let november = march + 245;
        let sunday_from = |day| day + 6 - weekday(day);
        let moment =
            |day, hours| Timestamp::from_millis(day * Timestamp::DAY).plus(hours * Timestamp::HOUR);
        if self == Self::CentralEurope {
            return Window {
                start: moment(sunday_from(march + 24), 1),
                end: moment(sunday_from(november - 7), 1),
            };
        }
        let offset = self.summer_offset_millis();
        Window {
            start: moment(sunday_from(march + 7), 3).plus(-offset),
            end: moment(sunday_from(november), 2).plus(-offset),
        }
    }

    /// Returns the number of the local day, counted from 1970-01-01.
    pub(crate) fn day(self, time: Timestamp) -> i64 {
        (time.millis() + self.offset_millis(time)).div_euclid(Timestamp::DAY)
    }

    /// Returns the local hour of the day, `[0, 24)`.
    pub(crate) fn hour(self, time: Timestamp) -> f64 {
        let millis = (time.millis() + self.offset_millis(time)).rem_euclid(Timestamp::DAY);
        millis as f64 / Timestamp::HOUR as f64
    }

    /// Returns whether the local day is Saturday or Sunday.
    pub(crate) fn is_weekend(self, time: Timestamp) -> bool {
        day_is_weekend(self.day(time))
    }

    /// Returns the moment of `hour` on the local day `day`: the first one where the clocks
    /// show the hour twice, and one an hour later where they skip it.
    pub(crate) fn at(self, day: i64, hour: f64) -> Timestamp {
        let millis = (hour * Timestamp::HOUR as f64).round() as i64;
        let local = day * Timestamp::DAY + millis;
        let summer = Timestamp::from_millis(local - self.summer_offset_millis());
        if self.summer(summer).contains(summer) {
            summer
        } else {
            summer.plus(Timestamp::HOUR)
        }
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

/// Returns the day of the month, from 1 on, of a day counted from 1970-01-01 (Howard
/// Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
pub(crate) const fn day_of_month(day: i64) -> i64 {
    let day_of_era = (day + 719_468).rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5 + 1
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
        for text in ["2026-05-04T03:15:00Z", "2026-12-04T03:15:00Z"] {
            let time = Timestamp::parse(text).unwrap();
            for zone in [Zone::Pacific, Zone::Eastern, Zone::CentralEurope] {
                assert_eq!(zone.at(zone.day(time), zone.hour(time)), time);
            }
        }
    }

    #[test]
    fn clocks_change_on_the_published_days() {
        let check = |zone: Zone, year: &str, start: &str, end: &str| {
            let time = |text: &str| Timestamp::parse(&format!("{year}-{text}:00:00Z")).unwrap();
            let summer = zone.summer(time("06-01T00"));
            assert_eq!((summer.start, summer.end), (time(start), time(end)));
        };
        check(Zone::Pacific, "2026", "03-08T10", "11-01T09");
        check(Zone::Eastern, "2026", "03-08T07", "11-01T06");
        check(Zone::CentralEurope, "2026", "03-29T01", "10-25T01");
        check(Zone::Eastern, "2028", "03-12T07", "11-05T06");
        check(Zone::CentralEurope, "2027", "03-28T01", "10-31T01");
        let monday = Timestamp::parse("2026-11-02T14:00:00Z").unwrap();
        assert!((Zone::Eastern.hour(monday) - 9.0).abs() < 1e-9);
        assert_eq!(Zone::Eastern.at(Zone::Eastern.day(monday), 9.0), monday);
    }

    #[test]
    fn days_of_the_month_are_those_of_the_calendar() {
        let check = |text: &str, expected| {
            let time = Timestamp::parse(&format!("{text}T12:00:00Z")).unwrap();
            assert_eq!(day_of_month(time.millis() / Timestamp::DAY), expected);
        };
        check("2026-10-31", 31);
        check("2026-11-01", 1);
        check("2028-02-29", 29);
        check("2026-03-01", 1);
    }
}
