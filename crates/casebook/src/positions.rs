//! How far pollers have read.

use async_trait::async_trait;
use model::{PollPositions, StoreError, Timestamp};

use crate::error::Doing;
use crate::{Casebook, Error};

impl Casebook {
    async fn put_position(&self, feed: &str, position: &str, time: Timestamp) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO poll_positions (feed, position, stored_at) VALUES ($1, $2, $3)
             ON CONFLICT (feed) DO UPDATE
             SET position = excluded.position, stored_at = excluded.stored_at",
        )
        .bind(feed)
        .bind(position)
        .bind(time.millis())
        .execute(&mut *transaction)
        .await
        .doing("store a position")?;
        transaction.commit().await.doing("commit a position")
    }
}

#[async_trait]
impl PollPositions for Casebook {
    async fn position(&self, feed: &str) -> Result<Option<String>, StoreError> {
        let read = sqlx::query_scalar("SELECT position FROM poll_positions WHERE feed = $1")
            .bind(feed)
            .fetch_optional(self.readers())
            .await;
        Ok(read.doing("read a position")?)
    }

    async fn set_position(
        &self,
        feed: &str,
        position: &str,
        time: Timestamp,
    ) -> Result<(), StoreError> {
        Ok(self.put_position(feed, position, time).await?)
    }
}
