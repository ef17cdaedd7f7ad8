//! The inventory: which keys there are, and what was announced about them.

use std::collections::BTreeMap;

use model::{
    Alert, Change, Entity, HISTORY_ERASED, Inventory, KeyEntry, LEVEL_ACCEPTED, Timestamp,
};
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;

use crate::audit::{self, Event};
use crate::error::{Doing, from_json, to_json};
use crate::{Casebook, Error, record};

/// The fact that counts changes of the inventory.
const VERSION: &str = "inventory_version";

/// A person takes what the key of an alert does for its new normal.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// The event time from which on it holds.
    pub from: Timestamp,
    /// The wall clock's time.
    pub now: Timestamp,
    /// Who.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl Casebook {
    /// Merges an inventory: a key replaces what is known of it, a new change is added.
    ///
    /// Keys that `inventory` does not name stay, because a compacted topic brings one key at a
    /// time, and a key that vanished from a list may still be abused.
    ///
    /// # Errors
    /// When it is not durable; then nothing of it is kept.
    pub async fn put_inventory(&self, inventory: &Inventory) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        for key in &inventory.keys {
            sqlx::query(
                "INSERT INTO keys (provider, account, key_id, body) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (provider, account, key_id) DO UPDATE SET body = excluded.body",
            )
            .bind(&key.provider)
            .bind(&key.account)
            .bind(&key.key)
            .bind(to_json("a key", key)?)
            .execute(&mut *transaction)
            .await
            .doing("store a key")?;
        }
        for change in &inventory.changes {
            put_change(&mut transaction, change).await?;
        }
        count_version(&mut transaction).await?;
        transaction.commit().await.doing("commit the inventory")
    }

    /// Takes what the key of an alert does for its new normal, with a line of the audit.
    ///
    /// # Errors
    /// When it is not durable; then nothing of it is kept.
    pub async fn accept_level(&self, acceptance: &Acceptance<'_>) -> Result<(), Error> {
        let Acceptance {
            alert,
            from,
            now,
            actor,
            reason,
        } = *acceptance;
        let details = [
            ("provider", alert.provider.as_str()),
            ("alert_id", alert.alert_id.as_str()),
            ("by", actor),
            ("reason", reason),
        ];
        let details = details.map(|(name, value)| (name.to_owned(), value.into()));
        let change = Change {
            time: from,
            kind: LEVEL_ACCEPTED.to_owned(),
            key: Some(alert.key_id.clone()),
            account: Some(alert.account.clone()),
            details: details.into_iter().collect(),
        };
        let mut transaction = self.write().await?;
        put_change(&mut transaction, &change).await?;
        count_version(&mut transaction).await?;
        let event = Event {
            time: now,
            actor,
            event: LEVEL_ACCEPTED,
            subject: alert.alert_id.as_str(),
            details: &serde_json::json!({ "key": alert.key_id, "reason": reason, "from": from }),
        };
        audit::append(&mut transaction, &event).await?;
        transaction.commit().await.doing("commit an acceptance")
    }

    /// Has the detector forget what it knows of keys, each with its provider and account, up to
    /// `now`, and ends their alerts.
    ///
    /// # Errors
    /// When it is not durable; then nothing of it is kept.
    pub async fn put_erased(&self, keys: &[Entity], now: Timestamp) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        for entity in keys {
            let change = Change {
                time: now,
                kind: HISTORY_ERASED.to_owned(),
                key: Some(entity.key.clone()),
                account: Some(entity.account.clone()),
                details: [("provider".to_owned(), entity.provider.as_str().into())].into(),
            };
            put_change(&mut transaction, &change).await?;
            // The detector forgets them, too, and would never say that they are over.
            record::end_alerts(&mut transaction, entity, "the key's history was erased").await?;
        }
        count_version(&mut transaction).await?;
        transaction.commit().await.doing("commit what is erased")
    }

    /// Returns a number that grows with every change of the inventory.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn inventory_version(&self) -> Result<i64, Error> {
        let version = self.meta(VERSION).await?;
        Ok(version.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Returns the inventory: keys by provider, account and key; changes by time.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn inventory(&self) -> Result<Inventory, Error> {
        let changes: Vec<String> =
            sqlx::query_scalar("SELECT body FROM changes ORDER BY time, change_id")
                .fetch_all(self.readers())
                .await
                .doing("read changes")?;
        Ok(Inventory {
            keys: self.keys().await?,
            changes: changes
                .iter()
                .map(|body| from_json("a change", body))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Returns every key of the inventory by provider, account and key: what was put there, and
    /// keys that lists and audit logs of their providers named.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyEntry>, Error> {
        let bodies: Vec<String> =
            sqlx::query_scalar("SELECT body FROM keys ORDER BY provider, account, key_id")
                .fetch_all(self.readers())
                .await
                .doing("read keys")?;
        let mut keys = BTreeMap::new();
        for body in &bodies {
            let entry: KeyEntry = from_json("a key", body)?;
            keys.insert(entry.entity(), entry);
        }
        for seen in self.seen_keys().await? {
            let entry = keys.entry(seen.entity.clone());
            seen.fill(entry.or_insert_with(|| bare(&seen.entity)));
        }
        Ok(keys.into_values().collect())
    }

    /// Returns what the inventory says of one key.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn key(&self, entity: &Entity) -> Result<Option<KeyEntry>, Error> {
        let body: Option<String> = sqlx::query_scalar(
            "SELECT body FROM keys WHERE provider = $1 AND account = $2 AND key_id = $3",
        )
        .bind(&entity.provider)
        .bind(&entity.account)
        .bind(&entity.key)
        .fetch_optional(self.readers())
        .await
        .doing("read a key")?;
        let mut entry: Option<KeyEntry> = body.map(|body| from_json("a key", &body)).transpose()?;
        if let Some(seen) = self.seen_key(entity).await? {
            seen.fill(entry.get_or_insert_with(|| bare(entity)));
        }
        Ok(entry)
    }
}

/// An entry of which nothing but the key is known.
fn bare(entity: &Entity) -> KeyEntry {
    KeyEntry {
        provider: entity.provider.clone(),
        account: entity.account.clone(),
        key: entity.key.clone(),
        ..KeyEntry::default()
    }
}

async fn put_change(connection: &mut AnyConnection, change: &Change) -> Result<(), Error> {
    let body = to_json("a change", change)?;
    sqlx::query(
        "INSERT INTO changes (change_id, time, body) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
    )
    .bind(hex::encode(Sha256::digest(body.as_bytes())))
    .bind(change.time.millis())
    .bind(body)
    .execute(connection)
    .await
    .doing("store a change")?;
    Ok(())
}

pub(crate) async fn count_version(connection: &mut AnyConnection) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ($1, '1')
         ON CONFLICT (key) DO UPDATE 
             SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT)",
    )
    .bind(VERSION)
    .execute(connection)
    .await
    .doing("count a change of the inventory")?;
    Ok(())
}
