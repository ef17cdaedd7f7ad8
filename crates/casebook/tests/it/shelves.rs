//! Dead letters, inventory and facts.

use std::sync::Arc;

use casebook::{Acceptance, AlertFilter};
use model::{Change, DeadLetter, Entity, Inventory, KeyEntry, Position, Reason, Severity};
use serde_json::json;

use crate::maker::{alert, hour};
use crate::place::casebook;

fn letter(offset: i64, reason: Reason) -> DeadLetter {
    DeadLetter {
        reason,
        detail: "field \"time\" is missing".into(),
        position: Position {
            topic: Arc::from("usage"),
            partition: 3,
            offset,
        },
        record_time: (offset % 2 == 0).then(|| hour(0)),
        payload: "{\"a\":\"'quoted' \u{1}\"}".into(),
        payload_bytes: 4_000,
    }
}

#[tokio::test]
async fn a_dead_letter_is_kept_once() {
    let casebook = casebook().await;
    let letters = [
        letter(1, Reason::Json),
        letter(2, Reason::MissingField),
        letter(3, Reason::Json),
    ];
    assert_eq!(casebook.put_dead_letters(&letters).await.unwrap(), 3);
    let more = [letter(3, Reason::Json), letter(4, Reason::TooLarge)];
    assert_eq!(casebook.put_dead_letters(&more).await.unwrap(), 1);
    assert_eq!(casebook.put_dead_letters(&[]).await.unwrap(), 0);
    let newest = casebook.dead_letters(2).await.unwrap();
    assert_eq!(newest, [more[1].clone(), letters[2].clone()]);
    assert_eq!(
        casebook.dead_letter_counts().await.unwrap(),
        [
            (Reason::Json, 2),
            (Reason::MissingField, 1),
            (Reason::TooLarge, 1)
        ]
    );
}

#[tokio::test]
async fn a_text_with_nul_is_kept_in_every_database() {
    let casebook = casebook().await;
    let mut broken = letter(1, Reason::Json);
    broken.payload = "a\0b".into();
    assert_eq!(casebook.put_dead_letters(&[broken]).await.unwrap(), 1);
    let stored = casebook.dead_letters(1).await.unwrap();
    assert_eq!(stored[0].payload, "a\u{fffd}b");
}

#[tokio::test]
async fn an_inventory_is_merged() {
    let casebook = casebook().await;
    let key = |key: &str, owner: &str| KeyEntry {
        key: key.into(),
        account: "acme".into(),
        provider: "openai".into(),
        owner: Some(owner.into()),
        created: Some(hour(0)),
        vendors: vec!["braintrust".into()],
        ..KeyEntry::default()
    };
    let change = Change {
        time: hour(3),
        kind: "expected_growth".into(),
        key: Some("key_1".into()),
        account: None,
        details: [("factor".to_owned(), json!(3))].into(),
    };
    let first = Inventory {
        keys: vec![key("key_1", "payments"), key("key_2", "search")],
        changes: vec![change.clone()],
    };
    casebook.put_inventory(&first).await.unwrap();
    let second = Inventory {
        keys: vec![key("key_2", "ranking")],
        changes: vec![change.clone()],
    };
    casebook.put_inventory(&second).await.unwrap();
    let merged = casebook.inventory().await.unwrap();
    assert_eq!(
        merged.keys,
        [key("key_1", "payments"), key("key_2", "ranking")]
    );
    assert_eq!(merged.changes, [change]);
    let entity = key("key_2", "").entity();
    let found = casebook.key(&entity).await.unwrap().unwrap();
    assert_eq!(found.owner.as_deref(), Some("ranking"));
    assert!(casebook.key(&Entity::default()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_fact_is_replaced() {
    let casebook = casebook().await;
    assert_eq!(casebook.meta("prior").await.unwrap(), None);
    casebook.set_meta("prior", "1").await.unwrap();
    casebook.set_meta("prior", "2").await.unwrap();
    assert_eq!(casebook.meta("prior").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn an_accepted_level_is_a_change_with_a_line_of_the_audit() {
    let casebook = casebook().await;
    let alert = alert("acme", "key_1", Severity::High, hour(0));
    let before = casebook.inventory_version().await.unwrap();
    let acceptance = Acceptance {
        alert: &alert,
        from: hour(2),
        now: hour(1),
        actor: "ops",
        reason: "the new product is live",
    };
    casebook.accept_level(&acceptance).await.unwrap();
    assert!(casebook.inventory_version().await.unwrap() > before);
    let changes = casebook.inventory().await.unwrap().changes;
    let [change] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(change.time, hour(2));
    assert_eq!(change.kind, "level_accepted");
    assert_eq!(change.key.as_deref(), Some("key_1"));
    assert_eq!(change.details["reason"], "the new product is live");
    let audit = casebook.audit(10).await.unwrap();
    assert_eq!(audit.len(), 1);
    assert_eq!(casebook.verify_audit().await.unwrap(), 1);
}

#[tokio::test]
async fn alerts_of_an_erased_key_end_and_nobody_is_told() {
    let casebook = casebook().await;
    let erased = alert("acme", "key_1", Severity::High, hour(0));
    let others = [
        alert("acme", "key_2", Severity::High, hour(0)),
        alert("globex", "key_1", Severity::High, hour(0)),
    ];
    let channels = ["slack".to_owned()];
    let all = [&[erased.clone()][..], &others].concat();
    casebook.record_alerts(&all, &channels).await.unwrap();
    let waiting = casebook.outbox_counts().await.unwrap().pending;
    casebook
        .put_erased(&[erased.entity()], hour(3))
        .await
        .unwrap();

    let stored = casebook.alerts(AlertFilter::default()).await.unwrap();
    assert_eq!(stored.len(), 3);
    for alert in stored {
        let is_erased = alert.alert_id == erased.alert_id;
        assert_eq!((alert.ended, alert.revision > 0), (is_erased, is_erased));
        assert_eq!(alert.burn_usd_per_hour == 0.0, is_erased);
    }
    let counts = casebook.outbox_counts().await.unwrap();
    assert_eq!(counts.pending, waiting);
    // A revision that was on its way when it was erased changes nothing.
    let mut late = erased.clone();
    late.revision = 1;
    casebook.record_alerts(&[late], &channels).await.unwrap();
    let stored = casebook.alert(&erased.alert_id).await.unwrap().unwrap();
    assert!(stored.ended);
    let changes = casebook.inventory().await.unwrap().changes;
    assert_eq!(changes[0].kind, "history_erased");
}

#[tokio::test]
async fn how_keys_stand_is_replaced_as_a_whole() {
    let casebook = casebook().await;
    let standing = |key: &str, judged: bool| {
        let entity = Entity {
            provider: "openai".into(),
            account: "acme".into(),
            key: key.into(),
        };
        (entity, json!({ "judged": judged }))
    };
    let first = [standing("key_1", false), standing("key_2", false)];
    casebook.put_standings("one", &first).await.unwrap();
    let second = [standing("key_2", true)];
    casebook.put_standings("one", &second).await.unwrap();
    let known = casebook.standings::<serde_json::Value>(10).await.unwrap();
    assert_eq!(known, second);
}

#[tokio::test]
async fn a_lease_has_one_holder_until_it_ends_or_is_given_back() {
    let casebook = casebook().await;
    let lease = async |holder: &str, from, until| {
        let taken = casebook.lease("deliver", holder, hour(from), hour(until));
        taken.await.unwrap()
    };
    assert!(lease("one", 0, 2).await);
    assert!(!lease("two", 1, 3).await, "it is another's");
    assert!(lease("one", 1, 3).await, "it lasts longer");
    assert_eq!(casebook.leases("del", hour(2)).await.unwrap(), 1);
    assert_eq!(casebook.leases("poll", hour(2)).await.unwrap(), 0);
    assert_eq!(casebook.leases("del", hour(3)).await.unwrap(), 0);
    assert!(lease("two", 3, 4).await, "it has ended");
    casebook.release("deliver", "one").await.unwrap();
    assert!(!lease("one", 3, 4).await, "it was not one's to give");
    casebook.release("deliver", "two").await.unwrap();
    assert!(lease("one", 3, 4).await);
}
