//! Several instances on one server.

use casebook::{Casebook, Error};
use model::Severity;
use sqlx::{Connection, PgConnection};

use crate::maker::{alert, channels, hour, revised};
use crate::place::database;

#[tokio::test]
async fn instances_that_begin_at_once_make_one_schema() {
    let url = database().await;
    let (one, two, three) = tokio::join!(
        Casebook::connect(&url),
        Casebook::connect(&url),
        Casebook::connect(&url)
    );
    one.unwrap().set_meta("from", "one").await.unwrap();
    let read = two.unwrap().meta("from").await.unwrap();
    assert_eq!(read.as_deref(), Some("one"));
    assert!(three.unwrap().is_shared());
}

/// Two instances that believe to own the same keys record the same alerts, some in older
/// revisions, at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_two_instances_record_is_recorded_and_told_once() {
    let url = database().await;
    let channels = channels(&["mail", "slack"]);
    let first: Vec<_> = (0..20)
        .map(|key| alert("acme", &format!("key_{key}"), Severity::High, hour(key)))
        .collect();
    let second: Vec<_> = first
        .iter()
        .map(|alert| revised(alert, 5, |alert| alert.severity = Severity::Critical))
        .collect();
    let mut writers = Vec::new();
    for reversed in [false, true, false, true] {
        let casebook = Casebook::connect(&url).await.unwrap();
        let (first, second, channels) = (first.clone(), second.clone(), channels.clone());
        writers.push(tokio::spawn(async move {
            let mut alerts = [first, second].concat();
            if reversed {
                alerts.reverse();
            }
            let (mut new, mut notices) = (0, 0);
            for alert in &alerts {
                let recorded = casebook.record_alerts(&[alert.clone()], &channels).await;
                let recorded = recorded.unwrap();
                new += recorded.new;
                notices += recorded.notices;
            }
            (new, notices)
        }));
    }
    let (mut new, mut notices) = (0, 0);
    for writer in writers {
        let counts = writer.await.unwrap();
        new += counts.0;
        notices += counts.1;
    }
    let casebook = Casebook::connect(&url).await.unwrap();
    assert_eq!(new, 20);
    let stored = casebook
        .alerts(casebook::AlertFilter::default())
        .await
        .unwrap();
    assert_eq!(stored.len(), 20);
    assert!(
        stored
            .iter()
            .all(|alert| alert.severity == Severity::Critical)
    );
    // A message that waits tells all of it: one for each channel and incident.
    let incidents = casebook.incidents(100).await.unwrap();
    let due = casebook.due_notices(hour(1000), 1000).await.unwrap();
    assert_eq!(due.len(), 2 * incidents.len());
    assert_eq!(notices as usize, due.len());
    // Of several deliverers one begins.
    let other = Casebook::connect(&url).await.unwrap();
    let (one, two) = tokio::join!(
        casebook.attempt_started(&due[0], hour(1000)),
        other.attempt_started(&due[0], hour(1000))
    );
    assert_eq!(u8::from(one.unwrap()) + u8::from(two.unwrap()), 1);
}

#[tokio::test]
async fn the_audit_cannot_be_changed_and_a_change_is_found() {
    let url = database().await;
    let casebook = Casebook::connect(&url).await.unwrap();
    let details = serde_json::json!({ "of": "a test" });
    for hours in 0..3 {
        let event = casebook::AuditEvent {
            time: hour(hours),
            actor: "cli",
            event: "noted",
            subject: "nothing",
            details: &details,
        };
        casebook.note(&event).await.unwrap();
    }
    let mut thief = PgConnection::connect(url.as_str()).await.unwrap();
    for change in [
        "UPDATE audit SET actor = 'nobody' WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 3",
        "INSERT INTO audit VALUES (9, 0, 'a', 'b', 'c', '{}', '')",
        "TRUNCATE audit",
    ] {
        let refused = sqlx::raw_sql(change).execute(&mut thief).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_eq!(casebook.verify_audit().await.unwrap(), 3);
    let free =
        "ALTER TABLE audit DISABLE TRIGGER ALL; UPDATE audit SET actor = 'x' WHERE sequence = 2";
    sqlx::raw_sql(free).execute(&mut thief).await.unwrap();
    let broken = casebook.verify_audit().await.unwrap_err();
    assert!(
        matches!(broken, Error::AuditBroken { sequence: 2, .. }),
        "{broken}"
    );
}

#[tokio::test]
async fn a_newer_schema_and_a_wrong_password_are_refused_by_name() {
    let url = database().await;
    assert!(!Casebook::reach(&url).await.unwrap(), "nothing is made");
    assert!(!Casebook::reach(&url).await.unwrap());
    Casebook::connect(&url).await.unwrap().close().await;
    assert!(Casebook::reach(&url).await.unwrap());
    let mut future = PgConnection::connect(url.as_str()).await.unwrap();
    sqlx::raw_sql("UPDATE schema_version SET version = 99")
        .execute(&mut future)
        .await
        .unwrap();
    let newer = Casebook::reach(&url).await.unwrap_err();
    assert!(matches!(newer, Error::Newer { .. }), "{newer}");
    let newer = Casebook::connect(&url).await.unwrap_err();
    assert!(matches!(newer, Error::Newer { found: 99, .. }), "{newer}");
    let mut wrong = url.clone();
    wrong.set_password(Some("a-wrong-password")).unwrap();
    let refused = Casebook::connect(&wrong).await.unwrap_err().chain();
    assert!(
        refused.contains("password authentication failed"),
        "{refused}"
    );
    assert!(!refused.contains("a-wrong-password"), "{refused}");
}

#[tokio::test]
async fn a_connection_that_was_cut_is_made_again() {
    let url = database().await;
    let casebook = Casebook::connect(&url).await.unwrap();
    casebook.set_meta("before", "1").await.unwrap();
    let mut admin = PgConnection::connect(url.as_str()).await.unwrap();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::raw_sql(cut).execute(&mut admin).await.unwrap();
    casebook.set_meta("after", "2").await.unwrap();
    assert_eq!(casebook.meta("before").await.unwrap().as_deref(), Some("1"));
    assert_eq!(casebook.meta("after").await.unwrap().as_deref(), Some("2"));
}
