//! The audit chain: numbered lines, each hash covering its line and the hash before it.

use model::{AuditEntry, Timestamp};
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::{Doing, from_json, to_json};
use crate::row::{get, time};
use crate::{Casebook, Error};

/// Lines checked at a time, so that a long chain does not fill memory.
const VERIFY_LINES: i64 = 1_000;

impl Casebook {
    /// Returns audit lines, the newest first.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let rows = sqlx::query("SELECT * FROM audit ORDER BY sequence DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await
            .doing("read the audit")?;
        rows.iter().map(entry).collect()
    }

    /// Returns the audit lines about one subject, such as an action's id, in their order.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn audit_of(&self, subject: &str, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let rows = sqlx::query("SELECT * FROM audit WHERE subject = $1 ORDER BY sequence LIMIT $2")
            .bind(subject)
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await
            .doing("read the audit")?;
        rows.iter().map(entry).collect()
    }

    /// Appends a line about something that is not kept in the casebook itself.
    ///
    /// # Errors
    /// When the casebook cannot be written.
    pub async fn note(&self, event: &Event<'_>) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        append(&mut transaction, event).await?;
        transaction
            .commit()
            .await
            .doing("commit a line of the audit")
    }

    /// Recomputes the whole chain and returns the number of its lines.
    ///
    /// The head kept beside the chain shows lines cut off the end. Whoever can rewrite the
    /// whole file can rewrite the chain: compare the last hash with one kept elsewhere.
    ///
    /// # Errors
    /// [`Error::AuditBroken`] with the first line that does not fit.
    pub async fn verify_audit(&self) -> Result<u64, Error> {
        let mut snapshot = self.snapshot().await?;
        let (mut lines, mut hash) = (0i64, String::new());
        loop {
            let rows =
                sqlx::query("SELECT * FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2")
                    .bind(lines)
                    .bind(VERIFY_LINES)
                    .fetch_all(&mut *snapshot)
                    .await
                    .doing("read the audit")?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let sequence = lines + 1;
                let broken = |reason| Error::AuditBroken { sequence, reason };
                let line = Line::read(row)?;
                if line.sequence != sequence {
                    return Err(broken("the line is missing"));
                }
                hash = line.hash_after(&hash);
                if get::<String>(row, "hash")? != hash {
                    return Err(broken(
                        "the hash does not match the line and the one before",
                    ));
                }
                lines = sequence;
            }
        }
        let (head_sequence, head_hash) = head(&mut snapshot).await?;
        if head_sequence == lines && head_hash == hash {
            return Ok(u64::try_from(lines).unwrap_or_default());
        }
        Err(Error::AuditBroken {
            sequence: lines.min(head_sequence) + 1,
            reason: if head_sequence > lines {
                "lines are missing at the end"
            } else {
                "the recorded head is not the last line"
            },
        })
    }
}

/// What one line says, before it has a number and a hash.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When, by the wall clock.
    pub time: Timestamp,
    /// Who.
    pub actor: &'a str,
    /// What happened.
    pub event: &'a str,
    /// What it happened to.
    pub subject: &'a str,
    /// Details, without any secret.
    pub details: &'a serde_json::Value,
}

/// Appends one line; the caller holds the write lock, so that the head cannot move meanwhile.
pub(crate) async fn append(connection: &mut AnyConnection, event: &Event<'_>) -> Result<(), Error> {
    let (sequence, hash) = head(connection).await?;
    let line = Line {
        sequence: sequence + 1,
        time: event.time.millis(),
        actor: event.actor.to_owned(),
        event: event.event.to_owned(),
        subject: event.subject.to_owned(),
        details: to_json("audit details", event.details)?,
    };
    let hash = line.hash_after(&hash);
    sqlx::query(
        "INSERT INTO audit (sequence, time, actor, event, subject, details, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(line.sequence)
    .bind(line.time)
    .bind(&line.actor)
    .bind(&line.event)
    .bind(&line.subject)
    .bind(&line.details)
    .bind(&hash)
    .execute(&mut *connection)
    .await
    .doing("append to the audit")?;
    sqlx::query("UPDATE audit_head SET sequence = $1, hash = $2 WHERE id = 1")
        .bind(line.sequence)
        .bind(&hash)
        .execute(&mut *connection)
        .await
        .doing("move the head of the audit")?;
    Ok(())
}

async fn head(connection: &mut AnyConnection) -> Result<(i64, String), Error> {
    let row = sqlx::query("SELECT sequence, hash FROM audit_head WHERE id = 1")
        .fetch_one(connection)
        .await
        .doing("read the head of the audit")?;
    Ok((get(&row, "sequence")?, get(&row, "hash")?))
}

/// One line as it is hashed: the text of the details, not their meaning, so that the order of
/// fields can never change a hash.
struct Line {
    sequence: i64,
    time: i64,
    actor: String,
    event: String,
    subject: String,
    details: String,
}

impl Line {
    fn read(row: &AnyRow) -> Result<Self, Error> {
        Ok(Self {
            sequence: get(row, "sequence")?,
            time: get(row, "time")?,
            actor: get(row, "actor")?,
            event: get(row, "event")?,
            subject: get(row, "subject")?,
            details: get(row, "details")?,
        })
    }

    /// Hashes the line after `previous`; lengths go first, so that no text can move a border.
    fn hash_after(&self, previous: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(b"audit.v1");
        hash.update(self.sequence.to_le_bytes());
        hash.update(self.time.to_le_bytes());
        for part in [
            previous,
            &self.actor,
            &self.event,
            &self.subject,
            &self.details,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hex::encode(hash.finalize())
    }
}

fn entry(row: &AnyRow) -> Result<AuditEntry, Error> {
    let details: String = get(row, "details")?;
    Ok(AuditEntry {
        sequence: get(row, "sequence")?,
        time: time(row, "time")?,
        actor: get(row, "actor")?,
        event: get(row, "event")?,
        subject: get(row, "subject")?,
        details: from_json("audit details", &details)?,
        hash: get(row, "hash")?,
    })
}
