//! Small facts of the installation, by name.

use crate::error::Doing;
use crate::{Casebook, Error};

impl Casebook {
    /// Stores a fact, replacing what stood under its name.
    ///
    /// # Errors
    /// When it is not durable.
    pub async fn set_meta(&self, key: &str, value: &str) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(&mut *transaction)
        .await
        .doing("store a fact")?;
        transaction.commit().await.doing("commit a fact")
    }

    /// Returns the fact of that name.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn meta(&self, key: &str) -> Result<Option<String>, Error> {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = $1")
            .bind(key)
            .fetch_optional(self.readers())
            .await
            .doing("read a fact")
    }
}
