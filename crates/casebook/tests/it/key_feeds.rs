//! Positions of pollers, and keys as their providers' lists and audit logs show them.

use casebook::{Casebook, KeyFact, KeySighting, SightingSource};
use model::{Entity, Inventory, KeyEntry, PollPositions, Timestamp};

use crate::maker::hour;
use crate::place::casebook;

fn entity(account: &str) -> Entity {
    Entity {
        provider: "openai".into(),
        account: account.into(),
        key: "key_1".into(),
    }
}

fn listed(account: &str, time: Timestamp, facts: &[(KeyFact, &str)]) -> KeySighting {
    let facts = facts
        .iter()
        .map(|(fact, value)| (*fact, (*value).to_owned()));
    KeySighting {
        entity: entity(account),
        time,
        source: SightingSource::List,
        actor: None,
        facts: facts.collect(),
        last_used: None,
    }
}

fn done(account: &str, time: Timestamp, facts: &[(KeyFact, &str)], actor: &str) -> KeySighting {
    KeySighting {
        source: SightingSource::Audit,
        actor: Some(actor.to_owned()),
        ..listed(account, time, facts)
    }
}

/// Everything that the casebook says of keys, for comparison.
async fn told(casebook: &Casebook) -> String {
    let mut told = String::new();
    for key in casebook.seen_keys().await.unwrap() {
        let alone = casebook.seen_key(&key.entity).await.unwrap().unwrap();
        assert_eq!(alone, key, "one and all say the same");
        told.push_str(&format!("{key:#?}\n"));
        for change in casebook.key_history(&key.entity).await.unwrap() {
            told.push_str(&format!(
                "{} {}={} {:?}\n",
                change.time,
                change.fact.as_str(),
                change.value,
                change.actor
            ));
        }
    }
    told
}

/// The life of a key, out of a list that has no account and an audit log that has one.
fn life() -> Vec<KeySighting> {
    use KeyFact::{Changed, Created, CreatedBy, Hint, Owner, Status};
    let made = hour(1).to_string();
    let state = |status| {
        vec![
            (Status, status),
            (Owner, "ada@acme.example"),
            (Hint, "sk-…x9Zq"),
            (Created, made.as_str()),
        ]
    };
    let mut used = listed("", hour(3), &state("active"));
    used.last_used = Some(hour(2));
    vec![
        done(
            "org-1",
            hour(1).plus(700),
            &[(Status, "active"), (CreatedBy, "ada")],
            "ada",
        ),
        used,
        done(
            "org-1",
            hour(4),
            &[(Changed, "api_key.updated changes.scopes=a")],
            "bob",
        ),
        done("org-1", hour(5), &[(Status, "inactive")], "bob"),
        listed("", hour(6), &state("inactive")),
        done("org-1", hour(7), &[(Status, "deleted")], "eve"),
        listed("", hour(7).plus(100), &state("active")),
    ]
}

#[tokio::test]
async fn positions_are_kept_by_feed() {
    let casebook = casebook().await;
    assert_eq!(casebook.position("openai/costs").await.unwrap(), None);
    for position in ["1 a", "1 b"] {
        casebook
            .set_position("openai/costs", position, hour(1))
            .await
            .unwrap();
    }
    casebook
        .set_position("openai/audit", "1 c", hour(1))
        .await
        .unwrap();
    let position = casebook.position("openai/costs").await.unwrap();
    assert_eq!(position.as_deref(), Some("1 b"));
}

#[tokio::test]
async fn a_keys_life_is_told_with_time_and_actor() {
    let casebook = casebook().await;
    let changes = casebook.observe_keys(&life()).await.unwrap();
    assert!(!changes.is_empty());
    let key = casebook.seen_key(&entity("")).await.unwrap().unwrap();
    assert_eq!(
        key.status.as_deref(),
        Some("deleted"),
        "a list that was a little old changes nothing"
    );
    assert_eq!(key.owner.as_deref(), Some("ada@acme.example"));
    assert_eq!(key.hint.as_deref(), Some("sk-…x9Zq"));
    assert_eq!(key.created, Some(hour(1)));
    assert_eq!(key.created_by.as_deref(), Some("ada"));
    assert_eq!(key.last_used, Some(hour(2)));
    let history = casebook.key_history(&entity("")).await.unwrap();
    let acts = history
        .iter()
        .filter(|change| matches!(change.fact, KeyFact::Status | KeyFact::Changed));
    let acts: Vec<_> = acts
        .map(|change| (change.time, change.value.as_str(), change.actor.as_deref()))
        .collect();
    assert_eq!(
        acts,
        [
            (hour(1).plus(700), "active", Some("ada")),
            (hour(4), "api_key.updated changes.scopes=a", Some("bob")),
            (hour(5), "inactive", Some("bob")),
            (hour(7), "deleted", Some("eve")),
            (hour(7).plus(100), "active", None),
        ]
    );
}

#[tokio::test]
async fn late_and_repeated_rows_change_nothing_twice() {
    let in_order = casebook().await;
    in_order.observe_keys(&life()).await.unwrap();
    let expected = told(&in_order).await;
    let version = in_order.inventory_version().await.unwrap();
    assert_eq!(in_order.observe_keys(&life()).await.unwrap(), []);
    assert_eq!(told(&in_order).await, expected);
    assert_eq!(in_order.inventory_version().await.unwrap(), version);

    // Each beginning and each direction, one by one, with repeats.
    let life = life();
    for start in 0..life.len() {
        for backwards in [false, true] {
            let mut order = life.clone();
            order.rotate_left(start);
            if backwards {
                order.reverse();
            }
            let casebook = casebook().await;
            for sighting in order.iter().chain(&order) {
                casebook
                    .observe_keys(std::slice::from_ref(sighting))
                    .await
                    .unwrap();
            }
            assert_eq!(told(&casebook).await, expected, "{start} {backwards}");
        }
    }
}

#[tokio::test]
async fn accounts_that_are_left_open_are_joined_and_others_are_not() {
    let status = [(KeyFact::Status, "active")];
    for sightings in [
        [
            listed("", hour(1), &status),
            done("org-1", hour(1), &[], "a"),
        ],
        [
            done("org-1", hour(1), &[], "a"),
            listed("", hour(1), &status),
        ],
    ] {
        let casebook = casebook().await;
        casebook.observe_keys(&sightings).await.unwrap();
        let keys = casebook.seen_keys().await.unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].entity.account, "", "a list is believed");
    }
    for sightings in [
        [
            done("", hour(1), &[], "a"),
            done("org-1", hour(1), &[], "a"),
        ],
        [
            done("org-1", hour(1), &[], "a"),
            done("", hour(1), &[], "a"),
        ],
    ] {
        let casebook = casebook().await;
        casebook.observe_keys(&sightings).await.unwrap();
        let keys = casebook.seen_keys().await.unwrap();
        assert_eq!((keys.len(), keys[0].entity.account.as_str()), (1, "org-1"));
    }
    let casebook = casebook().await;
    let two = [
        listed("org-1", hour(1), &status),
        listed("org-2", hour(1), &status),
    ];
    casebook.observe_keys(&two).await.unwrap();
    assert_eq!(casebook.seen_keys().await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_seen_fills_the_inventory_in_and_never_overrules_it() {
    let casebook = casebook().await;
    let known = KeyEntry {
        provider: "openai".into(),
        key: "key_1".into(),
        owner: Some("platform team".into()),
        vendors: vec!["braintrust".into()],
        ..KeyEntry::default()
    };
    let inventory = Inventory {
        keys: vec![known.clone()],
        changes: Vec::new(),
    };
    casebook.put_inventory(&inventory).await.unwrap();
    let version = casebook.inventory_version().await.unwrap();
    let mut other = life();
    for sighting in &mut other {
        sighting.entity.key = "key_2".into();
    }
    casebook.observe_keys(&life()).await.unwrap();
    casebook.observe_keys(&other).await.unwrap();
    assert!(casebook.inventory_version().await.unwrap() > version);
    // Putting it again, as each start does, takes nothing away.
    casebook.put_inventory(&inventory).await.unwrap();
    let [one, two] = casebook.keys().await.unwrap().try_into().unwrap();
    assert_eq!(one.owner, known.owner);
    assert_eq!(one.vendors, known.vendors);
    assert_eq!(one.created, Some(hour(1)));
    assert_eq!(two.owner.as_deref(), Some("ada@acme.example"));
    assert_eq!(
        casebook.key(&one.entity()).await.unwrap(),
        Some(one.clone())
    );
    assert_eq!(
        casebook.key(&two.entity()).await.unwrap(),
        Some(two.clone())
    );
    assert_eq!(casebook.inventory().await.unwrap().keys, [one, two]);
}
