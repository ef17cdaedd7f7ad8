//! The grid of event time: minutes, ten-minute buckets, hours, and the bins of a profile.

use model::Timestamp;

/// The width of a bucket, the unit in which windows are closed and learned.
pub(crate) const BUCKET_MILLIS: i64 = 10 * Timestamp::MINUTE;
/// Minutes in a bucket.
pub(crate) const MINUTES_A_BUCKET: i64 = BUCKET_MILLIS / Timestamp::MINUTE;
/// Buckets in an hour and a day.
pub(crate) const BUCKETS_AN_HOUR: i64 = Timestamp::HOUR / BUCKET_MILLIS;
pub(crate) const BUCKETS_A_DAY: i64 = 24 * BUCKETS_AN_HOUR;

/// Hours of the day, for working days and for weekends.
pub(crate) const DAY_BINS: usize = 48;

/// Returns the minute that holds a moment.
pub(crate) fn minute_of(millis: i64) -> i64 {
    millis.div_euclid(Timestamp::MINUTE)
}

/// Returns the bucket that holds a minute.
pub(crate) fn bucket_of(minute: i64) -> i64 {
    minute.div_euclid(MINUTES_A_BUCKET)
}

/// Returns the hour that holds a bucket.
pub(crate) fn hour_of(bucket: i64) -> i64 {
    bucket.div_euclid(BUCKETS_AN_HOUR)
}

/// Returns the day that holds a bucket.
pub(crate) fn day_of(bucket: i64) -> i64 {
    bucket.div_euclid(BUCKETS_A_DAY)
}

/// Returns the last bucket of the hour that holds `bucket`.
pub(crate) fn last_of_hour(bucket: i64) -> i64 {
    (hour_of(bucket) + 1) * BUCKETS_AN_HOUR - 1
}

/// Returns whether a bucket ends its hour.
pub(crate) fn ends_hour(bucket: i64) -> bool {
    bucket == last_of_hour(bucket)
}

/// Returns the moment at which a bucket begins.
pub(crate) fn start_of(bucket: i64) -> Timestamp {
    Timestamp::from_millis(bucket * BUCKET_MILLIS)
}

/// Returns the hour of the week, Monday 0 o'clock being 0.
pub(crate) fn hour_of_week(hour: i64) -> usize {
    // 1970-01-01 was a Thursday.
    (hour + 72).rem_euclid(168) as usize
}

/// Returns the working days and the weekend days that lie between two hours: those that are over,
/// counted from the first hour on.
pub(crate) fn days_between(first: i64, last: i64) -> [f32; 2] {
    let days = (last - first).div_euclid(24).max(0);
    let (weeks, left) = (days / 7, days % 7);
    let is_weekend = |day: i64| day_bin(first + 24 * day) >= DAY_BINS / 2;
    let weekend = 2 * weeks + (0..left).filter(|&day| is_weekend(day)).count() as i64;
    [(days - weekend) as f32, weekend as f32]
}

/// Returns the bin of an hour: the hour of the day, from 24 on at a weekend.
pub(crate) fn day_bin(hour: i64) -> usize {
    let of_week = hour_of_week(hour);
    of_week % 24 + if of_week >= 5 * 24 { 24 } else { 0 }
}

/// Returns by how many hours people's clocks have moved against UTC within the last week:
/// 1 when they were set forward (what used to happen at 14:00 UTC now happens at 13:00), -1
/// when they were set back, 0 otherwise.
///
/// Where a key's people live is not known, so both the American rule (second Sunday of March,
/// first Sunday of November; Energy Policy Act of 2005) and the European one (last Sundays of
/// March and October; Directive 2000/84/EC) count.
pub(crate) fn clocks_moved(hour: i64) -> i64 {
    let day = hour.div_euclid(24);
    // The day of the year to within one: nearly every hour is far from any change.
    let of_year = (day * 4).rem_euclid(1461) / 4;
    if !(62..=98).contains(&of_year) && !(292..=318).contains(&of_year) {
        return 0;
    }
    for ago in 0..7 {
        let day = day - ago;
        if hour_of_week(day * 24) / 24 != 6 {
            continue;
        }
        let (month, of_month, days) = civil(day);
        let last = of_month + 7 > days;
        match (month, of_month, last) {
            (3, 8..=14, _) | (3, _, true) => return 1,
            (11, 1..=7, _) | (10, _, true) => return -1,
            _ => {}
        }
    }
    0
}

/// Returns the first day of the month that a day is near, and how far the day is from it: -3 to
/// -1 for the last three days of a month, 0 to 2 for the first three; `None` in between.
pub(crate) fn month_edge(day: i64) -> Option<(i64, i64)> {
    let first = (day - 2..=day + 3).find(|&near| civil(near).1 == 1)?;
    Some((first, day - first))
}

/// Returns month, day of the month, and days of the month of a day since the epoch.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        // February's length does not matter to anything here.
        2 => 28,
        _ => 31,
    };
    (month, of_month, days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(text: &str) -> i64 {
        Timestamp::parse(text).unwrap().millis() / Timestamp::HOUR
    }

    #[test]
    fn monday_is_the_first_day_of_the_week() {
        let monday = hour("2026-05-04T00:00:00Z");
        assert_eq!((hour_of_week(monday), day_bin(monday)), (0, 0));
        assert_eq!(day_bin(monday + 5 * 24 + 3), 27);
    }

    #[test]
    fn days_are_counted_by_kind() {
        let thursday = hour("2026-05-07T10:00:00Z");
        let after = |hours: i64| days_between(thursday, thursday + hours);
        assert_eq!([after(-5), after(23)], [[0.0, 0.0], [0.0, 0.0]]);
        assert_eq!([after(48), after(72)], [[2.0, 0.0], [2.0, 1.0]]);
        assert_eq!([after(168), after(24 * 11)], [[5.0, 2.0], [7.0, 4.0]]);
    }

    #[test]
    fn months_have_two_edges() {
        let edge = |text| month_edge(hour(text).div_euclid(24)).map(|(_, days)| days);
        assert_eq!(edge("2026-04-30T00:00:00Z"), Some(-1));
        assert_eq!(edge("2028-02-29T00:00:00Z"), Some(-1));
        assert_eq!(edge("2026-05-03T00:00:00Z"), Some(2));
        assert_eq!(edge("2026-05-15T00:00:00Z"), None);
    }

    #[test]
    fn clocks_move_in_spring_and_autumn_and_at_no_other_time() {
        for (text, moved) in [
            ("2026-03-07T12:00:00Z", 0),
            ("2026-03-08T12:00:00Z", 1),
            ("2026-03-14T12:00:00Z", 1),
            ("2026-03-20T12:00:00Z", 0),
            ("2026-03-29T12:00:00Z", 1),
            ("2026-06-14T12:00:00Z", 0),
            ("2026-10-25T12:00:00Z", -1),
            ("2026-11-05T12:00:00Z", -1),
            ("2026-11-20T12:00:00Z", 0),
        ] {
            assert_eq!(clocks_moved(hour(text)), moved, "{text}");
        }
    }
}
