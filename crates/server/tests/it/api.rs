//! The JSON API.

use model::{Action, ActionId, ActionState, ActionStore, Alert, Rung, Severity};

use crate::client::Running;
use crate::maker::{START, alert, vitals};

#[tokio::test]
async fn incidents_and_alerts_come_as_json() {
    let alerts = [
        alert("acme", "key_1", Severity::High),
        alert("acme", "key_2", Severity::Critical),
        alert("globex", "key_3", Severity::Medium),
    ];
    let server = Running::with(&alerts, vitals(), &[]).await;
    let list = server.get("/api/v1/incidents").await;
    assert!(list.headers["content-type"].starts_with("application/json"));
    let list = list.json();
    assert_eq!(list["incidents"].as_array().unwrap().len(), 2);
    assert_eq!(list["incidents"][0]["severity"], "critical");

    let id = alerts[0].incident_id.as_str();
    let whole = server.get(&format!("/api/v1/incidents/{id}")).await.json();
    assert_eq!(whole["incident"]["keys"], 2);
    assert_eq!(whole["alerts"][0]["key_id"], "key_2");
    assert_eq!(whole["shared_vendors"][0], "braintrust");
    assert_eq!(whole["linked_accounts"][0], "globex");
    assert_eq!(whole["deliveries"][0]["state"], "pending");

    let of_key = server.get("/api/v1/alerts?key=key_3&limit=5").await.json();
    assert_eq!(of_key["alerts"].as_array().unwrap().len(), 1);
    let path = format!("/api/v1/alerts/{}", alerts[2].alert_id);
    let one: Alert = serde_json::from_value(server.get(&path).await.json()).unwrap();
    assert_eq!(one, alerts[2]);
}

#[tokio::test]
async fn questions_that_make_no_sense_are_answered_in_json() {
    let server = Running::with(&[], vitals(), &[]).await;
    for (path, status) in [
        ("/api/v1/alerts?limit=0", 400),
        ("/api/v1/alerts?limit=100000", 400),
        ("/api/v1/alerts?limit=many", 400),
        ("/api/v1/alerts?lmit=1", 400),
        ("/api/v1/incidents?key=a", 400),
        ("/api/v1/alerts/alt_none", 404),
        ("/api/v1/incidents/inc_none", 404),
        ("/api/v2/incidents", 404),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["error"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn actions_and_their_audit_are_part_of_the_incident() {
    let alert = alert("acme", "key_1", Severity::High);
    let server = Running::with(std::slice::from_ref(&alert), vitals(), &[]).await;
    let action = Action {
        action_id: ActionId::compute(Rung::Freeze, &alert.entity(), START),
        rung: Rung::Freeze,
        entity: alert.entity(),
        reason: "abused".into(),
        actor: "on-call".into(),
        requested_at: START,
        state: ActionState::Verified,
        status_before: None,
        undo: None,
        last_error: None,
    };
    let details = serde_json::json!({ "status": "inactive" });
    server
        .casebook
        .record(&action, START, "on-call", "action.verified", details)
        .await
        .unwrap();
    let id = &alert.incident_id;
    let whole = server.get(&format!("/api/v1/incidents/{id}")).await.json();
    assert_eq!(whole["actions"][0]["state"], "verified");
    assert_eq!(whole["audit"][0]["event"], "action.verified");
    let page = server.get(&format!("/incidents/{id}")).await.body;
    let undo = format!("spikewatch undo {}", action.action_id);
    assert!(page.contains(&undo), "{page}");
    assert!(page.contains("action.verified by on-call"), "{page}");
}
