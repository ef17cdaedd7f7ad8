//! Reading times of which most are of one day.

use model::Timestamp;

/// Reads times, and remembers of the last one the day: of the next one nearly always only the
/// time of the day is new.
#[derive(Clone, Debug, Default)]
pub(super) struct SameDay {
    /// The date and the `T` behind it, as the last time had them; nothing at first.
    date: [u8; 11],
    midnight: Timestamp,
}

impl SameDay {
    /// Reads a time as [`Timestamp::parse`] does, or declines.
    #[inline(always)]
    pub(super) fn read(&mut self, text: &str) -> Option<Timestamp> {
        let (date, time) = text.as_bytes().split_first_chunk::<11>()?;
        if *date == self.date
            && let Some(millis) = millis_of_day(time)
        {
            return Some(self.midnight.plus(millis));
        }
        self.read_any(text, date)
    }

    #[cold]
    fn read_any(&mut self, text: &str, date: &[u8; 11]) -> Option<Timestamp> {
        let time = Timestamp::parse(text).ok()?;
        // Not from the time: with another offset, or a leap second, it is of another day.
        let date = std::str::from_utf8(date).ok()?;
        if let Ok(midnight) = Timestamp::parse(&format!("{date}00:00:00Z"))
            && date.ends_with('T')
        {
            (self.date, self.midnight) = (date.as_bytes().try_into().ok()?, midnight);
        }
        Some(time)
    }
}

/// Reads `HH:MM:SS.mmmZ`, the shape that nearly every event has, or declines.
#[inline(always)]
fn millis_of_day(time: &[u8]) -> Option<i64> {
    let &[a, b, b':', c, d, b':', e, f, b'.', g, h, i, b'Z'] = time else {
        return None;
    };
    let digits = [a, b, c, d, e, f, g, h, i].map(|byte| byte.wrapping_sub(b'0'));
    let are_digits = digits.iter().fold(true, |all, &digit| all & (digit < 10));
    let [a, b, c, d, e, f, g, h, i] = digits.map(i64::from);
    let (hours, minutes, seconds) = (10 * a + b, 10 * c + d, 10 * e + f);
    let is_time = are_digits & (hours < 24) & (minutes < 60) & (seconds < 60);
    let millis = 100 * g + 10 * h + i;
    is_time.then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_whatever_day_was_before() {
        let times = [
            "2026-05-04T12:00:00.123Z",
            "2026-05-04T12:00:00.999Z",
            "2026-05-04T23:59:59.000Z",
            "2026-05-04T24:00:00.000Z",
            "2026-05-04T12:60:00.000Z",
            "2026-05-04T12:00:60.000Z",
            "2026-05-04T23:59:60.000Z",
            "2026-05-04T23:59:60Z",
            "2026-05-04T12:00:00.12Z",
            "2026-05-04T12:00:00.1234Z",
            "2026-05-04T12:00:00Z",
            "2026-05-04T00:30:00.000+02:00",
            "2026-05-04T00:30:00.000Z",
            "2026-05-04t12:00:00.123Z",
            "2026-05-04 12:00:00.123Z",
            "2026-05-04T1a:00:00.000Z",
            "2026-05-04T12:00:00.123z",
            "2028-02-29T01:02:03.004Z",
            "2027-02-29T01:02:03.004Z",
            "9999-05-04T12:00:00.123Z",
            "1970-01-01T00:00:00.000Z",
            "2026-05-04T",
            "2026-05-04",
            "",
        ];
        for before in times {
            for text in times {
                let mut day = SameDay::default();
                day.read(before);
                assert_eq!(
                    day.read(text),
                    Timestamp::parse(text).ok(),
                    "{before}, {text}"
                );
            }
        }
    }
}
