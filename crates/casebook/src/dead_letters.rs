//! Records that could not be read, each kept once by its place.

use model::{DeadLetter, Position, Reason};
use sqlx::any::AnyRow;

use crate::error::Doing;
use crate::row::{get, time_if_known, without_nul};
use crate::{Casebook, Error};

impl Casebook {
    /// Keeps dead letters and returns how many were new; one of a known place is ignored.
    ///
    /// # Errors
    /// When they are not durable; then none is kept.
    pub async fn put_dead_letters(&self, dead_letters: &[DeadLetter]) -> Result<u64, Error> {
        if dead_letters.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.write().await?;
        let mut new = 0;
        for dead_letter in dead_letters {
            let done = sqlx::query(
                "INSERT INTO dead_letters
                     (topic, partition, \"offset\", reason, detail, record_time, payload, payload_bytes)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT DO NOTHING",
            )
            .bind(&*dead_letter.position.topic)
            .bind(dead_letter.position.partition)
            .bind(dead_letter.position.offset)
            .bind(dead_letter.reason.as_str())
            .bind(without_nul(&dead_letter.detail))
            .bind(dead_letter.record_time.map(model::Timestamp::millis))
            .bind(without_nul(&dead_letter.payload))
            .bind(i64::try_from(dead_letter.payload_bytes).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await
            .doing("store a dead letter")?;
            new += done.rows_affected();
        }
        transaction.commit().await.doing("commit dead letters")?;
        Ok(new)
    }

    /// Returns which of the dead letters are not kept yet, by their places.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn unknown_dead_letters(
        &self,
        dead_letters: &[DeadLetter],
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut unknown = Vec::new();
        for dead_letter in dead_letters {
            let known = sqlx::query(
                "SELECT 1 FROM dead_letters WHERE topic = $1 AND partition = $2 AND \"offset\" = $3",
            )
            .bind(&*dead_letter.position.topic)
            .bind(dead_letter.position.partition)
            .bind(dead_letter.position.offset)
            .fetch_optional(self.readers())
            .await
            .doing("look for a dead letter")?;
            if known.is_none() {
                unknown.push(dead_letter.clone());
            }
        }
        Ok(unknown)
    }

    /// Returns dead letters, the newest first.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        let rows = sqlx::query("SELECT * FROM dead_letters ORDER BY arrival DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await
            .doing("read dead letters")?;
        rows.iter().map(dead_letter).collect()
    }

    /// Returns how many dead letters there are of each reason, by reason.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn dead_letter_counts(&self) -> Result<Vec<(Reason, u64)>, Error> {
        let rows = sqlx::query(
            "SELECT reason, count(*) AS letters FROM dead_letters GROUP BY reason ORDER BY reason",
        )
        .fetch_all(self.readers())
        .await
        .doing("count dead letters")?;
        rows.iter()
            .map(|row| {
                let letters: i64 = get(row, "letters")?;
                Ok((reason(row)?, u64::try_from(letters).unwrap_or_default()))
            })
            .collect()
    }
}

fn reason(row: &AnyRow) -> Result<Reason, Error> {
    let word: String = get(row, "reason")?;
    serde_json::from_value(serde_json::Value::String(word)).map_err(|source| Error::Json {
        what: "a reason",
        source,
    })
}

fn dead_letter(row: &AnyRow) -> Result<DeadLetter, Error> {
    let topic: String = get(row, "topic")?;
    let payload_bytes: i64 = get(row, "payload_bytes")?;
    Ok(DeadLetter {
        reason: reason(row)?,
        detail: get(row, "detail")?,
        position: Position {
            topic: topic.into(),
            partition: get(row, "partition")?,
            offset: get(row, "offset")?,
        },
        record_time: time_if_known(row, "record_time")?,
        payload: get(row, "payload")?,
        payload_bytes: u64::try_from(payload_bytes).unwrap_or_default(),
    })
}
