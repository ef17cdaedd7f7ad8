//! Makes alerts and casebooks for the tests.

use model::{
    Alert, AlertId, Contributor, Detector, Entity, EntityLevel, Evidence, IncidentId, Metric,
    Nanos, SeriesPoint, Severity, Timestamp,
};

/// 2026-05-04T12:00:00Z, when the story begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_777_896_000_000);

/// Returns the moment `hours` after the start.
pub(crate) fn hour(hours: i64) -> Timestamp {
    START.plus(hours * Timestamp::HOUR)
}

/// Makes the first revision of an alert on `key` of `account` whose episode begins at `first_seen`.
pub(crate) fn alert(account: &str, key: &str, severity: Severity, first_seen: Timestamp) -> Alert {
    let entity = Entity {
        provider: "openai".into(),
        account: account.into(),
        key: key.into(),
    };
    Alert {
        alert_id: AlertId::compute(&entity, first_seen),
        revision: 0,
        raised_at: first_seen.plus(10 * Timestamp::MINUTE),
        entity_level: EntityLevel::Key,
        key_id: entity.key,
        key_hint: None,
        account: entity.account,
        project: None,
        service: None,
        provider: entity.provider,
        vendor: None,
        stored_with: Vec::new(),
        owner: None,
        detector: Detector::Volume,
        severity,
        score: 80.0,
        p_value: 0.0,
        neg_log_p: 900.5,
        episodes_per_day: 1e-6,
        metric: Metric::Requests,
        window_start: first_seen,
        window_end: first_seen.plus(Timestamp::HOUR),
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
            dimension: "model".into(),
            value: "gpt-5".into(),
            share: 0.9,
            first_seen: true,
        }],
        incident_id: IncidentId::compute(account, first_seen),
        first_seen,
        cost_so_far_usd: Nanos::new(100 * Nanos::USD),
        burn_usd_per_hour: 50.0,
        attack_techniques: vec!["T1496.004".into()],
        ended: false,
        series: vec![SeriesPoint {
            start: first_seen,
            end: first_seen.plus(Timestamp::HOUR),
            observed: 5_000.0,
            expected: 40.0,
            low: 20.0,
            high: 70.0,
        }],
    }
}

/// Makes the next revision of `alert`, `minutes` later.
pub(crate) fn revised(alert: &Alert, minutes: i64, change: impl FnOnce(&mut Alert)) -> Alert {
    let mut next = alert.clone();
    next.revision += 1;
    next.raised_at = next.raised_at.plus(minutes * Timestamp::MINUTE);
    change(&mut next);
    next
}

/// Returns the names of channels.
pub(crate) fn channels(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
