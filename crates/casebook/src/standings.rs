//! How each key stands: whether it is judged yet, by which families, and why not.

use model::Entity;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;

use crate::error::{Doing, from_json, to_json};
use crate::row::without_nul;
use crate::{Casebook, Error};

impl Casebook {
    /// Replaces what this instance said of how keys stand; the newest word of any instance holds.
    ///
    /// # Errors
    /// When it is not durable; then what was known stays.
    pub async fn put_standings<S: Serialize>(
        &self,
        instance: &str,
        standings: &[(Entity, S)],
    ) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM standings WHERE instance = $1")
            .bind(instance)
            .execute(&mut *transaction)
            .await
            .doing("clear the standings")?;
        for (entity, standing) in standings {
            sqlx::query(
                "INSERT INTO standings (provider, account, key_id, body, instance)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (provider, account, key_id)
                 DO UPDATE SET body = excluded.body, instance = excluded.instance",
            )
            .bind(without_nul(&entity.provider))
            .bind(without_nul(&entity.account))
            .bind(without_nul(&entity.key))
            .bind(to_json("a standing", standing)?)
            .bind(instance)
            .execute(&mut *transaction)
            .await
            .doing("store a standing")?;
        }
        transaction.commit().await.doing("commit the standings")
    }

    /// Returns how keys stand, by provider, account and key.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn standings<S: DeserializeOwned>(
        &self,
        limit: u32,
    ) -> Result<Vec<(Entity, S)>, Error> {
        let rows = sqlx::query(
            "SELECT provider, account, key_id, body FROM standings
             ORDER BY provider, account, key_id LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await
        .doing("read the standings")?;
        rows.iter()
            .map(|row| {
                let text = |column| row.try_get::<String, _>(column).doing("read a standing");
                let entity = Entity {
                    provider: text("provider")?,
                    account: text("account")?,
                    key: text("key_id")?,
                };
                Ok((entity, from_json("a standing", &text("body")?)?))
            })
            .collect()
    }
}
