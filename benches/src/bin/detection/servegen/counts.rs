//! Requests of real clients in windows of ten minutes over 14 days.

use std::collections::BTreeMap;

use model::{Partition, Records, Timestamp};

use crate::Failure;
use crate::sums::{DAY, WIDTH};

/// Days of a row that is used.
const DAYS: usize = 14;

/// Windows of a row that is used.
pub(super) const WINDOWS: usize = DAYS * DAY;

/// Where the first window is put: a Monday, since the counts come without a date.
pub(super) const START: Timestamp = Timestamp::from_millis(1_775_433_600_000);

/// The least share of windows in which a steady client sends requests.
pub(super) const STEADY_ACTIVE: f64 = 0.7;

/// The coefficient of variation of daily totals below which a client is steady.
pub(super) const STEADY_VARIATION: f64 = 0.35;

/// The clients of a file.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) clients: Vec<Client>,
    /// By model, whether every client is at zero: the collector stood still.
    pub(super) gaps: BTreeMap<String, Vec<bool>>,
    /// Rows of another length, which are left out.
    pub(super) other_rows: usize,
}

/// One client; it has a key of its own.
#[derive(Debug)]
pub(super) struct Client {
    /// `model/client`.
    pub(super) name: String,
    pub(super) model: String,
    counts: Vec<u64>,
}

impl Counts {
    /// Reads lines of `model/client,count,count,...`.
    ///
    /// # Errors
    /// When a row of full length has a cell that is no count, or a name without a model.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let mut counts = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut cells = line.trim_end().split(',');
            let name = cells.next().unwrap_or_default();
            let cells: Vec<&str> = cells.collect();
            if cells.len() == WINDOWS {
                counts.clients.push(Client::parse(name, &cells)?);
            } else {
                counts.other_rows += 1;
            }
        }
        for client in &counts.clients {
            let gaps = counts.gaps.entry(client.model.clone());
            let gaps = gaps.or_insert_with(|| vec![true; WINDOWS]);
            for (gap, count) in gaps.iter_mut().zip(&client.counts) {
                *gap &= *count == 0;
            }
        }
        Ok(counts)
    }

    /// Returns whether a client is steady; gaps neither count as windows nor in the totals.
    pub(super) fn is_steady(&self, client: &Client) -> bool {
        let gaps = &self.gaps[&client.model];
        let active = client.counts.iter().filter(|count| **count > 0).count();
        let known = gaps.iter().filter(|gap| !**gap).count();
        let days = client.counts.chunks(DAY).zip(gaps.chunks(DAY));
        let totals = days.filter_map(|(counts, gaps)| {
            let known = gaps.iter().filter(|gap| !**gap).count();
            let total: u64 = counts.iter().sum();
            (known > 0).then(|| total as f64 * DAY as f64 / known as f64)
        });
        let totals: Vec<f64> = totals.collect();
        active as f64 >= STEADY_ACTIVE * known.max(1) as f64
            && variation(&totals).is_some_and(|variation| variation < STEADY_VARIATION)
    }

    /// Returns one event for each count above zero, in order of time over all clients; a batch
    /// is a day.
    pub(super) fn batches(&self) -> impl Iterator<Item = Records> + '_ {
        let mut offset = 0;
        (0..WINDOWS).step_by(DAY).map(move |first| {
            let mut records = Records::new(Partition::new("servegen", 0), offset);
            for window in first..first + DAY {
                for client in self.clients.iter().filter(|c| c.counts[window] > 0) {
                    records.push(offset, None, client.event(window).as_bytes());
                    offset += 1;
                }
            }
            records
        })
    }

    /// Returns the number of counts above zero.
    pub(super) fn events(&self) -> usize {
        let counts = self.clients.iter().flat_map(|client| &client.counts);
        counts.filter(|count| **count > 0).count()
    }
}

impl Client {
    fn parse(name: &str, cells: &[&str]) -> Result<Self, Failure> {
        let (model, _) = name
            .split_once('/')
            .ok_or_else(|| format!("client \"{name}\" names no model"))?;
        let count = |cell: &&str| {
            let count = cell.trim().parse::<u64>();
            count.map_err(|err| format!("could not read count \"{cell}\" of \"{name}\": {err}"))
        };
        Ok(Self {
            name: name.to_owned(),
            model: model.to_owned(),
            counts: cells.iter().map(count).collect::<Result<_, _>>()?,
        })
    }

    /// Returns a native event that sums up a window. Its time is the last moment of the window:
    /// the end itself would put a single request, which is no roll-up, into the next one.
    fn event(&self, window: usize) -> String {
        let time = START.plus((window as i64 + 1) * WIDTH - 1);
        let (name, model, count) = (&self.name, &self.model, self.counts[window]);
        format!(
            r#"{{"id":"{name}#{window}","time":"{time}","provider":"servegen","account":"{model}","key":"{name}","model":"{model}","requests":{count}}}"#
        )
    }
}

/// Returns the sample's standard deviation over its mean, or `None` where there is no mean.
fn variation(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (count > 1.0 && mean > 0.0).then(|| (squares / (count - 1.0)).sqrt() / mean)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a line of a client with `count(window)` requests.
    pub(crate) fn line(name: &str, count: impl Fn(usize) -> u64) -> String {
        let cells: Vec<String> = (0..WINDOWS).map(|at| count(at).to_string()).collect();
        format!("{name},{}\n", cells.join(","))
    }

    #[test]
    fn rows_of_another_length_are_left_out() {
        let text = line("m/1", |_| 1) + "m/2,1,2,3\n\n";
        let counts = Counts::parse(&text).unwrap();
        assert_eq!((counts.clients.len(), counts.other_rows), (1, 1));
        assert!(Counts::parse(&line("nameless", |_| 1)).is_err());
        assert!(Counts::parse(&line("m/1", |_| 1).replace(",1\n", ",x\n")).is_err());
    }

    #[test]
    fn a_gap_is_where_every_client_of_a_model_is_silent() {
        let text = line("m/1", |at| u64::from(at % 2 == 0))
            + &line("m/2", |at| u64::from(at % 3 == 0))
            + &line("n/1", |_| 1);
        let counts = Counts::parse(&text).unwrap();
        let gaps = &counts.gaps["m"];
        assert_eq!(gaps[..7], [false, true, false, false, false, true, false]);
        assert!(!counts.gaps["n"].contains(&true));
    }

    #[test]
    fn steady_clients_are_always_there_in_like_numbers() {
        let text = line("m/steady", |at| 10 + at as u64 % 3)
            + &line("m/rare", |at| 100 * u64::from(at % 2 == 0))
            + &line("m/growing", |at| 1 + at as u64 * at as u64 / 1000)
            // All are silent on the second day, which is a gap and no change of anybody.
            + &line("g/steady", |at| u64::from(at / DAY != 1));
        let counts = Counts::parse(&text).unwrap();
        let steady = counts.clients.iter().map(|client| counts.is_steady(client));
        assert_eq!(steady.collect::<Vec<_>>(), [true, false, false, true]);
    }

    #[test]
    fn events_come_in_order_of_time_over_all_clients() {
        let text = line("m/1", |at| u64::from(at < 2)) + &line("m/2", |at| u64::from(at < 2) * 7);
        let counts = Counts::parse(&text).unwrap();
        let batches: Vec<Records> = counts.batches().collect();
        let lines: Vec<String> = batches
            .iter()
            .flat_map(|records| records.iter())
            .map(|record| String::from_utf8(record.payload.to_vec()).unwrap())
            .collect();
        assert_eq!((lines.len(), counts.events()), (4, 4));
        assert!(lines[1].contains(r#""time":"2026-04-06T00:09:59.999Z""#));
        assert!(lines[1].contains(r#""key":"m/2","model":"m","requests":7"#));
        assert!(lines[2].contains(r#""time":"2026-04-06T00:19:59.999Z""#));
    }
}
