//! A notice as a real one looks: two keys of one account, stored with one vendor.

use model::{
    Alert, AlertId, Contributor, Detector, Entity, EntityLevel, Evidence, Incident, IncidentId,
    IncidentState, Metric, Nanos, Notice, SeriesPoint, Severity, Timestamp,
};

/// 2026-05-04T02:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_777_860_000_000);

pub(crate) fn alert(key_id: &str) -> Alert {
    let series = (0..12)
        .map(|hour| SeriesPoint {
            start: START.plus((hour - 9) * Timestamp::HOUR),
            end: START.plus((hour - 8) * Timestamp::HOUR),
            observed: if hour < 9 {
                280.0 + hour as f64 * 7.0
            } else {
                4_100.0 * (hour - 8) as f64
            },
            expected: 300.0,
            low: 180.0,
            high: 460.0,
        })
        .collect();
    let entity = Entity {
        provider: "anthropic".to_owned(),
        account: "acme".to_owned(),
        key: key_id.to_owned(),
    };
    Alert {
        alert_id: AlertId::compute(&entity, START),
        revision: 0,
        raised_at: START.plus(3 * Timestamp::HOUR),
        entity_level: EntityLevel::Key,
        key_id: key_id.to_owned(),
        key_hint: Some("sk-ant-…4f2a".to_owned()),
        account: entity.account,
        project: Some("chat".to_owned()),
        service: None,
        provider: entity.provider,
        vendor: None,
        stored_with: vec!["braintrust".to_owned()],
        owner: Some("payments team".to_owned()),
        detector: Detector::Volume,
        severity: Severity::Critical,
        score: 97.0,
        p_value: 0.0,
        neg_log_p: 900.0,
        episodes_per_day: 0.0032,
        metric: Metric::Requests,
        window_start: START.plus(2 * Timestamp::HOUR),
        window_end: START.plus(3 * Timestamp::HOUR),
        observed: 12_300.0,
        expected: 300.0,
        expected_low: 180.0,
        expected_high: 460.0,
        evidence: vec![
            Evidence {
                family: "volume".to_owned(),
                text: "Requests are 41 times what this key makes at this hour.".to_owned(),
                neg_log_p: Some(900.0),
            },
            Evidence {
                family: "novelty".to_owned(),
                text: "All of it comes from a network never seen for this key.".to_owned(),
                neg_log_p: None,
            },
        ],
        top_contributors: vec![
            Contributor {
                dimension: "model".to_owned(),
                value: "claude-opus-4-1".to_owned(),
                share: 0.92,
                first_seen: false,
            },
            Contributor {
                dimension: "source_ip".to_owned(),
                value: "203.0.113.7".to_owned(),
                share: 0.88,
                first_seen: true,
            },
        ],
        incident_id: IncidentId::compute("acme", START),
        first_seen: START,
        cost_so_far_usd: Nanos::parse_usd("1234.56").unwrap(),
        burn_usd_per_hour: 410.0,
        attack_techniques: vec!["T1496.004".to_owned(), "AML.T0034".to_owned()],
        ended: false,
        series,
    }
}

pub(crate) fn notice(alerts: Vec<Alert>) -> Notice {
    let incident_id = IncidentId::compute("acme", START);
    Notice {
        incident: Incident {
            incident_id: incident_id.clone(),
            account: "acme".to_owned(),
            state: IncidentState::Open,
            severity: Severity::Critical,
            first_seen: START,
            last_seen: START.plus(3 * Timestamp::HOUR),
            keys: alerts.len() as u32,
            cost_so_far_usd: Nanos::parse_usd("1834.56").unwrap(),
            burn_usd_per_hour: 512.5,
        },
        alerts,
        shared_vendors: vec!["braintrust".to_owned()],
        linked_accounts: vec!["globex".to_owned(), "initech".to_owned()],
        sequence: 0,
        idempotency_key: format!("{incident_id}.0"),
        link: Some("https://spikewatch.example/incidents/inc_1".to_owned()),
    }
}

pub(crate) fn two_keys() -> Notice {
    let mut second = alert("apikey_02");
    second.key_hint = None;
    second.owner = None;
    second.metric = Metric::Cost;
    second.observed = 102.5;
    second.expected = 0.0;
    second.expected_low = 0.0;
    second.expected_high = 0.4;
    second.series = Vec::new();
    second.evidence.truncate(1);
    second.top_contributors.clear();
    second.attack_techniques.clear();
    second.cost_so_far_usd = Nanos::parse_usd("600").unwrap();
    second.burn_usd_per_hour = 102.5;
    notice(vec![alert("apikey_01"), second])
}

/// The same incident when it is over, told for the third time, without anything optional.
pub(crate) fn over() -> Notice {
    let mut alert = alert("apikey_01");
    alert.ended = true;
    alert.burn_usd_per_hour = 0.0;
    let mut notice = notice(vec![alert]);
    notice.incident.state = IncidentState::Ended;
    notice.incident.burn_usd_per_hour = 0.0;
    notice.shared_vendors.clear();
    notice.linked_accounts.clear();
    notice.link = None;
    notice.sequence = 2;
    notice
}
