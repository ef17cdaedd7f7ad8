//! Dead letters, inventory and facts.

use std::sync::Arc;

use casebook::Casebook;
use model::{Change, DeadLetter, Entity, Inventory, KeyEntry, Position, Reason};
use serde_json::json;

use crate::maker::hour;

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
        payload: "{\"a\":\"\u{0}'quoted'\"}".into(),
        payload_bytes: 4_000,
    }
}

#[tokio::test]
async fn a_dead_letter_is_kept_once() {
    let casebook = Casebook::in_memory().await.unwrap();
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
async fn an_inventory_is_merged() {
    let casebook = Casebook::in_memory().await.unwrap();
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
    let casebook = Casebook::in_memory().await.unwrap();
    assert_eq!(casebook.meta("prior").await.unwrap(), None);
    casebook.set_meta("prior", "1").await.unwrap();
    casebook.set_meta("prior", "2").await.unwrap();
    assert_eq!(casebook.meta("prior").await.unwrap().as_deref(), Some("2"));
}
