//! Incidents: which alerts belong together, and what they come to.

use std::collections::BTreeSet;

use model::{Alert, Incident, IncidentId, IncidentState, Nanos, Severity, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::Doing;
use crate::row::{count, flag, get, rank, severity, time};
use crate::{Casebook, Error};

/// How far from an incident an alert may begin and still belong to it.
const JOINS_WITHIN_MILLIS: i64 = Timestamp::DAY;

/// What all open incidents come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OpenTotals {
    /// How many there are.
    pub incidents: u64,
    /// Their keys.
    pub keys: u64,
    /// Money above what was expected.
    pub cost_so_far_usd: Nanos,
    /// Money above what was expected, per hour, now.
    pub burn_usd_per_hour: f64,
}

impl Casebook {
    /// Returns what all open incidents come to.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn open_totals(&self) -> Result<OpenTotals, Error> {
        let rows = sqlx::query(
            "SELECT keys, cost_nanos, burn_usd_per_hour FROM incidents
             WHERE state = 'open' ORDER BY incident_id",
        )
        .fetch_all(self.readers())
        .await
        .doing("sum up open incidents")?;
        // Not summed by SQLite, whose integer sum fails where ours saturates.
        let mut totals = OpenTotals::default();
        for row in &rows {
            totals.incidents += 1;
            totals.keys += u64::from(count(row, "keys")?);
            totals.cost_so_far_usd += Nanos::new(get(row, "cost_nanos")?);
            totals.burn_usd_per_hour += get::<f64>(row, "burn_usd_per_hour")?;
        }
        Ok(totals)
    }

    /// Returns the event time of the newest news of any incident.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn newest_news(&self) -> Result<Option<Timestamp>, Error> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(last_seen) FROM incidents")
            .fetch_one(self.readers())
            .await
            .doing("look for the newest news")?;
        Ok(newest.map(Timestamp::from_millis))
    }

    /// Returns incidents: open ones first, then the most severe, the costliest, the newest.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn incidents(&self, limit: u32) -> Result<Vec<Incident>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM incidents
             ORDER BY state = 'open' DESC, severity DESC, cost_nanos DESC, last_seen DESC, incident_id
             LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await
        .doing("read incidents")?;
        rows.iter().map(incident).collect()
    }

    /// Returns one incident.
    ///
    /// # Errors
    /// When the casebook cannot be read.
    pub async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, Error> {
        let mut connection = self
            .readers()
            .acquire()
            .await
            .doing("connect to the casebook")?;
        find(&mut connection, id).await
    }
}

/// Reads one incident.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    id: &IncidentId,
) -> Result<Option<Incident>, Error> {
    let row = sqlx::query("SELECT * FROM incidents WHERE incident_id = $1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await
        .doing("read an incident")?;
    row.as_ref().map(incident).transpose()
}

/// Returns the incident that a new alert belongs to: one of the account from a day before its
/// first window to a day after its last news, the newest if there are several; else the proposed.
pub(crate) async fn assign(
    connection: &mut AnyConnection,
    alert: &Alert,
) -> Result<IncidentId, Error> {
    let joined: Option<String> = sqlx::query_scalar(
        "SELECT incident_id FROM incidents
         WHERE account = $1 AND $2 BETWEEN first_seen - $3 AND last_seen + $3
         ORDER BY last_seen DESC, incident_id LIMIT 1",
    )
    .bind(&alert.account)
    .bind(alert.first_seen.millis())
    .bind(JOINS_WITHIN_MILLIS)
    .fetch_optional(connection)
    .await
    .doing("look for an incident to join")?;
    Ok(joined.map_or_else(|| alert.incident_id.clone(), IncidentId::from_text))
}

/// Makes sure that the incident of `alert` has a row, and returns it as it stood before the
/// alert, or `None` if the alert opens it.
pub(crate) async fn open(
    connection: &mut AnyConnection,
    alert: &Alert,
) -> Result<Option<Incident>, Error> {
    let before = find(connection, &alert.incident_id).await?;
    if before.is_none() {
        put(
            connection,
            &Incident {
                incident_id: alert.incident_id.clone(),
                account: alert.account.clone(),
                state: IncidentState::Open,
                severity: alert.severity,
                first_seen: alert.first_seen,
                last_seen: alert.raised_at,
                keys: 1,
                cost_so_far_usd: alert.cost_so_far_usd,
                burn_usd_per_hour: alert.burn_usd_per_hour,
            },
        )
        .await?;
    }
    Ok(before)
}

/// Sums up the incident's alerts, stores the result and returns it.
///
/// The severity never falls below `before`: people were told of it, and an alert that wavers
/// between two severities would otherwise be told at every turn.
pub(crate) async fn sum_up(
    connection: &mut AnyConnection,
    id: &IncidentId,
    account: &str,
    before: Option<&Incident>,
) -> Result<Incident, Error> {
    // Sums are made here in a fixed order, because sums of floats depend on it.
    let rows = sqlx::query(
        "SELECT provider, key_id, severity, first_seen, raised_at, cost_nanos, burn_usd_per_hour, ended
         FROM alerts WHERE incident_id = $1 ORDER BY alert_id",
    )
    .bind(id.as_str())
    .fetch_all(&mut *connection)
    .await
    .doing("sum up an incident")?;
    let mut keys = BTreeSet::new();
    let mut incident = Incident {
        incident_id: id.clone(),
        account: account.to_owned(),
        state: IncidentState::Ended,
        severity: before.map_or(Severity::Info, |before| before.severity),
        first_seen: Timestamp::from_millis(i64::MAX),
        last_seen: Timestamp::from_millis(i64::MIN),
        keys: 0,
        cost_so_far_usd: Nanos::default(),
        burn_usd_per_hour: 0.0,
    };
    for row in &rows {
        keys.insert((
            get::<String>(row, "provider")?,
            get::<String>(row, "key_id")?,
        ));
        incident.severity = incident.severity.max(severity(row, "severity")?);
        incident.first_seen = incident.first_seen.min(time(row, "first_seen")?);
        incident.last_seen = incident.last_seen.max(time(row, "raised_at")?);
        incident.cost_so_far_usd += Nanos::new(get(row, "cost_nanos")?);
        if !flag(row, "ended")? {
            incident.state = IncidentState::Open;
            incident.burn_usd_per_hour += get::<f64>(row, "burn_usd_per_hour")?;
        }
    }
    incident.keys = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    put(connection, &incident).await?;
    Ok(incident)
}

async fn put(connection: &mut AnyConnection, incident: &Incident) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO incidents (incident_id, account, state, severity, first_seen, last_seen, keys,
             cost_nanos, burn_usd_per_hour)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (incident_id) DO UPDATE SET
             state = excluded.state, severity = excluded.severity,
             first_seen = excluded.first_seen, last_seen = excluded.last_seen,
             keys = excluded.keys, cost_nanos = excluded.cost_nanos,
             burn_usd_per_hour = excluded.burn_usd_per_hour",
    )
    .bind(incident.incident_id.as_str())
    .bind(&incident.account)
    .bind(state_word(incident.state))
    .bind(rank(incident.severity))
    .bind(incident.first_seen.millis())
    .bind(incident.last_seen.millis())
    .bind(i64::from(incident.keys))
    .bind(incident.cost_so_far_usd.get())
    .bind(incident.burn_usd_per_hour)
    .execute(connection)
    .await
    .doing("store an incident")?;
    Ok(())
}

fn state_word(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "open",
        IncidentState::Ended => "ended",
    }
}

fn incident(row: &AnyRow) -> Result<Incident, Error> {
    let state: String = get(row, "state")?;
    Ok(Incident {
        incident_id: IncidentId::from_text(get::<String>(row, "incident_id")?),
        account: get(row, "account")?,
        state: match state.as_str() {
            "open" => IncidentState::Open,
            "ended" => IncidentState::Ended,
            _ => {
                return Err(Error::Value {
                    column: "state",
                    value: state,
                });
            }
        },
        severity: severity(row, "severity")?,
        first_seen: time(row, "first_seen")?,
        last_seen: time(row, "last_seen")?,
        keys: count(row, "keys")?,
        cost_so_far_usd: Nanos::new(get(row, "cost_nanos")?),
        burn_usd_per_hour: get(row, "burn_usd_per_hour")?,
    })
}
