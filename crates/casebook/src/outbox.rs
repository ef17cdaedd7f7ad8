//! Messages to people: written with the alert, delivered later, remembered for ever.

use model::{Alert, IncidentId, Receipt, Timestamp};
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::Doing;
use crate::row::{count, get, time, time_if_known, without_nul};
use crate::{Casebook, Error};

/// Characters kept of an answer or an error of the other side.
const ANSWER_CHARS_MAX: usize = 500;

/// One message that waits to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The incident it tells of.
    pub incident_id: IncidentId,
    /// The channel it goes to.
    pub channel: String,
    /// 0 for the first message about the incident on this channel, then 1, 2, ...
    pub sequence: u32,
    /// The same for every attempt at this message.
    pub idempotency_key: String,
    /// The attempts begun so far.
    pub attempts: u32,
    /// When the next attempt is due, by the wall clock.
    pub next_at: Timestamp,
    /// When the first attempt began, by the wall clock.
    pub first_attempt_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// The event time of the news that caused it.
    pub raised_at: Timestamp,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits for an attempt.
    Pending,
    /// The other side took it.
    Sent,
    /// It was given up.
    Dead,
    /// It was deliberately not sent.
    Suppressed,
}

impl DeliveryState {
    /// Returns the stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Suppressed => "suppressed",
        }
    }

    fn from_word(word: &str) -> Result<Self, Error> {
        [Self::Pending, Self::Sent, Self::Dead, Self::Suppressed]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| Error::Value {
                column: "state",
                value: word.to_owned(),
            })
    }
}

/// A message and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub entry: OutboxEntry,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it was sent or given up, by the wall clock.
    pub finished_at: Option<Timestamp>,
    /// What the other side answered.
    pub receipt: Option<String>,
}

/// How many messages are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Waiting for an attempt.
    pub pending: u64,
    /// Taken by the other side.
    pub sent: u64,
    /// Given up.
    pub dead: u64,
    /// Deliberately not sent.
    pub suppressed: u64,
}

impl Casebook {
    /// Returns messages that are due at `now` and not held, those of the worst incidents first.
    ///
    /// Of one incident and channel only the oldest waiting message is returned, so that people
    /// read them in their order. One deliverer per casebook is expected.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn due_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<OutboxEntry>, Error> {
        let rows = sqlx::query(
            "SELECT outbox.* FROM outbox JOIN incidents USING (incident_id)
             WHERE outbox.state = 'pending' AND held = 0 AND next_at <= $1
               AND NOT EXISTS (
                   SELECT 1 FROM outbox AS earlier
                   WHERE earlier.incident_id = outbox.incident_id
                     AND earlier.channel = outbox.channel
                     AND earlier.sequence < outbox.sequence AND earlier.state = 'pending')
             ORDER BY incidents.severity DESC, next_at, raised_at, incident_id, channel
             LIMIT $2",
        )
        .bind(now.millis())
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await
        .doing("read due messages")?;
        rows.iter().map(entry).collect()
    }

    /// Notes that an attempt begins, before the other side is called.
    ///
    /// Returns false, and changes nothing, when the message is no longer waiting or another
    /// attempt has begun since the entry was read.
    ///
    /// # Errors
    /// When it is not durable.
    pub async fn attempt_started(
        &self,
        entry: &OutboxEntry,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut transaction = self.write().await?;
        let done = sqlx::query(
            "UPDATE outbox SET attempts = attempts + 1, last_attempt_at = $4,
                 first_attempt_at = coalesce(first_attempt_at, $4)
             WHERE incident_id = $1 AND channel = $2 AND sequence = $3
               AND state = 'pending' AND attempts = $5",
        )
        .bind(entry.incident_id.as_str())
        .bind(&entry.channel)
        .bind(i64::from(entry.sequence))
        .bind(now.millis())
        .bind(i64::from(entry.attempts))
        .execute(&mut *transaction)
        .await
        .doing("note an attempt")?;
        transaction.commit().await.doing("commit an attempt")?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes that the other side took the message.
    ///
    /// It counts even if the message was suppressed meanwhile: people have read it.
    ///
    /// # Errors
    /// When it is not durable; the message may then be sent again with the same key.
    pub async fn delivered(
        &self,
        entry: &OutboxEntry,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "UPDATE outbox SET state = 'sent', finished_at = $4, receipt = $5, last_error = NULL
             WHERE incident_id = $1 AND channel = $2 AND sequence = $3 AND state <> 'sent'",
        )
        .bind(entry.incident_id.as_str())
        .bind(&entry.channel)
        .bind(i64::from(entry.sequence))
        .bind(now.millis())
        .bind(shorten(&receipt.answer))
        .execute(&mut *transaction)
        .await
        .doing("note a delivery")?;
        transaction.commit().await.doing("commit a delivery")
    }

    /// Notes that an attempt failed; the next is due at `retry_at`, and `None` gives it up.
    ///
    /// # Errors
    /// When it is not durable.
    pub async fn failed(
        &self,
        entry: &OutboxEntry,
        error: &str,
        retry_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "UPDATE outbox SET last_error = $4,
                 state = CASE WHEN $5 IS NULL THEN 'dead' ELSE state END,
                 finished_at = CASE WHEN $5 IS NULL THEN last_attempt_at END,
                 next_at = coalesce($5, next_at)
             WHERE incident_id = $1 AND channel = $2 AND sequence = $3 AND state = 'pending'",
        )
        .bind(entry.incident_id.as_str())
        .bind(&entry.channel)
        .bind(i64::from(entry.sequence))
        .bind(shorten(error))
        .bind(retry_at.map(Timestamp::millis))
        .execute(&mut *transaction)
        .await
        .doing("note a failed attempt")?;
        transaction.commit().await.doing("commit a failed attempt")
    }

    /// Holds back the waiting messages of an incident, or lets them go; returns how many.
    ///
    /// # Errors
    /// When it is not durable.
    pub async fn hold(&self, incident: &IncidentId, held: bool) -> Result<u64, Error> {
        let mut transaction = self.write().await?;
        let done = sqlx::query(
            "UPDATE outbox SET held = $2
             WHERE incident_id = $1 AND state = 'pending' AND held <> $2",
        )
        .bind(incident.as_str())
        .bind(i64::from(held))
        .execute(&mut *transaction)
        .await
        .doing("hold messages")?;
        transaction.commit().await.doing("commit held messages")?;
        Ok(done.rows_affected())
    }

    /// Suppresses waiting messages of incidents without news since `event_time`; returns how many.
    ///
    /// They are stale after a replay. An incident that has news later is told then.
    ///
    /// # Errors
    /// When it is not durable.
    pub async fn suppress_pending_before(
        &self,
        event_time: Timestamp,
        reason: &str,
    ) -> Result<u64, Error> {
        let mut transaction = self.write().await?;
        let done = sqlx::query(
            "UPDATE outbox SET state = 'suppressed', last_error = $2
             WHERE state = 'pending' AND incident_id IN
                 (SELECT incident_id FROM incidents WHERE last_seen < $1)",
        )
        .bind(event_time.millis())
        .bind(shorten(reason))
        .execute(&mut *transaction)
        .await
        .doing("suppress stale messages")?;
        transaction
            .commit()
            .await
            .doing("commit suppressed messages")?;
        Ok(done.rows_affected())
    }

    /// Returns how many messages are in which state.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn outbox_counts(&self) -> Result<OutboxCounts, Error> {
        let rows = sqlx::query("SELECT state, count(*) AS messages FROM outbox GROUP BY state")
            .fetch_all(self.readers())
            .await
            .doing("count messages")?;
        let mut counts = OutboxCounts::default();
        for row in &rows {
            let messages = u64::try_from(get::<i64>(row, "messages")?).unwrap_or_default();
            match DeliveryState::from_word(&get::<String>(row, "state")?)? {
                DeliveryState::Pending => counts.pending = messages,
                DeliveryState::Sent => counts.sent = messages,
                DeliveryState::Dead => counts.dead = messages,
                DeliveryState::Suppressed => counts.suppressed = messages,
            }
        }
        Ok(counts)
    }

    /// Returns the messages about an incident by channel and sequence.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn deliveries(&self, incident: &IncidentId) -> Result<Vec<Delivery>, Error> {
        let rows =
            sqlx::query("SELECT * FROM outbox WHERE incident_id = $1 ORDER BY channel, sequence")
                .bind(incident.as_str())
                .fetch_all(self.readers())
                .await
                .doing("read the messages of an incident")?;
        rows.iter()
            .map(|row| {
                Ok(Delivery {
                    entry: entry(row)?,
                    state: DeliveryState::from_word(&get::<String>(row, "state")?)?,
                    finished_at: time_if_known(row, "finished_at")?,
                    receipt: get(row, "receipt")?,
                })
            })
            .collect()
    }
}

/// What a revision asks of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// The incident pages now, pages louder, or has a further key.
    News,
    /// Nothing that people have not been told, unless the last message was suppressed.
    StillGoingOn,
}

/// Writes the messages that a revision asks for, and returns how many.
pub(crate) async fn tell(
    connection: &mut AnyConnection,
    alert: &Alert,
    telling: Telling,
    channels: &[String],
) -> Result<u32, Error> {
    let mut messages = 0;
    for channel in channels {
        let last = last_message(connection, &alert.incident_id, channel).await?;
        let sequence = match (telling, last) {
            (Telling::News, None) => 0,
            (Telling::StillGoingOn, None) => continue,
            // It is rendered from the incident as it stands when it is sent.
            (_, Some(last)) if last.state == DeliveryState::Pending && last.attempts == 0 => {
                continue;
            }
            (Telling::StillGoingOn, Some(last)) if last.state != DeliveryState::Suppressed => {
                continue;
            }
            (_, Some(last)) => last.sequence + 1,
        };
        sqlx::query(
            "INSERT INTO outbox (incident_id, channel, sequence, idempotency_key, raised_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(alert.incident_id.as_str())
        .bind(channel)
        .bind(i64::from(sequence))
        .bind(idempotency_key(&alert.incident_id, channel, sequence))
        .bind(alert.raised_at.millis())
        .execute(&mut *connection)
        .await
        .doing("write a message")?;
        messages += 1;
    }
    Ok(messages)
}

struct LastMessage {
    sequence: u32,
    state: DeliveryState,
    attempts: u32,
}

async fn last_message(
    connection: &mut AnyConnection,
    incident: &IncidentId,
    channel: &str,
) -> Result<Option<LastMessage>, Error> {
    let row = sqlx::query(
        "SELECT sequence, state, attempts FROM outbox
         WHERE incident_id = $1 AND channel = $2 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(incident.as_str())
    .bind(channel)
    .fetch_optional(connection)
    .await
    .doing("look for the last message")?;
    row.map(|row| {
        Ok(LastMessage {
            sequence: count(&row, "sequence")?,
            state: DeliveryState::from_word(&get::<String>(&row, "state")?)?,
            attempts: count(&row, "attempts")?,
        })
    })
    .transpose()
}

/// Computes the key that every attempt at one message carries.
fn idempotency_key(incident: &IncidentId, channel: &str, sequence: u32) -> String {
    let sequence = sequence.to_string();
    let mut hash = Sha256::new();
    for part in ["notice.v1", incident.as_str(), channel, &sequence] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut key = hex::encode(hash.finalize());
    key.truncate(40);
    format!("ntc_{key}")
}

fn shorten(text: &str) -> String {
    without_nul(text).chars().take(ANSWER_CHARS_MAX).collect()
}

fn entry(row: &AnyRow) -> Result<OutboxEntry, Error> {
    Ok(OutboxEntry {
        incident_id: IncidentId::from_text(get::<String>(row, "incident_id")?),
        channel: get(row, "channel")?,
        sequence: count(row, "sequence")?,
        idempotency_key: get(row, "idempotency_key")?,
        attempts: count(row, "attempts")?,
        next_at: time(row, "next_at")?,
        first_attempt_at: time_if_known(row, "first_attempt_at")?,
        last_error: get(row, "last_error")?,
        raised_at: time(row, "raised_at")?,
    })
}
