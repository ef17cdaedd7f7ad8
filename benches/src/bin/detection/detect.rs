//! The detector over events in memory, the way a backtest runs it.

use std::sync::Arc;

use codec::{Codec, FingerprintSecret};
use columns::UsageBatch;
use detector::{DetectorConfig, KeyDirectory};
use model::{Alert, Partition, Records};
use pipeline::{Grouping, Stages};
use simulator::{ScoredAlert, SimulatedEvent};

use crate::Failure;
use crate::progress::Progress;

/// Events of one batch, as in a backtest.
const BATCH: usize = 8192;

/// What a run of the detector left behind.
#[derive(Debug, Default)]
pub(crate) struct Detected {
    /// The first revision of each alert.
    pub(crate) alerts: Vec<ScoredAlert>,
    /// Repeats that were dropped.
    pub(crate) duplicates: u64,
}

/// Runs the detector at a stated budget, in false alerts per 1000 key-days; `rows` sees every
/// batch after repeats are dropped.
///
/// # Errors
/// When a record cannot be read: then the figures would be of other events than is said.
pub(crate) fn detect(
    batches: impl Iterator<Item = Records>,
    directory: KeyDirectory,
    budget: f64,
    mut progress: Progress,
    mut rows: impl FnMut(&UsageBatch),
) -> Result<Detected, Failure> {
    let config = DetectorConfig {
        false_alerts_per_1000_key_days: budget,
        ..DetectorConfig::default()
    };
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    let mut stages = Stages::new(codec, config, Arc::new(directory), Grouping::All);
    let mut detected = Detected::default();
    for records in batches {
        let staged = stages.process(&records);
        if let Some(letter) = staged.dead_letters.first() {
            return Err(format!("{}: {}", letter.position, letter.detail).into());
        }
        rows(&staged.usage_batch);
        detected.take(&staged.alerts)?;
        detected.duplicates += staged.duplicates;
        progress.advance(records.len());
    }
    let (alerts, _) = stages.finish();
    detected.take(&alerts)?;
    Ok(detected)
}

impl Detected {
    /// Keeps first revisions, by way of the lines in which `spikewatch evaluate` reads them.
    fn take(&mut self, alerts: &[Alert]) -> Result<(), Failure> {
        for alert in alerts.iter().filter(|alert| alert.revision == 0) {
            let line = serde_json::to_string(alert)?;
            self.alerts.push(ScoredAlert::from_json_line(&line)?);
        }
        Ok(())
    }
}

/// Returns simulated events as records of one file, in order of arrival.
pub(crate) fn simulated_batches(events: &[SimulatedEvent]) -> impl Iterator<Item = Records> {
    let batches = (0..).step_by(BATCH).zip(events.chunks(BATCH));
    batches.map(|(first, chunk)| {
        let mut records = Records::new(Partition::new("simulated", 0), first);
        let mut line = Vec::new();
        for (offset, event) in (first..).zip(chunk) {
            line.clear();
            event.write_json(&mut line);
            records.push(offset, None, &line);
        }
        records
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_a_simulation_is_read_once() {
        let simulation = simulator::simulate("small", 7, 0.1).unwrap();
        let mut rows = 0;
        let detected = detect(
            simulated_batches(&simulation.events),
            KeyDirectory::new(&simulation.inventory),
            5.0,
            Progress::silent(),
            |usage_batch| rows += usage_batch.rows() as u64,
        )
        .unwrap();
        let events = simulation.events.len() as u64;
        assert_eq!(rows + detected.duplicates, events);
        let known = |key: &String| simulation.labels.keys.iter().any(|label| label.key == *key);
        assert!(detected.alerts.iter().all(|a| a.key_ids.iter().all(known)));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let mut records = Records::new(Partition::new("simulated", 0), 0);
        records.push(0, None, b"{}");
        let directory = KeyDirectory::default();
        let batches = std::iter::once(records);
        assert!(detect(batches, directory, 5.0, Progress::silent(), |_| {}).is_err());
    }
}
