//! Which alerts belong together, and what an incident comes to.

use casebook::{AlertFilter, Casebook};
use model::{Incident, IncidentState, Nanos, Severity};

use crate::maker::{alert, channels, hour, revised};
use crate::place::casebook;

async fn only_incident(casebook: &Casebook) -> Incident {
    let incidents = casebook.incidents(10).await.unwrap();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    incidents.into_iter().next().unwrap()
}

#[tokio::test]
async fn alerts_of_an_account_within_a_day_share_an_incident() {
    let casebook = casebook().await;
    let first = alert("acme", "key_1", Severity::Medium, hour(0));
    let second = alert("acme", "key_2", Severity::Critical, hour(20));
    let earlier = alert("acme", "key_3", Severity::Info, hour(-23));
    let recorded = casebook
        .record_alerts(&[first.clone(), second.clone(), earlier], &[])
        .await
        .unwrap();
    assert_eq!((recorded.new, recorded.unchanged), (3, 0));
    assert_eq!(recorded.opened, [first.incident_id.clone()]);
    assert!(
        recorded
            .applied
            .iter()
            .all(|alert| alert.incident_id == first.incident_id)
    );

    let incident = only_incident(&casebook).await;
    assert_eq!(incident.incident_id, first.incident_id);
    assert_eq!(incident.severity, Severity::Critical);
    assert_eq!(incident.keys, 3);
    assert_eq!(incident.cost_so_far_usd, Nanos::new(300 * Nanos::USD));
    assert_eq!(incident.burn_usd_per_hour, 150.0);
    assert_eq!(incident.first_seen, hour(-23));
    assert_eq!(incident.last_seen, second.raised_at);
    let stored = casebook.alert(&second.alert_id).await.unwrap().unwrap();
    assert_eq!(stored.incident_id, first.incident_id);
}

#[tokio::test]
async fn other_accounts_and_later_days_open_their_own() {
    let casebook = casebook().await;
    let alerts = [
        alert("acme", "key_1", Severity::Medium, hour(0)),
        alert("globex", "key_1", Severity::Medium, hour(0)),
        alert("acme", "key_1", Severity::Medium, hour(25)),
        alert("acme", "key_1", Severity::Medium, hour(-48)),
    ];
    let recorded = casebook.record_alerts(&alerts, &[]).await.unwrap();
    assert_eq!(recorded.opened.len(), 4);
}

#[tokio::test]
async fn the_day_counts_from_the_newest_revision_and_a_known_alert_keeps_its_incident() {
    let casebook = casebook().await;
    let first = alert("acme", "key_1", Severity::Medium, hour(0));
    let long = revised(&first, 30 * 60, |_| {});
    let far = alert("acme", "key_2", Severity::Medium, hour(50));
    let recorded = casebook
        .record_alerts(&[first.clone(), long, far.clone()], &[])
        .await
        .unwrap();
    assert_eq!(recorded.opened, [first.incident_id.clone()]);
    let later = revised(&far, 60 * 24 * 9, |_| {});
    let recorded = casebook.record_alerts(&[later], &[]).await.unwrap();
    assert_eq!(recorded.applied[0].incident_id, first.incident_id);
    assert_eq!((recorded.new, recorded.opened.len()), (0, 0));
}

#[tokio::test]
async fn an_incident_ends_with_its_last_alert_and_opens_again() {
    let casebook = casebook().await;
    let one = alert("acme", "key_1", Severity::Medium, hour(0));
    let two = alert("acme", "key_2", Severity::High, hour(1));
    let end = |alert| revised(alert, 60, |alert| alert.ended = true);
    casebook
        .record_alerts(&[one.clone(), two.clone(), end(&one)], &[])
        .await
        .unwrap();
    let incident = only_incident(&casebook).await;
    assert_eq!(incident.state, IncidentState::Open);
    assert_eq!(incident.burn_usd_per_hour, 50.0);
    let totals = casebook.open_totals().await.unwrap();
    assert_eq!((totals.incidents, totals.keys), (1, 2));
    assert_eq!(totals.cost_so_far_usd, incident.cost_so_far_usd);
    assert_eq!(totals.burn_usd_per_hour, 50.0);
    casebook.record_alerts(&[end(&two)], &[]).await.unwrap();
    let incident = only_incident(&casebook).await;
    assert_eq!(incident.state, IncidentState::Ended);
    assert_eq!(incident.burn_usd_per_hour, 0.0);
    assert_eq!(incident.cost_so_far_usd, Nanos::new(200 * Nanos::USD));
    let again = alert("acme", "key_1", Severity::Low, hour(5));
    casebook.record_alerts(&[again], &[]).await.unwrap();
    assert_eq!(only_incident(&casebook).await.state, IncidentState::Open);
}

#[tokio::test]
async fn a_replay_changes_nothing() {
    let casebook = casebook().await;
    let names = channels(&["slack", "mail"]);
    let first = alert("acme", "key_1", Severity::Medium, hour(0));
    let alerts = [
        first.clone(),
        revised(&first, 5, |alert| alert.severity = Severity::High),
        alert("acme", "key_2", Severity::High, hour(2)),
        alert("globex", "key_9", Severity::Low, hour(2)),
    ];
    casebook.record_alerts(&alerts, &names).await.unwrap();
    let see = async || {
        (
            casebook.incidents(10).await.unwrap(),
            casebook.alerts(AlertFilter::default()).await.unwrap(),
            casebook.due_notices(hour(1_000), 100).await.unwrap(),
            casebook.revisions(&first.incident_id, 100).await.unwrap(),
        )
    };
    let before = see().await;
    let replay = casebook.record_alerts(&alerts, &names).await.unwrap();
    assert_eq!(replay.unchanged, 4);
    assert!(replay.applied.is_empty() && replay.opened.is_empty());
    assert_eq!(replay.notices, 0);
    assert_eq!(before, see().await);
    assert_eq!(before.3.len(), 3);
}

#[tokio::test]
async fn alerts_come_back_as_they_were_stored_the_worst_first_and_by_filter() {
    let casebook = casebook().await;
    let low = alert("acme", "key_1", Severity::Low, hour(0));
    let high = alert("acme", "key_2", Severity::High, hour(0));
    let other = alert("globex", "key_2", Severity::Critical, hour(0));
    casebook
        .record_alerts(&[low.clone(), high.clone(), other.clone()], &[])
        .await
        .unwrap();
    let find = async |filter| casebook.alerts(filter).await.unwrap();
    assert_eq!(
        find(AlertFilter::default()).await,
        [other.clone(), high.clone(), low.clone()]
    );
    let of_account = AlertFilter {
        account: Some("acme".into()),
        ..AlertFilter::default()
    };
    assert_eq!(find(of_account).await, [high.clone(), low]);
    let of_key = AlertFilter {
        key: Some("key_2".into()),
        limit: 1,
        ..AlertFilter::default()
    };
    assert_eq!(find(of_key).await, [other]);
    let of_incident = AlertFilter {
        incident: Some(high.incident_id.clone()),
        ..AlertFilter::default()
    };
    assert_eq!(find(of_incident).await.len(), 2);
}

#[tokio::test]
async fn numbers_that_json_cannot_hold_do_not_lose_the_alert() {
    let casebook = casebook().await;
    let mut odd = alert("acme", "key_1", Severity::Low, hour(0));
    odd.neg_log_p = f64::INFINITY;
    odd.burn_usd_per_hour = f64::NAN;
    odd.series[0].observed = f64::NEG_INFINITY;
    odd.evidence[0].neg_log_p = Some(f64::INFINITY);
    casebook.record_alerts(&[odd.clone()], &[]).await.unwrap();
    let stored = casebook.alert(&odd.alert_id).await.unwrap().unwrap();
    assert_eq!(stored.neg_log_p, f64::MAX);
    assert_eq!(stored.burn_usd_per_hour, 0.0);
    assert_eq!(stored.series[0].observed, f64::MIN);
    assert_eq!(stored.evidence[0].neg_log_p, None);
}
