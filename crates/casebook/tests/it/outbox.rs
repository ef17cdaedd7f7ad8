//! Who is told, how often, and how a delivery goes.

use casebook::{Casebook, DeliveryState, OutboxEntry};
use model::{Alert, Receipt, Severity};

use crate::maker::{alert, channels, hour, revised};
use crate::place::casebook;

struct Desk {
    casebook: Casebook,
    channels: Vec<String>,
}

impl Desk {
    async fn new(names: &[&str]) -> Self {
        Self {
            casebook: casebook().await,
            channels: channels(names),
        }
    }

    /// Records alerts and returns how many messages they caused.
    async fn record(&self, alerts: &[Alert]) -> u32 {
        let recorded = self.casebook.record_alerts(alerts, &self.channels).await;
        recorded.unwrap().notices
    }

    async fn due(&self) -> Vec<OutboxEntry> {
        self.casebook.due_notices(hour(100), 100).await.unwrap()
    }

    async fn deliver_all(&self) {
        for entry in self.due().await {
            assert!(
                self.casebook
                    .attempt_started(&entry, hour(1))
                    .await
                    .unwrap()
            );
            let receipt = Receipt {
                answer: "250 ok".into(),
            };
            self.casebook
                .delivered(&entry, &receipt, hour(1))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn the_first_severity_that_pages_tells_every_channel_once() {
    let desk = Desk::new(&["slack", "mail"]).await;
    let quiet = alert("acme", "key_1", Severity::Low, hour(0));
    assert_eq!(desk.record(&[quiet.clone()]).await, 0);
    let loud = revised(&quiet, 5, |alert| alert.severity = Severity::Medium);
    assert_eq!(desk.record(&[loud.clone()]).await, 2);
    let due = desk.due().await;
    let seen: Vec<_> = due
        .iter()
        .map(|entry| (entry.channel.as_str(), entry.sequence))
        .collect();
    assert_eq!(seen, [("mail", 0), ("slack", 0)]);
    assert_ne!(due[0].idempotency_key, due[1].idempotency_key);
    desk.deliver_all().await;
    assert!(desk.due().await.is_empty());
    // More of the same is no news.
    assert_eq!(desk.record(&[revised(&loud, 5, |_| {})]).await, 0);
}

#[tokio::test]
async fn news_waits_in_a_message_that_was_never_tried() {
    let desk = Desk::new(&["slack"]).await;
    let first = alert("acme", "key_1", Severity::Medium, hour(0));
    let louder = revised(&first, 5, |alert| alert.severity = Severity::High);
    let second = alert("acme", "key_2", Severity::Critical, hour(1));
    assert_eq!(desk.record(&[first, louder, second]).await, 1);
    let due = desk.due().await;
    assert_eq!(due.len(), 1);
    let notice = desk
        .casebook
        .notice(&due[0], Some("http://127.0.0.1:8080/"))
        .await
        .unwrap();
    assert_eq!(notice.incident.severity, Severity::Critical);
    assert_eq!(notice.incident.keys, 2);
    assert_eq!(notice.alerts[0].key_id, "key_2");
    assert_eq!(notice.sequence, 0);
    assert_eq!(notice.idempotency_key, due[0].idempotency_key);
    assert_eq!(
        notice.link.unwrap(),
        format!(
            "http://127.0.0.1:8080/incidents/{}",
            notice.incident.incident_id
        )
    );
}

#[tokio::test]
async fn a_rise_and_a_further_key_are_told_after_a_delivery() {
    let desk = Desk::new(&["slack"]).await;
    let first = alert("acme", "key_1", Severity::Medium, hour(0));
    desk.record(&[first.clone()]).await;
    desk.deliver_all().await;
    let louder = revised(&first, 5, |alert| alert.severity = Severity::High);
    assert_eq!(desk.record(&[louder.clone()]).await, 1);
    assert_eq!(desk.due().await[0].sequence, 1);
    desk.deliver_all().await;
    // Down and up again is no rise.
    let softer = revised(&louder, 5, |alert| alert.severity = Severity::Medium);
    let again = revised(&softer, 5, |alert| alert.severity = Severity::High);
    assert_eq!(desk.record(&[softer, again.clone()]).await, 0);
    // Nor is a key for the record, until it pages.
    let small = alert("acme", "key_2", Severity::Info, hour(1));
    assert_eq!(desk.record(&[small.clone()]).await, 0);
    let grown = revised(&small, 5, |alert| alert.severity = Severity::Medium);
    assert_eq!(desk.record(&[grown]).await, 1);
    assert_eq!(desk.due().await[0].sequence, 2);
    // The end is not told.
    desk.deliver_all().await;
    let ended = revised(&again, 5, |alert| alert.ended = true);
    assert_eq!(desk.record(&[ended]).await, 0);
}

#[tokio::test]
async fn a_tried_message_is_followed_by_the_next_in_order() {
    let desk = Desk::new(&["slack"]).await;
    let first = alert("acme", "key_1", Severity::Medium, hour(0));
    desk.record(&[first.clone()]).await;
    let entry = desk.due().await.remove(0);
    let book = &desk.casebook;
    assert!(book.attempt_started(&entry, hour(1)).await.unwrap());
    assert!(!book.attempt_started(&entry, hour(1)).await.unwrap());
    book.failed(&entry, "503", Some(hour(2))).await.unwrap();
    let louder = revised(&first, 5, |alert| alert.severity = Severity::High);
    assert_eq!(desk.record(&[louder]).await, 1);
    assert!(book.due_notices(hour(1), 10).await.unwrap().is_empty());
    let due = book.due_notices(hour(2), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].sequence, due[0].attempts), (0, 1));
    assert_eq!(due[0].first_attempt_at, Some(hour(1)));
    assert_eq!(due[0].last_error.as_deref(), Some("503"));
    book.failed(&due[0], "410 gone", None).await.unwrap();
    assert_eq!(desk.due().await[0].sequence, 1);
    let counts = book.outbox_counts().await.unwrap();
    assert_eq!((counts.pending, counts.dead, counts.sent), (1, 1, 0));
    desk.deliver_all().await;
    let deliveries = book.deliveries(&entry.incident_id).await.unwrap();
    let states: Vec<_> = deliveries.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Dead, DeliveryState::Sent]);
    assert_eq!(deliveries[1].receipt.as_deref(), Some("250 ok"));
}

#[tokio::test]
async fn stale_messages_are_suppressed_and_later_news_is_told() {
    let desk = Desk::new(&["slack"]).await;
    let old = alert("acme", "key_1", Severity::High, hour(0));
    let fresh = alert("globex", "key_2", Severity::High, hour(30));
    desk.record(&[old.clone(), fresh]).await;
    let suppressed = desk
        .casebook
        .suppress_pending_before(hour(29), "older than the start")
        .await;
    assert_eq!(suppressed.unwrap(), 1);
    assert_eq!(desk.due().await.len(), 1);
    assert_eq!(desk.casebook.outbox_counts().await.unwrap().suppressed, 1);
    // The end of an old episode is no news, but going on is.
    let ended = revised(&old, 60, |alert| alert.ended = true);
    assert_eq!(desk.record(&[ended.clone()]).await, 0);
    let going_on = revised(&ended, 60, |alert| alert.ended = false);
    assert_eq!(desk.record(&[going_on.clone()]).await, 1);
    assert_eq!(desk.record(&[revised(&going_on, 1, |_| {})]).await, 0);
    let due = desk.due().await;
    assert!(due.iter().any(|entry| entry.sequence == 1));
}

#[tokio::test]
async fn held_messages_wait() {
    let desk = Desk::new(&["slack"]).await;
    let first = alert("acme", "key_1", Severity::High, hour(0));
    desk.record(&[first.clone()]).await;
    let hold = async |held| desk.casebook.hold(&first.incident_id, held).await.unwrap();
    assert_eq!(hold(true).await, 1);
    assert!(desk.due().await.is_empty());
    assert_eq!(hold(false).await, 1);
    assert_eq!(desk.due().await.len(), 1);
}

#[tokio::test]
async fn vendors_shared_by_all_keys_link_open_incidents() {
    let desk = Desk::new(&["slack"]).await;
    let stored = |account, key, vendors: &[&str]| {
        let mut alert = alert(account, key, Severity::High, hour(0));
        alert.stored_with = channels(vendors);
        alert
    };
    let elsewhere = stored("umbrella", "key_5", &["braintrust"]);
    let over = revised(&elsewhere, 1, |alert| alert.ended = true);
    desk.record(&[
        stored("acme", "key_1", &["braintrust", "langfuse"]),
        stored("acme", "key_2", &["portkey", "braintrust"]),
        stored("globex", "key_3", &["braintrust"]),
        stored("initech", "key_4", &["langfuse"]),
        elsewhere,
        over,
    ])
    .await;
    let due = desk.due().await;
    let entry = due
        .iter()
        .find(|entry| {
            entry.incident_id == alert("acme", "key_1", Severity::High, hour(0)).incident_id
        })
        .unwrap();
    let notice = desk.casebook.notice(entry, None).await.unwrap();
    assert_eq!(notice.shared_vendors, ["braintrust"]);
    assert_eq!(notice.linked_accounts, ["globex"]);
    assert_eq!(notice.link, None);
    let links = desk.casebook.links(&entry.incident_id).await.unwrap();
    assert_eq!(links.linked_accounts, ["globex"]);
}
