//! Makes alerts and vitals for the tests.

use model::{
    Alert, AlertId, Contributor, Detector, Entity, EntityLevel, Evidence, IncidentId, Metric,
    Nanos, SeriesPoint, Severity, Timestamp,
};
use server::{FeedVitals, Vitals};

/// 2026-05-04T12:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_777_896_000_000);

pub(crate) fn vitals() -> Vitals {
    Vitals {
        started_at: START,
        events: 1_234_567,
        events_per_second: 12.5,
        rows: 1_234_000,
        dead_letters: 7,
        duplicates: 3,
        alerts: 2,
        keys_tracked: 42,
        lag_records: Some(5),
        watermark: Some(START),
        caught_up: true,
        last_checkpoint: Some(START),
        history_rows: 1_234_000,
        state_bytes: 1 << 20,
        snapshots: 7,
        snapshot_failures: 1,
        snapshot_bytes: 4096,
        snapshot_seconds: 0.25,
        snapshot_pause_seconds: 0.02,
        unpriced: Vec::new(),
        unreadable: Vec::new(),
        batches_in_work: 2,
        rows_waiting: 1_500,
        rows_waiting_limit: 1_000_000,
        commit_seconds: 0.5,
        commit_failures: 4,
        effect_failures: 1,
        partitions: vec![
            FeedVitals {
                topic: "usage".to_owned(),
                partition: 0,
                lag_records: Some(5),
                watermark: Some(START),
                newest_record: Some(START),
                is_idle: false,
            },
            FeedVitals {
                topic: "usage".to_owned(),
                partition: 1,
                is_idle: true,
                ..FeedVitals::default()
            },
        ],
        last_error: None,
    }
}

/// Makes an alert with a day of quiet hours and a spike in the last one.
pub(crate) fn alert(account: &str, key: &str, severity: Severity) -> Alert {
    let entity = Entity {
        provider: "openai".into(),
        account: account.into(),
        key: key.into(),
    };
    let series = (-23..=0)
        .map(|hour| {
            let start = START.plus(hour * Timestamp::HOUR);
            SeriesPoint {
                start,
                end: start.plus(Timestamp::HOUR),
                observed: if hour == 0 { 5_000.0 } else { 41.0 },
                expected: 40.0,
                low: 20.0,
                high: 70.0,
            }
        })
        .collect();
    Alert {
        alert_id: AlertId::compute(&entity, START),
        revision: 0,
        raised_at: START.plus(10 * Timestamp::MINUTE),
        entity_level: EntityLevel::Key,
        key_id: entity.key,
        key_hint: None,
        account: entity.account,
        project: None,
        service: None,
        provider: entity.provider,
        vendor: None,
        stored_with: vec!["braintrust".into()],
        owner: None,
        detector: Detector::Volume,
        severity,
        score: 80.0,
        p_value: 0.0,
        neg_log_p: 900.5,
        episodes_per_day: 1e-6,
        metric: Metric::Requests,
        window_start: START,
        window_end: START.plus(Timestamp::HOUR),
        observed: 5_000.0,
        expected: 40.0,
        expected_low: 20.0,
        expected_high: 70.0,
        evidence: vec![Evidence {
            family: "volume".into(),
            text: "5000 requests where 40 are usual".into(),
            neg_log_p: Some(900.5),
        }],
        top_contributors: vec![Contributor {
            dimension: "source_ip".into(),
            value: "203.0.113.7".into(),
            share: 0.9,
            first_seen: true,
        }],
        incident_id: IncidentId::compute(account, START),
        first_seen: START,
        cost_so_far_usd: Nanos::new(1_204 * Nanos::USD),
        burn_usd_per_hour: 50.0,
        attack_techniques: vec!["T1496.004".into()],
        ended: false,
        series,
    }
}
