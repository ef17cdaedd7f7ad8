//! Alerts as they are stored: the newest revision whole, and what each revision said.

use model::{Alert, AlertId, Entity, IncidentId, Nanos, Severity, Timestamp};
use sqlx::AnyConnection;

use crate::error::{Doing, from_json, to_json};
use crate::row::{count, flag, get, rank, remove_nul, severity, time};
use crate::{Casebook, Error};

/// Which alerts to return; what is `None` does not narrow.
#[derive(Clone, Debug)]
pub struct AlertFilter {
    /// Only of this incident.
    pub incident: Option<IncidentId>,
    /// Only of this account.
    pub account: Option<String>,
    /// Only of the key of this id.
    pub key: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Default for AlertFilter {
    fn default() -> Self {
        Self {
            incident: None,
            account: None,
            key: None,
            limit: 1_000,
        }
    }
}

/// What one revision of an alert said.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRevision {
    /// The alert.
    pub alert_id: AlertId,
    /// The key it is about.
    pub key_id: String,
    /// The revision.
    pub revision: u32,
    /// The event time known when it was made.
    pub raised_at: Timestamp,
    /// How much it asked of a person.
    pub severity: Severity,
    /// Money above what was expected by then.
    pub cost_so_far_usd: Nanos,
    /// Money above what was expected, per hour, by then.
    pub burn_usd_per_hour: f64,
    /// Whether the episode was over.
    pub ended: bool,
}

impl Casebook {
    /// Returns alerts: the most severe first, then the costliest, then the newest.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn alerts(&self, filter: AlertFilter) -> Result<Vec<Alert>, Error> {
        let mut connection = self
            .readers()
            .acquire()
            .await
            .doing("connect to the casebook")?;
        worst_first(&mut connection, &filter).await
    }

    /// Returns the newest revision of one alert.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn alert(&self, id: &AlertId) -> Result<Option<Alert>, Error> {
        let body: Option<String> =
            sqlx::query_scalar("SELECT body FROM alerts WHERE alert_id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await
                .doing("read an alert")?;
        body.map(|body| from_json("an alert", &body)).transpose()
    }

    /// Returns what each revision of an incident's alerts said, the newest `limit` in their order.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn revisions(
        &self,
        incident: &IncidentId,
        limit: u32,
    ) -> Result<Vec<AlertRevision>, Error> {
        let rows = sqlx::query(
            "SELECT revisions.*, alerts.key_id FROM alert_revisions AS revisions
             JOIN alerts USING (alert_id)
             WHERE alerts.incident_id = $1
             ORDER BY revisions.raised_at DESC, alert_id DESC, revisions.revision DESC LIMIT $2",
        )
        .bind(incident.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await
        .doing("read revisions")?;
        rows.iter()
            .rev()
            .map(|row| {
                Ok(AlertRevision {
                    alert_id: AlertId::from_text(get::<String>(row, "alert_id")?),
                    key_id: get(row, "key_id")?,
                    revision: count(row, "revision")?,
                    raised_at: time(row, "raised_at")?,
                    severity: severity(row, "severity")?,
                    cost_so_far_usd: Nanos::new(get(row, "cost_nanos")?),
                    burn_usd_per_hour: get(row, "burn_usd_per_hour")?,
                    ended: flag(row, "ended")?,
                })
            })
            .collect()
    }
}

/// Reads alerts, the worst first.
pub(crate) async fn worst_first(
    connection: &mut AnyConnection,
    filter: &AlertFilter,
) -> Result<Vec<Alert>, Error> {
    let bodies: Vec<String> = sqlx::query_scalar(
        "SELECT body FROM alerts
         WHERE ($1 IS NULL OR incident_id = $1)
           AND ($2 IS NULL OR account = $2)
           AND ($3 IS NULL OR key_id = $3)
         ORDER BY severity DESC, cost_nanos DESC, raised_at DESC, alert_id
         LIMIT $4",
    )
    .bind(filter.incident.as_ref().map(IncidentId::as_str))
    .bind(&filter.account)
    .bind(&filter.key)
    .bind(i64::from(filter.limit))
    .fetch_all(connection)
    .await
    .doing("read alerts")?;
    bodies
        .iter()
        .map(|body| from_json("an alert", body))
        .collect()
}

/// Reads the alerts of a key that have not ended.
pub(crate) async fn going_on(
    connection: &mut AnyConnection,
    entity: &Entity,
) -> Result<Vec<Alert>, Error> {
    let bodies: Vec<String> = sqlx::query_scalar(
        "SELECT body FROM alerts
         WHERE provider = $1 AND account = $2 AND key_id = $3 AND ended = 0
         ORDER BY first_seen, alert_id",
    )
    .bind(&entity.provider)
    .bind(&entity.account)
    .bind(&entity.key)
    .fetch_all(connection)
    .await
    .doing("read alerts that go on")?;
    bodies
        .iter()
        .map(|body| from_json("an alert", body))
        .collect()
}

/// What is already known of an alert.
pub(crate) struct Known {
    /// The stored revision.
    pub(crate) revision: u32,
    /// The incident it was given.
    pub(crate) incident_id: IncidentId,
}

/// Looks up what is known of an alert.
pub(crate) async fn known(
    connection: &mut AnyConnection,
    id: &AlertId,
) -> Result<Option<Known>, Error> {
    let row = sqlx::query("SELECT revision, incident_id FROM alerts WHERE alert_id = $1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await
        .doing("look up an alert")?;
    row.map(|row| {
        Ok(Known {
            revision: count(&row, "revision")?,
            incident_id: IncidentId::from_text(get::<String>(&row, "incident_id")?),
        })
    })
    .transpose()
}

/// Stores a revision; the caller has found that it is newer.
pub(crate) async fn put(connection: &mut AnyConnection, alert: &Alert) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO alerts (alert_id, revision, incident_id, provider, account, key_id, severity,
             score, first_seen, raised_at, cost_nanos, burn_usd_per_hour, ended, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (alert_id) DO UPDATE SET
             revision = excluded.revision, severity = excluded.severity, score = excluded.score,
             first_seen = excluded.first_seen, raised_at = excluded.raised_at,
             cost_nanos = excluded.cost_nanos, burn_usd_per_hour = excluded.burn_usd_per_hour,
             ended = excluded.ended, body = excluded.body",
    )
    .bind(alert.alert_id.as_str())
    .bind(i64::from(alert.revision))
    .bind(alert.incident_id.as_str())
    .bind(&alert.provider)
    .bind(&alert.account)
    .bind(&alert.key_id)
    .bind(rank(alert.severity))
    .bind(alert.score)
    .bind(alert.first_seen.millis())
    .bind(alert.raised_at.millis())
    .bind(alert.cost_so_far_usd.get())
    .bind(alert.burn_usd_per_hour)
    .bind(i64::from(alert.ended))
    .bind(to_json("an alert", alert)?)
    .execute(&mut *connection)
    .await
    .doing("store an alert")?;
    sqlx::query(
        "INSERT INTO alert_revisions
             (alert_id, revision, raised_at, severity, cost_nanos, burn_usd_per_hour, ended)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT DO NOTHING",
    )
    .bind(alert.alert_id.as_str())
    .bind(i64::from(alert.revision))
    .bind(alert.raised_at.millis())
    .bind(rank(alert.severity))
    .bind(alert.cost_so_far_usd.get())
    .bind(alert.burn_usd_per_hour)
    .bind(i64::from(alert.ended))
    .execute(&mut *connection)
    .await
    .doing("store a revision")?;
    put_vendors(connection, alert).await
}

/// Stores which vendors the key is stored with, as the newest revision has it.
async fn put_vendors(connection: &mut AnyConnection, alert: &Alert) -> Result<(), Error> {
    sqlx::query("DELETE FROM alert_vendors WHERE alert_id = $1")
        .bind(alert.alert_id.as_str())
        .execute(&mut *connection)
        .await
        .doing("clear the vendors of an alert")?;
    for vendor in &alert.stored_with {
        sqlx::query(
            "INSERT INTO alert_vendors (alert_id, vendor) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(alert.alert_id.as_str())
        .bind(vendor)
        .execute(&mut *connection)
        .await
        .doing("store a vendor of an alert")?;
    }
    Ok(())
}

/// Replaces what JSON cannot hold (an infinity becomes the largest number, no number becomes 0:
/// JSON would write both as null, and the alert could never be read again), and what PostgreSQL
/// does not take in a text.
pub(crate) fn make_storable(alert: &mut Alert) {
    let texts = [&mut alert.provider, &mut alert.account, &mut alert.key_id];
    for text in texts.into_iter().chain(&mut alert.stored_with) {
        remove_nul(text);
    }
    let numbers = [
        &mut alert.score,
        &mut alert.p_value,
        &mut alert.neg_log_p,
        &mut alert.episodes_per_day,
        &mut alert.observed,
        &mut alert.expected,
        &mut alert.expected_low,
        &mut alert.expected_high,
        &mut alert.burn_usd_per_hour,
    ];
    let shares = alert
        .top_contributors
        .iter_mut()
        .map(|contributor| &mut contributor.share);
    let points = alert.series.iter_mut().flat_map(|point| {
        [
            &mut point.observed,
            &mut point.expected,
            &mut point.low,
            &mut point.high,
        ]
    });
    for number in numbers.into_iter().chain(shares).chain(points) {
        *number = if number.is_nan() {
            0.0
        } else {
            number.clamp(f64::MIN, f64::MAX)
        };
    }
    for evidence in &mut alert.evidence {
        evidence.neg_log_p = evidence.neg_log_p.filter(|number| number.is_finite());
    }
}
