//! Requests of each key in windows of ten minutes: all that the baselines see.

use std::collections::HashMap;

use columns::UsageBatch;
use columns::arrow::array::Array;
use model::{CountField, TextField, Timestamp, Window};
use simulator::Labels;

/// The width of a window.
pub(crate) const WIDTH: i64 = 10 * Timestamp::MINUTE;
/// Windows of an hour.
pub(crate) const HOUR: usize = 6;
/// Windows of a day.
pub(crate) const DAY: usize = 24 * HOUR;
/// Windows of a week.
pub(crate) const WEEK: usize = 7 * DAY;

/// The sums of every key that the labels know. Rows that come late enter their own window, so
/// that a baseline never judges one that is not complete: this is in its favour.
pub(crate) struct Sums {
    /// The number of the first window, counted from the epoch.
    first: i64,
    windows: usize,
    places: HashMap<String, usize>,
    keys: Vec<KeySums>,
    /// Rows on keys that the labels do not know, and rows outside of the run.
    pub(crate) left_out: u64,
}

struct KeySums {
    key: String,
    /// The place of the first window in which the key exists.
    from: usize,
    counts: Vec<u64>,
}

/// The sums of one key, from the first window in which it exists; a window without events is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series<'a> {
    /// The key's id.
    pub(crate) key: &'a str,
    /// The number of the first window, counted from the epoch.
    pub(crate) first: i64,
    /// One sum a window.
    pub(crate) counts: &'a [u64],
}

impl Sums {
    /// Makes sums of nothing over `span`.
    pub(crate) fn new(span: Window, labels: &Labels) -> Self {
        let first = window_of(span.start);
        let windows = (window_of(span.end.plus(-1)) - first + 1).max(0) as usize;
        let keys: Vec<KeySums> = labels
            .keys
            .iter()
            .map(|label| KeySums {
                key: label.key.clone(),
                from: ((window_of(label.exists.start) - first).max(0) as usize).min(windows),
                counts: vec![0; windows],
            })
            .collect();
        let places = keys.iter().enumerate();
        Self {
            first,
            windows,
            places: places.map(|(at, key)| (key.key.clone(), at)).collect(),
            keys,
            left_out: 0,
        }
    }

    /// Adds rows; repeats are no longer among them.
    pub(crate) fn add(&mut self, usage_batch: &UsageBatch) {
        let keys = usage_batch.text(TextField::Key);
        let requests = usage_batch.count(CountField::Requests);
        for row in 0..usage_batch.rows() {
            let count = match requests.is_null(row) {
                true => 0,
                false => requests.value(row).max(0).unsigned_abs(),
            };
            let end = usage_batch.span_end(row);
            let spanned = end.is_some() || usage_batch.span_start(row).is_some();
            let moment = end.unwrap_or(usage_batch.event_time(row));
            let key = (!keys.is_null(row)).then(|| keys.value(row));
            self.add_row(key.unwrap_or_default(), moment, count, spanned);
        }
    }

    /// Adds one row. A roll-up ends with its time, so it belongs to the window before it.
    fn add_row(&mut self, key: &str, moment: Timestamp, count: u64, spanned: bool) {
        let is_rolled_up = spanned || count > 1;
        let inside = moment.plus(-i64::from(is_rolled_up));
        let window = usize::try_from(window_of(inside) - self.first).ok();
        let window = window.filter(|window| *window < self.windows);
        match (self.places.get(key), window) {
            (Some(&at), Some(window)) => self.keys[at].counts[window] += count,
            _ => self.left_out += 1,
        }
    }

    /// Returns each key's sums, in the order of the labels.
    pub(crate) fn series(&self) -> impl Iterator<Item = Series<'_>> {
        self.keys.iter().map(|key| Series {
            key: &key.key,
            first: self.first + key.from as i64,
            counts: &key.counts[key.from..],
        })
    }
}

/// Returns the number of the window that holds `time`, counted from the epoch.
fn window_of(time: Timestamp) -> i64 {
    time.millis().div_euclid(WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::tests::labels;

    fn sums() -> Sums {
        let mut labels = labels(&["early", "late"]);
        let span = labels.keys[0].exists;
        labels.keys[1].exists.start = span.start.plus(3 * WIDTH + 1);
        Sums::new(span, &labels)
    }

    #[test]
    fn a_roll_up_belongs_to_the_window_that_it_ends() {
        let mut sums = sums();
        let start = Timestamp::from_millis(sums.first * WIDTH);
        sums.add_row("early", start.plus(WIDTH), 5, false);
        sums.add_row("early", start.plus(WIDTH), 1, true);
        sums.add_row("early", start.plus(WIDTH), 1, false);
        let series = sums.series().next().unwrap();
        assert_eq!(series.counts[..3], [6, 1, 0]);
    }

    #[test]
    fn a_series_begins_where_its_key_does() {
        let sums = sums();
        let series: Vec<_> = sums.series().collect();
        assert_eq!(series[1].first, series[0].first + 3);
        assert_eq!(series[1].counts.len() + 3, series[0].counts.len());
    }

    #[test]
    fn rows_of_nobody_and_of_another_time_are_counted_apart() {
        let mut sums = sums();
        let start = Timestamp::from_millis(sums.first * WIDTH);
        sums.add_row("stranger", start, 1, false);
        sums.add_row("early", start.plus(-1), 1, false);
        sums.add_row("early", start.plus(40 * Timestamp::DAY), 1, false);
        assert_eq!(sums.left_out, 3);
    }
}
