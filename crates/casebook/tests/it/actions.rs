//! Actions and the audit chain.

use casebook::{Casebook, Error};
use model::{Action, ActionId, ActionState, ActionStore, Entity, Rung, Timestamp};
use serde_json::json;
use sqlx::Connection;
use tempfile::TempDir;

use crate::maker::hour;
use crate::place::casebook;

fn freeze(key: &str, requested_at: Timestamp) -> Action {
    let entity = Entity {
        provider: "anthropic".into(),
        account: "acme".into(),
        key: key.into(),
    };
    Action {
        action_id: ActionId::compute(Rung::Freeze, &entity, requested_at),
        rung: Rung::Freeze,
        entity,
        reason: "abused".into(),
        actor: "on-call".into(),
        requested_at,
        state: ActionState::Requested,
        status_before: None,
        undo: None,
        last_error: None,
    }
}

async fn step(casebook: &Casebook, action: &mut Action, state: ActionState) {
    action.state = state;
    let event = format!("action.{}", state.as_str());
    casebook
        .record(
            action,
            hour(1),
            "on-call",
            &event,
            json!({ "z": 1, "a": "b" }),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn every_step_is_stored_with_its_line() {
    let casebook = casebook().await;
    let mut action = freeze("key_1", hour(0));
    for state in [
        ActionState::Requested,
        ActionState::Calling,
        ActionState::Verified,
    ] {
        step(&casebook, &mut action, state).await;
    }
    let mut other = freeze("key_2", hour(1));
    step(&casebook, &mut other, ActionState::Requested).await;

    assert_eq!(
        casebook.actions().await.unwrap(),
        [other.clone(), action.clone()]
    );
    assert_eq!(
        casebook.actions_of(&action.entity).await.unwrap(),
        [action.clone()]
    );
    assert_eq!(
        casebook.action(&action.action_id).await.unwrap(),
        Some(action.clone())
    );
    let id = action.action_id.as_str();
    for prefix in [id, &id[..12], &id[4..12]] {
        let found = casebook.find_action(prefix).await.unwrap();
        assert_eq!(found.as_ref(), Some(&action), "{prefix}");
    }
    assert!(casebook.find_action("act_zz%_").await.unwrap().is_none());
    let ambiguous = casebook.find_action("act_").await.unwrap_err();
    assert!(matches!(ambiguous, Error::Ambiguous { count: 2, .. }));

    let audit = casebook.audit(10).await.unwrap();
    assert_eq!(audit.len(), 4);
    assert_eq!((audit[0].sequence, audit[3].sequence), (4, 1));
    let of_action = casebook.audit_of(id, 10).await.unwrap();
    let events: Vec<_> = of_action.iter().map(|line| line.event.as_str()).collect();
    assert_eq!(
        events,
        ["action.requested", "action.calling", "action.verified"]
    );
    assert_eq!(of_action[0].details, json!({ "z": 1, "a": "b" }));
    assert_eq!(casebook.verify_audit().await.unwrap(), 4);
}

#[tokio::test]
async fn an_empty_chain_holds() {
    let casebook = casebook().await;
    assert_eq!(casebook.verify_audit().await.unwrap(), 0);
}

/// Writes five lines, runs SQL behind the casebook's back, and returns what the check says.
async fn tampered(sql: &'static str) -> Result<u64, Error> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("casebook.db");
    let casebook = Casebook::open(&path).await.unwrap();
    let mut action = freeze("key_1", hour(0));
    for _ in 0..5 {
        step(&casebook, &mut action, ActionState::Calling).await;
    }
    assert_eq!(casebook.verify_audit().await.unwrap(), 5);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut thief = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let outcome = sqlx::raw_sql(sql).execute(&mut thief).await;
    if let Err(refused) = outcome {
        assert!(refused.to_string().contains("append-only"), "{refused}");
        return Ok(0);
    }
    casebook.verify_audit().await
}

#[tokio::test]
async fn the_table_refuses_to_be_changed() {
    for sql in [
        "UPDATE audit SET actor = 'nobody' WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 5",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit VALUES (5, 0, 'a', 'b', 'c', '{}', '')",
        "INSERT INTO audit VALUES (9, 0, 'a', 'b', 'c', '{}', '')",
        "REPLACE INTO audit SELECT sequence, 0, actor, event, subject, details, hash FROM audit",
    ] {
        assert_eq!(tampered(sql).await.unwrap(), 0, "{sql}");
    }
}

#[tokio::test]
async fn the_check_names_the_first_broken_line() {
    const FREE: &str = "DROP TRIGGER audit_is_never_updated; DROP TRIGGER audit_is_never_deleted;
                        DROP TRIGGER audit_grows_by_one;";
    for (sql, expected) in [
        ("UPDATE audit SET actor = 'nobody' WHERE sequence = 2", 2),
        ("UPDATE audit SET details = '{}' WHERE sequence = 4", 4),
        ("UPDATE audit SET time = time + 1 WHERE sequence = 1", 1),
        ("DELETE FROM audit WHERE sequence = 3", 3),
        ("DELETE FROM audit WHERE sequence >= 4", 4),
        ("DELETE FROM audit", 1),
        (
            "INSERT INTO audit VALUES (6, 0, 'a', 'b', 'c', '{}', 'd')",
            6,
        ),
        ("UPDATE audit_head SET hash = 'other'", 6),
    ] {
        let both: &'static str = Box::leak(format!("{FREE}{sql}").into_boxed_str());
        match tampered(both).await {
            Err(Error::AuditBroken { sequence, .. }) => assert_eq!(sequence, expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}
