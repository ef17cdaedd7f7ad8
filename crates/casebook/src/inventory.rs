//! The inventory: which keys there are, and what was announced about them.

use model::{Entity, Inventory, KeyEntry};
use sha2::{Digest, Sha256};

use crate::error::{Doing, from_json, to_json};
use crate::{Casebook, Error};

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
                "INSERT INTO keys (provider, account, key_id, body) VALUES (?1, ?2, ?3, ?4)
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
            let body = to_json("a change", change)?;
            sqlx::query(
                "INSERT INTO changes (change_id, time, body) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )
            .bind(hex::encode(Sha256::digest(body.as_bytes())))
            .bind(change.time.millis())
            .bind(body)
            .execute(&mut *transaction)
            .await
            .doing("store a change")?;
        }
        transaction.commit().await.doing("commit the inventory")
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

    /// Returns every key of the inventory by provider, account and key.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyEntry>, Error> {
        let keys: Vec<String> =
            sqlx::query_scalar("SELECT body FROM keys ORDER BY provider, account, key_id")
                .fetch_all(self.readers())
                .await
                .doing("read keys")?;
        keys.iter().map(|body| from_json("a key", body)).collect()
    }

    /// Returns what the inventory says of one key.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn key(&self, entity: &Entity) -> Result<Option<KeyEntry>, Error> {
        let body: Option<String> = sqlx::query_scalar(
            "SELECT body FROM keys WHERE provider = ?1 AND account = ?2 AND key_id = ?3",
        )
        .bind(&entity.provider)
        .bind(&entity.account)
        .bind(&entity.key)
        .fetch_optional(self.readers())
        .await
        .doing("read a key")?;
        body.map(|body| from_json("a key", &body)).transpose()
    }
}
