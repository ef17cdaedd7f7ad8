//! What ties incidents together, and the message that tells of it.

use model::{IncidentId, Notice};
use sqlx::AnyConnection;

use crate::error::Doing;
use crate::{AlertFilter, Casebook, Error, OutboxEntry, alerts, incidents};

/// Alerts in one message, the worst first; the incident says how many keys there are.
const NOTICE_ALERTS_MAX: u32 = 100;

/// Accounts named as linked.
const LINKED_ACCOUNTS_MAX: u32 = 100;

/// Who else may be hit by the same leak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Vendors that every alerted key of the incident is stored with.
    pub shared_vendors: Vec<String>,
    /// Other accounts with an open incident and a key stored with one of those vendors.
    pub linked_accounts: Vec<String>,
}

impl Casebook {
    /// Renders a message from its incident as it stands now.
    ///
    /// Call it after [`Casebook::attempt_started`]: news that is recorded before the attempt began
    /// adds no message of its own, because this one is expected to tell it.
    ///
    /// # Errors
    /// [`Error::NoIncident`] when there is no such incident, or when the casebook cannot be read.
    pub async fn notice(
        &self,
        entry: &OutboxEntry,
        link_base: Option<&str>,
    ) -> Result<Notice, Error> {
        // One snapshot: the sums must be those of the alerts beside them.
        let mut snapshot = self.snapshot().await?;
        let id = &entry.incident_id;
        let incident = incidents::find(&mut snapshot, id)
            .await?
            .ok_or_else(|| Error::NoIncident(id.to_string()))?;
        let filter = AlertFilter {
            incident: Some(id.clone()),
            limit: NOTICE_ALERTS_MAX,
            ..AlertFilter::default()
        };
        let alerts = alerts::worst_first(&mut snapshot, &filter).await?;
        let links = links(&mut snapshot, id, &incident.account).await?;
        Ok(Notice {
            incident,
            alerts,
            shared_vendors: links.shared_vendors,
            linked_accounts: links.linked_accounts,
            sequence: entry.sequence,
            idempotency_key: entry.idempotency_key.clone(),
            link: link_base.map(|base| format!("{}/incidents/{id}", base.trim_end_matches('/'))),
        })
    }

    /// Returns the vendors an incident's keys share, and the other accounts hit at the same time.
    ///
    /// # Errors
    /// [`Error::NoIncident`] when there is no such incident, or when the casebook cannot be read.
    pub async fn links(&self, id: &IncidentId) -> Result<Links, Error> {
        let mut snapshot = self.snapshot().await?;
        let incident = incidents::find(&mut snapshot, id)
            .await?
            .ok_or_else(|| Error::NoIncident(id.to_string()))?;
        links(&mut snapshot, id, &incident.account).await
    }
}

/// The vendors that every key of incident `$1` is stored with.
macro_rules! shared {
    () => {
        "SELECT vendor FROM (
             SELECT DISTINCT vendor, provider, key_id
             FROM alert_vendors JOIN alerts USING (alert_id) WHERE incident_id = $1
         ) AS stored
         GROUP BY vendor
         HAVING count(*) = (SELECT count(*) FROM (
             SELECT DISTINCT provider, key_id FROM alerts WHERE incident_id = $1
         ) AS hit)"
    };
}

async fn links(
    connection: &mut AnyConnection,
    id: &IncidentId,
    account: &str,
) -> Result<Links, Error> {
    // A key may have several alerts, and the inventory may have learned of a vendor in between:
    // a vendor of any of its alerts is a vendor of the key.
    let shared_vendors: Vec<String> = sqlx::query_scalar(concat!(shared!(), " ORDER BY vendor"))
        .bind(id.as_str())
        .fetch_all(&mut *connection)
        .await
        .doing("find shared vendors")?;
    if shared_vendors.is_empty() {
        return Ok(Links::default());
    }
    let linked_accounts = sqlx::query_scalar(concat!(
        "SELECT DISTINCT alerts.account
         FROM alerts JOIN incidents USING (incident_id) JOIN alert_vendors USING (alert_id)
         WHERE incidents.state = 'open' AND incident_id <> $1 AND alerts.account <> $2
           AND vendor IN (",
        shared!(),
        ")
         ORDER BY alerts.account LIMIT $3"
    ))
    .bind(id.as_str())
    .bind(account)
    .bind(i64::from(LINKED_ACCOUNTS_MAX))
    .fetch_all(connection)
    .await
    .doing("find linked accounts")?;
    Ok(Links {
        shared_vendors,
        linked_accounts,
    })
}
