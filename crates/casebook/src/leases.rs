//! What one instance of several does for all: deliver, poll, look after the history.
//!
//! A lease ends by the wall clock, so that whoever holds it and hangs does not stop the others
//! for ever. It keeps two from doing the same work at the same time; what must not happen twice
//! is kept from it by the place where it is written down.

use model::Timestamp;

use crate::error::Doing;
use crate::{Casebook, Error};

impl Casebook {
    /// Takes a lease, or makes it last longer; says whether `holder` has it now.
    ///
    /// # Errors
    /// When the casebook cannot be written; then nobody knows who has it.
    pub async fn lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, Error> {
        let mut transaction = self.write().await?;
        let taken = sqlx::query(
            "INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
             WHERE leases.holder = excluded.holder OR leases.until <= $4",
        )
        .bind(name)
        .bind(holder)
        .bind(until.millis())
        .bind(now.millis())
        .execute(&mut *transaction)
        .await
        .doing("take a lease")?;
        transaction.commit().await.doing("commit a lease")?;
        Ok(taken.rows_affected() == 1)
    }

    /// Gives a lease back, so that nobody has to wait for its end.
    ///
    /// # Errors
    /// When the casebook cannot be written; the lease ends by itself.
    pub async fn release(&self, name: &str, holder: &str) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2")
            .bind(name)
            .bind(holder)
            .execute(&mut *transaction)
            .await
            .doing("give a lease back")?;
        transaction
            .commit()
            .await
            .doing("commit the end of a lease")
    }

    /// Returns how many leases of a kind there are: those whose names begin so.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn leases(&self, prefix: &str, now: Timestamp) -> Result<u64, Error> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM leases WHERE substr(name, 1, length($1)) = $1 AND until > $2",
        )
        .bind(prefix)
        .bind(now.millis())
        .fetch_one(self.readers())
        .await
        .doing("count leases")?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
