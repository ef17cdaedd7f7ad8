//! Actions on keys; each step is stored together with one line of the audit.

use async_trait::async_trait;
use model::{Action, ActionId, ActionStore, Entity, StoreError, Timestamp};

use crate::audit::{self, Event};
use crate::error::{Doing, from_json, to_json};
use crate::{Casebook, Error};

impl Casebook {
    /// Returns every action, the newest first.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn actions(&self) -> Result<Vec<Action>, Error> {
        let bodies =
            sqlx::query_scalar("SELECT body FROM actions ORDER BY requested_at DESC, action_id")
                .fetch_all(self.readers())
                .await
                .doing("read actions")?;
        read(bodies)
    }

    /// Returns the actions on one key, the newest first.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn actions_of(&self, entity: &Entity) -> Result<Vec<Action>, Error> {
        let bodies = sqlx::query_scalar(
            "SELECT body FROM actions WHERE key_id = $1 AND account = $2 AND provider = $3
             ORDER BY requested_at DESC, action_id",
        )
        .bind(&entity.key)
        .bind(&entity.account)
        .bind(&entity.provider)
        .fetch_all(self.readers())
        .await
        .doing("read the actions of a key")?;
        read(bodies)
    }

    /// Returns the one action whose id begins with `prefix`, with or without `act_`.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] when several do, or when the casebook cannot be read.
    pub async fn find_action(&self, prefix: &str) -> Result<Option<Action>, Error> {
        let bodies = sqlx::query_scalar(
            "SELECT body FROM actions
             WHERE substr(action_id, 1, length($1)) = $1
                OR substr(action_id, 1, length($1) + 4) = 'act_' || $1
             ORDER BY action_id",
        )
        .bind(prefix)
        .fetch_all(self.readers())
        .await
        .doing("find an action")?;
        let mut actions = read(bodies)?;
        if actions.len() > 1 {
            return Err(Error::Ambiguous {
                prefix: prefix.to_owned(),
                count: actions.len(),
            });
        }
        Ok(actions.pop())
    }

    async fn record_action(&self, action: &Action, event: &Event<'_>) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO actions (action_id, provider, account, key_id, state, requested_at, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (action_id) DO UPDATE SET state = excluded.state, body = excluded.body",
        )
        .bind(action.action_id.as_str())
        .bind(&action.entity.provider)
        .bind(&action.entity.account)
        .bind(&action.entity.key)
        .bind(action.state.as_str())
        .bind(action.requested_at.millis())
        .bind(to_json("an action", action)?)
        .execute(&mut *transaction)
        .await
        .doing("store an action")?;
        audit::append(&mut transaction, event).await?;
        transaction.commit().await.doing("commit an action")
    }
}

#[async_trait]
impl ActionStore for Casebook {
    async fn record(
        &self,
        action: &Action,
        time: Timestamp,
        actor: &str,
        event: &str,
        details: serde_json::Value,
    ) -> Result<(), StoreError> {
        let event = Event {
            time,
            actor,
            event,
            subject: action.action_id.as_str(),
            details: &details,
        };
        Ok(self.record_action(action, &event).await?)
    }

    async fn action(&self, id: &ActionId) -> Result<Option<Action>, StoreError> {
        let body: Option<String> =
            sqlx::query_scalar("SELECT body FROM actions WHERE action_id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await
                .doing("read an action")?;
        Ok(body.map(|body| from_json("an action", &body)).transpose()?)
    }
}

fn read(bodies: Vec<String>) -> Result<Vec<Action>, Error> {
    bodies
        .iter()
        .map(|body| from_json("an action", body))
        .collect()
}
