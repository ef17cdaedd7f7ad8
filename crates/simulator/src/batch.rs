//! Requests before they are dressed as events: when, and how many.

use model::{Timestamp, Window};

use crate::chance::{self, Rng};

/// How finely a key's requests are reported. It belongs to the collector, so the requests
/// of an abuser are reported as finely as the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    /// An event for each request.
    Single,
    /// Equal requests of so many minutes in one event, stamped with their end.
    Rolled(i64),
    /// The same, and the event tells its span.
    Spanned(i64),
}

/// So many requests at one moment: a single one, or those of a roll-up that ends then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The moment, or the end of the roll-up.
    pub(crate) time: Timestamp,
    /// How many requests.
    pub(crate) requests: u32,
}

impl Grain {
    /// Returns the end of the roll-up that holds `time`, or `time` itself.
    pub(crate) fn stamp(self, time: Timestamp) -> Timestamp {
        match self {
            Self::Single => time,
            Self::Rolled(minutes) | Self::Spanned(minutes) => {
                let width = minutes * Timestamp::MINUTE;
                time.floor_to(width).plus(width)
            }
        }
    }

    /// Returns how long the roll-up of one event is; 0 for single requests.
    pub(crate) const fn millis(self) -> i64 {
        match self {
            Self::Single => 0,
            Self::Rolled(minutes) | Self::Spanned(minutes) => minutes * Timestamp::MINUTE,
        }
    }

    /// Returns the minutes that an event says it covers; 0 where it does not say.
    pub(crate) const fn told_minutes(self) -> u16 {
        match self {
            Self::Single | Self::Rolled(_) => 0,
            Self::Spanned(minutes) => minutes as u16,
        }
    }

    /// Returns the window of the stamps of all requests in `window`: roll-ups are stamped
    /// with their end, so theirs reaches past it to the end of the last one.
    pub(crate) fn widened(self, window: Window) -> Window {
        match self {
            Self::Single => window,
            Self::Rolled(_) | Self::Spanned(_) => Window {
                start: self.stamp(window.start),
                end: self.stamp(window.end.plus(-1)).plus(1),
            },
        }
    }

    /// Adds the requests of a Poisson stream of `per_hour` in `window` to `out`.
    pub(crate) fn pour(self, per_hour: f64, window: Window, rng: &mut Rng, out: &mut Vec<Batch>) {
        let per_milli = per_hour / Timestamp::HOUR as f64;
        let mut start = window.start;
        while start < window.end {
            let end = match self {
                Self::Single => window.end,
                Self::Rolled(_) | Self::Spanned(_) => self.stamp(start).min(window.end),
            };
            let width = end.millis() - start.millis();
            let requests = chance::poisson(rng, per_milli * width as f64);
            self.scatter(requests, Window { start, end }, rng, out);
            start = end;
        }
    }

    /// Adds `requests` at even moments of `window`; a roll-up takes them as they fall.
    pub(crate) fn scatter(
        self,
        requests: u32,
        window: Window,
        rng: &mut Rng,
        out: &mut Vec<Batch>,
    ) {
        if requests == 0 {
            return;
        }
        // All in one roll-up is the common case of `pour` and needs no draw for each.
        let last = window.end.plus(-1).max(window.start);
        if self != Self::Single && self.stamp(window.start) == self.stamp(last) {
            let time = self.stamp(window.start);
            out.push(Batch { time, requests });
            return;
        }
        let width = window.width_millis() as f64;
        for _ in 0..requests {
            let time = window.start.plus(chance::between(rng, 0.0, width) as i64);
            out.push(Batch {
                time: self.stamp(time),
                requests: 1,
            });
        }
    }

    /// Sorts batches by time, and for roll-ups adds up those of the same one.
    pub(crate) fn settle(self, mut batches: Vec<Batch>, span: Window) -> Vec<Batch> {
        batches.retain(|batch| batch.requests > 0 && self.is_within(batch.time, span));
        batches.sort_by_key(|batch| batch.time);
        if self != Self::Single {
            batches.dedup_by(|next, kept| {
                let same = next.time == kept.time;
                kept.requests += if same { next.requests } else { 0 };
                same
            });
        }
        batches
    }

    /// Returns whether a batch stamped `time` lies wholly in `span`.
    fn is_within(self, time: Timestamp, span: Window) -> bool {
        match self {
            Self::Single => span.contains(time),
            Self::Rolled(_) | Self::Spanned(_) => {
                time.plus(-self.millis()) >= span.start && time <= span.end
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = Timestamp::MINUTE;

    fn window(start_minutes: i64, end_minutes: i64) -> Window {
        Window {
            start: Timestamp::from_millis(start_minutes * MINUTE),
            end: Timestamp::from_millis(end_minutes * MINUTE),
        }
    }

    #[test]
    fn a_roll_up_is_stamped_with_its_end() {
        let grain = Grain::Rolled(5);
        assert_eq!(grain.stamp(Timestamp::from_millis(0)).millis(), 5 * MINUTE);
        let last = Timestamp::from_millis(5 * MINUTE - 1);
        assert_eq!(grain.stamp(last).millis(), 5 * MINUTE);
        assert_eq!(Grain::Single.stamp(last), last);
    }

    #[test]
    fn poured_requests_have_the_rate_and_stay_inside() {
        for grain in [
            Grain::Single,
            Grain::Rolled(1),
            Grain::Rolled(10),
            Grain::Spanned(60),
        ] {
            let mut rng = chance::stream(1, "test", "pour", 0);
            let mut out = Vec::new();
            grain.pour(600.0, window(7, 607), &mut rng, &mut out);
            let total: u32 = out.iter().map(|batch| batch.requests).sum();
            assert!((5700..6300).contains(&total), "{grain:?} {total}");
            let last = grain.stamp(window(7, 607).end);
            assert!(out.iter().all(|batch| batch.time <= last));
        }
    }

    #[test]
    fn settled_roll_ups_are_sorted_sums() {
        let at = |minutes: i64, requests| Batch {
            time: Timestamp::from_millis(minutes * MINUTE),
            requests,
        };
        let batches = vec![at(10, 2), at(5, 1), at(10, 3), at(15, 0), at(25, 9)];
        let settled = Grain::Rolled(5).settle(batches, window(0, 20));
        assert_eq!(settled, [at(5, 1), at(10, 5)]);
    }
}
